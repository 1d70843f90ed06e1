"""Whom a cluster dealt with directly: by entity, category and jurisdiction, with value, share and dates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Final

from heuristics.attribution.conclusions import Attribution
from heuristics.lookup import Party, address, block_time_of, parties
from store.reader import Answer, Cursor, Known, Listing, Total, answer_for

DIRECTIONS: Final = ("received", "sent")
COINBASE: Final = -1
COINJOIN: Final = -2
UNRESOLVED: Final = -3
# Counterparties that are no cluster, and the categories that answers give them.
PSEUDO: Final = {COINBASE: "mined", COINJOIN: "coinjoin", UNRESOLVED: "unresolved"}
UNATTRIBUTED: Final = "unattributed"
SHARE_UNIT: Final = Decimal("0.000001")
_NOBODY: Final = Answer(None, UNATTRIBUTED, None), 0

_FLOW = "SELECT direction, counterparty, value, n_tx, first_tx_id, last_tx_id FROM flow WHERE cluster = ?"
_BUSY = (
    "SELECT direction, entity_id, category, list_id, listed_from, listed_to, value, n_tx, first_tx_id, "
    "last_tx_id, confidence, after_designation FROM exposure WHERE cluster = ? "
    "ORDER BY direction, category = 'unattributed', value DESC, category, entity_id"
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Value between a wallet and one kind of counterparty; satoshi, seconds since 1970 UTC, percent.

    `share` is of everything the wallet received, or sent, self-transfers left out. `listing` is one that stands
    where the party has several. `after_designation` says that dealings lie within any listing of the cluster
    they were with; where there were some before and some after, but none within, it says so too.
    """

    direction: str
    kind: str
    category: str
    entity_id: str | None
    name: str | None
    jurisdictions: tuple[str, ...]
    value: int
    share: Decimal
    n_tx: int
    first_tx_id: int
    last_tx_id: int
    first_time: int
    last_time: int
    confidence: int
    listing: Listing | None = None
    after_designation: bool = False


@dataclass(frozen=True, slots=True)
class Counterparty:
    """One cluster (or pseudo counterparty) at the other end of a wallet's flows; satoshi and transactions."""

    direction: str
    cluster_id: int
    party: Party | None
    category: str
    entity_id: str | None
    name: str | None
    jurisdictions: tuple[str, ...]
    value: int
    n_tx: int
    first_tx_id: int
    last_tx_id: int
    first_time: int
    last_time: int

    @property
    def position(self) -> tuple[int, int, int]:
        """Where this row stands in the list: what the next page starts after."""
        return self.value, DIRECTIONS.index(self.direction), self.cluster_id


@dataclass(frozen=True, slots=True)
class _Named:
    """All flow of one direction with one attributed party, or with all clusters that nobody claims."""

    direction: int
    answer: Answer
    value: int
    n_tx: int
    first_tx_id: int
    last_tx_id: int
    confidence: int
    after_designation: bool


def direct(cur: Cursor, cluster_id: int) -> list[Exposure]:
    """List a cluster's direct exposure; per direction the shares sum to 1 (but for their rounding).

    What no tag explains is one row of category `unattributed`; coinbase, CoinJoin and unresolved origins are
    rows of their own. A cluster without flows has none. Transactions are counted once per counterparty.
    """
    known = cur.known
    totals, named = _of_busy(cur, cluster_id) if cluster_id in known.busy else _added_up(cur, cluster_id)
    found = []
    for direction in (0, 1):
        sides = [total for total in totals if total.direction == direction]
        whole = sum(total.value for total in sides)
        found += [_party(known, row, whole) for row in named if row.direction == direction]
        found += [_pseudo(known, total, whole) for total in sides if total.kind in PSEUDO]
    return found


def _of_busy(cur: Cursor, cluster_id: int) -> tuple[Sequence[Total], Sequence[_Named]]:
    """Take totals from memory and attributed flows from the table that was added up beforehand."""
    named = []
    for direction, entity, category, list_id, listed_from, listed_to, *sums in cur.rows(_BUSY, [cluster_id]):
        listing = Listing(list_id, entity, listed_from, listed_to) if list_id else None
        named.append(_Named(direction, Answer(entity, category, listing), *sums))
    return cur.known.busy[cluster_id], named


