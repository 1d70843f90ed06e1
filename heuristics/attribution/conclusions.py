"""Who an address is: what its own tags say, and what its wallet's tags and claims say through the edges between.

What leads over a change link is a conclusion about an entity (`entity_attribution`), listed or not: only T0 edges claim
ownership. What a rule claims is an `ownership_rule`; it carries no listing, as lists name addresses.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple

from heuristics.clusters.evidence import Edge, Step, certainty, chains_of, cluster_of_number, wallet_of, way
from heuristics.lookup import Party, address
from heuristics.rules import BY_ID
from heuristics.rules.clusters import SAMEKEY
from store.reader import Cursor, Known, Listing, holds

LISTED: Final = "listed_address"
CLUSTER_LISTED: Final = "cluster_of_listed_address"
OWNERSHIP_RULE: Final = "ownership_rule"
ENTITY: Final = "entity_attribution"
# From this confidence on, two entities in one cluster contradict each other.
SURE_ENOUGH: Final = 50
TAGS_SHOWN: Final = 20
# Entities that a cluster's tags name: what stands behind these has to be looked up one by one.
CLAIMS_SHOWN: Final = 5

_TAG = (
    "SELECT tag_id, address_id, address, entity_id, label, category, confidence, cluster_definer, list_id, "
    "listed_from, listed_to, source_name, source_sha256, source_date, source_uri, valid_from, valid_to, retracted, "
    "stands FROM tag WHERE address_id = ? "
)
_CLUSTER = (
    "SELECT rank, entity_id, category, confidence, tag_id, number, address_id, named_id, n_tags, list_id, "
    "listed_from, listed_to, conflict, rule, toward, tx_id FROM attribution "
    "WHERE cluster = ? AND rank < ? ORDER BY rank"
)
# What a claim's entity rests on, in the wallet that the claim reaches.
_REACHED = (
    "SELECT tag_id, number, address_id, named_id FROM attribution "
    "WHERE cluster = ? AND entity_id = ? AND rule = 0 AND rank < ? ORDER BY rank"
)
_SAME_KEY = (
    "SELECT tag_id, coalesce(number, -1), address_id, script_type, payload, named_id, named_type, named_payload "
    "FROM same_key WHERE address_id = ? ORDER BY tag_id"
)
UNNUMBERED: Final = -1
OWNING: Final = "T0"  # the tier of rules that claim ownership
_SAME_KEY_EDGE: Final = Edge(UNNUMBERED, UNNUMBERED, SAMEKEY.id, 0, SAMEKEY.confidence)


@dataclass(frozen=True, slots=True)
class Identity:
    """A step from one script of a key to another, which no transaction has to show; confidence in percent."""

    from_address: Party
    to_address: Party
    rule: str = SAMEKEY.label
    confidence: int = SAMEKEY.confidence
    tx_id: None = None
    txid: None = None
    families: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """One claim as its source made it; confidence in percent."""

    tag_id: int
    address_id: int
    address: str
    entity_id: str | None
    label: str
    category: str
    confidence: int
    cluster_definer: bool
    list_id: str | None
    listed_from: date | None
    listed_to: date | None
    source_name: str
    source_sha256: str
    source_date: date | None
    source_uri: str | None
    valid_from: date | None
    valid_to: date | None
    retracted: date | None
    stands: bool

    @property
    def listing(self) -> Listing | None:
        """The legal listing that the claim is; None where it is none."""
        if self.list_id is None:
            return None
        return Listing(self.list_id, self.entity_id, self.listed_from, self.listed_to)


@dataclass(frozen=True, slots=True)
class Attribution:
    """One conclusion about an address, the best first; confidence in percent, of control.

    `listing` says whether the party is, or was, listed: certain and dated, apart from the confidence.
    `evidence` leads from the address to the tagged one, empty where the address itself is tagged; its last step
    may be an identity. `n_tags` counts the tags that agree; `tags` shows the best of them. `conflict`: another
    entity is claimed as surely. `rule` claims it where no tag of the wallet does: then `evidence` leads on, through
    the rule's transaction, to the tagged address of the wallet that it reaches, if there is one. `claimed` is the
    confidence before the edges.
    """

    entity_id: str | None
    name: str | None
    jurisdictions: tuple[str, ...]
    category: str
    basis: str
    confidence: int
    listing: Listing | None
    tags: tuple[Tag, ...]
    n_tags: int
    evidence: tuple[Step | Identity, ...]
    conflict: bool
    claimed: int
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class _ClusterRow:
    """A row of the attribution table."""

    rank: int
    entity_id: str | None
    category: str
    confidence: int
    tag_id: int | None
    number: int
    address_id: int
    named_id: int | None
    n_tags: int
    list_id: str | None
    listed_from: date | None
    listed_to: date | None
    conflict: bool
    rule: int
    toward: int | None
    tx_id: int

    @property
    def listing(self) -> Listing | None:
        """The legal listing behind the claim; None where there is none."""
        return Listing(self.list_id, self.entity_id, self.listed_from, self.listed_to) if self.list_id else None


class _Claim(NamedTuple):
    """What a wallet is claimed to be; `beyond` leads on from a member to the tagged address, which tag says it."""

    row: _ClusterRow
    tag: Tag | None
    identity: Identity | None
    beyond: tuple[Edge, ...]


def attributions(cur: Cursor, cluster_id: int | None, address_id: int, number: int | None = None) -> list[Attribution]:
    """Conclude who an address is.

    Parameters
    ----------
    cur
        Where to ask.
    cluster_id
        Its cluster as `lookup.address` says; None for an address that was never seen on chain.
    address_id
        The address.
    number
        Its number, where it is at hand: spares a look-up.

    Returns
    -------
    list[Attribution]
        Listed now first, then listed once, then by confidence; empty where nobody claims anything. What the
        tags of other scripts of its key, or its wallet's, say of a party that the address's own tags name too
        is there where it says more: a listing, or more confidence. Of a wallet that many entities are claimed
        for, the best five, marked as a conflict.
    """
    found = _from_own(cur.known, [tag for tag in own_tags(cur, address_id) if tag.stands])
    said = {_party(a.entity_id, a.category): a for a in found}
    kin = [one for one in _from_same_key(cur, address_id) if _adds(one, said)]
    found += kin
    said |= {_party(a.entity_id, a.category): a for a in kin}
    wallet = None if cluster_id is None else wallet_of(cur, cluster_id)
    if wallet is not None and holds(cur.known.attributed, wallet):
        claims = [claim for claim in _claims(cur, wallet) if _adds(claim.row, said)]
        others = _from_wallet(cur, claims, _number(cur, address_id) if number is None else number)
        found += [other for other in others if _adds(other, said)]
    return _judged(found)


def own_tags(cur: Cursor, address_id: int) -> list[Tag]:
    """Tags of an address itself, the best first; those that stand no more too."""
    if not holds(cur.known.tagged, address_id):
        return []
    return sorted((Tag(*row) for row in cur.rows(_TAG, [address_id])), key=_tag_order)


def listings(cur: Cursor, address_id: int) -> tuple[Listing, ...]:
    """Legal listings of an address or of another script of its key, past ones included, from memory."""
    return cur.known.listings.get(address_id, ())


def _from_own(known: Known, tags: Sequence[Tag]) -> list[Attribution]:
    """One conclusion per entity that an address's own tags name."""
    found = []
    for group in _by_party(tags):
        confidence = max(tag.confidence for tag in group)
        listed = _listed(group)
        found.append(_conclusion(known, group, LISTED if listed else ENTITY, confidence, listed))
    return found


