"""The OpenAPI 3.1 document: FastAPI's, with the problems and headers that every call may answer with."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.api.status_models import Problem

DESCRIPTION = """\
On-chain attribution and tracing: who is behind an address, whom it dealt with, and what to do about it, with evidence.

**Proceed only if `decision == "allow"` and `status == "complete"`.**

Amounts are decimal strings with their currency, shares and confidences decimal strings from 0 to 1, times RFC 3339
UTC. An address that was never seen on chain is a 200 with `seen_on_chain: false`; 404 is for unknown resource ids.
Unknown fields and query parameters are refused. Errors are RFC 9457 problem+json."""

PROBLEMS = {
    "400": "Malformed request or parameter.",
    "401": "No valid key.",
    "403": "The key lacks the scope.",
    "404": "Unknown resource id or path, or no generation of that height and those labels.",
    "405": "The path does not take this method.",
    "409": "The attempt id was used before, or the same idempotency key is being answered.",
    "413": "The body is too large.",
    "415": "The body is not application/json.",
    "422": "Well-formed, but it can not be answered: bad checksum, other chain, unsupported asset, …",
    "429": "Too many requests; see Retry-After.",
    "500": "A defect.",
    "503": "No index yet, or older than max_lag; retryable.",
}
WITH_BODY = frozenset({"409", "413", "415"})


def describe(app: FastAPI) -> None:
    """Have the application describe itself with our additions."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(original())
        return app.openapi_schema

    app.description = DESCRIPTION
    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend the document


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    schemas.update(problem["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "tdr_…"}}
    document["security"] = [{"key": []}, {}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _add_problems(operation, path, method)
    return document


def _add_problems(operation: dict[str, Any], path: str, method: str) -> None:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, text in PROBLEMS.items():
        if method == "get" and status in WITH_BODY:
            continue
        operation["responses"][status] = {"description": text, "content": content}
    if not path.startswith("/v1"):
        operation["security"] = []
    for response in operation["responses"].values():
        response.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}}
