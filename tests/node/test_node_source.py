"""Reading a real node: every way gives the same columns, and whatever is wrong is said."""

import itertools
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from bitcoin.core import b2lx

from chains.bitcoin.datadir import DatadirSource
from chains.bitcoin.node import NodeSource
from chains.bitcoin.node_blocks import Prevouts, RawBlock, Way
from chains.bitcoin.rpc import Limits
from chains.bitcoin.tables import ScriptType
from chains.blocks import Blocks, Span, Tip
from chains.errors import NodeError, ReorgError, SourceError
from tests.node.fixtures import StartNode
from tests.node.harness import RegtestNode
from tests.node.varied import MINER, MINER_2, grow

pytestmark = pytest.mark.node

SECRET = bytes(range(16))
WHOLE = Span(0, 300)
QUICK = Limits(connect_s=1.0, silence_s=5.0, attempts=3, first_pause_s=0.01, longest_pause_s=0.1)
BEST = Way(rest_blocks=True, prevouts=Prevouts.REST)
WAYS = {
    "old REST": Way(rest_blocks=True, prevouts=Prevouts.JSON),
    "JSON": Way(rest_blocks=False, prevouts=Prevouts.JSON),
    "bare": Way(rest_blocks=False, prevouts=Prevouts.NONE),
}
CORE_TYPES = {
    "pubkey": {ScriptType.P2PK, ScriptType.P2PK_UNCOMPRESSED},
    "pubkeyhash": {ScriptType.P2PKH},
    "scripthash": {ScriptType.P2SH},
    "multisig": {ScriptType.MULTISIG},
    "nulldata": {ScriptType.OP_RETURN},
    "witness_v0_keyhash": {ScriptType.P2WPKH},
    "witness_v0_scripthash": {ScriptType.P2WSH},
    "witness_v1_taproot": {ScriptType.P2TR},
    "witness_unknown": {ScriptType.WITNESS_UNKNOWN},
    "anchor": {ScriptType.WITNESS_UNKNOWN},
    "nonstandard": {ScriptType.OTHER},
}


def open_source(node: RegtestNode, **more: Any) -> NodeSource:
    return NodeSource(node.url, more.pop("login", node.login), limits=QUICK, **more)


def read_whole(node: RegtestNode, way: Way | None = None) -> Blocks:
    with open_source(node, way=way) as source:
        return source.read(WHOLE, SECRET)


@pytest.fixture(scope="module")
def by_rest(varied_node: RegtestNode) -> Blocks:
    return read_whole(varied_node)


def test_it_finds_the_best_way(varied_node: RegtestNode) -> None:
    """A node with REST and spenttxouts is read through them, and its network is told by its genesis."""
    with open_source(varied_node) as source:
        assert source.remarks()[0] == str(BEST)
        assert source.network == "regtest"
        assert source.tip() == Tip(300, varied_node.rpc("getbestblockhash"))
        assert not source.workers_help


@pytest.mark.parametrize("name", ["old REST", "JSON"])
def test_every_way_gives_the_same_columns(varied_node: RegtestNode, by_rest: Blocks, name: str) -> None:
    """REST and JSON, binary prevouts and decimal ones: not a cell differs over the whole chain."""
    other = read_whole(varied_node, WAYS[name])
    assert other.unresolved == by_rest.unresolved == 0
    assert (other.prev_hash, other.last_hash) == (by_rest.prev_hash, by_rest.last_hash)
    for table, rows in by_rest.tables.items():
        assert other.tables[table].equals(rows), table


def test_without_prevouts_only_what_is_spent_is_missing(varied_node: RegtestNode, by_rest: Blocks) -> None:
    """Verbosity 0 leaves spends unresolved, counted, and everything else equal."""
    bare = read_whole(varied_node, WAYS["bare"])
    assert bare.unresolved == by_rest.tables["spend"].num_rows > 0
    for table in ("block", "output"):
        assert bare.tables[table].equals(by_rest.tables[table])
    assert bare.tables["tx"].drop_columns("fee").equals(by_rest.tables["tx"].drop_columns("fee"))
    assert bare.tables["spend"]["value"].null_count == bare.unresolved


