"""The investigator's reads: one function per question, for the API and the command line alike."""

import re

from heuristics import lookup
from heuristics import transaction as transactions_of
from heuristics.attribution import conclusions
from heuristics.clusters import evidence
from heuristics.exposure import flows
from heuristics.lookup import AddressFacts
from service import answers
from service.answers import Json
from service.asof import Scope
from service.exits import BadInputError, NotFoundError
from service.live import Ground, Question
from service.mixture import mixture
from service.screening import Found, locate, look_up
from service.settings import Settings
from service.totals import totals

TXID = re.compile("[0-9a-fA-F]{64}")
Page = tuple[list[Json], tuple[int, ...] | None]
"""Items, and where the next page goes on (None: this was the last)."""


def address(question: Question, settings: Settings, text: str) -> Json:
    """Return what an address received and sent, its cluster and who is behind it."""
    ground, cursor = question.ground, question.cursor
    found = look_up(question, text)
    facts = found.facts
    cluster = None if facts is None else lookup.cluster(cursor, facts.cluster_id)
    return {
        "subject": answers.subject(text, found.canonical, facts, ground),
        **_totals(question, facts),
        "cluster_size": cluster.n_addresses if cluster else int(facts is not None),
        "attributions": answers.attributions(found.attributions, ground.network.name),
        "coverage": answers.coverage(ground, settings, found.exposures, cut=found.cut),
        "as_of": answers.as_of(ground),
    }


def _totals(question: Question, facts: AddressFacts | None) -> Json:
    if facts is None:
        nothing = answers.btc(0)
        return {
            "received": nothing,
            "sent": nothing,
            "balance": nothing,
            "n_received": 0,
            "n_sent": 0,
            "first_seen_at": None,
            "last_seen_at": None,
        }
    known = question.cursor.known
    return {
        "received": answers.btc(facts.received),
        "sent": answers.btc(facts.sent),
        "balance": answers.btc(facts.balance),
        "n_received": facts.n_received,
        "n_sent": facts.n_sent,
        "first_seen_at": answers.moment(lookup.block_time_of(known, facts.first_tx_id)),
        "last_seen_at": answers.moment(lookup.block_time_of(known, facts.last_tx_id)),
    }


def exposure(question: Question, settings: Settings, text: str, scope: Scope = "cluster") -> Json:
    """Return whom the owner of an address, or the address itself, dealt with, and that added up."""
    return exposure_of(question, settings, text, look_up(question, text, scope))


def exposure_of(question: Question, settings: Settings, text: str, found: Found) -> Json:
    """Return the same of an address that was looked up."""
    return {
        "subject": answers.subject(text, found.canonical, found.facts, question.ground),
        "method": answers.METHOD,
        "scope": found.scope,
        "exposures": answers.exposures(found.exposures),
        "totals": totals(found.exposures),
        "coverage": answers.coverage(question.ground, settings, found.exposures, cut=found.cut or found.bounded),
        "as_of": answers.as_of(question.ground),
    }


def counterparties(question: Question, text: str, limit: int, after: tuple[int, ...] | None) -> Page:
    """Return the other ends of an address's cluster, largest value first."""
    found = _seen(question, text)
    if found.facts is None:
        return [], None
    place = None if after is None else (after[0], after[1], after[2])
    rows = flows.counterparties(question.cursor, found.facts.cluster_id, limit, place)
    items = [answers.counterparty(row, question.ground.network.name) for row in rows]
    return items, rows[-1].position if len(rows) == limit else None


def transactions(question: Question, text: str, limit: int, after: tuple[int, ...] | None) -> Page:
    """Return an address's transactions, newest first."""
    found = locate(text, question.ground)
    rows = lookup.transactions(question.cursor, found.address_id, limit, after[0] if after else None)
    return [answers.history(row) for row in rows], (rows[-1].tx_id,) if len(rows) == limit else None


