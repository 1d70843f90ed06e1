"""Coin graphs of small lakes, as the rules of the base build see them."""

from heuristics import graph
from heuristics.addresses import number_all
from heuristics.facts import Facts, resolve
from store.lake import Lake


def graph_of(lake: Lake) -> graph.Graph:
    """Write and map the graph of a whole lake, beside it."""
    facts = Facts.of(lake)
    folder = lake.root / "graph-of-a-test"
    folder.mkdir()
    return graph.write(facts, number_all(facts, quiet), resolve(facts), folder, quiet)


def quiet(*_: object) -> None:
    """Tell nobody."""
