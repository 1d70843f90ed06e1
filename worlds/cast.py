"""The demo's story in small: who is in it, and what each of them does from day to day.

All parties are invented. Hinode is a registered exchange in Japan; Taiga an exchange in Russia that is
designated half-way; Straits Bridge a company in Singapore without business of its own, through which Taiga
then reroutes what it used to pay and take directly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worlds.ledger.keys import Address, AddressKind
from worlds.wallet import BTC, ChangeAt, Habits, Locktime, Selection, Wallet
from worlds.words import World

PHONE = Habits(AddressKind.P2WPKH, sequence=0xFFFFFFFD, change_at=ChangeAt.RANDOM)
CORE = Habits(AddressKind.P2WPKH, sequence=0xFFFFFFFD, locktime=Locktime.TIP, selection=Selection.LARGEST, fee_rate=12)
TAPROOT = Habits(AddressKind.P2TR, sequence=0xFFFFFFFD, change_at=ChangeAt.SORTED, fee_rate=5)
PAPER = Habits(AddressKind.P2PKH, 1, 0xFFFFFFFF, change_at=ChangeAt.LAST, reuses_change=True, fee_rate=20)
NESTED = Habits(AddressKind.P2SH_P2WPKH, 1, 0xFFFFFFFE, change_at=ChangeAt.FIRST)
DESK = Habits(AddressKind.P2SH_P2WPKH, 1, 0xFFFFFFFE, change_at=ChangeAt.FIRST, reuses_change=True)
FRONT = Habits(AddressKind.P2WPKH, 2, 0xFFFFFFFF, change_at=ChangeAt.LAST, reuses_change=True, fee_rate=10)
SERVER = Habits(AddressKind.P2WPKH, 2, 0xFFFFFFFF, change_at=ChangeAt.LAST, fee_rate=10)
POOL = Habits(AddressKind.P2PKH, 1, 0xFFFFFFFF, reuses_change=True, selection=Selection.LARGEST)
OLD_POOL = Habits(AddressKind.P2PK, 1, 0xFFFFFFFF, reuses_change=True, selection=Selection.LARGEST)
PEOPLE_USE = (PHONE, CORE, TAPROOT, PAPER, NESTED)

N_CUSTOMERS = 24
N_BYSTANDERS = 12
N_MIXERS = 6
CUT = 997  # per mille of what the front receives that it passes on
SMALLEST_FORWARD = BTC // 20


@dataclass(slots=True)
class Cast:
    """Every wallet of the story."""

    world: World
    kita: Wallet
    angara: Wallet
    hinode: Wallet
    taiga: Wallet
    broker: Wallet
    straits: Wallet
    customers: list[Wallet]
    bystanders: list[Wallet]
    mixers: list[Wallet]
    runners: list[Wallet]
    """Hinode customers who deal with Taiga."""
    deposits: dict[str, Address] = field(default_factory=dict)
    """Deposit address that Hinode gave each customer, by the customer's name."""

    @property
    def people(self) -> list[Wallet]:
        """Everyone who holds coins of their own."""
        return [*self.customers, *self.bystanders, *self.mixers, *self.runners]


def gather(world: World) -> Cast:
    """Open every wallet, and give each customer of Hinode a deposit address."""
    cast = Cast(
        world,
        kita=world.wallet("Kita Pool", POOL),
        angara=world.wallet("Angara Pool", OLD_POOL),
        hinode=world.wallet("Hinode", SERVER),
        taiga=world.wallet("Taiga", DESK),
        broker=world.wallet("broker", PHONE),
        straits=world.wallet("Straits", FRONT),
        customers=_crowd(world, "customer", N_CUSTOMERS),
        bystanders=_crowd(world, "bystander", N_BYSTANDERS),
        mixers=_crowd(world, "mixer", N_MIXERS),
        runners=_crowd(world, "runner", 3),
    )
    for person in [*cast.customers, *cast.runners]:
        cast.deposits[person.name] = cast.hinode.receive(AddressKind.P2SH_P2WPKH)
    return cast


def _crowd(world: World, what: str, n: int) -> list[Wallet]:
    return [world.wallet(f"{what} {i}", PEOPLE_USE[i % len(PEOPLE_USE)]) for i in range(n)]


def mine(cast: Cast, n: int = 1) -> None:
    """Mine blocks: two in three go to Kita, the rest to Angara."""
    for _ in range(n):
        pool = cast.angara if cast.world.chain.height % 3 == 2 else cast.kita  # noqa: PLR2004
        cast.world.mine(pool)


