"""Reading a generation: one in-memory DuckDB connection with the generation's databases attached read-only.

Questions ask views with the tables' plain names, so that a table may come to lie in several files. Folders of arrays
are mapped beside them.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import numpy.typing as npt

from store.arrays import Arrays
from store.errors import DamagedError

Params = Sequence[int | str | bytes | Sequence[int] | None]
# One process answers many small questions at once; a thread pool inside each would only cost switching.
READER_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "python_enable_replacements": False,
    "preserve_insertion_order": True,
}


# Planning a look-up by key costs as much as doing it; these passes are enough for such questions.
OPTIMIZERS = frozenset({"expression_rewriter", "filter_pushdown", "unused_columns", "top_n", "limit_pushdown"})
_ANSWER = "entity_id, category, list_id, listed_from, listed_to"
_ATTRIBUTED = f"""
    SELECT cluster, (dense_rank() OVER (ORDER BY {_ANSWER}) - 1)::INTEGER AS answer, confidence
    FROM attribution WHERE rank = 0 ORDER BY cluster
"""  # noqa: S608
# What tags say of the other scripts of their keys.
_INHERITED = """(
    SELECT k.address_id, k.cluster, t.list_id, t.entity_id, t.listed_from, t.listed_to
    FROM same_key k JOIN tag t USING (tag_id)
)"""


_ALIASES = (
    "SELECT alias, min(entity_id) FROM alias GROUP BY alias "
    "HAVING bool_or(kind = 'id') OR count(DISTINCT entity_id) = 1 ORDER BY alias"
)


# What rules suspect, by wallet or by an address's number: a wallet goes by the number of an address as well.
_SUSPECTED = (
    "SELECT wallet AS x FROM shell_wallet UNION SELECT wallet FROM nested UNION SELECT number FROM lead ORDER BY x"
)


@dataclass(frozen=True, slots=True)
class Listing:
    """One legal listing of an address: dates are inclusive, `listed_to` None while it stands."""

    list_id: str
    entity_id: str | None
    listed_from: date | None
    listed_to: date | None


@dataclass(frozen=True, slots=True)
class Entity:
    """A real-world party; jurisdictions are ISO 3166-1 alpha-2."""

    entity_id: str
    name: str
    category: str
    jurisdictions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tie:
    """How a party counts as listed by relation: kinds on the way, days as in Listing, relation ids nearest first.

    `percent` is what blocked owners hold together as it begins; None where the tie is not by ownership.
    """

    list_id: str
    kinds: tuple[str, ...]
    tied_from: date | None
    tied_to: date | None
    percent: Decimal | None
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Who a cluster is, as its best attribution says; several clusters share one."""

    entity_id: str | None
    category: str
    listing: Listing | None


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept in memory of a generation, so that most questions about labels cost no look-up."""

    tagged: npt.NDArray[np.int64]
    """Address ids that have a tag, sorted."""
    same_key: npt.NDArray[np.int64]
    """Address ids of other scripts of a tagged key, sorted."""
    attributed: npt.NDArray[np.int32]
    """Clusters that have an attribution, sorted."""
    answer: npt.NDArray[np.int32]
    """For each of `attributed`: which of `answers` it is."""
    confidence: npt.NDArray[np.uint8]
    """For each of `attributed`: percent."""
    suspected: npt.NDArray[np.int32]
    """Wallets and addresses, by their numbers, that a rule suspects of something, sorted."""
    answers: Sequence[Answer]
    """Every different best attribution."""
    listings: Mapping[int, tuple[Listing, ...]]
    """Legal listings by address id, past ones included, of the address or of another script of its key."""
    inherited: Mapping[int, frozenset[Listing]]
    """Those of the listings that name another script of the key only."""
    entities: Mapping[str, Entity]
    """Every entity of the label version, by its id."""
    ties: Mapping[str, tuple[Tie, ...]]
    """How entities count as listed, by the entity's id."""
    aliases: Mapping[str, str]
    """Ids under which other sources know entities, and names that are one entity's alone; each with its id."""
    first_height: int
    block_times: npt.NDArray[np.int64]
    """Header times, seconds since 1970 UTC, from `first_height` on."""


