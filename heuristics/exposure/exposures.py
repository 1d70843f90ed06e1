"""What a wallet had to do with whom: ownership, direct and indirect, received and sent, with value, share and dates.

Rows are by source and by whether a listing was in force; per direction the shares of all rows sum to 1, those left
out that only name a party which trails pass through: what lies behind it is told in rows of its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from heuristics.attribution.conclusions import Attribution
from heuristics.exposure.codes import ENDS, UNATTRIBUTED
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.passes.parts import CUT, Rows
from heuristics.exposure.vectors import CUT as CUT_AT
from heuristics.exposure.wheel import AFTER, INDIRECT, PASSES, SENT, UNSOLICITED
from heuristics.lookup import AddressFacts, block_time_of
from store.reader import Cursor, Known, Listing

DIRECTIONS: Final = ("received", "sent")
SHARE_UNIT: Final = Decimal("0.000001")
# Categories that say that the other end is not known.
UNKNOWN: Final = frozenset({UNATTRIBUTED, ENDS[0]})
_CENT: Final = Decimal("0.01")
# Of an address with more transactions only the newest are looked at.
MOST_TRANSACTIONS: Final = 100_000
_HISTORY: Final = "SELECT tx_id FROM address_tx WHERE number = ? ORDER BY tx_id DESC LIMIT ?"
_NO_HOPS: Final = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Exposure:
    """Value between a wallet and one source or destination; satoshi, seconds since 1970 UTC, percent.

    `share` is of everything the wallet received, or sent. `min_hops` and `mean_hops` count passages between
    clusters. `fiat` is the value at each day's price; None where a day has none. `after_designation` says whether
    a listing was in force when the wallet was paid, or paid: what was before has a row of its own. `unsolicited` is
    dust. `passes_through`: a named party behind which the trail goes on; its value is in other rows as well.
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
    min_hops: int
    mean_hops: Decimal
    first_tx_id: int
    last_tx_id: int
    first_time: int
    last_time: int
    confidence: int
    listing: Listing | None = None
    after_designation: bool = False
    unsolicited: bool = False
    passes_through: bool = False
    fiat: Decimal | None = None
    currency: str | None = None


class _Line(NamedTuple):
    """A wheel.LINE in plain numbers."""

    code: int
    flags: int
    value: float
    far: float
    fiat: float
    unpriced: float
    peak: float
    most: int
    first: int
    last: int
    n_tx: int
    min_hops: int


@dataclass(slots=True)
class _Row:
    """What is added up for one exposure."""

    value: float = 0.0
    far: float = 0.0
    fiat: float = 0.0
    unpriced: float = 0.0
    first: int = 1 << 40
    last: int = -1
    n_tx: int = 0
    min_hops: int = 1 << 30

    def add(self, line: _Line) -> None:
        """Add a line."""
        self.value += line.value
        self.far += line.far
        self.fiat += line.fiat
        self.unpriced += line.unpriced
        self.first = min(self.first, line.first)
        self.last = max(self.last, line.last)
        self.n_tx += line.n_tx
        self.min_hops = min(self.min_hops, line.min_hops)


def of_wallet(cur: Cursor, number: int) -> list[Exposure]:
    """Tell what the wallet that an address is part of received and sent."""
    coins = coins_of(cur)
    return dealings(cur.known, coins, coins.lines(coins.wallet_of(number)))


def of_address(cur: Cursor, facts: AddressFacts, most: int = MOST_TRANSACTIONS) -> tuple[list[Exposure], bool]:
    """Tell what one address received and sent, itself, and whether it has more than the `most` transactions told."""
    coins = coins_of(cur)
    newest = np.asarray(cur.execute(_HISTORY, [facts.number, most + 1]).fetchnumpy()["tx_id"])
    places = coins.places_of(newest[:most][::-1])
    lines = coins.lines_of_address(coins.wallet_of(facts.number), facts.number, places)
    return dealings(cur.known, coins, lines), len(newest) > most


def dealings(known: Known, coins: Coins, lines: Rows) -> list[Exposure]:
    """Tell the lines of a wallet as exposures, the largest first, what is unknown last.

    Parameters
    ----------
    known, coins
        The generation.
    lines
        wheel.LINEs of the wallet, or of one of its addresses.
    """
    rows: defaultdict[tuple[int, int], _Row] = defaultdict(_Row)
    told = [_Line(*line) for line in lines.tolist()]
    whole = [sum(line.value for line in told if line.flags & (SENT | PASSES) == side) for side in (0, SENT)]
    for line in told:
        rows[_kept(coins, line, whole[line.flags & SENT])].add(line)
    found = [_exposure(known, coins, key, (row, whole[key[1] & SENT])) for key, row in rows.items()]
    return sorted(found, key=_order)


