"""From what the heuristics return to what the caller reads: plain dicts, built in one step.

`service.api.models` declares their shape; a test holds every answer to it. Amounts are decimal strings,
shares and confidences decimal strings from 0 to 1, times RFC 3339 UTC, hashes in displayed form.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from chains.bitcoin.address import text_of_payload
from chains.bitcoin.tables import ScriptType
from heuristics.attribution.conclusions import Attribution, Identity, Tag
from heuristics.clusters.evidence import Step
from heuristics.exposure.exposures import UNKNOWN, Exposure
from heuristics.exposure.flows import COINBASE, COINJOIN, UNRESOLVED, Counterparty
from heuristics.lookup import AddressFacts, AddressTransaction, Party
from heuristics.transaction import Input, Output, Transaction
from service.live import Ground
from service.rulebook import LegalStatus
from service.settings import Settings
from service.version import software
from store.reader import Known, Listing

METHOD = "haircut"  # how value is shared out among mixed origins, unless another method is asked for
STALE_AFTER_S = 7200
SATOSHI = 100_000_000
MILLION = 1_000_000
PSEUDO_KINDS = {COINBASE: "coinbase", COINJOIN: "coinjoin", UNRESOLVED: "unresolved"}

Json = dict[str, Any]


def btc(satoshi: int) -> Json:
    """Write an amount; satoshi in, whole coins out."""
    return {"value": coins(satoshi), "currency": "BTC"}


def coins(satoshi: int) -> str:
    """Write satoshi as a decimal string of coins."""
    sign = "-" if satoshi < 0 else ""
    whole, part = divmod(abs(satoshi), SATOSHI)
    return f"{sign}{whole}.{part:08d}"


def fraction(value: int) -> str:
    """Write whole millionths as a decimal string from 0 to 1."""
    return f"{value // MILLION}.{value % MILLION:06d}"


def percent(value: int) -> str:
    """Write whole percents as a decimal string from 0 to 1."""
    return f"{value // 100}.{value % 100:02d}"


def moment(seconds: int) -> str:
    """Write seconds since 1970 UTC as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "Z"


def day(value: date | None) -> str | None:
    """Write a date."""
    return None if value is None else value.isoformat()


def displayed(hash_bytes: bytes) -> str:
    """Write a hash the way it is displayed: hex, bytes reversed."""
    return hash_bytes[::-1].hex()


def address_text(party: Party | None, network: str) -> str | None:
    """Write an address; None where the script has no address form."""
    return None if party is None else text_of_payload(party.script_type, party.payload, network)


def script_name(number: int) -> str:
    """Name a script type in lower case."""
    return ScriptType(number).name.lower()


def in_force(listing: Listing, ground: Ground) -> bool:
    """Whether a listing stands, as of the labels: a removal dated after them is still to come."""
    return listing.listed_to is None or listing.listed_to > ground.labels_date


def legal_status(listing: Listing | None, ground: Ground) -> LegalStatus:
    """How a listing counts, as of the labels."""
    if listing is None:
        return "none"
    return "listed" if in_force(listing, ground) else "removed"


def legal(listing: Listing | None) -> Json | None:
    """Write a listing with both dates."""
    if listing is None:
        return None
    return {
        "list": listing.list_id,
        "listed_from": day(listing.listed_from),
        "listed_to": day(listing.listed_to),
    }


def entity(entity_id: str | None, name: str | None, jurisdictions: Sequence[str]) -> Json | None:
    """Write a party; None where nobody is named."""
    if entity_id is None:
        return None
    return {"id": entity_id, "name": name or entity_id, "jurisdictions": list(jurisdictions)}


def named(known: Known, entity_id: str | None) -> Json | None:
    """Write a party by its id, as the labels know it; None where nobody is named."""
    one = known.entities.get(entity_id or "")
    return entity(entity_id, one.name if one else None, one.jurisdictions if one else ())


def attributions(found: Sequence[Attribution], network: str) -> list[Json]:
    """Write conclusions, the best first, each with the others that contradict it."""
    return [_attribution(one, found, network) for one in found]


def _attribution(one: Attribution, found: Sequence[Attribution], network: str) -> Json:
    best = one.tags[0] if one.tags else None
    return {
        "entity": entity(one.entity_id, one.name, one.jurisdictions),
        "category": one.category,
        "basis": one.basis,
        "legal_status": legal(one.listing),
        "confidence": percent(one.confidence),
        "sources": _sources(one.tags),
        "evidence": {
            "tagged_address": best.address if best else None,
            "label": best.label if best else None,
            "tags": one.n_tags,
            "rule": one.rule,
            "edges": steps(one.evidence, network),
        },
        "conflicts": [
            {
                "entity": entity(other.entity_id, other.name, other.jurisdictions),
                "category": other.category,
                "confidence": percent(other.confidence),
            }
            for other in found
            if one.conflict and other is not one and other.entity_id != one.entity_id
        ],
    }


def _sources(tags: Iterable[Tag]) -> list[Json]:
    unique = {(tag.source_sha256, tag.source_uri): tag for tag in tags}
    return [source(tag) for tag in unique.values()]


