"""The words a chain is told with: pay, batch, sweep, peel, coinjoin, swap, joint, mine.

    world = World(seed=1, start=datetime(2026, 1, 1, tzinfo=UTC))
    pool, alice = world.wallet("pool"), world.wallet("alice")
    world.mine(pool, 101)
    world.pay(pool, alice.receive(), 3 * BTC)
    world.mine(pool)

Every word makes real transactions, and keeps what was meant by them; the same seed and the same words make the
same bytes. Who really paid whom follows from two accounts: the one that a payment is made on (`Payment.of`, else
the payer's owner) and the one that an address serves (`Address.of`, else its wallet's owner).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from worlds.deeds import (
    Bulk,
    Bystanders,
    Deed,
    Happened,
    Meant,
    Order,
    Output,
    Payee,
    Payment,
    Received,
    Recorder,
    Settled,
    Share,
)
from worlds.ledger.blocks import Block
from worlds.ledger.chain import Chain, WorldError
from worlds.ledger.keys import Address, Guest, Keyring
from worlds.ledger.sighash import SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE
from worlds.ledger.signing import Coin, Draft
from worlds.parties import Entity
from worlds.wallet import DUST, ChangeAt, Habits, InputOrder, Locktime, Wallet, vbytes

_SELLERS_TYPE = SIGHASH_SINGLE | SIGHASH_ANYONECANPAY
_BACKDATED_SHARE, _MOST_BACKDATED = 0.1, 100
_WAITED_SHARE, _MOST_WAITED = 0.6, 6  # of transactions locked to the tip; blocks from their signing to their block


class World:
    """Wallets, a chain, and a record of what was meant.

    Parameters
    ----------
    seed
        Decides every key and every choice left open.
    start, interval
        Time of the first block after genesis, and seconds between blocks.
    signed
        Whether keys and signatures are valid; without, both are fillers of the same length.
    sink
        Takes the blocks as they are mined; they are kept in `blocks` otherwise.
    """

    def __init__(
        self,
        seed: int,
        start: datetime,
        interval: int = 600,
        *,
        signed: bool = True,
        sink: Callable[[Block], object] | None = None,
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 -- repeatable on purpose
        self._keys = Keyring(seed, signed)
        self.chain = Chain(start, interval, sink)
        self.wallets: dict[str, Wallet] = {}
        self.entities: dict[str, Entity] = {}
        self.deeds: list[Deed] = []
        self.fee_level = 1.0
        """What programs that follow the market multiply their fee rate by."""
        self.recorder: Recorder | None = None
        """Where deeds go once they are mined; while None, they stay in `deeds`."""
        self.crowd: Bystanders | None = None
        """Who else makes transactions in each block."""
        self._addresses: dict[bytes, Address] = {}
        self._guests: dict[bytes, Guest] = {}
        self._waiting: list[Deed] = []
        self._booked: list[Settled] = []

    @property
    def blocks(self) -> list[Block]:
        """The chain so far, genesis first."""
        return self.chain.blocks

    @property
    def height(self) -> int:
        """Height of the block that comes next: what is paid now is part of it."""
        return self.chain.height + 1

    def entity(self, entity: Entity) -> Entity:
        """Let a party exist; an id is given once.

        Raises
        ------
        WorldError
            If the id is taken.
        """
        if entity.id in self.entities:
            msg = f"the world already has a party {entity.id!r}: choose another id"
            raise WorldError(msg)
        self.entities[entity.id] = entity
        return entity

    def wallet(
        self, name: str, habits: Habits | None = None, owner: Entity | None = None, group: str | None = None
    ) -> Wallet:
        """Open a wallet, by default of a person of the same name and apart from others; a name is given once.

        Raises
        ------
        WorldError
            If the name is taken.
        """
        if name in self.wallets:
            msg = f"the world already has a wallet called {name!r}: choose another name"
            raise WorldError(msg)
        owner = owner or self.entity(Entity(name))
        self.wallets[name] = Wallet(self._keys, name, habits or Habits(), owner, group or name, self._register)
        return self.wallets[name]

    def pay(self, payer: Wallet, to: Payee, value: int, of: Entity | None = None, word: str = "pay") -> bytes:
        """Pay one address; gives the txid."""
        return self.batch(payer, [Payment(to, value, of)], word)

    def batch(self, payer: Wallet, payments: Sequence[Meant], word: str = "batch") -> bytes:
        """Pay several addresses in one transaction; a payment may be written as (address, value)."""
        scripts = [to.script for to, *_ in payments]
        target = sum(value for _, value, *_ in payments)
        coins = payer.select(target, scripts, self.height, self.fee_level, self.random)
        return self._pay(payer, coins, payments, word)

    def spend(
        self, payer: Wallet, coins: Sequence[Coin], to: Payee, of: Entity | None = None, word: str = "spend"
    ) -> bytes:
        """Pay these coins, whole, to one address."""
        value = sum(c.value for c in coins) - self._fee(payer, coins, [to.script])
        if value < DUST:
            msg = f"{len(coins)} coins of {payer.name} do not cover the fee of moving them"
            raise WorldError(msg)
        change = (0,) if to.owner == payer.name else ()
        return self._send(payer, coins, [Payment(to, value, of)], change, word)

    def sweep(self, payer: Wallet, to: Payee, at_most: int = 100) -> bytes:
        """Gather up to `at_most` coins of a wallet into one address."""
        coins = payer.spendable(self.height)[:at_most]
        return self.spend(payer, coins, to, word="sweep")

    def peel(self, payer: Wallet, payments: Sequence[Meant]) -> list[bytes]:
        """Pay one after the other from one large coin: each payment spends the change of the one before."""
        coin = max(payer.spendable(self.height), key=lambda c: c.value)
        txids = []
        for payment in payments:
            txids.append(self._pay(payer, [coin], [payment], "peel"))
            change = self._waiting[-1].change
            if not change:
                msg = f"{payer.name} can not peel {payment[1]} satoshi off a coin of {coin.value}"
                raise WorldError(msg)
            coin = payer.coins[txids[-1], change[0]]
        return txids

    def coinjoin(self, people: Sequence[Wallet], value: int, fee_each: int = 2_000, word: str = "coinjoin") -> bytes:
        """Mix: everyone puts in coins and gets one output of `value` and change, all in random order."""
        shares = []
        for person in people:
            coins = person.select(value + fee_each + DUST, [], self.height, self.fee_level, self.random)
            rest = sum(c.value for c in coins) - value - fee_each
            outputs = [Payment(person.receive(role="mix"), value), Payment(person.receive(role="change"), rest)]
            shares.append(Share(person, coins, outputs, (1,)))
        return self.joint(shares, word)

    def swap(self, seller: Wallet, buyer: Wallet, price: int) -> bytes:
        """Sell one coin by a partially signed transaction, as inscription markets do: two owners sign one.

        The seller signs input 0 and its payment alone (SINGLE | ANYONECANPAY), the buyer signs the rest.
        """
        sold = seller.spendable(self.height)[0]
        income = Payment(seller.receive(), price + sold.value, buyer.owner)
        bought = Payment(buyer.receive(), sold.value, buyer.owner)
        scripts = [income.to.script, bought.to.script]
        money = buyer.select(price + sold.value, scripts, self.height, self.fee_level, self.random)
        change = self._change(buyer, [sold, *money], [income, bought])
        shares = [
            Share(seller, [sold], [income], sighash=_SELLERS_TYPE),
            Share(buyer, money, [bought, *change], tuple(range(1, 1 + len(change)))),
        ]
        return self.joint(shares, "swap", Order.AS_GIVEN, habits=buyer.habits)

    def joint(
        self,
        shares: Sequence[Share],
        word: str,
        order: Order = Order.RANDOM,
        *,
        habits: Habits | None = None,
        extra: Sequence[Output] = (),
    ) -> bytes:
        """Make one transaction of several parties; what they bring and do not take is the fee.

        Parameters
        ----------
        habits
            Version, nSequence and nLockTime: by default those of the first party's program.
        extra
            Outputs of nobody, such as an OP_RETURN.
        """
        coins = [(c, s.sighash) for s in shares for c in s.coins]
        rows = [(p, n in s.change, s.wallet) for s in shares for n, p in enumerate(s.outputs)]
        outputs = [((p.to.script, p.value), (p, own, w)) for p, own, w in rows] + [(o, None) for o in extra]
        match order:
            case Order.RANDOM:
                self.random.shuffle(coins)
                self.random.shuffle(outputs)
            case Order.BY_VALUE:
                coins.sort(key=lambda c: (-c[0].value, c[0].outpoint))
                outputs.sort(key=lambda o: (-o[0][1], o[0][0]))
            case Order.SORTED:
                coins.sort(key=lambda c: _bip69(c[0]))
                outputs.sort(key=lambda o: (o[0][1], o[0][0]))
            case Order.AS_GIVEN:
                pass
        draft = self._draft(
            habits or shares[0].wallet.habits, [c for c, _ in coins], [o for o, _ in outputs], [k for _, k in coins]
        )
        told = [(n, *what) for n, (_, what) in enumerate(outputs) if what]
        change = tuple(n for n, _, own, _ in told if own)
        settled = [(p.to.owner, self._settled(n, p, wallet)) for n, p, own, wallet in told if not own]
        return self._submit(draft, word, tuple(dict.fromkeys(s.wallet.name for s in shares)), change, settled)

    def book(self, payer: Entity, payee: Entity, value: int) -> None:
        """Note a payment that stands in a service's books alone, without a transaction."""
        self._booked.append(Settled(payer.id, payee.id, value))

    def mine(self, pool: Wallet, n: int = 1, tag: bytes | None = None) -> None:
        """Mine `n` blocks, each to a fresh address unless the pool reuses its change."""
        for _ in range(n):
            reuse = pool.habits.reuses_change and pool.addresses
            address = pool.addresses[0] if reuse else pool.receive(role="reward")
            extra = self.crowd.fill(self.height, self.chain.weight_left) if self.crowd else None
            reward = self.chain.mine(address.script, tag or f"/{pool.name}/".encode(), extra).reward
            _, value = reward.outputs[0]
            coin = Coin(reward.txid, 0, value, address, self.chain.height, coinbase=True)
            pool.coins[coin.outpoint] = coin
            self._record(Deed(reward.txid, "coinbase", (), (pool.name,), (), (), (), [(address.script, value)]), extra)

    def address_of(self, script: bytes) -> Payee | None:
        """Give the address of a wallet of this world or of a guest; None for a script of nobody."""
        return self._addresses.get(script) or self._guests.get(script)

    def welcome(self, guest: Guest) -> None:
        """Let one of the crowd be paid: it hears of it once the payment is mined."""
        self._guests[guest.script] = guest

    def _record(self, reward: Deed, extra: Bulk | None) -> None:
        """Tell what was mined: transactions enter blocks in the order in which they were made."""
        n, height = len(self._waiting) - self.chain.n_waiting, self.chain.height
        mined, booked = self._waiting[:n], self._booked
        self._waiting, self._booked = self._waiting[n:], []
        if extra is not None and self.crowd is not None:
            for (txid, vout), (script, value) in extra.makes.items():
                self._credit(Coin(txid, vout, value, self._addresses[script], height))
            self.crowd.receive(height, [one for deed in mined for one in self._paid_to_guests(deed)])
        if self.recorder is not None:
            self.recorder(Happened(height, reward, mined, booked, extra))

    def _paid_to_guests(self, deed: Deed) -> Iterator[Received]:
        for n, (script, value) in enumerate(deed.outputs):
            if guest := self._guests.get(script):
                yield Received(guest, (deed.txid, n), value)

    def _credit(self, coin: Coin) -> None:
        self.wallets[coin.address.owner].coins[coin.outpoint] = coin

    def _register(self, address: Address) -> None:
        self._addresses[address.script] = address

    def _fee(self, payer: Wallet, coins: Sequence[Coin], scripts: Sequence[bytes]) -> int:
        return payer.habits.fee_for(vbytes(coins, scripts), self.fee_level)

    def _pay(self, payer: Wallet, coins: Sequence[Coin], meant: Sequence[Meant], word: str) -> bytes:
        """Pay from these coins, with change, in the payer's habitual order."""
        payments = [Payment(*p) for p in meant]
        change = self._change(payer, coins, payments)
        match payer.habits.change_at:
            case ChangeAt.LAST:
                outputs = [*payments, *change]
            case ChangeAt.FIRST:
                outputs = [*change, *payments]
            case ChangeAt.RANDOM:
                outputs = list(payments)
                for output in change:
                    outputs.insert(self.random.randrange(len(outputs) + 1), output)
            case ChangeAt.SORTED:
                outputs = sorted([*payments, *change], key=lambda p: (p.value, p.to.script))
        return self._send(payer, coins, outputs, tuple(outputs.index(c) for c in change), word)

    def _change(self, payer: Wallet, coins: Sequence[Coin], payments: Sequence[Payment]) -> list[Payment]:
        """Give the change output, or none where it would be dust."""
        habits = payer.habits
        kind = payments[0].to.kind if habits.change_like_payment else None
        to = coins[0].address if habits.reuses_change else payer.receive(kind, role="change")
        fee = self._fee(payer, coins, [*(p.to.script for p in payments), to.script])
        rest = sum(c.value for c in coins) - sum(p.value for p in payments) - fee
        return [Payment(to, rest)] if rest >= habits.leaves else []

    def _send(
        self, payer: Wallet, coins: Sequence[Coin], outputs: Sequence[Payment], change: tuple[int, ...], word: str
    ) -> bytes:
        match payer.habits.inputs:
            case InputOrder.SORTED:
                coins = sorted(coins, key=_bip69)
            case InputOrder.RANDOM:
                coins = self.random.sample(coins, len(coins))
            case InputOrder.CHOSEN:
                pass
        draft = self._draft(payer.habits, coins, [(p.to.script, p.value) for p in outputs], [SIGHASH_ALL] * len(coins))
        meant = [(n, p) for n, p in enumerate(outputs) if n not in change]
        settled = [(p.to.owner, self._settled(n, p, payer)) for n, p in meant]
        return self._submit(draft, word, (payer.name,), change, settled)

    def _settled(self, vout: int, payment: Payment, payer: Wallet) -> Settled | None:
        """Who really paid whom by an output; None where a party moves its own money."""
        of = payment.of or payer.owner
        to = payment.to.of or self.wallets[payment.to.owner].owner.id
        return Settled(of.id, to, payment.value, vout) if of.id != to else None

    def _draft(self, habits: Habits, coins: Sequence[Coin], outputs: Sequence[Output], sighash: Sequence[int]) -> Draft:
        locktime = self._locktime(habits.locktime, coins)
        return Draft(coins, outputs, [habits.sequence] * len(coins), sighash, habits.version, locktime)

    def _locktime(self, habit: Locktime, coins: Sequence[Coin]) -> int:
        """Give the tip at which it was signed, which for some is blocks ago: they waited, if their coins are as old."""
        if habit is Locktime.ZERO:
            return 0
        back = habit is Locktime.BACKDATED and self.random.random() < _BACKDATED_SHARE
        if back:
            return max(0, self.chain.height - self.random.randrange(_MOST_BACKDATED))
        waited = self.random.randint(1, _MOST_WAITED) if self.random.random() < _WAITED_SHARE else 0
        newest = max((c.height for c in coins), default=0)
        return max(self.chain.height - waited, min(newest, self.chain.height))

    def _submit(
        self,
        draft: Draft,
        word: str,
        by: tuple[str, ...],
        change: tuple[int, ...],
        settled: Sequence[tuple[str, Settled | None]],
    ) -> bytes:
        """Sign, submit, move the coins between the wallets, and keep what was meant."""
        txid = self.chain.submit(draft.signed())
        for coin in draft.coins:
            self.wallets[coin.address.owner].take([coin])
        for n, (script, value) in enumerate(draft.outputs):
            if (address := self._addresses.get(script)) is not None:
                self._credit(Coin(txid, n, value, address, self.height))
        to = tuple(owner for owner, _ in settled)
        paid = tuple(s for _, s in settled if s)
        deed = Deed(txid, word, by, to, change, paid, draft.coins, draft.outputs)
        self._waiting.append(deed)
        if self.recorder is None:
            self.deeds.append(deed)
        return txid


def _bip69(coin: Coin) -> tuple[bytes, int]:
    return coin.txid[::-1], coin.vout
