"""Transaction hashes, merkle roots and witness commitments, checked against the block's own header.

Nothing is stored that was not verified against its block's hash. Sources: the Bitcoin protocol, BIP 141
(commitment structure), CVE-2012-2459 (a duplicated tail leaves the merkle root unchanged).
"""

import numpy as np

from chains.bitcoin.wire import HEADER_BYTES, InputColumns, Structure, read_compact
from chains.kernels import i64, kernel
from chains.sha256 import new_context, sha256_begin, sha256_feed, sha256d, sha256d_end

HASH_BYTES = 32
COMMITMENT_SCRIPT_BYTES = 38

OK = 0
WRONG_MERKLE_ROOT = 1
DUPLICATED_TAIL = 2
WRONG_COMMITMENT = 3
UNEXPECTED_WITNESS = 4
NO_COINBASE = 5
SECOND_COINBASE = 6
MEANINGS = {
    WRONG_MERKLE_ROOT: "the merkle root of its transactions is not the one in its header",
    DUPLICATED_TAIL: "its transaction list ends in a duplicate of itself (CVE-2012-2459)",
    WRONG_COMMITMENT: "its witness commitment does not match its witnesses",
    UNEXPECTED_WITNESS: "it carries witnesses but no commitment to them",
    NO_COINBASE: "its first transaction is not a coinbase",
    SECOND_COINBASE: "a transaction that is not the first one has a null input",
}


@kernel
def hash_headers(buf: np.ndarray, starts: np.ndarray, out: np.ndarray) -> None:
    """Double SHA-256 of every header; `out` is uint8 (n_blocks * 32,)."""
    context = new_context()
    for b in range(len(starts)):
        sha256d(context, buf, starts[b], HEADER_BYTES, out, b * HASH_BYTES)


@kernel
def hash_transactions(buf: np.ndarray, found: Structure, txids: np.ndarray) -> None:
    """Every txid into `txids`, uint8 (n_tx * 32,)."""
    context = new_context()
    tx = found.tx
    for t in range(len(tx.start)):
        start, size, witness = tx.start[t], i64(tx.size[t]), tx.witness_start[t]
        if witness < 0:
            sha256d(context, buf, start, size, txids, t * HASH_BYTES)
        else:
            sha256_begin(context)
            sha256_feed(context, buf, start, 4)
            sha256_feed(context, buf, start + 6, witness - start - 6)
            sha256_feed(context, buf, start + size - 4, 4)
            sha256d_end(context, txids, t * HASH_BYTES)


@kernel
def hash_witnesses(buf: np.ndarray, found: Structure, txids: np.ndarray, wtxids: np.ndarray) -> None:
    """Every wtxid into `wtxids`, uint8 (n_tx * 32,): the txid where there is no witness, 0 for a coinbase."""
    context = new_context()
    wtxids[:] = txids
    for t in range(len(found.tx.start)):
        if found.tx.witness_start[t] >= 0:
            size = i64(found.tx.size[t])
            sha256d(context, buf, found.tx.start[t], size, wtxids, t * HASH_BYTES)
    for b in range(len(found.block_tx) - 1):
        first = found.block_tx[b] * HASH_BYTES
        wtxids[first : first + HASH_BYTES] = 0


