"""What today's pipeline says of a world: one function per table of findings, each of the same shape.

Everything comes from the published index and the lake under it, by the questions that the service asks too. A rule
that is built later changes the function of its table and nothing else.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chains.ids import address_id
from heuristics import lookup
from heuristics.attribution.conclusions import Attribution, attributions
from heuristics.exposure.codes import UNATTRIBUTED
from heuristics.exposure.coins import coins_of
from heuristics.exposure.exposures import Exposure, of_wallet
from heuristics.facts import Facts
from heuristics.rules import BY_ID
from store.reader import Cursor, Listing
from worlds.score.attributed import first_conclusions
from worlds.score.findings import TABLES, Findings
from worlds.score.looks import looks
from worlds.score.scripts import scripts_of

CHANGE_BASIS: Final = "t0_same_cluster"
_CHANGE_CONFIDENCE: Final = (50, 99)  # whether the output pays an address that the transaction spends from
_NO_ORIGIN: Final = ("unresolved",)  # a category of the flows that says that nothing is known
_CHANGE: Final = """
WITH owner AS (
    SELECT address_id, coalesce(cluster, number) AS cluster FROM address
), payer AS (
    SELECT tx_id, min(cluster) AS cluster
    FROM {spend} LEFT JOIN owner USING (address_id) ANTI JOIN coinjoin USING (tx_id)
    GROUP BY tx_id HAVING min(cluster) = max(cluster) AND count(cluster) = count(*)
), paid AS (
    SELECT tx_id, vout, address_id, o.cluster, p.cluster AS payer, count(*) OVER (PARTITION BY tx_id) AS n_spendable
    FROM {output} JOIN owner o USING (address_id) JOIN payer p USING (tx_id)
), back AS (
    FROM paid WHERE cluster = payer AND n_spendable > 1 QUALIFY count(*) OVER (PARTITION BY tx_id) = 1
), reused AS (
    SELECT DISTINCT tx_id, address_id FROM {spend}
)
SELECT txid, vout, reused.tx_id IS NOT NULL AS reused
FROM back JOIN tx USING (tx_id) LEFT JOIN reused USING (tx_id, address_id)
"""


class Asked(NamedTuple):
    """An address to screen, and what the service's own questions say of it."""

    script: bytes
    basis: str
    """Of the first conclusion about it; empty where there is none."""
    listed: bool
    """Whether that is a listing in force; where there are several conclusions, such a one comes first."""
    dealings: list[Exposure]


@dataclass(frozen=True)
class Ground:
    """What statements are made from."""

    cur: Cursor
    """For look-ups, as the service makes them."""
    con: duckdb.DuckDBPyConnection
    """For questions about whole tables of the same generation."""
    facts: Facts
    wallets: tuple[bytes, ...]
    """Scripts of the addresses to screen."""

    def ask(self, sql: str) -> pa.Table:
        """Answer a question about whole tables."""
        return self.con.sql(sql).to_arrow_table()

    @cached_property
    def scripts(self) -> pa.Array:
        """Locking script of every address, by number."""
        rows = self.ask("SELECT script_type, payload FROM address ORDER BY number").combine_chunks()
        payloads = rows["payload"].combine_chunks()
        return scripts_of(np.asarray(rows["script_type"]), payloads)

    @cached_property
    def attributed(self) -> pa.Table:
        """First conclusion about every address that is attributed, by number."""
        return first_conclusions(self.con, len(self.scripts))

    @cached_property
    def asked(self) -> list[Asked]:
        """Every address to screen with what is known of it, be it that it was never seen."""
        dealings: dict[int, list[Exposure]] = {}
        found = []
        for script in self.wallets:
            name = address_id(script, self.facts.lake.secret)
            seen = lookup.address(self.cur, name)
            if seen is None:
                said = attributions(self.cur, None, name)
                found.append(Asked(script, *_judged(said), []))
                continue
            wallet = coins_of(self.cur).wallet_of(seen.number)
            if wallet not in dealings:
                dealings[wallet] = of_wallet(self.cur, seen.number)
            found.append(Asked(script, *self._concluded(seen.number), dealings[wallet]))
        return found

    def _concluded(self, number: int) -> tuple[str, bool]:
        """Basis of the first conclusion about an address, and whether it is listed."""
        row = int(np.searchsorted(self._concluded_on, number))
        if row == len(self._concluded_on) or self._concluded_on[row] != number:
            return "", False
        return self.attributed["basis"][row].as_py(), self.attributed["listed"][row].as_py()

    @cached_property
    def _concluded_on(self) -> npt.NDArray[np.int64]:
        return np.asarray(self.attributed["number"], np.int64)


def cluster(ground: Ground) -> pa.Table:
    """Every address and its cluster, which goes by the rank of its smallest script."""
    own = np.asarray(ground.ask("SELECT coalesce(cluster, number) AS own FROM address ORDER BY number")["own"])
    order: Any = pc.sort_indices(ground.scripts)
    _, first, which = np.unique(own[np.asarray(order)], return_index=True, return_inverse=True)
    return pa.table({"script": ground.scripts.take(order), "cluster": first[which]})


