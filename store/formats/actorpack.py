"""GraphSense actor packs: one YAML file of parties, with what they are and where they are at home."""

from typing import TYPE_CHECKING, Any

from store.formats import fields
from store.formats.claims import Claims, Entity, Origin, Published, SourceFile, entity_table
from store.formats.packs import Pack
from store.formats.problems import LabelError
from store.formats.taxonomy import foremost

if TYPE_CHECKING:
    from datetime import date

_SHARED_FIELDS: dict[str, fields.Check] = {
    "lastmod": fields.day,
    "categories": fields.concepts,
    "jurisdictions": fields.countries,
    "aliases": fields.texts,
    "context": fields.context,
}
_HEADER_FIELDS: dict[str, fields.Check] = {
    "title": fields.text,
    "creator": fields.text,
    "description": fields.text,
    "is_public": fields.boolean,
    **_SHARED_FIELDS,
}
_ACTOR_FIELDS: dict[str, fields.Check] = {
    "id": fields.text,
    "uri": fields.text,
    "label": fields.text,
    **_SHARED_FIELDS,
}
_MANDATORY = ("id", "label", "categories")


def read(document: Any, file: SourceFile, network: str) -> Published:
    """Check and normalise an actor pack; the parameters and errors are those of `tagpack.read`."""
    pack = Pack(document, file.path, "actor pack", "actors")
    header = pack.header(_HEADER_FIELDS)
    entities: dict[str, Entity] = {}
    lines: dict[str, int] = {}
    dates: list[date] = [header["lastmod"]] if "lastmod" in header else []
    for item, line in pack.items():
        said = header | pack.fields(item, _ACTOR_FIELDS, "actor")
        missing = [name for name in _MANDATORY if name not in said and name not in item]
        for name in missing:
            pack.problem(line, f"the actor lacks {name}; add it")
        if any(name not in said for name in _MANDATORY):
            continue
        if said["id"] in entities:
            pack.problem(line, f"the actor {said['id']!r} is repeated (first on line {lines[said['id']]})")
            continue
        lines[said["id"]] = line
        entities[said["id"]] = _entity(said)
        if "lastmod" in said:
            dates.append(said["lastmod"])
    if pack.problems:
        raise LabelError(pack.problems)
    return Published(
        kind="actorpack",
        title=header["title"],
        dated=max(dates, default=None),
        list_id=None,
        network=network,
        files=(file,),
        tags=Claims().table(Origin(header["title"], file.sha256)),
        entities=entity_table(list(entities.values()), file.sha256),
        notes=tuple(pack.notes),
        skipped=(),
    )


def _entity(said: dict[str, Any]) -> Entity:
    return Entity(
        entity_id=said["id"],
        name=said["label"],
        category=foremost(said["categories"]),
        jurisdictions=tuple(dict.fromkeys(said.get("jurisdictions", ()))),
    )
