"""The public lists of mining pools: what each writes into its coinbases, and where its rewards are paid.

Two forms of one list (bitcoin-data/mining-pools): `pools-v2.json` is a list of pools with `name`, `link`,
`addresses` and `tags`; the older `pools.json` has `coinbase_tags` and `payout_addresses`, each with the pool's
name and link. Neither has a date. Payout addresses become tags of the category mining_pool; coinbase tags are
kept beside them, since they speak of blocks and not of addresses.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa

from chains.bitcoin.networks import MAIN, TEST
from chains.errors import AddressError
from store.formats.claims import (
    COINBASE_TAG_SCHEMA,
    Claim,
    Claims,
    Entity,
    Origin,
    Published,
    SourceFile,
    entity_table,
)
from store.formats.identify import Located, Locator
from store.formats.problems import LabelError, Problem, only

KIND: Final = "mining_pools"
TITLE: Final = "Mining pools"
SOURCE_URI: Final = "https://github.com/bitcoin-data/mining-pools"
CATEGORY: Final = "mining_pool"
# Who owns a pool's payout address is checked block by block by those who keep the list (reference D4: 0.9).
CONFIDENCE: Final = 90
# Random bytes beside the tag hold a given four bytes once in 10^8 coinbases, three bytes once in 300,000.
LEAST_TAG_BYTES: Final = 4
_LONGEST_TAG: Final = 100  # bytes: a coinbase script has at most as many
# Pools whose id in GraphSense's actor pack is not their name in small letters: one party, one id.
_ACTORS: Final = {
    "50btc": "50btccom",
    "antpool": "antpoolcom",
    "binancepool": "binance",
    "bitclub": "bitclubnetwork",
    "bitfury": "bitfuryorg",
    "bitminter": "bitmintercom",
    "braiinspool": "braiins",
    "btcc": "btccpool",
    "btcguild": "btcguildcom",
    "bwpool": "bw",
    "canoepool": "canoe",
    "cloudhashing": "cloudhashingcom",
    "eclipsemc": "eclipsemccom",
    "eligius": "eligiusst",
    "foundryusa": "foundrydigital",
    "helix": "helixpool",  # the pack's helix is a market
    "huobipool": "huobi",
    "kanopool": "kanois",
    "kncminer": "kncminercom",
    "kucoinpool": "kucoin",
    "luxor": "luxortech",
    "okexpool": "okex",
    "p2pool": "p2poolorg",
    "polmine": "polminepl",
    "rawpool": "rawpoolcom",
    "sigmapoolcom": "sigmapool",
    "simplecoinus": "simplecoinus_mining",
    "ultimuspool": "ultimus",
}


_KEYS: Final = (b'"coinbase_tags"', b'"payout_addresses"', b'"addresses"')


def looks_like(name: str, head: bytes) -> bool:
    """Whether a JSON document of this name and beginning is a list of pools."""
    return name.lower().startswith("pools") or (any(key in head for key in _KEYS) and b'"schema"' not in head)


class _Said(NamedTuple):
    """One row: a pool's name and link with an address or a tag, and the line that it stands on."""

    pool: str
    link: str
    text: str
    line: int
    is_tag: bool


class _Repeated(dict[str, Any]):
    """A JSON object that knows which keys it was given more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]


def read(file: SourceFile, network: str) -> Published:
    """Check and normalise a list of pools.

    Parameters
    ----------
    file : SourceFile
        `pools-v2.json` or `pools.json`.
    network : str
        The Bitcoin network that its addresses belong to; an address that has the form of the main or of the
        test network instead is claimed there, with a note.

    Raises
    ------
    LabelError
        With every mistake: no list of pools, a pool without a name, an address with a wrong checksum.
    """
    return _Reader(file, network).published()


def entity_of(pool: str) -> str:
    """Give the id of a pool: its name's letters and digits in lower case, or the id that actor packs have."""
    plain = "".join(c for c in pool.lower() if c.isalnum())
    return _ACTORS.get(plain, plain)


