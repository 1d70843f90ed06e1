"""Fronts of every principal that the labels give: the tables `shell`, `shell_wallet` and `shell_lot`.

Nothing here writes a name into the labels: a row says whom a wallet may be a front for, how sure that is, and what
speaks against it.
"""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heuristics.attribution.ground import Ground
from heuristics.shells.against import against
from heuristics.shells.known import Known, Principal, flags, known
from heuristics.shells.lots import Lots, events, lots
from heuristics.shells.payments import Flags, Ints, Longs, Payments, payments
from heuristics.shells.principals import Facts, facts, own_wallets
from heuristics.shells.reach import Order, Reach, order_of, reach, some
from heuristics.shells.score import ATTRIBUTED, CONTROLS, LEAD, Scores, scores, tiers
from heuristics.shells.signs import Floats, Seen, Signs, signs
from heuristics.shells.trails import trails

LEAST_PAYMENTS: Final = 1
"""In and out, in a window: a front of a few days makes no more."""
LEAST_SCORE: Final = 10  # per mille; below it nothing is said
_FEW: Final = 3
_ALL_OF_IT: Final = 0.95
_MANY: Final = 7  # payments in and out
_ROUNDS: Final = 2  # along a chain of companies
PARTIES: Final = 3
"""A front, whom it fronts for, and who is not to see that."""
_LOTS: Final = 5
"""Lots shown of each, the largest."""


class Fronts(NamedTuple):
    """What is found, as tables."""

    shell: pa.Table
    """One row per front: the best window and the likeliest principal."""
    shell_wallet: pa.Table
    """The wallets of each."""
    shell_lot: pa.Table
    """The largest lots of each."""


class _World(NamedTuple):
    """What is the same for every principal."""

    trail: Ints
    """Per address."""
    party: Ints
    """Per trail."""
    pay: Payments
    time: Longs
    """Per payment."""
    number: Longs
    """Per payment: address paid; -1 none."""
    facts: Facts
    names: list[str]
    """Of parties."""
    lots: Lots
    """Of all wallets that nobody is known to hold; a wallet's do not depend on for whom it may be a front."""
    order: Order
    documented: Flags
    """Per trail: a document says that its holder fronts for somebody."""


class _Found(NamedTuple):
    """Candidates of one principal: rows that are best of their wallet."""

    principal: Principal
    signs: Signs
    scores: Scores
    per_mille: Ints
    evidence: pa.Table
    """LOT: the largest lots of those of whom anything is said."""


def shells(ground: Ground) -> Fronts:
    """Score every wallet that nobody is known to hold as a front for each listed party."""
    if len(ground.wallet) < PARTIES:
        return Fronts(SHELL.empty_table(), SHELL_WALLET.empty_table(), LOT.empty_table())
    whose = known(ground)
    world = _world(ground, whose)
    found = [_fronts(ground, world, principal) for principal in whose.principals]
    return _tables(ground, world, _best(found))


def _world(ground: Ground, whose: Known) -> _World:
    trail = trails(ground.graph, ground.wallet, ground.joint, whose.party)
    party = np.full(len(trail), -1, np.int32)
    named = np.flatnonzero(whose.party >= 0)
    party[trail[named]] = whose.party[named]
    pay = payments(ground.graph, ground.pooled, trail)
    block = np.searchsorted(ground.graph.block_start, pay.place, "right") - 1
    number = np.full(len(pay.row), -1, np.int64)
    paid = pay.row >= 0
    number[paid] = ground.graph.out_number[pay.row[paid]]
    of = facts(ground.graph, pay, ground.joint, party)
    documented = flags(trail[whose.documented], len(trail))
    gets, gives = pay.payee[pay.payee >= 0], pay.payer[pay.payer >= 0]
    passing = flags(gets, len(trail)) & flags(gives, len(trail)) & (party < 0)
    matched = lots(pay, events(pay, passing))
    return _World(
        trail, party, pay, ground.times[block], number, of, whose.names, matched, order_of(matched), documented
    )


