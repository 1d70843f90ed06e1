"""What a wallet has more, or less, after a transaction that it pays.

What several parties sign (a swap, a PayJoin, a channel that two fund, what is like a CoinJoin) does not say who paid
whom. So each is held to have put in what its inputs are worth, less their part of the fee by value, and the difference
to what it gets counts: more was received from the others' inputs, less was sent to the others' outputs, in both cases
by value. Where one wallet pays alone that is what goes to others.

Amounts that are compared are whole satoshi: a wallet that got back all that it put in has dealt with nobody, and no
rounding may say otherwise.
"""

from chains.kernels import lean_step
from heuristics.exposure.pairs import mul_div
from heuristics.exposure.passes.parts import Ints, Part, spent


@lean_step
def paid_by(part: Part, t: int) -> int:
    """What a transaction pays, satoshi."""
    paid = 0
    for o in range(part.out_start[t], part.out_start[t + 1]):
        paid += part.out_value[o]
    return paid


@lean_step
def due(part: Part, t: int, put: int) -> int:
    """What is paid with some of a transaction's inputs, satoshi: what they are worth, less their part of the fee."""
    worth, _, _ = spent(part, t)
    paid = paid_by(part, t)
    if put == worth:
        return paid
    return int(mul_div(put, paid, worth)) if worth > 0 else 0


@lean_step
def moved(part: Part, whose: tuple[Ints, int], t: int) -> tuple[int, int, bool]:
    """What a transaction pays to a wallet and takes from it, satoshi; whether the wallet pays it.

    `whose` is, by owner, the wallet that it is part of, and the wallet asked about.
    """
    own, wallet = whose
    got, put, pays = 0, 0, False
    for i in range(part.in_start[t], part.in_start[t + 1]):
        owner = part.spend_owner[i]
        if owner >= 0 and own[owner] == wallet:
            pays = True
            put += max(part.spend_value[i], 0)
    for o in range(part.out_start[t], part.out_start[t + 1]):
        owner = part.out_owner[o]
        if owner >= 0 and own[owner] == wallet:
            got += part.out_value[o]
    return got, put, pays


@lean_step
def _reckoned(part: Part, t: int, put: int) -> int:
    """What a payer of a transaction is held to put in: besides, what is of unknown value, if nobody else is known."""
    worth, gap, _ = spent(part, t)
    return worth if put + gap == worth else put


@lean_step
def gained(part: Part, t: int, got: int, put: int) -> int:
    """What a wallet that pays a transaction has more after it, satoshi; below nothing: what it has less."""
    return int(got - due(part, t, _reckoned(part, t, put)))


@lean_step
def parted(part: Part, t: int, got: int, put: int) -> float:
    """The part of each output to others that is paid with the inputs of a wallet that has less after a transaction.

    Inputs of unknown value pay their part of what goes out too, whosever they are.
    """
    less, others = -gained(part, t, got, put), paid_by(part, t) - got
    return less / others * (put / _reckoned(part, t, put)) if less > 0 and put > 0 and others > 0 else 0.0
