"""One screening: an address in, a decision with its reasons and evidence out, on record.

Listed-address and ownership checks run first; what they find stands even if the time is up before the rest
is known. Used by the command line and the API alike.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

import duckdb
import orjson

from chains.bitcoin.address import canonical, script_of, text_of_payload
from chains.ids import address_id
from heuristics import lookup
from heuristics.attribution import behaviours, conclusions
from heuristics.attribution.behaviours import Behaviour
from heuristics.attribution.conclusions import Attribution
from heuristics.exposure import exposures
from heuristics.exposure.exposures import Exposure
from heuristics.lookup import AddressFacts
from service import answers, best_paths, suspicions
from service.answers import Json, pick
from service.asof import Scope
from service.desk import Desk
from service.exits import BadInputError, NotReadyError
from service.live import Ground, Question
from service.policy import Coverage, Finding, Trigger, covered, decide, evaluate
from service.relations import aliases, tied_now, tied_while
from service.rulebook import MANDATORY, Policy, load
from service.settings import Settings
from store.audit import canonical as canonical_json
from store.audit import sha256, timestamp
from store.reader import Known, Listing
from store.records import Decision, new_id

ALIAS = "bitcoin"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked; `address` as it was submitted."""

    address: str
    kind: Literal["address", "withdrawal_attempt"] = "address"
    chain: str = ALIAS
    asset: str = "BTC"
    amount: dict[str, str] | None = None
    direction: str | None = None
    attempt_id: str | None = None
    customer_ref: str | None = None
    timeout_ms: int | None = None
    earlier: str | None = None
    """Id of the screening that this one repeats."""


@dataclass(slots=True)
class Found:
    """What is known of a subject; `cut` once something could not be looked at, `bounded` where it was too much."""

    address_id: int
    canonical: str
    scope: Scope = "cluster"
    """Whose exposures these are: the whole wallet's, or the address's alone."""
    facts: AddressFacts | None = None
    attributions: list[Attribution] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=list)
    cut: bool = False
    bounded: bool = False


class Told(NamedTuple):
    """A screening that is filed: the answer, and the JSON it was filed as."""

    answer: Json
    body: bytes


def check_chain(chain: str, ground: Ground) -> None:
    """Raise BadInputError unless `chain` is the one that is indexed here."""
    if chain not in {ALIAS, ground.network.caip2}:
        raise BadInputError(
            f"chain {chain!r} is not indexed here; indexed is {ground.network.caip2} (alias {ALIAS!r})",
            code="unsupported_chain",
            pointer="/chain",
        )


def locate(text: str, ground: Ground) -> Found:
    """Read an address of the indexed network; raises AddressError saying what is wrong with it."""
    script = script_of(text, ground.network.name)
    return Found(address_id(script, ground.secret), canonical(text))


def look_up(question: Question, text: str, scope: Scope = "cluster") -> Found:
    """Find out everything about an address that a decision may rest on.

    Of scope `address`, exposures are of the coins that the address itself received and sent.
    """
    ground, cursor = question.ground, question.cursor
    found = locate(text, ground)
    found.scope = scope
    listed = conclusions.listings(cursor, found.address_id)
    try:
        found.facts = lookup.address(cursor, found.address_id)
        cluster_id = None if found.facts is None else found.facts.cluster_id
        found.attributions = conclusions.attributions(cursor, cluster_id, found.address_id)
        if found.facts is not None:
            found.behaviours = behaviours.behaviours(cursor, found.facts)
            owned = exposures.ownership(cursor.known, found.address_id, found.facts, found.attributions)
            if scope == "cluster":
                dealt = exposures.of_wallet(cursor, found.facts.number)
            else:
                dealt, found.bounded = exposures.of_address(cursor, found.facts)
            found.exposures = owned + dealt
    except duckdb.InterruptException:
        found.cut = True
    found.cut |= question.late() or _collided(found, ground)
    if listed and not found.attributions:
        found.attributions = [_from_memory(cursor.known, found.address_id, one) for one in listed]
    return found


def _collided(found: Found, ground: Ground) -> bool:
    """Whether the id of the address belongs to two scripts, so that nothing said of it is certain."""
    if found.address_id in ground.quarantined:
        return True
    facts = found.facts
    if facts is None:
        return False
    return text_of_payload(facts.script_type, facts.payload, ground.network.name) != found.canonical


