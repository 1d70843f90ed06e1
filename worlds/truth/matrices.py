"""Where the money of sampled wallets came from and where it went: by convention, and by intent.

By convention, trails stop at services and listed parties; everything else passes
value through in proportion (haircut); a coinbase is `mined`, a CoinJoin is `coinjoin`; a wallet is one party whose
own change and transfers do not count, CoinJoins that it signs included. Of any other transaction that it signs the
difference counts: what it gets beyond its part (its inputs less their share of the fee, whole satoshi) was received
from the others' inputs, what it gets less was sent to the others' outputs, by value. This is the oracle
that the product is scored against: it is written from the definition, with the true owners, and shares no code
with it.

One linear flow does both directions. Value received is put on the transaction that paid it and poured back in time:
each transaction hands what it holds to the origins of its inputs, in proportion to their value. Value sent is poured
forward: to whoever spends the outputs, and to the fee. What reaches a party or an end stays there.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chains.kernels import kernel
from worlds.truth.graph import NOBODY, Coins, Graph, Ints, Party, Places, read_graph
from worlds.truth.query import asking
from worlds.truth.sample import Sampled, sample
from worlds.truth.tables import TruthWriter

_Floats = npt.NDArray[np.float64]
_ENDS = tuple(Party("", category) for category in ("mined", "coinjoin", "unspent", "fee", "unattributed"))
_MINED, _COINJOIN, _UNSPENT, _FEE, _UNATTRIBUTED = range(len(_ENDS))
_AT_ONCE = 8  # wallets poured together: eight columns of 8 bytes are one line of the processor's cache


def write_matrices(folder: Path, seed: int, n: int = 200) -> int:
    """Sample wallets and write `WORLD/truth/matrix.parquet`; gives the number of its rows."""
    sampled = sample(folder, seed, n)
    rows = [*by_convention(folder, sampled), *by_intent(folder, sampled)]
    with TruthWriter(folder, ["matrix"]) as writer:
        writer.add("matrix", rows)
    return len(rows)


def by_convention(folder: Path, sampled: Sequence[Sampled]) -> Iterator[tuple[Any, ...]]:
    """Rows of the matrix table by convention; a wallet without payments in a direction has none for it."""
    graph = read_graph(folder, [one.wallet for one in sampled])
    sinks = (*graph.parties, *_ENDS)
    for direction, flow_of, seeds_of in (("received", _backward, _received), ("sent", _forward, _sent)):
        for one, reached in zip(sampled, _reached(flow_of(graph), seeds_of(graph), len(sampled)), strict=True):
            total = reached.sum()
            for column in np.flatnonzero(reached):
                sink, value = sinks[column], float(reached[column])
                share = value / total
                yield (*one, direction, "convention", sink.entity, sink.category, round(value), share)


def by_intent(folder: Path, sampled: Sequence[Sampled]) -> Iterator[tuple[Any, ...]]:
    """Rows of the matrix table by intent: who really paid the wallet's owner, and whom the owner really paid."""
    query = """
        SELECT mine.wallet, mine.direction, mine.other, party.category, sum(mine.value) AS value
        FROM (
            SELECT wallet, 'received' AS direction, payer AS other, value
            FROM payment JOIN wallet ON payee = entity WHERE wallet IN (SELECT unnest($wallets))
            UNION ALL
            SELECT wallet, 'sent', payee, value
            FROM payment JOIN wallet ON payer = entity WHERE wallet IN (SELECT unnest($wallets))
        ) mine JOIN party ON party.entity = mine.other
        GROUP BY ALL HAVING sum(mine.value) > 0 ORDER BY ALL
    """
    with asking(folder) as truth:
        rows = truth.execute(query, {"wallets": [one.wallet for one in sampled]}).fetchall()
    by_wallet = defaultdict(list)
    for wallet, direction, entity, category, value in rows:
        by_wallet[wallet, direction].append((entity, category, int(value)))
    for one in sampled:
        for direction in ("received", "sent"):
            parties = by_wallet[one.wallet, direction]
            total = sum(value for _, _, value in parties)
            for entity, category, value in parties:
                yield (*one, direction, "intent", entity, category, value, value / total)


@dataclass(frozen=True, slots=True)
class _Flow:
    """Where each transaction hands on what it holds; nodes are transactions, then parties, then `_ENDS`."""

    first: Ints
    """First edge of each transaction, and the end of the last."""
    to: Places
    share: _Floats
    n_nodes: int
    backwards: bool


@dataclass(frozen=True, slots=True)
class _Seeds:
    """What is poured: value of a sampled wallet, at a node."""

    wallet: Places
    node: Places
    value: _Floats


