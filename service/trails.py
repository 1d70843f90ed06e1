"""Where coins went and came from, transaction by transaction: paths of a wallet, traces of one output."""

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from chains.ids import tx_key
from heuristics import lookup
from heuristics.exposure import paths as search
from heuristics.exposure import trace as following
from heuristics.exposure.coins import coins_of
from heuristics.exposure.passes.parts import MOST_HOPS
from heuristics.exposure.paths import Limits
from service import answers
from service.answers import Json
from service.best_paths import total, write_paths
from service.exits import BadInputError, NotFoundError
from service.live import Question
from service.naming import Names, btc, party, share, sought
from service.reading import not_indexed, read_txid
from service.screening import look_up
from service.settings import Settings

MOST_PATHS: Final = 50
VISITS_SHOWN: Final = 500
_OUTPOINT: Final = re.compile(r"([^:]+):(\d{1,10})")
_AMOUNT: Final = re.compile(r"\d{1,8}(\.\d{1,8})?")


class Asked(NamedTuple):
    """Which paths: to whom (a category or an entity's id), in which direction, how many."""

    to: str
    direction: str = search.RECEIVED
    limit: int = Limits().paths


def paths(question: Question, settings: Settings, text: str, asked: Asked) -> Json:
    """Return the paths that carry most between the owner of an address and a party.

    Raises AddressError for what is no address, BadInputError for a party, direction or limit that is none.
    """
    if asked.direction not in (search.RECEIVED, search.SENT):
        raise BadInputError(
            f"{asked.direction[:80]!r} is no direction: use {search.RECEIVED} or {search.SENT}",
            code="invalid_direction",
            pointer="direction",
        )
    if not 1 <= asked.limit <= MOST_PATHS:
        raise BadInputError(f"{asked.limit} paths: ask for 1 to {MOST_PATHS}", code="invalid_limit", pointer="limit")
    told, goal = sought(question, asked.to)
    found = look_up(question, text)
    coins = coins_of(question.cursor)
    known: list[Json] = []
    cut = found.cut
    if found.facts is not None:
        number = found.facts.number
        ways = search.paths(coins, number, goal, asked.direction, Limits(paths=asked.limit))
        known = write_paths(question, ways.paths, total(coins, number, asked.direction))
        cut |= ways.truncated
    return {
        "subject": answers.subject(text, found.canonical, found.facts, question.ground),
        "to": told,
        "direction": asked.direction,
        "method": answers.METHOD,
        "paths": known,
        "truncated": cut,
        "coverage": answers.coverage(question.ground, settings, found.exposures, cut=cut),
        "as_of": answers.as_of(question.ground),
    }


# One output -------------------------------------------------------------------------------------------------


class Following(NamedTuple):
    """How to follow one output, and when to stop; `min_value` in BTC, a decimal number."""

    method: str = "haircut"
    direction: str = "forward"
    max_tx: int = 1_000
    max_hops: int = MOST_HOPS
    min_value: str = "0"

    def rules(self) -> following.Asked:
        """The same as the trace takes it; raises BadInputError for what means nothing."""
        if not _AMOUNT.fullmatch(self.min_value):
            raise BadInputError(
                f"{self.min_value[:80]!r} is no amount of BTC: write a decimal number such as 0.001",
                code="invalid_amount",
                pointer="min_value",
            )
        try:
            return following.Asked(
                self.method, self.direction, self.max_tx, self.max_hops, int(Decimal(self.min_value) * answers.SATOSHI)
            )
        except following.AskedError as error:
            raise BadInputError(str(error), code="invalid_trace") from None


def read_outpoint(text: str) -> tuple[str, int]:
    """Read TXID:VOUT; raises BadInputError."""
    found = _OUTPOINT.fullmatch(text)
    if found is None:
        raise BadInputError(
            f"{text[:80]!r} is no output: write the transaction id, a colon and the number of the output, from 0",
            code="invalid_outpoint",
        )
    return found[1], int(found[2])


def trace(question: Question, settings: Settings, outpoint: tuple[str, int], how: Following) -> Json:
    """Follow one output forward or backward.

    Raises BadInputError for a transaction id, a method, a direction or a limit that is none, NotFoundError where
    the index has no such output.
    """
    rules, (text, vout) = how.rules(), outpoint
    coins = coins_of(question.cursor)
    place = place_of(question, text)
    paid = int(coins.whole.out_start[place + 1] - coins.whole.out_start[place])
    if vout >= paid:
        raise NotFoundError(f"transaction {text} has no output {vout}: its outputs are 0 to {paid - 1}")
    found = following.trace(coins.whole, coins.parties, following.coin(coins.whole, place, vout), rules)
    row = int(coins.whole.out_start[place]) + vout
    shown = _largest(found.visits)
    ends = found.ends.tolist()
    places = {place, *(visit[0] for visit in shown), *(one for end in ends for one in end[4:])}
    names = Names(question, places, [int(coins.out_number[row])])
    return {
        "subject": {
            "chain": question.ground.network.caip2,
            "txid": names.txid(place),
            "vout": vout,
            "value": btc(int(coins.whole.out_value[row])),
            "address": names.address(int(coins.out_number[row])),
        },
        **how._asdict(),
        "min_value": btc(rules.min_value),
        "at_most": found.at_most,
        "ends": [_end(question, names, end, found) for end in ends],
        "visits": [
            {"txid": names.txid(visit[0]), "time": names.time(visit[0]), "value": btc(visit[1]), "hops": visit[2]}
            for visit in shown
        ],
        "visited": len(found.visits),
        "cut_off": [
            {
                "limit": name,
                "value": btc(satoshi),
                "share": None if found.at_most else share(satoshi, found.start),
                "coins": n,
            }
            for name, (satoshi, n) in found.cut.items()
            if n
        ],
        "coverage": answers.coverage(question.ground, settings, cut=not found.complete),
        "as_of": answers.as_of(question.ground),
    }


def place_of(question: Question, text: str) -> int:
    """Find the place of a transaction; raises BadInputError or NotFoundError."""
    ground = question.ground
    txid = read_txid(text)
    tx_id = lookup.transaction_id(question.cursor, tx_key(txid, ground.secret), txid)
    if tx_id is None:
        raise not_indexed(text, ground)
    return coins_of(question.cursor).place_of(tx_id)


def _largest(visits: Any) -> list[tuple[int, float, int]]:
    """The visits that most came into, in the order in which transactions were gone through."""
    if len(visits) > VISITS_SHOWN:
        visits = visits[np.sort(np.argsort(-visits["satoshi"], kind="stable")[:VISITS_SHOWN])]
    rows: list[tuple[int, float, int]] = visits.tolist()
    return rows


def _end(question: Question, names: Names, end: tuple[Any, ...], found: following.Trace) -> Json:
    code, satoshi, hops, coins, first, last = end
    return {
        **party(question, coins_of(question.cursor), code),
        "value": btc(satoshi),
        "share": None if found.at_most else share(satoshi, found.start),
        "hops": hops,
        "coins": coins,
        "first_at": names.time(first),
        "last_at": names.time(last),
    }
