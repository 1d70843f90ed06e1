"""Histories of coins told in few words, as the arrays that rules see: one transaction per block, addresses by name."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chains.bitcoin.tables import ScriptType
from heuristics.fingerprints import LOCKTIME_FROM, RBF, SEQUENCE_FROM, ZERO
from heuristics.graph import Graph


@dataclass(frozen=True)
class Out:
    """An output; without a name it is an OP_RETURN. An address is of the kind that it has first."""

    name: str | None
    value: int
    kind: int = ScriptType.P2WPKH


@dataclass(frozen=True)
class Look:
    """What a program does the same way every time: version, use of nLockTime and class of nSequence."""

    version: int = 2
    locktime: int = ZERO
    sequence: int = RBF

    @property
    def bits(self) -> int:
        """The bit field of heuristics.fingerprints."""
        return self.version | self.locktime << LOCKTIME_FROM | self.sequence << SEQUENCE_FROM


PLAIN = Look()
OTHER = Look(version=1, sequence=0)


@dataclass
class History:
    """Transactions in chain order; an input is (place of the transaction, position of its output)."""

    ins: list[list[tuple[int, int]]] = field(default_factory=list)
    outs: list[list[Out]] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    first_height: int = 0

    def tx(self, ins: Sequence[tuple[int, int]], *outs: Out, look: Look = PLAIN) -> int:
        """Add a transaction (without inputs: a coinbase); its place."""
        self.ins.append(list(ins))
        self.outs.append(list(outs))
        self.looks.append(look)
        return len(self.ins) - 1

    def mint(self, name: str, value: int, kind: int = ScriptType.P2WPKH) -> tuple[int, int]:
        """Add a coinbase of one output; that coin."""
        return self.tx([], Out(name, value, kind)), 0

    def out(self, coin: tuple[int, int]) -> Out:
        """The output that a coin is."""
        return self.outs[coin[0]][coin[1]]

    @property
    def names(self) -> list[str]:
        """Addresses by number: in the order in which they appear."""
        return list(dict.fromkeys(out.name for outs in self.outs for out in outs if out.name is not None))

    def number(self, name: str | None) -> int:
        """Number of an address."""
        return -1 if name is None else self.names.index(name)

    def spender(self, t: int, vout: int) -> int:
        """The transaction that spends an output; -1 none."""
        return next((s for s, ins in enumerate(self.ins) if (t, vout) in ins), -1)

    def graph(self) -> Graph:
        """The coin graph."""
        number = {name: n for n, name in enumerate(self.names)} | {None: -1}
        spends = [coin for ins in self.ins for coin in ins]
        spent = {coin: t for t, ins in enumerate(self.ins) for coin in ins}
        places = [(t, vout) for t, outs in enumerate(self.outs) for vout in range(len(outs))]
        outs = [self.out(place) for place in places]
        coins = [self.out(coin) for coin in spends]
        return Graph(
            in_start=np.cumsum([0, *map(len, self.ins)]),
            out_start=np.cumsum([0, *map(len, self.outs)]),
            looks=np.array([look.bits for look in self.looks], np.uint32),
            weight=np.full(len(self.ins), 800, np.int32),
            origin=np.array([t for t, _ in spends], np.int32),
            vout=np.array([vout for _, vout in spends], np.int32),
            spend_value=np.array([coin.value for coin in coins], np.int64),
            spend_number=np.array([number[coin.name] for coin in coins], np.int32),
            spend_kind=np.array([coin.kind for coin in coins], np.uint8),
            sighash=np.full(len(spends), 2, np.uint8),
            spent_by=np.array([spent.get(place, -1) for place in places], np.int32),
            out_value=np.array([out.value for out in outs], np.int64),
            out_number=np.array([number[out.name] for out in outs], np.int32),
            out_kind=np.array([out.kind for out in outs], np.uint8),
            block_start=np.arange(len(self.ins) + 1),
            first_height=np.array([self.first_height]),
        )

    def clusters(self, several: Sequence[int] = ()) -> np.ndarray:
        """T0 clusters by the obvious way: of all inputs of every transaction that one party signs."""
        names = self.names
        own = list(range(len(names)))
        for t, ins in enumerate(self.ins):
            joined = {own[names.index(name)] for coin in ins if (name := self.out(coin).name) is not None}
            if t not in several and joined:
                own = [min(joined) if one in joined else one for one in own]
        return np.array(own, np.int32)

    def flags(self, several: Sequence[int] = ()) -> np.ndarray:
        """Per transaction, whether it is among those of several parties."""
        return np.isin(np.arange(len(self.ins)), several)