@kernel
def _merkle_root(context: np.ndarray, hashes: np.ndarray, first: int, count: int, work: np.ndarray) -> bool:
    """Leave the root of `count` hashes in `work[:32]`; True where a level ends in a duplicated pair."""
    for i in range(count * HASH_BYTES):
        work[i] = hashes[first * HASH_BYTES + i]
    duplicated = False
    while count > 1:
        for pair in range(0, count - 1, 2):
            same = True
            for i in range(HASH_BYTES):
                same &= work[pair * HASH_BYTES + i] == work[(pair + 1) * HASH_BYTES + i]
            duplicated |= same
        if count % 2 == 1:
            for i in range(HASH_BYTES):
                work[count * HASH_BYTES + i] = work[(count - 1) * HASH_BYTES + i]
            count += 1
        for pair in range(count // 2):
            sha256d(context, work, pair * 2 * HASH_BYTES, 2 * HASH_BYTES, work, pair * HASH_BYTES)
        count //= 2
    return duplicated


@kernel
def _equal(a: np.ndarray, at: int, b: np.ndarray, bt: int) -> bool:
    """Whether two 32-byte hashes are the same."""
    for i in range(HASH_BYTES):
        if a[at + i] != b[bt + i]:
            return False
    return True


@kernel
def _is_null_input(buf: np.ndarray, inputs: InputColumns, i: int) -> bool:
    """Whether an input names no output: the mark of a coinbase."""
    if inputs.prev_vout[i] != np.uint32(0xFFFFFFFF):
        return False
    for k in range(HASH_BYTES):
        if buf[inputs.origin[i] + k] != 0:
            return False
    return True


@kernel
def _has_commitment_mark(buf: np.ndarray, at: int) -> bool:
    """OP_RETURN, a push of 36 bytes, and the four bytes that BIP 141 reserves."""
    if buf[at] != 0x6A or buf[at + 1] != 0x24:
        return False
    return bool(buf[at + 2] == 0xAA and buf[at + 3] == 0x21 and buf[at + 4] == 0xA9 and buf[at + 5] == 0xED)


@kernel
def _commitment(buf: np.ndarray, found: Structure, t: int) -> int:
    """Where the commitment hash lies in the last fitting output of coinbase `t`; -1 without one."""
    where = -1
    for o in range(found.tx_out[t], found.tx_out[t + 1]):
        at, size = found.outputs.script_start[o], found.outputs.script_size[o]
        if size >= COMMITMENT_SCRIPT_BYTES and _has_commitment_mark(buf, at):
            where = at + 6
    return where


@kernel
def _check_commitment(buf: np.ndarray, found: Structure, b: int, wtxids: np.ndarray, work: np.ndarray) -> int:
    """BIP 141: the last commitment output equals SHA256d(witness root || reserved value)."""
    first, last = found.block_tx[b], found.block_tx[b + 1]
    witnesses = False
    for t in range(first + 1, last):
        witnesses |= found.tx.witness_start[t] >= 0
    coinbase = found.tx_in[first]
    if found.tx.witness_start[first] < 0:
        return UNEXPECTED_WITNESS if witnesses else OK
    where = _commitment(buf, found, first)
    if where < 0:
        return UNEXPECTED_WITNESS
    item = found.inputs.witness_start[coinbase]
    size, reserved = read_compact(buf, item, found.tx.start[first] + found.tx.size[first])
    if found.inputs.n_items[coinbase] != 1 or size != HASH_BYTES:
        return WRONG_COMMITMENT
    context = new_context()
    _merkle_root(context, wtxids, first, last - first, work)
    for i in range(HASH_BYTES):
        work[HASH_BYTES + i] = buf[reserved + i]
    sha256d(context, work, 0, 2 * HASH_BYTES, work, 0)
    return OK if _equal(work, 0, buf, where) else WRONG_COMMITMENT


@kernel
def _check_coinbases(buf: np.ndarray, found: Structure, b: int) -> int:
    """Exactly the first transaction is a coinbase."""
    first, last = found.block_tx[b], found.block_tx[b + 1]
    if found.tx.n_in[first] != 1 or not _is_null_input(buf, found.inputs, found.tx_in[first]):
        return NO_COINBASE
    for i in range(found.tx_in[first] + 1, found.tx_in[last]):
        if _is_null_input(buf, found.inputs, i):
            return SECOND_COINBASE
    return OK


@kernel
def check_blocks(
    buf: np.ndarray, starts: np.ndarray, found: Structure, txids: np.ndarray, wtxids: np.ndarray
) -> tuple[int, int]:
    """Hold every block's transactions against its header: (OK, 0) or (error, block number)."""
    context = new_context()
    most = 0
    for b in range(len(starts)):
        most = max(most, found.block_tx[b + 1] - found.block_tx[b])
    work = np.empty((most + 2) * HASH_BYTES, np.uint8)
    for b in range(len(starts)):
        code = _check_coinbases(buf, found, b)
        if code == OK:
            first = found.block_tx[b]
            duplicated = _merkle_root(context, txids, first, found.block_tx[b + 1] - first, work)
            if not _equal(work, 0, buf, starts[b] + 36):
                code = WRONG_MERKLE_ROOT
            elif duplicated:
                code = DUPLICATED_TAIL
            else:
                code = _check_commitment(buf, found, b, wtxids, work)
        if code != OK:
            return code, b
    return OK, 0


def merkle_root_bytes(txids: np.ndarray) -> bytes:
    """Merkle root of consecutive txids, uint8 (n_tx * 32,)."""
    work = np.empty(len(txids) + 2 * HASH_BYTES, np.uint8)
    _merkle_root(new_context(), txids, 0, len(txids) // HASH_BYTES, work)
    return work[:HASH_BYTES].tobytes()
