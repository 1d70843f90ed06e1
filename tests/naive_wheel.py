"""Slow, obvious twin of the wheel: what a wallet received and sent, in fractions, written from the definitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from heuristics.exposure.passes.parts import COINJOIN, CUT, HELD, UNRESOLVED
from heuristics.exposure.wheel import AFTER, DUST, INDIRECT, PASSES, SENT, UNSOLICITED, UNTOUCHED
from tests.naive_provenance import In, Out, Tx, Vector, further, only

Key = tuple[int, int]  # code and flags


@dataclass
class Line:
    """One source of what a wallet received or sent."""

    value: Fraction = Fraction(0)
    far: Fraction = Fraction(0)
    fiat: Fraction = Fraction(0)
    unpriced: Fraction = Fraction(0)
    at: dict[int, Fraction] = field(default_factory=dict)
    """By place, the most that was added at once."""
    places: set[int] = field(default_factory=set)
    min_hops: int = 1 << 30


@dataclass
class Setting:
    """A history and who is who in it."""

    txs: Sequence[Tx]
    code: Mapping[int | None, int]
    named: Mapping[int | None, int]
    own: Mapping[int | None, int | None]
    """The wallet of an owner; one that is missing is a wallet by itself."""
    listed: Mapping[int, Sequence[tuple[int, int]]]
    """Places within each listing of a code, the last one not."""
    price: Sequence[Fraction | None]
    """By transaction: money for a satoshi."""

    def wallet(self, owner: int | None) -> int | None:
        """The wallet of an owner."""
        return self.own.get(owner, owner)


def number_of(tx: int | None, vout: int, owner: int) -> int:
    """Every owner has two addresses; coins from before the history are at the first."""
    return 2 * owner + (0 if tx is None else (tx + vout) % 2)


def due(tx: Tx, put: Fraction) -> Fraction:
    """What inputs are worth less their part of the fee, in whole satoshi."""
    return Fraction(put * tx.paid // tx.worth if put else 0)


def more(tx: Tx, put: Fraction, got: Fraction) -> Fraction:
    """What a payer has more afterwards; what is of unknown value is his where nobody else put anything in."""
    return got - due(tx, reckoned(tx, put))


def reckoned(tx: Tx, put: Fraction) -> Fraction:
    """What a payer is held to put in."""
    return Fraction(tx.worth) if put + tx.gap == tx.worth else put


class Wheel:
    """What one wallet, or one address of it, received and sent."""

    def __init__(self, setting: Setting, vectors: tuple[Sequence[Vector], Sequence[Vector]]) -> None:
        self.at = setting
        self.sources, self.destinations = vectors

    def lines(self, wallet: int, number: int = -1) -> dict[Key, Line]:
        """Add up all transactions."""
        self.found: dict[Key, Line] = {}
        for t in range(len(self.at.txs)):
            self.look(t, wallet, number)
        return self.found

    def look(self, t: int, wallet: int, number: int) -> None:
        """Add one transaction."""
        tx = self.at.txs[t]
        (put, got), (all_put, all_got) = self.moved(t, wallet, number), self.moved(t, wallet, -1)
        if tx.born == COINJOIN:
            got -= due(tx, put)
            self.add(t, (COINJOIN, SENT), -got, (1, Fraction(1)))
        elif any(self.at.wallet(i.owner) == wallet for i in tx.ins):
            gain = more(tx, all_put, all_got)
            if gain > 0:
                self.received(t, gain * got / all_got, 0, wallet)
            elif put and tx.paid > all_got:
                part = -gain / (tx.paid - all_got) * put / reckoned(tx, all_put)
                for o in tx.outs:
                    if self.at.wallet(o.owner) != wallet or o.owner is None:
                        self.gone(t, o.owner, o.spent_by, o.value * part)
            return
        mine = [o for o in tx.outs if self.at.wallet(o.owner) == wallet]
        dust = got <= DUST or (got <= UNTOUCHED and all(o.spent_by is None for o in mine if self.is_of(t, o, number)))
        self.received(t, got, UNSOLICITED if dust else 0, None)

    def moved(self, t: int, wallet: int, number: int) -> tuple[Fraction, Fraction]:
        """What a wallet, or one address of it, puts in and gets."""
        tx, at = self.at.txs[t], self.at
        put = sum(
            i.value or 0
            for i in tx.ins
            if at.wallet(i.owner) == wallet and number in (-1, number_of(i.tx, i.vout, i.owner or 0))
        )
        got = sum(o.value for o in tx.outs if at.wallet(o.owner) == wallet and self.is_of(t, o, number))
        return Fraction(put), Fraction(got)

    def is_of(self, t: int, o: Out, number: int) -> bool:
        """Whether an output is to an address; -1 is any."""
        vout = next(vout for vout, one in enumerate(self.at.txs[t].outs) if one is o)
        return number in (-1, number_of(t, vout, o.owner or 0))

    def received(self, t: int, got: Fraction, flags: int, payer: int | None) -> None:
        """Add what others than the payer pay."""
        tx = self.at.txs[t]
        others = [i for i in tx.ins if i.owner is None or payer is None or self.at.wallet(i.owner) != payer]
        worth = sum(i.value or 0 for i in others) + tx.gap
        if tx.born is not None:
            self.add(t, (tx.born, flags), got, (1, Fraction(1)))
        elif not worth:
            self.add(t, (UNRESOLVED, flags), got, (1, Fraction(1)))
        else:
            self.add(t, (UNRESOLVED, flags), got * tx.gap / worth, (1, Fraction(1)))
            for i in others:
                self.share(t, i, got * (i.value or 0) / worth, flags)

    def share(self, t: int, i: In, value: Fraction, flags: int) -> None:
        """Add one input's share."""
        code, at = self.at.code.get(i.owner), self.at
        if code is None and i.owner in at.named:
            self.add(t, (at.named[i.owner], flags | PASSES), value, (1, Fraction(1)))
        if code is not None or i.tx is None:
            vector = only(UNRESOLVED if code is None else code, 1)
        else:
            payer = at.txs[i.tx].payer
            vector = further(self.sources[i.tx], 1 if payer is not None and payer == i.owner else 2)
        self.spread(t, vector, value, flags)

    def gone(self, t: int, owner: int | None, spender: int | None, value: Fraction) -> None:
        """Add what goes to somebody else."""
        code = self.at.code.get(owner)
        if code is None and owner in self.at.named:
            self.add(t, (self.at.named[owner], SENT | PASSES), value, (1, Fraction(1)))
        if code is not None or spender is None:
            vector = only(HELD if code is None else code, 1)
        else:
            vector = further(self.destinations[spender], 1)
        self.spread(t, vector, value, SENT)

    def spread(self, t: int, vector: Vector, value: Fraction, flags: int) -> None:
        """Add value by a vector."""
        for code, (share, least, mean) in vector.items():
            self.add(t, (code, flags), value * share, (least, mean))

    def add(self, t: int, key: Key, value: Fraction, hops: tuple[int, Fraction]) -> None:
        """Add to a line."""
        if value <= 0:
            return
        code, flags = key
        flags |= AFTER if any(since <= t < until for since, until in self.at.listed.get(code, ())) else 0
        flags |= INDIRECT if hops[0] > 1 or code == CUT else 0
        line = self.found.setdefault((code, flags), Line())
        line.value += value
        line.far += value * hops[1]
        price = self.at.price[t]
        line.fiat += value * (price or 0)
        line.unpriced += value if price is None else 0
        line.places.add(t)
        line.at[t] = max(line.at.get(t, value), value)
        line.min_hops = min(line.min_hops, hops[0])
