"""A node that lies: what it sends is checked against the hashes, and what can not be checked for sense."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from bitcoin.core.serialize import VarIntSerializer
from hypothesis import given
from hypothesis import strategies as st

from chains.bitcoin.node import NodeSource
from chains.bitcoin.node_blocks import Prevouts, Way
from chains.bitcoin.rpc import Limits
from chains.bitcoin.verbose import COINBASE_ONLY, compact_size, satoshi, spent_outputs
from chains.blocks import Blocks, Span
from chains.errors import FormatError, NodeError, VerificationError
from tests.node.fake import FakeBlock, FakeNode, chain, serving

SECRET = bytes(16)
SPAN = Span(0, 30)
LIMITS = Limits(connect_s=0.5, silence_s=2.0, attempts=2, first_pause_s=0.005)
JSON = Way(rest_blocks=False, prevouts=Prevouts.JSON)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with serving(FakeNode()) as fake:
        yield fake


def read(node: FakeNode, **more: Any) -> Blocks:
    with NodeSource(node.url, limits=LIMITS, **more) as opened:
        return opened.read(SPAN, SECRET)


def lie(node: FakeNode, height: int, raw: bytes) -> None:
    """Give other bytes for a block, under its own name."""
    name = node.names[height]
    node.blocks[name] = FakeBlock(raw, node.blocks[name].spent)


@pytest.mark.parametrize("way", [None, JSON], ids=["REST", "JSON"])
def test_another_block_than_asked(node: FakeNode, way: Way | None) -> None:
    """A block whose hash is not the one asked for."""
    lie(node, 20, chain()[19].raw)
    with pytest.raises(VerificationError, match=rf"asked for block {node.names[20]} and sent another"):
        read(node, way=way)


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]


@pytest.mark.parametrize("at", [-6, -30])
def test_a_block_that_does_not_match_its_header(node: FakeNode, at: int) -> None:
    """The right header with other transactions: the merkle root tells, with height and node named."""
    lie(node, 20, flipped(chain()[20].raw, at))
    with pytest.raises(VerificationError, match=rf"heights 0 to 30 from {node.url}: .*20"):
        read(node)


@pytest.mark.parametrize("raw", [b"", chain()[20].raw[:40], chain()[20].raw[:80]])
def test_less_than_a_block(node: FakeNode, raw: bytes) -> None:
    """Too little to be a block."""
    lie(node, 20, raw)
    with pytest.raises(VerificationError):
        read(node)


@pytest.mark.parametrize("cut", [1, 5, 50])
def test_a_block_that_ends_early(node: FakeNode, cut: int) -> None:
    """Transport was whole, the block is not."""
    lie(node, 20, chain()[20].raw[:-cut])
    with pytest.raises(VerificationError, match="heights 0 to 30"):
        read(node)


def test_blocks_that_do_not_follow_each_other(node: FakeNode) -> None:
    """Names that are stable but do not link are a lie, not a reorganisation."""
    node.names[10], node.names[11] = node.names[11], node.names[10]
    with pytest.raises(VerificationError, match="do not follow each other"):
        read(node)


@pytest.mark.parametrize("spent", [(), (50 * 10**8, 50 * 10**8), (1,), (-1,), (2**62,)])
def test_prevouts_that_can_not_be(node: FakeNode, spent: tuple[int, ...]) -> None:
    """Too few, too many, less than is paid out, out of range."""
    node.blocks[node.names[20]] = FakeBlock(chain()[20].raw, spent)
    with pytest.raises(VerificationError, match="heights 0 to 30"):
        read(node)


@pytest.mark.parametrize("body", [b"", b"\x02", b"\x02\x00\x01\x00", b"\xff" * 9, chain()[20].prevouts + b"\0"])
def test_prevouts_that_do_not_parse(node: FakeNode, body: bytes) -> None:
    """REST garbage is refused."""
    node.bodies[f"/rest/spenttxouts/{node.names[20]}.bin"] = body
    with pytest.raises(VerificationError, match="heights 0 to 30"):
        read(node)


AMOUNTS: list[object] = ["x", "1e-9", "-1", "21000001", "NaN", None, [], {}]


@pytest.mark.parametrize("value", AMOUNTS)
def test_json_prevouts_with_impossible_amounts(node: FakeNode, value: object) -> None:
    """JSON that is no amount is refused, with the block named."""
    told = {"vin": [{"prevout": {"value": value, "scriptPubKey": {"hex": "51"}}}]}
    block = {"tx": [{"vin": [{}]}, told]}
    node.results["getblock"] = lambda name, verbosity: block if verbosity else node.blocks[name].raw.hex()
    with pytest.raises(VerificationError, match=r"sent block [0-9a-f]{64} with prevouts that can not be read"):
        read(node, way=JSON)


@pytest.mark.parametrize(
    "block", [None, 5, [], {}, {"tx": 5}, {"tx": [{}, 5]}, {"tx": [{}, {"vin": [{"prevout": 1}]}]}]
)
def test_json_of_the_wrong_shape(node: FakeNode, block: object) -> None:
    """Whatever the shape of the answer: an error of ours."""
    node.results["getblock"] = lambda name, verbosity: block if verbosity else node.blocks[name].raw.hex()
    with pytest.raises(VerificationError):
        read(node, way=JSON)


@pytest.mark.parametrize("text", ["zz", None, 5, "", []])
def test_a_block_that_is_not_hexadecimal(node: FakeNode, text: object) -> None:
    """Verbosity 0 must be a string of hexadecimal digits."""
    node.results["getblock"] = text
    with pytest.raises(VerificationError):
        read(node, way=JSON)


def test_an_older_node_leaves_prevouts_out(node: FakeNode, caplog: pytest.LogCaptureFixture) -> None:
    """Verbosity 3 taken for 2: spends stay unresolved, said once in the log."""
    node.rest = False
    old = {"tx": [{"vin": [{}]}, {"vin": [{"txid": "00"}]}]}
    node.results["getblock"] = lambda name, verbosity: old if verbosity else node.blocks[name].raw.hex()
    assert read(node).unresolved == 29
    assert "spends are resolved from the lake" in caplog.text


def test_prevouts_that_stop_coming(node: FakeNode) -> None:
    """A node that had prevouts and lacks them for one block is damaged: nothing is left unresolved in silence."""
    bad = node.names[25]

    def getblock(name: str, verbosity: int) -> object:
        if verbosity == 0:
            return node.blocks[name].raw.hex()
        return {"tx": [{"vin": [{}]}, {"vin": [{}]}]} if name == bad else node.blocks[name].verbose()

    node.results["getblock"] = getblock
    with pytest.raises(NodeError, match=f"left out what block {bad} spends"):
        read(node, way=JSON)


def test_a_block_that_went_missing(node: FakeNode) -> None:
    """In the best chain, not pruned, and not there: the node's data is incomplete."""
    del node.blocks[node.names[20]]
    with pytest.raises(NodeError, match="data is incomplete: restart it with -reindex"):
        read(node)