def _reached(flow: _Flow, seeds: _Seeds, n_wallets: int) -> Iterator[_Floats]:
    """Pour each wallet's value through the flow; gives what reaches parties and ends, wallet by wallet."""
    n_tx = len(flow.first) - 1
    for start in range(0, n_wallets, _AT_ONCE):
        width = min(_AT_ONCE, n_wallets - start)
        mass = np.zeros((flow.n_nodes, width))
        mine = (seeds.wallet >= start) & (seeds.wallet < start + width)
        np.add.at(mass, (seeds.node[mine], seeds.wallet[mine] - start), seeds.value[mine])
        _pour(mass, flow.first, flow.to, flow.share, flow.backwards)
        yield from mass[n_tx:].T.copy()  # without it, each row would keep all of the mass in memory


@kernel
def _pour(mass: np.ndarray, first: np.ndarray, to: np.ndarray, share: np.ndarray, backwards: bool) -> None:
    """Empty each transaction into the next ones, latest first or earliest first."""
    n = len(first) - 1
    for step in range(n):
        tx = n - 1 - step if backwards else step
        for column in range(mass.shape[1]):
            if mass[tx, column] > 0:
                for edge in range(first[tx], first[tx + 1]):
                    mass[to[edge], column] += mass[tx, column] * share[edge]


def _backward(graph: Graph) -> _Flow:
    """To the origins of a transaction's inputs; a coinbase, a CoinJoin or a gap in the history is an origin itself."""
    inputs, ends = graph.inputs, _first_end(graph)
    to = _node(graph, inputs, inputs.other, ends + _UNATTRIBUTED)
    spent = np.bincount(inputs.tx, minlength=graph.n_tx)
    stops = graph.coinbase | graph.coinjoin | (spent == 0)
    end = np.where(graph.coinbase, _MINED, np.where(graph.coinjoin, _COINJOIN, _UNATTRIBUTED))
    share = _shares(inputs, graph.n_tx)
    share[stops[inputs.tx]] = 0.0
    return _flow(graph, (inputs.tx, to, share), (ends + end, stops.astype(np.float64)), backwards=True)


def _forward(graph: Graph) -> _Flow:
    """To whoever spends a transaction's outputs, and to the fee; a CoinJoin is an end."""
    outputs, ends = graph.outputs, _first_end(graph)
    spent, paid = _sums(graph.inputs, graph.n_tx), _sums(outputs, graph.n_tx)
    if np.any((paid > spent) & ~graph.coinbase & (spent > 0)):
        raise ValueError("a transaction pays more than it spends")
    of = np.maximum(spent, 1)
    share = outputs.value / of[outputs.tx]
    share[graph.coinjoin[outputs.tx]] = 0.0
    rest = np.where(graph.coinjoin, 1.0, (spent - paid) / of)
    end = np.where(graph.coinjoin, _COINJOIN, _FEE)
    return _flow(graph, (outputs.tx, _spenders(graph), share), (ends + end, rest), backwards=False)


def _received(graph: Graph) -> _Seeds:
    """Outputs to a sampled wallet, of transactions that it did not sign; what it gained of those that it did."""
    inputs, outputs = graph.inputs, graph.outputs
    spending, paid = np.flatnonzero(inputs.wallet != NOBODY), np.flatnonzero(outputs.wallet != NOBODY)
    signed = _pairs(inputs.tx[spending], inputs.wallet[spending])
    paid = paid[~np.isin(_pairs(outputs.tx[paid], outputs.wallet[paid]), signed)]
    of = _signed(graph)
    of = of.where(of.gain > 0)
    pair, row = of.others(inputs, graph.n_tx)
    node = _node(graph, inputs, inputs.other, _first_end(graph) + _UNATTRIBUTED)
    part = (of.gain / (of.worth - of.put))[pair]
    return _Seeds(
        np.concatenate([outputs.wallet[paid], of.wallet[pair]]).astype(np.int32),
        np.concatenate([outputs.tx[paid], node[row]]),
        np.concatenate([outputs.value[paid].astype(np.float64), inputs.value[row] * part]),
    )


