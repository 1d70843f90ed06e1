"""What a recorded screening rests on, as one graph: coins and wallets along the best paths, and who owns the subject.

It is drawn from the generation that the screening cites, so it shows what there was to see when it was decided.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from heuristics import lookup
from heuristics.exposure.coins import Coins, coins_of
from heuristics.exposure.exposures import Exposure
from heuristics.exposure.passes.parts import FEE, HELD, UNRESOLVED
from heuristics.exposure.paths import Path, Step
from service import answers, screening
from service.answers import Json
from service.best_paths import Sought, best, caused, distinct, step_coin, total, write_paths
from service.desk import Desk
from service.exits import BadInputError
from service.live import Question
from service.naming import btc, number_of, party, share
from service.policy import Finding
from service.replay import cited, record
from service.rulebook import MANDATORY, Policy, load
from service.screening import Found
from store.formats.taxonomy import CATEGORIES, RANK

# Exposures that are shown.
MOST_EXPOSURES: Final = 10
RISKS: Final = frozenset(name for name in CATEGORIES if RANK[name] < RANK["exchange"])


@dataclass(slots=True)
class _Graph:
    """Nodes and edges, each once."""

    nodes: dict[str, Json] = field(default_factory=dict)
    edges: dict[tuple[str, ...], Json] = field(default_factory=dict)
    wallets: dict[int, str] = field(default_factory=dict)
    """Ids of nodes, by wallet."""

    def node(self, kind: str, name: str, **facts: Any) -> str:
        """Add a node; its id."""
        known = self.nodes.setdefault(
            f"{kind}:{name}",
            {"id": f"{kind}:{name}", "type": kind, "address": None, "txid": None, "time": None, "entity": None,
             "category": None, "subject": False},
        )  # fmt: skip
        known.update({key: fact for key, fact in facts.items() if fact is not None})
        return str(known["id"])

    def edge(self, kind: str, ends: tuple[str, str], name: str = "", **facts: Any) -> Json:
        """Add an edge, or find it."""
        empty = dict.fromkeys(("coin", "value", "haircut", "share", "rule", "txid", "confidence"))
        told = {"type": kind, "from_node": ends[0], "to_node": ends[1], **empty, **facts, "paths": []}
        return self.edges.setdefault((kind, *ends, name), told)


def evidence(desk: Desk, screening_id: str) -> Json:
    """Return the graph behind a recorded screening.

    Shown are the exposures that its triggers matched; where none did (or the policy has another version now), those
    to listed parties and risks. Raises NotFoundError where there is no such screening, NoIndexError where the
    generation that it cites is not here; says how to build it.
    """
    told = record(desk, screening_id)
    with desk.live.ask(None, cited(desk, told)) as question:
        found = screening.look_up(question, told["subject"]["submitted"])
        chosen_by, chosen = _chosen(desk, told, found, question)
        graph = _Graph()
        subject = _owners(graph, told)
        shown, cut = _exposures(question, graph, found, chosen, subject)
        return {
            "id": screening_id,
            "subject": told["subject"],
            "chosen_by": chosen_by,
            "exposures": shown,
            "nodes": list(graph.nodes.values()),
            "edges": list(graph.edges.values()),
            "truncated": cut or len(chosen) > MOST_EXPOSURES,
            "method": answers.METHOD,
            "as_of": answers.as_of(question.ground),
        }


def _chosen(desk: Desk, told: Json, found: Found, question: Question) -> tuple[str, list[Sought]]:
    """Which exposures to show, the largest first, and why these."""
    pairs = screening.dealings(found, question.ground)
    fired = {(rule["policy"], rule["rule_id"]) for rule in told["triggers"]}
    matched = caused(_policies(desk, told), fired, pairs)
    if matched:
        return "triggers", distinct(matched)
    return "risk", distinct(one for one, finding in pairs if _risky(one, finding))


def _policies(desk: Desk, told: Json) -> list[Policy]:
    """The mandatory rules and the policy of a screening, as they are now."""
    try:
        return [load(MANDATORY), desk.policy(told["policy"].partition("@")[0])]
    except BadInputError:
        return [load(MANDATORY)]


def _risky(one: Exposure, finding: Finding) -> bool:
    return finding.legal_status != "none" or one.category in RISKS


# Who owns the subject ---------------------------------------------------------------------------------------


def _owners(graph: _Graph, told: Json) -> str:
    """Add the subject's address, and the evidence of whose it is; the id of its node."""
    address = told["subject"]["canonical"]
    subject = graph.node("address", address, address=address, subject=True)
    for one in told["attributions"]:
        last = subject
        for step in one["evidence"]["edges"]:
            ends = [_address(graph, step[side]) for side in ("from_address", "to_address")]
            facts = {name: step[name] for name in ("rule", "txid", "confidence")}
            graph.edge("ownership", (ends[0], ends[1]), f"{step['rule']}{step['txid']}", **facts)
            last = ends[1]
        graph.edge("attribution", (last, _party(graph, one)), rule=one["basis"], confidence=one["confidence"])
    return subject


def _address(graph: _Graph, text: str | None) -> str:
    return graph.node("address", text or "(no address form)", address=text)


