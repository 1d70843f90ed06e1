"""Where every transaction's coins came from: the forward pass, in chain order, by haircut.

A transaction's vector is the mix of its inputs by value. An input that belongs to a boundary is that party's; any
other one is what the transaction was that paid it. A coinbase is mined, a CoinJoin absorbs what goes in. Coins
from before the history are UNRESOLVED; where even their value is unknown they count for what the outputs exceed
the other inputs by, the least that they can be worth. A transaction that moves nothing of value is UNRESOLVED too.

Hops are passages between clusters. Where one cluster alone pays a transaction, its own outputs are no passage;
every other output is one.
"""

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes import shelf
from heuristics.exposure.passes.blend import add, add_rows, settle, single
from heuristics.exposure.passes.parts import (
    AHEAD,
    HOP_UNIT,
    MOST_HOPS,
    NOBODY,
    UNRESOLVED,
    WRONG,
    Part,
    Shares,
    code_of,
    fetch_codes,
    spent,
)
from heuristics.exposure.passes.run import Desk, Out, Pass, State


class Provenance(Pass):
    """The forward pass; parts are given first to last."""

    def run(self, part: Part) -> Shares:
        """Sources of each transaction of the next part."""
        return self.over(part, _forward)[0]

    def see_through(self, part: Part) -> tuple[Shares, Shares]:
        """Sources of each transaction of the next part, and of what went into its CoinJoins."""
        return self.over(part, _forward)


@lean_step
def _release(desk: Desk, t: int) -> bool:
    """Use a transaction's inputs up without looking at them; whether they could be there."""
    part, kept = desk.part, desk.kept
    for i in range(part.in_start[t], part.in_start[t + 1]):
        place = part.origin[i]
        if place >= 0 and code_of(desk.parties, part.spend_owner[i]) < 0:
            if place >= part.first + t or kept.slot[place] == 0:
                return False
            shelf.used(kept, kept.slot[place] - 1)
    return True


@lean_step
def _moved(desk: Desk, slot: int, step: int) -> int:
    """The rows of a transaction with one input: those of its origin, further away."""
    head = desk.kept.head[slot]
    rows = desk.blend.rows
    for i in range(head.n):
        rows[i] = desk.kept.rows[head.at + i]
        rows[i].min_hops = min(rows[i].min_hops + step, MOST_HOPS)
        rows[i].mean_hops = min(rows[i].mean_hops + step * HOP_UNIT, MOST_HOPS)
    return int(head.n)


@lean_step
def _inputs(desk: Desk, t: int, value: int, gap: int) -> int:
    """Mix a transaction's inputs; how many rows, -1 where an origin can not be."""
    part, kept, blend = desk.part, desk.kept, desk.blend
    first, last = part.in_start[t], part.in_start[t + 1]
    n = add(blend, 0, UNRESOLVED, gap / value, (0, 0.0))
    for i in range(first, last):
        owner, place = part.spend_owner[i], part.origin[i]
        code = code_of(desk.parties, owner)
        weight = max(part.spend_value[i], 0) / value
        if code >= 0 or place < 0:
            n = add(blend, n, code if code >= 0 else UNRESOLVED, weight, (0, 0.0))
            continue
        if place >= part.first + t or kept.slot[place] == 0:
            return -1
        slot = kept.slot[place] - 1
        head = kept.head[slot]
        step = 0 if owner >= 0 and head.payer == owner else 1
        if last - first == 1 and weight == 1.0:
            k = _moved(desk, slot, step)
            shelf.used(kept, slot)
            return k
        n = add_rows(blend, n, kept.rows[head.at : head.at + head.n], weight, step)
        shelf.used(kept, slot)
    return settle(blend, n, desk.parties, value)


@lean_step
def _uses(desk: Desk, t: int) -> int:
    """How many later transactions ask for this one's rows."""
    part = desk.part
    n = 0
    for o in range(part.out_start[t], part.out_start[t + 1]):
        n += part.spent_by[o] >= 0 and code_of(desk.parties, part.out_owner[o]) < 0
    return n


@lean_step
def _look_ahead(desk: Desk, t: int) -> None:
    """Have near what the next transactions will ask for."""
    part = desk.part
    n = len(part.born)
    a, b, c = min(t + AHEAD, n), min(t + 2 * AHEAD, n), min(t + 3 * AHEAD, n)
    shelf.fetch_rows(desk.kept, part.origin[part.in_start[t] : part.in_start[a]])
    shelf.fetch_heads(desk.kept, part.origin[part.in_start[a] : part.in_start[b]])
    shelf.fetch_slots(desk.kept, part.origin[part.in_start[b] : part.in_start[c]])
    fetch_codes(desk.parties, part.out_owner[part.out_start[b] : part.out_start[c]])
    fetch_codes(desk.parties, part.spend_owner[part.in_start[b] : part.in_start[c]])


@lean_step
def _has_room(desk: Desk, out: Out, n: int, m: int) -> bool:
    """Whether the largest vector can be written and kept."""
    most = len(desk.blend.rows)
    told = n + most <= len(out.rows) and (len(out.through) == 0 or m + most <= len(out.through))
    return told and shelf.has_slot(desk.kept) and shelf.has_block(desk.kept, most)


@lean_kernel
def _forward(desk: Desk, out: Out, state: State) -> State:
    """Go on from where the last call ran out of room."""
    part, kept, rows = desk.part, desk.kept, desk.blend.rows
    t, n, m = state
    while t < len(part.born):
        if not _has_room(desk, out, n, m):
            break
        if t % AHEAD == 0:
            _look_ahead(desk, t)
        value, gap, payer = spent(part, t)
        born = part.born[t]
        k = 0
        if value > 0 and (born < 0 or len(out.through) > 0):
            k = _inputs(desk, t, value, gap)
        elif not _release(desk, t):
            k = -1
        if k < 0:
            return WRONG - t, n, m
        if born >= 0:
            shelf.copy(out.through, m, rows, k)
            m += k
            out.through_start[t + 1] = k
            k, payer = single(desk.blend, born, 0), NOBODY
        elif value == 0:
            k = single(desk.blend, UNRESOLVED, 0)
        shelf.copy(out.rows, n, rows, k)
        n += k
        out.start[t + 1] = k
        uses = _uses(desk, t)
        if uses > 0:
            shelf.keep(kept, part.first + t, (uses, payer), rows, k)
        t += 1
    return t, n, m
