"""What the formats of OFAC's list have in common: one list, one number per party, one name for an address."""

import re

from store.formats.listing import Authority
from store.formats.problems import LabelError, Problem

LIST_ID = "ofac_sdn"
TITLE = "OFAC Specially Designated Nationals"
SOURCE_URI = "https://sanctionslist.ofac.treas.gov/"
MARK = "Digital Currency Address"
LIST_NAME = "SDN List"
_TYPE = re.compile(rf"{MARK} - (\S+)")
# The entry numbers of each format: they only grow, so a newer list has a higher one.
_NUMBERS = {
    "ofac_sdn": re.compile(rb"(?m)^\"?(\d{1,9})\"?,"),
    "ofac_sdn_xml": re.compile(rb"<sdnEntry>\s*<uid>(\d{1,9})<"),
    "ofac_advanced": re.compile(rb"<DistinctParty\b[^>]*\bFixedRef=\"(\d{1,9})\""),
    "ofac_enhanced": re.compile(rb"<entity\b[^>]*\bid=\"(\d{1,9})\""),
}


def authority(kind: str) -> Authority:
    """Describe the list as one of its formats gives it."""
    return Authority(kind, LIST_ID, TITLE, SOURCE_URI)


def ticker_of(kind: str) -> str | None:
    """Give the ticker of a kind of feature or document that is a digital currency address; None of others.

    Raises
    ------
    ValueError
        Where it speaks of such an address, but not in the known form.
    """
    found = _TYPE.fullmatch(kind.strip())
    if found is None and MARK in kind:
        raise ValueError(f"{kind[:120]!r} is not understood; report this layout")
    return found[1] if found else None


def labelled(programmes: list[str]) -> str:
    """Join programmes as sdn.csv does, so that all formats say the same of a party."""
    return ", ".join(dict.fromkeys(programmes))


def highest_number(kind: str, data: bytes) -> int | None:
    """Give the highest entry number of a list in one of OFAC's formats; None for other kinds of list."""
    pattern = _NUMBERS.get(kind)
    return None if pattern is None else max((int(found) for found in pattern.findall(data)), default=0)


def check_found(problems: list[Problem]) -> None:
    """Refuse a list with mistakes."""
    if problems:
        raise LabelError(problems)
