"""`tadoru attribution` and `entity`: who somebody is, as the API answers it."""

from collections.abc import Iterator
from pathlib import Path

from service import catalogue
from service.answers import Json
from service.asof import AsOf
from service.attribution import attribution as attribution_of
from service.commands.ask import attribution_lines, behaviour_lines
from service.commands.common import chosen
from service.console import Console
from service.desk import desk_for_once


def attribution(address: str, when: tuple[int | None, str | None], data: Path | None, *, as_json: bool) -> None:
    """Show who is behind an address, and what speaks against it."""
    settings = chosen(data)
    with desk_for_once(settings) as desk, desk.live.ask(None, AsOf(*when).generation(desk.live)) as question:
        told = attribution_of(question, settings, address)
    Console(as_json=as_json).answer(told, _attribution_lines(told))


def _attribution_lines(told: Json) -> Iterator[str]:
    seen = "" if told["subject"]["seen_on_chain"] else ", never seen on chain"
    yield f"{told['subject']['canonical']}{seen}"
    for one in told["attributions"]:
        yield from attribution_lines(one)
        for other in one["conflicts"]:
            who = other["entity"]["name"] if other["entity"] else other["category"]
            yield f"    contradicted by {who} [{other['category']}], confidence {other['confidence']}"
    if not told["attributions"]:
        yield "  nobody is known to be behind it"
    yield from _use_lines(told)
    for one in told["behaviours"]:
        yield from behaviour_lines(one)
    for tag in told["tags"]:
        sure = f"confidence {tag['confidence']}" + ("" if tag["stands"] else ", which does not stand")
        yield f"  tag {tag['label']!r} of {tag['address']} by {tag['source']['name']}, {sure}"
    yield from _tie_lines(told["listed_by"])
    for one in told["against"]:
        place = f" ({one['rule']} in {one['txid']})" if one["txid"] else ""
        yield f"  against: {one['detail']}{place}"


def _use_lines(told: Json) -> Iterator[str]:
    """Tell what the wallet is there for, and whose customers' money lies in it."""
    role = told["wallet_role"]
    if role is not None:
        yield f"  its wallet is a {role['role']} wallet of {role['entity']['name'] if role['entity'] else 'a service'}"
    for one in told["shared_custody"]:
        what = "a deposit address of" if one["basis"] == "deposit_address" else "shared custody, also of"
        yield f"  {what} {one['entity']['name']} [{one['category']}] by {one['rule']}, confidence {one['confidence']}"


def entity(entity_id: str, data: Path | None, *, as_json: bool) -> None:
    """Show a party with its listings and relations."""
    with desk_for_once(chosen(data)) as desk, desk.live.ask() as question:
        told = catalogue.entity(question, entity_id)
        told["relations"] = catalogue.related(question, entity_id)["items"]
    Console(as_json=as_json).answer(told, _entity_lines(told))


def _entity_lines(told: Json) -> Iterator[str]:
    home = f" of {', '.join(told['jurisdictions'])}" if told["jurisdictions"] else ""
    yield f"{told['id']}: {told['name']} [{told['category']}]{home}, {told['tagged_addresses']} tagged addresses"
    if told["identifiers"] or told["aliases"]:
        yield f"  also {', '.join([*told['identifiers'], *told['aliases']])}"
    for one in told["listings"]:
        yield f"  listed {one['list']} since {one['listed_from']}" + (
            f" until {one['listed_to']}" if one["listed_to"] else ""
        )
    for one in told["relations"]:
        yield "  " + _relation_line(one)
    yield from _tie_lines(told["listed_by"])


def _tie_lines(ties: list[Json]) -> Iterator[str]:
    for tie in ties:
        share = f" ({tie['percent']} percent together)" if tie["percent"] else ""
        kinds = " and ".join(tie["kinds"])
        yield f"  {tie['entity']['name']} counts as listed on {tie['list']} by {kinds}{share}{_days(tie)}"
        for one in tie["path"]:
            yield "    " + _relation_line(one)


def _relation_line(one: Json) -> str:
    share = f" {one['percent']} percent" if one["percent"] else ""
    return (
        f"{one['entity']['name']} {one['kind']}{share} {one['other']['name']}{_days(one)}, says {one['source']['name']}"
    )


def _days(one: Json) -> str:
    start = f" from {one['valid_from']}" if one["valid_from"] else ""
    return start + (f" until {one['valid_to']}" if one["valid_to"] else "")
