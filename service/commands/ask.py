"""`tadoru screen`, `exposure`, `why` and `tx`: questions, answered as the API answers them."""

from collections.abc import Iterator
from pathlib import Path

from chains.errors import AddressError
from heuristics.exposure.exposures import MOST_TRANSACTIONS
from service import by_method, reading, screening
from service.answers import Json
from service.asof import AsOf, Scope
from service.by_method import How
from service.commands.common import chosen
from service.console import Console
from service.desk import desk_for_once
from service.exits import Exit, UsageError
from service.rulebook import load

SUSPICIONS = {
    "pass_through": "a front for",
    "nested_service": "the account of a service at",
    "miner_account": "the account of a miner at",
    "miner_cashing_out": "a miner who sells at",
}
SCOPES: dict[str, Scope] = {"cluster": "cluster", "address": "address"}
_MIXTURES = {"sources": "from", "destinations": "to", "see_through": "went in"}
PATIENCE_MS = 10_000  # somebody who types a command would rather wait than read "indeterminate"


def screen(addresses: list[str], policy: str | None, data: Path | None, *, as_json: bool) -> Exit:
    """Screen addresses in turn; an address that is none does not keep the others from being screened."""
    settings, console = chosen(data), Console(as_json=as_json)
    worst, wrong = Exit.OK, 0
    with desk_for_once(settings) as desk:
        rules = load(policy or settings.policy)
        for text in addresses:
            try:
                told = screening.screen(desk, screening.Request(text, timeout_ms=PATIENCE_MS), rules).answer
            except AddressError as error:
                if len(addresses) == 1:
                    raise
                wrong += 1
                console.answer({"address": text, "error": str(error)}, [f"{text}: {error}"])
                continue
            console.answer(told, describe(told))
            if told["decision"] != "allow":
                worst = Exit.NO
    return Exit.INPUT if wrong else worst


def describe(told: Json) -> Iterator[str]:
    """Tell a screening in lines: the decision, who it is, whom he dealt with, and how much is known."""
    subject, as_of = told["subject"], told["as_of"]
    seen = "" if subject["seen_on_chain"] else ", never seen on chain"
    yield f"{told['decision'].upper():13} {subject['canonical']} ({told['decision_reason']}{seen})"
    for rule in told["triggers"]:
        yield f"  rule {rule['rule_id']} of {rule['policy']}: {rule['reason']}"
        yield f"    {rule['expression']}"
    for one in told["attributions"]:
        yield from attribution_lines(one)
    for one in told["behaviours"]:
        yield from behaviour_lines(one)
    for one in told["exposures"]:
        if one["kind"] != "ownership":
            yield "  " + exposure_line(one)
    yield (
        f"  as of block {as_of['height']} {as_of['block_hash'][:16]}…, labels {as_of['labels']}; "
        f"{told['id']}, result {told['result_sha256'][:16]}…"
    )


def attribution_lines(one: Json) -> Iterator[str]:
    """Tell a conclusion: who it is, who says so, and the steps that lead there."""
    who = one["entity"]["name"] if one["entity"] else one["evidence"]["label"] or "unnamed"
    by = f" by {one['evidence']['rule']}" if one["evidence"]["rule"] else ""
    yield f"  is {who} [{one['category']}], {one['basis']}{by}, confidence {one['confidence']}{_listed(one)}"
    for source in one["sources"]:
        yield f"    says {source['name']} of {source['published']} (sha256 {source['sha256'][:16]}…)"
    for edge in one["evidence"]["edges"]:
        yield "    " + edge_line(edge)


def behaviour_lines(one: Json) -> Iterator[str]:
    """Tell a suspicion: what the wallet may be, what speaks for it, and what against it."""
    party = one["fronts_for"] or one["at"]
    who = party["name"] if party else "a party without a name"
    yield (
        f"  may be {SUSPICIONS[one['id']]} {who}{_listed(one)}: {one['tier']} by {one['rule']}, score {one['score']}, "
        f"{one['value']['value']} BTC in {one['transactions']} tx until {one['last_at'][:10]}"
    )
    yield from (f"    for: {said}" for said in one["for"])
    yield from (f"    against: {said}" for said in one["against"])
    for lot in one["lots"]:
        yield f"    {lot['value']['value']} BTC came in {lot['paid_in']} and went on in {lot['paid_out']}"


def edge_line(edge: Json) -> str:
    """Tell one step of evidence."""
    by = f" ({', '.join(edge['families'])})" if edge["families"] else ""
    return (
        f"{edge['from_address'] or '(no address form)'} with {edge['to_address'] or '(no address form)'}: "
        f"{edge['rule']}{by} in {edge['txid']}, confidence {edge['confidence']}"
    )


