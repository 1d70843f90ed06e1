"""The slow, obvious twin of the path search: every path of a small history, in fractions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from heuristics.exposure.passes.parts import COINJOIN, FEE, HELD, UNRESOLVED
from tests.naive_provenance import In, Out, Tx

Coin = tuple[int | None, int, int | None, int | None]  # maker, vout, spender, vin


class Trail(NamedTuple):
    """A whole path: what it leads to, satoshi by haircut, its coins, its last transaction."""

    code: int
    value: Fraction
    coins: tuple[Coin, ...]
    end: int
    fifo: int


class Known(NamedTuple):
    """Whom the wallet's owners and parties are: codes where trails stop, codes of those that let them pass."""

    code: Mapping[int | None, int]
    passing: Mapping[int | None, int]
    wallet: Collection[int]


class Spot(NamedTuple):
    """A place on the way: coins so far, satoshi by haircut, and the stretch of the last coin that FIFO runs along."""

    coins: tuple[Coin, ...]
    value: Fraction
    first: int
    last: int


def received(txs: Sequence[Tx], known: Known) -> Iterator[Trail]:
    """Every path back from what others pay to the wallet."""
    for t, tx in enumerate(txs):
        got = sum(o.value for o in tx.outs if o.owner in known.wallet)
        net = _more(tx, known) if any(i.owner in known.wallet for i in tx.ins) else got
        for vout, o in enumerate(tx.outs):
            if o.owner in known.wallet and o.value and net > 0:
                spot = Spot(((t, vout, None, None),), net * Fraction(o.value, got), 0, o.value)
                yield from _back(txs, known, t, spot)
                worth = tx.worth - _put(tx, known)
                for vin, i in enumerate(tx.ins if tx.born is None else ()):
                    if i.owner in known.passing and i.owner not in known.wallet and i.value:
                        after = _into(tx, spot, vin, i.value)._replace(value=spot.value * Fraction(i.value, worth))
                        coins = (*spot.coins, (i.tx, i.vout, t, vin))
                        yield Trail(known.passing[i.owner], after.value, coins, t, after.last - after.first)


def _put(tx: Tx, known: Known) -> int:
    """What the wallet puts into a transaction."""
    return sum(i.value or 0 for i in tx.ins if i.owner in known.wallet)


def _reckoned(tx: Tx, put: int) -> int:
    return tx.worth if put + tx.gap == tx.worth and not tx.coinjoin else put


def _more(tx: Tx, known: Known) -> int:
    """What the wallet has more afterwards than its inputs are worth less their part of the fee, in whole satoshi.

    What is of unknown value is its own where nobody else put anything in, but into no CoinJoin.
    """
    put = _reckoned(tx, _put(tx, known))
    return sum(o.value for o in tx.outs if o.owner in known.wallet) - put * tx.paid // max(tx.worth, 1)


def _runs(tx: Tx) -> list[int]:
    """Satoshi of each input as FIFO has it: the first unknown one stands for all."""
    gap, found = tx.gap, []
    for i in tx.ins:
        found.append(gap if i.value is None else i.value)
        gap = 0 if i.value is None else gap
    return found


def _into(tx: Tx, spot: Spot, vin: int, value: int) -> Spot:
    """From an output of a transaction to one of its inputs."""
    vout = spot.coins[-1][1]
    begin = sum(o.value for o in tx.outs[:vout]) - sum(_runs(tx)[:vin])
    first, last = max(spot.first + begin, 0), min(spot.last + begin, value)
    return spot._replace(first=first, last=max(first, last))


