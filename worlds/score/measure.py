"""What every family of scores shares: the form of a score, what a figure means, and questions to Arrow tables.

A score is named `family.metric` or `family.metric[which]`. It is None where there is nothing to score: a rule that does
not exist yet, or a kind of transaction that the world does not hold.
"""

import math
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.metrics import confusion_matrix

Scores = dict[str, float | None]
Metrics = dict[str, tuple[str, str, str]]
"""Name of a score, with what stands in its brackets: what it means, its unit, which way is better (empty: neither)."""


def base(name: str) -> str:
    """Give a score's name without its brackets, by which METRICS has it."""
    return name.partition("[")[0]


def share(part: float | None, whole: float | None) -> float | None:
    """Give part / whole, None of nothing."""
    return float(part or 0) / float(whole) if whole else None


def known(value: float) -> float | None:
    """Give a library's figure, None where it has none (nan)."""
    return None if math.isnan(value) else float(value)


def f1(precision: float | None, recall: float | None) -> float | None:
    """Give the harmonic mean of precision and recall, None where either is undefined."""
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def select(sql: str, **tables: pa.Table) -> pa.Table:
    """Answer SQL over Arrow tables with an Arrow table; every table is known by its argument's name."""
    with duckdb.connect() as con:
        for name, table in tables.items():
            con.register(name, _plain(table))
        return con.sql(sql).to_arrow_table()


def _plain(table: pa.Table) -> pa.Table:
    """Give lists of strings in place of lists of dictionary codes: DuckDB can not read these where all are empty."""
    for n, column in enumerate(table.schema):
        if pa.types.is_list(column.type) and pa.types.is_dictionary(column.type.value_type):
            plain = pa.list_(column.type.value_type.value_type)
            table = table.set_column(n, column.name, table[n].cast(plain))
    return table


def rows(sql: str, **tables: pa.Table) -> list[dict[str, Any]]:
    """Answer SQL whose answer is short, row by row."""
    answer: list[dict[str, Any]] = select(sql, **tables).to_pylist()
    return answer


class Confusion(NamedTuple):
    """How often what was said is what is true, and how often not."""

    right_no: float
    false_yes: float
    missed: float
    right_yes: float

    @property
    def precision(self) -> float | None:
        """Of what was said, true."""
        return share(self.right_yes, self.right_yes + self.false_yes)

    @property
    def recall(self) -> float | None:
        """Of what is true, said."""
        return share(self.right_yes, self.right_yes + self.missed)

    @property
    def false_rate(self) -> float | None:
        """Of what is not true, said."""
        return share(self.false_yes, self.false_yes + self.right_no)


def confusion(true: npt.ArrayLike, said: npt.ArrayLike, counts: npt.ArrayLike) -> Confusion:
    """Count over rows that stand for several cases each."""
    if not np.size(counts):
        return Confusion(0.0, 0.0, 0.0, 0.0)
    matrix = confusion_matrix(true, said, labels=[False, True], sample_weight=counts)
    return Confusion(*(float(cell) for cell in matrix.ravel()))
