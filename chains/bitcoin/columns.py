"""Decoded arrays → the Arrow tables of `chains.bitcoin.tables`."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from chains.bitcoin.payloads import distinct_addresses
from chains.bitcoin.script import OP_RETURN, Scripts
from chains.bitcoin.signatures import Proofs
from chains.bitcoin.tables import ADDRESS, BLOCK, OUTPUT, SPEND, TX
from chains.bitcoin.undo import Prevouts
from chains.bitcoin.wire import HEADER_BYTES, Structure
from chains.blocks import POSITION_BITS
from chains.ids import key_of, siphash24
from chains.kernels import kernel


@dataclass(frozen=True, slots=True)
class Decoded:
    """Everything the kernels found in a run of blocks."""

    buf: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    first_height: int
    found: Structure
    block_hashes: np.ndarray
    txids: np.ndarray
    outputs: Scripts
    proofs: Proofs
    coins: Prevouts | None
    spent: Scripts | None
    fees: np.ndarray | None

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.starts)

    @property
    def tx_ids(self) -> np.ndarray:
        """Chain-order number of every transaction, int64 (n_tx,)."""
        counts = np.diff(self.found.block_tx)
        heights = np.repeat(np.arange(self.first_height, self.first_height + self.n_blocks), counts)
        positions = np.arange(len(heights)) - np.repeat(self.found.block_tx[:-1], counts)
        tx_ids: np.ndarray = (heights << POSITION_BITS) + positions
        return tx_ids


def tables_of(decoded: Decoded, secret: bytes) -> dict[str, pa.Table]:
    """Build every lake table of the run."""
    key, tx_ids = key_of(secret), decoded.tx_ids
    return {
        "block": pa.table(_block(decoded), schema=BLOCK.schema),
        "tx": pa.table(_tx(decoded, key, tx_ids), schema=TX.schema),
        "output": pa.table(_output(decoded, tx_ids), schema=OUTPUT.schema),
        "spend": pa.table(_spend(decoded, key, tx_ids), schema=SPEND.schema),
        "address": pa.table(distinct_addresses(decoded.outputs, decoded.spent), schema=ADDRESS.schema),
    }


def run_sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum of each run `values[offsets[i]:offsets[i + 1]]`."""
    total = np.concatenate((np.zeros(1, np.int64), np.cumsum(values)))
    sums: np.ndarray = total[offsets[1:]] - total[offsets[:-1]]
    return sums


def frame_bytes(n_tx: np.ndarray) -> np.ndarray:
    """Bytes of each block before its first transaction: the header and the transaction count."""
    frames: np.ndarray = HEADER_BYTES + np.where(n_tx < 253, 1, np.where(n_tx < 0x10000, 3, 5))
    return frames


