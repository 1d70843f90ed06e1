"""The families of scores, in the order in which reports show them; each has `score` and METRICS."""

from typing import Final

from worlds.score import attribution, change, clusters, coinjoin, deposits, exposure, rates, shells

FAMILIES: Final = (clusters, coinjoin, change, deposits, exposure, shells, attribution, rates)