def _added_up(cur: Cursor, cluster_id: int) -> tuple[Sequence[Total], Sequence[_Named]]:
    """Add up a cluster's few flows: all of them, and those with each attributed party."""
    totals: dict[tuple[int, int], Total] = {}
    named: dict[tuple[int, str | None, str], _Named] = {}
    for direction, other, *sums in cur.rows(_FLOW, [cluster_id]):
        kind = min(other, 0)
        before = totals.get((direction, kind))
        totals[direction, kind] = Total(direction, kind, *_plus(before, sums))
        if other in PSEUDO:
            continue
        answer, confidence = answer_for(cur.known, other) or _NOBODY
        key = direction, answer.entity_id, answer.category
        earlier = named.get(key)
        sure = max(confidence, earlier.confidence if earlier else 0)
        kept = earlier.answer if earlier and _stands(earlier.answer, answer) else answer
        within = _within(cur.known, other, *sums[2:]) or (earlier is not None and earlier.after_designation)
        named[key] = _Named(direction, kept, *_plus(earlier, sums), sure, within)
    rows = sorted(named.values(), key=_row_order)
    return sorted(totals.values(), key=lambda total: -total.kind), rows


def _row_order(row: _Named) -> tuple[bool, int, str, str]:
    who = row.answer
    return who.category == UNATTRIBUTED, -row.value, who.category, who.entity_id or ""


def _within(known: Known, other: int, first_tx_id: int, last_tx_id: int) -> bool:
    """Whether dealings with a cluster overlap any of its listings."""
    listings = known.dated.get(other, ())
    if not listings:
        return False
    times = block_time_of(known, first_tx_id), block_time_of(known, last_tx_id)
    return any(overlaps(listing, *times) for listing in listings)


def _plus(before: Total | _Named | None, sums: Sequence[int]) -> tuple[int, int, int, int]:
    """Value, transactions, first and last transaction of what was there and one more row."""
    value, n_tx, first, last = sums
    if before is None:
        return value, n_tx, first, last
    return (
        before.value + value,
        before.n_tx + n_tx,
        min(before.first_tx_id, first),
        max(before.last_tx_id, last),
    )


def _stands(one: Answer, other: Answer) -> bool:
    """Whether the listing of one answer says as much as another's: listed now, then listed first."""

    def rank(answer: Answer) -> tuple[bool, bool, date, str]:
        listing = answer.listing
        if listing is None:
            return True, True, date.max, ""
        return False, listing.listed_to is not None, listing.listed_from or date.min, listing.list_id

    return rank(one) <= rank(other)


def ownership(cur: Cursor, address_id: int, found: Sequence[Attribution]) -> list[Exposure]:
    """State that a wallet is somebody's own: one exposure of share 1 per direction and conclusion.

    `found` is what `conclusions.attributions` says of the address; values are the address's own totals.
    """
    facts = address(cur, address_id)
    if facts is None:
        return []
    dates = facts.first_tx_id, facts.last_tx_id
    times = block_time_of(cur.known, dates[0]), block_time_of(cur.known, dates[1])
    sides = (("received", facts.received, facts.n_received), ("sent", facts.sent, facts.n_sent))
    return [
        Exposure(
            direction, "ownership", a.category, a.entity_id, a.name, a.jurisdictions, value, Decimal(1), n_tx,
            *dates, *times, a.confidence, a.listing,
            any(overlaps(one, *times) for one in _all_listings(cur, address_id, a)),
        )
        for a in found
        for direction, value, n_tx in sides
        if n_tx
    ]  # fmt: skip


def _all_listings(cur: Cursor, address_id: int, found: Attribution) -> list[Listing]:
    """The listing a conclusion shows, and what other intervals the address itself was listed for."""
    own = (one for one in cur.known.listings.get(address_id, ()) if one.entity_id == found.entity_id)
    return [] if found.listing is None else [found.listing, *own]


