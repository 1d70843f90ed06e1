"""GraphSense tag packs: one YAML file of claims "this address is X", with fields inherited from its header."""

from typing import TYPE_CHECKING, Any, NamedTuple

from chains.errors import AddressError
from store.formats import fields, yamldoc
from store.formats.claims import Claim, Claims, Origin, Published, SourceFile, entity_table
from store.formats.identify import Locator
from store.formats.packs import Pack
from store.formats.problems import LabelError, Problem
from store.formats.taxonomy import CONFIDENCE, foremost

if TYPE_CHECKING:
    from datetime import date

_CLAIM_FIELDS: dict[str, fields.Check] = {
    "label": fields.text,
    "source": fields.text,
    "currency": fields.text,
    "network": fields.text,
    "confidence": fields.confidence,
    "is_cluster_definer": fields.boolean,
    "lastmod": fields.day,
    "category": fields.concept,
    "abuse": fields.concept,
    "concepts": fields.concepts,
    "actor": fields.text,
    "tag_type": fields.tag_type,
    "valid_from": fields.day,
    "valid_to": fields.day,
    "retracted": fields.day,
    "context": fields.context,
}
_HEADER_FIELDS: dict[str, fields.Check] = {
    "title": fields.text,
    "creator": fields.text,
    "description": fields.text,
    "owner": fields.text,
    "is_public": fields.boolean,
    **_CLAIM_FIELDS,
}
_ITEM_FIELDS: dict[str, fields.Check] = {
    "address": fields.text,
    "tx_hash": fields.text,
    **_CLAIM_FIELDS,
}
_OWN_FIELDS = ("address", "tx_hash", "context")  # differ from item to item; the rest repeats
_MANDATORY = ("label", "source")


class _Rest(NamedTuple):
    """What an item says apart from its address: the claim's number and the ticker to read the address by."""

    number: int
    ticker: str


def read(document: Any, file: SourceFile, network: str) -> Published:
    """Check and normalise a tag pack.

    Parameters
    ----------
    document : Any
        What `yamldoc.load` made of the file.
    file : SourceFile
        The file.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.

    Raises
    ------
    LabelError
        With every mistake and its line.
    """
    return _Reader(document, file, network).published()