def _sent(graph: Graph) -> _Seeds:
    """Outputs that a sampled wallet paid to others, in transactions that it signed: of each so much as it lost."""
    of = _signed(graph)
    of = of.where(of.gain < 0)
    pair, row = of.others(graph.outputs, graph.n_tx)
    part: _Floats = -of.gain / (of.paid - of.got)
    sent: _Floats = graph.outputs.value[row].astype(np.float64) * part[pair]
    return _Seeds(of.wallet[pair].astype(np.int32), _spenders(graph)[row], sent)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What sampled wallets did in transactions that they signed and that are no CoinJoin, satoshi; by pairs of both."""

    tx: Ints
    wallet: Ints
    put: Ints
    got: Ints
    worth: Ints
    """All inputs of the transaction."""
    paid: Ints
    """All its outputs."""
    gain: Ints
    """What the wallet got beyond its inputs, these less their share of the fee; below nothing: what it lost."""

    def where(self, some: npt.NDArray[np.bool_]) -> "_Signed":
        """Some of them."""
        return _Signed(*(getattr(self, field.name)[some] for field in fields(self)))

    def others(self, coins: Coins, n_tx: int) -> tuple[Ints, Ints]:
        """Each of these with each coin of its transaction that is not the wallet's: number of the pair, and row."""
        first = _firsts(coins, n_tx)
        n = first[self.tx + 1] - first[self.tx]
        pair = np.repeat(np.arange(len(self.tx)), n)
        row = np.arange(len(pair)) - np.repeat(np.cumsum(n) - n, n) + first[self.tx][pair]
        others = coins.wallet[row] != self.wallet[pair]
        return pair[others], row[others]


def _signed(graph: Graph) -> _Signed:
    inputs, outputs = graph.inputs, graph.outputs
    mine = np.flatnonzero((inputs.wallet != NOBODY) & ~graph.coinjoin[inputs.tx])
    pairs, place = np.unique(_pairs(inputs.tx[mine], inputs.wallet[mine]), return_inverse=True)
    tx, wallet = pairs >> _WALLET_BITS, pairs & _WALLET_MASK
    put, got = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), np.int64)
    np.add.at(put, place, inputs.value[mine])
    back = np.flatnonzero(outputs.wallet != NOBODY)
    to = _pairs(outputs.tx[back], outputs.wallet[back])
    back, to = back[np.isin(to, pairs)], to[np.isin(to, pairs)]
    np.add.at(got, np.searchsorted(pairs, to), outputs.value[back])
    worth, paid = _sums(inputs, graph.n_tx)[tx], _sums(outputs, graph.n_tx)[tx]
    # Products of two amounts need more than 64 bits.
    due = put.astype(object) * paid // np.maximum(worth, 1)
    return _Signed(tx, wallet, put, got, worth, paid, got - due.astype(np.int64))


_WALLET_BITS = 16
_WALLET_MASK = (1 << _WALLET_BITS) - 1


def _pairs(tx: Places, wallet: Places) -> Ints:
    """Transaction and sampled wallet as one number."""
    return (tx.astype(np.int64) << _WALLET_BITS) | (wallet & _WALLET_MASK)


def _spenders(graph: Graph) -> Places:
    """Where each output goes: to the party that owns it, to the transaction that spends it, or nowhere yet."""
    return _node(graph, graph.outputs, graph.outputs.other, _first_end(graph) + _UNSPENT)


def _node(graph: Graph, coins: Coins, tx: Places, without: int) -> Places:
    """The node that coins lead to: their owner's where trails stop at it, else a transaction, else an end."""
    beyond = np.where(tx != NOBODY, tx, np.int32(without))
    return np.where(coins.party != NOBODY, np.int32(graph.n_tx) + coins.party, beyond).astype(np.int32, copy=False)


def _first_end(graph: Graph) -> int:
    return graph.n_tx + len(graph.parties)


def _sums(coins: Coins, n_tx: int) -> Ints:
    total = np.zeros(n_tx, np.int64)
    np.add.at(total, coins.tx, coins.value)
    return total


def _firsts(coins: Coins, n_tx: int) -> Ints:
    """First row of each transaction, and the end of the last."""
    return np.concatenate([[0], np.cumsum(np.bincount(coins.tx, minlength=n_tx))])


def _shares(coins: Coins, n_tx: int) -> _Floats:
    """Each coin's share of its transaction by value; equal shares where none has any."""
    total, n = _sums(coins, n_tx)[coins.tx], np.bincount(coins.tx, minlength=n_tx)[coins.tx]
    return np.where(total > 0, coins.value / np.maximum(total, 1), 1.0 / n)


def _flow(graph: Graph, edges: tuple[Places, Places, _Floats], last: tuple[Ints, _Floats], *, backwards: bool) -> _Flow:
    """Put edges in order by transaction, after them one last edge each: to an end, with a share."""
    tx, to, share = edges
    place = np.arange(len(tx)) + tx  # every transaction before has one edge more
    first = np.concatenate([[0], np.cumsum(np.bincount(tx, minlength=graph.n_tx) + 1)])
    all_to = np.empty(len(tx) + graph.n_tx, np.int32)
    all_share = np.empty(len(all_to))
    all_to[place], all_share[place] = to, share
    all_to[first[1:] - 1], all_share[first[1:] - 1] = last
    return _Flow(first, all_to, all_share, _first_end(graph) + len(_ENDS), backwards)