def _from_same_key(cur: Cursor, address_id: int) -> list[Attribution]:
    """One conclusion per entity that the tags of other scripts of the address's key name."""
    if not holds(cur.known.same_key, address_id):
        return []
    steps = _identities(cur, address_id)
    tags = _tags(cur, [(step.to_address.address_id, tag_id) for tag_id, step in steps.items()])
    found = []
    for group in _by_party(sorted((tag for tag in tags.values() if tag.stands), key=_tag_order)):
        confidence = certainty([_SAME_KEY_EDGE], max(tag.confidence for tag in group))
        conclusion = _conclusion(cur.known, group, OWNERSHIP_RULE, confidence, _listed(group))
        found.append(replace(conclusion, evidence=(steps[group[0].tag_id],)))
    return found


def _identities(cur: Cursor, address_id: int) -> dict[int, Identity]:
    """Steps from an address to the tagged scripts of its key, by the tag's id."""
    rows = cur.rows(_SAME_KEY, [address_id])
    return {tag_id: Identity(Party(*ends[:4]), Party(UNNUMBERED, *ends[4:])) for tag_id, *ends in rows}


def _by_party(tags: Sequence[Tag]) -> list[list[Tag]]:
    """Group tags by whom they name, keeping their order."""
    groups: dict[tuple[str, str], list[Tag]] = defaultdict(list)
    for tag in tags:
        groups[_party(tag.entity_id, tag.category)].append(tag)
    return list(groups.values())