class _Reader:
    def __init__(self, document: Any, file: SourceFile, network: str) -> None:
        self.pack = Pack(document, file.path, "tag pack", "tags")
        self.file = file
        self.network = network
        self.locator = Locator(network)
        self.claims = Claims()
        self.skipped: list[Problem] = []
        self.header = self.pack.header(_HEADER_FIELDS)
        self.rests: dict[tuple[Any, ...], _Rest] = {}
        self.unsure = 0
        self.dates: set[date] = set()

    def published(self) -> Published:
        for item, line in self.pack.items():
            self.take(item, line)
        if self.pack.problems:
            raise LabelError(self.pack.problems)
        if self.unsure:
            self.pack.note(None, f"{self.unsure} tags give no confidence and count as unknown (5 percent)")
        title = self.header["title"]
        return Published(
            kind="tagpack",
            title=title,
            dated=max(self.dates, default=None),
            list_id=None,
            network=self.network,
            files=(self.file,),
            tags=self.claims.table(Origin(title, self.file.sha256)),
            entities=entity_table([], self.file.sha256),
            notes=tuple(self.pack.notes),
            skipped=tuple(self.skipped),
        )

    def take(self, item: yamldoc.Mapping, line: int) -> None:
        """Check one item and add its claim."""
        address = self.address_of(item, line)
        rest = self.rest_of(item, line)
        if address is None or rest is None:
            return
        try:
            located = self.locator.locate(rest.ticker, address)
        except AddressError as error:
            self.pack.problem(item.lines["address"], str(error))
            return
        if located.note:
            self.pack.note(line, f"{address}: {located.note}")
        first = self.claims.add(located, rest.number, line)
        if first is not None:
            self.skipped.append(Problem(self.file.path, line, f"{address}: repeats the tag of line {first}"))

    def address_of(self, item: yamldoc.Mapping, line: int) -> str | None:
        if "context" in item:
            self.checked(item, "context")
        if ("address" in item) == ("tx_hash" in item):
            self.pack.problem(line, "a tag must have either an address or a tx_hash; give one of them")
            return None
        if "tx_hash" in item:
            message = "tags of transactions are not used, only those of addresses"
            self.skipped.append(Problem(self.file.path, line, message))
            return None
        address = item["address"]
        # The usual case needs no look at the table.
        if type(address) is str and address.isalnum():
            return address
        checked: str | None = self.checked(item, "address")
        return checked

    def checked(self, item: yamldoc.Mapping, name: str) -> Any:
        try:
            return _ITEM_FIELDS[name](name, item[name])
        except fields.FieldError as wrong:
            self.pack.problem(item.lines[name], str(wrong))
            return None

    def rest_of(self, item: yamldoc.Mapping, line: int) -> _Rest | None:
        """Give what the item says apart from its address; equal words are checked once."""
        try:
            # With their types, as True equals 1.
            words = tuple((k, type(v), v) for k, v in item.items() if k not in _OWN_FIELDS) if len(item) > 1 else ()
            rest = self.rests.get(words)
        except TypeError:  # a list among them
            words, rest = (), None
        if rest is None:
            rest = self.checked_rest(item, line)
            if rest is not None and (words or item.keys() <= {"address", "context"}):
                self.rests[words] = rest
        self.unsure += "confidence" not in item and "confidence" not in self.header
        return rest

    def checked_rest(self, item: yamldoc.Mapping, line: int) -> _Rest | None:
        before = len(self.pack.problems)
        own = yamldoc.Mapping(item.line)
        own.update((k, v) for k, v in item.items() if k not in _OWN_FIELDS)
        own.lines = item.lines
        said = self.header | self.pack.fields(own, _ITEM_FIELDS, "tag")
        for name in _MANDATORY:
            if name not in said and name not in item and name not in self.pack.document:
                self.pack.problem(line, f"the tag lacks {name}, and so does the header; add it to either")
        ticker = said.get("network") or said.get("currency")
        if ticker is None and not {"network", "currency"} & (item.keys() | self.pack.document.keys()):
            self.pack.problem(line, "the tag lacks currency, and so does the header; add it to either")
        if said.get("valid_from") and said.get("valid_to") and said["valid_to"] <= said["valid_from"]:
            dates = f"valid_to ({said['valid_to']}) must come after valid_from ({said['valid_from']})"
            self.pack.problem(line, f"{dates}; the claim would never hold")
        if len(self.pack.problems) > before or not self.complete():
            return None
        if "lastmod" in said:
            self.dates.add(said["lastmod"])
        return _Rest(self.claims.number_of(_claim(said)), str(ticker))

    def complete(self) -> bool:
        """Say whether the header itself could be read: without it no claim can be built."""
        return not any(name in self.pack.document and name not in self.header for name in _HEADER_FIELDS)


def _claim(said: dict[str, Any]) -> Claim:
    categories = [said[name] for name in ("category", "abuse") if name in said]
    # Only a tag about the actor can name a cluster; one about an event or a mention can not.
    definer = said.get("is_cluster_definer", False) and said.get("tag_type", "actor") == "actor"
    return Claim(
        label=said["label"],
        category=foremost([*categories, *said.get("concepts", ())]),
        confidence=said.get("confidence", CONFIDENCE["unknown"]),
        cluster_definer=definer,
        entity_id=said.get("actor"),
        source_date=said.get("lastmod"),
        source_uri=said["source"],
        valid_from=said.get("valid_from"),
        valid_to=said.get("valid_to"),
        retracted=said.get("retracted"),
    )
