"""The labels file: claims laid over the base, and what follows from them for clusters.

A tag speaks for the address that it names. It names the whole cluster only where its source says that it may,
or where the address is alone. Two entities claimed with confidence of 50 or more in one cluster are a
conflict, and both are kept. What was removed from a list stays, with its dates. A tag whose script shows a key
speaks for the key's other scripts as well, seen on chain or not.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from chains.bitcoin.tables import ScriptType
from chains.ids import address_id
from heuristics.attribution.conclusions import SURE_ENOUGH
from heuristics.attribution.forms import Form, keys_by_hash, others, shown
from store.labels import LabelSnapshot
from store.manifest import SCHEMA_VERSION

# Grows when the same labels come to fill an overlay in another way.
OVERLAY_VERSION: Final = 3
_TAGS = """
INSERT INTO tag
SELECT t.address_id, a.number, coalesce(a.cluster, a.number), t.tag_id, t.address, t.entity_id, t.label, t.category,
       t.confidence, t.cluster_definer, t.list_id, t.listed_from, t.listed_to, t.source_name, t.source_sha256,
       t.source_date, t.source_uri
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
# Every tag as its address and as the other scripts of its key say it.
_SPOKEN = """
CREATE TEMP VIEW spoken AS
SELECT *, address_id AS named_id FROM tag
UNION ALL
SELECT t.* REPLACE (k.address_id AS address_id, k.number AS number, k.cluster AS cluster), k.named_id
FROM same_key k JOIN tag t USING (tag_id)
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
# Best first: listed now, listed once, then by confidence; the tag id makes it the same every time.
_ATTRIBUTIONS = """
INSERT INTO attribution
WITH speaking AS (
    SELECT t.*, coalesce(t.entity_id, chr(0) || t.category) AS party,
           CASE WHEN t.list_id IS NULL THEN 2 WHEN t.listed_to IS NULL THEN 0 ELSE 1 END AS standing
    FROM spoken t LEFT JOIN base.cluster c ON c.cluster = t.cluster
    WHERE t.cluster IS NOT NULL AND (t.cluster_definer OR c.cluster IS NULL)
), best AS (
    SELECT *, count(DISTINCT tag_id) OVER party_tags AS n_tags, max(confidence) OVER party_tags AS surest
    FROM speaking
    WINDOW party_tags AS (PARTITION BY cluster, party)
    QUALIFY row_number() OVER (PARTITION BY cluster, party ORDER BY standing, confidence DESC, tag_id, number) = 1
), judged AS (
    SELECT *, count(*) FILTER (entity_id IS NOT NULL AND surest >= $sure) OVER (PARTITION BY cluster) > 1 AS conflict
    FROM best
)
SELECT cluster,
       row_number() OVER (
           PARTITION BY cluster ORDER BY standing, confidence DESC, n_tags DESC, entity_id NULLS LAST, category
       ) - 1 AS rank,
       entity_id, category, confidence, tag_id, number, address_id, named_id, n_tags, list_id, listed_from, listed_to,
       conflict
FROM judged
ORDER BY cluster, rank
"""


def fill(con: duckdb.DuckDBPyConnection, base: Path, snapshot: LabelSnapshot, network: str, secret: bytes) -> None:
    """Fill a labels file.

    Parameters
    ----------
    con
        Connection to the new file.
    base
        The base file that the labels are laid over.
    snapshot
        The label version.
    network, secret
        The lake's: tags of other networks and chains are left out.
    """
    place = str(base).replace("'", "''")
    con.execute(f"ATTACH '{place}' AS base (READ_ONLY)")
    facts = {"schema_version": str(SCHEMA_VERSION), "overlay_version": str(OVERLAY_VERSION)}
    facts |= {"label_version": snapshot.version, "base": base.name}
    con.register("facts", pa.table({"key": list(facts), "value": list(facts.values())}))
    con.execute("INSERT INTO label_meta FROM facts")
    con.register("entities", snapshot.entities)
    con.execute(
        "INSERT INTO entity SELECT entity_id, name, category, jurisdictions, source_sha256 "
        "FROM entities ORDER BY entity_id"
    )
    con.register("lists", snapshot.lists)
    con.execute("INSERT INTO list SELECT list_id, name, date, sha256, entries FROM lists ORDER BY list_id")
    tags = _with_ids(snapshot.tags, network, secret)
    con.register("tags", tags)
    con.execute(_TAGS)
    con.register("kin", _kin(con, tags, secret))
    con.execute(_SAME_KEY)
    con.execute(_SPOKEN)
    con.execute(_ATTRIBUTIONS, {"sure": SURE_ENOUGH})
    con.execute("DETACH base")


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
