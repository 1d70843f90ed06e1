"""`tadoru paths`, `trace` and `evidence`: the transactions behind an answer, as the API tells them."""

from collections.abc import Iterator
from pathlib import Path

from service import trails
from service.answers import Json
from service.asof import AsOf
from service.commands.common import chosen
from service.console import Console
from service.desk import desk_for_once
from service.evidence import evidence as graph_of
from service.trails import Asked, Following

When = tuple[int | None, str | None]
"""A height and a label version to ask as of; None: now."""
_WIDTH = 16  # of an amount


def paths(address: str, asked: Asked, when: When, data: Path | None, *, as_json: bool) -> None:
    """Show the paths that carry most between an address's owner and a party."""
    settings = chosen(data)
    with desk_for_once(settings) as desk, desk.live.ask(None, AsOf(*when).generation(desk.live)) as question:
        told = trails.paths(question, settings, address, asked)
    Console(as_json=as_json).answer(told, _paths(told))


def _paths(told: Json) -> Iterator[str]:
    who = _who(told["to"])
    yield f"{told['subject']['canonical']}: {told['direction']} by {told['method']}, {who}"
    if not told["paths"]:
        yield f"  no path {'to' if told['direction'] == 'sent' else 'from'} {who}"
    for path in told["paths"]:
        end = _who(path["ends_at"]) if path["ends_at"] else "(longer than paths may be)"
        yield f"  {path['value']['value']} BTC ({path['share']}), fifo {path['fifo']['value']}: {end}  {path['id']}"
        for step in path["steps"]:
            coin = f"{step['txid'] or '(before the history)'}:{step['vout']}"
            yield (
                f"    {coin}  {step['value']['value']:>{_WIDTH}} BTC, {step['haircut']['value']} of it  "
                f"{step['address'] or '(no address form)'}  {step['paid_at'] or ''}"
            )
    if told["truncated"]:
        yield "  there may be other paths that carry more, or longer ones"


def _who(one: Json) -> str:
    return f"{one['entity']['name']} [{one['category']}]" if one["entity"] else f"[{one['category']}]"


def trace(outpoint: str, how: Following, when: When, data: Path | None, *, as_json: bool) -> None:
    """Follow one output."""
    settings, coin = chosen(data), trails.read_outpoint(outpoint)
    with desk_for_once(settings) as desk, desk.live.ask(None, AsOf(*when).generation(desk.live)) as question:
        told = trails.trace(question, settings, coin, how)
    Console(as_json=as_json).answer(told, _trace(told))


def _trace(told: Json) -> Iterator[str]:
    subject = told["subject"]
    most = ", at most" if told["at_most"] else ""
    yield (
        f"{subject['txid']}:{subject['vout']}  {subject['value']['value']} BTC  "
        f"{subject['address'] or '(no address form)'}: {told['direction']} by {told['method']}{most}"
    )
    yield f"  {'BTC':>{_WIDTH}}  {'share':>8}  {'hops':>5}  {'coins':>6}  from        to          ends"
    for end in told["ends"]:
        yield (
            f"  {end['value']['value']:>{_WIDTH}}  {end['share'] or '':>8}  {end['hops']:>5}  {end['coins']:>6}  "
            f"{_day(end['first_at'])}  {_day(end['last_at'])}  {_who(end)}"
        )
    for cut in told["cut_off"]:
        yield (
            f"  {cut['value']['value']:>{_WIDTH}}  {cut['share'] or '':>8}  {'':>5}  {cut['coins']:>6}  "
            f"{'':10}  {'':10}  cut off by {cut['limit']}"
        )
    yield f"  through {told['visited']} transactions"


def _day(time: str | None) -> str:
    return time[:10] if time else " " * 10


def evidence(screening_id: str, data: Path | None, *, as_json: bool) -> None:
    """Show the graph behind a recorded screening."""
    with desk_for_once(chosen(data)) as desk:
        told = graph_of(desk, screening_id)
    Console(as_json=as_json).answer(told, _evidence(told))


def _evidence(told: Json) -> Iterator[str]:
    why = "exposures that rules matched" if told["chosen_by"] == "triggers" else "listed parties and risks"
    yield f"{told['id']} of {told['subject']['canonical']}: {why}"
    for one in told["exposures"]:
        yield f"  {one['direction']} {_who(one)}: {len(one['paths'])} paths"
        for path in one["paths"]:
            yield f"    {path['value']['value']} BTC ({path['share']})  {path['id']}"
    yield f"  {len(told['nodes'])} nodes"
    for edge in told["edges"]:
        yield "  " + _edge(edge)
    if told["truncated"]:
        yield "  there may be other paths, or longer ones"


def _edge(edge: Json) -> str:
    ends = f"{edge['type']:11} {edge['from_node']} -> {edge['to_node']}"
    if edge["type"] == "coin":
        return f"{ends}  {edge['coin']}  {edge['value']['value']} BTC, {edge['haircut']['value']} of it"
    facts = [str(edge[name]) for name in ("rule", "txid", "confidence") if edge[name] is not None]
    return f"{ends}  {', '.join(facts)}".rstrip()