def _from_memory(memory: Known, address_id: int, listing: Listing) -> Attribution:
    """Return what a listing alone says, for when there was no time to read more."""
    known = memory.entities.get(listing.entity_id or "")
    inherited = listing in memory.inherited.get(address_id, ())
    return Attribution(
        entity_id=listing.entity_id,
        name=known.name if known else None,
        jurisdictions=known.jurisdictions if known else (),
        category="sanctioned_entity",
        basis=conclusions.OWNERSHIP_RULE if inherited else conclusions.LISTED,
        confidence=100,
        listing=listing,
        tags=(),
        n_tags=0,
        evidence=(),
        conflict=False,
        claimed=100,
    )


def findings(found: Found, ground: Ground) -> list[Finding]:
    """Return what a policy may judge."""
    owned = [_owned(one, ground) for one in found.attributions]
    dealt = [finding for _, finding in dealings(found, ground)]
    suspected = suspicions.findings(found.behaviours, ground)
    return [*owned, *dealt, *suspected, covered(_known(found, ground))]


def dealings(found: Found, ground: Ground) -> list[tuple[Exposure, Finding]]:
    """Pair what the subject dealt with with what a policy judges of it."""
    return [(one, _dealt(one, ground)) for one in found.exposures if one.kind != "ownership"]


def _known(found: Found, ground: Ground) -> Coverage:
    """How much the answer rests on."""
    share = answers.unattributed(found.exposures)
    return Coverage(
        lists=len(ground.lists),
        history_incomplete=ground.generation.first_height > 0,
        truncated=found.cut,
        unattributed_share=None if share is None else Decimal(share),
    )


def _owned(one: Attribution, ground: Ground) -> Finding:
    return Finding(
        kind="ownership",
        category=one.category,
        confidence=one.confidence,
        entity=one.entity_id,
        jurisdictions=one.jurisdictions,
        lists=(one.listing.list_id,) if one.listing else (),
        legal_status=answers.legal_status(one.listing, ground),
        basis=one.basis,
        share=Decimal(1),
        ties=tied_now(ground, one.entity_id),
        aliases=aliases(ground, one.entity_id),
    )


def _dealt(one: Exposure, ground: Ground) -> Finding:
    return Finding(
        kind="indirect" if one.kind == "indirect" else "direct",
        category=one.category,
        confidence=one.confidence,
        entity=one.entity_id,
        jurisdictions=one.jurisdictions,
        lists=(one.listing.list_id,) if one.listing else (),
        legal_status=answers.legal_status(one.listing, ground),
        direction="received" if one.direction == "received" else "sent",
        after_designation=one.after_designation,
        value=one.value,
        share=one.share,
        hops=one.min_hops,
        unsolicited=one.unsolicited,
        fiat=one.fiat,
        fiat_currency=one.currency,
        passes_through=one.passes_through,
        ties=tied_while(ground, one),
        aliases=aliases(ground, one.entity_id),
    )


def screen(
    desk: Desk,
    request: Request,
    policy: Policy,
    *,
    caller: str = "cli",
    idempotency: tuple[str, str] | None = None,
) -> Told:
    """Screen one address, file the decision and return it.

    Parameters
    ----------
    desk : Desk
        Where to ask, where to file, and the limits.
    request : Request
        What to screen.
    policy : Policy
        The rules beside the mandatory ones.
    caller : str
        Who asks: a key's id, `local` or `cli`.
    idempotency : tuple[str, str], optional
        Idempotency-Key and SHA-256 of the request, filed with the decision.

    Raises
    ------
    AddressError, BadInputError
        If the address or chain can not be screened here.
    NotReadyError
        If there is no index, or it is older than `max_lag` allows.
    AttemptExistsError
        If the caller used the attempt id before.
    """
    started = time.perf_counter()
    timeout_ms = request.timeout_ms or desk.settings.timeout_ms
    with desk.live.ask(timeout_ms / 1000) as question:
        answer = judge(question, desk.settings, request, policy)
    answer["elapsed_ms"] = int((time.perf_counter() - started) * 1000)
    body = orjson.dumps(answer)
    desk.records.file(_decision(answer, body, caller), idempotency)
    return Told(answer, body)


