"""OpenSanctions' exports in the FollowTheMoney model: one JSON object per line.

A `CryptoWallet` has a public key, a currency, perhaps a holder; a `Sanction` is of an entity (the wallet or its
holder) and may say since when and until when; holders are entities with names and countries. A collection
holds the entities of many datasets; each of them is a list of its own, as only an export of the same dataset can
tell that a wallet is gone. What is under no sanction is claimed as what its topics say, without a listing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from chains.errors import AddressError
from store.formats.claims import Claim, Claims, Entity, Origin, Published, SourceFile, entity_table
from store.formats.countries import CODES
from store.formats.days import day_of, in_force
from store.formats.identify import Locator
from store.formats.problems import LabelError, Problem, Tally, only
from store.formats.taxonomy import CONFIDENCE, LISTED_CONFIDENCE, foremost

KIND = "ftm"
WALLET, SANCTION = "CryptoWallet", "Sanction"
_MARK = b'"CryptoWallet"'
_TOPICS = {  # OpenSanctions' topics; a topic below one of them counts as it, but for what is only linked to sanctions
    "sanction": "sanctioned_entity",
    "crime.terror": "terrorism",
    "crime.theft": "theft",
    "crime.fraud": "scam",
    "crime.traffick": "violent_crime",
    "crime": "blacklisted",
    "debarment": "blacklisted",
}
_SANCTIONED = "sanction"
_UNLISTED = "wallets are under no sanction: claimed without a listing"
_LISTED = "wallets are under sanction"
_OTHER = "are of other datasets"
_ABOUT = "describe holders, sanctions and others"
_KEYLESS = "wallets are accounts of platforms, without an address"
_REPEATED = "wallets repeat an address of another"


def datasets(data: bytes) -> list[str]:
    """Name the datasets whose wallets a file holds, sorted; a single dataset without wallets is named too."""
    with_wallets: set[str] = set()
    everything: set[str] = set()
    for line in data.splitlines():
        if _MARK in line or len(everything) < 2:  # noqa: PLR2004 - a second dataset makes it a collection
            names = _datasets_of(_object(line))
            everything |= names
            if _MARK in line:
                with_wallets |= names
    return sorted(with_wallets or (everything if len(everything) == 1 else set()))


def looks_like(head: bytes) -> bool:
    """Say whether a file's beginning is of this format."""
    first = head.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    one = _object(first)
    return one is not None and "schema" in one and "properties" in one


@dataclass(slots=True)
class _Under:
    """The sanctions of one entity."""

    since: list[date] = field(default_factory=list)
    until: list[date] = field(default_factory=list)
    is_open: bool = False
    programmes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Export:
    """One file, sorted by what its entities are."""

    wallets: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    parties: dict[str, dict[str, Any]] = field(default_factory=dict)
    under: dict[str, _Under] = field(default_factory=dict)


def read(file: SourceFile, network: str, asked: date | None, dataset: str) -> Published:
    """Check and normalise what one dataset of an export says.

    Parameters
    ----------
    file : SourceFile
        The export, `entities.ftm.json`.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    asked : date | None
        The day it was in force; it does not say it itself.
    dataset : str
        One of `datasets`.

    Raises
    ------
    LabelError
        Where lines are no entities.
    """
    tally = Tally(file.path, "entities")
    export = _sorted(file, dataset, tally)
    dated, notes = in_force(file.path, None, asked)
    list_id = f"opensanctions_{dataset}"
    title = f"OpenSanctions {dataset}"
    claims, said, skipped = Claims(), list(notes), []
    entities: dict[str, Entity] = {}
    locator = Locator(network)
    for line, wallet in export.wallets:
        keys = dict.fromkeys((*_texts(wallet, "publicKey"), *_texts(wallet, "cryptoAddress")))
        if all(key.isdigit() for key in keys):
            tally.add(_KEYLESS, line)
            continue
        claim, holder = _claim(wallet, export, (list_id, dataset), dated)
        outcome = _LISTED if claim.list_id else _UNLISTED
        for key in keys:
            try:
                located = locator.listed(next(iter(_texts(wallet, "currency")), ""), key)
            except AddressError as error:
                skipped.append(Problem(file.path, line, str(error)))
                continue
            if located.note:
                said.append(Problem(file.path, line, f"{key}: {located.note}"))
            if claims.add(located, claims.number_of(claim), line) is not None:
                outcome = _REPEATED
        if holder is not None:
            entities[holder.entity_id] = holder
        tally.add(outcome, line)
    return Published(
        kind=KIND,
        title=title,
        dated=dated,
        list_id=list_id,
        network=network,
        files=(file,),
        tags=claims.table(Origin(title, file.sha256)),
        entities=entity_table([entities[key] for key in sorted(entities)], file.sha256),
        notes=tuple(said),
        skipped=tuple(skipped),
        counts=tally.counts(),
    )


