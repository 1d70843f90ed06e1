"""Bitcoin Core's own code reads the same blocks and spent coins from the same files."""

from pathlib import Path
from typing import Any

import pytest

from chains.bitcoin.datadir import DatadirSource
from chains.bitcoin.tables import ScriptType
from chains.blocks import Span
from chains.ids import address_id
from tests import naive, naive_scripts
from tests.datadirs import sample
from tests.realdata import DATADIRS, OWN, collection
from tests.twins import SECRET

pbk = pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")
CHAINS = {"main": "MAINNET", "test": "TESTNET", "regtest": "REGTEST"}


def core(folder: Path, network: str) -> Any:
    """Core over a data directory that has block files only: it rebuilds its indexes from them."""
    context = pbk.make_context(pbk.ChainType[CHAINS[network]])
    options = pbk.ChainstateManagerOptions(context, str(folder), str(folder / "blocks"))
    options.set_wipe_dbs(wipe_block_tree_db=True, wipe_chainstate_db=True)
    manager = pbk.ChainstateManager(options)
    manager.import_blocks([])
    return manager


@pytest.mark.parametrize("name", DATADIRS)
def test_core_reads_the_same_blocks_and_coins(tmp_path: Path, name: str) -> None:
    """Every block's hash, every transaction, and value, script and address of every spent coin."""
    source = DatadirSource.open(sample(tmp_path / "ours", name))
    blocks = source.read(Span(0, source.tip().height), SECRET)
    tables = {name: table.to_pydict() for name, table in blocks.tables.items()}
    manager = core(sample(tmp_path / "core", name), source.network)
    entries = list(manager.get_active_chain().block_tree_entries)
    assert [bytes(entry.block_hash) for entry in entries] == tables["block"]["hash"]
    coins = []
    txids = []
    for entry in entries:
        block = manager.blocks[entry]
        txids += [bytes(tx.txid) for tx in block.transactions]
        if entry.height:
            spent = manager.block_spent_outputs[entry].transactions
            coins += [(c.output.amount, bytes(c.output.script_pubkey)) for tx in spent for c in tx.coins]
    assert txids == tables["tx"]["txid"]
    assert [value for value, _ in coins] == tables["spend"]["value"]
    kinds = [naive_scripts.script_kind(script) for _, script in coins]
    assert kinds == [ScriptType(kind).name for kind in tables["spend"]["script_type"]]
    assert [address_id(script, SECRET) for _, script in coins] == tables["spend"]["address_id"]
    assert coins, "a chain without spends shows nothing"


def test_both_forms_of_a_key_have_one_address_in_outputs_and_spends(tmp_path: Path) -> None:
    """P2PK with a full key comes back from undo data without its y coordinate, and still is the same address."""
    source = DatadirSource.open(sample(tmp_path, "mainnet_0-599"))
    tables = source.read(Span(0, source.tip().height), SECRET).tables
    outputs, spends = tables["output"].to_pylist(), tables["spend"].to_pylist()
    keys = dict(zip(tables["tx"]["tx_key"].to_pylist(), tables["tx"]["tx_id"].to_pylist(), strict=True))
    made = {(row["tx_id"], row["vout"]): row for row in outputs}
    kinds = set()
    for spend in spends:
        origin = made[keys[spend["prev_tx_key"]], spend["prev_vout"]]
        kinds.add(ScriptType(spend["script_type"]))
        for column in ("value", "script_type", "address_id"):
            assert spend[column] == origin[column], spend
    assert ScriptType.P2PK_UNCOMPRESSED in kinds


def test_core_writes_the_sample_from_its_blocks(tmp_path: Path) -> None:
    """The blocks as hexadecimal text and the data directory are one chain, and Core accepts it."""
    manager = pbk.load_chainman(tmp_path, pbk.ChainType.REGTEST)
    for line in (OWN / "core_regtest_206_blocks.hex").read_text().split():
        assert manager.process_block(pbk.Block(bytes.fromhex(line)))
    del manager
    written = DatadirSource.open(tmp_path)
    assert written.tip().height == 206
    assert written.block_hash(206) == naive.sha256d(collection("datadir-core_regtest_0-206")[-1].raw[:80])
    read = written.read(Span(0, 206), SECRET).tables
    kept = DatadirSource.open(sample(tmp_path / "sample")).read(Span(0, 206), SECRET).tables
    assert {name: table == read[name] for name, table in kept.items()} == dict.fromkeys(kept, True)
