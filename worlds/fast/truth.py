"""The truth about a batch of crowd transactions, as rows of the tables of `worlds.truth.tables`.

Everything is made column by column. A wallet's name follows from its number, and is its owner's name as well.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from worlds.fast.buffers import COINJOIN, DEEDS, KNOWN, ROLES, Desk, Side
from worlds.fast.notes import programs_of
from worlds.fast.rates import PROGRAMS
from worlds.fast.state import FOREIGN, NOBODY, SERVICES
from worlds.truth.tables import SCHEMAS

SERVICE_CATEGORIES = ("exchange", "exchange", "payment_processor", "marketplace")  # of service n: n % 4
_SERVICE_DIGITS, _PERSON_DIGITS = 3, 7
_PEOPLE, _SERVICES = b"crowd-", b"crowd-service-"


class Credited(NamedTuple):
    """Addresses that came onto the chain because others paid them, one entry each."""

    wallet: np.ndarray  # int32
    ends: np.ndarray  # int32: where the script ends in `scripts`, after a leading zero
    scripts: np.ndarray  # uint8


class Rows(NamedTuple):
    """What is known about the transactions of a batch, in NumPy arrays of its own."""

    height: int
    seed: int
    newcomers: tuple[int, int]  # first wallet that has opened since the batch before, and the one after the last
    credited: Credited
    txids: np.ndarray  # uint8 (n, 32)
    deed: np.ndarray  # uint8, per transaction: a place in buffers.DEEDS
    payer: np.ndarray  # int32, per transaction: wallet of the first input
    fee: np.ndarray  # int64, per transaction
    inputs: np.ndarray  # int32: where a transaction's inputs begin, and an end
    outputs: np.ndarray  # int32: where a transaction's outputs begin, and an end
    spent: Side
    made: Side  # wallets: NOBODY for data, FOREIGN for the address of an order
    origin_txid: np.ndarray  # uint8 (n, 32), per input
    origin_vout: np.ndarray  # int32, per input
    given: np.ndarray  # bool, per input: whether someone outside paid the coin
    change: np.ndarray  # bool, per output
    role: np.ndarray  # uint8, per output: a place in buffers.ROLES where its address is new, else KNOWN
    receivers: dict[int, tuple[str, str]]  # by output with a FOREIGN wallet: names of the wallet and the payee


def copied(desk: Desk, n_tx: int, context: tuple[int, int, int], credited: Credited) -> Rows:
    """Copy what a kernel left on the desk; `context` is the height, and the newcomers' range."""
    page, notes = desk.page, desk.notes
    height, first, end = context
    inputs, outputs = notes.inputs[: n_tx + 1].copy(), notes.outputs[: n_tx + 1].copy()
    n_in, n_out = int(inputs[-1]), int(outputs[-1])
    return Rows(
        height,
        page.pen.seed,
        (first, end),
        credited,
        page.txids[1 : n_tx + 1].copy(),
        notes.deed[1 : n_tx + 1].copy(),
        notes.payer[1 : n_tx + 1].copy(),
        notes.fee[1 : n_tx + 1].copy(),
        inputs,
        outputs,
        _side(notes.spent, n_in),
        _side(notes.made, n_out),
        notes.origin_txid[:n_in].copy(),
        notes.origin_vout[:n_in].copy(),
        notes.given[:n_in].copy(),
        notes.change[:n_out].copy(),
        notes.role[:n_out].copy(),
        {},
    )


def _side(side: Side, n: int) -> Side:
    ends = side.ends[: n + 1].copy()
    return Side(
        side.wallet[:n].copy(), side.address[:n].copy(), side.value[:n].copy(), ends, side.scripts[: ends[-1]].copy()
    )


def given(rows: Rows) -> list[tuple[bytes, int]]:
    """Coins from outside that were spent."""
    places = np.flatnonzero(rows.given)
    return [(rows.origin_txid[n].tobytes(), int(rows.origin_vout[n])) for n in places]


def name_of(wallet: int) -> str:
    """Name of a wallet and of its owner."""
    return str(_names(np.array([wallet]), ())[0])


