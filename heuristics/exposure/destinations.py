"""Where every transaction's coins went: the backward pass, from the last transaction to the first, by haircut.

A transaction's vector is the mix of its outputs, by value, and of its fee. An output that belongs to a boundary is
that party's; what nobody spent is HELD; any other one goes where the transaction goes that spends it. What enters a
CoinJoin stays there. Shares are of what the transaction spends, so the fee is a destination of its own and the
pass agrees with the forward one: from any party to any other both carry the same value.
"""

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes import shelf
from heuristics.exposure.passes.blend import add, add_rows, settle, single
from heuristics.exposure.passes.parts import (
    AHEAD,
    FEE,
    HELD,
    HOP_UNIT,
    UNRESOLVED,
    WRONG,
    Part,
    Parties,
    Shares,
    code_of,
    fetch_codes,
    spent,
)
from heuristics.exposure.passes.run import Cut, Desk, Out, Pass, State


class Destinations(Pass):
    """The backward pass; parts are given last to first."""

    def __init__(self, parties: Parties, n_tx: int, cut: Cut = Cut()) -> None:  # noqa: B008 -- it never changes
        """Prepare for a history of n_tx transactions; raises DamagedError for parties without a category."""
        super().__init__(parties, n_tx, cut._replace(see_through=False))
        self.next = n_tx

    def run(self, part: Part) -> Shares:
        """Destinations of each transaction of the part before the last one given."""
        return self.over(part, _backward, backward=True)[0]


@lean_step
def _outputs(desk: Desk, t: int, value: int, payer: int, mixed: bool) -> int:
    """Mix a transaction's outputs, or (where it is absorbed) only use them up; rows, -1 where a spender can not be."""
    part, kept, blend = desk.part, desk.kept, desk.blend
    n, paid = 0, 0
    for o in range(part.out_start[t], part.out_start[t + 1]):
        owner, place = part.out_owner[o], part.spent_by[o]
        code = code_of(desk.parties, owner)
        weight = part.out_value[o] / value if mixed else 0.0
        step = 0 if owner >= 0 and owner == payer else 1
        paid += part.out_value[o]
        if code >= 0 or place < 0:
            n = add(blend, n, code if code >= 0 else HELD, weight, (step, float(step * HOP_UNIT)))
            continue
        if place <= part.first + t or kept.slot[place] == 0:
            return -1
        slot = kept.slot[place] - 1
        if mixed:
            head = kept.head[slot]
            n = add_rows(blend, n, kept.rows[head.at : head.at + head.n], weight, step)
        shelf.used(kept, slot)
    if not mixed:
        return 0
    n = add(blend, n, FEE, (value - paid) / value, (1, float(HOP_UNIT)))
    return settle(blend, n, desk.parties, value)


@lean_step
def _total(part: Part, t: int) -> int:
    """What a transaction pays."""
    total = 0
    for o in range(part.out_start[t], part.out_start[t + 1]):
        total += part.out_value[o]
    return total


@lean_step
def _uses(desk: Desk, t: int) -> int:
    """How many earlier transactions ask for this one's rows."""
    part = desk.part
    n = 0
    for i in range(part.in_start[t], part.in_start[t + 1]):
        n += part.origin[i] >= 0 and code_of(desk.parties, part.spend_owner[i]) < 0
    return n


@lean_step
def _look_ahead(desk: Desk, end: int) -> None:
    """Have near what the next transactions will ask for."""
    part = desk.part
    a, b, c = max(end - AHEAD, 0), max(end - 2 * AHEAD, 0), max(end - 3 * AHEAD, 0)
    shelf.fetch_rows(desk.kept, part.spent_by[part.out_start[a] : part.out_start[end]])
    shelf.fetch_heads(desk.kept, part.spent_by[part.out_start[b] : part.out_start[a]])
    shelf.fetch_slots(desk.kept, part.spent_by[part.out_start[c] : part.out_start[b]])
    fetch_codes(desk.parties, part.out_owner[part.out_start[c] : part.out_start[b]])
    fetch_codes(desk.parties, part.spend_owner[part.in_start[c] : part.in_start[b]])


@lean_kernel
def _backward(desk: Desk, out: Out, state: State) -> State:
    """Go on from where the last call ran out of room."""
    part, kept, rows = desk.part, desk.kept, desk.blend.rows
    most = len(rows)
    t, n, _ = state
    ahead = t + 1
    while t >= 0:
        if n + most > len(out.rows) or not shelf.has_slot(kept) or not shelf.has_block(kept, most):
            break
        if ahead > t:
            ahead = max(t + 1 - AHEAD, 0)
            _look_ahead(desk, t + 1)
        value, _, payer = spent(part, t)
        coinbase = part.in_start[t] == part.in_start[t + 1]
        if coinbase:
            value = _total(part, t)
        absorbed = part.born[t] >= 0 and not coinbase
        k = _outputs(desk, t, value, payer, value > 0 and not absorbed)
        if k < 0:
            return WRONG - t, n, 0
        if absorbed:
            k = single(desk.blend, part.born[t], 0)
        elif value == 0:
            k = single(desk.blend, UNRESOLVED, 0)
        n += k
        shelf.copy(out.rows, len(out.rows) - n, rows, k)
        out.start[t + 1] = k
        uses = _uses(desk, t)
        if uses > 0:
            shelf.keep(kept, part.first + t, (uses, payer), rows, k)
        t -= 1
    return t, n, 0
