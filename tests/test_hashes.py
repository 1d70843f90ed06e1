"""Txids, merkle roots and witness commitments against their twins; every way a block can contradict itself."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.bitcoin import hashes
from chains.bitcoin.wire import Structure, scan
from chains.sha256 import new_context
from tests import naive
from tests.realdata import collection
from tests.twins import array, scanned
from worlds.ledger.undo import compact_size

HASHES = st.lists(st.sampled_from([bytes([n]) * 32 for n in range(4)]), min_size=1, max_size=20)


def checked(raw: bytes) -> int:
    """The verdict of the kernels on one block."""
    found = scanned(raw)
    assert found is not None
    txids, wtxids = hashed(raw, found)
    return hashes.check_blocks(array(raw), np.zeros(1, np.int64), found, txids, wtxids)[0]


def hashed(raw: bytes, found: Structure) -> tuple[np.ndarray, np.ndarray]:
    """Txids and wtxids of one block."""
    txids = np.empty(32 * len(found.tx.start), np.uint8)
    wtxids = np.empty_like(txids)
    hashes.hash_transactions(array(raw), found, txids)
    hashes.hash_witnesses(array(raw), found, txids, wtxids)
    return txids, wtxids


def tx(outputs: Sequence[bytes], *, origin: bytes = b"\x11" * 32, vout: int = 0, stack: Sequence[bytes] = ()) -> bytes:
    """A raw transaction with one input."""
    body = b"\1" + origin + vout.to_bytes(4, "little") + b"\0" + bytes(4)
    body += compact_size(len(outputs)) + b"".join(bytes(8) + compact_size(len(o)) + o for o in outputs)
    items = compact_size(len(stack)) + b"".join(compact_size(len(item)) + item for item in stack)
    return bytes(4) + (b"\0\1" + body + items if stack else body) + bytes(4)


def coinbase(outputs: Sequence[bytes] = (b"",), stack: Sequence[bytes] = ()) -> bytes:
    """A raw coinbase."""
    return tx(outputs, origin=bytes(32), vout=0xFFFFFFFF, stack=stack)


def block(txs: Sequence[bytes]) -> bytes:
    """A block whose header commits to its transactions; without proof of work."""
    root, _ = naive.merkle_root([naive.parse_tx(naive.Reader(raw)).txid for raw in txs])
    return bytes(36) + root + bytes(12) + compact_size(len(txs)) + b"".join(txs)


def committed(txs: Sequence[bytes], reserved: bytes = bytes(32)) -> bytes:
    """The script that commits to the witnesses of these transactions behind a coinbase."""
    root, _ = naive.merkle_root([bytes(32), *(naive.sha256d(raw) for raw in txs)])
    return bytes.fromhex("6a24aa21a9ed") + naive.sha256d(root + reserved)


PLAIN = [tx([b"\x51"], origin=bytes([n]) * 32) for n in range(1, 6)]
WITNESSED = [tx([b"\x51"], origin=bytes([32 + n]) * 32, stack=[b"x" * n, b""]) for n in range(1, 4)]
RIGHT = committed(WITNESSED)
WRONG = RIGHT[:-1] + bytes([RIGHT[-1] ^ 1])
NONCE = [bytes(32)]
CASES: dict[str, tuple[list[bytes], int]] = {
    "one coinbase": ([coinbase()], hashes.OK),
    "plain": ([coinbase(), *PLAIN], hashes.OK),
    "committed": ([coinbase([RIGHT], NONCE), *WITNESSED], hashes.OK),
    "commitment longer than need be": ([coinbase([RIGHT + b"more"], NONCE), *WITNESSED], hashes.OK),
    "last commitment counts": ([coinbase([WRONG, RIGHT, b"\x6a\x24"], NONCE), *WITNESSED], hashes.OK),
    "earlier commitment does not": ([coinbase([RIGHT, WRONG], NONCE), *WITNESSED], hashes.WRONG_COMMITMENT),
    "wrong commitment": ([coinbase([WRONG], NONCE), *WITNESSED], hashes.WRONG_COMMITMENT),
    "short reserved value": ([coinbase([RIGHT], [bytes(31)]), *WITNESSED], hashes.WRONG_COMMITMENT),
    "two reserved values": ([coinbase([RIGHT], NONCE * 2), *WITNESSED], hashes.WRONG_COMMITMENT),
    "witnesses without commitment": ([coinbase(), *WITNESSED], hashes.UNEXPECTED_WITNESS),
    "coinbase witness without commitment": ([coinbase([b""], NONCE), *PLAIN], hashes.UNEXPECTED_WITNESS),
    "commitment without reserved value": ([coinbase([RIGHT]), *WITNESSED], hashes.UNEXPECTED_WITNESS),
    "commitment before segwit": ([coinbase([WRONG]), *PLAIN], hashes.OK),
    "no coinbase": (PLAIN, hashes.NO_COINBASE),
    "second coinbase": ([coinbase(), PLAIN[0], coinbase([b"\x52"])], hashes.SECOND_COINBASE),
    "duplicated tail": ([coinbase(), *PLAIN[:2], *PLAIN[1:2]], hashes.DUPLICATED_TAIL),
}


@pytest.mark.parametrize("name", CASES)
def test_every_contradiction_is_found(name: str) -> None:
    """Each fault of a block has its own verdict, and the twin agrees on right and wrong."""
    txs, verdict = CASES[name]
    raw = block(txs)
    assert checked(raw) == verdict
    assert naive.check_block(naive.parse_block(raw)) == (verdict == hashes.OK)


def test_a_wrong_root_is_found_before_anything_else() -> None:
    """One flipped bit in the header's root, or in any transaction."""
    raw = block([coinbase([RIGHT], NONCE), *WITNESSED])
    assert checked(raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]) == hashes.WRONG_MERKLE_ROOT
    assert checked(raw[:-1] + b"\1") == hashes.WRONG_MERKLE_ROOT


def test_the_number_of_the_bad_block_is_told() -> None:
    """In a run of blocks the one that fails is named."""
    good, bad = block([coinbase()]), block([coinbase(), *PLAIN])[:-1] + b"\7"
    buf = array(good + good + bad)
    starts = np.array([0, len(good), 2 * len(good)])
    found = scan(buf, starts, np.array([len(good), len(good), len(bad)]))
    txids = np.empty(32 * len(found.tx.start), np.uint8)
    hashes.hash_transactions(buf, found, txids)
    assert hashes.check_blocks(buf, starts, found, txids, txids) == (hashes.WRONG_MERKLE_ROOT, 2)


@given(HASHES)
def test_merkle_roots_agree_with_the_twin(leaves: list[bytes]) -> None:
    """Every number of leaves, equal neighbours among them."""
    root, mutated = naive.merkle_root(leaves)
    flat = array(b"".join(leaves))
    assert hashes.merkle_root_bytes(flat) == root
    work = np.empty((len(leaves) + 2) * 32, np.uint8)
    assert hashes._merkle_root(new_context(), flat, 0, len(leaves), work) == mutated


@pytest.mark.parametrize("name", ["core-regtest", "core-blockfilters", "core-413567"])
def test_hashes_of_real_blocks_agree_with_the_twin(name: str) -> None:
    """Every txid and wtxid."""
    for real in collection(name):
        found, twin = scanned(real.raw), naive.parse_block(real.raw)
        assert found is not None
        txids, wtxids = hashed(real.raw, found)
        assert txids.tobytes() == b"".join(t.txid for t in twin.txs)
        assert wtxids.tobytes() == b"".join([bytes(32), *(t.wtxid for t in twin.txs[1:])])
