"""/v1/screenings: decide, read what was decided, ask it again, export it."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from service import replay, report, screening
from service.answers import Json
from service.api import models, record_models
from service.api.metrics import DECISIONS
from service.api.problems import ProblemError
from service.api.wire import DEFAULT_PAGE, Cursor, Limit, StrictRoute, desk_of, raw, read_cursor, reply, write_cursor
from service.desk import Desk
from service.exits import NotFoundError
from service.policy import Verdict
from service.screening import Told
from store.audit import canonical, sha256

router = APIRouter(prefix="/v1/screenings", route_class=StrictRoute, tags=["screenings"])

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,200}")
ScreeningId = Annotated[str, Path(max_length=64, examples=["scr_01JMZ0000000000000000000AB"])]
IdempotencyKey = Annotated[str | None, Header(max_length=200, description="Same key and body: the stored answer.")]
FILTERS = {"decision", "address", "attempt_id", "customer_ref"}
# The page is one file without scripts; whatever was written into a label stays text.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
Filer = Callable[[tuple[str, str] | None], Told]
"""Files a screening under an Idempotency-Key and the SHA-256 of its request."""


class ScreeningQuery(BaseModel):
    """Which screenings to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: Verdict | None = None
    address: models.AddressText | None = None
    attempt_id: models.Name | None = None
    customer_ref: models.Name | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor = None


@router.post("", response_model=models.Screening, operation_id="screen")
def create(
    request: Request,
    body: models.ScreeningRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Screen an address and record the decision."""
    desk, caller = desk_of(request), str(request.scope["caller"])
    asked = screening.Request(**body.model_dump(exclude={"policy"}))
    policy = desk.policy(body.policy)
    return _file(
        (desk, caller, idempotency_key),
        body.model_dump(),
        lambda claim: screening.screen(desk, asked, policy, caller=caller, idempotency=claim),
    )


def _file(asking: tuple[Desk, str, str | None], body: Json, file: Filer) -> Response:
    """File a screening, or return what was filed under the same Idempotency-Key before."""
    desk, caller, key = asking
    if key is None:
        told = file(None)
    else:
        settled = _claimed(desk, caller, key, body)
        if isinstance(settled, Response):
            return settled
        try:
            told = file(settled)
        except BaseException:
            desk.records.release(caller, key)
            raise
    DECISIONS.labels(told.answer["decision"], told.answer["policy"]).inc()
    return raw(told.body)


def _claimed(desk: Desk, caller: str, key: str, body: Json) -> Response | tuple[str, str]:
    """Return the stored answer, or the claim under which to file a new one."""
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise ProblemError(400, "invalid_idempotency_key", "Idempotency-Key has 1 to 200 printable characters")
    fingerprint = sha256(canonical(body))
    stored = desk.records.claim(caller, key, fingerprint)
    return (key, fingerprint) if stored is None else raw(stored, **{"Idempotent-Replayed": "true"})


@router.get("/{screening_id}", response_model=models.Screening, operation_id="screening")
def read(request: Request, screening_id: ScreeningId) -> Response:
    """Return a screening as it was recorded, byte for byte."""
    return raw(_filed(desk_of(request), screening_id))


def _filed(desk: Desk, screening_id: str) -> bytes:
    body = desk.records.decision(screening_id)
    if body is None:
        raise NotFoundError(f"there is no screening {screening_id!r}")
    return body


@router.get("", response_model=models.ScreeningPage, operation_id="screenings")
def index(request: Request, query: Annotated[ScreeningQuery, Query()]) -> Response:
    """List screenings, newest first; `address` in canonical form."""
    match = query.model_dump(include=FILTERS, exclude_none=True)
    place = read_cursor(query.cursor)
    rows = desk_of(request).records.decisions(query.limit, place[0] if place else None, match)
    last = b'"' + write_cursor((rows[-1][0],)).encode() + b'"' if len(rows) == query.limit else b"null"
    return raw(b'{"items":[' + b",".join(body for _, body in rows) + b'],"next_cursor":' + last + b"}")


@router.post("/{screening_id}/replay", response_model=record_models.Replay, operation_id="replay")
def ask_again(request: Request, screening_id: ScreeningId, _body: models.NoBody | None = None) -> Response:
    """Answer a recorded screening again from the data that it cites, and say whether the same came out.

    404 where no generation of that height and those labels is here; the problem names the command that builds it.
    """
    return reply(replay.replay(desk_of(request), screening_id, str(request.scope["caller"])))


@router.post("/{screening_id}/rescreen", response_model=models.Screening, operation_id="rescreen")
def ask_now(
    request: Request,
    screening_id: ScreeningId,
    _body: models.NoBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask a recorded screening's question of today's data and policy, and record the answer beside the earlier one."""
    desk, caller = desk_of(request), str(request.scope["caller"])
    return _file(
        (desk, caller, idempotency_key),
        {"rescreen": screening_id},
        lambda claim: replay.rescreen(desk, screening_id, caller, claim),
    )


@router.get(
    "/{screening_id}/report",
    response_model=record_models.Report,
    operation_id="report",
    responses={200: {"content": {"text/csv": {}, "text/html": {}}}},
)
def export(
    request: Request,
    screening_id: ScreeningId,
    form: Annotated[Literal["json", "csv", "html"], Query(alias="format")] = "json",
) -> Response:
    """Export a recorded screening: with a manifest of hashes, as rows of exposures, or as a page to print."""
    told = report.report(_filed(desk_of(request), screening_id), form)
    headers = {"Content-Disposition": f'{told.disposition}; filename="{told.name}"'}
    if form == "html":
        headers["Content-Security-Policy"] = PAGE_POLICY
    return Response(told.body, media_type=told.media_type, headers=headers)
