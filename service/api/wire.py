"""How routes talk: JSON by orjson, parameters that are declared or refused, cursors that say where to go on."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import duckdb
import orjson
from fastapi import Depends, Path, Query, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.responses import Response

from service.answers import Json
from service.api.problems import Fault, ProblemError
from service.asof import NOW, AsOf
from service.desk import Desk
from service.live import Question
from service.reading import Page
from service.screening import check_chain

MAX_PAGE = 500
DEFAULT_PAGE = 50
LABEL_VERSION = r"^[0-9]{4}(\.[0-9]{2}){2}-[0-9a-f]{8}$"
IN_NO_QUERY = (params.Path, params.Header)

ChainPath = Annotated[
    str,
    Path(
        max_length=64,
        description="CAIP-2 id, or the alias `bitcoin` for the network that is indexed here.",
        examples=["bitcoin"],
    ),
]
AddressPath = Annotated[str, Path(max_length=128, description="An address of that chain.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page may have.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]


def _as_of(
    height: Annotated[
        int | None, Query(ge=0, lt=1 << 31, description="As of this height; its generation has to be built before.")
    ] = None,
    labels: Annotated[
        str | None, Query(pattern=LABEL_VERSION, description="As of this label version, likewise.")
    ] = None,
) -> AsOf:
    return AsOf(height, labels)


When = Annotated[AsOf, Depends(_as_of)]


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not declare."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler in the check."""
        handler = super().get_route_handler()
        fields = get_flat_params(self.dependant)
        declared = {field.alias for field in fields if type(field.field_info) not in IN_NO_QUERY}

        async def strict(request: Request) -> Response:
            if request.scope["query_string"]:
                _check_query(request, declared)
            return await handler(request)

        return strict


def _check_query(request: Request, declared: set[str]) -> None:
    asked = [name for name, _ in request.query_params.multi_items()]
    faults = [
        Fault(name, "unknown_parameter", f"unknown; known are: {', '.join(sorted(declared)) or 'none'}")
        for name in sorted(set(asked) - declared)
    ]
    faults += [Fault(name, "repeated", "given twice") for name in sorted(declared) if asked.count(name) > 1]
    if faults:
        detail = "; ".join(f"query parameter {fault.pointer!r}: {fault.detail}" for fault in faults)
        raise ProblemError(400, "invalid_parameter", detail, errors=faults)


def desk_of(request: Request) -> Desk:
    """Return what this process answers with."""
    desk: Desk = request.app.state.desk
    return desk


def ask(request: Request, chain: str | None, answer: Callable[[Question, Desk], Json], when: AsOf = NOW) -> Response:
    """Answer a read: take a question with the usual time limit, check the chain, write what `answer` returns."""
    desk = desk_of(request)
    try:
        with desk.live.ask(desk.settings.timeout_ms / 1000, when.generation(desk.live)) as question:
            if chain is not None:
                check_chain(chain, question.ground)
            return reply(answer(question, desk))
    except duckdb.InterruptException:
        raise ProblemError(
            503,
            "timeout",
            f"the answer took longer than {desk.settings.timeout_ms} ms (TADORU_TIMEOUT_MS); ask for a smaller page",
            headers={"Retry-After": "1"},
        ) from None


def reply(value: Any) -> Response:
    """Write an answer."""
    return Response(orjson.dumps(value), media_type="application/json")


def raw(body: bytes, **headers: str) -> Response:
    """Write an answer that is JSON already."""
    return Response(body, media_type="application/json", headers=headers)


def page(items: list[Json], place: tuple[int, ...] | None) -> Json:
    """Write one page and where the next goes on."""
    return {"items": items, "next_cursor": None if place is None else write_cursor(place)}


def pinned_page(
    question: Question, place: tuple[int, ...] | None, read: Callable[[tuple[int, ...] | None], Page]
) -> Json:
    """One page of a listing whose places hold in one generation only; raises ProblemError for another's cursor."""
    stamp = int.from_bytes(hashlib.sha256(question.ground.generation.id.encode()).digest()[:7], "big")
    if place is not None and place[0] != stamp:
        fault = Fault("cursor", "invalid_cursor", "ask for the first page again")
        detail = "a new generation was published since the page before, and its rows are numbered anew"
        raise ProblemError(400, "invalid_cursor", detail, errors=[fault])
    items, last = read(None if place is None else place[1:])
    return page(items, None if last is None else (stamp, *last))


def write_cursor(place: tuple[int, ...]) -> str:
    """Write a place as an opaque text."""
    return base64.urlsafe_b64encode(".".join(map(str, place)).encode()).decode().rstrip("=")


def read_cursor(text: str | None, parts: int = 1) -> tuple[int, ...] | None:
    """Read a place of `parts` 64-bit numbers; raises ProblemError for a cursor that is none of ours."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        numbers = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").split(".")
        place = tuple(int(number) for number in numbers)
    except (ValueError, binascii.Error):
        place = ()
    if len(place) != parts or any(abs(number) >= 1 << 63 for number in place):
        fault = Fault("cursor", "invalid_cursor", "send next_cursor of the page before, unchanged")
        raise ProblemError(400, "invalid_cursor", "the cursor is none of ours", errors=[fault])
    return place