def judge(question: Question, settings: Settings, request: Request, policy: Policy) -> Json:
    """Decide on one address without filing it; `elapsed_ms` is left for the caller."""
    ground = question.ground
    check_chain(request.chain, ground)
    _check_lag(ground, settings)
    found = look_up(question, request.address)
    triggers = evaluate(policy, findings(found, ground))
    decision, reason = decide(triggers, complete=not found.cut)
    answer = _answer(found, ground, settings, request) | {
        "decision": decision,
        "decision_reason": reason,
        "policy": policy.name,
        "triggers": [asdict(trigger) for trigger in triggers],
    }
    for row, ids in zip(answer["exposures"], _path_ids(question, found, policy, triggers), strict=True):
        row["path_ids"] = ids
    answer["result_sha256"] = fingerprint(answer)
    screening_id = new_id("scr")
    own = f"/v1/screenings/{screening_id}"
    return {
        "id": screening_id,
        **answer,
        "links": {
            "self": own,
            "subject": f"/v1/addresses/{ground.network.caip2}/{found.canonical}",
            "evidence": f"{own}/evidence",
            "report": f"{own}/report",
            "earlier": None if request.earlier is None else f"/v1/screenings/{request.earlier}",
        },
        "created_at": timestamp(),
    }


def _path_ids(question: Question, found: Found, policy: Policy, triggers: Iterable[Trigger]) -> list[list[str]]:
    """By exposure, the ids of the best paths behind it where it made a rule fire."""
    fired = {(one.policy, one.rule_id) for one in triggers}
    pairs = dealings(found, question.ground)
    reasons = set(best_paths.caused((load(MANDATORY), policy), fired, pairs)) if found.facts else set()
    named = best_paths.ids(question, found.facts.number, reasons) if found.facts and reasons else {}
    return [named.get(best_paths.sought_of(one), []) if one in reasons else [] for one in found.exposures]


def _check_lag(ground: Ground, settings: Settings) -> None:
    if settings.max_lag is not None and ground.lag() > settings.max_lag:
        raise NotReadyError(
            f"the newest indexed block is {ground.lag()} s old, more than max_lag ({settings.max_lag} s); "
            "backfill and index the chain's newest blocks, then ask again"
        )


def _answer(found: Found, ground: Ground, settings: Settings, request: Request) -> Json:
    return {
        "status": "partial" if found.cut else "complete",
        "kind": request.kind,
        "asset": request.asset,
        "amount": request.amount,
        "direction": request.direction,
        "attempt_id": request.attempt_id,
        "customer_ref": request.customer_ref,
        "method": answers.METHOD,
        "subject": answers.subject(request.address, found.canonical, found.facts, ground),
        "attributions": answers.attributions(found.attributions, ground.network.name),
        "exposures": answers.exposures(found.exposures),
        "behaviours": suspicions.told(found.behaviours, ground),
        "coverage": answers.coverage(ground, settings, found.exposures, cut=found.cut),
        "as_of": answers.as_of(ground),
    }


def fingerprint(answer: Json) -> str:
    """SHA-256 over what is `lasting` of an answer."""
    return sha256(canonical_json(lasting(answer)))


def lasting(answer: Json) -> Json:
    """Give all of an answer that the same question at the same block and labels gives again.

    Left out is what depends on the clock (lag, times, paths that there was time to look for), on who asked
    (references, spelling of the address), on the name of the generation and on the version of the software: these may
    differ when it is replayed.
    """
    fixed = pick(answer, "status", "decision", "decision_reason", "kind", "asset", "amount", "direction")
    fixed |= pick(answer, "policy", "method", "attributions", "behaviours", "triggers")
    fixed["exposures"] = [pick(row, *row.keys() - {"path_ids"}) for row in answer["exposures"]]
    fixed["subject"] = pick(answer["subject"], "chain", "canonical", "seen_on_chain", "first_seen_height")
    fixed["coverage"] = pick(
        answer["coverage"], "indexed_height", "truncated", "unattributed_share", "history_from_height"
    )
    fixed["as_of"] = pick(
        answer["as_of"], "height", "block_hash", "labels", "exposure_labels", "prices", "lists", "rules"
    )
    return fixed


def _decision(answer: Json, body: bytes, caller: str) -> Decision:
    subject, fields = answer["subject"], pick(answer, "id", "created_at", "kind", "decision", "status", "policy")
    return Decision(
        **fields,
        caller=caller,
        chain=subject["chain"],
        address=subject["canonical"],
        generation=answer["as_of"]["generation"],
        result_sha256=answer["result_sha256"],
        body=body,
        attempt_id=answer["attempt_id"],
        customer_ref=answer["customer_ref"],
    )