def _sorted(file: SourceFile, dataset: str, tally: Tally) -> _Export:
    export = _Export()
    problems: list[Problem] = []
    for number, line in enumerate(file.data.splitlines(), 1):
        if not line.strip():
            continue
        one = _object(line)
        if one is None or not isinstance(one.get("properties"), dict) or not isinstance(one.get("id"), str):
            problems.append(Problem(file.path, number, "this line is no entity: the file is damaged; fetch it again"))
            continue
        if one["schema"] == WALLET and dataset in _datasets_of(one):
            export.wallets.append((number, one))
            continue
        tally.add(_OTHER if one["schema"] == WALLET else _ABOUT, number)
        if one["schema"] == SANCTION:
            _sanction(export, one)
        else:
            export.parties[one["id"]] = one
    if problems:
        raise LabelError(problems)
    if not export.wallets and not export.parties:
        raise only(file.path, "the file holds no entities; fetch it again")
    return export


def _sanction(export: _Export, one: Mapping[str, Any]) -> None:
    since = _days(one, ("startDate", "listingDate"))
    until = _days(one, ("endDate",))
    for entity in _texts(one, "entity"):
        under = export.under.setdefault(entity, _Under())
        under.since += since
        under.until += until
        under.is_open |= not until
        under.programmes += _texts(one, "program")


def _days(one: Mapping[str, Any], names: Iterable[str]) -> list[date]:
    return [day for name in names for text in _texts(one, name) if (day := day_of(text))]


def _claim(
    wallet: dict[str, Any], export: _Export, origin: tuple[str, str], dated: date
) -> tuple[Claim, Entity | None]:
    """Say what is claimed of a wallet, and describe its holder where the file does."""
    list_id, dataset = origin
    holders = _texts(wallet, "holder")
    party = next((export.parties[key] for key in holders if key in export.parties), None)
    topics = [*_texts(wallet, "topics"), *(_texts(party, "topics") if party else [])]
    unders = [export.under[key] for key in (wallet["id"], *holders) if key in export.under]
    is_listed = bool(unders) or _SANCTIONED in topics
    category = foremost(
        [*_categories(topics), *(["sanctioned_entity"] if is_listed and not _categories(topics) else [])]
    )
    name = next(iter(_texts(party, "name")), str(party.get("caption", ""))) if party else ""
    since = [day for under in unders for day in under.since]
    until = [day for under in unders for day in under.until]
    is_open = any(under.is_open for under in unders) or not unders
    programmes = ", ".join(dict.fromkeys(text for under in unders for text in under.programmes))
    label = name or f"wallet of {dataset}"
    claim = Claim(
        label=f"{label} ({programmes})" if programmes else label,
        category=category,
        confidence=LISTED_CONFIDENCE if is_listed else CONFIDENCE["trusted_provider"],
        cluster_definer=False,  # managed accounts at exchanges are among them
        entity_id=f"opensanctions-{party['id']}" if party else None,
        source_date=dated,
        source_uri=next(iter(_texts(wallet, "sourceUrl")), f"https://www.opensanctions.org/datasets/{dataset}/"),
        list_id=list_id if is_listed else None,
        listed_from=min(since, default=dated) if is_listed else None,
        listed_to=max(until, default=None) if is_listed and not is_open else None,
    )
    return claim, _entity(party, name, category) if party else None


def _entity(party: dict[str, Any], name: str, category: str) -> Entity:
    countries = [code.upper() for key in ("country", "nationality", "jurisdiction") for code in _texts(party, key)]
    homes = tuple(dict.fromkeys(code for code in countries if code in CODES))
    return Entity(f"opensanctions-{party['id']}", name or party["id"], category, homes)


def _categories(topics: Iterable[str]) -> list[str]:
    """Give the category of each topic: that of its longest known beginning."""
    found = []
    for topic in topics:
        beginnings = [
            known for known in _TOPICS if topic == known or (topic.startswith(f"{known}.") and known != _SANCTIONED)
        ]
        if beginnings:
            found.append(_TOPICS[max(beginnings, key=len)])
    return found


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        one = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return one if isinstance(one, dict) and isinstance(one.get("schema"), str) else None


def _datasets_of(one: Mapping[str, Any] | None) -> set[str]:
    names = one.get("datasets") if one else None
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _texts(one: Mapping[str, Any] | None, name: str) -> list[str]:
    values: Any = one["properties"].get(name, []) if one else []
    return list(_strings(values if isinstance(values, list) else [values]))


def _strings(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str) and value.strip():
            yield value.strip()
        elif isinstance(value, dict) and isinstance(value.get("id"), str):
            yield value["id"]
