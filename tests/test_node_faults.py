"""A node that stalls, refuses, cuts off, lies or is none: one clear error, or patience where it helps."""

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from chains.bitcoin.login import parse_url
from chains.bitcoin.node import NodeSource
from chains.bitcoin.node_blocks import Prevouts, Way
from chains.bitcoin.rpc import Limits, NodeClient, RpcError
from chains.blocks import Blocks, Source, Span
from chains.errors import NodeError, SourceError
from tests.node.fake import (
    Act,
    FakeNode,
    answer_then_close,
    cut_off,
    drip,
    flood,
    garbage,
    hang_up,
    serving,
    stall,
    status,
)
from tests.node.harness import free_port

SECRET = bytes(16)
SPAN = Span(0, 30)
LIMITS = Limits(connect_s=2.0, silence_s=0.3, answer_s=5.0, attempts=6, first_pause_s=0.005, longest_pause_s=0.25)
JSON = Way(rest_blocks=False, prevouts=Prevouts.JSON)
WARM_UP = status(500, b'{"result":null,"error":{"code":-28,"message":"Loading block index..."},"id":0}')
PASSING: dict[str, Act] = {
    "stall": stall,
    "hang up": hang_up,
    "cut off": cut_off,
    "garbage": garbage,
    "408": status(408),
    "429": status(429, b"slow down", Retry_After="0"),
    "429 in JSON": status(429, b'{"error": "slow down"}'),
    "500": status(500),
    "502": status(502, b"<html>bad gateway</html>"),
    "503": status(503, b"Work queue depth exceeded"),
    "504": status(504),
}


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with serving(FakeNode()) as fake:
        yield fake


@pytest.fixture
def source(node: FakeNode) -> Iterator[NodeSource]:
    with NodeSource(node.url, limits=LIMITS) as opened:
        yield opened


def read(node: FakeNode, **more: Any) -> Blocks:
    with NodeSource(node.url, limits=LIMITS, **more) as opened:
        return opened.read(SPAN, SECRET)


@pytest.mark.parametrize("way", [None, JSON], ids=["REST", "JSON"])
def test_the_fake_node_is_good_enough(node: FakeNode, way: Way | None) -> None:
    """The control: without faults its chain is read and verified in full."""
    blocks = read(node, way=way)
    assert (blocks.n_tx, blocks.unresolved) == (1 + 1 + 2 * 29, 0)
    assert set(blocks.tables["tx"]["fee"].to_pylist()) == {0, 1000}


@pytest.mark.parametrize("way", [None, JSON], ids=["REST", "JSON"])
@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_sat_out(node: FakeNode, name: str, way: Way | None) -> None:
    """Whatever may pass is tried again, at the first call and in the middle of the blocks."""
    expected = read(node, way=way).last_hash
    node.faults.extend([PASSING[name]] * 2)
    assert read(node, way=way).last_hash == expected
    calm: Act = lambda _: False  # noqa: E731
    node.faults.extend([calm] * 20 + [PASSING[name], calm] * 3)
    assert read(node, way=way).last_hash == expected


SAID = {
    "stall": "time-out",
    "hang up": "closed connection without response",
    "cut off": "the answer was cut off",
    "garbage": "an answer that is not HTTP",
    "429": "HTTP 429",
    "500": "HTTP 500",
    "503": "HTTP 503",
}


@pytest.mark.parametrize("name", SAID)
def test_a_fault_that_stays_ends_in_one_error(node: FakeNode, source: NodeSource, name: str) -> None:
    """After the last attempt: which call, what went wrong, how often it was tried."""
    node.always = PASSING[name]
    with pytest.raises(NodeError, match=rf"usable answer to getblockhash: .*{SAID[name]}.* \(6 attempts in \d+ s\)"):
        source.tip()
    assert len(node.requests) == LIMITS.attempts


def test_a_fault_among_the_blocks_ends_in_one_error(node: FakeNode, source: NodeSource) -> None:
    """The other downloads of the span are called off, those under way when the source is closed."""
    source.read(Span(0, 3), SECRET)
    node.always = lambda handler: handler.path.startswith("/rest/block") and status(500)(handler)
    with pytest.raises(NodeError, match=r"GET /rest/block/[0-9a-f]{64}.bin: HTTP 500"):
        source.read(SPAN, SECRET)
    source.close()
    time.sleep(0.1)  # for what was on its way
    asked = len(node.requests)
    time.sleep(0.1)
    assert len(node.requests) == asked


