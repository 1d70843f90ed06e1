"""Which format a file is of, from its name and its beginning, and the reader of each: the registry of formats.

A new format is a module, a line in `READERS` and a line in the table of what tells it apart.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from store.formats import (
    actorpack,
    csv_map,
    eu_fsf,
    ftm,
    il_nbctf,
    jp_mof,
    mining_pools,
    ofac,
    ofac_0xb10c,
    ofac_advanced,
    ofac_enhanced,
    ofac_sdn,
    ofac_sdn_xml,
    spellbook,
    tagpack,
    uk_sanctions,
    yamldoc,
)
from store.formats.claims import Published, SourceFile
from store.formats.days import in_force
from store.formats.problems import LabelError, only
from store.formats.sheets import Row, csv_rows, plain, sheets
from store.formats.xmldoc import root_of

YAML = (".yaml", ".yml")
MAP_ENDINGS = (".map.yaml", ".map.yml")
MAIN = "list"  # the role of a list's one file
PACK = "pack"  # a format, and the role of its file
_HEAD = 1 << 16  # bytes that decide
_SET_MEMBER = re.compile(r"(?i)(.*?)(sdn_comments|sdn|add|alt)\.csv")
_OFAC_ROLES = {"sdn_comments": "comments", "sdn": "sdn", "add": "add", "alt": "alt"}
_TAXONOMY = "this is a taxonomy of concepts: it names no address, and its words are known already"
_NO_LIST = {
    "readme": "this describes other files",
    "license": "this is a licence",
    "licence": "this is a licence",
    "copying": "this is a licence",
    "notice": "this is a licence",
}
_ROOTS = {  # root element of an XML document: kind
    "sdnList": ofac_sdn_xml.KIND,
    "Sanctions": ofac_advanced.KIND,
    "sanctionsData": ofac_enhanced.KIND,
    "export": eu_fsf.KIND,
    "Designations": uk_sanctions.UKSL.kind,
    "ArrayOfFinancialSanctionsTarget": uk_sanctions.OFSI.kind,
}
_TAXONOMY_YAML = re.compile(rb"(scheme|header)\s*:")  # the first key of taxonomies and of schemas of packs
_TAXONOMY_COLUMNS = {"id", "uri", "label", "description", "level"}
_INTERPOL_ENTITIES = "idlabelabbreviationdefinitionreferencebroader"  # separated by semicolons: one cell
FORMATS = (
    "tag packs, actor packs (.yaml); OFAC: sdn.csv set, SDN.XML, SDN_ADVANCED.XML, SDN_ENHANCED.XML, 0xB10C's files; "
    "EU xmlFullSanctionsList; UK Sanctions List and OFSI ConList; Japan MOF (.xlsx, .csv); Israel NBCTF; "
    "OpenSanctions entities.ftm.json; mining pools (pools-v2.json, pools.json); .csv with a map"
)


class NoListError(LabelError):
    """The file is known, and is no list of labels: within a folder it is left out and said."""


class Asked(NamedTuple):
    """What the user says of all lists."""

    network: str
    dated: date | None


@dataclass(slots=True)
class Given:
    """One list as it was given: its main file, its format, and of a set of files the others by role."""

    path: Path
    members: dict[str, Path] = field(default_factory=dict)
    kind: str = ""
    part: str = ""
    """Of a file that holds several lists: which."""


Files = dict[str, SourceFile]
Reader = Callable[[Files, Asked, str], Published]


def _yaml(files: Files, asked: Asked, _: str) -> Published:
    file = files[PACK]
    document = yamldoc.load(file.data, file.path)
    if isinstance(document, yamldoc.Mapping) and "actors" in document and "tags" not in document:
        return actorpack.read(document, file, asked.network)
    return tagpack.read(document, file, asked.network)


def _ofac_csv(files: Files, asked: Asked, _: str) -> Published:
    day, notes = in_force(files["sdn"].path, None, asked.dated)
    published = ofac_sdn.read(files, day, asked.network)
    published.notes += notes
    return published


def _mapped(files: Files, asked: Asked, _: str) -> Published:
    how = files.get("map")
    if how is None:
        return csv_map.read(files[MAIN], spellbook.MAP, *asked)
    return csv_map.read(files[MAIN], csv_map.map_of(how), *asked, how)


def _single(read: Callable[[SourceFile, str, date | None], Published]) -> Reader:
    return lambda files, asked, _: read(files[MAIN], asked.network, asked.dated)


READERS: dict[str, Reader] = {
    PACK: _yaml,
    ofac.LIST_ID: _ofac_csv,
    ofac_sdn_xml.KIND: _single(ofac_sdn_xml.read),
    ofac_advanced.KIND: _single(ofac_advanced.read),
    ofac_enhanced.KIND: _single(ofac_enhanced.read),
    ofac_0xb10c.KIND: lambda files, asked, _: ofac_0xb10c.read(files, *asked),
    eu_fsf.KIND: _single(eu_fsf.read),
    uk_sanctions.UKSL.kind: _single(uk_sanctions.read_uksl),
    uk_sanctions.OFSI.kind: _single(uk_sanctions.read_ofsi),
    jp_mof.KIND: _single(jp_mof.read),
    il_nbctf.KIND: _single(il_nbctf.read),
    ftm.KIND: lambda files, asked, part: ftm.read(files[MAIN], *asked, part),
    csv_map.KIND: _mapped,
    mining_pools.KIND: lambda files, asked, _: mining_pools.read(files[MAIN], asked.network),
}


def given_of(path: Path, mapping: Path | None = None) -> list[Given]:
    """Say of which format a file is, with the files that belong to it.

    Parameters
    ----------
    path : Path
        The file.
    mapping : Path | None
        What says what the columns of CSV files mean; else a file beside it, `NAME.map.yaml`.

    Returns
    -------
    list[Given]
        One list; of an export of several datasets, one per dataset.

    Raises
    ------
    NoListError
        Where the file is known to be no list.
    LabelError
        Where it can not be read, or is of no known format.
    """
    name = path.name.lower()
    for beginning, reason in _NO_LIST.items():
        if name.startswith(beginning):
            raise _no_list(path, reason)
    if name.endswith(MAP_ENDINGS):
        raise _no_list(path, "this says what the columns of the CSV file beside it mean")
    if name.endswith(YAML):
        if _TAXONOMY_YAML.match(_head(path)):
            raise _no_list(path, _TAXONOMY)
        return [Given(path, kind=PACK)]
    if ofac_0xb10c.role_of(path):
        members = {role: one for one in path.parent.iterdir() if (role := ofac_0xb10c.role_of(one))}
        return [Given(members.get("history") or members[min(members)], members, ofac_0xb10c.KIND)]
    if member := _SET_MEMBER.fullmatch(path.name):
        return [_ofac_set(path, member)]
    readers = {".xml": _of_xml, ".csv": _of_csv, ".xlsx": _of_workbook, ".json": _of_json, ".jsonl": _of_json}
    return readers.get(path.suffix.lower(), _of_nothing)(path, mapping)


def _no_list(path: Path, reason: str) -> NoListError:
    return NoListError(only(path, f"no list: {reason}").problems)


def _ofac_set(path: Path, member: re.Match[str]) -> Given:
    members = {}
    for beside in path.parent.iterdir():
        found = _SET_MEMBER.fullmatch(beside.name)
        if found and found[1].lower() == member[1].lower():
            members[_OFAC_ROLES[found[2].lower()]] = beside
    if "sdn" not in members:
        raise only(path, f"{member[1]}sdn.csv must stand beside it; fetch the whole set")
    return Given(members["sdn"], members, ofac.LIST_ID)


def _of_xml(path: Path, _: Path | None) -> list[Given]:
    root = root_of(_head(path))
    kind = _ROOTS.get(root.name) if root else None
    if kind is None or root is None:
        what = f"its root element is {root.name!r}" if root else "it has no root element"
        raise only(path, f"unknown format: {what}; known are {FORMATS}")
    if kind == eu_fsf.KIND and root.get("xmlns") != eu_fsf.NAMESPACE:
        raise only(path, f"unknown format: an export, but not of {eu_fsf.NAMESPACE}")
    return [Given(path, kind=kind)]


def _of_csv(path: Path, mapping: Path | None) -> list[Given]:
    rows = _first_rows(path)
    cells = {plain(cell) for row in rows[:3] for cell in row.cells}
    beside = mapping or next((one for end in MAP_ENDINGS if (one := path.with_suffix(end)).exists()), None)
    if beside is not None:
        return [Given(path, {MAIN: path, "map": beside}, csv_map.KIND)]
    if rows and tuple(rows[0].cells) == spellbook.HEADER:
        return [Given(path, kind=csv_map.KIND)]
    if {"name6", "uniqueid"} <= cells:
        return [Given(path, kind=uk_sanctions.UKSL.kind)]
    if {"name6", "groupid"} <= cells:
        return [Given(path, kind=uk_sanctions.OFSI.kind)]
    if plain(jp_mof.NOTICED) in cells:
        return [Given(path, kind=jp_mof.KIND)]
    if il_nbctf.looks_like(rows, path):
        return [Given(path, kind=il_nbctf.KIND)]
    header = {plain(cell) for cell in rows[0].cells if plain(cell)} if rows else set()
    if header and (header <= _TAXONOMY_COLUMNS or header == {_INTERPOL_ENTITIES}):
        raise _no_list(path, _TAXONOMY)
    columns = ", ".join(cell for cell in rows[0].cells if cell)[:200] if rows else ""
    raise only(
        path,
        f"unknown CSV: say what its columns ({columns}) mean in {path.stem}.map.yaml beside it, or with --map: "
        "title, source, columns: {address: ..., label: ...}, always: {currency: ..., category: ...}",
        1,
    )


def _of_workbook(path: Path, _: Path | None) -> list[Given]:
    read = sheets(_source(path))
    if any(plain(jp_mof.NOTICED) in {plain(cell) for row in one.rows[:40] for cell in row.cells} for one in read):
        return [Given(path, kind=jp_mof.KIND)]
    if any(il_nbctf.looks_like(one.rows, path) for one in read):
        return [Given(path, kind=il_nbctf.KIND)]
    raise only(path, f"unknown workbook; save it as .csv and say what its columns mean in {path.stem}.map.yaml")


def _of_json(path: Path, _: Path | None) -> list[Given]:
    if mining_pools.looks_like(path.name, _head(path)):
        return [Given(path, kind=mining_pools.KIND)]
    if not ftm.looks_like(_head(path)):
        raise only(path, f"unknown format: known are {FORMATS}")
    names = ftm.datasets(_source(path).data)
    if not names:
        raise only(path, "no entity of the export is a CryptoWallet: there is nothing to import")
    return [Given(path, kind=ftm.KIND, part=name) for name in names]


def _of_nothing(path: Path, _: Path | None) -> list[Given]:
    if path.suffix.lower() == ".ttl":
        raise _no_list(path, _TAXONOMY)
    raise only(path, f"unknown format: known are {FORMATS}")


def _first_rows(path: Path) -> list[Row]:
    """Give the whole rows within a file's beginning."""
    head = _head(path)
    whole = head if len(head) < _HEAD else head.rpartition(b"\n")[0]
    return list(csv_rows(SourceFile(path, MAIN, whole, ""), "cp932"))


def _source(path: Path) -> SourceFile:
    try:
        return SourceFile(path, MAIN, path.read_bytes(), "")
    except OSError as error:
        raise only(path, f"the file can not be read: {error.strerror}") from None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise only(path, f"the file can not be read: {error.strerror}") from None
