"""The labels file: tags laid over the base, and what follows from them for wallets.

A tag speaks for the address that it names. It names the whole cluster only where its source says that it may,
or where the address is alone. What was removed from a list stays, with its dates; a tag that has ended or that its
source withdrew is kept and says nothing of now. A tag whose script shows a key speaks for the key's other scripts
as well, seen on chain or not. `heuristics.attribution.ranking` concludes who the wallets are.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from chains.bitcoin.tables import ScriptType
from chains.ids import address_id
from heuristics.attribution import ties
from heuristics.attribution.forms import Form, keys_by_hash, others, shown
from store.labels import LabelSnapshot
from store.manifest import SCHEMA_VERSION
from store.snapshot import RELATION_COLUMNS

# Grows when the same labels come to fill an overlay in another way.
OVERLAY_VERSION: Final = 5
_TAGS = """
INSERT INTO tag
SELECT t.address_id, a.number, coalesce(a.cluster, a.number), t.tag_id, t.address, t.entity_id, t.label, t.category,
       t.confidence, t.cluster_definer, t.list_id, t.listed_from, t.listed_to, t.source_name, t.source_sha256,
       t.source_date, t.source_uri, t.valid_from, t.valid_to, t.retracted,
       t.retracted IS NULL AND coalesce(t.valid_from <= $today, TRUE) AND coalesce(t.valid_to > $today, TRUE)
FROM tags t LEFT JOIN base.address a USING (address_id)
ORDER BY t.address_id, t.tag_id
"""
# What the chain shows is in the cluster already, unless the tag may not speak for the cluster.
_SAME_KEY = """
INSERT INTO same_key
SELECT k.address_id, a.number, coalesce(a.cluster, a.number), k.script_type, k.payload, k.tag_id, t.address_id,
       k.named_type, k.named_payload
FROM kin k JOIN tag t USING (tag_id) LEFT JOIN base.address a ON a.address_id = k.address_id
WHERE a.number IS NULL OR NOT t.cluster_definer OR t.cluster IS DISTINCT FROM coalesce(a.cluster, a.number)
ORDER BY k.address_id, k.tag_id
"""
_KIN = pa.schema(
    {
        "tag_id": pa.int64(),
        "address_id": pa.int64(),
        "script_type": pa.uint8(),
        "payload": pa.binary(),
        "named_type": pa.uint8(),
        "named_payload": pa.binary(),
    }
)
# The newest of what the chain and the labels know of is today, so that the same two give the same answers.
_TIP = "SELECT max(make_timestamp(time * 1000000)::DATE) FROM base.block"


def fill(con: duckdb.DuckDBPyConnection, base: str, snapshot: LabelSnapshot, lake: tuple[str, bytes]) -> None:
    """Write what sources say into a labels file.

    Parameters
    ----------
    con
        Connection to the new file, with its base attached as `base`.
    base
        The name of that base.
    snapshot
        The label version.
    lake
        Its network and secret: tags of other networks and chains are left out.
    """
    network, secret = lake
    facts = {"schema_version": str(SCHEMA_VERSION), "overlay_version": str(OVERLAY_VERSION)}
    facts |= {"label_version": snapshot.version, "base": base}
    con.register("facts", pa.table({"key": list(facts), "value": list(facts.values())}))
    con.execute("INSERT INTO label_meta FROM facts")
    _parties(con, snapshot)
    # A party's listing counts on every chain, whichever addresses the list gives.
    con.register("tags", snapshot.tags)
    ties.fill(con)
    tags = _with_ids(snapshot.tags, network, secret)
    con.register("tags", tags)
    con.execute(_TAGS, {"today": today(con, snapshot.version)})
    con.register("kin", _kin(con, tags, secret))
    con.execute(_SAME_KEY)


def today(con: duckdb.DuckDBPyConnection, label_version: str) -> date:
    """Day of the newest block or of the labels, whichever is later: what ends after it has not ended."""
    tip = con.execute(_TIP).fetchone()
    days = [tip[0]] if tip and tip[0] else []
    said = re.match(r"(\d{4})\.(\d\d)\.(\d\d)-", label_version)
    if said:
        days.append(date(*map(int, said.groups())))
    return max(days, default=date.min)


def _parties(con: duckdb.DuckDBPyConnection, snapshot: LabelSnapshot) -> None:
    """Write the entities, what is said of them, and the lists."""
    con.register("entities", snapshot.entities)
    con.execute(
        "INSERT INTO entity SELECT entity_id, name, category, jurisdictions, source_sha256 "
        "FROM entities ORDER BY entity_id"
    )
    con.register("aliases", snapshot.aliases)
    con.execute("INSERT INTO alias SELECT alias, kind, entity_id, source_sha256 FROM aliases ORDER BY ALL")
    con.register("relations", snapshot.relations)
    con.execute(f"INSERT INTO relation SELECT {', '.join(RELATION_COLUMNS)} FROM relations ORDER BY relation_id")  # noqa: S608
    con.register("lists", snapshot.lists)
    con.execute("INSERT INTO list SELECT list_id, name, date, sha256, entries FROM lists ORDER BY list_id")
    con.register("coinbase_tags", snapshot.coinbase_tags)
    con.execute(
        "INSERT INTO coinbase_tag SELECT tag, entity_id, source_name, source_sha256 FROM coinbase_tags ORDER BY ALL"
    )


def _with_ids(tags: pa.Table, network: str, secret: bytes) -> pa.Table:
    """Tags of this chain and network, with the address id of their scripts."""
    mine = pa.array(
        [
            chain == "bitcoin" and of == network and script is not None
            for chain, of, script in zip(
                *(tags[name].to_pylist() for name in ("chain", "network", "script")), strict=True
            )
        ],
        pa.bool_(),
    )
    tags = tags.filter(mine)
    ids: Any = np.fromiter((address_id(script, secret) for script in tags["script"].to_pylist()), np.int64, len(tags))
    return tags.append_column("address_id", pa.array(ids))


def _kin(con: duckdb.DuckDBPyConnection, tags: pa.Table, secret: bytes) -> pa.Table:
    """Every other script of the keys that tagged scripts show, with the tag."""
    named = [
        (tag_id, shown(script))
        for tag_id, script in zip(*(tags[c].to_pylist() for c in ("tag_id", "script")), strict=True)
    ]
    keyed = [(tag_id, form) for tag_id, form in named if form is not None]
    hashes = frozenset(form.payload for _, form in keyed if form.script_type != ScriptType.P2PK)
    seen = keys_by_hash(_seen_keys(con), hashes) if hashes else {}
    rows = [
        {"tag_id": tag_id, "address_id": one.id(secret), "script_type": one.script_type, "payload": one.payload}
        | {"named_type": form.script_type, "named_payload": form.payload}
        for tag_id, form in keyed
        for one in _siblings(form, seen.get(form.payload, ()))
    ]
    return pa.Table.from_pylist(rows, _KIN)


def _siblings(form: Form, keys: Iterable[Form]) -> list[Form]:
    """Other scripts of a form's key, and of that key where the chain shows it; each once."""
    found = [*others(form), *(one for key in keys for one in (key, *others(key)))]
    return [one for one in dict.fromkeys(found) if one != form]


def _seen_keys(con: duckdb.DuckDBPyConnection) -> Iterator[bytes]:
    """Compressed keys that are paid directly: a hash does not tell its key, but these tell their hashes."""
    found = con.execute(
        "SELECT payload FROM base.address WHERE script_type IN (?, ?)",
        [ScriptType.P2PK, ScriptType.P2PK_UNCOMPRESSED],
    )
    return (payload for (payload,) in found.fetchall())
