"""The pipeline under test: it sees blocks and labels and nothing else, and its findings are what the service says."""

import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.address import script_of, script_of_payload
from chains.bitcoin.tables import ScriptType
from chains.errors import TadoruError
from chains.ids import address_id
from heuristics import lookup
from heuristics.attribution.conclusions import attributions
from heuristics.clusters.evidence import wallet_of
from heuristics.exposure.exposures import of_wallet
from heuristics.facts import Facts
from heuristics.generation import build
from store.index import Index
from tests.lakes import Claims, In, Script, Tx, World, named, nested, p2pk, p2pkh, p2wpkh, pay
from worlds.claims import Tag, write_tag_pack
from worlds.demo import DemoStory, build_demo
from worlds.score import blind, statements
from worlds.score.blind import Given
from worlds.score.findings import TABLES, Findings, FindingsError
from worlds.score.run import BlindRunError, Job, Limits, evaluate_world, run_blind
from worlds.score.scripts import scripts_of
from worlds.score.statements import Ground

KEY = PrivateKey(b"\1" * 32).public_key.format()
SUBJECTS = [*map(named, "abcdefgh"), p2pkh(KEY), p2wpkh(KEY), nested(KEY), p2pk(KEY)]
OPEN = {"list_id": "sdn", "listed_from": date(2020, 1, 1)}
ENDED = {**OPEN, "listed_to": date(2021, 1, 1)}
Scripts = dict[bytes, dict[str, object]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> DemoStory:
    return build_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def world(story: DemoStory) -> Path:
    """The demo, laid out as a world: its withdrawals are to be screened, the truth knows a tag more."""
    root = story.datadir.parent
    shutil.copytree(root / "published", root / "disclosed")
    screened = "".join(f"{one.address}\n" for one in story.screenings)
    (root / "disclosed" / "wallets.csv").write_text(f"address\n{screened}")
    shutil.copytree(root / "published", root / "truth" / "labels")
    told = Tag(address_of(story, "bystander"), "told by the truth", "bystander", "exchange")
    write_tag_pack(root / "truth" / "labels" / "more.yaml", "More", [told], date(2025, 1, 1))
    return root


@pytest.fixture(scope="module")
def said(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return blind.run(given_of(world, tmp_path_factory.mktemp("said")))


def address_of(story: DemoStory, name: str) -> str:
    return next(one.address for one in story.screenings if one.name == name)


def script(story: DemoStory, name: str) -> bytes:
    return script_of(address_of(story, name), story.network)


def given_of(world: Path, work: Path, until: int | None = None) -> Given:
    disclosed = world / "disclosed"
    return Given(world / "node", disclosed, disclosed / "wallets.csv", work, until)


def by_script(table: pa.Table) -> Scripts:
    return {row["script"]: row for row in table.to_pylist()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@contextmanager
def ground_of(chain: World, claims: Claims, wallets: tuple[bytes, ...] = ()) -> Iterator[Ground]:
    """Give the ground for statements about a made-up chain."""
    with TemporaryDirectory() as folder:
        lake, index = chain.write(Path(folder), per_segment=100), Index(Path(folder))
        build(lake, claims, index)
        with index.open() as reader:
            con = reader.cursor().execute("RESET disabled_optimizers")
            yield Ground(reader.cursor(), con, Facts.of(lake), wallets)


@st.composite
def chains(draw: st.DrawFn) -> World:
    """Random spends among a few addresses, so that they form clusters of every depth."""
    chain = World()
    mint = chain.mint(*(pay(one, 1000) for one in SUBJECTS * 2))
    coins = [In(mint, vout) for vout in range(len(mint.outs))]
    for _ in range(draw(st.integers(0, 30))):
        picked = [coins.pop(draw(st.integers(0, len(coins) - 1))) for _ in range(draw(st.integers(1, 2)))]
        to = [draw(st.sampled_from(SUBJECTS)) for _ in range(draw(st.integers(1, 3)))]
        shared = [replace(one, sighash=draw(st.sampled_from([2, 2, 64]))) for one in picked]  # 64: a swap's
        tx = chain.spend(shared, *(pay(one, 100 + n) for n, one in enumerate(to)))
        coins += [In(tx, vout) for vout in range(len(to))]
    return chain


@st.composite
def labels(draw: st.DrawFn) -> Claims:
    """Random claims that agree, contradict, speak for the cluster or not, and are listings or not."""
    claims = Claims()
    for _ in range(draw(st.integers(1, 24))):
        claims.tag(
            draw(st.sampled_from(SUBJECTS)),
            draw(st.sampled_from([None, "x", "y", "z"])),
            category=draw(st.sampled_from(["exchange", "mixer"])),
            confidence=draw(st.sampled_from([40, 60, 60, 100])),
            cluster_definer=draw(st.booleans()),
            **draw(st.sampled_from([{}, {}, OPEN, ENDED])),
        )
    return claims


def test_without_truth_nothing_changes(world: Path, tmp_path: Path) -> None:
    """Removing truth/, or filling it with garbage, leaves every byte of the findings as it was."""
    run_blind(Job(world, tmp_path / "whole"), world / "disclosed", tmp_path / "with")
    copy = tmp_path / "copy"
    for part in ("node", "disclosed"):
        shutil.copytree(world / part, copy / part)
    run_blind(Job(copy, tmp_path / "bare"), copy / "disclosed", tmp_path / "without")
    (copy / "truth" / "labels").mkdir(parents=True)
    for name in ("address.parquet", "entity.parquet", "world.json", "labels/tags.yaml"):
        (copy / "truth" / name).write_bytes(b"\xff garbage")
    run_blind(Job(copy, tmp_path / "odd"), copy / "disclosed", tmp_path / "garbage")
    assert files(tmp_path / "with") == files(tmp_path / "without") == files(tmp_path / "garbage")


def test_the_blind_process_knows_no_truth(world: Path, tmp_path: Path) -> None:
    """Of the worlds it has loaded, after all is done, only what makes findings: no truth, no agents, no keys."""
    given = given_of(world, tmp_path)
    paths = {"node": given.node, "labels": given.labels, "wallets": given.wallets, "work": given.work}
    argv = [part for name, path in {**paths, "findings": tmp_path / "f"}.items() for part in (f"--{name}", str(path))]
    code = "import sys; from worlds.score.blind import main; main(sys.argv[1:]); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    modules = {name for name in done.stdout.split() if name.split(".")[0] in {"worlds", "service", "tests"}}
    parts = {f"worlds.score.{name}" for name in ("attributed", "blind", "findings", "looks", "scripts", "statements")}
    assert modules == {"worlds", "worlds.score", *parts}


def test_the_blind_process_sees_no_environment(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the caller's variables it sees none but those that it is given, and it runs in its own folder."""
    monkeypatch.setenv("TADORU_TRUTH", "everything")
    (tmp_path / "stand_in.py").write_text("import os, sys; sys.exit(f'{os.getcwd()} {sorted(os.environ)}')")
    monkeypatch.setattr("worlds.score.run.MODULE", "stand_in")
    limits = Limits(environment={"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": "x"})
    with pytest.raises(BlindRunError) as error:
        run_blind(Job(world, tmp_path / "work"), world / "disclosed", tmp_path / "f", limits)
    where, seen = str(error.value).splitlines()[-1].split(" ", 1)
    assert where == str(tmp_path / "work")
    assert {"HOME", "NUMBA_CACHE_DIR", "PATH", "PYTHONPATH"} <= set(eval(seen)) <= {  # noqa: S307
        "HOME", "LC_CTYPE", "NUMBA_CACHE_DIR", "PATH", "PYTHONPATH",
    }  # fmt: skip


def test_findings_do_not_depend_on_the_secret(world: Path, said: Findings, tmp_path: Path) -> None:
    """Another lake secret gives the same tables, but for single satoshi that flows round to one side or the other."""
    other = blind.run(given_of(world, tmp_path), secret=b"\7" * 16)
    for table in TABLES:
        rounded = {"share", "value"}.intersection(column.name for column in table.columns)
        here, there = getattr(said, table.name), getattr(other, table.name)
        assert there.drop_columns(list(rounded)).equals(here.drop_columns(list(rounded))), table.name
        for name in rounded:
            assert here[name].to_pylist() == pytest.approx(there[name].to_pylist(), rel=1e-6, abs=1e-6)


def test_findings_are_told_as_the_tables_say(said: Findings, tmp_path: Path) -> None:
    """Written and read again they are the same; in the demo only refusals and miners are empty; keys are unique."""
    said.write(tmp_path / "findings")
    said.write(tmp_path / "findings")
    assert Findings.read(tmp_path / "findings") == said
    for table in TABLES:
        rows = getattr(said, table.name)
        assert (rows.num_rows == 0) is (table.name in {"refusal", "miner"}), table.name
        assert rows.select(list(table.sorted_by)).group_by(list(table.sorted_by)).aggregate([]).num_rows == len(rows)


def test_screened_addresses_of_the_demo(story: DemoStory, said: Findings) -> None:
    """Who is listed is found on the promised basis, and a wallet that was never seen has no dealings."""
    owned = by_script(said.ownership)
    for one in story.screenings:
        row = owned[script_of(one.address, story.network)]
        assert row["listed"] is (one.expected == "block"), one.name
        assert one.basis is None or row["basis"] == one.basis, one.name
    unseen = script(story, "never seen")
    assert owned[unseen] == {"script": unseen, "listed": False, "basis": ""}
    assert unseen not in by_script(said.shell)
    assert unseen not in by_script(said.exposure)
    assert unseen not in by_script(said.cluster)


def test_fronts_are_those_of_the_index(world: Path, story: DemoStory, said: Findings, tmp_path: Path) -> None:
    """Every address of a front's wallets has its score and principal; whom a tag claims is no candidate."""
    blind.run(given_of(world, tmp_path))
    ranked = by_script(said.shell)
    with Index(tmp_path).open() as reader:
        facts = lookup.address(reader.cursor(), address_id(script(story, "former counterparty"), blind.SECRET))
        assert facts is not None
        asked = "SELECT score, principal_id FROM shell JOIN shell_wallet USING (shell) WHERE wallet = ?"
        score, principal = reader.cursor().row(asked, [wallet_of(reader.cursor(), facts.cluster_id)])
    told = ranked[script(story, "former counterparty")]
    assert (told["score"], told["principal"]) == (score / 1000, principal)
    assert principal == "ofac_sdn-90001"
    assert script(story, "shell") not in ranked


def test_exposure_is_what_the_service_says(world: Path, said: Findings, tmp_path: Path) -> None:
    """By source, direct and indirect together, each share is what the service's rows add up to; all of them to 1."""
    blind.run(given_of(world, tmp_path))
    found: dict[bytes, dict[tuple[str, str, str], tuple[float, int]]] = defaultdict(dict)
    for row in said.exposure.to_pylist():
        found[row["script"]][row["direction"], row["entity"], row["category"]] = row["share"], row["value"]
    with Index(tmp_path).open() as reader:
        for screened, rows in found.items():
            facts = lookup.address(reader.cursor(), address_id(screened, blind.SECRET))
            assert facts is not None
            told: dict[tuple[str, str, str], tuple[float, int]] = {}
            for e in of_wallet(reader.cursor(), facts.number):
                category = "sanctioned_entity" if e.listing and e.listing.listed_to is None else e.category
                key = e.direction, e.entity_id or "", "unattributed" if category == "unresolved" else category
                if not e.passes_through:
                    share, value = told.get(key, (0.0, 0))
                    told[key] = share + float(e.share), value + e.value
            assert {key: value for key, (_, value) in rows.items()} == {key: value for key, (_, value) in told.items()}
            assert [rows[key][0] for key in told] == pytest.approx([share for share, _ in told.values()])
            for direction in {direction for direction, _, _ in rows}:
                assert 0.9999 < sum(share for key, (share, _) in rows.items() if key[0] == direction) <= 1.000001
    assert any(key[2] in {"mined", "held"} for rows in found.values() for key in rows)


def test_a_removed_listing_counts_no_more() -> None:
    """A party that was taken off the list is what its tag says."""
    chain = World()
    chain.spend([chain.mint(pay("a", 10))], pay("b", 10))
    wallets = named("a").script, named("b").script
    for listing, listed in ((OPEN, True), (ENDED, False)):
        claims = Claims()
        claims.tag("a", "x", category="mixer", **listing)
        with ground_of(chain, claims, wallets) as ground:
            found = statements.findings(ground)
        assert by_script(found.ownership)[wallets[0]]["listed"] is listed
        received = next(row for row in found.exposure.to_pylist() if row["entity"] == "x")
        assert received["category"] == ("sanctioned_entity" if listed else "mixer")


def test_clusters_go_by_their_smallest_script(said: Findings) -> None:
    """The number of a cluster is the rank of its first script in the sorted table."""
    rows = said.cluster.to_pylist()
    assert [row["script"] for row in rows] == sorted(row["script"] for row in rows)
    first: dict[int, int] = {}
    for rank, row in enumerate(rows):
        assert first.setdefault(row["cluster"], rank) == row["cluster"]
    assert len(first) < len(rows)


@settings(max_examples=20)
@given(chain=chains(), claims=labels())
def test_attributions_are_the_services_own(chain: World, claims: Claims) -> None:
    """For every address on chain, the table holds the first conclusion that the service gives, or none if none."""
    with ground_of(chain, claims, tuple(one.script for one in SUBJECTS)) as ground:
        found = statements.findings(ground)
        told, owned = by_script(found.attribution), by_script(found.ownership)
        for one in SUBJECTS:
            facts = lookup.address(ground.cur, one.id)
            assert facts is not None
            every = attributions(ground.cur, facts.cluster_id, one.id)
            first = next(iter(every), None)
            listed = any(a.listing is not None and a.listing.listed_to is None for a in every)
            basis = first.basis if first else ""
            assert owned[one.script] == {"script": one.script, "listed": listed, "basis": basis}
            row = told.get(one.script)
            assert row == (
                None
                if first is None
                else {
                    "script": one.script,
                    "entity": first.entity_id or "",
                    "category": first.category,
                    "confidence": first.confidence,
                    "basis": first.basis,
                }
            )


@settings(max_examples=12)
@given(chain=chains())
def test_change_is_what_the_index_says(chain: World) -> None:
    """What goes back to the payer is certain, the only output to its cluster as sure as T0; both are T0's evidence."""
    with ground_of(chain, Claims()) as ground:
        found = statements.findings(ground)
        cluster = {row["script"]: row["cluster"] for row in found.cluster.to_pylist()}
    shared = set(found.coinjoin["txid"].to_pylist())
    expected: dict[tuple[bytes, int], int] = {}
    for tx in (tx for block in chain.blocks for tx in block if tx.ins and tx.txid not in shared):
        payers = [spent_script(i.tx, i.vout) for i in tx.ins]
        paid = {vout: out.to.script for vout, out in enumerate(tx.outs) if out.to is not None}
        back = [vout for vout, one in paid.items() if one in payers]
        own = [vout for vout, one in paid.items() if cluster[one] == cluster[payers[0]]]
        if len(paid) > 1 and (back or len(own) == 1):
            expected |= {(tx.txid, vout): 100 if back else 99 for vout in back or own}
    said = {(row["txid"], row["vout"]): row["confidence"] for row in found.change.to_pylist()
            if row["basis"] == statements.CHANGE_BASIS}  # fmt: skip
    assert said == expected


@settings(max_examples=12)
@given(chain=chains())
def test_wallets_are_of_whole_clusters(chain: World) -> None:
    """Every address is in a wallet, and no cluster is in two."""
    with ground_of(chain, Claims()) as ground:
        found = statements.findings(ground)
    wallet = {row["script"]: row["wallet"] for row in found.wallet.to_pylist()}
    together = {(row["cluster"], wallet[row["script"]]) for row in found.cluster.to_pylist()}
    assert len(together) == len({cluster for cluster, _ in together})


def spent_script(tx: Tx, vout: int) -> bytes:
    to = tx.outs[vout].to
    assert isinstance(to, Script)
    return to.script


@given(st.lists(st.tuples(st.sampled_from(ScriptType), st.binary(max_size=70), st.integers(0, 255))))
def test_scripts_of_many_are_the_scripts_of_each(rows: list[tuple[ScriptType, bytes, int]]) -> None:
    """Every type with every payload it can have gives the script that one look-up gives, runs of a byte included."""
    pairs = []
    for kind, drawn, byte in rows:
        for payload in (drawn, *(bytes([byte]) * size for size in (20, 32, 33, 65))):
            try:
                pairs.append((kind, payload, script_of_payload(kind, payload)))
            except TadoruError:
                continue
    kinds = np.array([kind for kind, _, _ in pairs], np.uint8)
    found = scripts_of(kinds, pa.array([payload for _, payload, _ in pairs], pa.binary()))
    assert found.to_pylist() == [whole for _, _, whole in pairs]


def test_other_labels_only_relabel(world: Path, story: DemoStory, tmp_path: Path) -> None:
    """Run again with other labels, the lake and the base file are used again and nothing of the old labels stays."""
    perfect = Given(world / "node", world / "truth" / "labels", world / "disclosed" / "wallets.csv", tmp_path)
    told = by_script(blind.run(perfect).attribution)
    base = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "index" / "bitcoin").glob("*.duckdb")}
    plain = by_script(blind.run(given_of(world, tmp_path)).attribution)
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "index" / "bitcoin").glob("*.duckdb")}
    assert base.items() <= again.items()
    assert len(again) == len(base) + 2  # the new labels, before their rules and with them
    bystander = script(story, "bystander")
    assert told[bystander]["entity"] == "bystander"
    assert bystander not in plain
    empty = tmp_path / "nothing"
    empty.mkdir()
    bare = Given(world / "node", empty, world / "disclosed" / "wallets.csv", tmp_path)
    nameless = blind.run(bare).attribution
    assert set(nameless["entity"].to_pylist()) == {""}  # what rules conclude names nobody