def _party(graph: _Graph, one: Json) -> str:
    """Add an entity, or a category that nobody is named of."""
    who = one["entity"]
    if who is None:
        return graph.node("category", one["category"], category=one["category"])
    return graph.node("entity", who["id"], entity=who, category=one["category"])


# Paths ------------------------------------------------------------------------------------------------------


def _exposures(
    question: Question, graph: _Graph, found: Found, chosen: list[Sought], subject: str
) -> tuple[list[Json], bool]:
    """Add the best paths of each exposure; what was looked for, with the ids of its paths, and what was cut."""
    if found.facts is None:
        return [], False
    coins, number = coins_of(question.cursor), found.facts.number
    shown, cut = [], False
    wholes = {direction: total(coins, number, direction) for direction in {one.direction for one in chosen}}
    for one in chosen[:MOST_EXPOSURES]:
        ways = best(coins, number, one)
        whole = wholes[one.direction]
        told = write_paths(question, ways.paths, whole)
        for path, written in zip(ways.paths, told, strict=True):
            _Drawing(question, graph, coins, whole).add(path, written, forward=one.direction == "sent")
        known = question.cursor.known.entities.get(one.entity_id or "")
        shown.append(
            {
                "direction": one.direction,
                "entity": answers.entity(one.entity_id, known.name, known.jurisdictions) if known else None,
                "category": one.category,
                "paths": [{key: path[key] for key in ("id", "value", "share", "fifo", "ends_at")} for path in told],
                "truncated": ways.truncated,
            }
        )
        cut |= ways.truncated
    if shown:
        own = _Drawing(question, graph, coins, 0.0).wallet(int(coins.owner[number]), number)
        graph.edge("member", (subject, own))
    return shown, cut


@dataclass(frozen=True, slots=True)
class _Drawing:
    """Adds paths to a graph; `whole` is satoshi of all that the wallet received, or sent."""

    question: Question
    graph: _Graph
    coins: Coins
    whole: float

    def add(self, path: Path, told: Json, *, forward: bool) -> None:
        """Add the coins of a path, and what it ends at."""
        for step, written in zip(path.steps, told["steps"], strict=True):
            self._coin(step, written, told["id"])
        if path.code is not None:
            self._end(path, told, forward=forward)

    def wallet(self, owner: int, number: int) -> str:
        """Add the wallet of an owner, named by the address of it that is met first."""
        wallet, cursor = int(self.coins.around.own[owner]), self.question.cursor
        if wallet not in self.graph.wallets:
            name = lookup.parties(cursor, [number]).get(number)
            text = answers.address_text(name, self.question.ground.network.name)
            code = int(self.coins.around.named[owner])
            who = {"entity": None, "category": None} if code < 0 else party(self.question, self.coins, code)
            self.graph.wallets[wallet] = self.graph.node(
                "wallet", text or f"address {number}", address=text, entity=who["entity"], category=who["category"]
            )
        return self.graph.wallets[wallet]

    def _coin(self, step: Step, written: Json, path: str) -> None:
        """Add a coin: from the transaction that pays it to its owner, and on to the one that spends it."""
        owner = self._owner(step, written)
        coin = f"{written['txid'] or 'unresolved'}:{written['vout']}"
        if step.maker >= 0:
            maker = self._transaction(written["txid"], written["paid_at"])
            self._flow((maker, owner), coin, step, path)
        if step.spender >= 0:
            spender = self._transaction(written["spent_in"], written["spent_at"])
            self._flow((owner, spender), coin, step, path)

    def _owner(self, step: Step, written: Json) -> str:
        if step.owner < 0:
            return self.graph.node("script", f"{written['txid']}:{written['vout']}", address=written["address"])
        return self.wallet(step.owner, number_of(self.coins, step_coin(step)))

    def _transaction(self, txid: str, time: str | None) -> str:
        return self.graph.node("transaction", txid, txid=txid, time=time)

    def _flow(self, ends: tuple[str, str], coin: str, step: Step, path: str) -> None:
        """Add a coin's edge; on several paths, with the most that one of them carries."""
        edge = self.graph.edge("coin", ends, coin, coin=coin, value=btc(step.value), haircut=btc(0), share=share(0, 1))
        carried = btc(step.haircut)
        if not edge["paths"] or carried["value"] > edge["haircut"]["value"]:
            edge["haircut"], edge["share"] = carried, share(step.haircut, self.whole)
        edge["paths"].append(path)

    def _end(self, path: Path, told: Json, *, forward: bool) -> None:
        """Join the end of a path to what it is: the owner of the last coin, or what is inside a transaction."""
        last, code = path.steps[-1], path.code
        who = _party(self.graph, told["ends_at"])
        around = self.coins.around
        owned = last.owner >= 0 and code in (int(around.code[last.owner]), int(around.named[last.owner]))
        if owned or code in (HELD, UNRESOLVED) or path.end < 0:
            ends = self._owner(last, told["steps"][-1]), who
        else:
            ends = self._transaction(told["end_txid"], _time_of(told)), who
        inward = not forward and not owned and code != FEE
        self.graph.edge("end", (ends[1], ends[0]) if inward else ends)["paths"].append(told["id"])


def _time_of(told: Json) -> str | None:
    """When the last transaction of a path was: it pays or spends the last coin."""
    last = told["steps"][-1]
    time: str | None = last["paid_at"] if last["txid"] == told["end_txid"] else last["spent_at"]
    return time
