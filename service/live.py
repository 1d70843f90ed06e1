"""The generation that answers: opened read-only, swapped when `CURRENT` changes, closed when nobody asks it.

One watcher thread per process looks at `CURRENT`, opens what it names beside the generation in use, swaps,
and lets the old one go with its last question. It also cuts off questions that are past their deadline.
"""

import json
import math
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from logging import getLogger
from pathlib import Path
from typing import Any

import duckdb

from chains.bitcoin.networks import NETWORKS, Network
from chains.errors import TadoruError
from chains.ids import address_id
from heuristics import lookup
from heuristics.exposure.coins import coins_of
from heuristics.exposure.warm import warm_up
from service.exits import NotReadyError
from store.index import Index
from store.lake import Lake
from store.manifest import Generation
from store.reader import Cursor, Params, Reader

LOG = getLogger(__name__)
TICK_S = 0.02
LOOK_EVERY = 5  # ticks
RETRY_S = 5.0
STATEMENTS = 200  # that a cursor keeps parsed
OTHERS = 2  # earlier generations that are kept open


class ParsedOnce(Cursor):
    """A cursor that parses each statement once; that is a third of what a look-up by key costs."""

    __slots__ = ("_parsed", "connection")

    def __init__(self, cursor: Cursor) -> None:
        self.connection = cursor.execute("SELECT 1")
        super().__init__(self.connection, cursor.shared)
        self._parsed: dict[str, duckdb.Statement] = {}

    def execute(self, sql: str, params: Params = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement; the connection it returns can be fetched from."""
        parsed = self._parsed.get(sql)
        if parsed is None:
            if len(self._parsed) >= STATEMENTS:
                self._parsed.clear()
            parsed = self._parsed[sql] = self.connection.extract_statements(sql)[0]
        return self.connection.execute(parsed, params)

    def rows(self, sql: str, params: Params = ()) -> list[Any]:
        """All rows of a statement."""
        return self.execute(sql, params).fetchall()

    def row(self, sql: str, params: Params = ()) -> Any:
        """Return the first row of a statement, or None."""
        return self.execute(sql, params).fetchone()


@dataclass(slots=True)
class Ground:
    """An open generation with what every answer says of it."""

    generation: Generation
    reader: Reader
    lake: Lake
    """Where the generation comes from: its secret keys the ids, its segments hold whole transactions."""
    tip_time: int
    """Header time of the newest indexed block, seconds since 1970 UTC."""
    lists: dict[str, str]
    """Date of the newest vintage of each legal list, by list id."""
    rules: dict[str, str]
    """Version of every rule the index was built with, by the rule's name."""
    labels_date: date
    """Day of the label version: what is dated later has not happened yet."""
    quarantined: frozenset[int]
    """Address ids that two scripts share, and that say nothing for certain."""
    users: int = 0
    retired: bool = False
    idle: list[ParsedOnce] = field(default_factory=list)

    @property
    def secret(self) -> bytes:
        """The lake's 16 bytes that key address and transaction ids."""
        return self.lake.secret

    @property
    def network(self) -> Network:
        """The Bitcoin network that was indexed."""
        return NETWORKS[self.generation.network]

    def lag(self) -> int:
        """Seconds between the newest indexed block's header time and now, never negative."""
        return max(0, int(time.time()) - self.tip_time)


@dataclass(slots=True)
class Question:
    """One use of a ground: its cursor, and when its time is up (monotonic seconds; None: never)."""

    ground: Ground
    cursor: ParsedOnce
    deadline: float | None
    cut: bool = False

    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.cut or (self.deadline is not None and time.monotonic() > self.deadline)


class Live:
    """The live generation of one data directory, for as long as the process runs."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._index = Index(data)
        self._ground: Ground | None = None
        self._others: dict[str, Ground] = {}
        self._seen: tuple[int, int, int] | None = None
        self._trouble: TadoruError | None = None
        self._again = math.inf
        self._asked: dict[int, Question] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="generations", daemon=True)

    def start(self) -> None:
        """Open the live generation, if there is one, and watch for the next."""
        self.look()
        self.warm_up()
        self._watcher.start()

    def stop(self) -> None:
        """Stop watching and close what is open."""
        self._end.set()
        if self._watcher.is_alive():
            self._watcher.join()
        with self._lock:
            self._retire()
            for name in list(self._others):
                self._let_go(self._others.pop(name))

    @property
    def index(self) -> Index:
        """Every generation that was published."""
        return self._index

    @property
    def ready(self) -> bool:
        """Whether a generation is open."""
        return self._ground is not None

    @contextmanager
    def ask(self, timeout_s: float | None = None, generation: Generation | None = None) -> Iterator[Question]:
        """Take a cursor on the live generation, or on another one, for one question.

        Parameters
        ----------
        timeout_s : float, optional
            Seconds after which statements of this question are interrupted (`duckdb.InterruptException`); opening
            another generation is not counted.
        generation : Generation, optional
            One of `index.generations()`; it stays open for the next questions.

        Raises
        ------
        NotReadyError
            If no generation can be opened.
        """
        question = self._begin(timeout_s, generation)
        try:
            yield question
        finally:
            self._finish(question)

    def look(self) -> None:
        """Open what `CURRENT` names, if that has changed since the last look."""
        seen = self._stamp()
        if seen == self._seen and time.monotonic() < self._again:
            return
        self._seen = seen
        try:
            ground = self._open(self._index.current()) if seen else None
        except TadoruError as error:
            if str(error) != str(self._trouble):
                LOG.error("%s (the generation before goes on answering)", error)  # noqa: TRY400 no traceback
            self._trouble, self._again = error, time.monotonic() + RETRY_S
            return
        self._trouble, self._again = None, math.inf
        with self._lock:
            self._retire()
            self._ground = ground
        if ground is not None:
            LOG.info("generation %s is live at height %d", ground.generation.id, ground.generation.height)

    def _open(self, generation: Generation | None) -> Ground | None:
        if generation is None:
            return None
        lake = Lake.open(self._data)
        reader = self._index.open(generation)
        try:
            return _ground(generation, reader, lake)
        except BaseException:
            reader.close()
            raise

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._index.current_path.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _begin(self, timeout_s: float | None, generation: Generation | None) -> Question:
        ground = self._enter(generation)
        while ground is None and generation is not None:
            self._open_other(generation)
            ground = self._enter(generation)  # none where others were opened meanwhile and this one had to go
        if ground is None:
            raise self._not_ready()
        with self._lock:
            idle = ground.idle.pop() if ground.idle else None
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            question = Question(ground, idle or ParsedOnce(ground.reader.cursor()), deadline)
        except BaseException:
            self._leave(ground)
            raise
        if deadline is not None:
            with self._lock:
                self._asked[id(question)] = question
        return question

    def _enter(self, generation: Generation | None) -> Ground | None:
        """Be one user more of the live ground, or of another one that is open; None where it is not."""
        with self._lock:
            ground = self._ground
            if generation is not None and (ground is None or ground.generation != generation):
                ground = self._others.get(generation.id)
            if ground is not None:
                ground.users += 1
            return ground

    def _finish(self, question: Question) -> None:
        with self._lock:
            self._asked.pop(id(question), None)
            if not question.cut:
                question.ground.idle.append(question.cursor)
        if question.cut:
            question.cursor.close()  # an interrupt may still be on its way to it
        self._leave(question.ground)

    def _leave(self, ground: Ground) -> None:
        """Be one user less; the last of a retired ground closes it."""
        with self._lock:
            ground.users -= 1
            last = ground.retired and ground.users == 0
        if last:
            _close(ground)

    def _retire(self) -> None:
        """Let go of the ground in use; the lock is held."""
        ground, self._ground = self._ground, None
        if ground is not None:
            self._let_go(ground)

    def _let_go(self, ground: Ground) -> None:
        """Close a ground with its last question; the lock is held."""
        ground.retired = True
        if ground.users == 0:
            _close(ground)

    def _open_other(self, generation: Generation) -> None:
        """Have a generation open beside the live one; the one that was opened first goes."""
        with self._lock:
            if generation.id in self._others:
                return
        opened = self._open(generation)
        with self._lock:
            if opened is not None and self._others.setdefault(generation.id, opened) is not opened:
                _close(opened)
            while len(self._others) > OTHERS:
                self._let_go(self._others.pop(next(iter(self._others))))

    def _not_ready(self) -> NotReadyError:
        if self._trouble is not None:
            return NotReadyError(f"the index can not be opened: {self._trouble}")
        return NotReadyError(f"no index in {self._data}; run `tadoru backfill bitcoin` and `tadoru index bitcoin`")

    def _watch(self) -> None:
        ticks = 0
        while not self._end.wait(TICK_S):
            ticks += 1
            self._interrupt()
            if ticks % LOOK_EVERY == 0:
                try:
                    self.look()
                except Exception:  # the watcher must outlive whatever one look meets
                    LOG.exception("looking for a new generation failed; trying again")

    def warm_up(self) -> None:
        """Load (or compile, once) what the first question about paths would wait for."""
        if self.ready:
            with self.ask() as question:
                warm_up(coins_of(question.cursor))

    def _interrupt(self) -> None:
        now = time.monotonic()
        with self._lock:
            for question in self._asked.values():
                if question.deadline is not None and now > question.deadline:
                    question.cut = True
                    question.cursor.connection.interrupt()


def _ground(generation: Generation, reader: Reader, lake: Lake) -> Ground:
    cursor = reader.cursor()
    time_of_tip = cursor.row("SELECT time FROM block WHERE height = ?", [generation.height])
    lists = cursor.rows("SELECT list_id, date FROM list WHERE date IS NOT NULL ORDER BY list_id")
    rules = cursor.row("SELECT value FROM meta WHERE key = 'rules'")
    collided = cursor.rows("SELECT DISTINCT address_id FROM quarantine")
    # These load their kernels now, not in the first question.
    lookup.address(cursor, address_id(b"", lake.secret))
    coins_of(cursor).lines_of_address(0, -1, ())
    cursor.close()
    return Ground(
        generation=generation,
        reader=reader,
        lake=lake,
        tip_time=int(time_of_tip[0]),
        lists={list_id: day.isoformat() for list_id, day in lists},
        rules={name: str(version) for name, version in json.loads(rules[0]).items()},
        labels_date=_date_of(generation.label_version),
        quarantined=frozenset(row[0] for row in collided),
    )


def _date_of(label_version: str) -> date:
    """Day of a label version such as 2026.11.19-ab12cd34; the last of days where it says none."""
    found = re.match(r"(\d{4})\.(\d\d)\.(\d\d)-", label_version)
    return date(*map(int, found.groups())) if found else date.max


def _close(ground: Ground) -> None:
    for cursor in ground.idle:
        cursor.close()
    ground.idle.clear()
    ground.reader.close()
