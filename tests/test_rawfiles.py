"""Loose raw blocks: every form they come in, placed at their heights, resolved against the lake; faults said."""

from pathlib import Path

import pytest

from chains.bitcoin.datadir import DatadirSource
from chains.bitcoin.decode import decode_blocks
from chains.bitcoin.networks import NETWORKS
from chains.bitcoin.rawfiles import RawSource
from chains.blocks import Span
from chains.errors import ChainError, FormatError, SourceError, VerificationError
from store.backfill import backfill
from store.lake import Lake
from store.verify import verify
from tests.datadirs import COMMON, straight, tale
from tests.naive import parse_block, sha256d
from tests.realdata import collection, shared, unframed
from tests.test_datadir import rows
from tests.test_decode import mined, paying, rewarding
from tests.twins import SECRET

A = tale()
B = tale("b", 5)
MAGIC = NETWORKS["regtest"].magic


def framed(raws: list[bytes], magic: bytes = MAGIC) -> bytes:
    """Blocks as in a `blk` file."""
    return b"".join(magic + len(raw).to_bytes(4, "little") + raw for raw in raws)


def raws(first: int, last: int) -> list[bytes]:
    """Raw blocks of the chain, both ends included."""
    return [block.raw for block in A[first : last + 1]]


@pytest.mark.parametrize("form", ["raw", "hex", "framed", "framed with tail", "hex lines", "mixed"])
def test_every_form_gives_the_same_blocks(tmp_path: Path, form: str) -> None:
    """A file each, hexadecimal text, framed with or without a tail of zeros, all of them in one folder."""
    blocks = raws(0, 9)
    files: dict[str, dict[str, bytes]] = {
        "raw": {f"{n}.bin": raw for n, raw in enumerate(blocks)},
        "hex": {f"{n}.txt": raw.hex().encode() for n, raw in enumerate(blocks)},
        "framed": {"blocks.dat": framed(blocks)},
        "framed with tail": {"blocks.dat": framed(blocks) + bytes(100)},
        "hex lines": {"blocks.hex": "\n".join(raw.hex() for raw in reversed(blocks)).encode() + b"\n"},
        "mixed": {"a": framed(blocks[:4]), "b": blocks[4], "c": "\r\n".join(raw.hex() for raw in blocks[3:]).encode()},
    }
    folder = tmp_path / "blocks"
    folder.mkdir()
    for name, data in files[form].items():
        (folder / name).write_bytes(data)
    (folder / "deeper").mkdir()
    source = RawSource.open(folder)
    assert (source.network, source.first_height, source.tip().height) == ("regtest", 0, 9)
    assert [source.blocks[h] for h in range(10)] == blocks
    assert source.read(Span(0, 9), SECRET).span == (0, 9)


def test_a_single_file(tmp_path: Path) -> None:
    """The file itself instead of its folder; its height from its own coinbase."""
    path = tmp_path / "block"
    path.write_bytes(A[7].raw)
    source = RawSource.open(path, "regtest")
    assert (source.first_height, source.tip().height) == (7, 7)
    assert source.block_hash(7) == A[7].hash


def test_heights_of_real_blocks(tmp_path: Path) -> None:
    """BIP 34 heights of real mainnet blocks; one from before needs to be told."""
    for block in collection("bitcoinj"):
        if block.network == "main" and (block.height or 0) > 227_835:
            (tmp_path / str(block.height)).write_bytes(block.raw)
    source = RawSource.open(tmp_path)
    assert list(source.blocks) == [227_836, 363_703, 370_661, 481_815, 481_829]
    assert source.plan(Span(0, 500_000), 1) == [Span(h, h) for h in source.blocks]
    (old,) = (block for block in collection("bitcoinj") if block.height == 169_482)
    (tmp_path / "old").write_bytes(old.raw)
    with pytest.raises(SourceError, match=r"height is not known.*--start"):
        RawSource.open(tmp_path)
    assert RawSource.open(tmp_path, first_height=169_482).first_height == 169_482


