"""What two parties sign without equal amounts: PayJoins, dual-funded channels and splices.

Sources: BIP 78 (both sides bring inputs of one script type, versions and nSequence stay the sender's; what is paid is
hidden by a coin of the receiver, so that no amount is round); the unnecessary-input heuristics; BOLT 2 (interactive
transactions: version 2, replaceable, native segwit inputs, one funding output to a fresh P2WSH or P2TR script, which
is spent alone). None is proof: whoever co-spends the same addresses elsewhere without suspicion is let off (owners).
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from chains.bitcoin.tables import ScriptType
from chains.kernels import kernel
from heuristics.clusters.multiparty.owners import addresses, owners
from heuristics.clusters.multiparty.shapes import LEAST_INPUTS
from heuristics.clusters.unite import root
from heuristics.facts import Longs
from heuristics.fingerprints import (
    LOCKTIME_BITS,
    LOCKTIME_FROM,
    MIXED,
    OTHER,
    RBF,
    SEQUENCE_BITS,
    SEQUENCE_FROM,
    VERSION_BITS,
)
from heuristics.graph import Graph
from heuristics.numbers import Numbers

Bytes = npt.NDArray[np.uint8]
DUST_MOST: Final = 1_000
"""Satoshi up to which an output to an address that is not fresh may be a stranger's dust."""
ROUND: Final = 1_000
"""Satoshi of which a payment is a multiple that somebody typed in."""
_APART: Final = 60  # points of mismatch from which two transactions are of two programs
# GraphSense's weights of a mismatch: script type, version, nSequence, nLockTime.
_TYPE, _VERSION, _SEQUENCE, _LOCKTIME = 80, 30, 25, 15
_COMPARED_MOST: Final = 16  # inputs; those of more are gathered, not chosen
_PAYJOIN_OUTPUTS: Final = 2
_SIMPLE_MOST: Final = 3  # inputs of a PayJoin that has nothing needless: a receiver brings one
_FUNDING_OUTPUTS: Final = 3
_VERSION_2: Final = 2
_P2SH, _P2WPKH, _P2WSH, _P2TR = (
    int(kind) for kind in (ScriptType.P2SH, ScriptType.P2WPKH, ScriptType.P2WSH, ScriptType.P2TR)
)
NEITHER, COULD_BE, NEEDLESS = 0, 1, 2
# Weight units: what a transaction with two P2SH outputs has at most without its inputs, an input of nested P2WPKH (one
# signature, one key), and one of P2PKH.
_FRAME, _NESTED_INPUT, _OLD_INPUT = 298, 365, 600


class Joint(NamedTuple):
    """Places of transactions that could be two parties', in chain order.

    `needless` PayJoins have an input that no payment needed; `likely` ones look like any payment, but spend coins that
    two programs made, or share a coin with a needless one.
    """

    needless: Longs
    likely: Longs
    funding: Longs
    splices: Longs


@kernel
def _uses(out_number: Numbers, out_value: Longs, n: int) -> Bytes:
    """How often each address was paid, twice at most; dust does not count."""
    uses = np.zeros(n, np.uint8)
    for o in range(len(out_number)):
        x = out_number[o]
        if x >= 0 and out_value[o] > DUST_MOST:
            uses[x] += uses[x] <= 1
    return uses


@kernel
def _one_address(graph: Graph, t: int) -> bool:
    """Whether all inputs are of one address."""
    first = graph.in_start[t]
    for i in range(first + 1, graph.in_start[t + 1]):  # noqa: SIM110 -- compiled
        if graph.spend_number[i] != graph.spend_number[first]:
            return False
    return True


@kernel
def _paid_twice(graph: Graph, t: int, kind: int, uses: Bytes) -> bool:
    """Whether a transaction has two outputs of this script type, neither of them round or to an address used again."""
    o0, o1 = graph.out_start[t], graph.out_start[t + 1]
    if o1 - o0 != _PAYJOIN_OUTPUTS:
        return False
    for o in range(o0, o1):
        if graph.out_kind[o] != kind or graph.out_value[o] % ROUND == 0 or uses[graph.out_number[o]] > 1:
            return False
    return True


