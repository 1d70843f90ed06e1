"""Have the kernels of paths, traces and intervals ready before somebody asks: loading them takes a second."""

import numpy as np

from heuristics.exposure.coins import Coins
from heuristics.exposure.intervals import interval
from heuristics.exposure.paths import RECEIVED, SENT, paths
from heuristics.exposure.trace import Asked, coin, trace
from heuristics.exposure.wallet_coins import received


def warm_up(coins: Coins) -> None:
    """Ask each once, of the first address and the first coin of a generation."""
    whole = coins.whole
    if not len(coins.owner) or not len(whole.out_value):
        return
    everybody = np.ones(len(coins.codes), np.bool_)
    for direction in (RECEIVED, SENT):
        paths(coins, 0, everybody, direction)
    place = int(np.searchsorted(whole.out_start, 0, "right")) - 1
    trace(whole, coins.parties, coin(whole, place, 0), Asked(max_tx=1))
    coins.through(place)
    interval((whole, coins.parties, coins.around.sources), received(coins, 0, 1).seeds, everybody)
