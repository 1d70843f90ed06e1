"""The edge: request id, caller, limits, metrics, and every error as problem+json; plain ASGI, no copies.

Who may ask: while no key exists only loopback clients, without a proxy in between; once a key exists, every
caller brings one. Looked-up keys are remembered for a second, so a revocation bites within that.
"""

import random
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from logging import getLogger
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from chains.errors import TadoruError
from service.api.metrics import LATENCY, REQUESTS
from service.api.problems import ProblemError, problem_of, render
from service.settings import Settings
from store.audit import timestamp
from store.records import Key, Records

if TYPE_CHECKING:
    from starlette.responses import Response

LOG = getLogger(__name__)
LOCAL = "local"
KEY_MEMORY_S = 1.0
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
TOKEN = re.compile(r"[!-~]{8,200}")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Window:
    """Requests of one caller in the current second."""

    second: int
    count: int


class Callers:
    """Who is asking: keys by their bearer token, and how often each has asked this second."""

    def __init__(self, records: Records, rate_limit: int) -> None:
        self._records = records
        self._limit = rate_limit
        self._known: dict[str, tuple[float, Key | None]] = {}
        self._any: tuple[float, bool] = (0.0, False)
        self._windows: dict[str, Window] = {}
        self._noted: set[tuple[str, str]] = set()

    async def caller(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """Return the caller's name; raises ProblemError where he may not ask this."""
        if not await self._keys_exist():
            _check_loopback(scope, headers)
            return LOCAL
        key = await self._key(headers.get(b"authorization", b"").decode("latin-1"))
        enough = scopes_enough(scope["method"], scope["path"])
        if not {*enough, "admin"} & set(key.scopes):
            needed = " or ".join(enough)
            raise ProblemError(403, "scope", f"key {key.id} has scopes {', '.join(key.scopes)}; needs {needed}")
        await self._note(key.id)
        return key.id

    def count(self, caller: str) -> list[tuple[bytes, bytes]]:
        """Count a request and return the RateLimit headers; raises ProblemError over the limit."""
        if not self._limit:
            return []
        second = int(time.monotonic())
        window = self._windows.get(caller)
        if window is None or window.second != second:
            window = self._windows[caller] = Window(second, 0)
        window.count += 1
        left = max(0, self._limit - window.count)
        if window.count > self._limit:
            raise ProblemError(
                429,
                "rate_limited",
                f"more than {self._limit} requests in a second; slow down",
                headers={"Retry-After": "1"},
            )
        policy = f'"second";q={self._limit};w=1'.encode()
        return [(b"ratelimit-policy", policy), (b"ratelimit", f'"second";r={left};t=1'.encode())]

    async def _keys_exist(self) -> bool:
        now = time.monotonic()
        if now - self._any[0] > KEY_MEMORY_S:
            keys = await run_in_threadpool(self._records.keys)
            self._any = now, bool(keys)
        return self._any[1]

    async def _key(self, header: str) -> Key:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not TOKEN.fullmatch(token):
            raise _unauthenticated("send Authorization: Bearer tdr_…; make a key with `tadoru keys create`")
        now = time.monotonic()
        at, key = self._known.get(token, (-KEY_MEMORY_S, None))
        if now - at >= KEY_MEMORY_S:
            key = await run_in_threadpool(self._records.key_of, token)
            if len(self._known) > 1000:  # noqa: PLR2004 wrong tokens must not fill the memory
                self._known.clear()
            self._known[token] = now, key
        if key is None or not key.active(timestamp()):
            raise _unauthenticated("the key is unknown, revoked or expired")
        return key

    async def _note(self, key_id: str) -> None:
        """Put a key's first use on a day into the audit chain."""
        use = key_id, timestamp()[:10]
        if use not in self._noted:
            self._noted.add(use)
            await run_in_threadpool(self._records.append, key_id, "key.used", key_id, {"day": use[1]})


class Guard:
    """The outermost layer around the routes."""

    def __init__(self, app: App, settings: Settings, callers: Callable[[], Callers]) -> None:
        self._app = app
        self._settings = settings
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sent = _Sent(send, _request_id(headers))
        scope["request_id"] = sent.request_id
        try:
            await self._guarded(scope, headers, receive, sent)
        except ProblemError as error:
            await sent.problem(scope, receive, error)
        except TadoruError as error:
            await sent.problem(scope, receive, problem_of(error))
        except Exception:
            LOG.exception("request %s failed", sent.request_id)
            detail = "the request met a defect; report it with the request_id"
            await sent.problem(scope, receive, ProblemError(500, "internal", detail))
        _measure(scope, sent)

    async def _guarded(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, sent: "_Sent") -> None:
        if scope["path"] not in OPEN_PATHS:
            callers = self._callers()
            scope["caller"] = await callers.caller(scope, headers)
            sent.extra += callers.count(scope["caller"])
        if scope["method"] == "POST":
            _check_type(headers)
            receive = _limited(receive, headers, self._settings.max_body, sent)
        await self._app(scope, receive, sent)


class _Sent:
    """The way out: adds headers, remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.started = time.perf_counter()
        self.status = 0
        self.refused: ProblemError | None = None
        self.extra: list[tuple[bytes, bytes]] = [
            (b"x-request-id", request_id.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(self, message: Message) -> None:
        refused, self.refused = self.refused, None
        if refused is not None:
            raise refused  # in place of what the application makes of a body that ended in an error
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self.extra]
        await self._send(message)

    async def problem(self, scope: Scope, receive: Receive, error: ProblemError) -> None:
        """Answer with a problem, unless the answer has begun already."""
        if not self.status:
            answer: Response = render(error, self.request_id, scope["path"])
            await answer(scope, receive, self)


def scopes_enough(method: str, path: str) -> tuple[str, ...]:
    """Return the scopes any of which a request asks for; who audits reads and replays records, but decides nothing."""
    reads = method in {"GET", "HEAD", "OPTIONS"}
    if path.startswith("/v1/screenings"):
        return ("screen", "audit") if reads or path.endswith("/replay") else ("screen",)
    return ("read",) if reads else ("admin",)


def _check_loopback(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Refuse who is not on this machine: by address, through a proxy, or by another host's name."""
    client = (scope.get("client") or ("", 0))[0]
    try:
        local = ip_address(client).is_loopback
    except ValueError:
        local = client == ""  # a unix socket
    if b"forwarded" in headers or b"x-forwarded-for" in headers:
        local = False
    host = headers.get(b"host", b"localhost").decode("latin-1").lower()
    name = re.sub(r":\d+$", "", host)
    if not local or name not in LOOPBACK_NAMES:
        raise _unauthenticated(
            "no key is configured, so only clients on this machine are answered; make a key with `tadoru keys create`"
        )


def _unauthenticated(detail: str) -> ProblemError:
    return ProblemError(401, "unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="tadoru"'})


def _request_id(headers: dict[bytes, bytes]) -> str:
    asked = headers.get(b"x-request-id", b"").decode("latin-1")
    return asked if REQUEST_ID.fullmatch(asked) else f"req_{random.getrandbits(96):024x}"


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _check_type(headers: dict[bytes, bytes]) -> None:
    """Refuse a body that is no JSON; from a page (`Origin`) nothing goes without, so that its browser asks us first."""
    if not _has_body(headers) and b"origin" not in headers:
        return
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise ProblemError(415, "media_type", "send the body as Content-Type: application/json")


def _limited(receive: Receive, headers: dict[bytes, bytes], limit: int, sent: _Sent) -> Receive:
    """Refuse a body over the limit, by what it says of itself or by what arrives."""
    told = headers.get(b"content-length", b"0")
    too_large = ProblemError(413, "too_large", f"a request body may have {limit} bytes")
    if not told.isdigit() or int(told) > limit:
        raise too_large
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            sent.refused = too_large
            raise too_large
        return message

    return counted


def _measure(scope: Scope, sent: _Sent) -> None:
    route = getattr(scope.get("route"), "path", "none")
    LATENCY.labels(route).observe(time.perf_counter() - sent.started)
    REQUESTS.labels(scope["method"] if route != "none" else "-", route, sent.status or 500).inc()
