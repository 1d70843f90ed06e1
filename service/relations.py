"""Relations of parties as policies judge them and as answers tell them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from heuristics.exposure.exposures import Exposure
from service import answers
from service.answers import Json
from service.live import Ground, Question
from service.policy import Tied
from store.formats.relations import KINDS
from store.reader import Tie

_COLUMNS = (
    "relation_id, entity_id, kind, other_id, percent, valid_from, valid_to, source_name, source_sha256, source_date, "
    "source_uri"
)
_OF = f"SELECT {_COLUMNS} FROM relation WHERE entity_id = ? OR other_id = ? ORDER BY relation_id"  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM relation WHERE relation_id = ?"  # noqa: S608


def tied_now(ground: Ground, entity_id: str | None) -> list[Tied]:
    """How a party counts as listed on the day that the labels are of."""
    today = ground.labels_date
    return [_tied(tie) for tie in _ties(ground, entity_id) if _holds(tie, today, today)]


def tied_while(ground: Ground, one: Exposure) -> list[Tied]:
    """How the other end of dealings counts as listed now, and did at any time from the first of them to the last."""
    first, last = (datetime.fromtimestamp(time, UTC).date() for time in (one.first_time, one.last_time))
    today = ground.labels_date
    ties = (tie for tie in _ties(ground, one.entity_id) if _holds(tie, first, last) and _holds(tie, today, today))
    return [_tied(tie) for tie in ties]


def aliases(ground: Ground, entity_id: str | None) -> list[str]:
    """Other ids of a party."""
    if entity_id is None:
        return []
    return [alias for alias, of in ground.reader.known.aliases.items() if of == entity_id]


def _ties(ground: Ground, entity_id: str | None) -> Sequence[Tie]:
    return ground.reader.known.ties.get(entity_id or "", ())


def _tied(tie: Tie) -> Tied:
    return Tied(tie.list_id, frozenset(tie.kinds))


def _holds(tie: Tie, first: date, last: date) -> bool:
    """Whether a tie holds on any day from the first to the last."""
    return (tie.tied_from or date.min) <= last and (tie.tied_to is None or tie.tied_to > first)


def ties(question: Question, entity_ids: Iterable[str | None]) -> list[Json]:
    """Write how parties count as listed, now or then, each with the relations that show it."""
    known = question.cursor.known
    return [
        {
            "entity": answers.named(known, entity_id),
            "list": tie.list_id,
            "kinds": list(tie.kinds),
            "valid_from": answers.day(tie.tied_from),
            "valid_to": answers.day(tie.tied_to),
            "percent": None if tie.percent is None else f"{tie.percent:f}",
            "path": [_relation(question, question.cursor.row(_ONE, [at])) for at in tie.path],
        }
        for entity_id in dict.fromkeys(entity_ids)
        for tie in _ties(question.ground, entity_id)
    ]


def relations(question: Question, entity_id: str) -> list[Json]:
    """Write every relation of a party, whichever end it is."""
    return [_relation(question, row) for row in question.cursor.rows(_OF, [entity_id, entity_id])]


def _relation(question: Question, row: Sequence[Any]) -> Json:
    _, entity_id, kind, other_id, percent, valid_from, valid_to, name, sha256, published, uri = row
    known = question.cursor.known
    return {
        "entity": answers.named(known, entity_id),
        "kind": kind,
        "other": answers.named(known, other_id),
        "percent": None if percent is None else f"{percent:f}",
        "valid_from": answers.day(valid_from),
        "valid_to": answers.day(valid_to),
        "meaning": KINDS[kind],
        "source": {"name": name, "published": answers.day(published), "sha256": sha256, "uri": uri},
    }