@kernel
def _payjoin(graph: Graph, t: int, uses: Bytes) -> int:
    """Whether a transaction could be a PayJoin, and if so, whether an input was needless."""
    i0, i1, o0 = graph.in_start[t], graph.in_start[t + 1], graph.out_start[t]
    if i1 - i0 < LEAST_INPUTS or (graph.looks[t] >> SEQUENCE_FROM) & SEQUENCE_BITS == MIXED or _one_address(graph, t):
        return NEITHER
    kind = graph.out_kind[o0]
    if kind not in (_P2SH, _P2WPKH, _P2TR) or not _paid_twice(graph, t, kind, uses):
        return NEITHER
    least, alike = graph.spend_value[i0], 0
    for i in range(i0, i1):
        alike += graph.spend_kind[i] == kind
        least = min(least, graph.spend_value[i])
    # Older P2SH coins are several signers' already: only the weight tells them from nested P2WPKH.
    nested = graph.weight[t] <= _FRAME + _NESTED_INPUT * alike + _OLD_INPUT * (i1 - i0 - alike)
    if alike == 0 or least < 0 or (kind == _P2SH and not nested):
        return NEITHER
    # Whichever output is the payment, the other is no smaller than an input that could have been left out.
    if alike == i1 - i0 and min(graph.out_value[o0], graph.out_value[o0 + 1]) >= least:
        return NEEDLESS
    return COULD_BE if i1 - i0 <= _SIMPLE_MOST else NEITHER


@kernel
def _mismatch(graph: Graph, a: int, b: int) -> int:
    """Points by which two transactions look unlike; 0 where one is a coinbase or unknown."""
    if a < 0 or b < 0 or graph.in_start[a + 1] == graph.in_start[a] or graph.in_start[b + 1] == graph.in_start[b]:
        return 0
    one, other = graph.looks[a], graph.looks[b]
    points = _VERSION * ((one & VERSION_BITS) != (other & VERSION_BITS))
    points += _LOCKTIME * (((one >> LOCKTIME_FROM) & LOCKTIME_BITS) != ((other >> LOCKTIME_FROM) & LOCKTIME_BITS))
    points += _SEQUENCE * ((one >> SEQUENCE_FROM) != (other >> SEQUENCE_FROM))
    points += _TYPE * (graph.spend_kind[graph.in_start[a]] != graph.spend_kind[graph.in_start[b]])
    return int(points)


@kernel
def _two_programs(graph: Graph, t: int) -> bool:
    """Whether two of the coins that a transaction spends were made by transactions of two programs."""
    i0, i1 = graph.in_start[t], graph.in_start[t + 1]
    if i1 - i0 > _COMPARED_MOST:
        return False
    for i in range(i0, i1):
        for j in range(i0, i):
            if _mismatch(graph, graph.origin[i], graph.origin[j]) >= _APART:
                return True
    return False


@kernel
def _known(graph: Graph, kinds: Bytes, parents: Numbers) -> Bytes:
    """Per owner: 1 where needless PayJoins have paid or taken coins of it."""
    known = np.zeros(len(parents), np.uint8)
    for t in range(len(kinds)):
        if kinds[t] != NEEDLESS:
            continue
        for i in range(graph.in_start[t], graph.in_start[t + 1]):
            known[root(parents, np.int64(graph.spend_number[i]))] = 1
        for o in range(graph.out_start[t], graph.out_start[t + 1]):
            known[root(parents, np.int64(graph.out_number[o]))] = 1
    return known


@kernel
def _beside(graph: Graph, t: int, known: Bytes, parents: Numbers) -> bool:
    """Whether a transaction spends or pays coins of an owner who is known for PayJoins."""
    for i in range(graph.in_start[t], graph.in_start[t + 1]):
        if known[root(parents, np.int64(graph.spend_number[i]))]:
            return True
    for o in range(graph.out_start[t], graph.out_start[t + 1]):
        if known[root(parents, np.int64(graph.out_number[o]))]:
            return True
    return False


@kernel
def _forms(graph: Graph, uses: Bytes) -> Bytes:
    """Per transaction what its form says of a PayJoin."""
    kinds = np.zeros(len(graph.looks), np.uint8)
    for t in range(len(kinds)):
        kinds[t] = _payjoin(graph, t, uses)
    return kinds


@kernel
def _clear(graph: Graph, kinds: Bytes, parents: Numbers) -> None:
    """Forget those that could be, but have nothing more against them than their form."""
    known = _known(graph, kinds, parents)
    for t in range(len(kinds)):
        if kinds[t] == COULD_BE and not (_two_programs(graph, t) or _beside(graph, t, known, parents)):
            kinds[t] = NEITHER


