"""What the legal lists have in common: designated parties, the addresses that the list gives them, and days."""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from chains.errors import AddressError
from store.formats.claims import Claim, Claims, Entity, Origin, Published, SourceFile, entity_table
from store.formats.freetext import addresses_in
from store.formats.identify import Locator
from store.formats.problems import Count, Problem, Tally, only
from store.formats.taxonomy import LISTED_CONFIDENCE

NAMED = "name addresses"
UNNAMED = "name no address"


class Authority(NamedTuple):
    """One legal list: whose it is, and what its claims say."""

    kind: str
    list_id: str
    title: str
    uri: str
    category: str = "sanctioned_entity"
    cluster_definer: bool = True
    """Whether an address of the list is the party's own, so that it may name the whole cluster."""


@dataclass(slots=True)
class Party:
    """One designated party, or one order about property."""

    number: str
    """The list's own number, stable from vintage to vintage."""
    name: str
    line: int
    programme: str = ""
    jurisdictions: tuple[str, ...] = ()
    listed_from: date | None = None
    """Since when, where the list says so itself."""
    listed_to: date | None = None


@dataclass(slots=True)
class Listing:
    """Collects one vintage of a legal list.

    Parameters
    ----------
    authority : Authority
        Which list.
    file : SourceFile
        Its main file.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    dated : date
        The day it was in force.
    unit : str
        What its rows are: entries, rows.
    """

    authority: Authority
    file: SourceFile
    network: str
    dated: date
    unit: str = "entries"
    notes: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    tally: Tally = field(init=False)
    _claims: Claims = field(default_factory=Claims)
    _entities: dict[str, Entity] = field(default_factory=dict)
    _locator: Locator = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the counting and the finding of chains."""
        self.tally = Tally(self.file.path, self.unit)
        self._locator = Locator(self.network)

    def take(self, party: Party, ticker: str, text: str, line: int | None = None) -> None:
        """Claim an address that the list gives as such: it is never dropped, whatever its form.

        Raises
        ------
        LabelError
            Where the text is empty or can not be kept.
        """
        line = line or party.line
        try:
            located = self._locator.listed(ticker, text)
        except AddressError as error:
            raise only(self.file.path, str(error), line) from None
        if located.note:
            self.note(line, f"{text}: {located.note}")
        entity_id = f"{self.authority.list_id}-{party.number}"
        claim = Claim(
            label=f"{party.name} ({party.programme})" if party.programme else party.name,
            category=self.authority.category,
            confidence=LISTED_CONFIDENCE,
            cluster_definer=self.authority.cluster_definer,
            entity_id=entity_id,
            source_date=self.dated,
            source_uri=self.authority.uri,
            list_id=self.authority.list_id,
            listed_from=party.listed_from or self.dated,
            listed_to=party.listed_to,
        )
        self._claims.add(located, self._claims.number_of(claim), line)
        self._entities.setdefault(
            entity_id, Entity(entity_id, party.name, self.authority.category, tuple(dict.fromkeys(party.jurisdictions)))
        )

    def search(self, party: Party, text: str, line: int | None = None) -> int:
        """Claim the addresses in running text, and say what only looks like one; gives how many were claimed."""
        taken = 0
        for one in addresses_in(text, self.network):
            if one.doubt:
                self.skip(line or party.line, f"entry {party.number}: {one.text} {one.doubt}")
                continue
            if one.note:
                self.note(line or party.line, f"{one.text}: {one.note}")
            self.take(party, one.ticker, one.text, line)
            taken += 1
        return taken

    def count(self, taken: int) -> None:
        """Count one entry by whether it names addresses."""
        self.tally.add(NAMED if taken else UNNAMED)

    def note(self, line: int | None, message: str) -> None:
        """Record what was taken but is worth knowing."""
        self.notes.append(Problem(self.file.path, line, message))

    def skip(self, line: int | None, message: str) -> None:
        """Record what was left out, and why."""
        self.skipped.append(Problem(self.file.path, line, message))

    def published(self, *others: SourceFile, counts: tuple[Count, ...] = ()) -> Published:
        """Give the vintage; `others` are kept beside the main file, `counts` are of their rows."""
        authority = self.authority
        return Published(
            kind=authority.kind,
            title=authority.title,
            dated=self.dated,
            list_id=authority.list_id,
            network=self.network,
            files=(self.file, *others),
            tags=self._claims.table(Origin(authority.title, self.file.sha256)),
            entities=entity_table(list(self._entities.values()), self.file.sha256),
            notes=tuple(self.notes),
            skipped=tuple(self.skipped),
            counts=(*self.tally.counts(), *counts),
        )
