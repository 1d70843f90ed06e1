"""Transactions that several parties sign: found over the whole coin graph, before co-spending unites anybody.

`verdicts` is the one way in. `shapes` measures equal outputs, `coinjoins` judges them, `lineage` says how surely by
what came before and after; `joint` finds what two parties sign without equal amounts; `owners` lets off what one made.
"""

from heuristics.clusters.multiparty.found import Verdicts, verdicts

__all__ = ["Verdicts", "verdicts"]
