"""What rules suspect of an address's wallet, and what its wallet is there for: told beside who it is, never as that.

A suspicion is a lead: it names nobody as the holder. What is said for and against it is in words, because a person
has to weigh it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from heuristics.clusters.evidence import wallet_of
from heuristics.lookup import AddressFacts, block_time_of, txids_of
from heuristics.rules import BY_ID
from heuristics.rules.shells import SHELL_FRONT
from store.reader import Cursor, Known, holds

Kind = Literal["pass_through", "nested_service", "miner_account", "miner_cashing_out"]
Tier = Literal["lead", "probable", "attributed"]

TIERS: Final[tuple[Tier, ...]] = ("lead", "probable", "attributed")
LOTS: Final = 10  # shown of each front
SIGNALS: Final = {
    "substitution": "it deals with those whom the party dealt with directly before",
    "diversity": "many parties stand at the other end",
    "two_way": "money passes both to the party and from it",
    "rotation": "it lives briefly, and begins or ends as another such wallet does",
    "chain": "those at its other end may be fronts for the party themselves",
}
DOUBTS: Final = {
    "other_business": "most of what passes through has nothing to do with the party",
    "keeps_or_adds": "it takes in more than it passes on, or pays out more",
    "holds_long": "money stays with it for long",
    "one_way": "money passes one way only",
    "few_others": "few parties stand at the other end",
    "new_others": "none at the other end dealt with the party directly before",
    "few_payments": "there are few payments at all",
}

_FRONT: Final = "SELECT shell FROM shell_wallet WHERE wallet = ?"
_SHELL: Final = (
    "SELECT tier, score, principal_id, principal, value, n_in + n_out, from_time, to_time, passes, principals, "
    "control, signals, against FROM shell WHERE shell = ? AND tier > 0"
)
_LOT: Final = (
    "SELECT tx_in, tx_out, value, dwell, away FROM shell_lot WHERE shell = ? ORDER BY value DESC, tx_in, tx_out LIMIT ?"
)
_NESTED: Final = (
    "SELECT host_id, senders, like_id, overlap, confidence, rule, tx_id, n, value FROM nested WHERE wallet = ? "
    "ORDER BY ALL"
)
_LEAD: Final = (
    "SELECT kind, entity_id, country, confidence, rule, tx_id, n, value, share FROM lead WHERE number = ? ORDER BY ALL"
)
_ROLE: Final = "SELECT role, entity_id FROM role WHERE wallet = ? ORDER BY ALL LIMIT 1"
_CUSTODY: Final = (
    "SELECT 'deposit_address', entity_id, category, confidence, rule FROM custody WHERE number = ? UNION ALL "
    "SELECT 'omnibus_wallet', entity_id, category, confidence, rule FROM omnibus WHERE wallet = ? ORDER BY ALL"
)
_PER_MILLE: Final = 10  # of a percent


class Lot(NamedTuple):
    """Money that passed through: hashes of both payments (internal byte order), satoshi, seconds in between.

    `away`: from the principal to others, rather than from others to it.
    """

    paid_in: bytes
    paid_out: bytes
    value: int
    dwell: int
    away: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One suspicion; score in per mille, value in satoshi.

    `entity_id` is the party that it is about: the one that a front would stand for, or the service at which an account
    is; None where nobody is named. `party` is the number of a wallet of that party, where the rule gives one.
    """

    kind: Kind
    tier: Tier
    score: int
    rule: str
    entity_id: str | None
    party: int | None
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]
    value: int
    n_tx: int
    first_time: int | None
    last_time: int
    txid: bytes | None
    """One transaction that shows it, internal byte order."""
    lots: tuple[Lot, ...] = ()


class Custody(NamedTuple):
    """An entity whose customers' money a custodian holds there; confidence in percent.

    `basis`: the address itself is told to be a customer's (`deposit_address`), or the wallet serves several entities.
    """

    basis: str
    entity_id: str
    category: str
    confidence: int
    rule: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a wallet is there for, as far as rules tell: plain facts, no suspicion."""

    role: str | None
    """hot, cold or deposit."""
    entity_id: str | None
    """Whose wallet it is in that role."""
    custody: tuple[Custody, ...]


def behaviours(cur: Cursor, facts: AddressFacts) -> list[Behaviour]:
    """Everything that rules suspect of an address and its wallet, the likeliest first; mostly without a look-up."""
    wallet = wallet_of(cur, facts.cluster_id)
    found: list[Behaviour] = []
    if holds(cur.known.suspected, wallet):
        found += _fronts(cur, wallet)
        found += [_nested(cur, *row) for row in cur.rows(_NESTED, [wallet])]
    for number in sorted({facts.number, wallet}):
        if holds(cur.known.suspected, number):
            found += [_mining(cur, *row) for row in cur.rows(_LEAD, [number])]
    return sorted(found, key=lambda one: (-TIERS.index(one.tier), -one.score, one.kind, one.entity_id or ""))


def use(cur: Cursor, facts: AddressFacts) -> Use:
    """What the wallet of an address is there for, and whose customers' money lies there."""
    wallet = wallet_of(cur, facts.cluster_id)
    role, entity_id = cur.row(_ROLE, [wallet]) or (None, None)
    rows = cur.rows(_CUSTODY, [facts.number, wallet])
    shared = (Custody(basis, whose, what, percent, BY_ID[rule].label) for basis, whose, what, percent, rule in rows)
    return Use(role, entity_id, tuple(shared))


