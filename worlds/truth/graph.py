"""The transactions of a world as arrays: which coin each input spends, and whose it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worlds.truth.query import asking
from worlds.truth.tables import COINJOIN_KINDS, path_of

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
NOBODY = -1
_HASH_BYTES, _KEY_BYTES = 32, 8


@dataclass(frozen=True, slots=True)
class Party:
    """A party at which trails stop."""

    entity: str
    category: str


@dataclass(frozen=True, slots=True)
class Coins:
    """Inputs or outputs in chain order."""

    tx: Places
    """Number of the transaction that they are part of."""
    value: Ints
    """satoshi"""
    party: Places
    """Number of the party whose they are, where trails stop at it; else NOBODY."""
    wallet: Places
    """Number of the sampled wallet whose they are; NOBODY for all other wallets."""
    other: Places
    """Number of the transaction at the other end: what made an input, what spends an output; NOBODY without."""


@dataclass(frozen=True, slots=True)
class Graph:
    """All transactions of a world, numbered in chain order."""

    n_tx: int
    coinbase: Flags
    coinjoin: Flags
    inputs: Coins
    outputs: Coins
    parties: tuple[Party, ...]


def read_graph(folder: Path, wallets: Sequence[str]) -> Graph:
    """Read the transactions of `WORLD/truth`.

    Parameters
    ----------
    wallets
        The sampled wallets, in the order by which `Coins.wallet` numbers them.

    Raises
    ------
    ValueError
        Where the tables contradict each other: a txid that is no transaction's or two's, an output number left
        out, a coin spent before it was made, more paid than spent.
    """
    index, coinbase, coinjoin = _transactions(folder)
    owners = _Owners(folder, wallets)
    outputs, first, _ = _coins(folder, "output", index, owners)
    inputs, _, origins = _coins(folder, "input", index, owners)
    made_by, vout = origins
    known = made_by != NOBODY
    row = np.where(known, first[made_by] + vout, 0)
    if np.any(row[known] >= first[made_by[known] + 1]):
        raise ValueError("an input spends an output that its transaction does not have")
    if np.any(made_by >= inputs.tx):
        raise ValueError("a coin is spent before it was made: transactions must stand in chain order")
    spent_by = np.full(len(outputs.tx), NOBODY, np.int32)
    spent_by[row[known]] = inputs.tx[known]
    return Graph(
        n_tx=len(coinbase),
        coinbase=coinbase,
        coinjoin=coinjoin,
        inputs=_linked(inputs, made_by),
        outputs=_linked(outputs, spent_by),
        parties=owners.parties,
    )


def _linked(coins: Coins, other: Places) -> Coins:
    return Coins(coins.tx, coins.value, coins.party, coins.wallet, other)


class _Index:
    """Finds transactions by the first eight bytes of their ids."""

    def __init__(self, keys: npt.NDArray[np.uint64]) -> None:
        self.order = np.argsort(keys).astype(np.int32)
        self.keys = keys[self.order]
        if np.any(self.keys[1:] == self.keys[:-1]):
            raise ValueError("two transactions have one txid")

    def find(self, keys: npt.NDArray[np.uint64]) -> Places:
        """Give their numbers; NOBODY where there is none."""
        if not len(self.keys):
            return np.full(len(keys), NOBODY, np.int32)
        order = np.argsort(keys)  # sorted questions walk the memory once: six times as fast among ten million
        place = np.empty(len(keys), np.int64)
        place[order] = np.minimum(np.searchsorted(self.keys, keys[order]), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.order[place], np.int32(NOBODY))


class _Owners:
    """Whose a coin is: a party at which trails stop, a sampled wallet, or somebody else."""

    def __init__(self, folder: Path, wallets: Sequence[str]) -> None:
        with asking(folder) as truth:
            rows = truth.execute("SELECT entity, category FROM party WHERE absorbs ORDER BY entity").fetchall()
            held = truth.execute(
                "SELECT wallet, entity FROM wallet JOIN party USING (entity) WHERE absorbs ORDER BY wallet"
            ).fetchall()
            lent = truth.execute("SELECT script, owner FROM owned WHERE owner <> holder ORDER BY script").fetchall()
        self.parties = tuple(Party(*row) for row in rows)
        number = {party.entity: i for i, party in enumerate(self.parties)}
        self._held = pa.array([wallet for wallet, _ in held], pa.string())
        self._party_of_held = np.array([*(number[entity] for _, entity in held), NOBODY], np.int32)
        self._lent = pa.array([script for script, _ in lent], pa.binary())
        self._party_of_lent = np.array([*(number[owner] for _, owner in lent), NOBODY], np.int32)
        self._wallets = pa.array(list(wallets), pa.string())

    def of(self, rows: pa.Table) -> tuple[Places, Places]:
        """Give the party and the sampled wallet of each row of the input or output table."""
        names = rows["wallet"].combine_chunks()
        held = _take(_found(names.dictionary, self._held), names.indices)
        party = self._party_of_held[held]
        if len(self._lent):
            lent = _found(rows["script"].combine_chunks(), self._lent)
            party = np.where(lent != NOBODY, self._party_of_lent[lent], party)
        return party, _take(_found(names.dictionary, self._wallets), names.indices)


def _found(values: pa.Array, among: pa.Array) -> Places:
    """Give each value's place among others; NOBODY where it is not there."""
    places: Places = pc.fill_null(pc.index_in(values, value_set=among), NOBODY).to_numpy(zero_copy_only=False)
    return places


