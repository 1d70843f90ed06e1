"""What the coin graph knows by number, by the names that answers give it: transactions, addresses, parties.

The graph has places, rows and codes, which hold within one generation; what leaves the service are transaction ids,
addresses and entities.
"""

from collections.abc import Iterable

from heuristics import lookup
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.search.best import Flags
from heuristics.lookup import block_time_of
from service import answers
from service.answers import MILLION, Json
from service.exits import BadInputError
from service.live import Question
from service.rulebook import KNOWN_CATEGORIES
from store.formats.taxonomy import did_you_mean


class Names:
    """Names of the transactions and addresses of one answer; everything is looked up at once."""

    def __init__(self, question: Question, places: Iterable[int], numbers: Iterable[int]) -> None:
        """Look up; places and numbers below 0 are nobody's."""
        cursor = question.cursor
        self._coins = coins_of(cursor)
        self._known = cursor.known
        self._network = question.ground.network.name
        self._ids = {place: self._coins.tx_id_of(place) for place in set(places) if place >= 0}
        self._txids = lookup.txids_of(cursor, self._ids.values())
        self._parties = lookup.parties(cursor, numbers)

    def txid(self, place: int) -> str | None:
        """Transaction id, displayed form; None before the indexed history."""
        return None if place < 0 else answers.displayed(self._txids[self._ids[place]])

    def time(self, place: int) -> str | None:
        """Header time of the block; None before the indexed history."""
        return None if place < 0 else answers.moment(block_time_of(self._known, self._ids[place]))

    def address(self, number: int) -> str | None:
        """Write an address; None where the script has no address form."""
        return answers.address_text(self._parties.get(number), self._network)


def number_of(coins: Coins, coin: tuple[int, int, int, int]) -> int:
    """Address number of a coin (maker, vout, spender, vin), by whichever of its ends is known; -1 of none."""
    maker, vout, spender, vin = coin
    if maker >= 0:
        return int(coins.out_number[coins.whole.out_start[maker] + vout])
    return int(coins.spend_number[coins.whole.in_start[spender] + vin])


def party(question: Question, coins: Coins, code: int) -> Json:
    """Write what a code means: an entity or none, a category, and a listing that tells it from others."""
    source = coins.codes[code]
    return {
        "entity": answers.named(question.cursor.known, source.entity_id),
        "category": source.category,
        "legal_status": answers.legal(source.listing),
    }


def sought(question: Question, what: str) -> tuple[Json, Flags]:
    """Read what a question is about, a category or an entity's id: how answers call it, and its codes.

    A category wins over an entity of the same id. Raises BadInputError for what is neither, with what was perhaps
    meant.
    """
    coins, entities = coins_of(question.cursor), question.cursor.known.entities
    if what in KNOWN_CATEGORIES:
        return {"entity": None, "category": what}, coins.goal(category=what)
    one = entities.get(what)
    if one is not None:
        told = answers.entity(one.entity_id, one.name, one.jurisdictions)
        return {"entity": told, "category": one.category}, coins.goal(entity=what)
    guess = did_you_mean(what, [*sorted(KNOWN_CATEGORIES), *entities])
    raise BadInputError(
        f"{what[:80]!r} is no category and no entity of label version "
        f"{question.ground.generation.label_version}{guess}",
        code="unknown_party",
        pointer="to",
    )


def share(value: float, whole: float) -> str:
    """Write value / whole, six places rounded down, never above 1; 0 of nothing."""
    return answers.fraction(0 if whole <= 0 else min(int(value * MILLION / whole), MILLION))


def btc(value: float) -> Json:
    """Write satoshi that are a sum of shares: the nearest whole one."""
    return answers.btc(round(value))