class _Reader:
    """One list in hand, with the mistakes found so far."""

    def __init__(self, file: SourceFile, network: str) -> None:
        self.file = file
        self.network = network
        self.locators = [Locator(name) for name in dict.fromkeys((network, MAIN.name, TEST.name))]
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.skipped: list[Problem] = []
        self.text = self.decoded()

    def published(self) -> Published:
        """Read every row."""
        claims = Claims()
        names: dict[str, str] = {}
        tags: dict[tuple[bytes, str], int] = {}
        for said in self.rows():
            entity = entity_of(said.pool)
            names.setdefault(entity, said.pool)
            if said.is_tag:
                self.take_tag(said, entity, tags)
            else:
                self.take_address(said, entity, claims)
        if self.problems:
            raise LabelError(self.problems)
        return Published(
            kind=KIND,
            title=TITLE,
            dated=None,
            list_id=None,
            network=self.network,
            files=(self.file,),
            tags=claims.table(Origin(TITLE, self.file.sha256)),
            entities=entity_table([Entity(key, name, CATEGORY, ()) for key, name in names.items()], self.file.sha256),
            notes=tuple(self.notes),
            skipped=tuple(self.skipped),
            coinbase_tags=self.tag_table(list(tags)),
        )

    def decoded(self) -> str:
        try:
            return self.file.data.decode()
        except UnicodeDecodeError as error:
            raise only(self.file.path, f"the file is not UTF-8 ({error}); save it as UTF-8") from None

    def rows(self) -> Iterator[_Said]:
        """Walk addresses and tags of either form; what has another form is a problem."""
        try:
            document = json.loads(self.text, object_pairs_hook=_Repeated)
        except json.JSONDecodeError as error:
            raise only(self.file.path, f"this is no JSON: {error.msg}; fetch it again", error.lineno) from None
        except RecursionError:
            raise only(self.file.path, "the JSON is nested too deep; this is no list of mining pools") from None
        if isinstance(document, list):
            yield from self.new_form(document)
        elif isinstance(document, dict) and {"coinbase_tags", "payout_addresses"} <= document.keys():
            yield from self.old_form(document)
        else:
            message = "this is no list of mining pools: it must be a list of pools, or have coinbase_tags and "
            raise only(self.file.path, message + "payout_addresses; other lists in JSON are not read", 1)

    def new_form(self, document: list[Any]) -> Iterator[_Said]:
        if not document:
            raise only(self.file.path, "the list has no pools; fetch it again", 1)
        for number, pool in enumerate(document, 1):
            if not self.is_pool(pool, f"pool {number}", 1):
                continue
            for key in ("addresses", "tags"):
                texts = pool.get(key)
                if not isinstance(texts, list) or not all(isinstance(one, str) and one for one in texts):
                    self.problem(self.line_of(pool["name"]), f"{key} of {pool['name']!r} must be a list of texts")
                    continue
                for text in texts:
                    yield _Said(pool["name"], pool.get("link", ""), text, self.line_of(text), key == "tags")

    def old_form(self, document: dict[str, Any]) -> Iterator[_Said]:
        for key in ("payout_addresses", "coinbase_tags"):
            said = document[key]
            if not isinstance(said, _Repeated):
                self.problem(self.line_of(key), f"{key} must be an object of texts and pools")
                continue
            for text in said.twice:
                self.skip(self.line_of(text), f"{text!r} stands in {key} more than once: the last one counts")
            for text, pool in said.items():
                if not text:
                    self.problem(self.line_of(key), f"{key} has an empty text; remove it")
                elif self.is_pool(pool, f"what {text!r} belongs to", self.line_of(text)):
                    yield _Said(pool["name"], pool.get("link", ""), text, self.line_of(text), key == "coinbase_tags")

    def is_pool(self, pool: Any, where: str, line: int) -> bool:
        """Whether this describes a pool; else it is recorded as a mistake."""
        named = isinstance(pool, dict) and isinstance(pool.get("name"), str) and entity_of(pool["name"])
        if not named or not isinstance(pool.get("link", ""), str):
            self.problem(line, f"{where} must have a name, and a text as link if any")
            return False
        return True

    def take_address(self, said: _Said, entity: str, claims: Claims) -> None:
        located = self.located(said)
        if located is None:
            return
        if located.network != self.network:
            self.note(said.line, f"{said.text} is an address of the {located.network} network: claimed there")
        elif located.note:
            self.note(said.line, f"{said.text}: {located.note}")
        uri = said.link or SOURCE_URI
        claim = Claim(
            said.pool, CATEGORY, CONFIDENCE, cluster_definer=True, entity_id=entity, source_date=None, source_uri=uri
        )
        first = claims.add(located, claims.number_of(claim), said.line)
        if first is not None:
            self.skip(said.line, f"{said.text}: repeats the claim of line {first}")

    def located(self, said: _Said) -> Located | None:
        """Find the network of an address; one that no network has is a mistake."""
        wrong = ""
        for locator in self.locators:
            try:
                return locator.locate("BTC", said.text)
            except AddressError as error:
                wrong = wrong or str(error)
        self.problem(said.line, wrong)
        return None

    def take_tag(self, said: _Said, entity: str, tags: dict[tuple[bytes, str], int]) -> None:
        tag = said.text.encode()
        if not LEAST_TAG_BYTES <= len(tag) <= _LONGEST_TAG:
            bounds = f"tags of {LEAST_TAG_BYTES} to {_LONGEST_TAG} bytes are used"
            self.skip(said.line, f"the coinbase tag {said.text!r} of {said.pool} has {len(tag)} bytes: {bounds}")
            return
        if (tag, entity) in tags:
            self.skip(said.line, f"the coinbase tag {said.text!r}: repeats line {tags[tag, entity]}")
            return
        others = [other for known, other in tags if known == tag]
        if others:
            self.note(said.line, f"the coinbase tag {said.text!r} is of {entity} and of {others[0]}: it names neither")
        tags[tag, entity] = said.line

    def tag_table(self, tags: list[tuple[bytes, str]]) -> pa.Table:
        columns = [
            pa.array([tag for tag, _ in tags], pa.binary()),
            pa.array([entity for _, entity in tags], pa.string()),
            pa.repeat(pa.scalar(TITLE), len(tags)),
            pa.repeat(pa.scalar(self.file.sha256), len(tags)),
        ]
        return pa.table(columns, schema=COINBASE_TAG_SCHEMA)

    def line_of(self, text: str) -> int:
        """Give the line on which a text first stands, written as JSON in either way; 1 where it is escaped."""
        at = max(self.text.find(json.dumps(text, ensure_ascii=escaped)) for escaped in (False, True))
        return self.text.count("\n", 0, at) + 1 if at >= 0 else 1

    def problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.file.path, line, message))

    def note(self, line: int, message: str) -> None:
        self.notes.append(Problem(self.file.path, line, message))

    def skip(self, line: int, message: str) -> None:
        self.skipped.append(Problem(self.file.path, line, message))
