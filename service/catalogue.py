"""What is imported and known by name: entities, lists, listings, categories, rules; and the search over it."""

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Literal

from chains.errors import AddressError
from chains.ids import tx_key
from heuristics import accuracy, lookup
from heuristics.rules import RULES
from service import answers, relations
from service.answers import Json
from service.exits import BadInputError, NotFoundError
from service.live import Ground, Question
from service.reading import read_txid
from service.screening import locate
from store.formats.relations import ID
from store.formats.taxonomy import CATEGORIES
from store.reader import Cursor, Entity, Listing

if TYPE_CHECKING:
    from worlds.score.bars import Judgement

HITS = 20

_LISTED = (
    "SELECT tag_id, address, entity_id, list_id, listed_from, listed_to, source_name, source_sha256, "
    "source_date, source_uri FROM tag WHERE list_id IS NOT NULL AND tag_id > ? "
)
_STILL = "AND (listed_to IS NULL OR listed_to > ?) "
_REMOVED = "AND listed_to <= ? "


def categories() -> list[Json]:
    """Return the taxonomy, in order of precedence."""
    return [{"id": name, "description": text} for name, text in CATEGORIES.items()]


@cache
def methods() -> Json:
    """Return every rule with its failure modes and measured error, and the evaluation behind them."""
    from worlds.score.bars import judgements  # noqa: PLC0415 brings SciPy along, and is rarely asked for
    from worlds.score.report import Report  # noqa: PLC0415

    report = Report.from_json(accuracy.text())
    evaluations = [
        {"suite": r.suite, "seeds": list(r.seeds), "settings": r.settings, "commit": r.commit, "date": r.date}
        for r in report.results
    ]
    bars = [_bar(row) for row in judgements(report.results)]
    return {"items": _rules(), "evaluations": evaluations, "bars": bars}


def _bar(row: "Judgement") -> Json:
    bar, figures = row.bar, {"disclosed": row.disclosed, "perfect": row.perfect, "owners": row.owners}
    return {
        "what": bar.what,
        "score": bar.score,
        "at_least": _plain(bar.at_least),
        "at_most": _plain(bar.at_most),
        "labels": bar.labels,
        "in_every_world": bar.in_every_world,
        "suite": row.suite,
        **{
            labels: _figure(accuracy.Figure(row.suite, labels, bar.score, one.n, one.mean, one.sd)) if one else None
            for labels, one in figures.items()
        },
        "verdict": row.verdict,
    }


