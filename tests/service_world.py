"""The demo world, indexed once per test session, for every test of the service."""

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from chains.bitcoin.datadir import DatadirSource
from heuristics.generation import build
from service.api.app import create_app
from service.settings import Settings
from store.backfill import backfill
from store.index import Index
from store.labels import Labels
from store.lake import Lake
from store.manifest import Generation
from worlds.demo import DemoStory, Screening, build_demo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a newer httpx than ours
    from starlette.testclient import TestClient

__all__ = ["TestClient", "World", "client", "copy_of", "world"]


@dataclass(frozen=True, slots=True)
class World:
    """An indexed data directory and what is true in it."""

    data: Path
    story: DemoStory

    def case(self, name: str) -> Screening:
        """Return one screening of the story by its name."""
        return next(case for case in self.story.screenings if case.name == name)


@lru_cache(maxsize=1)
def world() -> World:
    """Build the demo, once; the directory is removed at the end of the process."""
    folder = Path(tempfile.mkdtemp(prefix="tadoru-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    story = build_demo(folder)
    source = DatadirSource.open(story.datadir)
    data = folder / "data"
    lake = Lake.create(data, "bitcoin", source.network)
    backfill(source, lake)
    for path in story.labels:
        Labels(data).add([path], network=source.network)
    index(data)
    return World(data, story)


def index(data: Path) -> Generation:
    """Publish the next generation of a data directory."""
    return build(Lake.open(data), Labels(data), Index(data))


def copy_of(target: Path) -> World:
    """Copy the world, for tests that change it; its records start empty."""
    shutil.copytree(world().data, target, ignore=shutil.ignore_patterns("records.sqlite*"))
    return World(target, world().story)


@contextmanager
def client(data: Path, records: Path, **settings: Any) -> Iterator[TestClient]:
    """Start the application on a data directory, with records of its own, and talk to it from loopback."""
    patient = {"timeout_ms": 10_000, **settings}  # a busy machine is not the subject
    chosen = Settings(data=data, records_url=f"sqlite:///{records}", **patient)
    with TestClient(create_app(chosen), base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)) as talking:
        yield talking
