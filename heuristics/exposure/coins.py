"""All coins of an open generation: who made, holds and spends them, and what the passes say of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chains.blocks import POSITION_BITS
from heuristics.exposure.codes import N_CATEGORIES, Source, categories_of, from_table
from heuristics.exposure.delta.changes import History
from heuristics.exposure.delta.relabel import through
from heuristics.exposure.passes.parts import Ints, Longs, Part, Parties, Rows
from heuristics.exposure.vectors import CUT, surroundings
from heuristics.exposure.wheel import Asked, Surroundings, wheel
from store.reader import Cursor

_KEPT = "coins"


@dataclass(frozen=True, slots=True)
class Coins:
    """The arrays of a generation, memory-mapped, with what their numbers mean; see graph.ARRAYS and vectors.ARRAYS."""

    around: Surroundings
    parties: Parties
    codes: Sequence[Source]
    """What each code means."""
    owner: Ints
    spend_number: Ints
    out_number: Ints
    touch_start: Longs
    touch: Ints
    busy: Ints
    busy_start: Longs
    busy_lines: Rows
    first_height: int
    facts: Mapping[str, Any]
    """What the exposure folder was built from."""

    @property
    def whole(self) -> Part:
        """The history as one part."""
        return self.around.whole

    @property
    def currency(self) -> str | None:
        """Return what fiat is in; None without prices."""
        return self.facts["currency"] or None

    def wallet_of(self, number: int) -> int:
        """Return the wallet that an address is part of."""
        return int(self.around.own[self.owner[number]])

    def place_of(self, tx_id: int) -> int:
        """Return the place of a transaction of the index."""
        height = (tx_id >> POSITION_BITS) - self.first_height
        return int(self.around.block_start[height]) + (tx_id & ((1 << POSITION_BITS) - 1))

    def places_of(self, tx_ids: Longs) -> Ints:
        """Return the places of several transactions."""
        blocks = (tx_ids >> POSITION_BITS) - self.first_height
        places: Longs = self.around.block_start[blocks] + (tx_ids & ((1 << POSITION_BITS) - 1))
        return places.astype(np.int32)

    def tx_id_of(self, place: int) -> int:
        """Return the id of the transaction at a place."""
        block = int(self.around.block_start.searchsorted(place, side="right")) - 1
        return ((block + self.first_height) << POSITION_BITS) + place - int(self.around.block_start[block])

    def touched(self, wallet: int) -> Ints:
        """Return the places of the transactions that pay a wallet or that it pays, ascending."""
        return self.touch[self.touch_start[wallet] : self.touch_start[wallet + 1]]

    def lines(self, wallet: int) -> Rows:
        """Return what a wallet received and sent, by source: wheel.LINEs, stored ones where it is busy."""
        at = int(np.searchsorted(self.busy, wallet))
        if at < len(self.busy) and self.busy[at] == wallet:
            return self.busy_lines[self.busy_start[at] : self.busy_start[at + 1]]
        return self._wheel(wallet, -1, self.touched(wallet))

    def lines_of_address(self, wallet: int, number: int, places: Iterable[int]) -> Rows:
        """Return the same of one address of the wallet, given the places of its transactions, ascending."""
        return self._wheel(wallet, number, np.fromiter(places, np.int32))

    def _wheel(self, wallet: int, number: int, places: Ints) -> Rows:
        return wheel(self.around, Asked(wallet, number, self.spend_number, self.out_number), places)

    def through(self, place: int) -> Rows:
        """Return what went into a CoinJoin, which is part of nobody's exposure; nothing for any other transaction."""
        history = History(self.whole, self.parties)
        return through(history, self.around.sources, np.array([place], np.int64), CUT).rows

    def goal(self, *, entity: str | None = None, category: str | None = None) -> npt.NDArray[np.bool_]:
        """Mark the codes of an entity, or of a category; none marked: nobody is called that."""
        return np.array(
            [
                (entity is not None and one.entity_id == entity) or (category is not None and one.category == category)
                for one in self.codes
            ]
        )


def coins_of(cur: Cursor) -> Coins:
    """Open the coins of a generation, or find them open."""
    coins: Coins | None = cur.kept.get(_KEPT)
    if coins is None:
        coins = cur.kept[_KEPT] = _open(cur)
    return coins


def _open(cur: Cursor) -> Coins:
    coins, exposed = cur.arrays["coins"], cur.arrays["exposure"]
    codes = from_table(exposed.table("source"))
    return Coins(
        surroundings(coins, exposed),
        Parties(exposed["code"], categories_of(codes), N_CATEGORIES),
        codes,
        exposed["owner"],
        coins["spend_number"],
        coins["out_number"],
        exposed["touch_start"],
        exposed["touch"],
        exposed["busy"],
        exposed["busy_start"],
        exposed["busy_lines"],
        int(coins["first_height"][0]),
        exposed.facts,
    )