def _back(txs: Sequence[Tx], known: Known, t: int, spot: Spot) -> Iterator[Trail]:
    tx = txs[t]
    # The wallet's own inputs of the transaction that pays it are no dealing.
    own = known.wallet if len(spot.coins) == 1 else ()
    worth = tx.worth - (_put(tx, known) if own else 0)
    if tx.born is not None or not worth:
        code = tx.born if tx.born is not None else UNRESOLVED
        yield Trail(code, spot.value, spot.coins, t, spot.last - spot.first)
        return
    stands = next((vin for vin, i in enumerate(tx.ins) if i.value is None), -1)
    for vin, i in enumerate(tx.ins):
        value = tx.gap if vin == stands else i.value or 0
        if not value or (i.owner in own and vin != stands):
            continue
        after = _into(tx, spot, vin, value)._replace(
            value=spot.value * Fraction(value, worth), coins=(*spot.coins, (i.tx, i.vout, t, vin))
        )
        if vin != stands and i.owner not in known.code and i.tx is not None:
            yield from _back(txs, known, i.tx, after)
        else:
            code = UNRESOLVED if vin == stands else known.code.get(i.owner, UNRESOLVED)
            yield Trail(code, after.value, after.coins, t, after.last - after.first)


def sent(txs: Sequence[Tx], known: Known) -> Iterator[Trail]:
    """Every path on from what the wallet pays to others."""
    for t, tx in enumerate(txs):
        put = _put(tx, known)
        less = -_more(tx, known)
        if not put or less <= 0:
            continue
        if tx.coinjoin:
            for vin, i in enumerate(tx.ins):
                if i.owner in known.wallet and i.value:
                    coins = ((i.tx, i.vout, t, vin),)
                    yield Trail(COINJOIN, less * Fraction(i.value, put), coins, t, i.value)
            continue
        others = sum(o.value for o in tx.outs if o.owner not in known.wallet)
        for vout, o in enumerate(tx.outs):
            value = Fraction(o.value * less, others) * Fraction(put, _reckoned(tx, put))
            if value and o.owner not in known.wallet:
                spot = Spot((_coin(txs, t, vout),), value, 0, o.value)
                yield from _along(txs, known, (t, o), spot)
                if o.owner in known.passing:
                    yield Trail(known.passing[o.owner], value, (_last(t, vout),), t, o.value)


def _coin(txs: Sequence[Tx], t: int, vout: int) -> Coin:
    spender = txs[t].outs[vout].spent_by
    return t, vout, spender, None if spender is None else _vin(txs[spender].ins, t, vout)


def _vin(ins: Sequence[In], t: int, vout: int) -> int:
    return next(vin for vin, i in enumerate(ins) if (i.tx, i.vout) == (t, vout))


def _last(t: int, vout: int) -> Coin:
    return t, vout, None, None


def _along(txs: Sequence[Tx], known: Known, at: tuple[int, Out], spot: Spot) -> Iterator[Trail]:
    t, o = at
    if o.owner in known.code or o.spent_by is None:
        code = known.code.get(o.owner, HELD)
        coins = (*spot.coins[:-1], _last(t, spot.coins[-1][1]))
        yield Trail(code, spot.value, coins, t, spot.last - spot.first)
        return
    spender, vin = o.spent_by, spot.coins[-1][3]
    tx = txs[spender]
    assert vin is not None
    if tx.coinjoin or not tx.worth:
        code = COINJOIN if tx.coinjoin else UNRESOLVED
        yield Trail(code, spot.value, spot.coins, spender, spot.last - spot.first)
        return
    begin = sum(_runs(tx)[:vin])
    for vout, out in enumerate(tx.outs):
        before = sum(one.value for one in tx.outs[:vout])
        first, last = max(spot.first + begin - before, 0), min(spot.last + begin - before, out.value)
        if out.value:
            coins = (*spot.coins, _coin(txs, spender, vout))
            after = Spot(coins, spot.value * Fraction(out.value, tx.worth), first, max(first, last))
            yield from _along(txs, known, (spender, out), after)
    if tx.worth > tx.paid:
        first, last = max(spot.first + begin, tx.paid), spot.last + begin
        yield Trail(FEE, spot.value * Fraction(tx.worth - tx.paid, tx.worth), spot.coins, spender, max(last - first, 0))
