"""Raw blocks and what they spend → verified Arrow tables: the path that every Bitcoin source shares."""

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from chains.bitcoin import consensus, hashes
from chains.bitcoin.columns import Decoded, run_sums, tables_of
from chains.bitcoin.script import Scripts, classify
from chains.bitcoin.signatures import Proofs, read_proofs
from chains.bitcoin.undo import Prevouts, read_prevouts
from chains.bitcoin.wire import HEADER_BYTES, Structure, scan
from chains.blocks import Blocks, Span
from chains.errors import VerificationError
from chains.ids import key_of
from chains.kernels import i64, kernel


class Records(NamedTuple):
    """Byte records in one buffer, one per block."""

    buf: np.ndarray  # uint8
    starts: np.ndarray  # int64
    sizes: np.ndarray  # int64


class Undo(NamedTuple):
    """What the blocks spend, one record per block."""

    records: Records
    compressed: bool
    """True for Core's undo data, False for REST `spenttxouts` bodies."""


def join_records(parts: Sequence[bytes]) -> Records:
    """Lay byte strings one after the other."""
    sizes = np.fromiter((len(part) for part in parts), np.int64, len(parts))
    starts = np.cumsum(sizes) - sizes
    # A bytearray, because kernels are compiled once more for read-only memory.
    return Records(np.frombuffer(bytearray().join(parts), np.uint8), starts, sizes)


def decode_blocks(
    raw: Sequence[bytes],
    prevouts: Sequence[bytes] | None,
    first_height: int,
    network: str,
    secret: bytes,
) -> Blocks:
    """Decode consecutive raw blocks; see `decode`.

    `prevouts[i]` is what block i spends, in the form of Core's REST `spenttxouts` body; None leaves every
    spend unresolved.
    """
    undo = None if prevouts is None else Undo(join_records(prevouts), compressed=False)
    return decode(join_records(raw), undo, (first_height, network), secret)


def decode(blocks: Records, undo: Undo | None, place: tuple[int, str], secret: bytes) -> Blocks:
    """Decode and verify consecutive raw blocks.

    Checked: proof of work, links between the blocks, merkle roots, witness commitments, one coinbase each, one
    spent output per input, value ranges, fees not negative, coinbase not above subsidy and fees.

    Parameters
    ----------
    blocks : Records
        Raw blocks in chain order.
    undo : Undo, optional
        What they spend; without it spends are unresolved (value and address_id null).
    place : (int, str)
        Height of the first block, and the network's name.
    secret : bytes (16,)
        The lake's secret, which keys `address_id` and `tx_key`.

    Raises
    ------
    FormatError
        A block does not parse.
    VerificationError
        A block contradicts its header, its neighbours or its undo data.
    ValueError
        There are no blocks, or not one undo record for each.
    """
    first_height = place[0]
    if not len(blocks.starts):
        msg = "there are no blocks to decode"
        raise ValueError(msg)
    found = scan(*blocks)
    block_hashes = _check_headers(blocks, place)
    txids = _check_transactions(blocks, found, first_height)
    outputs = _classify(key_of(secret), blocks.buf, found.outputs.script_start, found.outputs.script_size)
    coins = None if undo is None else read_prevouts(*undo.records, found, compressed=undo.compressed)
    spent = None if coins is None else _classify(key_of(secret), coins.scripts, coins.start, coins.size)
    decoded = Decoded(
        buf=blocks.buf,
        starts=blocks.starts,
        sizes=blocks.sizes,
        first_height=first_height,
        found=found,
        block_hashes=block_hashes,
        txids=txids,
        outputs=outputs,
        proofs=_proofs(key_of(secret), blocks.buf, found),
        coins=coins,
        spent=spent,
        fees=check_values(found, coins, place),
    )
    span = Span(first_height, first_height + len(blocks.starts) - 1)
    start = int(blocks.starts[0])
    prev_hash = blocks.buf[start + 4 : start + 36].tobytes()
    unresolved = len(found.inputs.origin) - len(blocks.starts) if coins is None else 0
    return Blocks(span, prev_hash, block_hashes[-32:].tobytes(), tables_of(decoded, secret), unresolved)


def header_hashes(blocks: Records) -> np.ndarray:
    """Block hashes, uint8 (n_blocks * 32,)."""
    out = np.empty(len(blocks.starts) * hashes.HASH_BYTES, np.uint8)
    hashes.hash_headers(blocks.buf, blocks.starts, out)
    return out