@given(st.integers(0, 21_000_000 * 10**8))
def test_decimals_become_satoshi_exactly(amount: int) -> None:
    """Every amount that exists survives the node's eight decimals."""
    assert satoshi(f"{amount // 10**8}.{amount % 10**8:08d}") == amount


@given(st.text(alphabet="0123456789.eE+-NnaIif_ ", max_size=40) | st.integers() | st.none())
def test_any_text_is_an_amount_or_an_error(text: Any) -> None:
    """Nothing but FormatError comes out, nothing but an amount in range."""
    try:
        value = satoshi(text)
    except FormatError:
        return
    assert 0 <= value <= 21_000_000 * 10**8


@given(st.integers(0, 2**64 - 1))
def test_compact_size_agrees_with_python_bitcoinlib(number: int) -> None:
    """The reference writes the same bytes."""
    assert compact_size(number) == VarIntSerializer.serialize(number)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tx", "vin", "prevout", "value", "scriptPubKey", "hex"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_json_is_a_block_or_an_error(block: Any) -> None:
    """A hostile getblock answer never ends in a crash."""
    with suppress(FormatError):
        assert isinstance(spent_outputs(block), bytes)


def test_a_lone_coinbase_spends_nothing() -> None:
    """The constant is what is written for such a block."""
    assert spent_outputs({"tx": [{}]}) == COINBASE_ONLY
