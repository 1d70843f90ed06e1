"""Every real Bitcoin block there is to test with: ours in `tests/data`, and `../shared/data` where it is there."""

import bz2
import json
import struct
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from chains.bitcoin.networks import NETWORKS
from tests.naive import Reader as NaiveReader
from tests.naive import merkle_root, parse_tx, sha256d
from worlds.ledger.undo import compact_size

OWN = Path(__file__).parent / "data" / "bitcoin-core"
SHARED = Path(__file__).parents[2] / "shared" / "data"
BLOCKS = SHARED / "btc-blocks"
DATADIRS = {"mainnet_0-599": "main", "core_regtest_0-206": "regtest", "testnet3_0-400": "test"}


class RealBlock(NamedTuple):
    """One block as it was mined; its height where the data says it."""

    name: str
    network: str
    raw: bytes
    height: int | None


class WithPrevouts(NamedTuple):
    """A block and what its spends spend: value and script, in chain order."""

    block: RealBlock
    spent: list[tuple[int, bytes]]


def shared(path: str) -> Path:
    """A path below the shared data; skips the test where there is none."""
    if not SHARED.exists():
        pytest.skip(f"{SHARED} is not here: tests of its real blocks are left out")
    return SHARED / path


def unzstd(path: Path) -> bytes:
    """Unpack a zstd file."""
    with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as stream:
        return stream.readall()


def datadir(name: str, into: Path) -> Path:
    """Unpack one of the sample data directories; gives the folder that holds `blocks`."""
    packed = OWN / name if (OWN / name).exists() else shared(f"btc-core-datadir/{name}")
    blocks = into / "blocks"
    blocks.mkdir(parents=True)
    for path in packed.iterdir():
        data = unzstd(path) if path.suffix == ".zst" else path.read_bytes()
        (blocks / path.name.removesuffix(".zst")).write_bytes(data)
    return into


def unframed(data: bytes) -> Iterator[bytes]:
    """Blocks of a plain `blk` file, up to where it is cut off."""
    pos = 0
    while pos + 8 <= len(data) and any(data[pos : pos + 8]):
        (size,) = struct.unpack_from("<I", data, pos + 4)
        if pos + 8 + size > len(data):
            return
        yield data[pos + 8 : pos + 8 + size]
        pos += 8 + size


def _numbered(name: str, network: str, raws: list[bytes], first: int | None) -> list[RealBlock]:
    return [RealBlock(f"{name}[{i}]", network, raw, None if first is None else first + i) for i, raw in enumerate(raws)]


def _single(path: str, network: str = "main", height: int | None = None) -> list[RealBlock]:
    return [RealBlock(path, network, shared(f"btc-blocks/{path}").read_bytes(), height)]


def _framed(path: str, network: str = "main", first: int | None = None) -> list[RealBlock]:
    file = shared(path)
    data = bz2.decompress(file.read_bytes()) if file.suffix == ".bz2" else file.read_bytes()
    return _numbered(path, network, list(unframed(data)), first)


def _hex_lines(path: Path, network: str, first: int) -> list[RealBlock]:
    return _numbered(path.name, network, [bytes.fromhex(line) for line in path.read_text().split()], first)


