"""The export of a recorded screening: JSON with a manifest of hashes, CSV of its exposures, or a page to print.

Everything is made from the record alone, so it can be made again years later; only the manifest says when it was made.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from service.answers import Json
from service.report_page import page
from service.version import software
from store.audit import sha256, timestamp

Format = Literal["json", "csv", "html"]
COLUMNS: Final = (
    "screening", "direction", "kind", "category", "entity_id", "entity", "jurisdictions", "list", "listed_from",
    "listed_to", "value", "currency", "fiat", "fiat_currency", "share", "transactions", "min_hops", "mean_hops",
    "first_at", "last_at", "after_designation", "unsolicited", "passes_through",
)  # fmt: skip
# A spreadsheet takes a cell that begins with one of these for a formula (the wide ones in Japanese settings).
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class Report:
    """One file: its name, media type, bytes, and whether it is shown or saved."""

    name: str
    media_type: str
    body: bytes
    disposition: Literal["inline", "attachment"] = "inline"


def report(body: bytes, form: Format) -> Report:
    """Export a screening.

    Parameters
    ----------
    body
        The record, as it was filed.
    form
        `json`: record and manifest; `csv`: exposures; `html`: a page that needs nothing beside it.
    """
    told: Json = orjson.loads(body)
    name = told["id"]
    rows = exposures_csv(told)
    if form == "csv":
        return Report(f"{name}-exposures.csv", "text/csv; charset=utf-8", rows, "attachment")
    manifest = _manifest(told, body, rows)
    if form == "html":
        return Report(f"{name}.html", "text/html; charset=utf-8", page(told, manifest).encode())
    both = orjson.dumps({"record": orjson.Fragment(body), "manifest": manifest})
    return Report(f"{name}.json", "application/json", both)


def _manifest(told: Json, body: bytes, rows: bytes) -> Json:
    """Name every part with its hash."""
    parts = (("record.json", "application/json", body), ("exposures.csv", "text/csv", rows))
    return {
        "screening": told["id"],
        "generated_at": timestamp(),
        "software": software(),
        "result_sha256": told["result_sha256"],
        "parts": [
            {"name": name, "media_type": kind, "bytes": len(data), "sha256": sha256(data)} for name, kind, data in parts
        ],
    }


def exposures_csv(told: Json) -> bytes:
    """Write a record's exposures as CSV, RFC 4180, UTF-8; the same record gives the same bytes."""
    written = io.StringIO(newline="")
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    rows.writerows([_cell(value) for value in _row(told["id"], one)] for one in told["exposures"])
    return written.getvalue().encode()


def _row(screening_id: str, one: Json) -> Iterator[Any]:
    entity, legal, fiat = one["entity"] or {}, one["legal_status"] or {}, one["fiat"] or {}
    yield from (screening_id, one["direction"], one["kind"], one["category"], entity.get("id"), entity.get("name"))
    yield " ".join(one["jurisdictions"])
    yield from (legal.get(name) for name in ("list", "listed_from", "listed_to"))
    yield from (one["value"]["value"], one["value"]["currency"], fiat.get("value"), fiat.get("currency"))
    yield from (one[name] for name in COLUMNS[14:])


def _cell(value: Any) -> str:
    """Write a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "'" + text if text.lstrip(" ").startswith(FORMULA) else text
