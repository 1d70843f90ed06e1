"""What an import says of relations and identifiers, held against all that is in force beside it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from store.catalogue import Imported
from store.formats import Published
from store.formats.claims import ENTITY_SCHEMA, TAG_SCHEMA
from store.formats.problems import Problem
from store.formats.relations import ALIAS_SCHEMA, ID, RELATION_SCHEMA, Relation, no_aliases, problems, undefined
from store.snapshot import aliases_path, canonical, entities_path, read_if, relations_path, tags_path


def check(folder: Path, lists: Sequence[Published], live: Sequence[Imported]) -> list[Problem]:
    """Find identifiers that are given twice, and relations that can not be true or that lead to nobody.

    Parameters
    ----------
    folder : Path
        The labels' folder.
    lists : Sequence[Published]
        What is to be imported together.
    live : Sequence[Imported]
        What is in force and stays.
    """
    if not any(one.relations.num_rows or one.aliases.num_rows for one in lists):
        return []
    described = pa.concat_tables(
        [read_if(entities_path(folder, e.id), ENTITY_SCHEMA) for e in live] + [one.entities for one in lists]
    )
    held = pa.concat_tables([no_aliases(), *(read_if(aliases_path(folder, e.id), ALIAS_SCHEMA) for e in live)])
    found = list(_given_twice(held, lists))
    if found:
        return found
    names = canonical(pa.concat_tables([held, *(one.aliases for one in lists)]), described)
    known = set(described["entity_id"].to_pylist()) | set(names)
    if any(one.relations.num_rows for one in lists):
        known |= _named_by_tags(folder, lists, live)
    said_before = [
        one for e in live for one in _relations(read_if(relations_path(folder, e.id), RELATION_SCHEMA), names)
    ]
    for one in lists:
        path = one.files[0].path
        raw = _relations(one.relations, {})
        found += undefined(raw, known, path)
        found += problems(_relations(one.relations, names), path, said_before)
    return found


def _given_twice(held: pa.Table, lists: Iterable[Published]) -> Iterator[Problem]:
    """Find identifiers that two actors give."""
    given = {row["alias"]: row["entity_id"] for row in held.to_pylist() if row["kind"] == ID}
    for one in lists:
        for row in one.aliases.to_pylist():
            if row["kind"] != ID:
                continue
            first = given.setdefault(row["alias"], row["entity_id"])
            if first != row["entity_id"]:
                message = (
                    f"the identifier {row['alias']!r} of {row['entity_id']!r} is that of {first!r} in a list that is "
                    "in force; say which of the two it is, or remove that list"
                )
                yield Problem(one.files[0].path, None, message)


def _named_by_tags(folder: Path, lists: Sequence[Published], live: Sequence[Imported]) -> set[str]:
    """Ids of parties that tags name, described or not."""
    stored = (read_if(tags_path(folder, e.id), TAG_SCHEMA)["entity_id"] for e in live)
    columns = [*stored, *(one.tags["entity_id"] for one in lists)]
    return {name for column in columns for name in column.unique().to_pylist() if name is not None}


def _relations(table: pa.Table, names: dict[str, str]) -> list[Relation]:
    rows = table.select(list(Relation._fields)).to_pylist()
    return [Relation(**row | {end: names.get(row[end], row[end]) for end in ("entity_id", "other_id")}) for row in rows]