def test_two_blocks_that_do_not_say_their_height(tmp_path: Path) -> None:
    """One told height can not be that of both."""
    for height in (100, 200):
        (tmp_path / str(height)).write_bytes(collection("bitcoinj-first")[height].raw)
    with pytest.raises(SourceError, match=r"neither [0-9a-f]{64} nor [0-9a-f]{64} says its height.*one of them"):
        RawSource.open(tmp_path, first_height=100)


def test_runs_are_planned_by_size_and_gap(tmp_path: Path) -> None:
    """Heights need not touch, and a run is cut at the target size."""
    (tmp_path / "a").write_bytes(framed([*raws(0, 5), *raws(20, 22), *raws(40, 40)]))
    source = RawSource.open(tmp_path)
    assert source.plan(Span(0, 100), 10**6) == [Span(0, 5), Span(20, 22), Span(40, 40)]
    assert source.plan(Span(2, 21), 700) == [Span(2, 3), Span(4, 5), Span(20, 21)]
    assert source.plan(Span(6, 19), 700) == []
    with pytest.raises(SourceError, match="holds no block of height 6"):
        source.block_hash(6)


def test_stale_blocks_are_left_out(tmp_path: Path) -> None:
    """The branch with more work, as elsewhere."""
    (tmp_path / "a").write_bytes(framed([*(b.raw for b in B), *raws(COMMON, len(A) - 1)]))
    source = RawSource.open(tmp_path)
    assert source.tip().height == len(A) - 1
    assert source.block_hash(COMMON) == A[COMMON].hash


def test_spends_are_resolved_against_the_lake(tmp_path: Path) -> None:
    """A chain of loose blocks from genesis on gives the rows that the data directory gives, spends and fees too."""
    (tmp_path / "raw").write_bytes(framed(raws(0, len(A) - 1)))
    source = RawSource.open(tmp_path / "raw")
    lake = Lake.create(tmp_path / "data", "bitcoin", "regtest", SECRET)
    first = backfill(source, lake, Span(0, COMMON))
    second = backfill(source, lake)
    assert (first.unresolved, second.unresolved) == (0, 0)
    whole = rows_from_datadir(tmp_path)
    for table in ("block", "tx", "output", "spend"):
        parts = [lake.read(table, span).to_pylist() for span in lake.spans()]
        assert [row for part in parts for row in part] == whole[table]
    assert verify(lake).unresolved == 0


def rows_from_datadir(tmp_path: Path) -> dict[str, list[dict[str, object]]]:
    """The same chain read with its undo data."""
    tables = rows(DatadirSource.open(straight(tmp_path / "straight")))
    return {name: table.to_pylist() for name, table in tables.items()}


def test_what_lies_before_the_lake_stays_unresolved(tmp_path: Path) -> None:
    """Values and fees are null and counted where the origin is not there, and the lake verifies."""
    (tmp_path / "raw").write_bytes(framed(raws(COMMON - 1, len(A) - 1)))
    lake = Lake.create(tmp_path / "data", "bitcoin", "regtest", SECRET)
    report = backfill(RawSource.open(tmp_path / "raw", "regtest"), lake)
    (span,) = lake.spans()
    spend, tx = lake.read("spend", span).to_pylist(), lake.read("tx", span).to_pylist()
    missing = [row for row in spend if row["value"] is None]
    assert 0 < len(missing) < len(spend)
    assert report.unresolved == lake.manifest(span).unresolved == verify(lake).unresolved == len(missing)
    without_fee = {row["tx_id"] for row in tx if row["fee"] is None}
    assert without_fee == {row["tx_id"] for row in missing}
    assert all(row["address_id"] is None and row["script_type"] == 0 for row in missing)


