"""What the passes read and write: transactions in chain order, parties by code, rows of shares.

A *code* says whose coins they are: first the categories (and the ends that are no party), then the parties that
are named. A party that is a boundary absorbs: what its cluster holds is its own, and the trail stops there.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.kernels import fetch, lean_step
from store.errors import DamagedError

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Rows = npt.NDArray[np.void]

# Codes that are no party. UNRESOLVED and CUT are both the category `unattributed`: before the indexed history, or
# too small to carry along. HELD and FEE are destinations only.
UNRESOLVED, CUT, MINED, COINJOIN, HELD, FEE = range(6)
N_ENDS: Final = 6
NOBODY: Final = -1
SEVERAL: Final = -2
# Mean hops are kept in these fractions of a hop, and end at 65,535 of them.
HOP_UNIT: Final = 64
MOST_HOPS: Final = 65_535
# What a kernel says, less the transaction, where that names a neighbour that can not be.
WRONG: Final = -2
# Transactions whose neighbours are asked for at once: what arrives has to stay in the processor's cache till then.
AHEAD: Final = 128
# One source (or destination) of a transaction's coins: share of one, code, hops from it to whoever pays the
# transaction (or from whoever pays it). What is stored is what the next transaction is computed from, in as few bytes
# as its code needs.
_HOPS: Final = [("min_hops", "u2"), ("mean_hops", "u2")]
ROW: Final = np.dtype([("share", "f4"), ("code", "i4"), *_HOPS])
NARROW_ROW: Final = np.dtype([("share", "f4"), ("code", "u2"), *_HOPS])
EXACT_ROW: Final = np.dtype([("share", "f8"), ("code", "i4"), *_HOPS])
_NARROW: Final = 1 << 16


class Part(NamedTuple):
    """Consecutive transactions in chain order. Transaction t spends rows in_start[t]:in_start[t + 1], pays likewise.

    `first` is the place of its first transaction in the whole history, counted from 0. `origin` is the place of
    the transaction whose output a spend spends, -1 before the history; `spent_by` the place of the spender, -1
    where unspent; `vout` the position among its outputs of the one that is spent. Owners are clusters, -1 where
    there is none; values satoshi, -1 where unresolved. `born` is the code of what a transaction's outputs are by
    themselves (a coinbase's MINED or its pool, a CoinJoin's), else -1.
    """

    first: int
    in_start: Longs
    out_start: Longs
    origin: Ints
    vout: Ints
    spend_value: Longs
    spend_owner: Ints
    spent_by: Ints
    out_value: Longs
    out_owner: Ints
    born: Ints


class Parties(NamedTuple):
    """Who is a boundary: `code` by cluster, -1 where it passes through.

    `category` is by code; codes below `n_categories` are categories, each its own.
    """

    code: Ints
    category: Ints
    n_categories: int


class Shares(NamedTuple):
    """Rows of a part: transaction t has rows[start[t]:start[t + 1]], by code; their shares sum to 1."""

    start: Longs
    rows: Rows


def stored_kind(n_codes: int) -> np.dtype[np.void]:
    """What rows are stored as where there are so many codes."""
    return NARROW_ROW if n_codes <= _NARROW else ROW


def check(part: Part, parties: Parties, n_tx: int) -> None:
    """Refuse what would lead a kernel out of its arrays; raises DamagedError."""
    n = len(part.born)
    codes, owners = len(parties.category), len(parties.code)
    fits = (
        0 <= part.first <= n_tx - n
        and len(part.in_start) == len(part.out_start) == n + 1
        and _rises(part.in_start, len(part.origin))
        and _rises(part.out_start, len(part.spent_by))
        and len(part.origin) == len(part.vout) == len(part.spend_value) == len(part.spend_owner)
        and len(part.spent_by) == len(part.out_value) == len(part.out_owner)
        and _within(part.origin, n_tx)
        and _within(part.spent_by, n_tx)
        and _within(part.spend_owner, owners)
        and _within(part.out_owner, owners)
        and _within(part.born, codes)
    )
    if not fits:
        raise DamagedError(f"transactions {part.first} to {part.first + n}: the columns do not fit each other")


def check_parties(parties: Parties) -> None:
    """Refuse codes without a category, and categories that are none; raises DamagedError."""
    n = parties.n_categories
    own = np.arange(n)
    if not (
        n >= N_ENDS
        and np.array_equal(parties.category[:n], own)
        and _within(parties.category, n)
        and parties.category.min() >= 0
        and _within(parties.code, len(parties.category))
    ):
        raise DamagedError("a cluster, or a party, has a code or a category that does not exist")


def _within(numbers: Ints, n: int) -> bool:
    return len(numbers) == 0 or bool(numbers.min() >= -1 and numbers.max() < n)


def _rises(start: Longs, end: int) -> bool:
    return bool(start[0] == 0 and start[-1] == end and (np.diff(start) >= 0).all())


@lean_step
def code_of(parties: Parties, owner: int) -> int:
    """The code of an owner that is a boundary, else -1."""
    return parties.code[owner] if owner >= 0 else -1


@lean_step
def fetch_codes(parties: Parties, owners: Ints) -> None:
    """Ask for the codes of some owners (see shelf)."""
    for owner in owners:
        fetch(parties.code, max(owner, 0))


@lean_step
def spent(part: Part, t: int) -> tuple[int, int, int]:
    """What a transaction spends, satoshi; the part of it whose value is unknown; the one cluster that pays."""
    first, last = part.in_start[t], part.in_start[t + 1]
    known, unknown = 0, False
    payer = part.spend_owner[first] if first < last else NOBODY
    for i in range(first, last):
        if part.spend_value[i] < 0:
            unknown = True
        else:
            known += part.spend_value[i]
        if part.spend_owner[i] != payer:
            payer = SEVERAL
    gap = 0
    if unknown:
        paid = 0
        for o in range(part.out_start[t], part.out_start[t + 1]):
            paid += part.out_value[o]
        gap = max(paid - known, 0)
    return known + gap, gap, payer


@lean_step
def payer(part: Part, t: int) -> int:
    """The one cluster that pays a transaction; SEVERAL where there are none, or where nobody knows."""
    first, last = part.in_start[t], part.in_start[t + 1]
    paid_by = part.spend_owner[first] if first < last else SEVERAL
    for i in range(first, last):
        if part.spend_owner[i] != paid_by:
            paid_by = SEVERAL
            break
    return paid_by if paid_by >= 0 else SEVERAL


@lean_step
def keeper(part: Part, t: int) -> int:
    """The cluster whose spending of a transaction's outputs is no hop, as the forward pass keeps it."""
    return payer(part, t) if part.born[t] < 0 else SEVERAL


@lean_step
def absorbs_at(part: Part, t: int) -> int:
    """The code that a transaction's inputs end at, -1 where they go on."""
    return part.born[t] if part.in_start[t] < part.in_start[t + 1] else NOBODY
