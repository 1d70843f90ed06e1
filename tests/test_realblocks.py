"""Every real block there is, field by field against python-bitcoinlib, and with what it spends where that is known."""

import json
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
from bitcoin.core import CBlock, CTransaction

from chains.bitcoin.consensus import subsidy
from chains.bitcoin.decode import decode_blocks
from chains.bitcoin.tables import ScriptType, WitnessKind
from chains.blocks import POSITION_BITS
from tests import naive, naive_scripts
from tests.realdata import COLLECTIONS, OWN, RealBlock, WithPrevouts, collection, dust_sweep, raito, spent_body
from tests.twins import SECRET, assert_read_alike, proofs_of_twin

Rows = dict[str, dict[str, list[Any]]]


def decoded(block: RealBlock, prevouts: bytes | None = None) -> Rows:
    """The lake rows of one block, column by column."""
    bodies = None if prevouts is None else [prevouts]
    blocks = decode_blocks([block.raw], bodies, block.height or 0, block.network, SECRET)
    return {name: table.to_pydict() for name, table in blocks.tables.items()}


def ids(values: list[bytes]) -> list[int]:
    """Keyed ids, each distinct value hashed once by the twin."""
    known = {value: naive.siphash(SECRET, value) for value in set(values)}
    return [known[value] for value in values]


def assert_block_row(rows: dict[str, list[Any]], block: RealBlock, peer: CBlock) -> None:
    """The header, sizes and the coinbase script."""
    expected = {
        "height": block.height or 0,
        "hash": peer.GetHash(),
        "prev_hash": peer.hashPrevBlock,
        "merkle_root": peer.calc_merkle_root(),
        "version": peer.nVersion,
        "time": peer.nTime,
        "bits": peer.nBits,
        "nonce": peer.nNonce,
        "size": len(block.raw),
        "weight": peer.GetWeight(),
        "n_tx": len(peer.vtx),
        "coinbase_script": bytes(peer.vtx[0].vin[0].scriptSig),
    }
    assert {name: column[0] for name, column in rows.items()} == expected, block.name
    assert peer.hashMerkleRoot == peer.calc_merkle_root()


def assert_tx_rows(rows: dict[str, list[Any]], block: RealBlock, txs: list[CTransaction]) -> None:
    """Hashes, versions, sizes and counts of every transaction."""
    sizes = [len(tx.serialize()) for tx in txs]
    bare = [len(tx.serialize(params={"include_witness": False})) for tx in txs]
    txids = [tx.GetTxid() for tx in txs]
    first = (block.height or 0) << POSITION_BITS
    assert rows["tx_id"] == list(range(first, first + len(txs)))
    assert rows["txid"] == txids
    assert rows["tx_key"] == ids(txids)
    # The peer reads versions as unsigned, locktime as we do.
    assert [version & 0xFFFFFFFF for version in rows["version"]] == [tx.nVersion & 0xFFFFFFFF for tx in txs]
    assert rows["locktime"] == [tx.nLockTime for tx in txs]
    assert rows["size"] == sizes
    assert rows["weight"] == [3 * b + s for b, s in zip(bare, sizes, strict=True)]
    assert rows["n_in"] == [0, *(len(tx.vin) for tx in txs[1:])]
    assert rows["n_out"] == [len(tx.vout) for tx in txs]


def assert_output_rows(rows: dict[str, list[Any]], block: RealBlock, txs: list[CTransaction]) -> None:
    """Value, script and address of every output."""
    first = (block.height or 0) << POSITION_BITS
    outputs = [(first + t, n, o) for t, tx in enumerate(txs) for n, o in enumerate(tx.vout)]
    scripts = [bytes(o.scriptPubKey) for _, _, o in outputs]
    kinds = [naive_scripts.script_kind(script) for script in scripts]
    assert rows["tx_id"] == [t for t, _, _ in outputs]
    assert rows["vout"] == [n for _, n, _ in outputs]
    assert rows["value"] == [o.nValue for _, _, o in outputs]
    assert [ScriptType(kind).name for kind in rows["script_type"]] == kinds
    assert rows["address_id"] == addresses(scripts, kinds)


def addresses(scripts: list[bytes], kinds: list[str]) -> list[int | None]:
    """The address column of these scripts."""
    numbers = ids([naive_scripts.canonical(script) for script in scripts])
    return [None if kind == "OP_RETURN" else n for kind, n in zip(kinds, numbers, strict=True)]