@kernel
def _interactive(graph: Graph, t: int) -> bool:
    """Version 2, replaceable, native segwit inputs of two addresses or more, three outputs at most."""
    i0, i1 = graph.in_start[t], graph.in_start[t + 1]
    sequence = (graph.looks[t] >> SEQUENCE_FROM) & SEQUENCE_BITS
    if graph.out_start[t + 1] - graph.out_start[t] > _FUNDING_OUTPUTS or graph.looks[t] & VERSION_BITS != _VERSION_2:
        return False
    if sequence not in (RBF, OTHER) or i1 - i0 < LEAST_INPUTS or _one_address(graph, t):
        return False
    for i in range(i0, i1):  # noqa: SIM110 -- compiled
        if graph.spend_kind[i] not in (_P2WPKH, _P2WSH, _P2TR):
            return False
    return True


@kernel
def _channel_like(graph: Graph, o: np.int64) -> bool:
    """Whether an output is unspent, or spent alone, or one of P2WSH spliced into another one of P2WSH.

    Wallets hold P2TR coins and spend them with others; a P2TR channel's splice can not be told from that.
    """
    u = graph.spent_by[o]
    if u < 0 or graph.in_start[u + 1] - graph.in_start[u] == 1:
        return True
    if graph.out_kind[o] != _P2WSH or not _interactive(graph, u):
        return False
    spent, made = 0, 0
    for i in range(graph.in_start[u], graph.in_start[u + 1]):
        spent += graph.spend_kind[i] == _P2WSH
    for p in range(graph.out_start[u], graph.out_start[u + 1]):
        made += graph.out_kind[p] == _P2WSH
    return spent == 1 and made == 1


@kernel
def _funding(graph: Graph, t: int, uses: Bytes) -> np.int64:
    """Row of the output that could be a channel's, beside one change for either side; -1 where there is none.

    Change has the type of the coins that its owner brought. Where the channel's output has it too, it is the largest.
    """
    o0, o1 = graph.out_start[t], graph.out_start[t + 1]
    kind = graph.spend_kind[graph.in_start[t]]
    if o1 - o0 != _FUNDING_OUTPUTS:
        return np.int64(-1)
    for i in range(graph.in_start[t], graph.in_start[t + 1]):
        if graph.spend_kind[i] != kind:
            return np.int64(-1)
    row, others = np.int64(o0), 0
    for n in range(o1 - o0):
        o = np.int64(o0 + n)
        if graph.out_number[o] < 0 or uses[graph.out_number[o]] > 1 or graph.out_value[o] <= DUST_MOST:
            return np.int64(-1)
        unlike = graph.out_kind[o] != kind
        others += unlike
        if unlike or (others == 0 and graph.out_value[o] > graph.out_value[row]):
            row = o
    if others > 1 or graph.out_kind[row] not in (_P2WSH, _P2TR) or not _channel_like(graph, row):
        return np.int64(-1)
    for p in range(o0, o1):
        if p != row and graph.out_value[p] % ROUND == 0:
            return np.int64(-1)
    return row


@kernel
def _channels(graph: Graph, uses: Bytes) -> tuple[Bytes, Bytes]:
    """Per transaction whether it could be a dual funding, and a splice of the channel of one."""
    funding, splices = np.zeros(len(graph.looks), np.uint8), np.zeros(len(graph.looks), np.uint8)
    vout = np.full(len(graph.looks), np.int32(-1), np.int32)
    for t in range(len(funding)):
        if not _interactive(graph, t):
            continue
        row = np.int64(-1)
        for i in range(graph.in_start[t], graph.in_start[t + 1]):
            u = graph.origin[i]
            splices[t] |= u >= 0 and vout[u] == graph.vout[i]
        if splices[t] == 0:
            row = _funding(graph, t, uses)
            funding[t] = row >= 0
        else:
            for o in range(graph.out_start[t], graph.out_start[t + 1]):
                if graph.out_kind[o] == _P2WSH and _channel_like(graph, np.int64(o)):
                    row = np.int64(o)
        if row >= 0:
            vout[t] = row - graph.out_start[t]
    return funding, splices


def joint(graph: Graph, suspected: npt.NDArray[np.bool_]) -> Joint:
    """Find them over the whole history; `suspected` transactions (per place) are others' business."""
    uses = _uses(graph.out_number, graph.out_value, addresses(graph))
    kinds = _forms(graph, uses)
    funding, splices = _channels(graph, uses)
    kinds[suspected | ((funding | splices) > 0)] = NEITHER
    _clear(graph, kinds, owners(graph, suspected | ((kinds | funding | splices) > 0)))
    funding[suspected] = splices[suspected] = 0
    return Joint(*(np.flatnonzero(some) for some in (kinds == NEEDLESS, kinds == COULD_BE, funding, splices)))
