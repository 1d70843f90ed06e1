"""Facts to the next index generation, step by step: a base from the lake, labels over it, exposure over both."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import duckdb
import numpy as np

from heuristics import rules
from heuristics.attribution import tags
from heuristics.base import Base
from heuristics.exposure import vectors
from heuristics.exposure.codes import conclusions, from_table
from heuristics.facts import Facts, Report
from heuristics.overlay import Beneath, Overlay, wallet_of
from store.arrays import Arrays
from store.index import COINS, DATABASE, EXPOSURE, Index
from store.labels import LabelSnapshot
from store.lake import Lake
from store.manifest import INTERIM, SCHEMA_VERSION, AsOf, Generation


class Claims(Protocol):
    """What the build asks of the labels: store.labels.Labels, or claims made up for a test."""

    def snapshot(self) -> LabelSnapshot:
        """Return the newest version."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a generation is to be built, beyond what it is built from."""

    prices: vectors.Prices = vectors.NO_PRICES
    """What a coin cost; without them, answers give no fiat."""
    live: bool = True
    """Whether it is to answer from now on; else it lies beside the live one, to be asked by name."""
    without: tuple[str, ...] = ()
    """Names of rules that are switched off: nothing is concluded by them."""


_USUAL: Final = Choice()


def build(
    lake: Lake, labels: Claims, index: Index, choice: Choice = _USUAL, report: Report = lambda *_: None
) -> Generation:
    """Build and publish the next generation.

    New labels are live before exposure follows them: until it does, answers say as of which labels it is.

    Parameters
    ----------
    lake
        Its latest gap-free run of segments is indexed.
    labels
        Their newest version is laid over it.
    index
        Where to publish. What was built before from the same lake, rules and labels is used again.
    choice
        Prices, rules that are switched off, and whether it is to answer from now on.
    report
        Called with the step's name, what is done and what there is to do.

    Raises
    ------
    UnknownRuleError
        No rule has a name that is to be switched off.
    StoreError
        The lake is empty or damaged, another build is running, or the disk is full or read-only. The live
        generation stays as it was.
    """
    prices, off = choice.prices, rules.ids(choice.without)
    with index.building():
        facts = Facts.of(lake)
        base = f"{facts.height:09d}-{fingerprint(facts, off)}"
        if not (index.has(base + DATABASE) and index.has(base + COINS)):
            with index.folder(base + COINS) as folder:
                index.write(base + DATABASE, "base", lambda con: Base(facts, (con, folder), report, off).fill())
        snapshot = labels.snapshot()
        overlay = f"{base}-{snapshot.version}-{tags.OVERLAY_VERSION}"
        as_of = AsOf(
            height=facts.height,
            block_hash=lake.manifest(facts.spans[-1]).last_hash,
            label_version=snapshot.version,
            network=lake.network,
            first_height=facts.first_height,
            exposure_labels=snapshot.version,
            prices=prices.version,
        )
        files = [base + DATABASE, base + COINS, overlay + DATABASE]
        if not index.has(overlay + DATABASE):
            beneath = Beneath(index.dir / files[0], index.dir / files[1], lake.network, lake.secret)
            if choice.live:
                _publish_tags(index, files, (snapshot, as_of), beneath)
            index.write(files[2], "labels", lambda con: Overlay(con, beneath, report, off).fill(snapshot))
        exposed = f"{overlay}-{prices.version}-{vectors.VERSION}"
        if not index.has(exposed + EXPOSURE):
            if choice.live:
                _publish_labels(index, files, as_of)
            _write_exposure(index, files, (exposed, as_of), prices, report)
        return index.publish(exposed, [*files, exposed + EXPOSURE], as_of, live=choice.live)


def _publish_tags(index: Index, files: list[str], of: tuple[LabelSnapshot, AsOf], beneath: Beneath) -> None:
    """Let new tags answer at once, over what the rules concluded of the labels before, where the base is the same."""
    live = index.readable()
    if live is None or live.files[0].name != files[0] or not index.has(live.files[2].name):
        return
    snapshot, as_of = of
    before, name = index.dir / live.files[2].name, f"{files[2].removesuffix(DATABASE)}{INTERIM}{live.label_version}"
    index.write(name + DATABASE, "labels", lambda con: Overlay(con, beneath, _quiet).interim(snapshot, before))
    _publish_labels(index, [*files[:2], name + DATABASE], as_of)


def _quiet(*_: object) -> None:
    """Tell nobody."""


def _publish_labels(index: Index, files: list[str], as_of: AsOf) -> None:
    """Let new labels answer with the exposure of the labels before, where the base is the same."""
    live = index.readable()
    exposure = next((entry.name for entry in live.files if entry.name.endswith(EXPOSURE)), None) if live else None
    if live and exposure and index.has(exposure) and live.files[0].name == files[0]:
        older = replace(as_of, exposure_labels=live.exposure_labels, prices=live.prices)
        index.publish(f"{files[-1].removesuffix(DATABASE)}{INTERIM}{live.exposure_labels}", [*files, exposure], older)


def _write_exposure(
    index: Index, files: list[str], to: tuple[str, AsOf], prices: vectors.Prices, report: Report
) -> None:
    """Write where the coins came from and went, as the labels see it."""
    base, coins, overlay = (index.dir / name for name in files)
    exposed, as_of = to
    arrays = Arrays(coins)
    with duckdb.connect(str(base), read_only=True) as con:
        times = con.execute("SELECT time FROM block ORDER BY height").fetchnumpy()["time"]
        before = _earlier(index, as_of, con)
    with duckdb.connect(str(overlay), read_only=True) as con:
        codes = from_table(before[1].table("source")) if before else ()
        found = conclusions(con, wallet_of(con, arrays["cluster"]), codes)
    earlier = vectors.earlier(*before) if before else None
    ground = vectors.Ground(arrays, found, np.asarray(times), prices, earlier)
    facts: dict[str, str | int] = {
        "labels": as_of.exposure_labels,
        "prices": as_of.prices,
        "base": base.name,
        "version": vectors.VERSION,
    }
    with index.folder(exposed + EXPOSURE) as folder:
        vectors.write(ground, folder, facts, report)


def fingerprint(facts: Facts, without: Collection[int] = ()) -> str:
    """What a base file follows from, in 12 hex digits: segments, secret, rules (less some) and schema."""
    segments = [dict(facts.lake.manifest(span).sha256) for span in facts.spans]
    origin = [segments, facts.lake.secret.hex(), facts.lake.network, rules.versions(without), SCHEMA_VERSION]
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:12]


def _earlier(index: Index, as_of: AsOf, con: duckdb.DuckDBPyConnection) -> tuple[Arrays, Arrays] | None:
    """The live generation's coins and exposure, where they are of the beginning of the same history."""
    live = index.readable()
    if live is None or (live.network, live.first_height) != (as_of.network, as_of.first_height):
        return None
    same = con.execute("SELECT hash FROM block WHERE height = ?", [live.height]).fetchone()
    folders = {Path(entry.name).suffix: index.dir / entry.name for entry in live.files}
    if same is None or same[0] != bytes.fromhex(live.block_hash)[::-1] or not all(map(Path.exists, folders.values())):
        return None
    coins, exposed = Arrays(folders[COINS]), Arrays(folders[EXPOSURE])
    return (coins, exposed) if exposed.facts["version"] == vectors.VERSION else None