def assert_spend_rows(rows: dict[str, list[Any]], block: RealBlock, txs: list[CTransaction]) -> None:
    """Origin, sequence and proof of every spend."""
    first = (block.height or 0) << POSITION_BITS
    spends = [(first + t, n, i) for t, tx in enumerate(txs) for n, i in enumerate(tx.vin) if t]
    assert rows["tx_id"] == [t for t, _, _ in spends]
    assert rows["vin"] == [n for _, n, _ in spends]
    assert rows["prev_tx_key"] == ids([i.prevout.hash for _, _, i in spends])
    assert rows["prev_vout"] == [i.prevout.n for _, _, i in spends]
    assert rows["sequence"] == [i.nSequence for _, _, i in spends]
    proofs = proofs_of_twin(naive.parse_block(block.raw))[1:]
    shown = zip(rows["witness_kind"], rows["sighash"], rows["key_id"], strict=True)
    assert [(WitnessKind(kind).name, bits, key) for kind, bits, key in shown] == proofs


def assert_wtxids(block: RealBlock, txs: list[CTransaction]) -> None:
    """The twin's wtxids, which the commitment test rests on, are the peer's."""
    assert [tx.wtxid for tx in naive.parse_block(block.raw).txs] == [tx.GetHash() for tx in txs]


def assert_address_rows(rows: dict[str, list[Any]], scripts: list[bytes]) -> None:
    """Every distinct address once, with what its text is made from, sorted."""
    expected = set()
    for script in set(scripts):
        kind = naive_scripts.script_kind(script)
        if kind != "OP_RETURN":
            kind = "P2PK" if kind == "P2PK_UNCOMPRESSED" else kind
            number = naive.siphash(SECRET, naive_scripts.canonical(script))
            expected.add((number, int(ScriptType[kind]), naive_scripts.payload(script)))
    columns = (rows["address_id"], rows["script_type"], rows["payload"])
    assert list(zip(*columns, strict=True)) == sorted(expected)


@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_field_is_what_python_bitcoinlib_reads(name: str) -> None:
    """All tables, all columns, every block; spends are unresolved where the source carries no prevouts."""
    for block in collection(name):
        peer = CBlock.deserialize(block.raw)
        txs = list(peer.vtx)
        rows = decoded(block)
        assert_block_row(rows["block"], block, peer)
        assert_tx_rows(rows["tx"], block, txs)
        assert_output_rows(rows["output"], block, txs)
        assert_spend_rows(rows["spend"], block, txs)
        assert_wtxids(block, txs)
        assert_address_rows(rows["address"], [bytes(o.scriptPubKey) for tx in txs for o in tx.vout])
        assert rows["tx"]["fee"] == [0, *[None] * (len(txs) - 1)]
        assert set(rows["spend"]["value"]) | set(rows["spend"]["address_id"]) <= {None}
        assert set(rows["spend"]["script_type"]) <= {0}


@pytest.mark.parametrize("name", ["core-413567", "core-regtest", "bitcoinj", "bcoin", "singles"])
def test_the_parser_twin_agrees_on_real_blocks(name: str) -> None:
    """Every position that the kernel found."""
    for block in collection(name):
        if len(block.raw) < 1_000_000:
            assert_read_alike(block.raw)


@pytest.mark.parametrize("name", ["core-regtest", "testnet3-cut", "bitcoinj-first"])
def test_a_run_of_blocks_equals_its_blocks(name: str) -> None:
    """Blocks decoded together give what each gives alone, and are linked."""
    blocks = collection(name)
    first = blocks[0].height or 0
    together = decode_blocks([b.raw for b in blocks], None, first, blocks[0].network, SECRET)
    assert together.span == (first, first + len(blocks) - 1)
    assert together.prev_hash == blocks[0].raw[4:36]
    assert together.last_hash == naive.sha256d(blocks[-1].raw[:80])
    for table in ("block", "tx", "output", "spend"):
        parts = [decode_blocks([b.raw], None, b.height or 0, b.network, SECRET).tables[table] for b in blocks]
        alone = [row for part in parts for row in part.to_pylist()]
        assert together.tables[table].to_pylist() == alone