class Memory:
    """Small facts that were looked up before, by key; a generation never changes, so they stay true.

    Shared by all threads of a reader. When it is full the oldest entries go.
    """

    def __init__(self, most: int = 50_000) -> None:
        """Begin empty; `most` entries of some 300 bytes are kept."""
        self._most = most
        self._lock = Lock()
        self._facts: dict[tuple[str, int], Any] = {}

    def known(self, kind: str, keys: Iterable[int]) -> dict[int, Any]:
        """Those of the keys that are remembered, with what is remembered of them."""
        found = ((key, self._facts.get((kind, key))) for key in keys)
        return {key: fact for key, fact in found if fact is not None}

    def learn(self, kind: str, facts: Mapping[int, Any]) -> None:
        """Remember."""
        with self._lock:
            for key, fact in facts.items():
                self._facts[kind, key] = fact
            while len(self._facts) > self._most:
                del self._facts[next(iter(self._facts))]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all cursors of a reader have: what is in memory, and the arrays by kind of folder."""

    known: Known
    memory: Memory
    arrays: Mapping[str, Arrays]
    kept: dict[str, Any] = field(default_factory=dict)
    """What was made of the arrays once, by name."""


class Cursor:
    """One thread's way to ask a generation; cheap to make."""

    __slots__ = ("_connection", "arrays", "kept", "known", "memory")

    def __init__(self, connection: duckdb.DuckDBPyConnection, shared: "Shared") -> None:
        """Wrap a connection of its own."""
        self._connection = connection
        self.known = shared.known
        self.memory = shared.memory
        self.arrays = shared.arrays
        self.kept = shared.kept

    @property
    def shared(self) -> "Shared":
        """What all cursors of the reader have."""
        return Shared(self.known, self.memory, self.arrays, self.kept)

    def rows(self, sql: str, params: Params = ()) -> list[Any]:
        """All rows of a statement."""
        return self._connection.execute(sql, params).fetchall()

    def row(self, sql: str, params: Params = ()) -> Any:
        """Return the first row of a statement, or None."""
        return self._connection.execute(sql, params).fetchone()

    def execute(self, sql: str, params: Params = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement; the connection it returns can be fetched from."""
        return self._connection.execute(sql, params)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class Reader:
    """A generation that is open; threads take a cursor each. Closing it lets the generation be pruned."""

    def __init__(self, files: Sequence[Path], lock: int = -1) -> None:
        """Attach the files and look at what they hold.

        Parameters
        ----------
        files
            Base first, then what lies over it.
        lock
            A file descriptor to close with the reader; -1 for none.
        """
        self._lock = lock
        self._connection = duckdb.connect(config=READER_CONFIG)
        try:
            for i, path in enumerate(path for path in files if not path.is_dir()):
                self._connection.execute(f"ATTACH '{_quoted(path)}' AS f{i} (READ_ONLY)")
            self._create_views()
            self.known = self._load_known()
            self._plan_briefly()
            folders = {path.suffix[1:]: Arrays(path) for path in files if path.is_dir()}
            self._shared = Shared(self.known, Memory(), folders)
        except (duckdb.Error, DamagedError):
            self._connection.close()
            raise

    def cursor(self) -> Cursor:
        """Return a cursor for one thread or request."""
        return Cursor(self._connection.cursor(), self._shared)

    def close(self) -> None:
        """Detach the files and let go of the generation."""
        self._connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        """Use as a context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _create_views(self) -> None:
        """One view per table, over every file that holds it."""
        places = defaultdict(list)
        found = self._connection.execute(
            "SELECT table_name, database_name FROM duckdb_tables() "
            "WHERE NOT internal AND database_name LIKE 'f%' ORDER BY database_name"
        )
        for table, database in found.fetchall():
            places[table].append(f'FROM {database}.main."{table}"')
        for table, selects in places.items():
            self._connection.execute(f'CREATE VIEW "{table}" AS {" UNION ALL ".join(selects)}')

    def _plan_briefly(self) -> None:
        """Leave out the optimizer passes that look-ups have no use for."""
        names = [row[0] for row in self._connection.execute("FROM duckdb_optimizers()").fetchall()]
        without = ",".join(name for name in names if name not in OPTIMIZERS)
        self._connection.execute(f"SET disabled_optimizers = '{without}'")

    def _load_known(self) -> Known:
        named = self._load_listings("address_id", "tag")
        inherited = self._load_listings("address_id", _INHERITED)
        heights = self._connection.execute("SELECT min(height), count(*) FROM block").fetchone() or (0, 0)
        attributed = self._connection.execute(_ATTRIBUTED).fetchnumpy()
        return Known(
            tagged=self._column("SELECT DISTINCT address_id AS x FROM tag ORDER BY x"),
            same_key=self._column("SELECT DISTINCT address_id AS x FROM same_key ORDER BY x"),
            attributed=np.asarray(attributed["cluster"]),
            answer=np.asarray(attributed["answer"]),
            confidence=np.asarray(attributed["confidence"]),
            suspected=self._column(_SUSPECTED),
            answers=self._load_answers(),
            listings={
                key: tuple(dict.fromkeys(named.get(key, ()) + inherited.get(key, ()))) for key in {**named, **inherited}
            },
            inherited={key: frozenset(some).difference(named.get(key, ())) for key, some in inherited.items()},
            entities=self._load_entities(),
            ties=self._load_ties(),
            aliases=dict(self._connection.execute(_ALIASES).fetchall()),
            first_height=int(heights[0] or 0),
            block_times=self._column("SELECT time AS x FROM block ORDER BY height"),
        )

    def _load_listings(self, key: str, tags: str) -> dict[int, tuple[Listing, ...]]:
        listings: dict[int, list[Listing]] = defaultdict(list)
        for row in self._connection.execute(
            f"SELECT DISTINCT {key}, list_id, entity_id, listed_from, listed_to FROM {tags} "  # noqa: S608
            "WHERE list_id IS NOT NULL ORDER BY ALL"
        ).fetchall():
            listings[row[0]].append(Listing(*row[1:]))
        return {key: tuple(values) for key, values in listings.items()}

    def _load_answers(self) -> list[Answer]:
        rows = self._connection.execute(f"SELECT {_ANSWER} FROM attribution WHERE rank = 0 GROUP BY ALL ORDER BY ALL")  # noqa: S608
        return [
            Answer(entity, category, Listing(list_id, entity, *dates) if list_id else None)
            for entity, category, list_id, *dates in rows.fetchall()
        ]

    def _load_entities(self) -> dict[str, Entity]:
        rows = self._connection.execute("SELECT entity_id, name, category, jurisdictions FROM entity")
        return {row[0]: Entity(row[0], row[1], row[2], tuple(row[3])) for row in rows.fetchall()}

    def _load_ties(self) -> dict[str, tuple[Tie, ...]]:
        found: dict[str, list[Tie]] = defaultdict(list)
        for entity, list_id, kinds, start, end, percent, path in self._connection.execute("FROM tie").fetchall():
            found[entity].append(Tie(list_id, tuple(kinds), start, end, percent, tuple(path)))
        return {entity: tuple(some) for entity, some in found.items()}

    def _column(self, sql: str) -> Any:
        return np.asarray(self._connection.execute(sql).fetchnumpy()["x"])


def answer_for(known: Known, cluster: int) -> tuple[Answer, int] | None:
    """Who a cluster is, with the confidence in percent; None where nobody claims anything."""
    at = int(np.searchsorted(known.attributed, cluster))
    if at == len(known.attributed) or int(known.attributed[at]) != cluster:
        return None
    return known.answers[int(known.answer[at])], int(known.confidence[at])


def holds(values: npt.NDArray[Any], value: int) -> bool:
    """Whether a sorted array holds a value."""
    at = int(np.searchsorted(values, value))
    return at < len(values) and int(values[at]) == value


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
