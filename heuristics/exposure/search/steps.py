"""A path that was found, coin by coin, and what FIFO says of it.

FIFO fills outputs by inputs, both in their listed order; the fee takes what is left. So the satoshi of one output
are one stretch of what its transaction spends, and along a path that stretch gets shorter with every coin, or ends.
"""

from typing import Final

import numpy as np

from chains.kernels import lean_kernel, lean_step
from heuristics.exposure.passes.parts import FEE, Part, Rows, spent
from heuristics.exposure.search.best import OPEN, Ways

# One coin of a path, see paths.Step.
COIN: Final = np.dtype(
    [("maker", "i4"), ("vout", "i4"), ("spender", "i4"), ("vin", "i4"), ("value", "i8"), ("haircut", "f8"),
     ("fifo", "i8"), ("owner", "i4")]
)  # fmt: skip


@lean_kernel
def depth(nodes: Rows, x: int) -> int:
    """How many nodes there are from a seed to node x."""
    n = 1
    while nodes[x].before >= 0:
        x = nodes[x].before
        n += 1
    return n


@lean_kernel
def unroll(ways: Ways, nodes: Rows, x: int, coins: Rows) -> tuple[int, int, int]:
    """Write the coins of the path that ends with node x into the last of `coins`, the wallet's own first.

    Returns how many; the path's last transaction; satoshi that run along all of it by FIFO.
    """
    code, last, n = nodes[x].code, -1, 0
    while True:
        node = nodes[x]
        seed = node.before < 0
        t = -1 - node.before if seed else nodes[node.before].place
        if last < 0:
            last = node.place if code == OPEN else t
        if node.row >= 0:
            n += 1
            at = len(coins) - n
            coins[at].haircut = node.worth
            # A seed is an output of the wallet's transaction; but for what goes into a CoinJoin.
            if (seed and ways.sign > 0 and node.place == t) or (not seed and ways.sign < 0):
                _as_input(ways.part, coins, at, (t, node.row))
            else:
                _as_output(ways.part, coins, at, (t, node.row))
                coins[at].spender = node.place if ways.sign > 0 else -1
        if seed:
            break
        x = node.before
    return n, last, _fifo(ways, coins[len(coins) - n :], last if code == FEE else -1)


@lean_step
def _as_input(part: Part, coins: Rows, at: int, spend: tuple[int, int]) -> None:
    """Describe a coin by the spend that spends it: its transaction and row."""
    coin, t, row = coins[at], spend[0], spend[1]
    coin.maker, coin.vout, coin.spender, coin.vin = part.origin[row], part.vout[row], t, row - part.in_start[t]
    coin.value, coin.owner = part.spend_value[row], part.spend_owner[row]
    if coin.value < 0:
        coin.value = spent(part, t)[1]


@lean_step
def _as_output(part: Part, coins: Rows, at: int, output: tuple[int, int]) -> None:
    """Describe a coin by the output that made it: its transaction and row."""
    coin, t, row = coins[at], output[0], output[1]
    coin.maker, coin.vout, coin.vin = t, row - part.out_start[t], -1
    coin.value, coin.owner = part.out_value[row], part.out_owner[row]


@lean_kernel
def _position(part: Part, coins: Rows, k: int) -> int:
    """Which of its spender's inputs a coin is, -1 of none."""
    coin = coins[k]
    first = part.in_start[coin.spender]
    for i in range(first, part.in_start[coin.spender + 1]):
        if part.origin[i] == coin.maker and part.vout[i] == coin.vout:
            return int(i - first)
    return -1


@lean_kernel
def _paid_before(part: Part, t: int, vout: int) -> int:
    """Satoshi of a transaction's outputs before one."""
    total = 0
    for o in range(part.out_start[t], part.out_start[t] + vout):
        total += part.out_value[o]
    return total


@lean_kernel
def _spent_before(part: Part, t: int, vin: int) -> int:
    """Satoshi of a transaction's inputs before one; the first of unknown value stands for all those."""
    total, gap = 0, spent(part, t)[1]
    for i in range(part.in_start[t], part.in_start[t] + vin):
        if part.spend_value[i] < 0:
            total += gap
            gap = 0
        else:
            total += part.spend_value[i]
    return total


@lean_kernel
def _fifo(ways: Ways, coins: Rows, fee_of: int) -> int:
    """Write the satoshi that run along the path up to each coin; those that run to its end."""
    part = ways.part
    first, end = 0, coins[0].value
    coins[0].fifo = end
    for k in range(len(coins)):
        coin = coins[k]
        if ways.sign > 0 and coin.spender >= 0 and coin.vin < 0:
            coin.vin = _position(part, coins, k)
        if k == 0:
            continue
        near = coins[k - 1]
        if ways.sign < 0:
            shift = _paid_before(part, coin.spender, near.vout) - _spent_before(part, coin.spender, coin.vin)
        else:
            shift = _spent_before(part, coin.maker, near.vin) - _paid_before(part, coin.maker, coin.vout)
        first, end = max(first + shift, 0), min(end + shift, coin.value)
        end = max(first, end)
        coin.fifo = end - first
    if fee_of >= 0:
        coin = coins[len(coins) - 1]
        paid = _paid_before(part, fee_of, part.out_start[fee_of + 1] - part.out_start[fee_of])
        first = max(first, paid - _spent_before(part, fee_of, coin.vin))
    return int(max(end - first, 0))
