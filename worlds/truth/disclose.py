"""What a user would know of a world: some tags, the actors, two vintages of a list, prices, withdrawals to screen.

Shells are never named, nor is the list's party anywhere but on the list, which gives a few of its addresses. Beside
the truth lie the same files with perfect labels: every address of every service, all addresses of listed parties.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from chains.bitcoin.address import text_of
from store.formats.countries import name_of
from store.formats.taxonomy import CONCEPTS
from worlds.claims import Actor, Listed, Publisher, Tag, write_actor_pack, write_sdn, write_tag_pack
from worlds.ledger.blocks import NETWORK
from worlds.prices import USD_JPY, daily
from worlds.settings import Settings
from worlds.truth.query import asking

_LONGEST_DELAY = 180  # days between the first payment to an address and the tag that names it
_DEPOSITS_ONLY = 0.25  # share of the services of which only deposit addresses are tagged
_MOST_LISTED = 3  # addresses that the list gives of a party
_OWN = 20  # withdrawals to screen that go to a listed party itself
_TAGS_OF_A_FILE = 500_000
_FIRST_ENTRY = 90_000
_BETWEEN = timedelta(days=7)  # two vintages of the list
_INVENTED = "Invented for a simulated world"
_SEEN = Publisher("Tadoru simulation", "Some addresses of invented services.", "https://example.org/simulation")
_ALL = Publisher(
    "Tadoru simulation", "All addresses of invented services.", "https://example.org/simulation", "ownership"
)
_CONCEPT = {category: concept for concept, category in reversed(CONCEPTS.items())}
"""The word that packs use for each category: the first that the taxonomy gives."""

_PARTIES = "SELECT entity, name, category, jurisdiction, listed_from FROM party WHERE absorbs ORDER BY entity"
_ADDRESSES = """
SELECT owner, script, role, min(height) AS height
FROM owned JOIN party ON party.entity = owner JOIN output USING (script) JOIN tx USING (txid)
WHERE absorbs GROUP BY ALL ORDER BY owner, height, script
"""


@dataclass(frozen=True, slots=True)
class _Party:
    """A service or listed party."""

    id: str
    name: str
    category: str
    jurisdiction: str
    listed_from: int | None

    @property
    def actor(self) -> Actor:
        """As an actor pack has it."""
        homes = (self.jurisdiction,) if self.jurisdiction else ()
        return Actor(self.id, self.name, homes, (_CONCEPT.get(self.category, self.category),))

    def tag(self, place: "_Place", on: date) -> Tag:
        """As a tag pack has it: this address is that party's; what for is not said, since nobody outside knows."""
        concept = _CONCEPT.get(self.category, self.category)
        return Tag(place.address, self.name, self.id, concept, on)


class _Place(NamedTuple):
    """An address that has been paid, and the block in which it first was."""

    address: str
    role: str
    height: int


@dataclass(frozen=True, slots=True)
class Days:
    """The world's calendar."""

    first: datetime
    """Time of the first block after genesis."""
    interval: int
    """Seconds between blocks."""
    blocks: int

    def of(self, height: int) -> date:
        """The day of a block."""
        return (self.first + timedelta(seconds=self.interval * max(0, height - 1))).date()

    @property
    def last(self) -> date:
        """The day of the last block."""
        return self.of(self.blocks)


def disclose(world: Path, settings: Settings, start: datetime) -> Path:
    """Write `WORLD/disclosed` and `WORLD/truth/labels` from the tables in `WORLD/truth`; gives the former.

    Parameters
    ----------
    settings
        Seed, blocks and interval, and how much of the services is labelled, rightly and wrongly.
    start
        Time of the first block after genesis.
    """
    truth, disclosed, perfect = world / "truth", world / "disclosed", world / "truth" / "labels"
    rng = random.Random(f"{settings.seed}/disclosed")  # noqa: S311 -- repeatable on purpose
    days = Days(start, settings.interval, settings.blocks)
    parties, places = _known(truth)
    services = [party for party in parties if party.listed_from is None]
    listed = [party for party in parties if party.listed_from is not None]
    tags = _tags(services, places, settings, days, rng)
    everything = [party.tag(place, days.of(place.height)) for party in services for place in places[party.id]]
    for folder, claims, by in ((disclosed, tags, _SEEN), (perfect, everything, _ALL)):
        folder.mkdir(parents=True, exist_ok=True)
        _write_packs(folder, services, claims, by, days.last)
    few = {party.id: _few(places[party.id], party, days, rng) for party in listed}
    _write_lists(disclosed, listed, few, days)
    _write_lists(perfect, listed, places, days)
    own = [place.address for party in listed for place in places[party.id]]
    _write_wallets(disclosed / "wallets.csv", truth, own, rng)
    write_prices(disclosed / "prices.csv", settings.seed, days)
    return disclosed


