"""The words a chain is told with: pay, batch, sweep, peel, coinjoin, swap, mine.

    world = World(seed=1, start=datetime(2026, 1, 1, tzinfo=UTC))
    pool, alice = world.wallet("pool"), world.wallet("alice")
    world.mine(pool, 101)
    world.pay(pool, alice.receive(), 3 * BTC)
    world.mine(pool)

Every word makes real, validly signed transactions; the same seed and the same words make the same bytes.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bitcoin.core.script import SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE

from worlds.ledger.blocks import Block
from worlds.ledger.chain import Chain, WorldError
from worlds.ledger.keys import Address
from worlds.ledger.signing import Coin, Draft
from worlds.wallet import DUST, ChangeAt, Habits, Wallet, vbytes

Output = tuple[bytes, int]
Payment = tuple[Address, int]
_SELLERS_TYPE = SIGHASH_SINGLE | SIGHASH_ANYONECANPAY


@dataclass(frozen=True, slots=True)
class Deed:
    """What was meant by one transaction: the truth behind it."""

    txid: bytes
    word: str
    by: tuple[str, ...]
    """Wallets that signed."""
    to: tuple[str, ...]
    """Wallets that were meant to receive, change not counted."""
    change: int | None
    """Output number of the change, where there is one."""


class World:
    """Wallets, a chain, and a record of what was meant.

    Parameters
    ----------
    seed
        Decides every key and every choice left open.
    start, interval
        Time of the first block after genesis, and seconds between blocks.
    """

    def __init__(self, seed: int, start: datetime, interval: int = 600) -> None:
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 -- repeatable on purpose
        self.chain = Chain(start, interval)
        self.wallets: dict[str, Wallet] = {}
        self.deeds: list[Deed] = []
        self._addresses: dict[bytes, Address] = {}

    @property
    def blocks(self) -> list[Block]:
        """The chain so far, genesis first."""
        return self.chain.blocks

    def wallet(self, name: str, habits: Habits | None = None) -> Wallet:
        """Open a wallet; a name is given once.

        Raises
        ------
        WorldError
            If the name is taken.
        """
        if name in self.wallets:
            msg = f"the world already has a wallet called {name!r}: choose another name"
            raise WorldError(msg)
        self.wallets[name] = Wallet(self.seed, name, habits or Habits(), self._register)
        return self.wallets[name]

    def pay(self, payer: Wallet, to: Address, value: int) -> bytes:
        """Pay one address; gives the txid."""
        return self.batch(payer, [(to, value)], word="pay")

    def batch(self, payer: Wallet, payments: Sequence[Payment], word: str = "batch") -> bytes:
        """Pay several addresses in one transaction."""
        wanted = [(to.script, value) for to, value in payments]
        coins = payer.select(sum(v for _, v in wanted), [s for s, _ in wanted], self._next)
        outputs, change = self._with_change(payer, coins, wanted)
        txid = self._send(self._draft(payer.habits, coins, outputs), payer)
        self._note(txid, word, [payer.name], [to.owner for to, _ in payments], change)
        return txid

    def spend(self, payer: Wallet, coins: Sequence[Coin], to: Address, word: str = "spend") -> bytes:
        """Pay these coins, whole, to one address."""
        rate = payer.habits.fee_rate
        value = sum(c.value for c in coins) - rate * vbytes(coins, [to.script])
        if value < DUST:
            msg = f"{len(coins)} coins of {payer.name} do not cover the fee of moving them"
            raise WorldError(msg)
        txid = self._send(self._draft(payer.habits, coins, [(to.script, value)]), payer)
        self._note(txid, word, [payer.name], [to.owner], None)
        return txid

    def sweep(self, payer: Wallet, to: Address, at_most: int = 100) -> bytes:
        """Gather up to `at_most` coins of a wallet into one address."""
        coins = payer.spendable(self._next)[:at_most]
        return self.spend(payer, coins, to, word="sweep")

    def peel(self, payer: Wallet, payments: Sequence[Payment]) -> list[bytes]:
        """Pay one after the other from one large coin: each payment spends the change of the one before."""
        coin = max(payer.spendable(self._next), key=lambda c: c.value)
        txids = []
        for to, value in payments:
            outputs, change = self._with_change(payer, [coin], [(to.script, value)])
            if change is None:
                msg = f"{payer.name} can not peel {value} satoshi off a coin of {coin.value}"
                raise WorldError(msg)
            txids.append(self._send(self._draft(payer.habits, [coin], outputs), payer))
            self._note(txids[-1], "peel", [payer.name], [to.owner], change)
            coin = payer.coins[txids[-1], change]
        return txids

    def coinjoin(self, people: Sequence[Wallet], value: int, fee_each: int = 2_000) -> bytes:
        """Mix: everyone puts in coins and gets one output of `value` and change, all in random order."""
        coins, outputs = [], []
        for person in people:
            mine = person.select(value + fee_each + DUST, [], self._next)
            rest = sum(c.value for c in mine) - value - fee_each
            coins += mine
            outputs += [(person.receive().script, value), (person.receive().script, rest)]
        self.random.shuffle(coins)
        self.random.shuffle(outputs)
        txid = self._send(self._draft(people[0].habits, coins, outputs), *people)
        names = [p.name for p in people]
        self._note(txid, "coinjoin", names, names, None)
        return txid

    def swap(self, seller: Wallet, buyer: Wallet, price: int) -> bytes:
        """Sell one coin by a partially signed transaction, as inscription markets do: two owners sign one.

        The seller signs input 0 and its payment alone (SINGLE | ANYONECANPAY), the buyer signs the rest.
        """
        sold = seller.spendable(self._next)[0]
        outputs = [(seller.receive().script, price + sold.value), (buyer.receive().script, sold.value)]
        money = buyer.select(price + sold.value, [s for s, _ in outputs], self._next)
        paid = [*outputs, *self._change(buyer, [sold, *money], outputs)]
        draft = self._draft(buyer.habits, [sold, *money], paid, [_SELLERS_TYPE])
        txid = self._send(draft, seller, buyer)
        self._note(txid, "swap", [seller.name, buyer.name], [seller.name, buyer.name], None)
        return txid

    def mine(self, pool: Wallet, n: int = 1, tag: bytes | None = None) -> None:
        """Mine `n` blocks, each to a fresh address unless the pool reuses its change."""
        for _ in range(n):
            reuse = pool.habits.reuses_change and pool.addresses
            address = pool.addresses[0] if reuse else pool.receive()
            reward = self.chain.mine(address.script, tag or f"/{pool.name}/".encode())
            value = int(reward.tx.vout[0].nValue)
            coin = Coin(reward.txid, 0, value, address, self.chain.height, coinbase=True)
            pool.coins[coin.outpoint] = coin

    @property
    def _next(self) -> int:
        return self.chain.height + 1

    def _register(self, address: Address) -> None:
        self._addresses[address.script] = address

    def _change(self, payer: Wallet, coins: Sequence[Coin], outputs: Sequence[Output]) -> list[Output]:
        """Give the change output, or none where it would be dust."""
        first = coins[0].address
        to = first if payer.habits.reuses_change else payer.receive()
        fee = payer.habits.fee_rate * vbytes(coins, [*(s for s, _ in outputs), to.script])
        rest = sum(c.value for c in coins) - sum(v for _, v in outputs) - fee
        return [(to.script, rest)] if rest >= DUST else []

    def _with_change(
        self, payer: Wallet, coins: Sequence[Coin], wanted: Sequence[Output]
    ) -> tuple[list[Output], int | None]:
        """All outputs in the payer's habitual order, and the place of the change among them."""
        change = self._change(payer, coins, wanted)
        match payer.habits.change_at:
            case ChangeAt.LAST:
                outputs = [*wanted, *change]
            case ChangeAt.FIRST:
                outputs = [*change, *wanted]
            case ChangeAt.RANDOM:
                outputs = list(wanted)
                for output in change:
                    outputs.insert(self.random.randrange(len(outputs) + 1), output)
            case ChangeAt.SORTED:
                outputs = sorted([*wanted, *change], key=lambda o: (o[1], o[0]))
        return outputs, outputs.index(change[0]) if change else None

    def _draft(
        self, habits: Habits, coins: Sequence[Coin], outputs: Sequence[Output], sighash: Sequence[int] = ()
    ) -> Draft:
        kinds = [*sighash, *[SIGHASH_ALL] * (len(coins) - len(sighash))]
        locktime = self.chain.height if habits.follows_tip else 0
        return Draft(coins, outputs, [habits.sequence] * len(coins), kinds, habits.version, locktime)

    def _send(self, draft: Draft, *signers: Wallet) -> bytes:
        """Sign, submit, and move the coins between the wallets."""
        txid = self.chain.submit(draft.signed())
        names = {w.name: w for w in signers}
        for coin in draft.coins:
            names[coin.address.owner].take([coin])
        for n, (script, value) in enumerate(draft.outputs):
            if (address := self._addresses.get(script)) is not None:
                coin = Coin(txid, n, value, address, self._next)
                self.wallets[address.owner].coins[coin.outpoint] = coin
        return txid

    def _note(self, txid: bytes, word: str, by: Sequence[str], to: Sequence[str], change: int | None) -> None:
        self.deeds.append(Deed(txid, word, tuple(by), tuple(to), change))