def tables(rows: Rows) -> dict[str, pa.RecordBatch]:
    """Give the batch's rows of the truth tables, by table."""
    makers: dict[str, Callable[[Rows], dict[str, pa.Array]]] = {
        "entity": _entity,
        "wallet": _wallet,
        "address": _address,
        "tx": _tx,
        "input": _input,
        "output": _output,
        "payment": _payment,
    }
    made = {}
    for table, maker in makers.items():
        columns, schema = maker(rows), SCHEMAS[table]
        made[table] = pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
    return made


def _entity(rows: Rows) -> dict[str, pa.Array]:
    wallets = np.arange(*rows.newcomers)
    names, service = _names(wallets, ()), wallets < SERVICES
    categories = (*dict.fromkeys(SERVICE_CATEGORIES), "person")
    places = np.array([categories.index(c) for c in SERVICE_CATEGORIES])
    return {
        "entity": _each(names),
        "name": names,
        "category": _chosen(np.where(service, places[wallets % len(places)], len(categories) - 1), categories),
        "jurisdiction": _chosen(np.zeros(len(wallets), np.int32), [""]),
        # Nobody knows the crowd's services: trails pass through them, and a large world's labels stay few.
        "service": pa.array(np.zeros(len(wallets), np.bool_)),
        "listed_from": pa.nulls(len(wallets), pa.int64()),
    }


def _wallet(rows: Rows) -> dict[str, pa.Array]:
    wallets = np.arange(*rows.newcomers, dtype=np.int32)
    names = _names(wallets, ())
    return {"wallet": names, "entity": _each(names), "program": _programs(rows, wallets)}


def _address(rows: Rows) -> dict[str, pa.Array]:
    """Give the addresses that came onto the chain; those that others paid come first."""
    new = np.flatnonzero(rows.role < KNOWN)
    scripts = _binary(rows.made.ends, rows.made.scripts).take(pa.array(new))
    wallets = np.concatenate([rows.credited.wallet, rows.made.wallet[new]])
    roles = np.concatenate([np.full(len(rows.credited.wallet), ROLES.index("receive"), np.uint8), rows.role[new]])
    names = _coded(wallets)
    return {
        "script": pa.concat_arrays([_binary(rows.credited.ends, rows.credited.scripts), scripts]),
        "wallet": names,
        "entity": names,
        "role": _chosen(roles, ROLES),
    }


def _tx(rows: Rows) -> dict[str, pa.Array]:
    # Everybody in a mix spends one coin; otherwise one wallet signs for all inputs.
    per_tx = np.diff(rows.inputs)
    signs = np.repeat(rows.deed == COINJOIN, per_tx)
    signs[rows.inputs[:-1]] = True
    ends = np.zeros(len(rows.inputs), np.int32)
    np.cumsum(np.where(rows.deed == COINJOIN, per_tx, 1), out=ends[1:])
    return {
        "txid": _hashes(rows.txids),
        "height": pa.array(np.full(len(rows.deed), rows.height, np.int32)),
        "kind": _chosen(rows.deed, DEEDS),
        "wallets": pa.ListArray.from_arrays(pa.array(ends), _coded(rows.spent.wallet[signs])),
        "program": _programs(rows, rows.payer),
    }


def _input(rows: Rows) -> dict[str, pa.Array]:
    tx, vin = _places(rows.inputs)
    return {
        "txid": _hashes(rows.txids[tx]),
        "vin": pa.array(vin),
        "script": _binary(rows.spent.ends, rows.spent.scripts),
        "value": pa.array(rows.spent.value),
        "wallet": _coded(rows.spent.wallet),
        "origin_txid": _hashes(rows.origin_txid),
        "origin_vout": pa.array(rows.origin_vout),
    }


