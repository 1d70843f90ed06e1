"""Small random histories for the passes: as the twins read them, and as the kernels do."""

from collections.abc import Mapping, Sequence
from random import Random

import numpy as np
from hypothesis import strategies as st

from heuristics.exposure.passes.parts import N_ENDS, Part, Parties, Shares
from tests.naive_provenance import In, Out, Tx, Vector

OWNERS = 12
# Owners 0 to 4 are boundaries, of the categories 6 to 8; owners 3 and 4 have a category but no name.
N_CATEGORIES = N_ENDS + 3
CODE: Mapping[int | None, int] = {0: 9, 1: 10, 2: 11, 3: 6, 4: 8}
CATEGORY = (*range(N_CATEGORIES), 6, 6, 7)
PARTIES = Parties(
    np.array([CODE.get(owner, -1) for owner in range(OWNERS)], np.int32), np.array(CATEGORY, np.int32), N_CATEGORIES
)


def history(seed: int, n: int, resolved: bool = False) -> list[Tx]:
    """Draw n transactions: coinbases, CoinJoins, fees or none, self-transfers, burnt and worthless outputs, gaps."""
    rng = Random(seed)  # noqa: S311 -- a drawn history, no secret
    txs: list[Tx] = []
    unspent: list[tuple[int, int]] = []
    for t in range(n):
        ins = [] if rng.random() < 0.15 else [_spend(rng, txs, unspent, t) for _ in range(rng.choice((1, 1, 2, 3, 5)))]
        found = [i for i in ins if i is not None]
        if found and not resolved and rng.random() < 0.15:
            before = rng.choice((None, rng.randrange(1, 1 << 40)))
            found.append(In(None, 0, before, None if before is None else rng.randrange(OWNERS)))
        txs.append(Tx(found, _outs(rng, found), bool(found) and rng.random() < 0.1))
        unspent += [(t, vout) for vout, o in enumerate(txs[t].outs) if o.owner is not None]
    return txs


def _spend(rng: Random, txs: Sequence[Tx], unspent: list[tuple[int, int]], t: int) -> In | None:
    if not unspent:
        return None
    tx, vout = unspent.pop(rng.randrange(len(unspent)))
    txs[tx].outs[vout].spent_by = t
    return In(tx, vout, txs[tx].outs[vout].value, txs[tx].outs[vout].owner)


def _outs(rng: Random, ins: Sequence[In]) -> list[Out]:
    known = sum(i.value or 0 for i in ins)
    left = known if ins else rng.choice((0, 1 << 40))
    if any(i.value is None for i in ins):
        left += rng.randrange(1 << 40)
    left -= rng.choice((0, rng.randrange(left // 20 + 1))) if ins else 0
    outs = []
    for last in [*[False] * rng.choice((0, 1, 1, 2, 6)), True]:
        value = left if last else rng.choice((0, rng.randrange(left + 1), rng.randrange(left + 1)))
        left -= value
        owner = rng.choice((None, ins[0].owner if ins else 0, *[rng.randrange(OWNERS)] * 8))
        outs.append(Out(value, owner))
    return outs


HISTORIES = st.builds(history, st.integers(0, 2**32), st.integers(1, 60))
RESOLVED = st.builds(history, st.integers(0, 2**32), st.integers(1, 60), st.just(value=True))


def part(txs: Sequence[Tx], first: int = 0, last: int | None = None) -> Part:
    """Transactions [first, last) as arrays."""
    some = txs[first:last]
    ins = [i for tx in some for i in tx.ins]
    outs = [o for tx in some for o in tx.outs]

    def ints(values: Sequence[int | None]) -> np.ndarray:
        return np.array([-1 if value is None else value for value in values], np.int32)

    return Part(
        first,
        np.cumsum([0, *(len(tx.ins) for tx in some)], dtype=np.int64),
        np.cumsum([0, *(len(tx.outs) for tx in some)], dtype=np.int64),
        ints([i.tx for i in ins]),
        ints([i.vout for i in ins]),
        np.array([-1 if i.value is None else i.value for i in ins], np.int64),
        ints([i.owner for i in ins]),
        ints([o.spent_by for o in outs]),
        np.array([o.value for o in outs], np.int64),
        ints([o.owner for o in outs]),
        ints([tx.born for tx in some]),
    )


def vectors(shares: Shares) -> list[dict[int, tuple[float, int, int]]]:
    """Rows by transaction and code: share, least hops, mean hops as stored."""
    found = []
    for start, end in zip(shares.start[:-1], shares.start[1:], strict=True):
        rows = shares.rows[start:end].tolist()
        found.append({code: (share, least, mean) for share, code, least, mean in rows})
        assert len(found[-1]) == end - start
    return found


def assert_same(told: Sequence[dict[int, tuple[float, int, int]]], twin: Sequence[Vector]) -> None:
    """Shares agree to rounding, least hops exactly, mean hops to what rounding them at every step can add up to."""
    for t, (mine, true) in enumerate(zip(told, twin, strict=True)):
        assert set(mine) == set(true), t
        for code, (share, least, mean) in mine.items():
            assert abs(share - float(true[code][0])) < 1e-12, (t, code)
            assert least == true[code][1], (t, code)
            assert abs(mean / 64 - float(true[code][2])) <= (len(told) + 1) / 128, (t, code)
