"""What a transaction's coins are made of, and what becomes of them: its stored shares, by party."""

from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.passes.parts import COINJOIN, HOP_UNIT, Rows
from service.answers import Json
from service.live import Question
from service.naming import party, share


def mixture(question: Question, tx_id: int) -> Json:
    """Return sources and destinations of a transaction's coins and, of a CoinJoin, what went into it.

    Least hops of a source are to whoever pays the transaction, those of a destination from him.
    """
    coins = coins_of(question.cursor)
    place = coins.place_of(tx_id)
    sources, destinations = coins.around.sources, coins.around.destinations
    return {
        "sources": _shares(question, coins, sources.rows[sources.start[place] : sources.start[place + 1]]),
        "destinations": _shares(
            question, coins, destinations.rows[destinations.start[place] : destinations.start[place + 1]]
        ),
        "see_through": _see_through(question, coins, place),
    }


def _see_through(question: Question, coins: Coins, place: int) -> list[Json] | None:
    """What went into a CoinJoin; None where the transaction is none."""
    if coins.whole.born[place] != COINJOIN:
        return None
    return _shares(question, coins, coins.through(place))


def _shares(question: Question, coins: Coins, rows: Rows) -> list[Json]:
    """Write shares, the largest first."""
    ordered = sorted(rows.tolist(), key=lambda row: (-row[0], row[1]))
    return [
        {
            **party(question, coins, code),
            "share": share(part, 1.0),
            "min_hops": least,
            "mean_hops": f"{mean / HOP_UNIT:.2f}",
        }
        for part, code, least, mean in ordered
    ]
