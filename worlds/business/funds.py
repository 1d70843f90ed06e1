"""What a wallet can pay, what it starts with, and paying from chosen coins."""

from collections.abc import Sequence
from random import Random

from worlds.deeds import Payment, Share
from worlds.ledger.signing import Coin
from worlds.town import Town
from worlds.wallet import BTC, LONGEST_SCRIPT, Wallet, vbytes
from worlds.words import World

SMALLEST_COIN = 10_000  # satoshi below which a coin is not worth the fee of its input


def endow(town: Town, rng: Random, wallet: Wallet, coins: int, most: float) -> None:
    """Let a wallet start with some coins of up to `most` bitcoin each."""
    for _ in range(coins):
        town.endow(wallet.receive(), int(BTC * rng.uniform(most / 4, most)))


def spare(world: World, wallet: Wallet, outputs: int = 2) -> int:
    """Satoshi that a wallet can pay in one transaction, whichever coins it takes; less than 0 where it can not."""
    coins = wallet.spendable(world.height)
    size = vbytes(coins, [LONGEST_SCRIPT] * outputs)
    return sum(c.value for c in coins) - wallet.habits.fee_for(size, world.fee_level)


def pay_with(
    world: World, wallet: Wallet, coins: Sequence[Coin], payments: Sequence[Payment], word: str = "pay"
) -> bytes:
    """Pay from these coins; what is left comes back as change."""
    change = wallet.receive(role="change")
    size = vbytes(coins, [*(p.to.script for p in payments), change.script])
    rest = sum(c.value for c in coins) - sum(p.value for p in payments) - wallet.habits.fee_for(size, world.fee_level)
    kept = [Payment(change, rest)] if rest >= wallet.habits.leaves else []
    return world.joint(
        [Share(wallet, coins, [*payments, *kept], range(len(payments), len(payments) + len(kept)))], word
    )


def fee_rate(world: World) -> int:
    """Satoshi per virtual byte that a coordinator asks for today."""
    return max(1, round(8 * world.fee_level))
