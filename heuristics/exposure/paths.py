"""Paths from a wallet to where its money came from, or where it went: the best by value, with every transaction.

Haircut mixes, so almost every wallet has countless paths to almost everybody. Told are those that carry most: along
a path every transaction passes on the part of its coins that the followed coin is of what it spends, and the value
of a path is what is left of the wallet's satoshi at its end. The stored vectors say at each transaction how much of
what is sought lies behind it, so a path costs little more than its own length; there is one whenever the wallet's
exposure is not nothing. The values of all paths to a goal sum to the exposure that heuristics.exposure.wheel tells,
but for what is cut.

FIFO is the second opinion: the satoshi of the wallet's coin that run along the path where inputs fill outputs in
order, each satoshi on one path only. Most paths of haircut have none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from heuristics.exposure.coins import Coins
from heuristics.exposure.passes.parts import WRONG, Ints
from heuristics.exposure.search.best import OPEN, Flags, Tree, Ways, search, tree, ways
from heuristics.exposure.search.seeds import Seeds, Whose, received, seeds, sent
from heuristics.exposure.search.steps import COIN, depth, unroll
from store.errors import DamagedError, StoreError

RECEIVED: Final = "received"
SENT: Final = "sent"


class Limits(NamedTuple):
    """Paths; transactions in one; spends and outputs read in search of the best; coins of the wallet to begin with.

    Of a wallet with more transactions than `touched`, the newest are looked at, and those that brought most of each
    source.
    """

    paths: int = 5
    length: int = 1_000
    rows: int = 100_000
    seeds: int = 256
    touched: int = 200_000


@dataclass(frozen=True, slots=True)
class Step:
    """One coin of a path: output `vout` of transaction `maker`, spent as input `vin` of transaction `spender`.

    Transactions go by their places. `maker` is -1 before the indexed history; `spender` and `vin` are -1 where the
    path does not go through a spender: for the wallet's own coin (received), for the last one (sent). `value` is what
    the coin is worth, satoshi (of unknown coins, the least that those of its spender can be worth together).
    `haircut` is how much of what is sought, satoshi of the wallet's, comes through this coin on this way: of the first
    step all that the coin has of it, of the last the path's value; it never grows along a path. `fifo` is satoshi of
    the wallet's coin that run along the path up to here by FIFO. `owner` is whose the coin is (an owner as
    codes.Conclusions has them), -1 nobody's.
    """

    maker: int
    vout: int
    spender: int
    vin: int
    value: int
    haircut: float
    fifo: int
    owner: int


@dataclass(frozen=True, slots=True)
class Path:
    """A chain of coins from the wallet outward: of two steps, what is one's maker is the other's spender.

    `value` is satoshi of the wallet by haircut, `fifo` by FIFO. `code` is of what it leads to, None where it is longer
    than allowed: then `value` is what all its continuations carry together. `end` is the place of its last transaction.
    A path ends with a coin of whom it leads to (a boundary's, an unspent one, one from before the history) or, after
    its last step, within transaction `end`: mined, pooled, paid as a fee, cut off there.

    The first step is the wallet's own coin: one that it received, or one that it paid to somebody; what it put into a
    CoinJoin is one step, its own input. Where others pay a transaction too, `value` is of what the wallet has more (or
    less) after it, and `fifo` of the whole coin.
    """

    value: float
    fifo: int
    code: int | None
    end: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Paths, largest value first. `truncated`: there may be others of more value, or longer than allowed.

    `read` is how many spends and outputs were read in search of them, `looked` into how many transactions.
    """

    paths: tuple[Path, ...]
    truncated: bool
    read: int
    looked: int


def paths(coins: Coins, number: int, goal: Flags, direction: str, limits: Limits = Limits()) -> Found:  # noqa: B008 -- it never changes
    """Find the best paths between a wallet and a goal.

    Parameters
    ----------
    coins
        The generation.
    number
        Any address of the wallet, by its number.
    goal
        By code whether it is sought, see Coins.goal. The code of a category stands for all its parties, because
        vectors fold small ones into it.
    direction
        "received": where its money came from; "sent": where it went.
    limits
        The search reads little more than the paths' own transactions once limits.rows are used up.

    Raises StoreError for a wallet, a goal or a direction that can not be, DamagedError where the index contradicts
    itself.
    """
    _check(coins, number, goal, direction)
    around = coins.around
    wallet = coins.wallet_of(number)
    sought = goal | goal[coins.parties.category]
    places = _places(coins, wallet, sought, limits.touched)
    whose = Whose(around.own, wallet, places)
    forth = direction == SENT
    vectors = around.destinations if forth else around.sources
    ground = ways((around.whole, coins.parties, vectors), around.named, (around.own, wallet), sought, forth)
    best = seeds(limits.seeds)
    _refuse((sent if forth else received)(ground, whose, best))
    found = _searched(ground, best, limits)
    return found if len(places) == len(coins.touched(wallet)) else replace(found, truncated=True)


def _places(coins: Coins, wallet: int, sought: Flags, most: int) -> Ints:
    """The transactions of a wallet in which paths may begin, ascending."""
    touched = coins.touched(wallet)
    if len(touched) <= most:
        return touched
    lines = coins.lines(wallet)
    peaks = lines["most"][sought[lines["code"]]]
    return np.union1d(touched[-most:], peaks).astype(np.int32)


def _searched(ground: Ways, best: Seeds, limits: Limits) -> Found:
    """Search from the best seeds."""
    known = tree(best.nodes[: best.counts[0]], limits.rows, limits.paths * limits.length)
    ends = np.empty(limits.paths, np.int32)
    n, proven = search(ground, known, (limits.rows, limits.length), ends)
    _refuse(n)
    found = sorted(_told(ground, known, ends[:n]), key=lambda path: -path.value)
    least = found[-1].value if n == limits.paths else 0.0
    left_out = best.counts[1] > 0 and best.nodes[0]["worth"] > least
    cut_short = any(path.code is None for path in found)
    return Found(tuple(found), bool(left_out or cut_short or proven < n), *known.counts[2:].tolist())


def _told(ground: Ways, known: Tree, ends: Ints) -> Iterator[Path]:
    """Describe the paths that end with some nodes."""
    for x in ends.tolist():
        room = np.zeros(depth(known.nodes, x), COIN)
        n, end, fifo = unroll(ground, known.nodes, x, room)
        node = known.nodes[x]
        steps = tuple(Step(*row) for row in room[len(room) - n :].tolist())
        yield Path(float(node["worth"]), fifo, None if node["code"] == OPEN else int(node["code"]), end, steps)


def _check(coins: Coins, number: int, goal: Flags, direction: str) -> None:
    """Refuse what would lead a kernel out of its arrays."""
    if direction not in (RECEIVED, SENT):
        raise StoreError(f"paths in direction {direction!r}: say {RECEIVED!r} or {SENT!r}")
    if not 0 <= number < len(coins.owner):
        raise StoreError(f"paths of address {number}: the index has {len(coins.owner)} addresses, from 0 on")
    if goal.dtype != np.bool_ or goal.shape != coins.parties.category.shape:
        raise StoreError(f"paths to a goal of {goal.shape} codes: this generation has {len(coins.parties.category)}")


def _refuse(wrong: int) -> None:
    if wrong <= WRONG:
        raise DamagedError(
            f"transaction {WRONG - wrong} of the indexed history names a neighbour that is not there; build the index "
            "again: `tadoru index bitcoin`"
        )
