"""Slow, obvious twins of the passes over a history: fractions in dictionaries, written from the definitions.

A history is a list of transactions; an owner is a number, or None where nobody is known.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from heuristics.exposure.passes.parts import COINJOIN, CUT, FEE, HELD, MINED, UNRESOLVED

Source = tuple[Fraction, int, Fraction]  # share, least hops, mean hops
Vector = dict[int, Source]
Trim = Callable[[Vector], Vector]
ONE = Fraction(1)


@dataclass
class In:
    """A spend: of which transaction's output (None: before the history), its value (None: unknown) and owner."""

    tx: int | None
    vout: int
    value: int | None
    owner: int | None


@dataclass
class Out:
    """An output; `spent_by` is filled in when a later transaction spends it."""

    value: int
    owner: int | None
    spent_by: int | None = None


@dataclass
class Tx:
    """A transaction without inputs is a coinbase."""

    ins: list[In]
    outs: list[Out]
    coinjoin: bool = False

    @property
    def born(self) -> int | None:
        """What its outputs are by themselves."""
        return MINED if not self.ins else COINJOIN if self.coinjoin else None

    @property
    def paid(self) -> int:
        """Sum of its outputs."""
        return sum(o.value for o in self.outs)

    @property
    def gap(self) -> int:
        """The least that inputs of unknown value can be worth."""
        open_ones = any(i.value is None for i in self.ins)
        return max(self.paid - sum(i.value or 0 for i in self.ins), 0) if open_ones else 0

    @property
    def worth(self) -> int:
        """What it spends; a coinbase spends what it pays."""
        return sum(i.value or 0 for i in self.ins) + self.gap if self.ins else self.paid

    @property
    def payer(self) -> int | None:
        """The one owner of all inputs."""
        owners = {i.owner for i in self.ins}
        return owners.pop() if len(owners) == 1 and not self.coinjoin else None


def only(code: int, hops: int = 0) -> Vector:
    """All of it from one source."""
    return {code: (ONE, hops, Fraction(hops))}


def further(vector: Vector, step: int) -> Vector:
    """The same, some hops further away."""
    return {code: (share, least + step, mean + step) for code, (share, least, mean) in vector.items()}


def blend(pieces: Sequence[tuple[int, Vector]], worth: int) -> Vector:
    """Mix vectors by value."""
    found: dict[int, list[tuple[Fraction, int, Fraction]]] = defaultdict(list)
    for value, vector in pieces:
        for code, (share, least, mean) in vector.items():
            if value * share > 0:
                found[code].append((Fraction(value, worth) * share, least, mean))
    return {code: merged(parts) for code, parts in found.items()}


def merged(parts: Sequence[Source]) -> Source:
    """Sum of shares, least hops, mean hops by share."""
    share = sum((part[0] for part in parts), Fraction(0))
    return share, min(part[1] for part in parts), sum(part[0] * part[2] for part in parts) / share


def whole(vector: Vector) -> Vector:
    """Cut nothing."""
    return vector


def trimmer(category: Sequence[int], n_categories: int, drop: Fraction, top: int) -> Trim:
    """Cut as the product does: the largest parties stay, of equal ones the first, then categories large enough.

    Codes come out in the product's order too, categories first and CUT last: the next mix meets them in it.
    """

    def trim(vector: Vector) -> Vector:
        named = sorted((c for c in vector if c >= n_categories), key=lambda c: -vector[c][0])
        stay = {code for code in named[:top] if vector[code][0] >= drop}
        parts: dict[int, list[Source]] = defaultdict(list)
        for code, source in vector.items():
            parts[code if code in stay else category[code]].append(source)
        folded = {code: merged(sources) for code, sources in parts.items()}
        ends = stay | {UNRESOLVED, CUT}
        small = [code for code, source in folded.items() if code not in ends and source[0] < drop]
        lost = [(folded.pop(code)[0], 0, Fraction(0)) for code in small]
        if lost:
            folded[CUT] = merged([*lost, *([folded[CUT]] if CUT in folded else [])])
        own = [code for code in vector if code < n_categories]
        later = [category[code] for code in vector if code >= n_categories and code not in stay]
        order = [*(c for c in (*own, *later) if c != CUT), *(c for c in vector if c in stay), CUT]
        return {code: folded[code] for code in dict.fromkeys(order) if code in folded}

    return trim


def provenance(txs: Sequence[Tx], code: Mapping[int | None, int], trim: Trim = whole) -> list[Vector]:
    """Where the coins of each transaction came from."""
    vectors: list[Vector] = []
    for tx in txs:
        vectors.append(only(tx.born) if tx.born is not None else inputs(txs, tx, vectors, code, trim))
    return vectors


def inputs(txs: Sequence[Tx], tx: Tx, vectors: Sequence[Vector], code: Mapping[int | None, int], trim: Trim) -> Vector:
    """Mix what a transaction spends."""
    pieces = [(tx.gap, only(UNRESOLVED))]
    for i in tx.ins:
        if i.owner in code or i.tx is None:
            vector = only(code.get(i.owner, UNRESOLVED))
        else:
            payer = txs[i.tx].payer
            vector = further(vectors[i.tx], 0 if payer is not None and payer == i.owner else 1)
        pieces.append((i.value or 0, vector))
    return trim(blend(pieces, tx.worth)) if tx.worth else only(UNRESOLVED)


def destinations(txs: Sequence[Tx], code: Mapping[int | None, int], trim: Trim = whole) -> list[Vector]:
    """Where the coins of each transaction went."""
    vectors: dict[int, Vector] = {}
    for t in reversed(range(len(txs))):
        tx = txs[t]
        pieces = [(max(tx.worth - tx.paid, 0), only(FEE, 1))]
        owners = {i.owner for i in tx.ins}
        for o in tx.outs:
            step = 0 if len(owners) == 1 and o.owner is not None and o.owner in owners else 1
            spender = only(HELD) if o.spent_by is None else vectors[o.spent_by]
            pieces.append((o.value, further(only(code[o.owner]) if o.owner in code else spender, step)))
        mixed = trim(blend(pieces, tx.worth)) if tx.worth else only(UNRESOLVED)
        vectors[t] = only(COINJOIN) if tx.born == COINJOIN else mixed
    return [vectors[t] for t in range(len(txs))]


Pieces = list[tuple[int, int]]  # code and satoshi, in order


def fifo(txs: Sequence[Tx], code: Mapping[int | None, int]) -> list[list[Pieces]]:
    """What each output consists of where inputs fill outputs in order: satoshi by satoshi, run by run."""
    done: list[list[Pieces]] = []
    for tx in txs:
        queue: Pieces = []
        gap = tx.gap
        for i in tx.ins:
            if i.value is None:
                queue.append((UNRESOLVED, gap))
                gap = 0
            elif i.owner in code or i.tx is None:
                queue.append((code.get(i.owner, UNRESOLVED), i.value))
            else:
                queue += done[i.tx][i.vout]
        if tx.born is not None:
            queue = [(tx.born, tx.paid)]
        at = 0
        outs = []
        for o in tx.outs:
            outs.append(between(queue, at, at + o.value))
            at += o.value
        done.append(outs)
    return done


def between(queue: Pieces, first: int, last: int) -> Pieces:
    """The part of a queue from one satoshi to another."""
    found, at = [], 0
    for code, value in queue:
        taken = min(last, at + value) - max(first, at)
        if taken > 0:
            found.append((code, taken))
        at += value
    return found
