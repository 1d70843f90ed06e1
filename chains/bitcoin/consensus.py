"""The few consensus figures that reading a block is checked against."""

COIN = 100_000_000
MAX_MONEY = 21_000_000 * COIN
HALVING = {"main": 210_000, "test": 210_000, "testnet4": 210_000, "signet": 210_000, "regtest": 150}
MAX_TIMES_HALVED = 63


def subsidy(height: int, network: str) -> int:
    """New coins a block may create, in satoshi."""
    halvings = height // HALVING[network]
    return 0 if halvings > MAX_TIMES_HALVED else (50 * COIN) >> halvings


def target_of(bits: int) -> int:
    """The proof-of-work target that the header's compact form stands for (0 where it is negative or overflows)."""
    exponent, mantissa = bits >> 24, bits & 0x007FFFFF
    target = mantissa << 8 * (exponent - 3) if exponent > 3 else mantissa >> 8 * (3 - exponent)
    return 0 if bits & 0x00800000 or target >> 256 else target


def work_of(bits: int) -> int:
    """Expected number of hashes to find a block at this target (0 where no hash meets it)."""
    target = target_of(bits)
    return (1 << 256) // (target + 1) if target else 0