def counterparties(
    cur: Cursor, cluster_id: int, limit: int, after: tuple[int, int, int] | None = None
) -> list[Counterparty]:
    """List the clusters at the other end, largest value first.

    Parameters
    ----------
    cur
        Where to ask.
    cluster_id
        Whose counterparties.
    limit
        At most so many rows; a counterparty has one row per direction.
    after
        `position` of the last row of the page before; None for the first page.
    """
    sql = (
        "SELECT direction, counterparty, value, n_tx, first_tx_id, last_tx_id FROM flow WHERE cluster = ? "
        "AND (value, direction, counterparty) < (?, ?, ?) "
        "ORDER BY value DESC, direction DESC, counterparty DESC LIMIT ?"
    )
    rows = cur.rows(sql, [cluster_id, *(after or (1 << 62, 2, 0)), limit])
    numbers = [row[1] for row in rows]
    named = parties(cur, numbers)
    return [_counterparty(cur.known, row, named.get(row[1])) for row in rows]


def overlaps(listing: Listing, first_time: int, last_time: int) -> bool:
    """Whether a period (seconds since 1970 UTC) and a listing have a day in common."""
    first, last = (datetime.fromtimestamp(t, UTC).date() for t in (first_time, last_time))
    return last >= (listing.listed_from or last) and first < (listing.listed_to or date.max)


def _party(known: Known, row: _Named, whole: int) -> Exposure:
    """Flow with one party, or with nobody known, as an answer."""
    answer = row.answer
    entity = known.entities.get(answer.entity_id or "")
    times = block_time_of(known, row.first_tx_id), block_time_of(known, row.last_tx_id)
    return Exposure(
        direction=DIRECTIONS[row.direction],
        kind="direct",
        category=answer.category,
        entity_id=answer.entity_id,
        name=entity.name if entity else None,
        jurisdictions=entity.jurisdictions if entity else (),
        value=row.value,
        share=share_of(row.value, whole),
        n_tx=row.n_tx,
        first_tx_id=row.first_tx_id,
        last_tx_id=row.last_tx_id,
        first_time=times[0],
        last_time=times[1],
        confidence=row.confidence,
        listing=answer.listing,
        after_designation=row.after_designation,
    )


def _pseudo(known: Known, total: Total, whole: int) -> Exposure:
    """Flow with one of the counterparties that are no cluster."""
    return Exposure(
        direction=DIRECTIONS[total.direction],
        kind="direct",
        category=PSEUDO[total.kind],
        entity_id=None,
        name=None,
        jurisdictions=(),
        value=total.value,
        share=share_of(total.value, whole),
        n_tx=total.n_tx,
        first_tx_id=total.first_tx_id,
        last_tx_id=total.last_tx_id,
        first_time=block_time_of(known, total.first_tx_id),
        last_time=block_time_of(known, total.last_tx_id),
        confidence=0,
    )


def share_of(value: int, whole: int) -> Decimal:
    """Return value / whole with six places, rounded down so that no sum exceeds 1; 0 of nothing."""
    if whole == 0:
        return Decimal(0).quantize(SHARE_UNIT)
    return (Decimal(value) / Decimal(whole)).quantize(SHARE_UNIT, rounding=ROUND_DOWN)


def _counterparty(known: Known, row: tuple[int, int, int, int, int, int], party: Party | None) -> Counterparty:
    direction, cluster_id, value, n_tx, first, last = row
    who = answer_for(known, cluster_id)
    answer = who[0] if who else Answer(None, PSEUDO.get(cluster_id, UNATTRIBUTED), None)
    entity = known.entities.get(answer.entity_id or "")
    return Counterparty(
        direction=DIRECTIONS[direction],
        cluster_id=cluster_id,
        party=party,
        category=answer.category,
        entity_id=answer.entity_id,
        name=entity.name if entity else None,
        jurisdictions=entity.jurisdictions if entity else (),
        value=value,
        n_tx=n_tx,
        first_tx_id=first,
        last_tx_id=last,
        first_time=block_time_of(known, first),
        last_time=block_time_of(known, last),
    )
