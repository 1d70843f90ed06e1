"""POST and GET /v1/screenings."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from service import screening
from service.api import models
from service.api.metrics import DECISIONS
from service.api.problems import ProblemError
from service.api.wire import DEFAULT_PAGE, Cursor, Limit, StrictRoute, desk_of, raw, read_cursor, write_cursor
from service.desk import Desk
from service.exits import NotFoundError
from service.policy import Verdict
from store.audit import canonical, sha256

router = APIRouter(prefix="/v1/screenings", route_class=StrictRoute, tags=["screenings"])

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,200}")
ScreeningId = Annotated[str, Path(max_length=64, examples=["scr_01JMZ0000000000000000000AB"])]
FILTERS = {"decision", "address", "attempt_id", "customer_ref"}


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
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="Same key and body: the stored answer.")
    ] = None,
) -> Response:
    """Screen an address and record the decision."""
    desk, caller = desk_of(request), str(request.scope["caller"])
    asked = screening.Request(**body.model_dump(exclude={"policy"}))
    policy = desk.policy(body.policy)
    if idempotency_key is None:
        told = screening.screen(desk, asked, policy, caller=caller)
    else:
        settled = _claimed(desk, caller, idempotency_key, body)
        if isinstance(settled, Response):
            return settled
        try:
            told = screening.screen(desk, asked, policy, caller=caller, idempotency=settled)
        except BaseException:
            desk.records.release(caller, idempotency_key)
            raise
    DECISIONS.labels(told.answer["decision"], policy.name).inc()
    return raw(told.body)


def _claimed(desk: Desk, caller: str, key: str, body: models.ScreeningRequest) -> Response | tuple[str, str]:
    """Return the stored answer, or the claim under which to file a new one."""
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise ProblemError(400, "invalid_idempotency_key", "Idempotency-Key has 1 to 200 printable characters")
    fingerprint = sha256(canonical(body.model_dump()))
    stored = desk.records.claim(caller, key, fingerprint)
    return (key, fingerprint) if stored is None else raw(stored, **{"Idempotent-Replayed": "true"})


@router.get("/{screening_id}", response_model=models.Screening, operation_id="screening")
def read(request: Request, screening_id: ScreeningId) -> Response:
    """Return a screening as it was recorded, byte for byte."""
    body = desk_of(request).records.decision(screening_id)
    if body is None:
        raise NotFoundError(f"there is no screening {screening_id!r}")
    return raw(body)


@router.get("", response_model=models.ScreeningPage, operation_id="screenings")
def index(request: Request, query: Annotated[ScreeningQuery, Query()]) -> Response:
    """List screenings, newest first; `address` in canonical form."""
    match = query.model_dump(include=FILTERS, exclude_none=True)
    place = read_cursor(query.cursor)
    rows = desk_of(request).records.decisions(query.limit, place[0] if place else None, match)
    last = b'"' + write_cursor((rows[-1][0],)).encode() + b'"' if len(rows) == query.limit else b"null"
    return raw(b'{"items":[' + b",".join(body for _, body in rows) + b'],"next_cursor":' + last + b"}")