def _listed(tags: Sequence[Tag]) -> Listing | None:
    """The first listing among tags, the best first."""
    return next((tag.listing for tag in tags if tag.listing is not None), None)


def _number(cur: Cursor, address_id: int) -> int:
    """Number of an address; -1 where the index has not seen it."""
    facts = address(cur, address_id)
    return -1 if facts is None else facts.number


def _from_wallet(cur: Cursor, claims: Sequence[_Claim], number: int) -> list[Attribution]:
    """One conclusion per party that tags of other members name or a rule claims, with the edges that lead there."""
    if not claims or number < 0:
        return []
    ways = [way(cur, number, claim.row.number) for claim in claims]
    chains = chains_of(cur, [[*edges, *claim.beyond] for edges, claim in zip(ways, claims, strict=True)], number)
    return [_conclude(cur.known, *one) for one in zip(claims, ways, chains, strict=True)]


def _conclude(known: Known, claim: _Claim, edges: Sequence[Edge], chain: Sequence[Step]) -> Attribution:
    """What a claim says of an address that `edges` tie to it."""
    row, identity = claim.row, claim.identity
    owned = all(BY_ID[edge.rule].tier == OWNING for edge in edges)
    by_tags = CLUSTER_LISTED if row.listing and owned else ENTITY
    last = [_SAME_KEY_EDGE] if identity and not row.rule else []
    confidence = certainty([*edges, *last], row.confidence)
    entity = known.entities.get(row.entity_id or "")
    return Attribution(
        entity_id=row.entity_id,
        name=entity.name if entity else None,
        jurisdictions=entity.jurisdictions if entity else (),
        category=row.category,
        basis=OWNERSHIP_RULE if row.rule else by_tags,
        confidence=confidence,
        listing=row.listing,
        tags=(claim.tag,) if claim.tag else (),
        n_tags=row.n_tags,
        evidence=(*chain, identity) if identity else tuple(chain),
        conflict=row.conflict,
        claimed=row.confidence,
        rule=BY_ID[row.rule].label if row.rule else None,
    )


def _claims(cur: Cursor, wallet: int) -> list[_Claim]:
    """What a wallet is claimed to be, with the best tag behind each claim; asked once per wallet."""
    found: list[_Claim] | None = cur.memory.known("claims", [wallet]).get(wallet)
    if found is None:
        rows = [_ClusterRow(*row) for row in cur.rows(_CLUSTER, [wallet, CLAIMS_SHOWN])]
        keys = [(row.named_id, row.tag_id) for row in rows if row.named_id is not None and row.tag_id is not None]
        tags = _tags(cur, keys)
        found = [
            _ruled(cur, row, wallet)
            if row.tag_id is None
            else _Claim(row, tags[row.tag_id], _identity(cur, row.address_id, tags[row.tag_id]), ())
            for row in rows
        ]
        cur.memory.learn("claims", {wallet: found})
    return found