def _take(places: Places, indices: pa.Array) -> Places:
    chosen: Places = places[indices.to_numpy()]
    return chosen


def _transactions(folder: Path) -> tuple[_Index, Flags, Flags]:
    keys, coinbase, coinjoin, height = [], [], [], []
    for rows in _row_groups(folder, "tx", ["txid", "kind", "height"]):
        keys.append(_keys(rows["txid"]))
        kinds = rows["kind"].combine_chunks()
        coinbase.append(_take(_found(kinds.dictionary, pa.array(["coinbase"])), kinds.indices) != NOBODY)
        coinjoin.append(_take(_found(kinds.dictionary, pa.array(COINJOIN_KINDS)), kinds.indices) != NOBODY)
        height.append(rows["height"].to_numpy())
    if np.any(np.diff(_joined(height, np.int32)) < 0):
        raise ValueError("transactions must stand in chain order, lowest height first")
    return _Index(_joined(keys, np.uint64)), _joined(coinbase, np.bool_), _joined(coinjoin, np.bool_)


def _coins(folder: Path, name: str, index: _Index, owners: _Owners) -> tuple[Coins, Ints, tuple[Places, Places]]:
    """Read inputs or outputs; give them, the first row of each transaction, and what the inputs spend."""
    is_input = name == "input"
    number = "vin" if is_input else "vout"
    columns = ["txid", number, "script", "value", "wallet", *(["origin_txid", "origin_vout"] if is_input else [])]
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    for rows in _row_groups(folder, name, columns):
        coins = (index.find(_keys(rows["txid"])), rows[number].to_numpy(), rows["value"].to_numpy(), *owners.of(rows))
        origin = (index.find(_keys(rows["origin_txid"])), rows["origin_vout"].to_numpy()) if is_input else ()
        parts.append((*coins, *origin))
    empty = [np.zeros(0, np.int32)] * 7
    tx, numbers, value, party, wallet, *rest = [np.concatenate(p) for p in zip(*parts, strict=True)] or empty
    if np.any(tx == NOBODY):
        raise ValueError(f"the {name} table speaks of a transaction that the tx table lacks")
    late = (tx[1:] < tx[:-1]) | ((tx[1:] == tx[:-1]) & (numbers[1:] < numbers[:-1]))
    order = np.lexsort((numbers, tx)) if np.any(late) else slice(None)
    tx, numbers = tx[order], numbers[order]
    first = np.concatenate([[0], np.cumsum(np.bincount(tx, minlength=len(index.keys)))])
    if np.any(numbers != np.arange(len(tx)) - first[tx]):
        raise ValueError(f"the {name} table leaves out a {number}, or gives one twice")
    whole = Coins(tx, value[order].astype(np.int64), party[order], wallet[order], np.zeros(0, np.int32))
    origins = (rest[0][order], rest[1][order]) if is_input else (tx, numbers)
    return whole, first, origins


def _row_groups(folder: Path, name: str, columns: list[str]) -> Iterator[pa.Table]:
    with pq.ParquetFile(path_of(folder, name)) as file:
        for i in range(file.num_row_groups):
            yield file.read_row_group(i, columns).unify_dictionaries()


def _keys(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    whole = column.combine_chunks()
    start = whole.offset * _HASH_BYTES
    data = np.frombuffer(whole.buffers()[1], np.uint8)[start : start + len(whole) * _HASH_BYTES]
    return data.reshape(-1, _HASH_BYTES)[:, :_KEY_BYTES].copy().view(np.uint64).ravel()


def _joined(parts: list[npt.NDArray[Any]], dtype: type) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
