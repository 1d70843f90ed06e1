"""The price of a bitcoin in an invented world: one figure a day, the same from a seed every time."""

import random

USD_JPY = 150.0
_START, _DAILY_SPREAD = 40_000.0, 0.03


def daily(seed: int, days: int) -> list[float]:
    """US dollars per bitcoin on each day from the world's first, a random walk in steps of about 3 %."""
    rng = random.Random(f"{seed}/prices")  # noqa: S311 -- repeatable on purpose
    prices = [_START]
    while len(prices) < days:
        prices.append(round(prices[-1] * (1 + rng.gauss(0, _DAILY_SPREAD)), 2))
    return prices[:days]