def test_an_output_made_twice_is_spent_once(tmp_path: Path) -> None:
    """Two transactions with one txid (as in mainnet blocks 91,722 and 91,880) do not double the spends."""
    lake = Lake.create(tmp_path / "data", "bitcoin", "regtest", SECRET)
    same = rewarding(50)
    one = mined([same])
    two = mined([same], prev=sha256d(one[:80]))
    spending = paying([30], origin=parse_block(one).txs[0].txid)
    three = mined([rewarding(1), spending], prev=sha256d(two[:80]))
    lake.append(decode_blocks([one, two], None, 1, "regtest", SECRET))
    (tmp_path / "raw").write_bytes(framed([three]))
    source = RawSource.open(tmp_path / "raw", "regtest", first_height=3)
    assert backfill(source, lake).unresolved == 0
    assert lake.read("spend", Span(3, 3)).num_rows == 1
    assert lake.read("tx", Span(3, 3))["fee"].to_pylist() == [0, 20]


# -- faults


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"", FormatError, "not a raw block, or cut off"),
        (b"garbage", FormatError, "not a raw block, or cut off"),
        (A[5].raw[:-1], FormatError, "not a raw block, or cut off: .*middle of a field"),
        (A[5].raw + b"\0", FormatError, "bytes left over"),
        (A[5].raw.hex().encode()[:-1], FormatError, "starts as hexadecimal text but is not"),
        (b"ab" * 4096 + b"xyz", FormatError, "starts as hexadecimal text but is not"),
        (framed([A[5].raw])[:-1], FormatError, "is cut off or damaged at byte 0: copy it again"),
        (framed([A[5].raw]) + MAGIC[:3], FormatError, "is cut off or damaged at byte"),
        (framed([A[5].raw]) + b"garbage after it", FormatError, "is cut off or damaged at byte"),
    ],
)
def test_files_that_hold_no_blocks(tmp_path: Path, data: bytes, kind: type[ChainError], says: str) -> None:
    """The file and what is wrong with it."""
    path = tmp_path / "block.dat"
    path.write_bytes(data)
    with pytest.raises(kind, match=f"{path}.*{says}"):
        RawSource.open(tmp_path, "regtest", first_height=5)


def test_nothing_there(tmp_path: Path) -> None:
    """An empty folder, and a path that leads nowhere."""
    with pytest.raises(SourceError, match=f"{tmp_path} holds no raw blocks"):
        RawSource.open(tmp_path)
    with pytest.raises(SourceError, match="nowhere does not exist"):
        RawSource.open(tmp_path / "nowhere")


def test_the_network_is_what_the_frames_say(tmp_path: Path) -> None:
    """Frames name their network; another one asked for, or two of them, is an error, and never a guess."""
    (tmp_path / "a").write_bytes(framed(raws(5, 6)))
    assert RawSource.open(tmp_path).network == "regtest"
    with pytest.raises(SourceError, match="holds blocks of network regtest, not main"):
        RawSource.open(tmp_path, "main")
    (tmp_path / "b").write_bytes(framed(raws(7, 8), NETWORKS["test"].magic))
    with pytest.raises(SourceError, match="b holds blocks of network test, not regtest"):
        RawSource.open(tmp_path)
    with pytest.raises(ChainError, match="is no Bitcoin network"):
        RawSource.open(tmp_path, "mainnet")


def test_a_block_that_is_not_what_its_header_says(tmp_path: Path) -> None:
    """Found when it is read, before anything is stored."""
    raw = bytearray(A[5].raw)
    raw[-1] ^= 1
    (tmp_path / "a").write_bytes(raw)
    source = RawSource.open(tmp_path, "regtest", first_height=5)
    lake = Lake.create(tmp_path / "data", "bitcoin", "regtest", SECRET)
    with pytest.raises(VerificationError, match="block at height 5 is not what its header says"):
        backfill(source, lake)
    assert lake.spans() == []


def test_a_real_file_that_is_cut_off() -> None:
    """A node's file of which only the first 100,000 bytes were copied; what it holds whole is known."""
    path = shared("btc-testchains/blocks_iterator/blk-testnet.dat")
    end = sum(8 + len(raw) for raw in unframed(path.read_bytes()))
    with pytest.raises(FormatError, match=f"{path.name} is cut off or damaged at byte {end}"):
        RawSource.open(path)