def _kept(coins: Coins, line: _Line, whole: float) -> tuple[int, int]:
    """The code and flags under which a line is told: too small to name, it is told by category, or as cut off."""
    if line.value >= CUT_AT.drop * whole or coins.codes[line.code].listing or line.flags & PASSES:
        return line.code, line.flags
    if line.value < 1:
        return CUT, line.flags & SENT | INDIRECT
    return int(coins.parties.category[line.code]), line.flags


def _order(one: Exposure) -> tuple[Any, ...]:
    who = one.category, one.entity_id or "", one.kind, one.after_designation, one.unsolicited, str(one.listing)
    return DIRECTIONS.index(one.direction), one.category in UNKNOWN, -one.value, *who


def _exposure(known: Known, coins: Coins, key: tuple[int, int], summed: tuple[_Row, float]) -> Exposure:
    """One row as an answer."""
    (code, flags), (row, whole) = key, summed
    source = coins.codes[code]
    entity = known.entities.get(source.entity_id or "")
    first, last = coins.tx_id_of(row.first), coins.tx_id_of(row.last)
    return Exposure(
        direction=DIRECTIONS[flags & SENT],
        kind="indirect" if flags & INDIRECT else "direct",
        category=source.category,
        entity_id=source.entity_id,
        name=entity.name if entity else None,
        jurisdictions=entity.jurisdictions if entity else (),
        value=round(row.value),
        share=share_of(row.value, whole),
        n_tx=row.n_tx,
        min_hops=row.min_hops,
        mean_hops=Decimal(row.far / row.value).quantize(_CENT),
        first_tx_id=first,
        last_tx_id=last,
        first_time=block_time_of(known, first),
        last_time=block_time_of(known, last),
        confidence=source.confidence,
        listing=source.listing,
        after_designation=bool(flags & AFTER),
        unsolicited=bool(flags & UNSOLICITED),
        passes_through=bool(flags & PASSES),
        fiat=Decimal(row.fiat).quantize(_CENT) if coins.currency and not row.unpriced else None,
        currency=coins.currency,
    )


def ownership(known: Known, address_id: int, facts: AddressFacts, found: Sequence[Attribution]) -> list[Exposure]:
    """State that a wallet is somebody's own: one exposure of share 1 per direction and conclusion.

    `found` is what `conclusions.attributions` says of the address; values are the address's own totals.
    """
    dates = facts.first_tx_id, facts.last_tx_id
    times = block_time_of(known, dates[0]), block_time_of(known, dates[1])
    sides = (("received", facts.received, facts.n_received), ("sent", facts.sent, facts.n_sent))
    return [
        Exposure(
            direction, "ownership", a.category, a.entity_id, a.name, a.jurisdictions, value, Decimal(1), n_tx,
            0, _NO_HOPS, *dates, *times, a.confidence, a.listing,
            any(overlaps(one, *times) for one in _all_listings(known, address_id, a)),
        )
        for a in found
        for direction, value, n_tx in sides
        if n_tx
    ]  # fmt: skip


def _all_listings(known: Known, address_id: int, found: Attribution) -> list[Listing]:
    """The listing a conclusion shows, and what other intervals the address itself was listed for."""
    own = (one for one in known.listings.get(address_id, ()) if one.entity_id == found.entity_id)
    return [] if found.listing is None else [found.listing, *own]


def overlaps(listing: Listing, first_time: int, last_time: int) -> bool:
    """Whether a period (seconds since 1970 UTC) and a listing have a day in common."""
    first, last = (datetime.fromtimestamp(t, UTC).date() for t in (first_time, last_time))
    return last >= (listing.listed_from or last) and first < (listing.listed_to or date.max)


def share_of(value: float, whole: float) -> Decimal:
    """Return value / whole with six places, rounded down so that no sum exceeds 1; 0 of nothing."""
    if whole == 0:
        return Decimal(0).quantize(SHARE_UNIT)
    return (Decimal(value) / Decimal(whole)).quantize(SHARE_UNIT, rounding=ROUND_DOWN)
