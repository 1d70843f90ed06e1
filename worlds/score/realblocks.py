"""Real Bitcoin blocks from a folder of samples: runs of blocks, with what they spend where that is known."""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from chains.bitcoin.decode import join_records
from chains.bitcoin.wire import scan
from worlds.ledger.blocks import merkle_root
from worlds.ledger.undo import compact_size
from worlds.ledger.wire import sized

Coin = tuple[int, bytes]
"""Value and locking script."""
_PACKED: Final = {".zst": "zstd", ".bz2": "bz2"}
_FRAME: Final = 8  # network magic and size before a block in a file


class Run(NamedTuple):
    """Consecutive raw blocks; `spent` are REST `spenttxouts` bodies, None where what they spend is not told."""

    name: str
    network: str
    first_height: int
    blocks: list[bytes]
    spent: list[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a run lies, below the folder."""

    paths: tuple[str, ...]
    height: int
    network: str = "main"
    spent: str = ""

    def read(self, folder: Path) -> Run:
        """Read the blocks, by what the files' names end with."""
        files = [folder / path for path in self.paths]
        if files[0].suffix == ".json":
            blocks, coins = _with_prevouts(json.loads(files[0].read_text()))
            return Run(self.paths[0], self.network, self.height, [blocks], [_body(blocks, coins)])
        blocks_of = [block for file in files for block in _blocks(file)]
        spent = [_body(blocks_of[0], _coins(folder / self.spent))] if self.spent else None
        return Run(self.paths[0], self.network, self.height, blocks_of, spent)


def unpacked(path: Path) -> bytes:
    """Read a file's bytes, unpacked where it is packed."""
    with pa.input_stream(path, compression=_PACKED.get(path.suffix)) as stream:
        return bytes(stream.read())


def _blocks(path: Path) -> list[bytes]:
    data = unpacked(path)
    if path.suffix == ".txt":
        return [bytes.fromhex(line) for line in data.decode().split()]
    framed = path.name.startswith(("blk", "277647"))
    return list(_unframed(data)) if framed else [data]


def _unframed(data: bytes) -> Iterator[bytes]:
    """Blocks of a file as a node writes it, without obfuscation."""
    pos = 0
    while pos + _FRAME <= len(data) and any(data[pos : pos + _FRAME]):
        (size,) = struct.unpack_from("<I", data, pos + 4)
        yield data[pos + _FRAME : pos + _FRAME + size]
        pos += _FRAME + size


def _coins(path: Path) -> list[Coin]:
    """What a block spends, in order: as JSON, or as value, script size and script of one coin after the other."""
    data = unpacked(path)
    if path.suffix == ".zst":
        told = (coin["txout"] for coin in json.loads(data))
        return [(out["value"], bytes.fromhex(out["script_pubkey"])) for out in told]
    coins, pos = [], 0
    while pos < len(data):
        value, size = struct.unpack_from("<qB", data, pos)
        pos += 9
        if size == 0xFD:  # noqa: PLR2004 - the mark of a two-byte size
            (size,) = struct.unpack_from("<H", data, pos)
            pos += 2
        coins.append((value, data[pos : pos + size]))
        pos += size
    return coins


def _body(block: bytes, coins: Sequence[Coin]) -> bytes:
    """A `spenttxouts` body for a block."""
    counts = scan(*join_records([block])).tx.n_in.tolist()
    left = iter(coins)
    parts = [compact_size(len(counts)), compact_size(0)]
    for count in counts[1:]:
        spent = [next(left) for _ in range(count)]
        parts += [compact_size(count), *(struct.pack("<q", value) + sized(script) for value, script in spent)]
    return b"".join(parts)


def _with_prevouts(told: dict[str, Any]) -> tuple[bytes, list[Coin]]:
    """Put a block that is told as JSON together again, and list what it spends."""
    state, (block,) = told["chain_state"], told["blocks"]
    head, txs = block["header"], block["data"]["transactions"]
    bodies = [_transaction(tx) for tx in txs]
    root = merkle_root([sha256(sha256(body).digest()).digest() for body in bodies])
    start = struct.pack("<i", head["version"]) + _unhex(state["best_block_hash"])[::-1] + root
    raw = start + struct.pack("<III", head["time"], head["bits"], head["nonce"])
    prevouts = [spend["previous_output"]["data"] for tx in txs[1:] for spend in tx["inputs"]]
    return raw + compact_size(len(bodies)) + b"".join(bodies), [(p["value"], _unhex(p["pk_script"])) for p in prevouts]


def _transaction(tx: dict[str, Any]) -> bytes:
    """A transaction from before segregated witness as bytes."""
    spends = (
        _unhex(spend["previous_output"]["txid"])[::-1]
        + struct.pack("<I", spend["previous_output"]["vout"])
        + sized(_unhex(spend["script"]))
        + struct.pack("<I", spend["sequence"])
        for spend in tx["inputs"]
    )
    outs = (struct.pack("<q", out["value"]) + sized(_unhex(out["pk_script"])) for out in tx["outputs"])
    body = compact_size(len(tx["inputs"])) + b"".join(spends) + compact_size(len(tx["outputs"])) + b"".join(outs)
    return struct.pack("<i", tx["version"]) + body + struct.pack("<I", tx["lock_time"])


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _bcoin(height: int, network: str = "main", *, told: bool = True) -> Source:
    name = f"btc-blocks/bcoin/block{height}"
    return Source((f"{name}.raw",), height, network, f"{name}-undo.raw" if told else "")


_TESTS: Final = (928816, 928828, 928831, 928848, 928849, 928927, 1087400)
_TOLD: Final = (169, 24834, 57042, 116927, 150012, 209999, 255017, 403199)  # each is the height before
SOURCES: Final[tuple[Source, ...]] = (
    Source(("btc-blocks/nbitcoin/blk00000.dat", "btc-blocks/nbitcoin/blk00001.dat"), 0),
    *(Source((f"btc-blocks/raito/full_{height}.json",), height + 1) for height in _TOLD),
    Source(("btc-blocks/bitcoinj/block169482.dat",), 169482),
    Source(("btc-blocks/bitcoinj/block227835.dat", "btc-blocks/bitcoinj/block227836.dat"), 227835),
    Source(("btc-blocks/btcd/277647.dat.bz2",), 277647),
    _bcoin(300025),
    Source(("btc-blocks/electrs/00000000000000001203c1ea455e38612bdf36e9967fdead11935c8e22283ecc.bin",), 333961),
    Source(("btc-blocks/bitcoinj/block363703.dat",), 363703),
    Source(
        ("btc-blocks/floresta/block_367891_raw.zst",), 367891,
        spent="btc-blocks/floresta/block_367891_spent_utxos.zst",
    ),
    Source(("btc-blocks/bitcoinj/block370661.dat",), 370661),
    Source(("btc-blocks/bitcoin-core/block413567.raw",), 413567),
    _bcoin(426884, told=False),
    Source(("btc-blocks/bitcoinj/block481815.dat",), 481815),
    Source(("btc-blocks/bitcoinj/block481829.dat",), 481829),
    _bcoin(482683, told=False),
    Source(("btc-blocks/btcd/block-0000000000000000001602407ac49862a7bca9d00f7f402db20b7be2f5de59d2.blk",), 574200),
    Source(("btc-blocks/strata/mainnet_block_702861.raw",), 702861),
    Source(("btc-blocks/nbitcoin/block-testnet-828575.txt",), 828575, "test"),
    *(_bcoin(height, "test") for height in _TESTS),
)  # fmt: skip
