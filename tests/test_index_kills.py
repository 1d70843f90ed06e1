"""Kill -9 at random instants of an index build: the live generation answers on, the next build ends alike."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from heuristics.generation import build
from store.index import Index
from store.lake import Lake
from store.manifest import Generation
from tests.lakes import Claims, In, Tx, World, pay

ROOT = Path(__file__).parent.parent
# Imports once, then forks a build per line of input and kills it after so many seconds (0: never).
_BUILDER = """
import os, signal, sys, time
from pathlib import Path
from heuristics.generation import build
from store.index import Index
from store.lake import Lake
from tests.test_index_kills import claims

for line in sys.stdin:
    delay, data = line.split(maxsplit=1)
    data = Path(data.rstrip())
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        build(Lake.open(data), claims(), Index(data))
        os._exit(0)
    if float(delay):
        time.sleep(float(delay))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(time.monotonic() - started, os.waitstatus_to_exitcode(status), flush=True)
"""


def claims() -> Claims:
    """Labels with an attribution, a listing and a conflict."""
    made = Claims("2")
    made.entity("kraken", "exchange", ["US"])
    made.tag("n3", "kraken")
    made.tag("n4", "bad", list_id="ofac_sdn", listed_from=date(2021, 1, 1), confidence=100)
    made.tag("n5", "other", confidence=90)
    return made


def busy_world(blocks: int) -> World:
    """Many small payments among a few hundred addresses, one CoinJoin-like transaction in ten."""
    rnd, world = random.Random(5), World()  # noqa: S311 -- repeatable on purpose
    coins = [In(world.mint(*(pay(f"n{i}", 10**6) for i in range(50))), vout) for vout in range(50)]
    for _ in range(blocks):
        txs = []
        for _ in range(20):
            ins = [coins.pop(rnd.randrange(len(coins))) for _ in range(rnd.choice((1, 2, 2, 4)))]
            share = sum(i.tx.outs[i.vout].value for i in ins) // 5
            values = [share] * 4 if rnd.random() < 0.1 else [share - i for i in range(4)]
            txs.append(Tx(ins, [pay(f"n{rnd.randrange(400)}", value) for value in values]))
        world.block(Tx([], [pay("miner", 50)]), *txs)
        coins += [In(tx, vout) for tx in txs for vout in range(4)]
    return world


def state(index: Index, generation: Generation) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of a generation, every array, and what the generation says of itself."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for entry in generation.files:
        place = index.dir / entry.name
        if place.is_dir():
            found |= {f"{place.suffix}/{file.name}": [(file.read_bytes(),)] for file in place.iterdir()}
            continue
        with duckdb.connect(place, read_only=True) as con:
            names = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            found |= {name: con.execute(f'FROM "{name}"').fetchall() for name in names}
    facts = generation.id, generation.height, generation.block_hash, generation.label_version, generation.first_height
    return found | {"CURRENT": [facts]}


class Kills:
    """A data directory whose lake has grown since its live generation was built, and what must become of it."""

    def __init__(self, place: Path, builder: subprocess.Popen[str]) -> None:
        world = busy_world(60)
        short = World(world.blocks[:20])
        self.template, self.place = place / "template", place / "copy"
        live = build(short.write(self.template, per_segment=20), Claims("1"), Index(self.template))
        whole = world.write(place / "whole", per_segment=20)
        for span in whole.spans()[1:]:
            for table in [*(t.name for t in whole.tables), "segment"]:
                name = f"{span.name}.{'json' if table == 'segment' else 'parquet'}"
                shutil.copy2(whole.root / table / name, self.template / "lake" / "bitcoin" / table / name)
        self.before = live
        reference = Index(place / "whole")
        self.expected = state(reference, build(whole, claims(), reference))
        self.builder = builder
        self.duration = max(self.run(0)[0], self.run(0)[0])

    def run(self, delay: float) -> tuple[float, int]:
        """Build in a fresh copy and kill it after `delay` seconds; seconds it took and its exit code."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.template, self.place)
        assert self.builder.stdin is not None
        assert self.builder.stdout is not None
        self.builder.stdin.write(f"{delay} {self.place}\n")
        self.builder.stdin.flush()
        took, code = self.builder.stdout.readline().split()
        return float(took), int(code)

    def check(self) -> None:
        """What was live, or the next one, opens; building again gives what an undisturbed build gives."""
        index = Index(self.place)
        live = index.current()
        assert live is not None
        assert live.height in (self.before.height, self.expected["CURRENT"][0][1])
        index.open().close()
        index.verify()
        after = build(Lake.open(self.place), claims(), index)
        assert state(index, after) == self.expected
        index.verify()
        assert not list(index.dir.glob("*.tmp*"))


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kills]:
    """One builder for all tests."""
    command = [sys.executable, "-c", _BUILDER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as builder:
        yield Kills(tmp_path_factory.mktemp("kills"), builder)


@pytest.mark.parametrize("part", [0.15, 0.45, 0.7, 0.95])
def test_a_killed_build_is_as_if_it_had_not_been(kills: Kills, part: float) -> None:
    """Killed early, in the middle or late: CURRENT opens, and the next build equals an undisturbed one."""
    kills.run(part * kills.duration)
    kills.check()


@pytest.mark.soak
def test_fifty_kills_at_random_instants(kills: Kills) -> None:
    """At least fifty builds are killed before they end, at random instants; every result is the same."""
    rnd, killed = random.Random(), 0  # noqa: S311 -- other instants every time
    while killed < 50:
        _, code = kills.run(rnd.uniform(0.001, kills.duration))
        killed += code != 0
        kills.check()
