"""Every multi-party transaction of the chain, with its rule and how surely it is one."""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from heuristics.clusters.multiparty import coinjoins, lineage, owners
from heuristics.clusters.multiparty.joint import joint
from heuristics.clusters.multiparty.shapes import Shape, shapes
from heuristics.clusters.multiparty.swaps import swaps
from heuristics.facts import Longs
from heuristics.graph import Graph
from heuristics.rules import multiparty
from heuristics.rules.rule import Rule

Bytes = npt.NDArray[np.uint8]
_WHIRLPOOL: Final = next(n for n, test in enumerate(coinjoins.TESTS) if test.rule is multiparty.WHIRLPOOL)
_FAMILIES: Final = np.array([test.family for test in coinjoins.TESTS], np.uint8)
_RULES: Final = np.array([test.rule.id for test in coinjoins.TESTS], np.uint8)
_COUNTS: Final = np.array([test.counts for test in coinjoins.TESTS])
_SURETY: Final = np.array([test.surety for test in coinjoins.TESTS], np.uint8)
_ALONE, _UNSAID = range(2)
_TELLING: Final = 3  # outputs that were spent, from which on it says something that none went into a later round
# Whirlpool: of unknown descent; strange to both Tx0 and mixes; every known input from either.
_MIX, _STRANGE, _DESCENDED = 60, 50, 90
# A PayJoin whose every sign is that it could be one.
_LIKELY: Final = 40


class Verdicts(NamedTuple):
    """Multi-party transactions in chain order: `t` is the place; participants and denomination 0 where unknown."""

    t: Longs
    rule: Bytes
    participants: npt.NDArray[np.int32]
    denomination: Longs
    confidence: Bytes


def verdicts(graph: Graph) -> Verdicts:
    """Judge the whole chain; see `heuristics.rules` for what each rule claims and `rules.SHOWS_WHO_PAYS`."""
    equal = _equal(graph)
    offered = np.setdiff1d(swaps(graph), equal.t)
    suspected = np.zeros(len(graph.looks), np.bool_)
    suspected[equal.t] = suspected[offered] = True
    found = joint(graph, suspected)
    parts = [equal, _plain(offered, multiparty.PSBT_SWAP, multiparty.PSBT_SWAP.confidence)]
    for places, rule, confidence in (
        (found.splices, multiparty.SPLICE, multiparty.SPLICE.confidence),
        (found.funding, multiparty.DUAL_FUND, multiparty.DUAL_FUND.confidence),
        (found.needless, multiparty.PAYJOIN, multiparty.PAYJOIN.confidence),
        (found.likely, multiparty.PAYJOIN, _LIKELY),
    ):
        parts.append(_plain(places, rule, confidence))
    columns: Any = (np.concatenate(column) for column in zip(*parts, strict=True))
    every = Verdicts(*columns)
    return _of_several(graph, _taken(every, np.argsort(every.t, kind="stable")))


def _taken(some: Verdicts, which: Longs | npt.NDArray[np.bool_]) -> Verdicts:
    columns: Any = (column[which] for column in some)
    return Verdicts(*columns)


def _plain(places: Longs, rule: Rule, confidence: int) -> Verdicts:
    """Verdicts that count nobody."""
    n = len(places)
    return Verdicts(
        places, np.full(n, rule.id, np.uint8), np.zeros(n, np.int32), np.zeros(n, np.int64),
        np.full(n, confidence, np.uint8),
    )  # fmt: skip


def _equal(graph: Graph) -> Verdicts:
    """Transactions of equal amounts."""
    shape = shapes(graph)
    which = coinjoins.judged(shape)
    pool = coinjoins.pool_shape(shape)
    mixed = np.zeros(len(graph.looks), np.uint8)
    mixed[shape.t[pool]] = 1
    descent = lineage.descent(graph, shape.t, np.where(pool, 1, 0).astype(np.uint8), mixed)
    # A pool's first mix: nobody is remixed yet, and all come from a Tx0.
    which[pool & (descent.entered == shape.n_in)] = _WHIRLPOOL
    # One owner makes a Tx0; its premix coins are equal.
    which[lineage.tx0s(graph, shape.t)] = -1
    some = which >= 0
    shape, which = Shape(*(column[some] for column in shape)), which[some]
    confidence = _confidence(graph, shape, which)
    sure = which == _WHIRLPOOL
    confidence[sure] = _of_pools(lineage.Descent(*(column[some][sure] for column in descent)), shape.n_in[sure])
    return Verdicts(
        shape.t, _RULES[which], np.where(_COUNTS[which], shape.n_mode, 0).astype(np.int32),
        np.where(_COUNTS[which], shape.mode, 0), confidence,
    )  # fmt: skip


def _confidence(graph: Graph, shape: Shape, which: Longs) -> Bytes:
    """How sure each verdict is by the rounds of its family before and after it."""
    family = np.zeros(len(graph.looks), np.uint8)
    family[shape.t] = _FAMILIES[which]
    seen = lineage.remixes(graph, shape.t, family)
    sides = (seen.before > 0).astype(np.int64) + (seen.after > 0)
    told = (seen.known == seen.n_in) & (seen.spent >= _TELLING)
    column = np.where(sides > 0, sides + _UNSAID, np.where(told, _ALONE, _UNSAID))
    confidence: Bytes = _SURETY[which, column]
    return confidence


def _of_pools(descent: lineage.Descent, n_in: Longs) -> Bytes:
    """How sure a Whirlpool mix is by where its inputs come from."""
    descended = (descent.strange == 0) & (descent.entered + descent.remixed > 0)
    confidence = np.where(descended, _DESCENDED, np.where(descent.strange == n_in, _STRANGE, _MIX))
    return confidence.astype(np.uint8)


def _of_several(graph: Graph, every: Verdicts) -> Verdicts:
    """Let off what one owner made: its inputs were spent together elsewhere, where nothing looks like several.

    A CoinJoin needs half as many owners as equal outputs: that all of them can be told apart is too much to ask.
    """
    suspected = np.zeros(len(graph.looks), np.bool_)
    suspected[every.t] = True
    parties = owners.parties(graph, every.t, owners.owners(graph, suspected))
    return _taken(every, (parties > 1) & (2 * parties >= every.participants))