def test_closing_does_not_wait_for_a_stalled_node(node: FakeNode) -> None:
    """Whoever interrupts a backfill gets the prompt back, whatever the node does."""
    source = NodeSource(node.url, limits=Limits())
    source.read(Span(0, 3), SECRET)
    node.always = lambda handler: handler.path.startswith("/rest") and stall(handler)
    fetch = source._start(SPAN)
    time.sleep(0.05)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 1
    assert all(block.done() for block in fetch.blocks)


def test_nobody_listens() -> None:
    """A refused connection is tried again, then said."""
    source = NodeSource(f"http://127.0.0.1:{free_port()}", limits=LIMITS)
    with source, pytest.raises(NodeError, match=r"refused.*6 attempts.*see that the node runs"):
        source.tip()


@pytest.mark.parametrize("when", ["30", formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"])
def test_retry_after_is_obeyed_within_reason(node: FakeNode, source: NodeSource, when: str) -> None:
    """A wish of seconds or a date is followed, but never beyond the longest pause."""
    node.faults.append(status(429, Retry_After=when))
    began = time.monotonic()
    source.tip()
    assert LIMITS.longest_pause_s <= time.monotonic() - began < 5


@pytest.mark.parametrize("when", ["soon", "-1", ""])
def test_a_senseless_retry_after_is_ignored(node: FakeNode, source: NodeSource, when: str) -> None:
    """The usual pause is taken then."""
    node.faults.append(status(429, Retry_After=when))
    assert source.tip().height == 30


def test_pauses_double_and_spread(source: NodeSource) -> None:
    """Exponential back-off with jitter, up to the longest pause."""
    limits = Limits(first_pause_s=1.0, longest_pause_s=10.0)
    client = NodeClient(source._client.endpoint, None, limits)
    for number, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (20, 10.0)):
        pauses = {client._pause(number, None) for _ in range(20)}
        assert len(pauses) > 1
        assert all(most / 2 <= pause <= most for pause in pauses)


def test_waiting_is_logged(node: FakeNode, source: NodeSource, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever watches a backfill stand still can see why."""
    node.faults.append(status(503))
    with caplog.at_level(logging.WARNING):
        source.tip()
    assert re.search(r"getblockhash, HTTP 503; next attempt in \d+\.\d s", caplog.text)


def test_a_starting_node_is_waited_for(node: FakeNode, source: NodeSource) -> None:
    """The warm-up error of JSON-RPC passes; if it does not, it is quoted."""
    node.faults.extend([WARM_UP] * 3)
    assert source.tip().height == 30
    node.always = WARM_UP
    with pytest.raises(NodeError, match="Loading block index"):
        source.tip()


def test_a_connection_closed_while_idle_costs_no_attempt(node: FakeNode) -> None:
    """Servers drop idle connections unannounced: the request goes out again at once."""
    node.always = answer_then_close
    with NodeSource(node.url, limits=replace(LIMITS, attempts=1)) as source:
        assert source.read(SPAN, SECRET).n_tx == 60


@pytest.mark.parametrize(("code", "words"), [(401, "wants a login"), (403, "rpcallowip")])
def test_a_refusal_is_final(node: FakeNode, source: NodeSource, code: int, words: str) -> None:
    """401 and 403 are not tried again, and say what to change."""
    node.always = status(code)
    with pytest.raises(NodeError, match=words):
        source.tip()
    assert len(node.requests) == 1


def test_a_changed_cookie_is_read_again(node: FakeNode, tmp_path: Path) -> None:
    """After a 401 the cookie file decides: changed, go on; the same, give up."""
    cookie = tmp_path / ".cookie"
    cookie.write_text("__cookie__:old")
    with NodeSource(node.url, tmp_path, limits=LIMITS) as source:
        source.tip()
        cookie.write_text("__cookie__:new")
        node.faults.append(status(401))
        assert source.tip().height == 30
        node.always = status(401)
        with pytest.raises(NodeError, match="refused the cookie"):
            source.tip()


def test_an_error_of_the_call_is_not_retried(node: FakeNode, source: NodeSource) -> None:
    """Older nodes send JSON-RPC errors under HTTP 500: that is an answer."""
    node.always = status(500, b'{"result":null,"error":{"code":-5,"message":"no such thing"},"id":0}')
    with pytest.raises(RpcError, match="refused getblockhash: no such thing"):
        source.tip()
    assert len(node.requests) == 1


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b"null", b"{}", b'{"id":0}', b'"hello"', b'[{"id":[]}]', b"<html>Hello</html>", b"\xff"]
)
def test_something_else_listens_there(node: FakeNode, source: NodeSource, body: bytes) -> None:
    """A web server or another service is told from a node, whatever it says."""
    node.always = status(200, body)
    with pytest.raises(NodeError, match=r"is that a Bitcoin node|not JSON"):
        source.tip()


@pytest.mark.parametrize("code", [301, 404, 405, 418])
def test_a_web_server_listens_there(node: FakeNode, source: NodeSource, code: int) -> None:
    """An odd HTTP status to a call is final."""
    node.always = status(code, b"<html>")
    with pytest.raises(NodeError, match=f"HTTP {code} to a call: is that a Bitcoin node"):
        source.tip()


@pytest.mark.parametrize("info", [None, [], {}, {"blocks": "many", "bestblockhash": "", "headers": 1}])
def test_nonsense_about_the_chain(node: FakeNode, source: NodeSource, info: object) -> None:
    """Answers of the wrong shape are an error, never a crash."""
    node.results["getblockchaininfo"] = info
    with pytest.raises(NodeError, match="getblockchaininfo"):
        source.tip()


@pytest.mark.parametrize("text", ["zz", 5, None, "00" * 31])
def test_nonsense_as_a_hash(node: FakeNode, source: NodeSource, text: object) -> None:
    """Hashes that are none are an error, never a crash."""
    node.results["getblockhash"] = text
    with pytest.raises(SourceError, match=r"getblockhash|no network"):
        source.read(SPAN, SECRET)


def test_another_network(node: FakeNode) -> None:
    """The genesis block decides; an unknown one is refused."""
    with pytest.raises(SourceError, match="network regtest, but signet is wanted"):
        read(node, network="signet")
    node.names[0] = "ab" * 32
    with pytest.raises(SourceError, match="no network of Bitcoin"):
        read(node)


def test_an_endless_answer_is_cut(node: FakeNode) -> None:
    """Neither bytes without end nor seconds without end are taken."""
    with NodeSource(node.url, limits=replace(LIMITS, answer_bytes=1 << 16)) as source:
        node.always = flood
        with pytest.raises(NodeError, match="more than 65536 bytes"):
            source.tip()
    with NodeSource(node.url, limits=replace(LIMITS, answer_s=0.4, attempts=1)) as source:
        node.always = drip
        with pytest.raises(NodeError, match=r"time-out \(\d+ bytes in 0.4 s\)"):
            source.tip()


@pytest.mark.parametrize("stats", [{}, None, {"txcount": -5}, {"txcount": 10**18}, {"txcount": "9" * 30}])
def test_a_node_that_does_not_count(node: FakeNode, source: NodeSource, stats: object) -> None:
    """Without a sensible transaction count there still is a plan that covers the range."""
    node.results["getchaintxstats"] = stats
    plan = source.plan(SPAN, 10**7)
    assert [height for span in plan for height in range(span.first, span.last + 1)] == list(range(31))


@pytest.mark.parametrize("header", [{}, None, {"confirmations": -1}, {"confirmations": -1, "previousblockhash": "00"}])
def test_nonsense_about_a_fork(node: FakeNode, source: NodeSource, header: object) -> None:
    """Looking for the height of a fork ends, whatever the node says."""
    source.read(Span(0, 10), SECRET)
    source._last_read = {10: bytes(32)}
    node.results["getblockheader"] = header
    with pytest.raises(NodeError, match=r"getblockheader|no fork within"):
        source.read(Span(11, 20), SECRET)


def test_json_nested_too_deep(node: FakeNode) -> None:
    """A hostile depth of brackets is garbage like any other."""
    deep = status(200, b"[" * 100_000)
    node.always = lambda handler: node.requests[-1] == "getblock" and deep(handler)
    with pytest.raises(NodeError, match="not JSON"):
        read(node, way=JSON)


def test_it_is_a_source(source: NodeSource) -> None:
    """The type checker sees that the contract of all sources is kept."""
    anyone: Source = source
    assert not anyone.workers_help


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://localhost", "http://localhost:8332"),
        ("http://u:p@10.0.0.7:18443/", "http://10.0.0.7:18443"),
        ("https://node.example/key/", "https://node.example:8332/key"),
        ("http://[::1]:8332", "http://[::1]:8332"),
    ],
)
def test_urls(url: str, where: str) -> None:
    """Host, port and path; a login is never shown again."""
    assert str(parse_url(url, 8332)[0]) == where


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8332",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://u:pw@[::1",
        "http://u:pw@:1",
        "http://u:pw@h/\u00fc",
        "http://u:pw @h",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    """What a URL should look like is said, what was in it is not."""
    with pytest.raises(NodeError, match="http://user:password@host:port") as caught:
        NodeSource(url)
    assert "pw" not in str(caught.value)
