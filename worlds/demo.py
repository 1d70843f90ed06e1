"""`tadoru demo`: the story told as a real regtest chain, with the labels that a user would have beside it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from chains.bitcoin.address import text_of
from worlds.cast import (
    Cast,
    gather,
    gather_coins,
    hand_out,
    mine,
    ordinary_day,
    pay_miners,
    taiga_in_the_open,
    taiga_through_the_front,
)
from worlds.claims import Actor, Listed, Tag, write_actor_pack, write_sdn, write_tag_pack
from worlds.ledger.blocks import NETWORK
from worlds.ledger.datadir import write_datadir
from worlds.ledger.keys import Address, AddressKind
from worlds.wallet import BTC
from worlds.words import World

SEED = 31
_START = datetime(2025, 1, 6, tzinfo=UTC)
_INTERVAL = 3 * 3_600  # seconds between blocks, so that the story takes seven weeks
_FIRST_DAY = 116  # height from which the pools have ripe coins to hand out
_DAYS_BEFORE, _DAYS_AFTER = 12, 12  # days of business before and after the designation
_QUIET = 8  # blocks, a day, between Taiga's last direct dealing and its designation
_MIXED = BTC // 2
_INVENTED = "Invented for the Tadoru demo"


@dataclass(frozen=True, slots=True)
class Screening:
    """One withdrawal to screen, and what should come out under the policy `sanctions-only`."""

    name: str
    address: str
    expected: str
    """`allow`, `review` or `block`."""
    basis: str | None
    """Why it is a listed party's: `listed_address`, `cluster_of_listed_address`; None where it is not."""
    seen_on_chain: bool
    why: str
    """One sentence for the reader."""


@dataclass(frozen=True, slots=True)
class DemoStory:
    """The demo on disk, and what is true in it."""

    datadir: Path
    labels: tuple[Path, ...]
    """Files to add, oldest first: actor pack, tag pack, two vintages of the list."""
    network: str
    tip_height: int
    n_tx: int
    designated_on: date
    """Date of the first list that names Taiga."""
    screenings: tuple[Screening, ...]
    same_party: tuple[str, str]
    """Two addresses of one cluster, to ask why they are together."""
    shell: str
    """An address of the company in between."""
    coinjoins: tuple[str, ...]
    """Transaction ids (displayed form) of the mixes."""
    plot: tuple[str, ...]
    """What happens, sentence by sentence."""


@dataclass(slots=True)
class Told:
    """A story that has been played: its cast, and the addresses that matter later."""

    cast: Cast
    listed: Address
    rotated: Address
    same_key: Address
    broker: tuple[Address, ...]
    designated: datetime
    coinjoins: list[str]

    @property
    def world(self) -> World:
        """The world it was told in."""
        return self.cast.world


def tell(seed: int = SEED) -> Told:
    """Play the whole story; the same seed gives the same bytes."""
    world = World(seed, _START, _INTERVAL)
    cast = gather(world)
    mine(cast, _FIRST_DAY)
    hand_out(cast)
    told = _set_the_scene(cast)
    for day in range(_DAYS_BEFORE):
        ordinary_day(cast)
        taiga_in_the_open(cast, [cast.bystanders[0], *cast.runners[: 1 + day % 2]])
        if day in (4, 9):
            _mix(told)
    gather_coins(cast, cast.taiga)
    mine(cast, _QUIET)
    told.designated = datetime.fromtimestamp(world.chain.next_time, UTC)
    for day in range(_DAYS_AFTER):
        ordinary_day(cast)
        taiga_through_the_front(cast)
        if day == _DAYS_AFTER // 2:
            pay_miners(cast)
    _last_scene(told)
    return told