def test_its_files_give_the_same_columns(varied_node: RegtestNode, by_rest: Blocks) -> None:
    """Beside the running node, its block and undo files hold what it says: not a cell differs."""
    files = DatadirSource.open(varied_node.datadir)
    blocks = files.read(WHOLE, SECRET)
    assert files.tip() == Tip(300, varied_node.rpc("getbestblockhash"))
    for table, rows in by_rest.tables.items():
        assert blocks.tables[table].equals(rows), table


def test_it_agrees_with_what_the_node_says(varied_node: RegtestNode, by_rest: Blocks) -> None:
    """Transactions, values, script types and fees are those of the node's own `getblock`."""
    txs, outputs, spent = [], [], []
    for height in range(WHOLE.last + 1):
        block = varied_node.rpc("getblock", varied_node.rpc("getblockhash", height), 3)
        txs += [(tx["txid"], tx["weight"], satoshi(tx.get("fee", "0.00000000"))) for tx in block["tx"]]
        outputs += [(satoshi(o["value"]), o["scriptPubKey"]["type"]) for tx in block["tx"] for o in tx["vout"]]
        before = [spend["prevout"] for tx in block["tx"][1:] for spend in tx["vin"]]
        spent += [(satoshi(o["value"]), o["scriptPubKey"]["type"]) for o in before]
    rows = by_rest.tables["tx"].select(["txid", "weight", "fee"]).to_pylist()
    assert [(b2lx(row["txid"]), row["weight"], row["fee"]) for row in rows] == txs
    for table, said in (("output", outputs), ("spend", spent)):
        values, types = (by_rest.tables[table][name].to_pylist() for name in ("value", "script_type"))
        assert values == [value for value, _ in said]
        wrong = [pair for pair in zip(types, said, strict=True) if pair[0] not in CORE_TYPES[pair[1][1]]]
        assert wrong == []


def satoshi(amount: str) -> int:
    """Turn the node's eight decimals into satoshi, by the digits."""
    whole, _, rest = amount.partition(".")
    return int(whole + rest)


def test_the_chain_has_every_script_type(by_rest: Blocks) -> None:
    """The fixture is worth its name: each type is both paid and spent (data is only paid)."""
    everything = set(ScriptType)
    assert set(by_rest.tables["output"]["script_type"].to_pylist()) == everything
    assert set(by_rest.tables["spend"]["script_type"].to_pylist()) == everything - {ScriptType.OP_RETURN}


def test_a_plan_covers_the_range_and_reads_the_same(varied_node: RegtestNode, by_rest: Blocks) -> None:
    """Spans follow each other, are alike in size, do not depend on where a restart begins, and add up."""
    with open_source(varied_node) as source:
        plan = source.plan(WHOLE, 40_000)
        assert [height for span in plan for height in range(span.first, span.last + 1)] == list(range(301))
        assert source.plan(Span(plan[3].first, 300), 40_000) == plan[3:]
        assert len(source.plan(WHOLE, 1)) == 301
        parts = [source.read(span, SECRET) for span in plan]
    sizes = [pc.sum(part.tables["block"]["size"]).as_py() for part in parts]
    assert max(sizes) < 6 * 40_000
    assert sum(part.n_tx for part in parts) == by_rest.n_tx
    assert all(after.prev_hash == before.last_hash for before, after in itertools.pairwise(parts))


def test_it_reads_ahead_of_the_plan(varied_node: RegtestNode) -> None:
    """While one span is decoded the next is on its way; a jump elsewhere drops it."""
    with open_source(varied_node) as source:
        first, second, third = source.plan(Span(0, 299), 60_000)[:3]
        source.read(first, SECRET)
        assert list(source._ahead) == [second]
        assert source.read(third, SECRET).span == third
        assert second not in source._ahead
        assert source.read(second, SECRET).span == second


