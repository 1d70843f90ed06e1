"""Who is behind an address: the conclusions, every tag of it, and what speaks against them."""

from collections.abc import Iterator, Sequence
from typing import Any

from heuristics import lookup
from heuristics.attribution import behaviours, conclusions
from heuristics.attribution.conclusions import Tag
from heuristics.clusters.evidence import wallet_of
from heuristics.rules import BY_ID
from service import answers, relations, suspicions
from service.answers import Json
from service.live import Question
from service.screening import Found, look_up
from service.settings import Settings

SHOWN = 20
_PER_MILLE = 1000
_SHARED = "SELECT entity_id FROM conflict WHERE cluster = ? AND shared ORDER BY entity_id"
# Links that were undone around any cluster of the wallet.
_CUT = """
WITH mine AS (SELECT cluster FROM wallet WHERE wallet = ? UNION SELECT ?)
SELECT number, payer, rule, tx_id, confidence::INTEGER * 10, NULL FROM cut
WHERE cluster IN (FROM mine) OR parent IN (FROM mine) ORDER BY ALL LIMIT ?
"""
_REFUSED = """
SELECT number, other, rule, tx_id, probability, reason FROM refusal
WHERE number = ? OR other = ? ORDER BY probability DESC, tx_id LIMIT ?
"""


def attribution(question: Question, settings: Settings, text: str) -> Json:
    """Return who is behind an address, with tags, edges, relations to listed parties, and what speaks against it."""
    ground = question.ground
    found = look_up(question, text)
    used = None if found.facts is None else behaviours.use(question.cursor, found.facts)
    own = conclusions.own_tags(question.cursor, found.address_id)
    told = {tag.tag_id: tag for tag in (*own, *(tag for one in found.attributions for tag in one.tags))}
    return {
        "subject": answers.subject(text, found.canonical, found.facts, ground),
        "attributions": answers.attributions(found.attributions, ground.network.name),
        "behaviours": suspicions.told(found.behaviours, ground),
        **suspicions.used_for(used, question.cursor.known),
        "tags": [_tag(question, tag) for tag in list(told.values())[:SHOWN]],
        "listed_by": relations.ties(question, [one.entity_id for one in found.attributions]),
        "against": [*_of_tags(question, own), *_of_links(question, found)],
        "coverage": answers.coverage(ground, settings, found.exposures, cut=found.cut),
        "as_of": answers.as_of(ground),
    }


def _tag(question: Question, tag: Tag) -> Json:
    """Write a tag as its source made it."""
    return {
        "address": tag.address,
        "entity": answers.named(question.cursor.known, tag.entity_id),
        "label": tag.label,
        "category": tag.category,
        "confidence": answers.percent(tag.confidence),
        "names_cluster": tag.cluster_definer,
        "legal_status": answers.legal(tag.listing),
        "valid_from": answers.day(tag.valid_from),
        "valid_to": answers.day(tag.valid_to),
        "retracted": answers.day(tag.retracted),
        "stands": tag.stands,
        "source": answers.source(tag),
    }


def _against(kind: str, detail: str, **more: Any) -> Json:
    """Write one thing that speaks against a conclusion, or against more of it."""
    nothing = {"entity": None, "rule": None, "txid": None, "confidence": None, "address": None, "other_address": None}
    return {"kind": kind, "detail": detail} | nothing | more


def _of_tags(question: Question, own: Sequence[Tag]) -> Iterator[Json]:
    """What the address's tags no longer say."""
    known = question.cursor.known
    for tag in own:
        who = {"entity": answers.named(known, tag.entity_id), "address": tag.address}
        if tag.retracted is not None:
            yield _against(
                "retracted_tag", f"{tag.source_name} withdrew its claim {tag.label!r} on {tag.retracted}", **who
            )
        elif not tag.stands:
            days = f"from {tag.valid_from or 'the beginning'} to {tag.valid_to or 'now'}"
            yield _against("ended_tag", f"{tag.source_name} says {tag.label!r} of the time {days} only", **who)
        elif tag.listing is not None and tag.listing.listed_to is not None:
            yield _against("removed_listing", f"taken off {tag.list_id} on {tag.listing.listed_to}", **who)


def _of_links(question: Question, found: Found) -> Iterator[Json]:
    """What was not joined, or was parted again, and who shares the cluster."""
    facts = found.facts
    if facts is None:
        return
    cursor = question.cursor
    for (entity_id,) in cursor.rows(_SHARED, [facts.cluster_id]):
        yield _against(
            "shared_custody", "several entities are surely claimed for one cluster; no link parts them",
            entity=answers.named(cursor.known, entity_id),
        )  # fmt: skip
    cut = cursor.rows(_CUT, [wallet_of(cursor, facts.cluster_id), facts.cluster_id, SHOWN])
    refused = cursor.rows(_REFUSED, [facts.number, facts.number, SHOWN])
    yield from _links(question, "cut", cut, "a change link that two entities in one wallet undid")
    yield from _links(question, "refused", refused, "a change link that was refused")


def _links(question: Question, kind: str, rows: Sequence[tuple[Any, ...]], what: str) -> Iterator[Json]:
    named = lookup.parties(question.cursor, {number for row in rows for number in row[:2]})
    txids = lookup.txids_of(question.cursor, [row[3] for row in rows])
    network = question.ground.network.name
    for number, other, rule, tx_id, per_mille, reason in rows:
        yield _against(
            kind,
            what if reason is None else f"{what}: {reason}",
            rule=BY_ID[rule].label,
            txid=answers.displayed(txids[tx_id]),
            confidence=f"{per_mille // _PER_MILLE}.{per_mille % _PER_MILLE:03d}",
            address=answers.address_text(named.get(number), network),
            other_address=answers.address_text(named.get(other), network),
        )