def assert_spent(told: WithPrevouts) -> None:
    """Values, scripts, addresses and fees of a block with what it spends."""
    block, spent = told
    txs = naive.parse_block(block.raw).txs
    counts = [0, *(len(tx.inputs) for tx in txs[1:])]
    rows = decoded(block, spent_body(counts, spent))
    kinds = [naive_scripts.script_kind(script) for _, script in spent]
    assert rows["spend"]["value"] == [value for value, _ in spent]
    assert [ScriptType(kind).name for kind in rows["spend"]["script_type"]] == kinds
    assert rows["spend"]["address_id"] == addresses([script for _, script in spent], kinds)
    bounds = pairwise(accumulate(counts, initial=0))
    paid = [sum(value for value, _ in spent[a:b]) for a, b in bounds]
    fees = [0, *(p - sum(o.value for o in tx.outputs) for p, tx in zip(paid[1:], txs[1:], strict=True))]
    assert rows["tx"]["fee"] == fees
    reward = sum(o.value for o in txs[0].outputs)
    assert reward <= subsidy(block.height or 0, block.network) + sum(fees)
    scripts = [*(script for _, script in spent), *(o.script for tx in txs for o in tx.outputs)]
    assert_address_rows(rows["address"], scripts)


def test_mainnet_blocks_with_their_prevouts() -> None:
    """Thirteen blocks from 2009 to 2016."""
    for told in raito():
        assert_spent(told)


def test_the_dust_sweep_with_its_prevouts() -> None:
    """20,817 spends in one block, the empty script among what they spend."""
    told = dust_sweep()
    assert len(told.spent) == 20_817
    assert_spent(told)


def test_cores_block_statistics() -> None:
    """Fees, sizes, counts and rewards of Core's own functional test, height by height."""
    blocks = collection("core-getblockstats")
    outputs = {
        (tx.txid, n): (o.value, o.script)
        for block in blocks
        for tx in naive.parse_block(block.raw).txs
        for n, o in enumerate(tx.outputs)
    }
    told = json.loads((OWN / "rpc_getblockstats.json").read_text())["stats"]
    for stats in told:
        block = blocks[stats["height"]]
        txs = naive.parse_block(block.raw).txs
        spent = [outputs[i.origin, i.vout] for tx in txs[1:] for i in tx.inputs]
        rows = decoded(block, spent_body([0, *(len(tx.inputs) for tx in txs[1:])], spent))
        fees = rows["tx"]["fee"][1:]
        weights = rows["tx"]["weight"][1:]
        assert rows["block"]["hash"][0][::-1].hex() == stats["blockhash"]
        assert (sum(fees), min(fees, default=0), max(fees, default=0)) == tuple(
            stats[name] for name in ("totalfee", "minfee", "maxfee")
        )
        assert (sum(rows["tx"]["size"][1:]), sum(weights)) == (stats["total_size"], stats["total_weight"])
        assert (len(rows["spend"]["vin"]), len(rows["output"]["vout"])) == (stats["ins"], stats["outs"])
        assert (len(fees) + 1, rows["block"]["time"][0]) == (stats["txs"], stats["time"])
        rates = [4 * fee // weight for fee, weight in zip(fees, weights, strict=True)]
        assert (min(rates, default=0), max(rates, default=0)) == (stats["minfeerate"], stats["maxfeerate"])
        assert subsidy(block.height or 0, "regtest") == stats["subsidy"]


def test_what_compact_filters_say_of_spent_scripts() -> None:
    """Odd testnet3 blocks whose spent scripts are known: the empty script, several pushes, a witness."""
    rows = json.loads((OWN / "blockfilters.json").read_text())[1:]
    for block, row in zip(collection("core-blockfilters"), rows, strict=True):
        # Values are not told: enough to pay for the outputs is assumed.
        txs = naive.parse_block(block.raw).txs
        scripts = [bytes.fromhex(text) for text in row[3]]
        n = sum(len(tx.inputs) for tx in txs[1:])
        if len(scripts) == n:
            spent = [(10**14, script) for script in scripts]
            read = decoded(block, spent_body([0, *(len(tx.inputs) for tx in txs[1:])], spent))["spend"]
            assert [ScriptType(kind).name for kind in read["script_type"]] == [
                naive_scripts.script_kind(s) for s in scripts
            ]


def test_numbers_are_as_wide_as_the_tables_say() -> None:
    """Column types are the registry's, whatever the block."""
    block = collection("core-413567")[0]
    blocks = decode_blocks([block.raw], None, 413567, "main", SECRET)
    heights = np.asarray(blocks.tables["tx"]["tx_id"]) >> POSITION_BITS
    assert set(heights.tolist()) == {413567}
    assert blocks.n_tx == 1557
    assert blocks.unresolved == blocks.tables["spend"].num_rows