@kernel
def _keys_at(key: np.ndarray, buf: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """SipHash of the 32 bytes at each place."""
    for i in range(len(places)):
        out[i] = siphash24(key, buf, places[i], 32)


def tx_keys(key: np.ndarray, txids: np.ndarray) -> np.ndarray:
    """`tx_key` of consecutive txids, uint8 (n_tx * 32,); int64."""
    return _tx_keys(key, txids, np.arange(len(txids) // 32) * 32)


def _tx_keys(key: np.ndarray, buf: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`tx_key` of the txid at each place, int64."""
    out = np.empty(len(places), np.int64)
    _keys_at(key, buf, places, out)
    return out


def _hash_column(flat: np.ndarray) -> pa.Array:
    """A fixed-size binary column over 32-byte rows, without copying."""
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), len(flat) // 32, [None, pa.py_buffer(np.ascontiguousarray(flat))]
    )


def _nullable(values: np.ndarray, null: np.ndarray) -> pa.Array:
    """An int64 column with nulls where told."""
    return pa.array(values, mask=null) if null.any() else pa.array(values)


def _block(d: Decoded) -> list[pa.Array]:
    headers = d.buf[d.starts[:, None] + np.arange(HEADER_BYTES)]
    sizes = d.sizes.astype(np.int64)
    n_tx = np.diff(d.found.block_tx)
    weights = run_sums(_weights(d.found), d.found.block_tx) + 4 * frame_bytes(n_tx)
    coinbase_in = d.found.tx_in[d.found.block_tx[:-1]]
    at, size = d.found.inputs.script_start[coinbase_in], d.found.inputs.script_size[coinbase_in]

    def field(start: int, dtype: str) -> np.ndarray:
        return np.ascontiguousarray(headers[:, start : start + 4]).view(dtype)[:, 0]

    return [
        pa.array(np.arange(d.first_height, d.first_height + d.n_blocks, dtype=np.int32)),
        _hash_column(d.block_hashes),
        _hash_column(headers[:, 4:36].reshape(-1)),
        _hash_column(headers[:, 36:68].reshape(-1)),
        pa.array(field(0, "<i4")),
        pa.array(field(68, "<u4").astype(np.int64)),
        pa.array(field(72, "<u4")),
        pa.array(field(76, "<u4")),
        pa.array(sizes.astype(np.int32)),
        pa.array(weights.astype(np.int32)),
        pa.array(n_tx.astype(np.int32)),
        pa.array([d.buf[a : a + s].tobytes() for a, s in zip(at.tolist(), size.tolist(), strict=True)], pa.binary()),
    ]


def _weights(found: Structure) -> np.ndarray:
    """Weight of every transaction: three times the stripped size plus the full size."""
    size = found.tx.size.astype(np.int64)
    witness = found.tx.witness_start
    # The witness part is what lies between the outputs and the locktime, plus marker and flag.
    stripped = np.where(witness < 0, size, witness - found.tx.start - 2 + 4)
    return 3 * stripped + size


def _tx(d: Decoded, key: np.ndarray, tx_ids: np.ndarray) -> list[pa.Array]:
    tx = d.found.tx
    n_in = tx.n_in.copy()
    n_in[d.found.block_tx[:-1]] = 0
    no_fee = np.zeros(len(tx_ids), np.int64) if d.fees is None else d.fees
    unknown = np.zeros(len(tx_ids), np.bool_)
    if d.fees is None:
        unknown[:] = n_in > 0
    return [
        pa.array(tx_ids),
        _hash_column(d.txids),
        pa.array(tx_keys(key, d.txids)),
        pa.array(tx.version),
        pa.array(tx.locktime),
        pa.array(tx.size),
        pa.array(_weights(d.found).astype(np.int32)),
        _nullable(no_fee, unknown),
        pa.array(n_in),
        pa.array(tx.n_out),
    ]


def _output(d: Decoded, tx_ids: np.ndarray) -> list[pa.Array]:
    found = d.found
    first = np.repeat(found.tx_out[:-1], found.tx.n_out)
    return [
        pa.array(np.repeat(tx_ids, found.tx.n_out)),
        pa.array((np.arange(len(first)) - first).astype(np.int32)),
        pa.array(found.outputs.value),
        pa.array(d.outputs.kind),
        _nullable(d.outputs.address_id, d.outputs.kind == OP_RETURN),
    ]


def _spend(d: Decoded, key: np.ndarray, tx_ids: np.ndarray) -> list[pa.Array]:
    found = d.found
    keep = np.ones(len(found.inputs.origin), np.bool_)
    keep[found.tx_in[found.block_tx[:-1]]] = False
    first = np.repeat(found.tx_in[:-1], found.tx.n_in)
    vin = (np.arange(len(first)) - first).astype(np.int32)
    n = int(keep.sum())
    unresolved = np.full(n, d.coins is None)
    value = np.zeros(n, np.int64) if d.coins is None else d.coins.value
    kind = np.zeros(n, np.uint8) if d.spent is None else d.spent.kind
    address = np.zeros(n, np.int64) if d.spent is None else d.spent.address_id
    return [
        pa.array(np.repeat(tx_ids, found.tx.n_in)[keep]),
        pa.array(vin[keep]),
        pa.array(_tx_keys(key, d.buf, found.inputs.origin[keep])),
        pa.array(found.inputs.prev_vout[keep]),
        _nullable(value, unresolved),
        pa.array(kind),
        _nullable(address, unresolved | (kind == OP_RETURN)),
        pa.array(found.inputs.sequence[keep]),
        pa.array(d.proofs.sighash[keep]),
        pa.array(d.proofs.witness_kind[keep]),
        _nullable(d.proofs.key_id[keep], ~d.proofs.has_key[keep]),
    ]