def test_until_a_height_is_the_chain_as_it_was(world: Path, said: Findings, tmp_path: Path) -> None:
    """What is said as of a height does not depend on whether the lake held more before."""
    early = blind.run(given_of(world, tmp_path / "grown", until=200))
    assert 0 < len(early.cluster) < len(said.cluster)
    assert blind.run(given_of(world, tmp_path / "grown")) == said
    assert blind.run(given_of(world, tmp_path / "grown", until=200)) == early


def test_a_world_is_evaluated_with_all_its_labels(world: Path, said: Findings, tmp_path: Path) -> None:
    """Each world gets findings with every set of labels that it has and at every checkpoint."""
    named_all = world / "truth" / "labels"
    jobs = [Job(world, tmp_path / "one", (250, 150)), Job(world, tmp_path / "two", owners=named_all)]
    one, two = map(evaluate_world, jobs)
    assert list(one.checkpoints) == [150, 250]
    assert two.checkpoints == {}
    sizes = [len(Findings.read(folder).cluster) for folder in (*one.checkpoints.values(), one.disclosed)]
    assert sizes == sorted(set(sizes))
    assert Findings.read(one.disclosed) == Findings.read(two.disclosed) == said
    assert len(Findings.read(one.perfect).attribution) > len(said.attribution)
    assert Findings.read(two.owners) == Findings.read(two.perfect)
    assert not one.owners.exists()