def hand_out(cast: Cast) -> None:
    """Let the pools' first payouts reach everyone: 3 to 9 bitcoin each, in two or three coins."""
    for pool, people in ((cast.kita, cast.people), (cast.angara, [cast.taiga, cast.taiga, cast.broker])):
        for n in range(0, len(people), 10):
            paid = [(p.receive(), 3 * BTC) for p in people[n : n + 10]]
            cast.world.batch(pool, [*paid, *[(p.receive(), 2 * BTC) for p in people[n : n + 10 : 2]]])
        mine(cast)
    mine(cast)


def amount(world: World, low: int, high: int) -> int:
    """Draw a payment between two values of a thousandth of a bitcoin: half of them are round numbers."""
    value = world.random.randint(low, high) * BTC // 1000
    return value if world.random.random() < 0.5 else value + world.random.randrange(100_000)  # noqa: PLR2004


def willing(world: World, people: Sequence[Wallet], share: float, at_least: int) -> list[Wallet]:
    """Draw the people who act today, among those who hold more than `at_least`."""
    able = [p for p in people if p.balance(world.chain.height + 1) > at_least]
    return [p for p in able if world.random.random() < share]


def ordinary_day(cast: Cast) -> None:
    """Play what goes on everywhere: payments between people, deposits, sweeps, withdrawals."""
    world = cast.world
    for payer in willing(world, [*cast.bystanders, *cast.customers], 0.4, BTC // 4):
        world.pay(payer, world.random.choice(cast.bystanders).receive(), amount(world, 5, 120))
    for person in willing(world, cast.customers, 0.5, BTC // 2):
        world.pay(person, cast.deposits[person.name], amount(world, 20, 300))
    mine(cast, 2)
    sweep_deposits(cast)
    mine(cast)
    if leaving := willing(world, cast.customers, 0.35, 0):
        world.batch(cast.hinode, [(p.receive(), amount(world, 10, 200)) for p in leaving])
    mine(cast, 2)


def sweep_deposits(cast: Cast) -> None:
    """Gather what lies on Hinode's deposit addresses into its hot wallet."""
    addresses = set(cast.deposits.values())
    height = cast.world.chain.height + 1
    coins = [c for c in cast.hinode.spendable(height) if c.address in addresses]
    if coins:
        cast.world.spend(cast.hinode, coins, cast.hinode.receive(), word="sweep")


def taiga_in_the_open(cast: Cast, counterparties: Sequence[Wallet]) -> None:
    """Play a day of Taiga before its designation: it pays and is paid directly."""
    world = cast.world
    for person in counterparties:
        world.pay(person, cast.taiga.receive(), amount(world, 20, 80))
    mine(cast)
    gather_coins(cast, cast.taiga)
    world.batch(cast.taiga, [(p.addresses[0], amount(world, 10, 60)) for p in counterparties])
    mine(cast)


def taiga_through_the_front(cast: Cast) -> None:
    """Play a day after the designation: the same business by way of Straits Bridge.

    Outwards: Taiga pays Straits, which hours later pays the runners' deposit addresses at Hinode.
    Inwards: a runner withdraws from Hinode to Straits, which passes it on to Taiga, less its cut.
    """
    world = cast.world
    out = amount(world, 200, 400)
    world.pay(cast.taiga, cast.straits.receive(), out)
    runner = world.random.choice(cast.runners)
    back = amount(world, 150, 300)
    world.pay(cast.hinode, cast.straits.receive(), back)
    mine(cast)
    gather_coins(cast, cast.straits)
    share = out * CUT // 1000 // len(cast.runners)
    world.batch(cast.straits, [(cast.deposits[r.name], share) for r in cast.runners])
    mine(cast)
    world.pay(cast.straits, cast.taiga.receive(), max(back * CUT // 1000 - BTC // 100, SMALLEST_FORWARD))
    world.pay(runner, world.random.choice(cast.bystanders).receive(), amount(world, 5, 40))
    mine(cast)
    gather_coins(cast, cast.taiga)


def gather_coins(cast: Cast, wallet: Wallet) -> None:
    """Put a wallet's coins together on its first address, which shows that its addresses are one party's."""
    first = wallet.addresses[0] if wallet.addresses else wallet.receive()
    cast.world.sweep(wallet, first)
    mine(cast)


def pay_miners(cast: Cast) -> None:
    """Let each pool pay miners, which are people of the story."""
    world = cast.world
    for pool, people in ((cast.kita, cast.bystanders), (cast.angara, [cast.broker, *cast.runners])):
        world.batch(pool, [(p.receive(), amount(world, 300, 900)) for p in people])
    mine(cast)
