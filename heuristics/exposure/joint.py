"""What a wallet pays of a transaction that others pay too.

Amounts that are compared with what came back are whole satoshi: a wallet that got back all that it put in has
dealt with nobody, and no rounding may say otherwise.
"""

from chains.kernels import lean_step
from heuristics.exposure.pairs import mul_div
from heuristics.exposure.passes.parts import Ints, Part, spent


@lean_step
def due(part: Part, t: int, put: int) -> int:
    """What is paid with some of a transaction's inputs, satoshi: what they are worth, less their part of the fee."""
    worth, _, _ = spent(part, t)
    paid = 0
    for o in range(part.out_start[t], part.out_start[t + 1]):
        paid += part.out_value[o]
    return int(mul_div(put, paid, worth)) if worth > 0 else 0


@lean_step
def parted(part: Part, whose: tuple[Ints, int], t: int, moved: tuple[int, int], shared: bool) -> float:
    """The part of each output to others that is paid with some of a transaction's inputs.

    Parameters
    ----------
    part, t
        The transaction.
    whose
        By owner the wallet that it is part of, and the wallet that pays.
    moved
        What it got back, and what it put in, satoshi, more than nothing.
    shared
        Several parties sign: what comes back to the wallet is its own, so it pays no more than it has less afterwards.
    """
    worth, _, _ = spent(part, t)
    got, put = moved
    share = put / worth
    if shared:
        others = 0
        for o in range(part.out_start[t], part.out_start[t + 1]):
            owner = part.out_owner[o]
            if owner < 0 or whose[0][owner] != whose[1]:
                others += part.out_value[o]
        less = max(due(part, t, put) - got, 0)
        share = min(share, less / others) if others > 0 else 0.0
    return share