def source(tag: Tag) -> Json:
    """Write who says so."""
    return {
        "name": tag.source_name,
        "published": day(tag.source_date),
        "sha256": tag.source_sha256,
        "uri": tag.source_uri,
    }


def steps(chain: Iterable[Step | Identity], network: str) -> list[Json]:
    """Write a chain of evidence."""
    return [
        {
            "rule": step.rule,
            "txid": None if step.txid is None else displayed(step.txid),
            "confidence": percent(step.confidence),
            "families": list(step.families),
            "from_address": address_text(step.from_address, network),
            "to_address": address_text(step.to_address, network),
        }
        for step in chain
    ]


def exposures(found: Iterable[Exposure]) -> list[Json]:
    """Write exposures."""
    return [
        {
            "direction": one.direction,
            "kind": one.kind,
            "category": one.category,
            "entity": entity(one.entity_id, one.name, one.jurisdictions),
            "jurisdictions": list(one.jurisdictions),
            "legal_status": legal(one.listing),
            "value": btc(one.value),
            "fiat": None if one.fiat is None else {"value": f"{one.fiat:f}", "currency": one.currency},
            "share": f"{one.share:f}",
            "transactions": one.n_tx,
            "min_hops": one.min_hops,
            "mean_hops": f"{one.mean_hops:f}",
            "first_at": moment(one.first_time),
            "last_at": moment(one.last_time),
            "after_designation": one.after_designation,
            "unsolicited": one.unsolicited,
            "passes_through": one.passes_through,
        }
        for one in found
    ]


def counterparty(one: Counterparty, network: str) -> Json:
    """Write one counterparty."""
    return {
        "direction": one.direction,
        "address": address_text(one.party, network),
        "kind": PSEUDO_KINDS.get(one.cluster_id, "cluster"),
        "entity": entity(one.entity_id, one.name, one.jurisdictions),
        "category": one.category,
        "value": btc(one.value),
        "transactions": one.n_tx,
        "first_at": moment(one.first_time),
        "last_at": moment(one.last_time),
    }


def history(one: AddressTransaction) -> Json:
    """Write what one transaction did to an address."""
    return {
        "txid": displayed(one.txid),
        "height": one.tx_id >> 20,
        "time": moment(one.time),
        "received": btc(one.received),
        "sent": btc(one.sent),
    }


def transaction(one: Transaction, network: str) -> Json:
    """Write a transaction."""
    verdict = one.multi_party
    return {
        "txid": displayed(one.txid),
        "height": one.height,
        "position": one.position,
        "time": moment(one.time),
        "size": one.size,
        "weight": one.weight,
        "fee": None if one.fee is None else btc(one.fee),
        "coinjoin": None
        if verdict is None
        else {
            "rule": verdict.rule,
            "participants": verdict.participants,
            "denomination": btc(verdict.denomination),
            "confidence": percent(verdict.confidence),
        },
        "inputs": [_end(spend.vin, spend, network) for spend in one.inputs],
        "outputs": [_end(output.vout, output, network) for output in one.outputs],
    }


def _end(position: int, one: Input | Output, network: str) -> Json:
    return {
        "position": position,
        "address": text_of_payload(one.script_type, one.payload, network) if one.payload is not None else None,
        "script_type": None if one.value is None else script_name(one.script_type),
        "value": None if one.value is None else btc(one.value),
    }


def subject(submitted: str, canonical: str, facts: AddressFacts | None, ground: Ground) -> Json:
    """Write what was asked about."""
    return {
        "chain": ground.network.caip2,
        "submitted": submitted,
        "canonical": canonical,
        "seen_on_chain": facts is not None,
        "first_seen_height": None if facts is None else facts.first_height,
    }


def coverage(ground: Ground, settings: Settings, exposed: Iterable[Exposure] = (), *, cut: bool = False) -> Json:
    """Write how much is known, and how old it is."""
    generation, lag = ground.generation, ground.lag()
    return {
        "indexed_height": generation.height,
        "tip_height": None,
        "lag_s": lag,
        "stale": lag > (settings.max_lag or STALE_AFTER_S),
        "truncated": cut,
        "unattributed_share": unattributed(exposed),
        "history_from_height": generation.first_height,
    }


def unattributed(exposed: Iterable[Exposure]) -> str | None:
    """Share of all value, received and sent, whose other end nothing explains; None of nothing."""
    dealt = [one for one in exposed if one.kind != "ownership" and not one.passes_through]
    whole = sum(one.value for one in dealt)
    if whole == 0:
        return None
    unknown = sum(one.value for one in dealt if one.category in UNKNOWN)
    return fraction(unknown * MILLION // whole)


def as_of(ground: Ground) -> Json:
    """Write what the answer is as of."""
    generation = ground.generation
    return {
        "generation": generation.id,
        "height": generation.height,
        "block_hash": generation.block_hash,
        "labels": generation.label_version,
        "exposure_labels": generation.exposure_labels,
        "prices": generation.prices,
        "lists": ground.lists,
        "software": software(),
        "rules": ground.rules,
    }


def pick(values: Mapping[str, Any], *names: str) -> Json:
    """Return some fields of a dict."""
    return {name: values[name] for name in names}