def _fronts(cur: Cursor, wallet: int) -> list[Behaviour]:
    """For whom a wallet, or the trail of wallets that it is part of, may be a front."""
    front = cur.row(_FRONT, [wallet])
    rows = [] if front is None else cur.rows(_SHELL, front)
    return [_front(cur, front[0], row) for row in rows]


def _front(cur: Cursor, shell: int, row: Sequence[Any]) -> Behaviour:
    tier, score, principal_id, principal, value, n_tx, start, end, passes, principals, control, shown, doubts = row
    lots = _lots(cur, shell)
    parts = (
        f"it passes on what the party gives and gets ({_share(passes)})",
        f"it is there for the party ({_share(principals)})",
        f"the two act as one ({_share(control)})",
    )
    return Behaviour(
        kind="pass_through",
        tier=TIERS[tier - 1],
        score=score,
        rule=SHELL_FRONT.label,
        # A listed address without a party has a name of its own in the table only.
        entity_id=principal_id if principal_id in cur.known.entities else None,
        party=principal,
        speaks_for=(*parts, *(SIGNALS[name] for name in shown)),
        speaks_against=tuple(DOUBTS[name] for name in doubts),
        value=value,
        n_tx=n_tx,
        first_time=start,
        last_time=end,
        txid=lots[0].paid_in if lots else None,
        lots=lots,
    )


def _lots(cur: Cursor, shell: int) -> tuple[Lot, ...]:
    """The largest lots that passed through a front."""
    rows = cur.rows(_LOT, [shell, LOTS])
    txids = txids_of(cur, [tx_id for row in rows for tx_id in row[:2]])
    return tuple(Lot(txids[come], txids[go], *more) for come, go, *more in rows)


def _nested(cur: Cursor, *row: Any) -> Behaviour:
    host_id, senders, like_id, overlap, percent, rule, tx_id, n, value = row
    said = [f"{senders} wallets pay this one account at {_name(cur.known, host_id)}"]
    if like_id is not None:
        said.append(f"its senders are most like those of {_name(cur.known, like_id)} (overlap {overlap:.2f})")
    return _lead(cur, "nested_service", (host_id, percent, rule, tx_id, n, value), said)


def _mining(cur: Cursor, kind: Kind, *row: Any) -> Behaviour:
    entity_id, country, percent, rule, tx_id, n, value, share = row
    if kind == "miner_account":
        said = [f"{n} payouts of a pool are {share} percent of all that the address received"]
    else:
        said = [f"{share} percent of what the wallet sent was paid to exchanges of {country}"]
    return _lead(cur, kind, (entity_id, percent, rule, tx_id, n, value), said)


def _lead(cur: Cursor, kind: Kind, row: tuple[Any, ...], said: Sequence[str]) -> Behaviour:
    """A lead that one transaction stands for; against it are the ways in which its rule is known to fail."""
    entity_id, percent, rule, tx_id, n, value = row
    return Behaviour(
        kind=kind,
        tier="lead",
        score=percent * _PER_MILLE,
        rule=BY_ID[rule].label,
        entity_id=entity_id,
        party=None,
        speaks_for=tuple(said),
        speaks_against=tuple(BY_ID[rule].failure_modes.split("; ")),
        value=value,
        n_tx=n,
        first_time=None,
        last_time=block_time_of(cur.known, tx_id),
        txid=txids_of(cur, [tx_id])[tx_id],
    )


def _name(known: Known, entity_id: str | None) -> str:
    """An entity in words."""
    one = known.entities.get(entity_id or "")
    return one.name if one else entity_id or "a service that nobody names"


def _share(per_mille: int) -> str:
    return f"{per_mille // 1000}.{per_mille % 1000:03d}"