def test_it_can_be_pickled(varied_node: RegtestNode) -> None:
    """A source goes to another process by how it was made, connections left behind."""
    with open_source(varied_node) as source:
        source.tip()
        with pickle.loads(pickle.dumps(source)) as copy:  # noqa: S301 - our own bytes
            assert copy.read(Span(5, 6), SECRET).last_hash == source.block_hash(6)


def test_beyond_the_tip(varied_node: RegtestNode) -> None:
    """Heights that do not exist yet are refused with the height that does."""
    with open_source(varied_node) as source:
        with pytest.raises(SourceError, match="blocks up to 300, but 290 to 301"):
            source.read(Span(290, 301), SECRET)
        with pytest.raises(SourceError, match="blocks up to 300"):
            source.plan(Span(301, 310), 1000)
        with pytest.raises(SourceError, match="blocks up to 300"):
            source.block_hash(301)


def test_another_network_is_refused(varied_node: RegtestNode) -> None:
    """A lake of mainnet is not fed from regtest."""
    with open_source(varied_node, network="main") as source, pytest.raises(SourceError, match="regtest, but main"):
        source.tip()


def test_a_wrong_password_is_said_at_once(varied_node: RegtestNode) -> None:
    """No retries on 401, no password in the message; a missing login says how to give one."""
    with (
        open_source(varied_node, login=("tadoru", "hunter2")) as source,
        pytest.raises(NodeError, match="refused the user or password") as caught,
    ):
        source.tip()
    assert "hunter2" not in str(caught.value)
    with NodeSource(varied_node.url) as source, pytest.raises(NodeError, match="wants a login"):
        source.tip()


def test_a_login_in_the_url(varied_node: RegtestNode) -> None:
    """`http://user:password@host:port` works with every character in it percent-encoded."""
    url = varied_node.url.replace("://", "://tadoru:not%20a%20secret%2C%20100%20%25%20local%2F%40@")
    with NodeSource(url, limits=QUICK) as source:
        assert source.network == "regtest"
        assert str(source) == varied_node.url


@pytest.mark.parametrize("place", ["datadir", "network folder", "file"])
def test_a_cookie_is_found(start_node: StartNode, place: str) -> None:
    """The cookie is named by its file, its folder or the node's datadir, and read again when a restart changed it."""
    node = start_node(cookie=True)
    where = {"datadir": node.datadir, "network folder": node.cookie.parent, "file": node.cookie}[place]
    with NodeSource(node.url, where, limits=QUICK) as source:
        assert source.tip().height == 0
        before = node.cookie.read_text()
        node.restart()
        assert node.cookie.read_text() != before
        assert source.tip().height == 0


def test_no_cookie_is_said(varied_node: RegtestNode, tmp_path: Path) -> None:
    """A datadir without a running node has no cookie."""
    with (
        NodeSource(varied_node.url, tmp_path, network="regtest") as source,
        pytest.raises(NodeError, match=r"regtest/.cookie can not be read.*see that it runs"),
    ):
        source.tip()


def test_a_node_that_restarts_is_waited_for(start_node: StartNode) -> None:
    """Kept connections that died with the node are replaced."""
    node = start_node()
    node.mine(20, MINER)
    with open_source(node) as source:
        source.read(Span(0, 20), SECRET)
        node.restart()
        assert source.read(Span(0, 20), SECRET).n_tx == 21


def test_without_rest_it_falls_back(start_node: StartNode) -> None:
    """A node with REST off is read through `getblock` verbosity 3."""
    node = start_node("-rest=0")
    grow(node, 130)
    with open_source(node) as source:
        assert source.remarks() == [str(WAYS["JSON"])]
        assert source.read(Span(0, 130), SECRET).unresolved == 0