def cluster(question: Question, text: str) -> Json:
    """Return the cluster of an address, named by its earliest member's address."""
    ground, cursor = question.ground, question.cursor
    found = _seen(question, text)
    facts = found.facts
    cluster_id = None if facts is None else facts.cluster_id
    size = None if cluster_id is None else lookup.cluster(cursor, cluster_id)
    root = None if cluster_id is None else lookup.parties(cursor, [cluster_id]).get(cluster_id)
    root_text = answers.address_text(root, ground.network.name)
    first, last = (size or facts).first_tx_id if facts else None, (size or facts).last_tx_id if facts else None
    known = cursor.known
    return {
        "subject": answers.subject(text, found.canonical, facts, ground),
        "id": root_text or found.canonical,
        "root_address": root_text,
        "size": size.n_addresses if size else int(facts is not None),
        "first_seen_at": None if first is None else answers.moment(lookup.block_time_of(known, first)),
        "last_seen_at": None if last is None else answers.moment(lookup.block_time_of(known, last)),
        "attributions": answers.attributions(
            conclusions.attributions(cursor, cluster_id, found.address_id), ground.network.name
        ),
        "as_of": answers.as_of(ground),
    }


def members(question: Question, text: str, limit: int, after: tuple[int, ...] | None) -> Page:
    """Return the addresses of an address's cluster."""
    found = _seen(question, text)
    if found.facts is None:
        return [], None
    rows = lookup.members(question.cursor, found.facts.cluster_id, limit, after[0] if after else None)
    network = question.ground.network.name
    items = [
        {"address": answers.address_text(row, network), "script_type": answers.script_name(row.script_type)}
        for row in rows
    ]
    return items, (rows[-1].number,) if len(rows) == limit else None


def why(question: Question, text: str, other: str) -> Json:
    """Return why two addresses are together, or that no rule says so."""
    ground = question.ground
    found, second = _seen(question, text), locate(other, ground)
    try:
        steps = evidence.why(question.cursor, found.address_id, second.address_id)
        together = True
    except evidence.NotTogetherError:
        steps, together = [], False
    return {
        "subject": answers.subject(text, found.canonical, found.facts, ground),
        "other": second.canonical,
        "together": together,
        "steps": answers.steps(steps, ground.network.name),
        "as_of": answers.as_of(ground),
    }


def not_indexed(text: str, ground: Ground) -> NotFoundError:
    """Say that the index does not hold a transaction, and what it holds."""
    return NotFoundError(
        f"transaction {text} is not in the index (heights {ground.generation.first_height} to "
        f"{ground.generation.height} of {ground.network.name})"
    )


def transaction(question: Question, text: str) -> Json:
    """Return a transaction; raises NotFoundError for an id that the index does not hold."""
    ground = question.ground
    txid = read_txid(text)
    found = transactions_of.transaction(question.cursor, ground.lake, txid)
    if found is None:
        raise not_indexed(text, ground)
    told = answers.transaction(found, ground.network.name)
    return {**told, **mixture(question, found.tx_id), **_place(question, found.height)}


def _place(question: Question, height: int) -> Json:
    row = question.cursor.row("SELECT hash FROM block WHERE height = ?", [height])
    return {
        "chain": question.ground.network.caip2,
        "block_hash": answers.displayed(row[0]),
        "as_of": answers.as_of(question.ground),
    }


def read_txid(text: str) -> bytes:
    """Read a displayed transaction id into internal byte order; raises BadInputError for what is none."""
    if not TXID.fullmatch(text):
        raise BadInputError(
            f"{text[:80]!r} is no transaction id: those have 64 hexadecimal digits", code="invalid_txid"
        )
    return bytes.fromhex(text)[::-1]


def _seen(question: Question, text: str) -> Found:
    """Read an address and look whether the chain knows it."""
    found = locate(text, question.ground)
    found.facts = lookup.address(question.cursor, found.address_id)
    return found


def chain_status(ground: Ground, settings: Settings) -> Json:
    """Return how far the chain is."""
    generation = ground.generation
    seen = answers.coverage(ground, settings)
    return {
        "chain": ground.network.caip2,
        "alias": "bitcoin",
        **answers.pick(seen, "indexed_height", "tip_height", "lag_s", "stale", "history_from_height"),
        "generation": generation.id,
        "block_hash": generation.block_hash,
        "labels": generation.label_version,
        "lists": ground.lists,
    }
