"""What the service rules conclude, as rows of the label build's tables (store/schema.sql)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from heuristics.attribution.services.owners import Owners, percent_of
from heuristics.graph import Graph
from heuristics.rules.rule import Rule

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

NOWHERE: Final = -1
_SHOWN: Final = [
    ("confidence", pa.uint8()),
    ("rule", pa.uint8()),
    ("toward", pa.int32()),
    ("tx_id", pa.int64()),
    ("n", pa.int64()),
    ("value", pa.int64()),
]
_WHO: Final = [("entity_id", pa.string()), ("category", pa.string())]
_ROLE: Final = [("role", pa.string()), ("entity_id", pa.string()), ("toward", pa.int32()), ("tx_id", pa.int64())]
_FIGURES: Final = [
    ("payers", pa.int32()),
    ("payees", pa.int32()),
    ("entropy_in", pa.float32()),
    ("entropy_out", pa.float32()),
    ("hours", pa.float32()),
    ("rounded", pa.float32()),
    ("batches", pa.int32()),
]
_LIKE: Final = [("senders", pa.int32()), ("like_id", pa.string()), ("overlap", pa.float32())]
CLAIM: Final = pa.schema([("wallet", pa.int32()), *_WHO, *_SHOWN])
CUSTODY: Final = pa.schema([("number", pa.int32()), ("wallet", pa.int32()), *_WHO, *_SHOWN])
_OF_A_WALLET: Final = [column for column in _SHOWN if column[0] != "toward"]
OMNIBUS: Final = pa.schema([("wallet", pa.int32()), *_WHO, ("addresses", pa.int64()), *_OF_A_WALLET])
ROLE: Final = pa.schema([("wallet", pa.int32()), *_ROLE, *_FIGURES])
NESTED: Final = pa.schema([("wallet", pa.int32()), ("host_id", pa.string()), *_LIKE, *_SHOWN])


def rows(schema: pa.Schema, graph: Graph, columns: Mapping[str, Any]) -> pa.Table:
    """Make a table; `place` becomes `tx_id`, and NOWHERE in `toward` null."""
    filled = dict(columns)
    place = np.asarray(filled.pop("place"))
    filled["tx_id"] = graph.tx_id(place)
    filled["toward"] = pa.array(filled["toward"], pa.int32(), mask=np.asarray(filled["toward"]) == NOWHERE)
    return pa.table({name: filled[name] for name in schema.names}, schema)


def names(known: Owners, code: Ints) -> pa.Array:
    """Entities of codes; null where a code is nobody's."""
    return pa.array(known.entity, pa.string()).take(pa.array(code, pa.int32(), mask=np.asarray(code) < 0))


def who(known: Owners, code: Ints) -> dict[str, pa.Array]:
    """Entity and category of codes, all of which are somebody's."""
    category = pa.array(known.category, pa.string()).take(pa.array(code, pa.int32()))
    return {"entity_id": names(known, code), "category": category}


def shown(rule: Rule, confidence: Any, toward: Ints) -> dict[str, Any]:
    """The rule, how sure it is, and the wallet that is reached."""
    return {"rule": one_rule(rule, len(toward)), "confidence": confidence, "toward": toward}


def percent(most: int | npt.NDArray[np.integer], doubt: Floats) -> npt.NDArray[np.uint8]:
    """Confidence of claims: of the rule, and no more than of the tags behind it."""
    return np.minimum(most, percent_of(doubt)).astype(np.uint8)


def one_rule(rule: Rule, n: int) -> npt.NDArray[np.uint8]:
    """The rule's id, `n` times."""
    return np.full(n, np.uint8(rule.id))
