"""GraphSense actor packs: one YAML file of parties, with what they are, where they are at home and whose they are.

Beside GraphSense's fields an actor may have `identifiers`, ids under which other sources know it (`ofac_sdn-36212`):
these are one entity with it, whatever it is called; and `relations` to other parties, each with its kind, the other's
id (`entity`), the document that says so (`source`), from when until when, and a percentage where a share is owned.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from store.formats import fields, relations, yamldoc
from store.formats.claims import Claims, Entity, Origin, Published, SourceFile, entity_table
from store.formats.packs import Pack
from store.formats.problems import LabelError
from store.formats.relations import Relation
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
    "identifiers": fields.texts,
    "relations": fields.listing,
    **_SHARED_FIELDS,
}
_RELATION_FIELDS: dict[str, fields.Check] = {
    "kind": relations.kind,
    "entity": fields.text,
    "percent": relations.percent,
    "valid_from": fields.day,
    "valid_to": fields.day,
    "source": fields.text,
    "lastmod": fields.day,
}
_OF_RELATION = ("kind", "entity", "source")
_MANDATORY = ("id", "label", "categories")


def read(document: Any, file: SourceFile, network: str) -> Published:
    """Check and normalise an actor pack; the parameters and errors are those of `tagpack.read`."""
    pack = Pack(document, file.path, "actor pack", "actors")
    header = pack.header(_HEADER_FIELDS)
    entities: dict[str, Entity] = {}
    lines: dict[str, int] = {}
    aliases: list[dict[str, str]] = []
    related: list[Relation] = []
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
        aliases += _aliases(said, file.sha256)
        related += _relations(pack, item, said)
        if "lastmod" in said:
            dates.append(said["lastmod"])
    _check_identifiers(pack, aliases, lines)
    pack.problems += relations.problems(related, pack.path)
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
        relations=relations.relation_table(related, header["title"], file.sha256),
        aliases=relations.alias_table(aliases),
    )


def _entity(said: dict[str, Any]) -> Entity:
    return Entity(
        entity_id=said["id"],
        name=said["label"],
        category=foremost(said["categories"]),
        jurisdictions=tuple(dict.fromkeys(said.get("jurisdictions", ()))),
    )


def _aliases(said: dict[str, Any], sha256: str) -> list[dict[str, str]]:
    """Other ids and names of an actor, each once."""
    kinds = {relations.ID: said.get("identifiers", ()), relations.NAME: said.get("aliases", ())}
    words = {word: kind for kind in (relations.NAME, relations.ID) for word in kinds[kind] if word != said["id"]}
    return [
        {"alias": word, "kind": kind, "entity_id": said["id"], "source_sha256": sha256} for word, kind in words.items()
    ]


def _check_identifiers(pack: Pack, aliases: list[dict[str, str]], lines: dict[str, int]) -> None:
    """Refuse an identifier that two actors give, or that is an actor of its own here."""
    given: dict[str, str] = {}
    for one in aliases:
        if one["kind"] != relations.ID:
            continue
        word, actor = one["alias"], one["entity_id"]
        first = word if word in lines else given.setdefault(word, actor)
        if first != actor:
            pack.problem(
                lines[actor], f"the identifier {word!r} of {actor!r} is that of {first!r} too; give it to one of them"
            )


def _relations(pack: Pack, item: yamldoc.Mapping, said: dict[str, Any]) -> list[Relation]:
    """Relations of one actor, checked one by one."""
    found = []
    for one, line in _listed(item):
        if not isinstance(one, yamldoc.Mapping):
            pack.problem(line, f"a relation must have fields, not be {one!r}")
            continue
        fields_of = pack.fields(one, _RELATION_FIELDS, "relation")
        for name in _OF_RELATION:
            if name not in one:
                pack.problem(line, f"the relation lacks {name}; add it")
        if any(name not in fields_of for name in _OF_RELATION):
            continue
        wrong = _wrong(fields_of)
        if wrong:
            pack.problem(line, wrong)
            continue
        if fields_of["kind"] == relations.OWNED_BY and "percent" not in fields_of:
            message = f"{said['id']} is owned by {fields_of['entity']} by no stated percent: no share counts"
            pack.note(line, message)
        found.append(
            Relation(
                said["id"], fields_of["kind"], fields_of["entity"], fields_of.get("percent"),
                fields_of.get("valid_from"), fields_of.get("valid_to"), fields_of["source"],
                fields_of.get("lastmod", said.get("lastmod")), line,
            )
        )  # fmt: skip
    return found


def _listed(item: yamldoc.Mapping) -> Iterator[tuple[Any, int]]:
    said = item.get("relations")
    if isinstance(said, yamldoc.Sequence):
        yield from zip(said, said.lines, strict=True)


def _wrong(said: dict[str, Any]) -> str | None:
    """What the fields of a relation contradict each other in."""
    if "percent" in said and said["kind"] != relations.OWNED_BY:
        return f"percent says nothing of {said['kind']}; remove it, or say owned_by"
    first, last = said.get("valid_from"), said.get("valid_to")
    if first and last and last <= first:
        return f"valid_to ({last}) must come after valid_from ({first}); the relation would never hold"
    return None
