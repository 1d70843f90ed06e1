"""OFAC's list as SDN_ADVANCED.XML: parties with features, everything by reference to tables of values.

Layout: the Advanced Sanctions Data Model, as OFAC explains it. A `DistinctParty` has features, each of a
`FeatureType` such as `Digital Currency Address - XBT`, whose text is the address; names are made of parts of
named types; countries hang on places; programmes and the days of listing stand in `SanctionsEntry`, after all
parties. The file also carries parties of other lists, which are left out and counted.
"""

from dataclasses import dataclass, field
from datetime import date

from store.formats import ofac
from store.formats.claims import Published, SourceFile
from store.formats.countries import CODES, code_of
from store.formats.days import in_force
from store.formats.listing import Listing, Party
from store.formats.problems import Problem, only
from store.formats.xmldoc import Element, records

KIND = "ofac_advanced"
_WANTED = frozenset(
    {"DateOfIssue", "FeatureType", "NamePartType", "Country", "List", "Location", "DistinctParty", "SanctionsEntry"}
)
_HOMES = ("Nationality Country", "Citizenship Country", "Location")
_LAST, _FIRST = ("Last Name",), ("First Name", "Middle Name", "Patronymic", "Matronymic")
_OTHER_LISTS = "are of other lists than the SDN list"


@dataclass(slots=True)
class _Values:
    """The tables of values, by id."""

    features: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    countries: dict[str, str] = field(default_factory=dict)  # code
    lists: dict[str, str] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)  # country codes


@dataclass(slots=True)
class _Found:
    """A party as it is being put together."""

    party: Party
    addresses: list[tuple[str, str, int]]  # ticker, text, line
    programmes: list[str] = field(default_factory=list)
    days: list[date] = field(default_factory=list)


def read(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise one vintage of SDN_ADVANCED.XML; parameters and errors are those of `ofac_sdn_xml.read`."""
    values = _Values()
    problems: list[Problem] = []
    found: dict[str, _Found] = {}
    lists_of: dict[str, set[str]] = {}
    lines: dict[str, int] = {}
    own: date | None = None
    for one in records(file.data, file.path, _WANTED):
        match one.name:
            case "DateOfIssue":
                own = _day(one)
            case "DistinctParty":
                lines[_profile(one)] = one.line
                _party(file, one, values, found, problems)
            case "SanctionsEntry":
                _entry(one, values, found, lists_of)
            case _:
                _value(one, values)
    ofac.check_found(problems)
    if not lines:
        raise only(file.path, "the list has no parties; fetch it again")
    dated, notes = in_force(file.path, own, asked)
    listing = Listing(ofac.authority(KIND), file, network, dated, unit="parties")
    listing.notes.extend(notes)
    for profile, line in lines.items():
        if lists_of.get(profile) and ofac.LIST_NAME not in lists_of[profile]:
            listing.tally.add(_OTHER_LISTS, line)
            continue
        listing.count(_claim(listing, found.get(profile)))
    return listing.published()


def _claim(listing: Listing, found: _Found | None) -> int:
    if found is None:
        return 0
    found.party.programme = ofac.labelled(found.programmes)
    found.party.listed_from = min(found.days, default=None)
    for ticker, text, line in found.addresses:
        listing.take(found.party, ticker, text, line)
    return len(found.addresses)


def _value(one: Element, values: _Values) -> None:
    """Keep one row of a table of values; all of them stand before the parties."""
    key, text = one.get("ID"), one.text.strip()
    match one.name:
        case "FeatureType":
            values.features[key] = text
        case "NamePartType":
            values.parts[key] = text
        case "List":
            values.lists[key] = text
        case "Country":
            iso = one.get("ISO2").upper()
            code = iso if iso in CODES else code_of(text)
            if code:
                values.countries[key] = code
        case "Location":
            codes = (values.countries.get(home.get("CountryID")) for home in one.all("LocationCountry"))
            values.places[key] = [code for code in codes if code]


def _party(file: SourceFile, one: Element, values: _Values, found: dict[str, _Found], problems: list[Problem]) -> None:
    """Keep a party that names addresses."""
    number = one.get("FixedRef")
    if not number.isdigit():
        problems.append(Problem(file.path, one.line, "a party without a number (FixedRef); fetch the list again"))
        return
    addresses: list[tuple[str, str, int]] = []
    homes: list[str] = []
    for feature in one.all("Profile", "Feature"):
        kind = values.features.get(feature.get("FeatureTypeID"), "")
        if kind in _HOMES:
            for place in feature.all("FeatureVersion", "VersionLocation"):
                homes += values.places.get(place.get("LocationID"), [])
        try:
            ticker = ofac.ticker_of(kind)
        except ValueError as error:
            problems.append(Problem(file.path, feature.line, f"entry {number}: {error}"))
            continue
        if ticker is None:
            continue
        texts = feature.texts("FeatureVersion", "VersionDetail")
        if not texts:
            problems.append(Problem(file.path, feature.line, f"entry {number}: an address without text"))
        addresses += [(ticker, text, feature.line) for text in texts]
    if addresses:
        name = _name(one, values) or f"entry {number}"
        found[_profile(one)] = _Found(Party(number, name, one.line, jurisdictions=tuple(homes)), addresses)


def _profile(one: Element) -> str:
    """Give the id by which entries of the list refer to a party; OFAC's are equal to its number."""
    profile = one.first("Profile")
    return (profile.get("ID") if profile else "") or one.get("FixedRef")


def _name(one: Element, values: _Values) -> str:
    """Put the primary name together as sdn.csv writes it: LAST, First."""
    identity = next(iter(one.all("Profile", "Identity")), None)
    if identity is None:
        return ""
    kinds = {
        group.get("ID"): values.parts.get(group.get("NamePartTypeID"), "")
        for group in identity.anywhere("NamePartGroup")
    }
    aliases = list(identity.all("Alias"))
    primary = next((alias for alias in aliases if alias.get("Primary") == "true"), aliases[0] if aliases else None)
    document = primary.first("DocumentedName") if primary else None
    if document is None:
        return ""
    parts = [
        (kinds.get(part.get("NamePartGroupID"), ""), part.text.strip())
        for part in document.all("DocumentedNamePart", "NamePartValue")
    ]
    last = " ".join(text for kind, text in parts if kind in _LAST)
    first = " ".join(text for kind, text in parts if kind in _FIRST)
    if last and first:
        return f"{last}, {first}"
    return " ".join(text for _, text in parts)


def _entry(one: Element, values: _Values, found: dict[str, _Found], lists_of: dict[str, set[str]]) -> None:
    """Keep on which list a party is, since when and under which programmes."""
    profile = one.get("ProfileID")
    name = values.lists.get(one.get("ListID"))
    if name:
        lists_of.setdefault(profile, set()).add(name)
    party = found.get(profile)
    if party is None or (name and name != ofac.LIST_NAME):
        return
    party.programmes += one.texts("SanctionsMeasure", "Comment")
    party.days += [day for event in one.all("EntryEvent", "Date") if (day := _day(event))]


def _day(one: Element) -> date | None:
    try:
        return date(int(one.said("Year")), int(one.said("Month")), int(one.said("Day")))
    except ValueError:
        return None