def _plain(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _rules() -> list[Json]:
    return [
        {
            "rule": rule.label,
            "name": rule.name,
            "version": str(rule.version),
            "tier": rule.tier,
            "chain": rule.chain,
            "confidence": answers.percent(rule.confidence),
            "source": rule.source,
            "failure_modes": rule.failure_modes,
            "measured_error": _digits(accuracy.error(rule)),
            "measured_from": _measured(accuracy.precision(rule)),
            "measured": [_figure(one) for one in accuracy.figures(rule)],
        }
        for rule in RULES
    ]


def _measured(one: accuracy.Figure | None) -> Json | None:
    return None if one is None else _figure(one)


def _figure(one: accuracy.Figure) -> Json:
    return {
        "suite": one.suite,
        "labels": one.labels,
        "score": one.score,
        "worlds": one.worlds,
        "mean": _digits(one.mean),
        "spread": _digits(one.spread),
    }


def _digits(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}"


def lists(cursor: Cursor) -> list[Json]:
    """Return every legal list of the label version."""
    rows = cursor.rows("SELECT list_id, name, date, sha256, entries FROM list ORDER BY list_id")
    return [
        {"id": row[0], "name": row[1], "date": answers.day(row[2]), "sha256": row[3], "entries": row[4]} for row in rows
    ]


def sanctions(
    question: Question, status: Literal["sanctioned", "removed"] | None, limit: int, after: int | None
) -> tuple[list[Json], tuple[int, ...] | None]:
    """Return a page of listing intervals."""
    today = question.ground.labels_date
    condition = {"sanctioned": _STILL, "removed": _REMOVED, None: "AND ? IS NOT NULL "}[status]
    sql = _LISTED + condition + "ORDER BY tag_id LIMIT ?"
    rows = question.cursor.rows(sql, [-1 if after is None else after, today.isoformat(), limit])
    items = [_sanctioned(row, question.ground) for row in rows]
    return items, (rows[-1][0],) if len(rows) == limit else None


def _sanctioned(row: tuple[object, ...], ground: Ground) -> Json:
    _, address, entity_id, list_id, listed_from, listed_to, name, sha256, published, uri = row
    listing = Listing(str(list_id), None, _date(listed_from), _date(listed_to))
    return {
        "chain": ground.network.caip2,
        "address": address,
        "status": "sanctioned" if answers.in_force(listing, ground) else "removed",
        "listing": answers.legal(listing),
        "entity": answers.named(ground.reader.known, None if entity_id is None else str(entity_id)),
        "source": {"name": name, "published": answers.day(_date(published)), "sha256": sha256, "uri": uri},
    }


def _date(value: object) -> date | None:
    return value if isinstance(value, date) else None


def entity(question: Question, entity_id: str) -> Json:
    """Return a party with its listings; raises NotFoundError for an id that is none. An alias is as good as the id."""
    known = _entity(question, entity_id)
    entity_id = known.entity_id
    count = question.cursor.row("SELECT count(*) FROM tag WHERE entity_id = ?", [entity_id])
    rows = question.cursor.rows(
        "SELECT DISTINCT list_id, listed_from, listed_to FROM tag "
        "WHERE entity_id = ? AND list_id IS NOT NULL ORDER BY ALL",
        [entity_id],
    )
    said = question.cursor.row("SELECT source_sha256 FROM entity WHERE entity_id = ?", [entity_id])
    also = question.cursor.rows("SELECT alias, kind FROM alias WHERE entity_id = ? ORDER BY ALL", [entity_id])
    return {
        "id": known.entity_id,
        "name": known.name,
        "category": known.category,
        "jurisdictions": list(known.jurisdictions),
        "identifiers": [alias for alias, kind in also if kind == ID],
        "aliases": [alias for alias, kind in also if kind != ID],
        "tagged_addresses": count[0],
        "listings": [answers.legal(Listing(row[0], None, row[1], row[2])) for row in rows],
        "listed_by": relations.ties(question, [entity_id]),
        "source_sha256": said[0],
        "as_of": answers.as_of(question.ground),
    }


def related(question: Question, entity_id: str) -> Json:
    """Return a party's relations and how it counts as listed by them; raises NotFoundError for an id that is none."""
    known = _entity(question, entity_id)
    return {
        "entity": answers.named(question.cursor.known, known.entity_id),
        "items": relations.relations(question, known.entity_id),
        "listed_by": relations.ties(question, [known.entity_id]),
        "as_of": answers.as_of(question.ground),
    }


def _entity(question: Question, entity_id: str) -> Entity:
    """Find a party by its id or an alias."""
    known = question.cursor.known
    found = known.entities.get(entity_id) or known.entities.get(known.aliases.get(entity_id, ""))
    if found is None:
        raise NotFoundError(f"there is no entity {entity_id!r} in label version {_labels(question)}")
    return found


def _labels(question: Question) -> str:
    return question.ground.generation.label_version


def search(question: Question, text: str) -> list[Json]:
    """Return what a text names: an address, a transaction, entities and labels that begin with it."""
    wanted = text.strip()
    hits = [*_address_hit(question, wanted), *_transaction_hit(question, wanted)]
    lower = wanted.lower()
    known = question.cursor.known.entities.values()
    named = (one for one in known if lower in (one.entity_id.lower(), one.name.lower()) or _begins(one, lower))
    hits += [_entity_hit(one) for one, _ in zip(named, range(HITS), strict=False)]
    return hits + _label_hits(question, wanted)


def _begins(one: Entity, lower: str) -> bool:
    return one.name.lower().startswith(lower) or one.entity_id.lower().startswith(lower)


def _address_hit(question: Question, text: str) -> list[Json]:
    try:
        found = locate(text, question.ground)
    except AddressError:
        return []
    link = f"/v1/addresses/{question.ground.network.caip2}/{found.canonical}"
    return [{"type": "address", "id": found.canonical, "text": found.canonical, "link": link}]


def _transaction_hit(question: Question, text: str) -> list[Json]:
    try:
        txid = read_txid(text)
    except BadInputError:
        return []
    if lookup.transaction_id(question.cursor, tx_key(txid, question.ground.secret), txid) is None:
        return []
    name = text.lower()
    link = f"/v1/transactions/{question.ground.network.caip2}/{name}"
    return [{"type": "transaction", "id": name, "text": name, "link": link}]


def _entity_hit(one: Entity) -> Json:
    return {"type": "entity", "id": one.entity_id, "text": one.name, "link": f"/v1/entities/{one.entity_id}"}


def _label_hits(question: Question, text: str) -> list[Json]:
    rows = question.cursor.rows(
        "SELECT DISTINCT label, address FROM tag WHERE starts_with(lower(label), lower(?)) "
        "OR starts_with(address, ?) ORDER BY label, address LIMIT ?",
        [text, text, HITS],
    )
    base = f"/v1/addresses/{question.ground.network.caip2}/"
    return [{"type": "label", "id": row[1], "text": row[0], "link": base + row[1]} for row in rows]