def _fronts(ground: Ground, world: _World, principal: Principal) -> _Found:
    """Score the candidates for one principal."""
    pay, n = world.pay, len(world.trail)
    own = own_wallets(world.facts, flags(world.trail[principal.wallets], n), principal.since)
    found, order = some(world.lots, world.order, ~own[world.lots.wallet])
    to = reach(pay, found, order, own)
    familiar = _familiar(world, own, principal.since)
    seen = signs(Seen(pay, found, world.time, to, familiar, world.number, world.party), LEAST_PAYMENTS)
    seen = _only(seen, ~_deposits(world)[seen.wallet])
    score = scores(seen, np.zeros(len(seen.wallet)))
    for _ in range(_ROUNDS):
        score = scores(seen, _beside(world, found, to, seen, score)[seen.wallet])
    likeliest = np.lexsort((seen.window, -score.score, seen.wallet))
    first = np.unique(seen.wallet[likeliest], return_index=True)[1]
    best = likeliest[first]
    per_mille = np.rint(1000 * score.score[best]).astype(np.int32)
    evidence = _lots(ground, world, (found, to), seen.wallet[best][per_mille >= LEAST_SCORE])
    return _Found(principal, _only(seen, best), Scores._make(c[best] for c in score), per_mille, evidence)


def _beside(world: _World, of: Lots, to: Reach, seen: Signs, score: Scores) -> Floats:
    """How likely a front stands at the other end of each wallet's dealings for the principal; by wallet.

    Who only deals with the next company of a chain shows nothing itself; the next one may show all.
    """
    n, pay = len(world.trail), world.pay
    likely = np.zeros(n)
    np.maximum.at(likely, seen.wallet, np.where(score.score >= LEAD / 1000, score.score, 0.0))
    ahead, behind = pay.payee[of.go], pay.payer[of.come]
    shown = np.maximum(np.where(ahead >= 0, likely[ahead], 0), np.where(behind >= 0, likely[behind], 0))
    part = shown * of.value * ((to.source[of.come] > 0) | (to.goal[of.go] > 0))
    whole = np.bincount(of.wallet, weights=of.value * 1.0, minlength=n)
    sums = np.bincount(of.wallet, weights=part, minlength=n)
    return np.divide(sums, whole, out=np.zeros(n), where=whole > 0)


def _only(of: Signs, rows: Longs | Flags) -> Signs:
    return Signs._make(column[rows] for column in of)


def _familiar(world: _World, own: Flags, since: int) -> Flags:
    """Payments with whom the principal dealt directly before it hid: addresses that it paid, wallets that paid it."""
    pay, n = world.pay, len(own)
    before = pay.place < since
    paid = flags(world.number[before & (pay.payer >= 0) & own[pay.payer] & (world.number >= 0)].astype(np.int32), n)
    payers = flags(pay.payer[before & (pay.payee >= 0) & own[pay.payee] & (pay.payer >= 0)], n) & (world.party < 0)
    return ((world.number >= 0) & paid[world.number]) | ((pay.payer >= 0) & payers[pay.payer])


def _deposits(world: _World) -> Flags:
    """Wallets that never keep change: what they get they move on whole, as deposit addresses are swept."""
    n = len(world.trail)
    of = world.facts
    moves, all_of = (np.bincount(of.payer[which], minlength=n) for which in (of.move, slice(None)))
    found: Flags = (all_of > 0) & (moves == all_of)
    return found


def _best(found: list[_Found]) -> list[tuple[_Found, Longs]]:
    """Rows to keep of each principal: of a wallet that may be a front for several, the likeliest."""
    top: dict[int, int] = {}
    for one in found:
        for wallet, score in zip(one.signs.wallet.tolist(), one.per_mille.tolist(), strict=True):
            top[wallet] = max(top.get(wallet, 0), score)
    taken: set[int] = set()
    kept = []
    for one in found:
        rows = []
        for i, (wallet, score) in enumerate(zip(one.signs.wallet.tolist(), one.per_mille.tolist(), strict=True)):
            if score >= LEAST_SCORE and score == top[wallet] and wallet not in taken:
                taken.add(wallet)
                rows.append(i)
        kept.append((one, np.array(rows, np.int64)))
    return kept