def _ruled(cur: Cursor, row: _ClusterRow, wallet: int) -> _Claim:
    """What a rule claims: from a member through its transaction to the tagged address of the wallet that it reaches."""
    toward = row.number if row.toward is None else row.toward
    claimed = Edge(row.number, toward, row.rule, row.tx_id, row.confidence)
    reached = wallet_of(cur, cluster_of_number(cur, toward))
    behind = None
    if row.entity_id is not None and reached != wallet:
        behind = cur.row(_REACHED, [reached, row.entity_id, CLAIMS_SHOWN])
    if behind is None:
        return _Claim(row, None, None, (claimed,))
    tag_id, number, address_id, named_id = behind
    tag = _tags(cur, [(named_id, tag_id)])[tag_id]
    return _Claim(row, tag, _identity(cur, address_id, tag), (claimed, *way(cur, toward, number)))


def _identity(cur: Cursor, address_id: int, tag: Tag) -> Identity | None:
    """The step from a member to the tagged script of its key; None where the member itself is tagged."""
    return None if tag.address_id == address_id else _identities(cur, address_id)[tag.tag_id]


def _tags(cur: Cursor, keys: Sequence[tuple[int, int]]) -> dict[int, Tag]:
    """Tags by address and tag id."""
    if not keys:
        return {}
    sql = " UNION ALL ".join([_TAG + "AND tag_id = ?"] * len(keys))
    rows = cur.rows(sql, [one for key in keys for one in key])
    return {row[0]: Tag(*row) for row in rows}


def _conclusion(known: Known, tags: Sequence[Tag], basis: str, confidence: int, listed: Listing | None) -> Attribution:
    """Build an attribution from an address's tags, the best first."""
    best = tags[0]
    entity = known.entities.get(best.entity_id or "")
    return Attribution(
        entity_id=best.entity_id,
        name=entity.name if entity else None,
        jurisdictions=entity.jurisdictions if entity else (),
        category=best.category,
        basis=basis,
        confidence=confidence,
        listing=listed,
        tags=tuple(tags[:TAGS_SHOWN]),
        n_tags=len(tags),
        evidence=(),
        conflict=False,
        claimed=max(tag.confidence for tag in tags),
    )


def _judged(found: Sequence[Attribution]) -> list[Attribution]:
    """Order conclusions and mark those that contradict each other."""
    sure = {a.entity_id for a in found if a.entity_id is not None and a.claimed >= SURE_ENOUGH}
    conflict = len(sure) > 1 or any(a.conflict for a in found)
    marked = [replace(a, conflict=True) for a in found] if conflict else list(found)
    return sorted(marked, key=_order)


def _party(entity_id: str | None, category: str) -> tuple[str, str]:
    """What makes two tags agree: the entity, or the category where no entity is named."""
    return (entity_id, "") if entity_id is not None else ("", category)


def _adds(claim: _ClusterRow | Attribution, said: Mapping[tuple[str, str], Attribution]) -> bool:
    """Whether a claim says more of a party than the address's own tags do."""
    own = said.get(_party(claim.entity_id, claim.category))
    if own is None:
        return True
    return (_listed_rank(claim.listing), -claim.confidence) < (_listed_rank(own.listing), -own.confidence)


def _listed_rank(listing: Listing | None) -> int:
    """0 for listed now, 1 for listed once, 2 for never."""
    if listing is None:
        return 2
    return 0 if listing.listed_to is None else 1


def _tag_order(tag: Tag) -> tuple[int, int, int]:
    return _listed_rank(tag.listing), -tag.confidence, tag.tag_id


def _order(one: Attribution) -> tuple[int, bool, int, int, str, str]:
    nameless = one.rule is not None and one.entity_id is None
    return _listed_rank(one.listing), nameless, -one.confidence, -one.n_tags, one.entity_id or "", one.category
