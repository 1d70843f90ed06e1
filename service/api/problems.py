"""Errors as RFC 9457 problem+json: one table from what went wrong to what the caller is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from chains.errors import AddressError, TadoruError
from service.exits import BadInputError, NotFoundError, NotReadyError
from store.errors import BusyError, DamagedError, DiskError
from store.manifest import NoIndexError
from store.record_tables import AttemptExistsError, InFlightError, KeyReusedError

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Malformed request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "No such resource",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request body too large",
    415: "Unsupported media type",
    422: "Request can not be answered",
    429: "Too many requests",
    500: "Internal error",
    503: "Not ready",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that is wrong: JSON pointer (or query name), code and words."""

    pointer: str
    code: str
    detail: str


class ProblemError(Exception):
    """An answer that is a problem; raised wherever one is met, turned into words by the app."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


# First match wins: status, code, seconds after which to ask again.
TABLE: tuple[tuple[type[TadoruError], int, str, int | None], ...] = (
    (AddressError, 422, "invalid_address", None),
    (NotFoundError, 404, "not_found", None),
    (NoIndexError, 404, "no_generation", None),
    (NotReadyError, 503, "index_not_ready", 30),
    (AttemptExistsError, 409, "attempt_exists", None),
    (KeyReusedError, 422, "idempotency_key_reused", None),
    (InFlightError, 409, "in_flight", 1),
    (BusyError, 503, "busy", 1),
    (DiskError, 503, "disk", 30),
    (DamagedError, 500, "damaged", None),
)


def problem_of(error: TadoruError) -> ProblemError:
    """Return the problem that an error of the lower layers is to the caller."""
    if isinstance(error, BadInputError):
        faults = [Fault(error.pointer, error.code, str(error))] if error.pointer else []
        return ProblemError(422, error.code, str(error), errors=faults)
    for kind, status, code, again in TABLE:
        if isinstance(error, kind):
            headers = {} if again is None else {"Retry-After": str(again)}
            return ProblemError(status, code, str(error), headers=headers)
    return ProblemError(500, "failed", str(error))


def render(problem: ProblemError, request_id: str, instance: str) -> Response:
    """Write a problem as the answer to one request."""
    body: dict[str, Any] = {
        "type": f"urn:tadoru:problem:{problem.code}",
        "title": TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "code": problem.code,
        "request_id": request_id,
        "retryable": "Retry-After" in problem.headers,
        "errors": [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in problem.errors],
    }
    return Response(orjson.dumps(body), problem.status, problem.headers, MEDIA_TYPE)


def faults_of(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    """Return the problem of a request that does not fit the declared fields (pydantic's error list)."""
    first_place = errors[0]["loc"][0] if errors[0]["loc"] else "body"
    if any(error["type"] == "json_invalid" for error in errors):
        reason = errors[0].get("ctx", {}).get("error")
        return ProblemError(400, "invalid_json", f"the body is no JSON: {reason}")
    faults = [Fault(_pointer(error["loc"]), error["type"], error["msg"]) for error in errors]
    detail = "; ".join(f"{fault.pointer or '/'}: {fault.detail}" for fault in faults[:5])
    return ProblemError(
        422 if first_place == "body" else 400,
        "invalid_body" if first_place == "body" else "invalid_parameter",
        detail,
        errors=faults,
    )


def _pointer(place: Sequence[Any]) -> str:
    """Return a JSON pointer for the body's fields, the bare name for a parameter."""
    where, *parts = [str(part) for part in place] or ["body"]
    if where != "body":
        return ".".join(parts)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