def test_a_pruned_node_says_what_it_has(start_node: StartNode) -> None:
    """Below the oldest block kept: which one that is and what to do; above it, it reads."""
    node = start_node("-prune=1", "-fastprune")
    grow(node, 130)
    last = 130 + len(node.mine(700, MINER))
    node.rpc("pruneblockchain", 500)
    oldest = node.rpc("getblockchaininfo")["pruneheight"]
    with open_source(node) as source:
        assert source.first_height == oldest > 0
        assert "pruned" in source.remarks()[1]
        with pytest.raises(SourceError, match=f"oldest block is {oldest}.*--start {oldest}"):
            source.plan(Span(0, last), 100_000)
        with pytest.raises(SourceError, match=f"oldest block is {oldest}"):
            source.read(Span(oldest - 1, oldest), SECRET)
        assert source.read(Span(oldest, last), SECRET).unresolved == 0


def test_pruning_while_reading_is_told_from_a_fault(start_node: StartNode) -> None:
    """Blocks that vanish between planning and reading are reported as pruned."""
    node = start_node("-prune=1", "-fastprune")
    node.mine(800, MINER)
    reading = between(open_source(node), lambda: node.rpc("pruneblockchain", 500), after=0)
    with reading as source, pytest.raises(SourceError, match="is pruned: its oldest block is"):
        source.read(Span(0, 800), SECRET)


def test_a_node_that_is_catching_up_says_so(start_node: StartNode) -> None:
    """Initial block download is no error, but it is said."""
    node = start_node()
    node.mine(5, MINER)
    node.restart("-maxtipage=1", "-mocktime=1800000000")
    with open_source(node) as source:
        assert "catching up (5 of 5 blocks)" in source.remarks()[1]
        with pytest.raises(SourceError, match="up to 5, but 6 to 6 are wanted; it is still catching up"):
            source.read(Span(6, 6), SECRET)


@contextmanager
def between(source: NodeSource, act: Callable[[], object], after: int) -> Iterator[NodeSource]:
    """Have something happen while a source reads, when so many blocks were fetched."""
    fetch, count = source._reader.fetch, itertools.count()

    def interrupted(block_hash: bytes) -> RawBlock:
        if next(count) == after:
            act()
        return fetch(block_hash)

    source._reader.fetch = interrupted  # type: ignore[method-assign]
    with source:
        yield source


@pytest.fixture
def growing(start_node: StartNode) -> RegtestNode:
    node = start_node()
    node.mine(120, MINER)
    return node


def reorganise(node: RegtestNode, fork: int, tip: int) -> None:
    """Replace the blocks above `fork` by another branch up to `tip`."""
    node.rpc("invalidateblock", node.rpc("getblockhash", fork + 1))
    node.mine(tip - fork, MINER_2)


@pytest.mark.parametrize(("fork", "tip"), [(110, 121), (60, 125), (110, 115)])
def test_a_reorganisation_while_reading_names_the_fork(growing: RegtestNode, fork: int, tip: int) -> None:
    """The branch changes inside the span, below it, or gets shorter: the height where it did is said."""
    with between(open_source(growing), lambda: reorganise(growing, fork, tip), after=20) as source:
        with pytest.raises(ReorgError, match=f"changed above height {fork} before 80 to 120 were read"):
            source.read(Span(80, 120), SECRET)
        assert source.read(Span(0, min(tip, 120)), SECRET).last_hash == source.block_hash(min(tip, 120))


def test_a_reorganisation_between_two_spans_names_the_fork(growing: RegtestNode) -> None:
    """The next span does not follow what was read before."""
    with open_source(growing) as source:
        source.read(Span(0, 100), SECRET)
        reorganise(growing, 97, 121)
        with pytest.raises(ReorgError, match="changed above height 97"):
            source.read(Span(101, 121), SECRET)
        again = source.read(Span(0, 100), SECRET)
        assert source.read(Span(101, 121), SECRET).prev_hash == again.last_hash


def test_new_blocks_do_not_disturb(growing: RegtestNode) -> None:
    """A tip that moves on while its predecessors are read is no reorganisation."""
    with between(open_source(growing), lambda: growing.mine(3, MINER), after=20) as source:
        assert source.read(Span(80, 120), SECRET).span == Span(80, 120)
