"""Exposure asked in another way: by FIFO or poison, and between which shares it is by whatever method."""

from typing import Final, NamedTuple

import numpy as np

from heuristics.exposure import wallet_coins
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.exposures import DIRECTIONS, UNKNOWN, Exposure
from heuristics.exposure.intervals import WIDE, interval
from heuristics.exposure.passes.parts import CUT
from heuristics.exposure.search.best import Flags
from heuristics.exposure.trace import Asked as Traced
from heuristics.exposure.trace import AskedError
from heuristics.exposure.wallet_coins import Held, told_by
from service import answers, reading
from service.answers import MILLION, Json
from service.asof import Scope
from service.exits import BadInputError
from service.live import Question
from service.naming import btc, party, share
from service.screening import Found, look_up
from service.settings import Settings

MOST_INTERVALS: Final = 20
_WAYS: Final = {"received": "backward", "sent": "forward"}


class How(NamedTuple):
    """By which method, of whose coins, and with bounds or without."""

    method: str = answers.METHOD
    scope: Scope = "cluster"
    interval: bool = False


def exposure(question: Question, settings: Settings, text: str, how: How) -> Json:
    """Return whom the owner of an address dealt with.

    Raises AddressError for what is no address, BadInputError for a method that is none, and for what only haircut,
    or only a whole wallet, is told with.
    """
    _check(how)
    if how.method != answers.METHOD:
        return by_method(question, settings, text, how.method)
    found = look_up(question, text, how.scope)
    told = reading.exposure_of(question, settings, text, found)
    return {**told, "exposures": bounded(question, found, told["exposures"])} if how.interval else told


def _check(how: How) -> None:
    try:
        Traced(how.method)
    except AskedError as error:
        raise BadInputError(str(error), code="invalid_method", pointer="method") from None
    if how.interval and how.method != answers.METHOD:
        raise BadInputError(f"bounds stand beside haircut's shares, not those of {how.method}", code="no_interval")
    if how.scope != "cluster" and (how.interval or how.method != answers.METHOD):
        raise BadInputError(
            "other methods, and bounds, are of the owner's whole wallet: scope cluster", code="no_scope"
        )


def by_method(question: Question, settings: Settings, text: str, method: str) -> Json:
    """Return whom the owner of an address dealt with by `fifo` or `poison`, traced coin by coin."""
    found = look_up(question, text)
    coins = coins_of(question.cursor)
    rows: list[Json] = []
    cut = found.cut
    for direction in DIRECTIONS if found.facts else ():
        told, whole = _told(coins, found, direction, method)
        rows += [_row(question, coins, direction, one, whole) for one in _ordered(coins, told)]
        cut |= CUT in told
    return {
        "subject": answers.subject(text, found.canonical, found.facts, question.ground),
        "method": method,
        "at_most": method == "poison",
        "exposures": rows,
        "coverage": answers.coverage(question.ground, settings, cut=cut),
        "as_of": answers.as_of(question.ground),
    }


def _told(coins: Coins, found: Found, direction: str, method: str) -> tuple[dict[int, tuple[float, int]], int]:
    """Satoshi and least hops by code, and satoshi in all."""
    if found.facts is None:
        return {}, 0
    gather = wallet_coins.received if direction == "received" else wallet_coins.sent
    held = gather(coins, found.facts.number)
    return told_by(coins, held, Traced(method, _WAYS[direction])), held.total


def _ordered(coins: Coins, told: dict[int, tuple[float, int]]) -> list[tuple[int, float, int]]:
    """The largest first, what is unknown last."""
    rows = [(code, satoshi, hops) for code, (satoshi, hops) in told.items() if satoshi > 0]
    return sorted(rows, key=lambda row: (coins.codes[row[0]].category in UNKNOWN, -row[1], row[0]))


def _row(question: Question, coins: Coins, direction: str, one: tuple[int, float, int], whole: int) -> Json:
    code, satoshi, hops = one
    value = min(satoshi, whole)  # by poison each coin counts whole, but no more can come from anybody than came at all
    return {
        "direction": direction,
        **party(question, coins, code),
        "value": btc(value),
        "share": share(value, whole),
        "min_hops": hops,
    }


# Bounds -----------------------------------------------------------------------------------------------------


def bounded(question: Question, found: Found, told: list[Json]) -> list[Json]:
    """Write to each exposure of an address, in their order, between which shares it is by whatever method.

    Only what was received indirectly from somebody who is known has bounds, and only the first MOST_INTERVALS of
    these: of all others both fields are null. The bounds are of all that was received of him, directly too.
    """
    nothing = {"interval": None, "method_dependent": None}
    if found.facts is None:
        return [{**row, **nothing} for row in told]
    coins = coins_of(question.cursor)
    held = wallet_coins.received(coins, found.facts.number)
    known: dict[tuple[str | None, str], Json] = {}
    written = []
    for one, row in zip(found.exposures, told, strict=True):
        key = one.entity_id, one.category
        if one.direction == "received" and one.kind == "indirect" and one.category not in UNKNOWN:
            if key not in known and len(known) < MOST_INTERVALS and not question.late():
                known[key] = _bounds(coins, held, _codes(coins, one, found.exposures))
            written.append({**row, **known.get(key, nothing)})
        else:
            written.append({**row, **nothing})
    return written


def _codes(coins: Coins, one: Exposure, exposed: list[Exposure]) -> Flags:
    """The codes that a row stands for: a category's row for all of it that has no row of its own."""
    own = {other.entity_id for other in exposed if other.category == one.category and other.entity_id}
    return np.array(
        [
            source.category == one.category
            and (source.entity_id == one.entity_id if one.entity_id else source.entity_id not in own)
            for source in coins.codes
        ]
    )


def _bounds(coins: Coins, held: Held, of: Flags) -> Json:
    around = coins.around
    found = interval((coins.whole, coins.parties, around.sources), held.seeds, of)
    low, high, whole = found.low, found.high + held.left_out, held.total
    if whole == 0 or high - low >= WIDE * whole:
        return {"interval": None, "method_dependent": True}
    above = min(-(-high * MILLION // whole), MILLION)
    return {
        "interval": {"low": share(low, whole), "high": answers.fraction(above)},
        "method_dependent": False,
    }