def _known(truth: Path) -> tuple[list[_Party], dict[str, list[_Place]]]:
    """Read services and listed parties, and their addresses that have been paid and have a text, oldest first."""
    with asking(truth) as tables:
        parties = [_Party(*row) for row in tables.execute(_PARTIES).fetchall()]
        rows = tables.execute(_ADDRESSES).fetchall()
    places: dict[str, list[_Place]] = defaultdict(list)
    for owner, script, role, height in rows:
        text = text_of(script, NETWORK)
        if text is not None:
            places[owner].append(_Place(text, role, height))
    return parties, places


def _tags(
    services: Sequence[_Party], places: dict[str, list[_Place]], settings: Settings, days: Days, rng: random.Random
) -> list[Tag]:
    """Draw which addresses are tagged, when it became known, and which tags are wrong."""
    tags = []
    for service in services:
        deposits = [place for place in places[service.id] if place.role == "deposit"]
        only = bool(deposits) and rng.random() < _DEPOSITS_ONLY
        open_to_all = deposits if only else places[service.id]
        n = int(settings.labelled * len(open_to_all) + rng.random())
        for place in rng.sample(open_to_all, n):
            wrong = len(services) > 1 and rng.random() < settings.mislabelled
            said = rng.choice([one for one in services if one is not service]) if wrong else service
            since = days.of(place.height)
            delay = rng.randint(0, min(_LONGEST_DELAY, (days.last - since).days))
            tags.append(said.tag(place, since + timedelta(days=delay)))
    return tags


def _few(places: Sequence[_Place], party: _Party, days: Days, rng: random.Random) -> list[_Place]:
    """Draw what the list gives of a party: addresses that were known by then, or if there are none, any."""
    named = _day(party)
    known = [place for place in places if days.of(place.height) < named] or list(places)
    return rng.sample(known, min(len(known), rng.randint(1, _MOST_LISTED)))


def _day(party: _Party) -> date:
    return datetime.fromtimestamp(party.listed_from or 0, UTC).date()


def _write_packs(folder: Path, services: Sequence[_Party], tags: Sequence[Tag], by: Publisher, on: date) -> None:
    """Write the actor pack and the tag pack; an empty pack is none, a very large one is several."""
    if services:
        write_actor_pack(folder / "actors.yaml", [one.actor for one in services], on, "Simulated actors", by)
    for start in range(0, len(tags), _TAGS_OF_A_FILE):
        number = start // _TAGS_OF_A_FILE + 1
        name, title = ("tags.yaml", "Simulated tags") if number == 1 else (f"tags-{number}.yaml", f"Tags {number}")
        write_tag_pack(folder / name, title, tags[start : start + _TAGS_OF_A_FILE], on, by)


def _write_lists(folder: Path, listed: Sequence[_Party], places: dict[str, list[_Place]], days: Days) -> None:
    """Write two vintages of the list: that of the last designation, and one before it."""
    last = max(map(_day, listed), default=days.last)
    for vintage in (last - _BETWEEN, last):
        named = [(n, one) for n, one in enumerate(listed, _FIRST_ENTRY + 1) if _day(one) <= vintage]
        entries = [_entry(n, one, [place.address for place in places[one.id]]) for n, one in named]
        write_sdn(folder / f"sdn-{vintage}", [_BYSTANDER, *entries])


_BYSTANDER = Listed(_FIRST_ENTRY, "SEVEROV, Boris", True, ("CYBER2",), (_INVENTED, "DOB 01 Jan 1980"), ())  # noqa: FBT003
"""Is on every vintage, since a list without entries is refused; has no address."""


def _entry(number: int, party: _Party, addresses: Iterable[str]) -> Listed:
    return Listed(
        number=number,
        name=party.name.upper(),
        individual=False,
        programs=("CYBER2",),
        remarks=(_INVENTED,),
        addresses=tuple(addresses),
        country=name_of(party.jurisdiction),
    )


def _write_wallets(path: Path, truth: Path, own: Sequence[str], rng: random.Random) -> None:
    """Write the withdrawals to screen: the addresses that the matrix asks about, and some of listed parties' own."""
    with asking(truth) as tables:
        rows = tables.execute("SELECT DISTINCT script FROM matrix ORDER BY script").fetchall()
    asked = [text for (script,) in rows if (text := text_of(script, NETWORK)) is not None]
    asked = list(dict.fromkeys([*asked, *rng.sample(list(own), min(_OWN, len(own)))]))
    rng.shuffle(asked)
    path.write_text("".join(f"{line}\n" for line in ("address", *asked)), encoding="ascii")


def write_prices(path: Path, seed: int, days: Days) -> None:
    """Write what a bitcoin cost on each day of the world, in US dollars and in yen."""
    n = (days.last - days.of(0)).days + 1
    lines = ["date,asset,currency,price"]
    for number, price in enumerate(daily(seed, n)):
        day = days.of(0) + timedelta(days=number)
        lines += [f"{day},BTC,USD,{price:.2f}", f"{day},BTC,JPY,{price * USD_JPY:.0f}"]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