def _check_headers(blocks: Records, place: tuple[int, str]) -> np.ndarray:
    """Block hashes, after holding each against its target and its successor's `prev_hash`."""
    first_height = place[0]
    digests = header_hashes(blocks)
    previous = b""
    for b, start in enumerate(blocks.starts.tolist()):
        header = blocks.buf[start : start + HEADER_BYTES].tobytes()
        digest = digests[b * 32 : b * 32 + 32].tobytes()
        height = first_height + b
        bits = int.from_bytes(header[72:76], "little")
        if int.from_bytes(digest, "little") > consensus.target_of(bits):
            msg = f"block {digest[::-1].hex()} at height {height} does not meet its own proof-of-work target"
            raise VerificationError(msg)
        if previous and header[4:36] != previous:
            msg = f"block at height {height} builds on {header[4:36][::-1].hex()}, not on the block before it"
            raise VerificationError(msg)
        previous = digest
    return digests


def _check_transactions(blocks: Records, found: Structure, first_height: int) -> np.ndarray:
    """Txids, uint8 (n_tx * 32,), after holding them against merkle roots and witness commitments."""
    n_tx = len(found.tx.start)
    txids = np.empty(n_tx * hashes.HASH_BYTES, np.uint8)
    hashes.hash_transactions(blocks.buf, found, txids)
    wtxids = txids
    if (found.tx.witness_start >= 0).any():
        wtxids = np.empty_like(txids)
        hashes.hash_witnesses(blocks.buf, found, txids, wtxids)
    code, block = hashes.check_blocks(blocks.buf, blocks.starts, found, txids, wtxids)
    if code != hashes.OK:
        msg = f"block at height {first_height + block} is not what its header says: {hashes.MEANINGS[code]}"
        raise VerificationError(msg)
    return txids


def _classify(key: np.ndarray, buf: np.ndarray, start: np.ndarray, size: np.ndarray) -> Scripts:
    """Kind and address id of every script."""
    scripts = Scripts(buf, start, size, np.empty(len(start), np.uint8), np.empty(len(start), np.int64))
    classify(key, scripts)
    return scripts


def _proofs(key: np.ndarray, buf: np.ndarray, found: Structure) -> Proofs:
    """What every input's signatures show."""
    n = len(found.inputs.origin)
    proofs = Proofs(np.empty(n, np.uint8), np.empty(n, np.uint8), np.zeros(n, np.int64), np.empty(n, np.bool_))
    read_proofs(key, buf, found.inputs, proofs)
    return proofs


@kernel
def _first_impossible(values: np.ndarray, offsets: np.ndarray, limit: int) -> int:
    """The first run `values[offsets[i]:offsets[i + 1]]` with a value or a sum outside of 0 to `limit`; -1 if none."""
    for i in range(len(offsets) - 1):
        total = i64(0)
        for k in range(offsets[i], offsets[i + 1]):
            total += values[k]
            if values[k] < 0 or values[k] > limit or total > limit:
                return i
    return -1


def check_values(found: Structure, coins: Prevouts | None, place: tuple[int, str]) -> np.ndarray | None:
    """Fees in satoshi per transaction (0 for coinbases), or None without prevouts.

    Raises
    ------
    VerificationError
        Blocks and what they are said to spend do not add up.
    """
    _check_range("creates", found.outputs.value, found.tx_out, found, place[0])
    if coins is None:
        return None
    coinbase = found.block_tx[:-1]
    spends = np.zeros(len(found.tx.n_in) + 1, np.int64)
    counts = found.tx.n_in.astype(np.int64)
    counts[coinbase] = 0
    np.cumsum(counts, out=spends[1:])
    _check_range("spends", coins.value, spends, found, place[0])
    created = run_sums(found.outputs.value, found.tx_out)
    fees: np.ndarray = run_sums(coins.value, spends) - created
    fees[coinbase] = 0
    if (fees < 0).any():
        msg = (
            f"{_name(found, int(np.argmax(fees < 0)), place[0])} creates more than it spends: the undo data or the "
            "prevouts do not belong to this block"
        )
        raise VerificationError(msg)
    _check_coinbases(created[coinbase], run_sums(fees, found.block_tx), place)
    return fees


def _check_range(what: str, values: np.ndarray, offsets: np.ndarray, found: Structure, first_height: int) -> None:
    """Every value, and their sum in every transaction, is money that can exist."""
    tx = _first_impossible(values, offsets, consensus.MAX_MONEY)
    if tx >= 0:
        msg = f"{_name(found, tx, first_height)} {what} an impossible value"
        raise VerificationError(msg)


def _check_coinbases(created: np.ndarray, fees: np.ndarray, place: tuple[int, str]) -> None:
    """No block creates more than its subsidy and fees."""
    first_height, network = place
    for height, value, fee in zip(count(first_height), created.tolist(), fees.tolist(), strict=False):
        limit = consensus.subsidy(height, network) + fee
        if value > limit:
            msg = f"the coinbase of block {height} creates {value} satoshi, more than subsidy and fees ({limit})"
            raise VerificationError(msg)


def _name(found: Structure, tx: int, first_height: int) -> str:
    """A transaction of the run by its place in the chain."""
    block = int(np.searchsorted(found.block_tx, tx, "right")) - 1
    return f"transaction {tx - found.block_tx[block]} of block {first_height + block}"