def _tables(ground: Ground, world: _World, kept: list[tuple[_Found, Longs]]) -> Fronts:
    shown = [_shell(one, rows, world) for one, rows in kept]
    shell = pa.concat_tables(shown) if shown else SHELL.empty_table()
    shell = shell.sort_by("shell")
    numbers = np.asarray(shell["shell"], np.int32)
    wallets = np.unique(ground.wallet)
    members = wallets[flags(numbers, len(world.trail))[world.trail[wallets]]]
    of = pa.table({"wallet": members, "shell": world.trail[members]}, SHELL_WALLET)
    evidence = [
        one.evidence.filter(pc.is_in(one.evidence["shell"], pa.array(one.signs.wallet[rows]))) for one, rows in kept
    ]
    return Fronts(shell, of, pa.concat_tables(evidence) if evidence else LOT.empty_table())


SHELL: Final = pa.schema(
    [
        ("shell", pa.int32()),
        ("score", pa.int16()),
        ("tier", pa.uint8()),
        ("principal_id", pa.string()),
        ("principal", pa.int32()),
        ("from_time", pa.int64()),
        ("to_time", pa.int64()),
        ("passes", pa.int16()),
        ("principals", pa.int16()),
        ("control", pa.int16()),
        ("value", pa.int64()),
        ("n_in", pa.int32()),
        ("n_out", pa.int32()),
        ("signals", pa.list_(pa.string())),
        ("against", pa.list_(pa.string())),
    ]
)
SHELL_WALLET: Final = pa.schema([("wallet", pa.int32()), ("shell", pa.int32())])
LOT: Final = pa.schema(
    [
        ("shell", pa.int32()),
        ("tx_in", pa.int64()),
        ("tx_out", pa.int64()),
        ("value", pa.int64()),
        ("dwell", pa.int64()),
        ("away", pa.bool_()),
    ]
)


def _captive(of: Signs) -> Flags:
    """Whether each is the front of whoever has one account with it, through which all goes.

    Both ends gain where an exchange deals with a listed party; the one that shows one face only is who hides.
    """
    one_face = (of.n_paid <= _FEW) & (of.others <= _FEW) & (of.patron_share >= _ALL_OF_IT)
    found: Flags = one_face & (np.minimum(of.n_in, of.n_out) >= _MANY)
    return found


def _shell(one: _Found, rows: Longs, world: _World) -> pa.Table:
    seen, score = _only(one.signs, rows), Scores._make(c[rows] for c in one.scores)
    bits = [[name for bit, name in enumerate(CONTROLS) if families >> bit & 1] for families in score.families.tolist()]
    captive = _captive(seen)
    first = np.zeros(len(world.names) + 1, np.int32)
    known_wallets = np.flatnonzero(world.party >= 0)[::-1].astype(np.int32)
    first[world.party[known_wallets]] = known_wallets
    columns = [
        seen.wallet,
        one.per_mille[rows],
        np.where(world.documented[seen.wallet], ATTRIBUTED, tiers(score)),
        [world.names[p] if is_so else one.principal.name for p, is_so in zip(seen.patron, captive, strict=True)],
        np.where(captive, first[seen.patron], one.principal.wallets[0]),
        seen.start,
        seen.end,
        *(np.rint(1000 * part) for part in (score.passes, score.principal, score.control)),
        seen.value,
        seen.n_in,
        seen.n_out,
        bits,
        against(seen),
    ]
    arrays = [pa.array(c).cast(field.type) for c, field in zip(columns, SHELL, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SHELL)


def _lots(ground: Ground, world: _World, dealt: tuple[Lots, Reach], wallets: Ints) -> pa.Table:
    """The largest lots that have one end at the principal, of each of these wallets."""
    of, to = dealt
    mine = np.flatnonzero(flags(wallets, len(world.trail))[of.wallet])
    source, goal = to.source[of.come[mine]], to.goal[of.go[mine]]
    value = of.value[mine] * np.abs(source - goal)
    order = np.lexsort((-value, of.wallet[mine]))
    wallet = of.wallet[mine][order]
    rank = np.arange(len(order)) - np.searchsorted(wallet, wallet)
    top = order[(rank < _LOTS) & (value[order] > 0)]
    come, go = of.come[mine][top], of.go[mine][top]
    return pa.table(
        {
            "shell": of.wallet[mine][top],
            "tx_in": ground.graph.tx_id(world.pay.place[come]),
            "tx_out": ground.graph.tx_id(world.pay.place[go]),
            "value": of.value[mine][top],
            "dwell": world.time[go] - world.time[come],
            "away": pa.array((source > goal)[top]),
        },
        schema=LOT,
    )
