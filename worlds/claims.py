"""What would be known of a world from outside, in the forms in which such claims are published.

GraphSense tag packs and actor packs (YAML) and OFAC's SDN list (CSV without header, `-0-` for nothing,
remarks of 1,000 characters that run over into a comments file, a final end-of-file byte).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

REMARK_LIMIT = 1_000  # characters of remarks that sdn.csv holds; the rest goes to sdn_comments.csv
COMMENT_LIMIT = 100_000  # characters of one row there; what is longer takes several
_NOTHING = "-0- "
_LINE_END = "\r\n"
_END = "\x1a"
_EMPTY_COLUMNS = 7  # title, call sign, vessel type, tonnage, gross tonnage, flag, owner


@dataclass(frozen=True, slots=True)
class Tag:
    """One claim: this address is that actor's."""

    address: str
    label: str
    actor: str
    category: str
    lastmod: date | None = None
    """When it was published, where not with its pack."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who makes claims, and how sure they are."""

    creator: str
    description: str
    source: str
    confidence: str = "service_data"
    """A step of GraphSense's ladder."""


DEMO = Publisher("Tadoru demo", "Invented parties of the demo world.", "https://example.org/tadoru-demo")


@dataclass(frozen=True, slots=True)
class Actor:
    """One party and where it is at home (ISO 3166-1 alpha-2)."""

    id: str
    label: str
    jurisdictions: tuple[str, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a sanctions list."""

    number: int
    name: str
    individual: bool
    programs: tuple[str, ...]
    remarks: tuple[str, ...]
    addresses: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    city: str = ""
    country: str = ""


def write_tag_pack(path: Path, title: str, tags: Iterable[Tag], on: date, by: Publisher = DEMO) -> Path:
    """Write a GraphSense tag pack of Bitcoin addresses."""
    header = {
        "title": title,
        "creator": by.creator,
        "description": by.description,
        "confidence": by.confidence,
        "is_cluster_definer": True,
        "currency": "BTC",
        "lastmod": on,
        "source": by.source,
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(yaml.safe_dump(header, sort_keys=False) + "tags:\n")
        file.writelines(_tag_lines(tags))
    return path


def _tag_lines(tags: Iterable[Tag]) -> Iterator[str]:
    """Give each tag as YAML: a hundred thousand of them would take yaml's own writer ten seconds."""
    for tag in tags:
        words = {"address": tag.address, "label": tag.label, "actor": tag.actor, "category": tag.category}
        text = "\n  ".join(f"{name}: {json.dumps(word, ensure_ascii=False)}" for name, word in words.items())
        yield f"- {text}\n" + (f"  lastmod: {tag.lastmod}\n" if tag.lastmod else "")


def write_actor_pack(
    path: Path, actors: Iterable[Actor], on: date, title: str = "Demo actors", by: Publisher = DEMO
) -> Path:
    """Write a GraphSense actor pack."""
    pack = {
        "title": title,
        "creator": by.creator,
        "description": by.description,
        "lastmod": on,
        "actors": [
            {
                "id": a.id,
                "label": a.label,
                "uri": f"{a.id}.example",
                "jurisdictions": list(a.jurisdictions),
                "categories": list(a.categories),
            }
            for a in actors
        ],
    }
    path.write_text(yaml.safe_dump(pack, sort_keys=False), encoding="utf-8")
    return path


def write_sdn(folder: Path, entries: Sequence[Listed]) -> Path:
    """Write one vintage of the list: sdn.csv with its comments, addresses and aliases; gives sdn.csv."""
    folder.mkdir(parents=True)
    remarks = {e.number: _remarks(e) for e in entries}
    _csv(folder / "sdn.csv", [_entry(e, remarks[e.number][:REMARK_LIMIT]) for e in entries])
    _csv(
        folder / "sdn_comments.csv",
        [
            f"{n},{_quoted(text[start : start + COMMENT_LIMIT])}"
            for n, text in remarks.items()
            for start in range(REMARK_LIMIT, len(text), COMMENT_LIMIT)
        ],
    )
    _csv(folder / "add.csv", [_address(e) for e in entries])
    _csv(
        folder / "alt.csv",
        [f"{e.number},{e.number * 10 + i},{_quoted('aka')},{_quoted(a)},{_NOTHING}"
         for e in entries for i, a in enumerate(e.aliases)],
    )  # fmt: skip
    return folder / "sdn.csv"


def _remarks(entry: Listed) -> str:
    coins = [f"Digital Currency Address - XBT {a}" for a in entry.addresses]
    later = [f"alt. {text}" for text in coins[1:]]
    return "; ".join([*entry.remarks, *coins[:1], *later]) + "."


def _entry(entry: Listed, remarks: str) -> str:
    kind = _quoted("individual") if entry.individual else _NOTHING
    programs = _quoted("] [".join(entry.programs))
    nothing = [_NOTHING] * _EMPTY_COLUMNS
    return ",".join([str(entry.number), _quoted(entry.name), kind, programs, *nothing, _quoted(remarks)])


def _address(entry: Listed) -> str:
    place = f"{_quoted(entry.city)},{_quoted(entry.country)}"
    return f"{entry.number},{entry.number * 10},{_NOTHING},{place},{_NOTHING}"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _csv(path: Path, lines: Iterable[str]) -> None:
    text = "".join(line + _LINE_END for line in lines)
    path.write_bytes((text + _END).encode("latin-1"))
