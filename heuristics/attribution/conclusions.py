"""Who an address is: what its own tags say, and what its cluster's tags say through the edges between."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from heuristics.clusters.evidence import Step, certainty, chains_of, path
from heuristics.lookup import address
from store.reader import Cursor, Known, Listing, holds

LISTED: Final = "listed_address"
CLUSTER_LISTED: Final = "cluster_of_listed_address"
ENTITY: Final = "entity_attribution"
# From this confidence on, two entities in one cluster contradict each other.
SURE_ENOUGH: Final = 50
TAGS_SHOWN: Final = 20
# Entities that a cluster's tags name: what stands behind these has to be looked up one by one.
CLAIMS_SHOWN: Final = 5

_TAG = (
    "SELECT tag_id, address_id, address, entity_id, label, category, confidence, cluster_definer, list_id, "
    "listed_from, listed_to, source_name, source_sha256, source_date, source_uri FROM tag WHERE address_id = ? "
)
_CLUSTER = (
    "SELECT rank, entity_id, category, confidence, tag_id, number, address_id, n_tags, list_id, listed_from, "
    "listed_to, conflict FROM attribution WHERE cluster = ? AND rank < ? ORDER BY rank"
)


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
    `evidence` leads from the address to the tagged one, empty where the address itself is tagged. `n_tags`
    counts the tags that agree; `tags` shows the best of them. `conflict`: another entity is claimed as surely.
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
    evidence: tuple[Step, ...]
    conflict: bool


@dataclass(frozen=True, slots=True)
class _ClusterRow:
    """A row of the attribution table."""

    rank: int
    entity_id: str | None
    category: str
    confidence: int
    tag_id: int
    number: int
    address_id: int
    n_tags: int
    list_id: str | None
    listed_from: date | None
    listed_to: date | None
    conflict: bool

    @property
    def listing(self) -> Listing | None:
        """The legal listing behind the claim; None where there is none."""
        return Listing(self.list_id, self.entity_id, self.listed_from, self.listed_to) if self.list_id else None


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
        cluster's tags say of a party that the address's own tags name too is there where it says more: a
        listing, or more confidence. Of a cluster that many entities are claimed for, the best five, marked as
        a conflict.
    """
    own = own_tags(cur, address_id)
    found = _from_own(cur.known, own)
    if cluster_id is not None and holds(cur.known.attributed, cluster_id):
        said = {_party(a.entity_id, a.category): a for a in found}
        claims = [claim for claim in _claims(cur, cluster_id) if _adds(claim[0], said)]
        others = _from_cluster(cur, claims, cluster_id, _number(cur, address_id) if number is None else number)
        found += [other for other in others if _adds(other, said)]
    return _judged(found)


def own_tags(cur: Cursor, address_id: int) -> list[Tag]:
    """Tags of an address itself, the best first."""
    if not holds(cur.known.tagged, address_id):
        return []
    return sorted((Tag(*row) for row in cur.rows(_TAG, [address_id])), key=_tag_order)


def listings(cur: Cursor, address_id: int) -> tuple[Listing, ...]:
    """Legal listings of an address, past ones included, from memory."""
    return cur.known.listings.get(address_id, ())


def _from_own(known: Known, tags: Sequence[Tag]) -> list[Attribution]:
    """One conclusion per entity that an address's own tags name."""
    groups: dict[tuple[str, str], list[Tag]] = defaultdict(list)
    for tag in tags:
        groups[_party(tag.entity_id, tag.category)].append(tag)
    found = []
    for group in groups.values():
        listed = next((tag.listing for tag in group if tag.listing is not None), None)
        confidence = max(tag.confidence for tag in group)
        basis = LISTED if listed else ENTITY
        found.append(_conclusion(known, group, basis, confidence, listed))
    return found


def _number(cur: Cursor, address_id: int) -> int:
    """Number of an address; -1 where the index has not seen it."""
    facts = address(cur, address_id)
    return -1 if facts is None else facts.number


def _from_cluster(cur: Cursor, claims: Sequence[tuple[_ClusterRow, Tag]], root: int, number: int) -> list[Attribution]:
    """One conclusion per entity that the tags of other members name, with the edges that lead to them."""
    if not claims or number < 0:
        return []
    paths = [path(cur, number, row.number, root) for row, _ in claims]
    chains = chains_of(cur, paths, number)
    found = []
    for (row, tag), edges, chain in zip(claims, paths, chains, strict=True):
        basis = CLUSTER_LISTED if row.listing else ENTITY
        conclusion = _conclusion(cur.known, [tag], basis, certainty(edges, row.confidence), row.listing)
        found.append(replace(conclusion, n_tags=row.n_tags, evidence=tuple(chain), conflict=row.conflict))
    return found


def _claims(cur: Cursor, cluster_id: int) -> list[tuple[_ClusterRow, Tag]]:
    """What a cluster's tags claim, with the best tag behind each claim; asked once per cluster."""
    found: list[tuple[_ClusterRow, Tag]] | None = cur.memory.known("claims", [cluster_id]).get(cluster_id)
    if found is None:
        rows = [_ClusterRow(*row) for row in cur.rows(_CLUSTER, [cluster_id, CLAIMS_SHOWN])]
        sql = " UNION ALL ".join([_TAG + "AND tag_id = ?"] * len(rows))
        asked = [key for row in rows for key in (row.address_id, row.tag_id)]
        tags = {row[0]: Tag(*row) for row in cur.rows(sql, asked)}
        found = [(row, tags[row.tag_id]) for row in rows]
        cur.memory.learn("claims", {cluster_id: found})
    return found


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
    )


def _judged(found: Sequence[Attribution]) -> list[Attribution]:
    """Order conclusions and mark those that contradict each other."""
    sure = {a.entity_id for a in found if a.entity_id is not None and _claimed(a) >= SURE_ENOUGH}
    conflict = len(sure) > 1 or any(a.conflict for a in found)
    marked = [replace(a, conflict=True) for a in found] if conflict else list(found)
    return sorted(marked, key=_order)


def _claimed(attribution: Attribution) -> int:
    """Confidence of the best tag, before the edges that lead to it: what contradicts is the claims."""
    return max(tag.confidence for tag in attribution.tags)


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


def _order(attribution: Attribution) -> tuple[int, int, int, str, str]:
    who = attribution.entity_id or "", attribution.category
    return _listed_rank(attribution.listing), -attribution.confidence, -attribution.n_tags, *who
