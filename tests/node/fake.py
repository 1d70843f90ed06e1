"""A node that misbehaves on demand: a small regtest chain behind a real HTTP server on 127.0.0.1."""

import json
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bitcoin.core import CBlock, CMutableTransaction, CMutableTxIn, CMutableTxOut, CoreRegTestParams, COutPoint
from bitcoin.core.script import OP_1, CScript, CScriptOp

COIN = 50 * 10**8
FEE = 1_000
ANYONE = bytes((OP_1,))
EASY = 0x207FFFFF


@dataclass(frozen=True)
class FakeBlock:
    """A block with what it spends."""

    raw: bytes
    spent: tuple[int, ...] = ()
    """Values in satoshi; everything here is locked with OP_1."""

    @property
    def name(self) -> str:
        """Its hash as displayed."""
        return sha256(sha256(self.raw[:80]).digest()).digest()[::-1].hex()

    @property
    def prevouts(self) -> bytes:
        """As REST `spenttxouts`."""
        outputs = [b"\x01" + struct.pack("<q", value) + b"\x01" + ANYONE for value in self.spent]
        return bytes((1 + len(self.spent), 0)) + b"".join(outputs)

    def verbose(self) -> dict[str, Any]:
        """As `getblock` verbosity 3, as far as anyone reads it."""
        spends = [{"value": value, "scriptPubKey": {"hex": ANYONE.hex()}} for value in self.spent]
        return {"tx": [{"vin": [{"coinbase": "00"}]}, *({"vin": [{"prevout": each}]} for each in spends)]}


@cache
def chain(n: int = 30) -> tuple[FakeBlock, ...]:
    """Mine a chain from regtest's genesis: from height 2 on, each block spends the coinbase before it."""
    blocks = [FakeBlock(CoreRegTestParams.GENESIS_BLOCK.serialize())]
    coinbase = None
    for height in range(1, n + 1):
        spend: list[CMutableTransaction] = []
        if coinbase is not None:
            spend.append(_pay(COutPoint(coinbase.GetTxid(), 0), CScript(), COIN - FEE))
        coinbase = _pay(COutPoint(), CScript([_small(height), b"fake"]), COIN)
        raw = _mine(bytes.fromhex(blocks[-1].name)[::-1], [coinbase, *spend], 1_600_000_000 + height)
        blocks.append(FakeBlock(raw, (COIN,) * len(spend)))
    return tuple(blocks)


def _small(number: int) -> CScriptOp | bytes:
    return CScriptOp.encode_op_n(number) if number <= 16 else bytes((number,))


def _pay(origin: COutPoint, proof: CScript, value: int) -> CMutableTransaction:
    return CMutableTransaction([CMutableTxIn(origin, proof)], [CMutableTxOut(value, CScript(ANYONE))])


def _mine(prev: bytes, txs: list[CMutableTransaction], time: int) -> bytes:
    """Find a nonce; the target is met by every second hash."""
    block = CBlock(4, prev, nTime=time, nBits=EASY, vtx=txs)
    tail: bytes = block.serialize()[80:]
    for nonce in range(1000):
        header: bytes = struct.pack("<i", 4) + prev + block.calc_merkle_root() + struct.pack("<III", time, EASY, nonce)
        if sha256(sha256(header).digest()).digest()[-1] < 0x7F:
            return header + tail
    raise AssertionError("no nonce")


class QuietServer(ThreadingHTTPServer):
    """Clients that hang up are expected here."""

    def handle_error(self, *_: object) -> None:
        """Keep quiet."""


Act = Callable[["Handler"], bool]
"""A fault: acts on a request in place of the answer (True) or lets it pass (False)."""


