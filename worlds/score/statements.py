"""What today's pipeline says of a world: one function per table of findings, each of the same shape.

Everything comes from the published index and the lake under it, by the questions that the service asks too. A rule
that is built later changes the function of its table and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chains.blocks import POSITION_BITS
from chains.ids import address_id
from heuristics import lookup
from heuristics.attribution.conclusions import Attribution, attributions
from heuristics.exposure.codes import UNATTRIBUTED
from heuristics.exposure.coins import coins_of
from heuristics.exposure.exposures import Exposure, of_wallet
from heuristics.facts import Facts
from heuristics.rules import BY_ID
from heuristics.rules.change import CHANGE, CHANGE_COSPENT, CHANGE_SELF
from heuristics.rules.services import DEPOSIT_ONCE, DEPOSIT_SWEEPS
from store.reader import Cursor, Listing
from worlds.score.attributed import first_conclusions
from worlds.score.findings import TABLES, Findings
from worlds.score.looks import looks
from worlds.score.scripts import scripts_of

_SHELLS: Final = """
SELECT a.number, s.score / 1000 AS score, s.principal_id AS principal
FROM address a LEFT JOIN wallet j ON j.cluster = coalesce(a.cluster, a.number)
JOIN shell_wallet w ON w.wallet = coalesce(j.wallet, a.cluster, a.number) JOIN shell s USING (shell)
ORDER BY a.number
"""
CHANGE_BASIS: Final = "t0_same_cluster"
_NO_ORIGIN: Final = ("unresolved",)  # a category of the flows that says that nothing is known
_CHANGE: Final = "SELECT txid, vout, rule, probability // 10 AS confidence FROM change JOIN tx USING (tx_id)"
_OWN: Final = """
SELECT coalesce(a.cluster, a.number) AS cluster, coalesce(w.wallet, a.cluster, a.number) AS wallet
FROM address a LEFT JOIN wallet w ON w.cluster = coalesce(a.cluster, a.number) ORDER BY a.number
"""
_REFUSED: Final = """
SELECT number, other, rule, min(reason) AS reason FROM refusal GROUP BY ALL ORDER BY number, other, rule
"""

_POOL_BLOCKS: Final = f"""
SELECT txid, entity_id AS entity, confidence, rule FROM pool_block JOIN tx ON tx_id = height::BIGINT << {POSITION_BITS}
WHERE entity_id IS NOT NULL
"""  # noqa: S608
_DEPOSITS: Final = f"""
WITH member AS ({_OWN.replace("SELECT ", "SELECT a.number, ")})
SELECT number, entity_id AS entity, confidence FROM claim JOIN member USING (wallet)
WHERE rule IN ({DEPOSIT_SWEEPS.id}, {DEPOSIT_ONCE.id})
UNION ALL SELECT number, entity_id, confidence FROM custody
"""  # noqa: S608


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
    return _partition(ground, "cluster")


def wallet(ground: Ground) -> pa.Table:
    """Every address and its wallet, which goes by the rank of its smallest script."""
    return _partition(ground, "wallet")


def _partition(ground: Ground, name: str) -> pa.Table:
    own = np.asarray(ground.ask(_OWN)[name])
    order: Any = pc.sort_indices(ground.scripts)
    _, first, which = np.unique(own[np.asarray(order)], return_index=True, return_inverse=True)
    return pa.table({"script": ground.scripts.take(order), name: first[which]})


def coinjoin(ground: Ground) -> pa.Table:
    """Every verdict that a transaction is of several parties."""
    found = ground.ask("SELECT txid, rule, confidence FROM coinjoin JOIN tx USING (tx_id)")
    return found.set_column(1, "rule", _labels(found["rule"]))


def change(ground: Ground) -> pa.Table:
    """Outputs that are the payer's own, by T0's evidence or by votes (T1)."""
    found = ground.ask(_CHANGE)
    labels = {rule: BY_ID[rule].label for rule in (CHANGE_SELF.id, CHANGE_COSPENT.id, CHANGE.id)}
    labels |= dict.fromkeys((CHANGE_SELF.id, CHANGE_COSPENT.id), CHANGE_BASIS)
    basis = pa.array([labels[rule] for rule in found["rule"].to_pylist()], pa.string())
    return found.drop_columns(["rule"]).append_column("basis", basis)


def attribution(ground: Ground) -> pa.Table:
    """First conclusion about every address that is attributed, through its cluster or itself."""
    found = ground.attributed
    return found.append_column("script", ground.scripts.take(found["number"].combine_chunks()))


def deposit(ground: Ground) -> pa.Table:
    """Every address that a service rule says is a deposit address, of a listed party too.

    An address that is an exchange's by its tags alone is none: tags do not say what it is there for.
    """
    found = ground.ask(_DEPOSITS)
    return found.append_column("script", ground.scripts.take(found["number"].combine_chunks()))


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
    """Every address of the wallets that may be a front's, with the score and for whom."""
    found = ground.ask(_SHELLS)
    return found.append_column("script", ground.scripts.take(found["number"].combine_chunks()))


def pool_block(ground: Ground) -> pa.Table:
    """Every block whose pool is named, by its coinbase."""
    found = ground.ask(_POOL_BLOCKS)
    return found.append_column("basis", _names(found["rule"]))


def miner(ground: Ground) -> pa.Table:
    """Every address of the wallets that are claimed to be miners'."""
    found = ground.ask(
        "SELECT number, confidence, rule FROM address a LEFT JOIN wallet w ON w.cluster = coalesce(a.cluster, number) "
        "JOIN claim c ON c.wallet = coalesce(w.wallet, a.cluster, number) WHERE category = 'miner'"
    )
    scripts = ground.scripts.take(found["number"].combine_chunks())
    return found.append_column("script", scripts).append_column("basis", _names(found["rule"]))


def refusal(ground: Ground) -> pa.Table:
    """Links of clusters that were refused; of several between the same two addresses, one."""
    found = ground.ask(_REFUSED)
    script, other = (ground.scripts.take(found[name].combine_chunks()) for name in ("number", "other"))
    rule = _names(found["rule"])
    return pa.table({"script": script, "other": other, "rule": rule, "reason": found["reason"]})


def rates(ground: Ground) -> pa.Table:
    """Count how transactions look: this says nothing of whose they are."""
    return ground.ask(looks(ground.facts))


STATEMENTS: Final[dict[str, Callable[[Ground], pa.Table]]] = {
    "cluster": cluster,
    "wallet": wallet,
    "coinjoin": coinjoin,
    "change": change,
    "attribution": attribution,
    "deposit": deposit,
    "exposure": exposure,
    "ownership": ownership,
    "shell": shell,
    "pool_block": pool_block,
    "miner": miner,
    "refusal": refusal,
    "rates": rates,
}
_SCHEMAS: Final = {table.name: table.schema for table in TABLES}


def findings(ground: Ground) -> Findings:
    """Make every statement."""
    return Findings.of(**{name: say(ground) for name, say in STATEMENTS.items()})


def _names(rule: pa.ChunkedArray) -> pa.Array:
    """Names of rules by their ids."""
    return pa.array([BY_ID[one].name for one in rule.to_pylist()], pa.string())


def _labels(rule: pa.ChunkedArray) -> pa.Array:
    """Names and versions of rules by their ids."""
    return pa.array([BY_ID[one].label for one in rule.to_pylist()], pa.string())


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
