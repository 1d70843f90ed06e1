"""What rules suspect of a wallet and what it is there for: as answers tell it, and as policies judge it."""

from collections.abc import Iterable
from decimal import Decimal

from heuristics.attribution.behaviours import Behaviour, Lot, Use
from heuristics.exposure.codes import UNATTRIBUTED
from service import answers
from service.answers import Json
from service.live import Ground
from service.policy import Finding
from service.relations import aliases, tied_now
from service.rulebook import BEHAVIOUR
from store.reader import Known, Listing, answer_for

FRONT = "pass_through"


def told(found: Iterable[Behaviour], ground: Ground) -> list[Json]:
    """Write suspicions."""
    return [_behaviour(one, ground) for one in found]


def _behaviour(one: Behaviour, ground: Ground) -> Json:
    who = answers.named(ground.reader.known, one.entity_id)
    return {
        "id": one.kind,
        "tier": one.tier,
        "score": f"{_score(one):f}",
        "rule": one.rule,
        "fronts_for": who if one.kind == FRONT else None,
        "at": None if one.kind == FRONT else who,
        "legal_status": answers.legal(_listing(one, ground)),
        "for": list(one.speaks_for),
        "against": list(one.speaks_against),
        "value": answers.btc(one.value),
        "transactions": one.n_tx,
        "first_at": None if one.first_time is None else answers.moment(one.first_time),
        "last_at": answers.moment(one.last_time),
        "txid": None if one.txid is None else answers.displayed(one.txid),
        "lots": [_lot(lot) for lot in one.lots],
    }


def _lot(one: Lot) -> Json:
    return {
        "paid_in": answers.displayed(one.paid_in),
        "paid_out": answers.displayed(one.paid_out),
        "value": answers.btc(one.value),
        "dwell_s": one.dwell,
        "away": one.away,
    }


def _score(one: Behaviour) -> Decimal:
    """From 0 to 1, three places."""
    return Decimal(one.score).scaleb(-3)


def _listing(one: Behaviour, ground: Ground) -> Listing | None:
    """How the party that a suspicion is about is listed, one in force first; of a nameless one, how its address is."""
    known = ground.reader.known
    if one.entity_id is not None:
        ties = (tie for tie in known.ties.get(one.entity_id, ()) if tie.kinds == ("listed",))
        listed = [Listing(tie.list_id, one.entity_id, tie.tied_from, tie.tied_to) for tie in ties]
        return max(listed, key=lambda each: answers.in_force(each, ground), default=None)
    named = None if one.party is None else answer_for(known, one.party)
    return None if named is None else named[0].listing


def findings(found: Iterable[Behaviour], ground: Ground) -> list[Finding]:
    """What a policy may judge: the suspicion, and the party that it is about."""
    return [_finding(one, ground) for one in found]


def _finding(one: Behaviour, ground: Ground) -> Finding:
    party = ground.reader.known.entities.get(one.entity_id or "")
    listing = _listing(one, ground)
    status = answers.legal_status(listing, ground)
    return Finding(
        kind=BEHAVIOUR,
        category=party.category if party else UNATTRIBUTED,
        confidence=one.score // 10,
        entity=one.entity_id,
        jurisdictions=party.jurisdictions if party else (),
        lists=(listing.list_id,) if listing else (),
        legal_status=status,
        ties=tied_now(ground, one.entity_id),
        aliases=aliases(ground, one.entity_id),
        behaviour=one.kind,
        tier=one.tier,
        score=_score(one),
    )


def used_for(found: Use | None, known: Known) -> Json:
    """Write what a wallet is there for, and whose customers' money lies in it; nothing of one never seen on chain."""
    role = None
    if found is not None and found.role is not None:
        role = {"role": found.role, "entity": answers.named(known, found.entity_id)}
    shared = [
        {
            "basis": one.basis,
            "entity": answers.named(known, one.entity_id),
            "category": one.category,
            "confidence": answers.percent(one.confidence),
            "rule": one.rule,
        }
        for one in (found.custody if found else ())
    ]
    return {"wallet_role": role, "shared_custody": shared}
