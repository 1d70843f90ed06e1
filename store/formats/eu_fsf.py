"""The European Union's consolidated list of financial sanctions, as xmlFullSanctionsList 1.1.

Layout: the export schema of the Financial Sanctions Files: `export` with the day of generation, and a
`sanctionEntity` per party, whose words stand in attributes. No field is for addresses of digital currencies:
they are found in remarks, identification numbers and contact details.
"""

from collections.abc import Iterator
from datetime import date

from store.formats.claims import Published, SourceFile
from store.formats.countries import CODES
from store.formats.days import day_of, in_force
from store.formats.listing import Authority, Listing, Party
from store.formats.problems import only
from store.formats.xmldoc import Element, records, root_of

KIND = "eu_fsf"
NAMESPACE = "http://eu.europa.ec/fpi/fsd/export"
AUTHORITY = Authority(
    KIND,
    "eu_fsf",
    "EU consolidated list of financial sanctions",
    "https://data.europa.eu/data/datasets/consolidated-list-of-persons-groups-and-entities-subject-to-eu-financial-sanctions",
)


def read(file: SourceFile, network: str, asked: date | None) -> Published:
    """Check and normalise one vintage of the list; parameters and errors are those of `ofac_sdn_xml.read`."""
    root = root_of(file.data)
    own = day_of(root.get("generationDate")) if root else None
    dated, notes = in_force(file.path, own, asked)
    listing = Listing(AUTHORITY, file, network, dated)
    listing.notes.extend(notes)
    n_entries = 0
    for entity in records(file.data, file.path, {"sanctionEntity"}):
        party = _party(entity)
        listing.count(sum(listing.search(party, text, line) for text, line in _texts(entity)))
        n_entries += 1
    if not n_entries:
        raise only(file.path, "the list has no entries; fetch it again")
    return listing.published()


def _texts(entity: Element) -> Iterator[tuple[str, int]]:
    """Walk what may hold an address of a digital currency."""
    for remark in entity.anywhere("remark"):
        yield remark.text, remark.line
    for document in entity.all("identification"):
        kind = f"{document.get('identificationTypeDescription')} {document.get('identificationTypeCode')}"
        for number in dict.fromkeys((document.get("number"), document.get("latinNumber"))):
            yield f"{kind} {number}", document.line
    for contact in entity.anywhere("contactInfo"):
        yield f"{contact.get('key')} {contact.get('value')}", contact.line


def _party(entity: Element) -> Party:
    names = [name for name in entity.all("nameAlias") if name.get("wholeName")]
    name = next((name for name in names if name.get("strong") == "true"), names[0] if names else None)
    number = entity.get("logicalId") or entity.get("euReferenceNumber") or f"line {entity.line}"
    programmes = dict.fromkeys(text for one in entity.all("regulation") if (text := one.get("programme")))
    days = [day for one in entity.all("regulation") if (day := day_of(one.get("entryIntoForceDate")))]
    homes = (home.get("countryIso2Code") for kind in ("citizenship", "address") for home in entity.all(kind))
    return Party(
        number=number,
        name=name.get("wholeName") if name else f"entry {number}",
        line=entity.line,
        programme=", ".join(programmes),
        jurisdictions=tuple(home for home in homes if home in CODES),
        listed_from=day_of(entity.get("designationDate")) or min(days, default=None),
    )
