"""A recorded screening as one page to read and print: no scripts, nothing from elsewhere, every text escaped."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from service.answers import Json

STYLE: Final = """
@page { size: A4; margin: 14mm }
* { box-sizing: border-box }
body { font: 10pt/1.4 system-ui, "Noto Sans JP", sans-serif; color: #111 }
body { max-width: 190mm; margin: 2em auto; padding: 0 1em }
h1 { font-size: 15pt; margin: 0 0 .4em }
h2 { font-size: 11.5pt; margin: 1.6em 0 .4em; border-bottom: 1px solid #111; break-after: avoid }
table { border-collapse: collapse; width: 100%; font-size: 8.5pt }
th, td { text-align: left; vertical-align: top; padding: .25em .5em .25em 0; border-bottom: 1px solid #bbb }
td { overflow-wrap: anywhere }
thead { display: table-header-group }
tr { break-inside: avoid }
.facts th { width: 42mm; font-weight: 600 }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.decision { border: 2px solid #111; padding: .6em .8em; font-size: 12pt }
.block, .review, .indeterminate { border-width: 4px }
code, .hash { font-family: ui-monospace, monospace; font-size: 8pt; overflow-wrap: anywhere }
.source { margin: .2em 0 .2em 1.2em; font-size: 8.5pt }
.note { color: #444; font-size: 8.5pt }
"""
DECISIONS: Final[Mapping[str, str]] = {
    "allow": "No rule of the policy stands against it.",
    "review": "A person has to decide before anything is paid.",
    "block": "A rule forbids it.",
    "indeterminate": "Not enough could be found out; this is no clearance.",
}
METHODS: Final[Mapping[str, str]] = {
    "haircut": (
        "Where coins of several origins are mixed, every coin that leaves is taken to come from all of them in "
        "proportion. Trails stop at the first attributed party that holds coins of others. Of one direction, direct "
        "and indirect shares together are 1. Ownership is told besides, and so are rows that are marked as passed "
        "through: their value is in other rows as well."
    )
}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


BREAK: Final = Markup("<br>")


def tag(name: str, *inside: Any, kind: str = "") -> Markup:
    """Write an element; whatever is inside is escaped, unless it is Markup."""
    told = "".join(part if isinstance(part, Markup) else escape(_text(part)) for part in inside)
    classes = f' class="{escape(kind)}"' if kind else ""
    return Markup(f"<{name}{classes}>{told}</{name}>")


def page(told: Json, manifest: Json) -> str:
    """Write a record and its hashes as a page."""
    parts = (
        _decision(told),
        _section("Asked", [_facts(_asked(told))]),
        _section("Reasons", _reasons(told)),
        _section("Who it is", _attributions(told)),
        _section("Suspicions", _behaviours(told)),
        _section("Exposure", _exposures(told)),
        _section("What is known", [_facts(_coverage(told))]),
        _section("As of", [_facts(_as_of(told["as_of"]))]),
        _section("Method", [tag("p", f"{told['method']}: ", METHODS.get(told["method"], ""))]),
        _section("Hashes", [_facts(_hashes(manifest), "hash"), tag("p", _PROOF, kind="note")]),
    )
    title = f"Screening {told['id']}: {told['decision']}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"{tag('title', title)}<style>{STYLE}</style></head>\n<body>{tag('h1', 'Screening ' + told['id'])}\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


_PROOF: Final = (
    "The SHA-256 of record.json stands in the audit chain under this screening: `tadoru audit verify` proves the chain "
    "whole. `tadoru replay` asks again and compares the result."
)


def _decision(told: Json) -> Markup:
    why = told["decision_reason"]
    status = (
        "" if told["status"] == "complete" else f" The answer is {told['status']}: something could not be looked at."
    )
    return tag(
        "div",
        tag("strong", told["decision"].upper()),
        f" by {why} (policy {told['policy']}). {DECISIONS.get(told['decision'], '')}{status}",
        kind=f"decision {told['decision']}",
    )


def _section(title: str, inside: Iterable[Markup]) -> Markup:
    return tag("section", tag("h2", title), *inside)


def _facts(rows: Iterable[tuple[str, Any]], kind: str = "") -> Markup:
    return tag(
        "table", *(tag("tr", tag("th", name), tag("td", value, kind=kind)) for name, value in rows), kind="facts"
    )


def _asked(told: Json) -> Iterator[tuple[str, Any]]:
    subject = told["subject"]
    yield "address", subject["canonical"]
    if subject["submitted"] != subject["canonical"]:
        yield "submitted as", subject["submitted"]
    yield "chain", subject["chain"]
    yield "seen on chain", "never" if not subject["seen_on_chain"] else f"from height {subject['first_seen_height']}"
    yield "kind", told["kind"]
    for name in ("direction", "attempt_id", "customer_ref"):
        if told[name] is not None:
            yield name.replace("_", " "), told[name]
    if told["amount"]:
        yield "amount", _money(told["amount"])
    yield "screened at", told["created_at"]
    earlier = told["links"].get("earlier")
    if earlier:
        yield "repeats", earlier.rpartition("/")[2]


def _reasons(told: Json) -> Iterator[Markup]:
    if not told["triggers"]:
        yield tag("p", "No rule fired.")
        return
    rows = [
        (one["rule_id"], one["policy"], one["action"], (one["reason"], BREAK, tag("code", one["expression"])))
        for one in told["triggers"]
    ]
    yield _table(("rule", "policy", "action", "reason, and what was evaluated"), rows)


def _attributions(told: Json) -> Iterator[Markup]:
    if not told["attributions"]:
        yield tag("p", "Nobody is known to be behind the address.")
    for one in told["attributions"]:
        evidence = one["evidence"]
        name = one["entity"]["name"] if one["entity"] else evidence["label"] or "unnamed"
        yield tag("h3", f"{name} ({one['category']})")
        yield _facts(_attribution(one))
        for source in one["sources"]:
            yield _source(source)
        if evidence["edges"]:
            rows = [
                (e["rule"], e["from_address"], e["to_address"], e["txid"], e["confidence"]) for e in evidence["edges"]
            ]
            yield _table(("rule", "address", "under one control with", "shown by transaction", "confidence"), rows)


def _attribution(one: Json) -> Iterator[tuple[str, Any]]:
    evidence = one["evidence"]
    if one["entity"]:
        yield "party", one["entity"]["id"]
        yield "jurisdictions", ", ".join(one["entity"]["jurisdictions"]) or None
    yield "basis", one["basis"].replace("_", " ")
    yield "legal status", _legal(one["legal_status"])
    yield "confidence of control", one["confidence"]
    yield "claimed of", evidence["tagged_address"]
    yield "in these words", evidence["label"]
    for other in one["conflicts"]:
        who = other["entity"]["name"] if other["entity"] else "unnamed"
        yield "contradicted by", f"{who} ({other['category']}), confidence {other['confidence']}"


def _behaviours(told: Json) -> Iterator[Markup]:
    if not told["behaviours"]:
        yield tag("p", "No rule suspects anything of the wallet.")
        return
    yield tag("p", "What the chain looks like, and nobody has confirmed; it says of nobody that the wallet is his.")
    for one in told["behaviours"]:
        yield tag("h3", f"{one['id'].replace('_', ' ')}, {one['tier']}")
        yield _facts(_behaviour(one))
        if one["lots"]:
            rows = [
                (lot["paid_in"], lot["paid_out"], _money(lot["value"]), "from it" if lot["away"] else "to it")
                for lot in one["lots"]
            ]
            yield _table(("paid in by", "passed on by", "value", "the party's money"), rows, numbers=frozenset({2}))


def _behaviour(one: Json) -> Iterator[tuple[str, Any]]:
    for name, party in (("may stand for", one["fronts_for"]), ("at", one["at"])):
        if party:
            yield name, f"{party['name']} ({party['id']})"
    yield "legal status of that party", _legal(one["legal_status"])
    yield "score", f"{one['score']} by {one['rule']}"
    yield "for", _lines(one["for"])
    yield "against", _lines(one["against"])
    yield "passed through", f"{_money(one['value'])} in {one['transactions']} transactions"
    yield "time", f"{_text(one['first_at'])[:10]} to {one['last_at'][:10]}"
    if one["txid"]:
        yield "shown by transaction", one["txid"]


def _lines(said: Iterable[str]) -> Markup:
    """Write sentences below each other."""
    return Markup(BREAK.join(escape(one) for one in said))


def _source(source: Json) -> Markup:
    uri = f", {source['uri']}" if source["uri"] else ""
    said = f"Source: {source['name']}, published {_text(source['published'])}{uri}; SHA-256 "
    return tag("p", said, tag("span", source["sha256"], kind="hash"), kind="source")


def _exposures(told: Json) -> Iterator[Markup]:
    if not told["exposures"]:
        yield tag("p", "No dealings.")
        return
    heads = ("direction", "with", "kind", "share", "value", "hops", "first", "last", "legal status")
    yield _table(heads, [_exposure(one) for one in told["exposures"]], numbers=frozenset({3, 4, 5}))


def _exposure(one: Json) -> tuple[Any, ...]:
    marks = [name.replace("_", " ") for name in ("after_designation", "unsolicited", "passes_through") if one[name]]
    where = f" ({', '.join(one['jurisdictions'])})" if one["jurisdictions"] else ""
    who = one["entity"]["name"] if one["entity"] else ""
    value = (_money(one["value"]), *((BREAK, _money(one["fiat"])) if one["fiat"] else ()))
    return (
        one["direction"],
        (*((who, where, BREAK) if who else ()), one["category"]),
        ", ".join([one["kind"], *marks]),
        one["share"],
        value,
        f"{one['min_hops']} (mean {one['mean_hops']})",
        _text(one["first_at"])[:10],
        _text(one["last_at"])[:10],
        _legal(one["legal_status"]),
    )


def _coverage(told: Json) -> Iterator[tuple[str, Any]]:
    known = told["coverage"]
    yield "history", f"heights {known['history_from_height']} to {known['indexed_height']}"
    yield "age of the newest block", f"{known['lag_s']} s when screened{' (stale)' if known['stale'] else ''}"
    yield "cut off", "yes: something could not be looked at in time" if known["truncated"] else "no"
    yield "unattributed share", known["unattributed_share"]


def _as_of(as_of: Json) -> Iterator[tuple[str, Any]]:
    yield "block", f"{as_of['height']}, {as_of['block_hash']}"
    yield "labels", as_of["labels"]
    yield "exposure by labels", as_of["exposure_labels"]
    yield "prices", as_of["prices"]
    yield "lists", ", ".join(f"{name} of {day}" for name, day in as_of["lists"].items()) or "none"
    yield "rules", ", ".join(f"{name}@{version}" for name, version in as_of["rules"].items())
    yield "generation", as_of["generation"]
    yield "software", as_of["software"]


def _hashes(manifest: Json) -> Iterator[tuple[str, Any]]:
    yield "result", manifest["result_sha256"]
    for part in manifest["parts"]:
        yield f"{part['name']} ({part['bytes']} bytes)", part["sha256"]
    yield "made at", f"{manifest['generated_at']} by software {manifest['software']}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[Any]], numbers: frozenset[int] = frozenset()) -> Markup:
    """Write rows; a cell is a value, or a tuple of values and elements."""
    told = (tag("tr", *(_cell(value, "number" if i in numbers else "") for i, value in enumerate(row))) for row in rows)
    return tag("table", tag("thead", tag("tr", *(tag("th", head) for head in heads))), tag("tbody", *told))


def _cell(value: Any, kind: str) -> Markup:
    return tag("td", *(value if isinstance(value, tuple) else (value,)), kind=kind)


def _legal(status: Json | None) -> str:
    if status is None:
        return "not listed"
    since = f"{status['list']} since {_text(status['listed_from'])}"
    return f"{since}, removed {status['listed_to']}" if status["listed_to"] else since


def _money(amount: Json) -> str:
    return f"{amount['value']} {amount['currency']}"


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