def exposure_line(one: Json) -> str:
    """Tell one exposure."""
    who = one["entity"]["name"] if one["entity"] else one["category"]
    after = ", after the designation" if one["after_designation"] else ""
    kind = f"indirect over {one['min_hops']} hops or more" if one["kind"] == "indirect" else one["kind"]
    after += ", dust" if one["unsolicited"] else ""
    after += ", counted behind it as well" if one["passes_through"] else ""
    return (
        f"{one['direction']} {one['value']['value']} BTC ({one['share']}) {kind} {who} "
        f"[{one['category']}] in {one['transactions']} tx, {one['first_at'][:10]} to {one['last_at'][:10]}"
        f"{_listed(one)}{after}{_bounds(one)}"
    )


def _bounds(one: Json) -> str:
    if one.get("interval"):
        return f", {one['interval']['low']} to {one['interval']['high']} by any method"
    return ", depends on the method" if one.get("method_dependent") else ""


def _method_lines(told: Json) -> Iterator[str]:
    """Tell exposure by FIFO or poison."""
    most = "at most " if told["at_most"] else ""
    yield f"{told['subject']['canonical']}: by {told['method']}"
    for one in told["exposures"]:
        who = one["entity"]["name"] if one["entity"] else one["category"]
        yield (
            f"{one['direction']} {most}{one['value']['value']} BTC ({most}{one['share']}) {who} [{one['category']}], "
            f"{one['min_hops']} hops or more{_listed(one)}"
        )
    if not told["exposures"]:
        yield "no dealings" if told["subject"]["seen_on_chain"] else "never seen on chain"


def total_line(one: Json) -> str:
    """Tell one sum."""
    fiat = f" ({one['fiat']['value']} {one['fiat']['currency']})" if one["fiat"] else ""
    return (
        f"{one['direction']} in all {one['value']['value']} BTC{fiat} ({one['share']}) {one['kind']} {one['category']}"
    )


def _listed(one: Json) -> str:
    status = one["legal_status"]
    if status is None:
        return ""
    until = f" until {status['listed_to']}" if status["listed_to"] else ""
    return f", listed {status['list']} since {status['listed_from']}{until}"


def exposure(
    address: str, when: tuple[int | None, str | None], how: tuple[str, str, bool], data: Path | None, *, as_json: bool
) -> None:
    """Show whom an address's owner, or the address itself, dealt with, now or as of a height and labels."""
    method, scope, interval = how
    if scope not in SCOPES:
        raise UsageError(f"--scope {scope}: scopes are {', '.join(SCOPES)}")
    settings = chosen(data)
    with desk_for_once(settings) as desk, desk.live.ask(None, AsOf(*when).generation(desk.live)) as question:
        told = by_method.exposure(question, settings, address, How(method, SCOPES[scope], interval))
    if "totals" not in told:
        Console(as_json=as_json).answer(told, _method_lines(told))
        return
    lines = [exposure_line(one) for one in told["exposures"]]
    if told["coverage"]["truncated"]:
        lines.append(f"only the newest {MOST_TRANSACTIONS} transactions of the address were looked at")
    lines += [total_line(one) for one in told["totals"]["by_category"]]
    seen = told["subject"]["seen_on_chain"]
    nothing = "no dealings" if seen else "never seen on chain"
    Console(as_json=as_json).answer(told, [told["subject"]["canonical"], *(lines or [nothing])])


def why(address: str, other: str, when: tuple[int | None, str | None], data: Path | None, *, as_json: bool) -> Exit:
    """Show the chain of evidence between two addresses, now or as of a height and labels."""
    with desk_for_once(chosen(data)) as desk, desk.live.ask(None, AsOf(*when).generation(desk.live)) as question:
        told = reading.why(question, address, other)
    if told["together"]:
        lines = [edge_line(edge) for edge in told["steps"]] or ["these are the same address"]
    else:
        lines = ["no rule says that these two are under one control"]
    Console(as_json=as_json).answer(told, lines)
    return Exit.OK if told["together"] else Exit.NO


def transaction(txid: str, data: Path | None, *, as_json: bool) -> None:
    """Show a transaction."""
    with desk_for_once(chosen(data)) as desk, desk.live.ask() as question:
        told = reading.transaction(question, txid)
    Console(as_json=as_json).answer(told, _transaction_lines(told))


def _transaction_lines(told: Json) -> Iterator[str]:
    fee = told["fee"]["value"] + " BTC" if told["fee"] else "unknown"
    yield f"{told['txid']} in block {told['height']} at {told['time']}, {told['weight']} weight units, fee {fee}"
    verdict = told["coinjoin"]
    if verdict:
        yield f"  multi-party by {verdict['rule']}, confidence {verdict['confidence']}: inputs are not united"
    for side in ("inputs", "outputs"):
        for end in told[side]:
            value = end["value"]["value"] if end["value"] else "unknown"
            yield f"  {side[:-1]:6} {end['position']:>4}  {value:>16}  {end['address'] or end['script_type'] or '?'}"
    for side, words in _MIXTURES.items():
        for one in told[side] or ():
            who = one["entity"]["name"] if one["entity"] else one["category"]
            yield f"  {words} {one['share']} {who} [{one['category']}], {one['min_hops']} hops"
