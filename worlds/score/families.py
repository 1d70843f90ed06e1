"""The families of scores, in the order in which reports show them; each has `score` and METRICS."""

from typing import Final

from worlds.score import attribution, change, clusters, coinjoin, deposits, exposure, mining, rates, shells, wallets

FAMILIES: Final = (clusters, wallets, coinjoin, change, deposits, exposure, shells, mining, attribution, rates)
