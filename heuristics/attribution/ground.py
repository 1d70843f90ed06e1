"""What a rule of the label build sees: the coin graph, who holds what together, and who is named so far."""

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from heuristics.facts import Bytes, Longs
from heuristics.graph import Graph
from heuristics.numbers import Numbers


@dataclass(frozen=True, slots=True)
class Ground:
    """One build of a labels file, as far as it has come.

    A wallet goes by the number of its earliest address. Rules read and return whole tables; what they return is
    written by the build alone.
    """

    con: duckdb.DuckDBPyConnection
    """To the new file; the base lies beside it as the schema `base`."""
    graph: Graph
    pooled: Bytes
    """Per transaction: 1 like a CoinJoin, 2 so surely that funds are pooled (heuristics.graph)."""
    joint: npt.NDArray[np.bool_]
    """Per transaction: said to be of several parties, by whichever rule."""
    wallet: Numbers
    """Per address: its wallet."""
    times: Longs
    """Per block from the first indexed one: header time in seconds since 1970."""
