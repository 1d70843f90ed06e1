"""Random draws inside kernels: SplitMix64 (Steele, Lea and Flood, 2014), the same on every machine.

Only integer operations and plain float arithmetic are used, no library logarithms or exponentials, whose last
bits differ between machines. A generator is an array of one uint64.
"""

import numpy as np

from chains.kernels import i64, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOG2_E = 1.4426950408889634
_UNIT = 1.0 / (1 << 53)


def generator(seed: int) -> np.ndarray:
    """Give a fresh generator for a seed."""
    return np.array([seed], dtype=np.uint64)


@kernel
def scrambled(x: np.uint64) -> np.uint64:
    """Hash a 64-bit number to another, evenly."""
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@kernel
def draw(rng: np.ndarray) -> np.uint64:
    """Next 64 random bits."""
    value = scrambled(rng[0])
    rng[0] += _GOLDEN
    return value


@kernel
def below(rng: np.ndarray, n: int) -> int:
    """Draw an integer in [0, n), n < 2**31."""
    return i64(((draw(rng) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@kernel
def share(rng: np.ndarray) -> float:
    """Draw a float in [0, 1)."""
    return float(np.float64(draw(rng) >> np.uint64(11)) * _UNIT)


@kernel
def log_normal(rng: np.ndarray, sigma: float) -> float:
    """Draw about exp(sigma * N(0, 1)): the sum of six uniforms for the normal, 2**x linear between powers."""
    total = 0.0
    for _ in range(6):
        total += share(rng)
    power = (total - 3.0) * 1.4142135623730951 * sigma * _LOG2_E
    whole = float(np.floor(power))
    value = 1.0 + (power - whole)
    for _ in range(i64(abs(whole))):
        value = value * 2.0 if whole > 0 else value * 0.5
    return value


@kernel
def pick(rng: np.ndarray, steps: np.ndarray) -> int:
    """Draw an index by cumulative shares, of which the last is 1."""
    x = share(rng)
    for n in range(len(steps)):
        if x < steps[n]:
            return n
    return len(steps) - 1


@kernel
def fill(rng: np.ndarray, out: np.ndarray, start: int, length: int) -> None:
    """Write random bytes to `out[start:start + length]`."""
    word = np.uint64(0)
    for n in range(length):
        if n % 8 == 0:
            word = draw(rng)
        out[start + n] = np.uint8(word & np.uint64(0xFF))
        word >>= np.uint64(8)
