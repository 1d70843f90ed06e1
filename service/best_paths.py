"""The best paths of a wallet to whom it dealt with, as answers write them; and which dealings made rules fire."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import duckdb

from heuristics.exposure import paths as search
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.exposures import Exposure
from heuristics.exposure.paths import Limits, Path, Step
from heuristics.exposure.wheel import PASSES, SENT
from service.answers import Json
from service.live import Question
from service.naming import Names, btc, number_of, party, share
from service.policy import Finding, matches
from service.rulebook import Policy

# Paths to each party that a rule fired on, and parties to which a screening names them.
PATHS_EACH: Final = 3
MOST_NAMED: Final = 5
_ID_DIGITS: Final = 32


class Sought(NamedTuple):
    """Whom paths are looked for to: by entity, or by category where nobody is named."""

    direction: str
    entity_id: str | None
    category: str


def caused(
    policies: Iterable[Policy], fired: set[tuple[str, str]], dealt: Sequence[tuple[Exposure, Finding]]
) -> list[Exposure]:
    """Give the dealings that rules looked at which fired; `fired` are their policies' names and their ids."""
    rules = [rule for policy in policies for rule in policy.rules if (policy.name, rule.id) in fired]
    return [one for one, finding in dealt if any(matches(rule.when, finding) for rule in rules)]


def distinct(exposed: Iterable[Exposure]) -> list[Sought]:
    """Each party once in a direction, by value."""
    sums: dict[Sought, int] = {}
    for one in exposed:
        key = sought_of(one)
        sums[key] = sums.get(key, 0) + one.value
    return sorted(sums, key=lambda key: (-sums[key], key.direction, key.entity_id or "", key.category))


def sought_of(one: Exposure) -> Sought:
    """Whom to look for to explain a dealing."""
    return Sought(one.direction, one.entity_id, one.category)


def best(coins: Coins, number: int, one: Sought) -> search.Found:
    """Search the paths that carry most between the wallet of an address and a party."""
    goal = coins.goal(entity=one.entity_id) if one.entity_id else coins.goal(category=one.category)
    return search.paths(coins, number, goal, one.direction, Limits(paths=PATHS_EACH))


def ids(question: Question, number: int, exposed: Iterable[Exposure]) -> dict[Sought, list[str]]:
    """Name the best paths to the parties of some dealings, those of most value first, while there is time."""
    coins, named = coins_of(question.cursor), dict[Sought, list[str]]()
    try:
        for one in distinct(exposed)[:MOST_NAMED]:
            if question.late():
                break
            named[one] = [path["id"] for path in write_paths(question, best(coins, number, one).paths, 1.0)]
    except duckdb.InterruptException:
        pass
    return named


def total(coins: Coins, number: int, direction: str) -> float:
    """Satoshi that the wallet of an address received, or sent, in all."""
    lines = coins.lines(coins.wallet_of(number))
    side = SENT if direction == search.SENT else 0
    return float(lines["value"][lines["flags"] & (SENT | PASSES) == side].sum())


def write_paths(question: Question, found: tuple[Path, ...], whole: float) -> list[Json]:
    """Write paths; `whole` is satoshi of all that the wallet received, or sent."""
    coins = coins_of(question.cursor)
    steps = [step for path in found for step in path.steps]
    numbers = {step: number_of(coins, step_coin(step)) for step in steps}
    places = {place for step in steps for place in (step.maker, step.spender)}
    names = Names(question, places | {path.end for path in found}, numbers.values())
    written = []
    for path in found:
        told = [_step(step, names, numbers[step]) for step in path.steps]
        ends_at = None if path.code is None else party(question, coins, path.code)
        written.append(
            {
                "id": _id_of(told, ends_at),
                "value": btc(path.value),
                "share": share(path.value, whole),
                "fifo": btc(path.fifo),
                "ends_at": ends_at,
                "end_txid": names.txid(path.end),
                "steps": told,
            }
        )
    return written


def step_coin(step: Step) -> tuple[int, int, int, int]:
    """Maker, vout, spender, vin of a step's coin."""
    return step.maker, step.vout, step.spender, step.vin


def _step(step: Step, names: Names, number: int) -> Json:
    return {
        "txid": names.txid(step.maker),
        "vout": step.vout,
        "spent_in": names.txid(step.spender),
        "value": btc(step.value),
        "haircut": btc(step.haircut),
        "fifo": btc(step.fifo),
        "address": names.address(number),
        "paid_at": names.time(step.maker),
        "spent_at": names.time(step.spender),
    }


def _id_of(steps: list[Json], ends_at: Json | None) -> str:
    """Name a path by its coins and its end, the same in every generation that has both."""
    coins = [f"{step['txid']}:{step['vout']}>{step['spent_in']}" for step in steps]
    end = "open" if ends_at is None else f"{ends_at['category']}/{(ends_at['entity'] or {}).get('id')}"
    return "pth_" + sha256("\n".join([*coins, end]).encode()).hexdigest()[:_ID_DIGITS]
