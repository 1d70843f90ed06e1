"""Parse and txid on real blocks, against python-bitcoinlib and against one SHA-256 over the same bytes."""

import bz2
import hashlib
import time
from pathlib import Path

import numpy as np
import zstandard
from bitcoin.core import CBlock

from bench.measure import Measure, best_of
from chains.bitcoin.decode import Records, join_records
from chains.bitcoin.hashes import hash_transactions
from chains.bitcoin.wire import scan

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "btc-blocks"
OWN = Path(__file__).resolve().parents[1] / "tests" / "data" / "bitcoin-core" / "block413567.raw"
REAL = (
    "bitcoin-core/block413567.raw",
    "strata/mainnet_block_702861.raw",
    "bitcoinj/block363703.dat",
    "bitcoinj/block370661.dat",
    "bitcoinj/block481815.dat",
    "bitcoinj/block481829.dat",
    "btcd/block-0000000000000000001602407ac49862a7bca9d00f7f402db20b7be2f5de59d2.blk",
    "btcd/277647.dat.bz2",
    "bcoin/block300025.raw",
    "bcoin/block426884.raw",
    "floresta/block_367891_raw.zst",
)
ROUNDS = 4  # the blocks several times over, so that one run lasts some tens of milliseconds


def real_blocks() -> list[bytes]:
    """Raw mainnet blocks of all eras; the one that the repository carries where the rest is absent."""
    if not SHARED.exists():
        return [OWN.read_bytes()]
    return [_unpacked(SHARED / name) for name in REAL]


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".bz2":
        data = bz2.decompress(data)
        data = data[8:] if data.startswith(bytes.fromhex("f9beb4d9")) else data
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def parse(records: Records) -> int:
    """Structure and txids of every transaction; how many there were."""
    found = scan(*records)
    txids = np.empty(len(found.tx.start) * 32, np.uint8)
    hash_transactions(records.buf, found, txids)
    return len(found.tx.start)


def run() -> list[Measure]:
    """The two parse bars."""
    blocks = real_blocks()
    records = join_records(blocks * ROUNDS)
    n_tx = parse(records)
    ours = best_of(15, lambda: parse(records)) / ROUNDS
    sha = best_of(15, lambda: hashlib.sha256(records.buf.data).digest()) / ROUNDS
    start = time.perf_counter()
    for block in blocks:
        for tx in CBlock.deserialize(block).vtx:
            tx.GetTxid()
    peer = time.perf_counter() - start
    rate = n_tx / ROUNDS / ours
    return [
        Measure(
            "parse + txid, real blocks", rate, "tx/s", "python-bitcoinlib", peer / ours, ">= 40 x", peer / ours >= 40
        ),
        Measure(
            "parse + txid, bytes",
            len(records.buf) / ROUNDS / ours / 1e6,
            "MB/s",
            "one SHA-256",
            sha / ours,
            ">= 0.25 x",
            sha / ours >= 0.25,
        ),
    ]