@dataclass
class FakeNode:
    """What the server answers from, and how it misbehaves."""

    blocks: dict[str, FakeBlock] = field(default_factory=lambda: {block.name: block for block in chain()})
    names: list[str] = field(default_factory=lambda: [block.name for block in chain()])
    rest: bool = True
    faults: deque[Act] = field(default_factory=deque)
    always: Act | None = None
    requests: list[str] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    """Results of calls that are not as they should be."""
    bodies: dict[str, bytes] = field(default_factory=dict)
    """REST answers that are not as they should be, by path."""
    ended: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def call(self, method: str, params: list[Any]) -> Any:
        """Answer one JSON-RPC call; a KeyError or IndexError becomes an error object."""
        if method in self.results:
            answer = self.results[method]
            return answer(*params) if callable(answer) else answer
        return getattr(self, f"_{method}")(*params)

    def get(self, path: str) -> tuple[int, bytes]:
        """Answer one REST request."""
        if path in self.bodies:
            return 200, self.bodies[path]
        _, _, what, name = path.split("/")
        name = name.removesuffix(".bin")
        if not self.rest:
            return 404, b""
        if len(name) != 64:
            return 400, b"Invalid hash"
        if name not in self.blocks:
            return 404, b"not found"
        block = self.blocks[name]
        return 200, block.raw if what == "block" else block.prevouts

    def _getblockhash(self, height: int) -> str:
        return self.names[height]

    def _getblockchaininfo(self) -> dict[str, Any]:
        last = len(self.names) - 1
        return {"blocks": last, "headers": last, "bestblockhash": self.names[-1], "pruned": False}

    def _getchaintxstats(self, _count: int, name: str) -> dict[str, Any]:
        return {"txcount": 2 * self.names.index(name) + 1}

    def _getblock(self, name: str, verbosity: int) -> Any:
        return self.blocks[name].raw.hex() if verbosity == 0 else self.blocks[name].verbose()


class Handler(BaseHTTPRequestHandler):
    """One request to the fake node."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    node: FakeNode

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """REST."""
        if not self._misbehaves("GET " + self.path):
            self.answer(*self.node.get(self.path))

    def do_POST(self) -> None:
        """JSON-RPC, single and in batches."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        calls = asked if isinstance(asked, list) else [asked]
        if self._misbehaves(calls[0]["method"]):
            return
        answers = [self._one(call) for call in calls]
        body = json.dumps(answers if isinstance(asked, list) else answers[0], default=str)
        self.answer(200, _amounts(body).encode())

    def _one(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"id": call["id"], "result": self.node.call(call["method"], call["params"])}
        except IndexError:
            return {"id": call["id"], "error": {"code": -8, "message": "Block height out of range"}}

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _misbehaves(self, what: str) -> bool:
        self.node.requests.append(what)
        act = self.node.faults.popleft() if self.node.faults else self.node.always
        return act is not None and act(self)


def _amounts(body: str) -> str:
    """Write satoshi as bitcoin, the way a node does: eight decimals."""
    for value in (COIN, COIN - FEE):
        body = body.replace(f'"value": {value},', f'"value": {value // 10**8}.{value % 10**8:08d},')
    return body


def status(code: int, body: bytes = b"", **headers: str) -> Act:
    """Answer with an HTTP status."""

    def act(handler: Handler) -> bool:
        handler.answer(code, body, **headers)
        return True

    return act


def stall(handler: Handler) -> bool:
    """Say nothing until the test is over."""
    handler.node.ended.wait(10)
    return hang_up(handler)


def hang_up(handler: Handler) -> bool:
    """Close the connection without an answer."""
    handler.close_connection = True
    return True


def cut_off(handler: Handler) -> bool:
    """Promise more than is sent."""
    handler.answer(200, b'{"id": 0, "res', length="5000")
    return hang_up(handler)


def garbage(handler: Handler) -> bool:
    """Speak something that is not HTTP."""
    handler.wfile.write(b"\x00\xffSSH-2.0-nonsense\r\n" * 5)
    return hang_up(handler)


def drip(handler: Handler) -> bool:
    """Send an answer byte by byte, for ever."""
    handler.answer(200, b"", length="100000")
    while not handler.node.ended.wait(0.02):
        try:
            handler.wfile.write(b"x")
        except OSError:
            break
    return hang_up(handler)


def flood(handler: Handler) -> bool:
    """Send more than any block could be."""
    with suppress(OSError):
        handler.answer(200, bytes(1 << 20))
    return hang_up(handler)


def answer_then_close(handler: Handler) -> bool:
    """Answer properly, then close the connection without having said so."""
    handler.close_connection = True
    return False


@contextmanager
def serving(node: FakeNode) -> Iterator[FakeNode]:
    """Serve a fake node for the length of a `with` block."""
    kind = type("ThisHandler", (Handler,), {"node": node})
    server = QuietServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield node
    finally:
        node.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