def _set_the_scene(cast: Cast) -> Told:
    """Give Taiga and the broker the addresses that matter; all of them receive, and so are seen."""
    world = cast.world
    listed = cast.taiga.receive(AddressKind.P2PKH)
    rotated = cast.taiga.receive()
    broker = tuple(cast.broker.receive() for _ in range(14))
    world.batch(cast.broker, [(a, BTC // 10) for a in broker])
    # Listed and rotated are never spent in one transaction, but each with the address that both go through.
    for person, address in zip(cast.runners, (listed, rotated), strict=False):
        world.batch(person, [(address, BTC // 4), (cast.taiga.addresses[0], BTC // 5)])
        mine(cast)
        coins = [c for c in cast.taiga.coins.values() if c.address in (address, cast.taiga.addresses[0])]
        world.spend(cast.taiga, coins, cast.taiga.receive(), word="sweep")
    mine(cast)
    return Told(cast, listed, rotated, rotated.same_key(AddressKind.P2WPKH), broker, _START, [])


def _mix(told: Told) -> None:
    """Mix six people's coins, and the second time Taiga's among them."""
    cast = told.cast
    people = [*cast.mixers, cast.taiga] if told.coinjoins else cast.mixers
    txid = cast.world.coinjoin(people, _MIXED)
    told.coinjoins.append(txid[::-1].hex())
    mine(cast)


def _last_scene(told: Told) -> None:
    """Let Taiga take a payment on the same key in another form, and leave it there."""
    cast = told.cast
    cast.taiga.watch(told.same_key)
    cast.world.pay(cast.straits, told.same_key, BTC // 50)
    cast.world.swap(cast.mixers[0], cast.bystanders[1], 10_000)
    mine(cast, 2)


def build_demo(out: Path) -> DemoStory:
    """Write the demo's datadir to `out/node` and its labels to `out/published`; takes a few seconds.

    Raises
    ------
    FileExistsError
        If `out` already holds a demo.
    """
    told = tell()
    world = told.world
    datadir = write_datadir(out / "node", world.blocks, seed=SEED)
    return DemoStory(
        datadir=datadir,
        labels=_publish(told, out / "published"),
        network=NETWORK,
        tip_height=world.chain.height,
        n_tx=1 + world.chain.height + len(world.deeds),  # every block, genesis included, has a coinbase
        designated_on=told.designated.date(),
        screenings=tuple(_screenings(told)),
        same_party=(text(told.listed), text(told.rotated)),
        shell=text(_front(told.cast)),
        coinjoins=tuple(told.coinjoins),
        plot=_PLOT,
    )


def text(address: Address) -> str:
    """Give the text form of an address on regtest.

    Raises
    ------
    ValueError
        If its kind has none (P2PK).
    """
    form = text_of(address.script, NETWORK)
    if form is None:
        msg = f"a {address.kind} output has no address text: choose another kind for what is to be screened"
        raise ValueError(msg)
    return form


def _front(cast: Cast) -> Address:
    return cast.straits.addresses[0]


def _publish(told: Told, folder: Path) -> tuple[Path, ...]:
    """Write the labels: who is known, and two vintages of the list, the second of which names Taiga."""
    folder.mkdir(parents=True)
    cast, day = told.cast, told.designated.date()
    before = day - timedelta(days=7)
    tags = [
        Tag(text(cast.hinode.addresses[len(cast.deposits)]), "Hinode hot wallet", "hinode", "exchange"),
        Tag(text(next(iter(cast.deposits.values()))), "Hinode deposit", "hinode", "exchange"),
        Tag(text(cast.kita.addresses[0]), "Kita Pool payout", "kita_pool", "mining_service"),
        Tag(text(_front(cast)), "Straits Bridge invoice", "straits_bridge", "payment_processor"),
    ]
    return (
        write_actor_pack(folder / "actors.yaml", _ACTORS, before),
        write_tag_pack(folder / "tags.yaml", "Demo tags", tags, before),
        write_sdn(folder / f"sdn-{before}", [_broker_entry(told)]),
        write_sdn(folder / f"sdn-{day}", [_broker_entry(told), _taiga_entry(told)]),
    )


_ACTORS = (
    Actor("hinode", "Hinode Exchange K.K.", ("JP",), ("exchange",)),
    Actor("kita_pool", "Kita Pool", ("JP",), ("mining_service",)),
    Actor("straits_bridge", "Straits Bridge Pte. Ltd.", ("SG",), ("payment_processor",)),
)


def _taiga_entry(told: Told) -> Listed:
    return Listed(
        number=90_001,
        name="TAIGA EXCHANGE",
        individual=False,
        programs=("RUSSIA-EO14024", "CYBER2"),
        remarks=(_INVENTED, "Website taiga.example", "Organization Established Date 2019"),
        addresses=(text(told.listed),),
        aliases=("TAIGA OBMEN",),
        city="Irkutsk",
        country="Russia",
    )


def _broker_entry(told: Told) -> Listed:
    """Give an entry so long that its last addresses stand in the comments file, one of them cut in two."""
    return Listed(
        number=90_000,
        name="DEMOV, Broker",
        individual=True,
        programs=("RUSSIA-EO14024",),
        remarks=(_INVENTED, "DOB 01 Jan 1980"),
        addresses=tuple(text(a) for a in told.broker),
        city="Irkutsk",
        country="Russia",
    )


def _screenings(told: Told) -> list[Screening]:
    cast = told.cast
    mixed = next(c.address for c in reversed(cast.mixers[1].coins.values()) if c.value == _MIXED)
    stranger = World(SEED + 1, _START).wallet("stranger").receive()
    rows = (
        ("listed", told.listed, "block", "listed_address", _WHY_LISTED),
        ("listed, over the line", told.broker[-1], "block", "listed_address", _WHY_OVERFLOW),
        ("cluster of listed", told.rotated, "block", "cluster_of_listed_address", _WHY_CLUSTER),
        ("same key", told.same_key, "block", "cluster_of_listed_address", _WHY_SAME_KEY),
        ("shell", _front(cast), "review", None, _WHY_SHELL),
        ("former counterparty", cast.bystanders[0].addresses[0], "allow", None, _WHY_FORMER),
        ("mixer", mixed, "allow", None, _WHY_MIXER),
        ("bystander", cast.bystanders[5].addresses[0], "allow", None, _WHY_BYSTANDER),
        ("never seen", stranger, "allow", None, _WHY_UNSEEN),
    )
    return [
        Screening(name, text(address), says, basis, address is not stranger, why)
        for name, address, says, basis, why in rows
    ]


_PLOT = (
    "Hinode, a registered exchange in Japan, takes deposits, sweeps them and pays withdrawals in batches.",
    "Taiga, an exchange in Russia, deals with three of Hinode's customers and one bystander directly.",
    "Half-way a list names Taiga and one of its addresses; the rest of its wallet stays unlisted.",
    "From then on Straits Bridge, a company in Singapore, receives and pays in Taiga's stead, within hours.",
    "Six people mix their coins twice; the second time Taiga is among them.",
    "Two pools mine the blocks; everyone else goes about their business.",
)
_WHY_LISTED = "The address itself stands on the list."
_WHY_OVERFLOW = "Listed too, in the file that takes over where remarks exceed 1,000 characters."
_WHY_CLUSTER = "Not listed, but tied to the listed address by transactions that one owner signed."
_WHY_SAME_KEY = "Never spent from, but locked to the same key as an address of the listed party's wallet."
_WHY_SHELL = (
    "Not the listed party, so no ownership; but it received from and sent to it after the designation, "
    "which the evidence shows."
)
_WHY_FORMER = "Dealt with the listed party directly, but only before it was designated."
_WHY_MIXER = "Mixed coins in a transaction that the listed party joined too: no sign of common ownership."
_WHY_BYSTANDER = "Has nothing to do with any of it."
_WHY_UNSEEN = "No transaction names this address: nothing is known, and the answer says so."