def test_failures_say_what_is_wrong(world: Path, tmp_path: Path) -> None:
    """A pipeline that fails, or takes too long, gives one clear error and no findings."""
    shutil.copytree(world / "node", tmp_path / "node")
    (tmp_path / "disclosed").mkdir()
    (tmp_path / "disclosed" / "wallets.csv").write_text("wallet,name\nx,y\n")
    job = Job(tmp_path, tmp_path / "work")
    with pytest.raises(BlindRunError, match=r"exit code 1:\n.*wallets.csv is no list of addresses"):
        evaluate_world(job)
    with pytest.raises(BlindRunError, match=r"longer than 0.01 s"):
        evaluate_world(job, Limits(seconds=0.01))
    assert not (tmp_path / "work" / "findings").exists()


def test_findings_refuse_what_is_not_theirs(said: Findings, tmp_path: Path) -> None:
    """A missing, damaged or foreign table is named, and so is a table that nobody knows."""
    said.write(tmp_path / "f")
    with pytest.raises(FindingsError, match="no findings are called gossip"):
        Findings.of(gossip=pa.table({}))
    with duckdb.connect() as con:
        con.sql(f"COPY (SELECT 1 AS x) TO '{tmp_path / 'f' / 'shell.parquet'}'")
    with pytest.raises(FindingsError, match="other columns"):
        Findings.read(tmp_path / "f")
    (tmp_path / "f" / "shell.parquet").write_bytes(b"PAR")
    with pytest.raises(FindingsError, match="unreadable"):
        Findings.read(tmp_path / "f")
    (tmp_path / "f" / "shell.parquet").unlink()
    with pytest.raises(FindingsError, match="is missing"):
        Findings.read(tmp_path / "f")