def coinjoin(ground: Ground) -> pa.Table:
    """Every verdict that a transaction is of several parties."""
    found = ground.ask("SELECT txid, rule, confidence FROM coinjoin JOIN tx USING (tx_id)")
    labels = pa.array([BY_ID[rule].label for rule in found["rule"].to_pylist()], pa.string())
    return found.set_column(1, "rule", labels)


def change(ground: Ground) -> pa.Table:
    """Outputs that co-spending (T0) shows to be the payer's own: the only one of its cluster, among two or more."""
    facts = ground.facts
    found = ground.ask(_CHANGE.format(spend=facts.sql("spend"), output=facts.sql("output")))
    confidence = np.array(_CHANGE_CONFIDENCE)[np.asarray(found["reused"]).astype(np.int64)]
    basis = pa.repeat(CHANGE_BASIS, len(found))
    return pa.table({"txid": found["txid"], "vout": found["vout"], "confidence": confidence, "basis": basis})


def attribution(ground: Ground) -> pa.Table:
    """First conclusion about every address that is attributed, through its cluster or itself."""
    found = ground.attributed
    return found.append_column("script", ground.scripts.take(found["number"].combine_chunks()))


def deposit(ground: Ground) -> pa.Table:
    """Take every address that is attributed to an exchange: no rule tells deposit addresses yet.

    What is attributed to a listed party has that party's category, so a listed exchange's addresses are not among
    them: they count as nobody's.
    """
    found = attribution(ground)
    return found.filter(pc.equal(found["category"], "exchange"))


def exposure(ground: Ground) -> pa.Table:
    """Where the money of every address to screen came from and went, through its wallet; by haircut."""
    rows: dict[tuple[bytes, str, str, str], tuple[float, int]] = {}
    for one in ground.asked:
        for dealt in (dealt for dealt in one.dealings if not dealt.passes_through):
            key = one.script, dealt.direction, dealt.entity_id or "", _category(dealt)
            share, value = rows.get(key, (0.0, 0))
            rows[key] = share + float(dealt.share), value + dealt.value
    names = ["script", "direction", "entity", "category", "share", "value"]
    return _table("exposure", (dict(zip(names, (*key, *sums), strict=True)) for key, sums in rows.items()))


def ownership(ground: Ground) -> pa.Table:
    """Whether every address to screen is concluded to be a listed party's, by the first conclusion that says so."""
    rows = ({"script": one.script, "listed": one.listed, "basis": one.basis} for one in ground.asked)
    return _table("ownership", rows)


def shell(ground: Ground) -> pa.Table:
    """Rank who is not attributed by the larger direct share with one listed party: no rule tells shells yet."""

    def row(one: Asked) -> dict[str, Any]:
        # What was before the designation and what was after it, or unsolicited, are rows of their own.
        direct: defaultdict[tuple[str, str], float] = defaultdict(float)
        for e in one.dealings:
            if e.kind == "direct" and _stands(e.listing) and e.entity_id:
                direct[e.direction, e.entity_id] += float(e.share)
        score, principal = max(((share, who) for (_, who), share in direct.items()), default=(0.0, ""))
        return {"script": one.script, "score": score, "principal": principal if score else ""}

    return _table("shell", (row(one) for one in ground.asked if not one.basis))


def refusal(_: Ground) -> pa.Table:
    """Give none: no rule refuses a merge yet."""
    return _table("refusal", ())


def rates(ground: Ground) -> pa.Table:
    """Count how transactions look: this says nothing of whose they are."""
    return ground.ask(looks(ground.facts))


STATEMENTS: Final[dict[str, Callable[[Ground], pa.Table]]] = {
    "cluster": cluster,
    "coinjoin": coinjoin,
    "change": change,
    "attribution": attribution,
    "deposit": deposit,
    "exposure": exposure,
    "ownership": ownership,
    "shell": shell,
    "refusal": refusal,
    "rates": rates,
}
_SCHEMAS: Final = {table.name: table.schema for table in TABLES}


def findings(ground: Ground) -> Findings:
    """Make every statement."""
    return Findings.of(**{name: say(ground) for name, say in STATEMENTS.items()})


def _category(dealt: Exposure) -> str:
    """Category as truth has it: a party that is listed is that first, and an origin unknown is nobody's."""
    if _stands(dealt.listing):
        return "sanctioned_entity"
    return UNATTRIBUTED if dealt.category in _NO_ORIGIN else dealt.category


def _judged(said: Sequence[Attribution]) -> tuple[str, bool]:
    """Basis of the first conclusion, and whether it is a listing in force."""
    return (said[0].basis, _stands(said[0].listing)) if said else ("", False)


def _stands(listing: Listing | None) -> bool:
    """Whether a listing is in force."""
    return listing is not None and listing.listed_to is None


def _table(name: str, rows: Any) -> pa.Table:
    return pa.Table.from_pylist(list(rows), _SCHEMAS[name])