def _output(rows: Rows) -> dict[str, pa.Array]:
    tx, vout = _places(rows.outputs)
    wallets, labels = _receivers(rows, 0)
    return {
        "txid": _hashes(rows.txids[tx]),
        "vout": pa.array(vout),
        "script": _binary(rows.made.ends, rows.made.scripts),
        "value": pa.array(rows.made.value),
        "wallet": _coded(wallets, labels),
        "is_change": pa.array(rows.change),
    }


def _payment(rows: Rows) -> dict[str, pa.Array]:
    """Give what one party paid another: no change, no mixes, nothing that went back to the payer."""
    tx, vout = _places(rows.outputs)
    payees, labels = _receivers(rows, 1)
    payers = rows.payer[tx]
    paid = ~rows.change & (rows.deed[tx] != COINJOIN) & (payees != NOBODY) & (payees != payers)
    return {
        "height": pa.array(np.full(np.count_nonzero(paid), rows.height, np.int32)),
        "payer": _coded(payers[paid]),
        "payee": _coded(payees[paid], labels),
        "value": pa.array(rows.made.value[paid]),
        "txid": _hashes(rows.txids[tx[paid]]),
        "vout": pa.array(vout[paid]),
    }


def _receivers(rows: Rows, which: int) -> tuple[np.ndarray, list[str]]:
    """Wallets of the outputs, with numbers from FOREIGN downwards for the labels; NOBODY for an empty label."""
    wallets, labels = rows.made.wallet.copy(), [""]
    for output, names in rows.receivers.items():
        if names[which] not in labels:
            labels.append(names[which])
        wallets[output] = NOBODY - labels.index(names[which])
    return wallets, labels[1:]


def _places(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every input or output: its transaction, and its number there."""
    counts = np.diff(ends)
    tx = np.repeat(np.arange(len(counts)), counts)
    return tx, np.arange(len(tx), dtype=np.int32) - ends[:-1][tx]


def _programs(rows: Rows, wallets: np.ndarray) -> pa.DictionaryArray:
    numbers = np.zeros(len(wallets), np.int32)
    programs_of(rows.seed, wallets, numbers)
    return _chosen(numbers, PROGRAMS)


def _coded(wallets: np.ndarray, labels: Sequence[str] = ()) -> pa.DictionaryArray:
    """Names of wallets; a number below NOBODY stands for a label: FOREIGN for the first."""
    distinct, places = np.unique(wallets, return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), _names(distinct, labels))


def _each(names: pa.Array) -> pa.DictionaryArray:
    """Distinct names as a dictionary column."""
    return pa.DictionaryArray.from_arrays(pa.array(np.arange(len(names), dtype=np.int32)), names)


def _chosen(places: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), pa.array(names, pa.string()))


def _names(wallets: np.ndarray, labels: Sequence[str]) -> pa.Array:
    """Names of wallet numbers that stand in rising order."""
    others = [labels[FOREIGN - w] if w < NOBODY else "" for w in wallets[wallets <= NOBODY].tolist()]
    services = wallets[(wallets > NOBODY) & (wallets < SERVICES)]
    people = wallets[wallets >= SERVICES] - SERVICES
    return pa.concat_arrays(
        [
            pa.array(others, pa.string()),
            _numbered(_SERVICES, services, _SERVICE_DIGITS),
            _numbered(_PEOPLE, people, _PERSON_DIGITS),
        ]
    )


def _numbered(prefix: bytes, numbers: np.ndarray, digits: int) -> pa.Array:
    """Strings of a prefix and a number of fixed width."""
    text = np.empty((len(numbers), len(prefix) + digits), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    text[:, len(prefix) :] = numbers[:, None] // 10 ** np.arange(digits - 1, -1, -1) % 10 + ord("0")
    ends = np.arange(len(numbers) + 1, dtype=np.int32) * text.shape[1]
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(ends), pa.py_buffer(text))


def _hashes(hashes: np.ndarray) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(hashes), [None, pa.py_buffer(hashes)])


def _binary(ends: np.ndarray, data: np.ndarray) -> pa.Array:
    return pa.BinaryArray.from_buffers(pa.binary(), len(ends) - 1, [None, pa.py_buffer(ends), pa.py_buffer(data)])
