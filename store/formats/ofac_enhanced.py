"""OFAC's list as SDN_ENHANCED.XML, the Sanctions List Service's own schema: one `entity` per party.

Layout: the service's schema ENHANCED_XML. An entity has names with translations, lists with the day of
publication, programmes, places and features; a feature of the type `Digital Currency Address - XBT` has the
address as its value. Exports of other lists have the same layout and are refused or left out.
"""

from datetime import date

from store.formats import ofac
from store.formats.claims import Published, SourceFile
from store.formats.countries import code_of
from store.formats.days import day_of, in_force
from store.formats.listing import Listing, Party
from store.formats.problems import Problem, only
from store.formats.xmldoc import Element, records

KIND = "ofac_enhanced"
_HOMES = ("Nationality Country", "Citizenship Country")
_OTHER_LISTS = "are of other lists than the SDN list"


def read(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise one vintage of SDN_ENHANCED.XML; parameters and errors are those of `ofac_sdn_xml.read`."""
    own: date | None = None
    entities: list[tuple[Element, bool]] = []
    problems: list[Problem] = []
    for one in records(file.data, file.path, {"publicationInfo", "entity"}):
        if one.name == "publicationInfo":
            own = day_of(one.said("dataAsOf"))
            continue
        listed = {name.text.strip() for name in one.all("sanctionsLists", "sanctionsList")}
        entities.append((one, not listed or ofac.LIST_NAME in listed))
    if not any(is_ours for _, is_ours in entities):
        raise only(file.path, "no entry is of the SDN list; fetch SDN_ENHANCED.XML")
    dated, notes = in_force(file.path, own, asked)
    listing = Listing(ofac.authority(KIND), file, network, dated)
    listing.notes.extend(notes)
    for one, is_ours in entities:
        if is_ours:
            _take(listing, one, problems)
        else:
            listing.tally.add(_OTHER_LISTS, one.line)
    ofac.check_found(problems)
    return listing.published()


def _take(listing: Listing, one: Element, problems: list[Problem]) -> None:
    number = one.get("id")
    if not number.isdigit():
        problems.append(Problem(listing.file.path, one.line, "an entity without a number (id); fetch the list again"))
        return
    party = _party(one, number)
    taken = 0
    for feature in one.all("features", "feature"):
        try:
            ticker = ofac.ticker_of(feature.said("type"))
        except ValueError as error:
            problems.append(Problem(listing.file.path, feature.line, f"entry {number}: {error}"))
            continue
        if ticker is None:
            continue
        if not feature.said("value"):
            problems.append(Problem(listing.file.path, feature.line, f"entry {number}: an address without text"))
            continue
        listing.take(party, ticker, feature.said("value"), feature.line)
        taken += 1
    listing.count(taken)


def _party(one: Element, number: str) -> Party:
    days = [
        day
        for listed in one.all("sanctionsLists", "sanctionsList")
        if listed.text.strip() == ofac.LIST_NAME and (day := day_of(listed.get("datePublished")))
    ]
    homes = [
        *(feature.said("value") for feature in one.all("features", "feature") if feature.said("type") in _HOMES),
        *one.texts("addresses", "address", "country"),
    ]
    return Party(
        number=number,
        name=_name(one) or f"entry {number}",
        line=one.line,
        programme=ofac.labelled(one.texts("sanctionsPrograms", "sanctionsProgram")),
        jurisdictions=tuple(code for home in homes if (code := code_of(home))),
        listed_from=min(days, default=None),
    )


def _name(one: Element) -> str:
    names = list(one.all("names", "name"))
    primary = next((name for name in names if name.said("isPrimary") == "true"), names[0] if names else None)
    if primary is None:
        return ""
    forms = list(primary.all("translations", "translation"))
    form = next((form for form in forms if form.said("isPrimary") == "true"), forms[0] if forms else None)
    return form.said("formattedFullName") if form else ""
