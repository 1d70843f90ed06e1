"""Talk to a Bitcoin node: JSON-RPC and REST over kept-alive connections, with patience and clear errors.

The standard library's HTTP client carries it. python-bitcoinlib's proxy stays broken after the server's idle
time-out and knows no REST; httpx needs four times the processor time for small answers.
"""

import json
import logging
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from secrets import SystemRandom
from typing import Any, NamedTuple, TypeVar

import orjson

from chains.bitcoin.login import Endpoint, Login, authorization
from chains.errors import NodeError

# The node is overloaded, starting, or something in between is: worth another attempt.
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
# Older nodes put JSON-RPC errors under these.
RPC_ERROR_STATUS = frozenset({400, 404, 500})
WARMING_UP = -28
CALLS_PER_REQUEST = 1000
PIECE_BYTES = 1 << 20
_log = logging.getLogger(__name__)
_random = SystemRandom()
_T = TypeVar("_T")


class RpcError(NodeError):
    """The node understood the call and refused it; `code` is its JSON-RPC error code."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Answer(NamedTuple):
    """An HTTP answer that came whole."""

    status: int
    body: bytes
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for a node, how often to ask again, and how much to take from it."""

    connect_s: float = 5.0
    silence_s: float = 60.0
    answer_s: float = 300.0
    attempts: int = 7
    first_pause_s: float = 0.25
    longest_pause_s: float = 30.0
    answer_bytes: int = 1 << 29  # a block is at most 4 MB; what it spends may be many times that
    connections: int = 4


class _HiccupError(Exception):
    """An attempt failed in a way that may pass; never leaves this module."""

    def __init__(self, trouble: str, wait_s: float | None = None) -> None:
        super().__init__(trouble)
        self.wait_s = wait_s


