"""OFAC's list as SDN.XML: one `sdnEntry` per party, addresses among its identity documents.

Layout: OFAC's schema for `sdnList`. The same schema serves the consolidated list of other sanctions, which is
another list and has the name to tell it by.
"""

from datetime import date

from store.formats import ofac
from store.formats.claims import Published, SourceFile
from store.formats.countries import code_of
from store.formats.days import american_day_of, in_force
from store.formats.listing import Listing, Party
from store.formats.problems import Problem, only
from store.formats.xmldoc import Element, records

KIND = "ofac_sdn_xml"
_OTHER_LIST = "cons"  # how the names of files of the consolidated list begin


def read(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise one vintage of SDN.XML.

    Parameters
    ----------
    file : SourceFile
        The file.
    network : str
        The Bitcoin network that its Bitcoin addresses belong to.
    asked : date | None
        The day it was in force, as the user says; the file's own word comes first.

    Raises
    ------
    LabelError
        Where it is not well-formed, is cut short, is another list, or names an address in an unknown way.
    """
    if file.path.name.lower().startswith(_OTHER_LIST):
        raise only(file.path, "this is OFAC's consolidated list of other sanctions, not its SDN list; fetch SDN.XML")
    found = list(records(file.data, file.path, {"publshInformation", "sdnEntry"}))
    entries = [one for one in found if one.name == "sdnEntry"]
    about = next((one for one in found if one.name == "publshInformation"), None)
    _check_whole(file, about, entries)
    dated, notes = in_force(file.path, american_day_of(about.said("Publish_Date")) if about else None, asked)
    listing = Listing(ofac.authority(KIND), file, network, dated)
    listing.notes.extend(notes)
    problems: list[Problem] = []
    for entry in entries:
        _take(listing, entry, problems)
    ofac.check_found(problems)
    return listing.published()


def _check_whole(file: SourceFile, about: Element | None, entries: list[Element]) -> None:
    said = about.said("Record_Count") if about else ""
    if not entries:
        raise only(file.path, "the list has no entries; fetch it again")
    if said.isdigit() and int(said) != len(entries):
        raise only(file.path, f"the list says that it has {said} entries, but holds {len(entries)}; fetch it again")


def _take(listing: Listing, entry: Element, problems: list[Problem]) -> None:
    number = entry.said("uid")
    if not number.isdigit():
        problems.append(Problem(listing.file.path, entry.line, "an entry without a number (uid); fetch the list again"))
        return
    party = _party(entry, number)
    taken = 0
    for document in entry.all("idList", "id"):
        try:
            ticker = ofac.ticker_of(document.said("idType"))
        except ValueError as error:
            problems.append(Problem(listing.file.path, document.line, f"entry {number}: {error}"))
            continue
        if ticker is None:
            continue
        if not document.said("idNumber"):
            problems.append(Problem(listing.file.path, document.line, f"entry {number}: an address without text"))
            continue
        listing.take(party, ticker, document.said("idNumber"), document.line)
        taken += 1
    listing.count(taken)


def _party(entry: Element, number: str) -> Party:
    last, first = entry.said("lastName"), entry.said("firstName")
    homes = [
        *entry.texts("nationalityList", "nationality", "country"),
        *entry.texts("citizenshipList", "citizenship", "country"),
        *entry.texts("addressList", "address", "country"),
    ]
    return Party(
        number=number,
        name=f"{last}, {first}" if first and last else last or first or f"entry {number}",
        line=entry.line,
        programme=ofac.labelled(entry.texts("programList", "program")),
        jurisdictions=tuple(code for home in homes if (code := code_of(home))),
    )