def _of_datadir(name: str) -> list[RealBlock]:
    packed = OWN / name if (OWN / name).exists() else shared(f"btc-core-datadir/{name}")
    key = (packed / "xor.dat").read_bytes()
    data = bytearray(unzstd(packed / "blk00000.dat.zst").rstrip(b"\0"))
    data.extend(bytes(-len(data) % 8))
    mask = int.from_bytes(key * (len(data) // 8), "little")
    plain = (int.from_bytes(data, "little") ^ mask).to_bytes(len(data), "little")
    magic = NETWORKS[DATADIRS[name]].magic
    raws = []
    pos = 0
    while plain[pos : pos + 4] == magic:
        (size,) = struct.unpack_from("<I", plain, pos + 4)
        raws.append(plain[pos + 8 : pos + 8 + size])
        pos += 8 + size
    return _numbered(name, DATADIRS[name], raws, 0)


def _stats() -> list[RealBlock]:
    told = json.loads((OWN / "rpc_getblockstats.json").read_text())
    return _numbered("getblockstats", "regtest", [bytes.fromhex(text) for text in told["blocks"]], 0)


def _filters() -> list[RealBlock]:
    rows = json.loads((OWN / "blockfilters.json").read_text())[1:]
    return [RealBlock(f"testnet3-{row[0]}", "test", bytes.fromhex(row[2]), row[0]) for row in rows]


def _floresta() -> list[RealBlock]:
    return _hex_lines(shared("btc-blocks/floresta/blocks.txt"), "regtest", 0)


def _reorg() -> list[RealBlock]:
    branches = json.loads(shared("btc-blocks/floresta/test_reorg.json").read_text())
    return [
        RealBlock(f"test_reorg[{b}][{i}]", "regtest", bytes.fromhex(text), None)
        for b, branch in enumerate(branches)
        for i, text in enumerate(branch)
    ]


def _folder(folder: str, names: dict[str, int | None], network: str = "main") -> list[RealBlock]:
    return [block for name, height in names.items() for block in _single(f"{folder}/{name}", network, height)]


def _bitcoinj() -> list[RealBlock]:
    heights = {f"block{h}.dat": h for h in (169482, 227835, 227836, 363703, 370661, 481815, 481829)}
    tests = {"block_testnet21066.dat": 21066, "block_testnet32768.dat": 32768, "block_testnet700000.dat": 700000}
    return [*_folder("bitcoinj", dict(heights)), *_folder("bitcoinj", dict(tests), "test")]


def _bcoin() -> list[RealBlock]:
    mains = {f"block{h}.raw": h for h in (1, 300025, 426884, 482683)}
    heights = (898352, 928816, 928828, 928831, 928848, 928849, 928927, 1087400)
    return [*_folder("bcoin", dict(mains)), *_folder("bcoin", {f"block{h}.raw": h for h in heights}, "test")]


def _singles() -> list[RealBlock]:
    btcd = "btcd/block-0000000000000000001602407ac49862a7bca9d00f7f402db20b7be2f5de59d2.blk"
    electrs = "electrs/00000000000000001203c1ea455e38612bdf36e9967fdead11935c8e22283ecc.bin"
    floresta = unzstd(shared("btc-blocks/floresta/block_367891_raw.zst"))
    return [
        *_single(btcd, height=574200),
        *_single("strata/mainnet_block_702861.raw", height=702861),
        RealBlock("electrs", "main", shared(f"btc-blocks/{electrs}").read_bytes(), 333961),
        RealBlock("floresta/367891", "main", floresta, 367891),
        *_hex_lines(shared("btc-blocks/nbitcoin/block-testnet-828575.txt"), "test", 828575),
        *_hex_lines(shared("btc-blocks/nbitcoin/block169482.txt"), "main", 169482),
    ]


def _btcd() -> list[RealBlock]:
    folder = "btc-blocks/btcd/"
    reorg = [b for name in ("blk_0_to_4", "blk_3A", "blk_4A", "blk_5A") for b in _framed(f"{folder}{name}.dat.bz2")]
    return [*_framed(folder + "277647.dat.bz2", first=277647), *_framed(folder + "blocks1-256.bz2", first=1), *reorg]


def _nbitcoin() -> list[RealBlock]:
    folder = "btc-blocks/nbitcoin/"
    whole = [*_framed(folder + "blk00000.dat", first=0), *_framed(folder + "blk00001.dat")]
    return [*whole, *_framed(folder + "incompleteblk.dat")]


def _raito() -> list[RealBlock]:
    return [told.block for told in raito()]


COLLECTIONS: dict[str, Callable[[], list[RealBlock]]] = {
    "core-413567": lambda: [RealBlock("413567", "main", (OWN / "block413567.raw").read_bytes(), 413567)],
    "core-regtest": lambda: _hex_lines(OWN / "core_regtest_206_blocks.hex", "regtest", 1),
    "core-getblockstats": _stats,
    "core-blockfilters": _filters,
    **{f"datadir-{name}": partial(_of_datadir, name) for name in DATADIRS},
    "testnet3-cut": lambda: _framed("btc-testchains/blocks_iterator/blk-testnet.dat", "test", 0),
    "nbitcoin": _nbitcoin,
    "bitcoinj": _bitcoinj,
    "bitcoinj-first": lambda: _framed("btc-blocks/bitcoinj/first-100k-blocks.dat", first=0),
    "btcd": _btcd,
    "bcoin": _bcoin,
    "singles": _singles,
    "floresta": _floresta,
    "floresta-reorg": _reorg,
    "raito": _raito,
}


@cache
def collection(name: str) -> tuple[RealBlock, ...]:
    """The blocks of one collection; skips the test where its data is not here."""
    return tuple(COLLECTIONS[name]())


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _raito_tx(tx: dict[str, Any]) -> bytes:
    """A transaction of the JSON as raw bytes."""

    def sized(data: bytes) -> bytes:
        return compact_size(len(data)) + data

    inputs = b"".join(
        _unhex(i["previous_output"]["txid"])[::-1]
        + struct.pack("<I", i["previous_output"]["vout"])
        + sized(_unhex(i["script"]))
        + struct.pack("<I", i["sequence"])
        for i in tx["inputs"]
    )
    outputs = b"".join(struct.pack("<q", o["value"]) + sized(_unhex(o["pk_script"])) for o in tx["outputs"])
    stacks = b"".join(
        compact_size(len(i["witness"])) + b"".join(sized(_unhex(item)) for item in i["witness"]) for i in tx["inputs"]
    )
    mark, witness = (b"\x00\x01", stacks) if tx["is_segwit"] else (b"", b"")
    body = compact_size(len(tx["inputs"])) + inputs + compact_size(len(tx["outputs"])) + outputs
    return struct.pack("<i", tx["version"]) + mark + body + witness + struct.pack("<I", tx["lock_time"])


def _raito_block(path: Path) -> WithPrevouts:
    told = json.loads(path.read_text())
    state, (block,) = told["chain_state"], told["blocks"]
    header, txs = block["header"], block["data"]["transactions"]
    raws = [_raito_tx(tx) for tx in txs]
    root, _ = merkle_root([parse_tx(NaiveReader(raw)).txid for raw in raws])
    start = struct.pack("<i", header["version"]) + _unhex(state["best_block_hash"])[::-1] + root
    raw = start + struct.pack("<III", header["time"], header["bits"], header["nonce"])
    assert sha256d(raw)[::-1].hex() == told["expected"]["best_block_hash"], path
    raw += compact_size(len(raws)) + b"".join(raws)
    spent = [
        (i["previous_output"]["data"]["value"], _unhex(i["previous_output"]["data"]["pk_script"]))
        for tx in txs[1:]
        for i in tx["inputs"]
    ]
    return WithPrevouts(RealBlock(path.stem, "main", raw, state["block_height"] + 1), spent)


@cache
def raito() -> tuple[WithPrevouts, ...]:
    """Mainnet blocks with what they spend."""
    return tuple(_raito_block(path) for path in sorted(shared("btc-blocks/raito").glob("full_*.json")))


@cache
def dust_sweep() -> WithPrevouts:
    """Mainnet block 367891 with its 20,817 spent outputs."""
    told = json.loads(unzstd(shared("btc-blocks/floresta/block_367891_spent_utxos.zst")))
    spent = [(coin["txout"]["value"], bytes.fromhex(coin["txout"]["script_pubkey"])) for coin in told]
    raw = unzstd(shared("btc-blocks/floresta/block_367891_raw.zst"))
    return WithPrevouts(RealBlock("367891", "main", raw, 367891), spent)


def spent_body(counts: list[int], spent: list[tuple[int, bytes]]) -> bytes:
    """A REST `spenttxouts` body: `counts` spends per transaction (0 for the coinbase)."""
    coins = iter(spent)
    parts = [compact_size(len(counts))]
    for count in counts:
        parts.append(compact_size(count))
        for _ in range(count):
            value, script = next(coins)
            parts.append(struct.pack("<q", value) + compact_size(len(script)) + script)
    assert next(coins, None) is None
    return b"".join(parts)