class NodeClient:
    """One node; safe to use from several threads, each request on a connection of its own."""

    def __init__(self, endpoint: Endpoint, login: Login, limits: Limits, network: str | None = None) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self._login = login
        self._network = network
        self._header = ""
        self._idle: deque[HTTPConnection] = deque()
        self._busy: set[HTTPConnection] = set()
        self._closed = threading.Event()
        self._closer = weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close every connection; requests under way in other threads end with an error, without more attempts."""
        self._closed.set()
        _close_all(self._idle)
        for link in tuple(self._busy):
            with suppress(OSError, AttributeError):  # it may end by itself at this moment
                link.sock.shutdown(socket.SHUT_RDWR)

    def get(self, path: str) -> Answer:
        """REST: the answer at a path, 200 or whatever the node means by another status.

        Raises
        ------
        NodeError
            No usable answer after every attempt, or access refused.
        """
        return self._persist(f"GET {path}", lambda: _check_status(self._exchange("GET", path, None)))

    def call(self, method: str, *params: Any, exact: bool = False) -> Any:
        """JSON-RPC: one call; `exact` keeps decimals as text.

        Raises
        ------
        RpcError
            The node refused the call.
        NodeError
            No usable answer after every attempt, or access refused.
        """
        request = orjson.dumps(_request(0, method, params))
        return _result(self._persist(method, lambda: self._json(request, exact=exact)), method, self.endpoint)

    def many(self, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
        """JSON-RPC: one method over many parameters, in batches; errors as in `call`."""
        results: list[Any] = []
        for start in range(0, len(params), CALLS_PER_REQUEST):
            results += self._batch(method, params[start : start + CALLS_PER_REQUEST])
        return results

    def _batch(self, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
        request = orjson.dumps([_request(i, method, each) for i, each in enumerate(params)])
        answers = self._persist(method, lambda: self._json(request, exact=False))
        if isinstance(answers, dict) and answers.get("error"):  # the batch as a whole is refused
            _result(answers, method, self.endpoint)
        items = answers if isinstance(answers, list) else []
        by_id = {str(answer.get("id")): answer for answer in items if isinstance(answer, dict)}
        return [_result(by_id.get(str(i)), method, self.endpoint) for i in range(len(params))]

    def _json(self, request: bytes, *, exact: bool) -> Any:
        """One attempt at a JSON-RPC request; errors of single calls are left in the answer."""
        answer = self._exchange("POST", "/", request)
        if answer.status not in RPC_ERROR_STATUS:
            _check_status(answer)
        try:
            parsed = json.loads(answer.body, parse_float=str) if exact else orjson.loads(answer.body)
        except (ValueError, RecursionError):
            if answer.status == HTTPStatus.OK:
                raise _HiccupError("an answer that is not JSON") from None
            _check_status(answer)
            raise NodeError(
                f"{self.endpoint} answered HTTP {answer.status} to a call: is that a Bitcoin node's RPC port?"
            ) from None
        if isinstance(parsed, dict) and _code(parsed) == WARMING_UP:
            raise _HiccupError(f"it is starting: {parsed['error'].get('message')}")
        return parsed

    def _persist(self, what: str, attempt: Callable[[], _T]) -> _T:
        """Try until it works, waiting longer and longer, as the limits say."""
        began = time.monotonic()
        for number in range(1, self.limits.attempts + 1):
            try:
                return attempt()
            except _HiccupError as hiccup:
                trouble = hiccup
            if self._closed.is_set():
                break
            if number < self.limits.attempts:
                pause = self._pause(number, trouble.wait_s)
                _log.warning("%s: %s, %s; next attempt in %.1f s", self.endpoint, what, trouble, pause)
                self._closed.wait(pause)
        raise NodeError(
            f"{self.endpoint} gave no usable answer to {what}: {trouble} ({number} attempts in "
            f"{time.monotonic() - began:.0f} s); see that the node runs and can be reached, then start again"
        )

    def _pause(self, number: int, asked_s: float | None) -> float:
        """Seconds before the next attempt: doubling, with jitter so that threads spread."""
        if asked_s is not None:
            return min(asked_s, self.limits.longest_pause_s)
        pause = min(self.limits.first_pause_s * (1 << number - 1), self.limits.longest_pause_s)
        return pause * float(_random.uniform(0.5, 1.0))

    def _exchange(self, verb: str, path: str, body: bytes | None) -> Answer:
        """One attempt at a request; a cookie that changed since is read again."""
        header = self._header or self._read_login()
        answer = self._roundtrip(verb, path, body, header)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._read_login() != header:
            answer = self._roundtrip(verb, path, body, self._header)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise NodeError(
                f"{self.endpoint} refuses this machine or this call (HTTP 403): see rpcallowip and rpcwhitelist in "
                "the node's configuration"
            )
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise NodeError(self._refused())
        return answer

    def _refused(self) -> str:
        """Say why the login failed and what to do."""
        if self._login is None:
            return f"{self.endpoint} wants a login (HTTP 401): give user:password in the URL, or its cookie file"
        what = "cookie" if isinstance(self._login, Path) else "user or password"
        return f"{self.endpoint} refused the {what} (HTTP 401): compare it with the node's own configuration"

    def _read_login(self) -> str:
        self._header = authorization(self._login, self._network)
        return self._header

    def _roundtrip(self, verb: str, path: str, body: bytes | None, header: str) -> Answer:
        """Send on a kept connection; if the server closed it meanwhile, on a fresh one at once."""
        headers = {"Authorization": header} if header else {}
        try:
            link = self._idle.pop()
        except IndexError:
            pass
        else:
            try:
                return self._on(link, verb, path, body, headers)
            except ConnectionError:
                pass
            except (OSError, HTTPException) as err:
                raise _HiccupError(_words(err)) from None
        if self._closed.is_set():
            raise _HiccupError("it was closed from this side")
        try:
            link = self.endpoint.connect(self.limits.connect_s)
            return self._on(link, verb, path, body, headers)
        except (OSError, HTTPException) as err:
            raise _HiccupError(_words(err)) from None

    def _on(self, link: HTTPConnection, verb: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        self._busy.add(link)
        try:
            link.sock.settimeout(self.limits.silence_s)
            link.request(verb, self.endpoint.path + path, body, headers)
            with link.getresponse() as response:
                answer = Answer(response.status, self._body(response), _retry_after(response))
                keep = not response.will_close
        except BaseException:
            link.close()
            raise
        finally:
            self._busy.discard(link)
        if keep and not self._closed.is_set():
            self._idle.append(link)
        else:
            link.close()
        return answer

    def _body(self, response: HTTPResponse) -> bytes:
        """Read an answer to its end, but not for ever and not without bound."""
        deadline = time.monotonic() + self.limits.answer_s
        pieces, size = [], 0
        while piece := response.read1(PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > self.limits.answer_bytes:
                raise NodeError(
                    f"{self.endpoint} answered with more than {self.limits.answer_bytes} bytes: no block is so large"
                )
            if time.monotonic() > deadline:
                raise TimeoutError(f"{size} bytes in {self.limits.answer_s} s")
        if response.length:
            raise IncompleteRead(b"", response.length)
        return b"".join(pieces)


def _close_all(links: deque[HTTPConnection]) -> None:
    while links:
        links.pop().close()


def _request(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _check_status(answer: Answer) -> Answer:
    """Raise a hiccup for a status that may pass."""
    if answer.status in TRY_AGAIN:
        raise _HiccupError(f"HTTP {answer.status}", answer.retry_after)
    return answer


def _code(answer: dict[str, Any]) -> int:
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 0


def _result(answer: Any, method: str, endpoint: Endpoint) -> Any:
    """Return the result of one call, or raise its error."""
    if not isinstance(answer, dict):
        raise NodeError(f"{endpoint} answered {method} with something that is not JSON-RPC: is that a Bitcoin node?")
    if answer.get("error"):
        error = answer["error"]
        message = error.get("message", error) if isinstance(error, dict) else error
        raise RpcError(f"{endpoint} refused {method}: {message}", _code(answer))
    if "result" not in answer:
        raise NodeError(f"{endpoint} answered {method} without a result: is that a Bitcoin node?")
    return answer["result"]


def _retry_after(response: HTTPResponse) -> float | None:
    """Seconds of a Retry-After header, which may also be a date."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _words(err: Exception) -> str:
    """Say what happened to a connection."""
    if isinstance(err, TimeoutError):
        return "time-out" + (f" ({err})" if str(err) != "timed out" else "")
    if isinstance(err, IncompleteRead):
        return "the answer was cut off"
    if isinstance(err, HTTPException) and not isinstance(err, ConnectionError):
        return "an answer that is not HTTP"
    return str(err) or type(err).__name__
