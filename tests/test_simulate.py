"""Worlds on disk: the same bytes each time, valid before Bitcoin Core, with a truth that is what the chain says."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import yaml
from bitcoin.core import CBlock

import worlds.simulate
from chains.bitcoin.address import script_of, script_of_payload, text_of
from chains.bitcoin.datadir import DatadirSource
from chains.bitcoin.tables import TABLES
from service.exits import Exit
from store.backfill import backfill
from store.labels import Labels
from store.lake import Lake
from store.verify import verify
from tests.test_cli import Done, apart, failed, told
from worlds.ledger.datadir import obfuscated
from worlds.settings import Flavour, Settings, drawn
from worlds.simulate import simulate
from worlds.town import FIRST_BUSY
from worlds.truth.tables import COINJOIN_KINDS, SCHEMAS, SHELL_TYPES

SMALL = Settings(seed=7, blocks=210, people=24)
KINDS = {
    "tune": SMALL,
    "held-out": replace(SMALL, flavour=Flavour.HELD_OUT),
    "contrary": replace(SMALL, flavour=Flavour.CONTRARY),
    "unsigned": replace(SMALL, signed=False),
    "unsigned held-out": replace(SMALL, flavour=Flavour.HELD_OUT, signed=False),
    "unsigned contrary": replace(SMALL, flavour=Flavour.CONTRARY, signed=False),
    "crowd": replace(SMALL, crowd=15, blocks=170),
}
MAGIC = bytes.fromhex("fabfb5da")  # regtest
Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Give a world of KINDS by its name; each is made once."""
    folder = tmp_path_factory.mktemp("worlds")

    @cache
    def make(name: str) -> Path:
        world = folder / name.replace(" ", "-")
        simulate(world, drawn(KINDS[name]))
        return world

    return make


def contents(world: Path) -> dict[str, str]:
    """Hash of every file of a world."""
    files = sorted(path for path in world.rglob("*") if path.is_file())
    return {str(path.relative_to(world)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def tables(world: Path) -> duckdb.DuckDBPyConnection:
    """The truth's tables, to be asked."""
    con = duckdb.connect()
    for name in SCHEMAS:
        con.read_parquet(str(world / "truth" / f"{name}.parquet")).create_view(name)
    return con


def raw_blocks(world: Path) -> Iterator[bytes]:
    """The blocks of a datadir in the order in which they lie there, read with nothing of ours but the XOR."""
    key = np.frombuffer((world / "node" / "blocks" / "xor.dat").read_bytes(), dtype=np.uint8)
    for path in sorted((world / "node" / "blocks").glob("blk*.dat")):
        data, at = obfuscated(path.read_bytes(), key, 0), 0
        while data[at : at + 4] == MAGIC:
            (size,) = struct.unpack_from("<I", data, at + 4)
            yield data[at + 8 : at + 8 + size]
            at += 8 + size


def command(out: Path, name: str) -> list[str | Path]:
    """The command line that makes a world of KINDS."""
    asked = KINDS[name]
    words = ["--seed", str(asked.seed), "--blocks", str(asked.blocks), "--people", str(asked.people)]
    words += ["--flavour", str(asked.flavour), "--crowd", str(asked.crowd)]
    return ["simulate", "bitcoin", "--out", out, *words, *([] if asked.signed else ["--unsigned"])]


# --- the same bytes


@pytest.mark.parametrize("name", ["tune", "unsigned held-out", "contrary", "crowd"])
def test_the_same_seed_makes_the_same_bytes_in_another_process(made: Make, tmp_path: Path, name: str) -> None:
    """Blocks, undo data, truth, labels and lists: every file, whatever the process's hash seed, by command line."""
    done = told(apart(*command(tmp_path / "again", name), "--json", PYTHONHASHSEED="12345"))
    assert done["n_tx"] == json.loads((made(name) / "truth" / "world.json").read_text())["made"]["n_tx"]
    assert contents(tmp_path / "again") == contents(made(name))


def test_a_crowd_is_unsigned_whether_asked_for_or_not(made: Make, tmp_path: Path) -> None:
    """There is one world with a crowd: --unsigned changes nothing of it."""
    simulate(tmp_path / "w", drawn(replace(KINDS["crowd"], signed=False)))
    assert contents(tmp_path / "w") == contents(made("crowd"))


@pytest.mark.parametrize("name", ["unsigned", "crowd"])
def test_another_seed_makes_another_world(made: Make, tmp_path: Path, name: str) -> None:
    """No file that depends on who lives there is the same."""
    simulate(tmp_path / "w", drawn(replace(KINDS[name], seed=8)))
    here, there = contents(made(name)), contents(tmp_path / "w")
    same = {file for file in here if here[file] == there.get(file)}
    assert not {file for file in same if "sdn-" not in file}


def test_a_world_does_not_depend_on_where_and_when_it_is_made(made: Make) -> None:
    """No path, time or name of this machine stands in it."""
    text = (made("tune") / "truth" / "world.json").read_text()
    assert str(made("tune")) not in text
    assert os.uname().nodename not in text
    assert json.loads(text)["start"].startswith("2023-01-02")


# --- before Bitcoin Core


def accepted(world: Path, folder: Path) -> tuple[int, bytes]:
    """Give a world's blocks to a fresh Core one by one; the height and hash of its tip at the end, or at a refusal."""
    pbk = pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")
    folder.mkdir()
    manager = pbk.load_chainman(folder, pbk.ChainType.REGTEST)
    for height, raw in enumerate(raw_blocks(world)):
        if height:
            manager.process_block(pbk.Block(raw))
        if manager.get_active_chain().height != height:
            break
    chain = manager.get_active_chain()
    return chain.height, bytes(chain.block_tree_entries[chain.height].block_hash)


@pytest.mark.parametrize("name", ["tune", "held-out", "contrary"])
def test_core_accepts_every_block_of_a_signed_world(made: Make, tmp_path: Path, name: str) -> None:
    """All kinds of party: signatures, fees, weights, commitments, maturity and proof of work hold, the tip included."""
    height, tip = accepted(made(name), tmp_path / "core")
    last = list(raw_blocks(made(name)))[-1]
    assert height == KINDS[name].blocks
    assert tip == CBlock.deserialize(last).GetHash()
    kinds = {kind for (kind,) in tables(made(name)).execute("SELECT DISTINCT kind FROM tx").fetchall()}
    assert {"coinbase", "pay", "batch", "sweep", "payout", "wasabi1", "wabisabi", "rotate"} <= kinds


def test_core_refuses_an_unsigned_world_at_its_first_spend(made: Make, tmp_path: Path) -> None:
    """What the test above sees is not nothing: with fillers for signatures Core stops where the first coin is spent."""
    query = "SELECT min(height) FROM tx WHERE kind <> 'coinbase'"
    first = tables(made("unsigned")).execute(query).fetchall()[0][0]
    assert accepted(made("unsigned"), tmp_path / "core")[0] == first - 1


@pytest.mark.parametrize("name", ["tune", "held-out", "contrary"])
def test_an_unsigned_world_is_the_signed_one_but_for_keys_and_order(made: Make, name: str) -> None:
    """Block by block the same transactions: kind, signers, payments, values and owners of inputs and outputs.

    Only keys, hashes and the order of what is sorted by them differ; sizes by what a DER signature varies.
    """
    other = {"tune": "unsigned"}.get(name, f"unsigned {name}")
    pair = [tables(made(name)), tables(made(other))]

    def both(query: str) -> list[list[Any]]:
        return [con.execute(query).fetchall() for con in pair]

    for query in (
        "SELECT height, kind, wallets, program FROM tx",
        "SELECT * FROM entity",
        "SELECT * FROM wallet",
        "SELECT * FROM shell",
        "SELECT height, payer, payee, value FROM payment ORDER BY ALL",
        "SELECT wallet, role, entity, count(*) FROM address GROUP BY ALL ORDER BY ALL",
    ):
        signed, unsigned = both(query)
        assert signed == unsigned, query
    for table in ("output", "input"):
        signed, unsigned = both(
            f"SELECT n, list_sort(list((value, wallet))) FROM (SELECT row_number() OVER () AS n, txid FROM tx) t "  # noqa: S608
            f"JOIN {table} USING (txid) GROUP BY n ORDER BY n"
        )
        assert signed == unsigned, table
    lengths = [[len(raw) for raw in raw_blocks(made(one))] for one in (name, other)]
    # A DER signature has 70 to 72 bytes, its filler one length.
    assert np.allclose(lengths[0], lengths[1], rtol=0.01)


# --- the truth and the chain


def filled(world: Path, folder: Path) -> Lake:
    """A lake of a world's blocks."""
    source = DatadirSource.open(world / "node")
    lake = Lake.create(folder, "bitcoin", source.network)
    backfill(source, lake)
    return lake


def on_chain(lake: Lake) -> duckdb.DuckDBPyConnection:
    """The lake's tables, with the scripts of its addresses."""
    con = duckdb.connect()
    for table in TABLES:
        con.read_parquet([str(path) for path in lake.paths(table.name)]).create_view(f"lake_{table.name}")
    rows = con.execute("SELECT DISTINCT address_id, script_type, payload FROM lake_address").fetchall()
    con.execute("CREATE TABLE place (address_id BIGINT, script BLOB)")
    con.executemany("INSERT INTO place VALUES (?, ?)", [(i, script_of_payload(kind, data)) for i, kind, data in rows])
    return con


WORLDS = ["tune", "held-out", "contrary", "unsigned", "crowd"]
DIFFERENT = "SELECT count(*) FROM ((({0}) EXCEPT ALL ({1})) UNION ALL (({1}) EXCEPT ALL ({0})))"
SAME = {
    "transactions": (
        "SELECT txid, height FROM tx",
        "SELECT txid, (tx_id >> 20)::INTEGER FROM lake_tx WHERE tx_id >= 1 << 20",
    ),
    "order": (
        "SELECT txid, row_number() OVER () FROM tx",
        "SELECT txid, row_number() OVER (ORDER BY tx_id) FROM lake_tx WHERE tx_id >= 1 << 20",
    ),
    "outputs": (
        "SELECT txid, vout, value, CASE WHEN hex(script) NOT LIKE '6A%' THEN script END FROM output",
        """SELECT txid, vout, value, script
        FROM lake_output JOIN lake_tx USING (tx_id) LEFT JOIN place USING (address_id)
        WHERE tx_id >= 1 << 20 AND NOT (vout = n_out - 1 AND n_in = 0 AND script IS NULL)""",
    ),
    "inputs": (
        "SELECT txid, vin, value, script, origin_txid, origin_vout FROM input",
        """SELECT t.txid, s.vin, s.value, script, o.txid, s.prev_vout::INTEGER FROM lake_spend s
        JOIN lake_tx t USING (tx_id) JOIN lake_tx o ON o.tx_key = s.prev_tx_key JOIN place USING (address_id)""",
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_truth_tells_every_transaction_of_the_chain_and_no_other(made: Make, tmp_path: Path, name: str) -> None:
    """Transactions in their order, outputs and inputs with script, value and origin: the lake's rows are the truth's.

    Genesis, which nobody made, and the commitment of a coinbase are left out. Nothing is wrong with the lake.
    """
    world = made(name)
    lake = filled(world, tmp_path / "data")
    report = verify(lake)
    assert (report.blocks, report.unresolved, report.gaps) == (KINDS[name].blocks + 1, 0, 0)
    con = on_chain(lake)
    for table in ("tx", "output", "input"):
        con.read_parquet(str(world / "truth" / f"{table}.parquet")).create_view(table)
    for what, (told_by_truth, read) in SAME.items():
        assert con.execute(f"SELECT count(*) FROM ({read})").fetchall()[0][0] > 0, what  # noqa: S608
        assert con.execute(DIFFERENT.format(told_by_truth, read)).fetchall() == [(0,)], what


# Rows that must not be there, by what they would break.
BROKEN = {
    "an output that somebody can spend has an address": """
        FROM output ANTI JOIN address USING (script, wallet) WHERE hex(script) NOT LIKE '6A%'""",
    "an OP_RETURN is nobody's": "FROM output WHERE hex(script) LIKE '6A%' AND (wallet <> '' OR value > 0)",
    "an address stands once": "FROM (SELECT script FROM address GROUP BY ALL HAVING count(*) > 1)",
    "a party stands once": "FROM (SELECT entity FROM entity GROUP BY ALL HAVING count(*) > 1)",
    "a wallet stands once": "FROM (SELECT wallet FROM wallet GROUP BY ALL HAVING count(*) > 1)",
    "an address was paid": "FROM address ANTI JOIN output USING (script)",
    "an input's wallet is that of its address": "FROM input ANTI JOIN address USING (script, wallet)",
    "an address is a wallet's that exists": "FROM address ANTI JOIN wallet USING (wallet)",
    "an address serves a party that exists": "FROM address ANTI JOIN entity USING (entity)",
    "a wallet is a party's that exists": "FROM wallet ANTI JOIN entity USING (entity)",
    "signers are the owners of the inputs": """
        FROM (SELECT txid, list_sort(wallets) AS w FROM tx WHERE kind <> 'coinbase') JOIN
             (SELECT txid, list_sort(list(DISTINCT wallet)) AS own FROM input GROUP BY txid) USING (txid)
        WHERE w <> own""",
    "who does not mine spends": "FROM tx ANTI JOIN input USING (txid) WHERE kind <> 'coinbase'",
    "who mines spends nothing": "FROM tx SEMI JOIN input USING (txid) WHERE kind = 'coinbase' OR len(wallets) = 0",
    "the program is the first signer's": """
        FROM tx JOIN wallet ON wallet.wallet = wallets[1] WHERE tx.program <> wallet.program AND kind <> 'coinbase'""",
    "change goes back to a signer": """
        FROM output JOIN tx USING (txid) WHERE is_change AND NOT list_contains(wallets, wallet)""",
    "a payment is an output of that value": """
        FROM payment p ANTI JOIN output o ON o.txid = p.txid AND o.vout = p.vout AND o.value = p.value
        WHERE p.txid IS NOT NULL""",
    "a payment stands at its transaction's height": """
        FROM payment p JOIN tx USING (txid) WHERE p.height <> tx.height""",
    "change is no payment": "FROM payment JOIN output USING (txid, vout) WHERE is_change",
    "an output is paid once": """
        FROM (SELECT txid, vout FROM payment WHERE txid IS NOT NULL GROUP BY ALL HAVING count(*) > 1)""",
    "a payment has both parts of its place or none": "FROM payment WHERE (txid IS NULL) <> (vout IS NULL)",
    "nobody pays itself": "FROM payment WHERE payer = payee",
    "a payment is of something": "FROM payment WHERE value <= 0",
    "who pays exists": "FROM payment ANTI JOIN entity ON entity = payer",
    "who is paid exists": "FROM payment ANTI JOIN entity ON entity = payee",
    "a shell exists": "FROM shell ANTI JOIN wallet USING (wallet, entity)",
    "a shell is none to itself": "FROM shell WHERE entity = principal",
    "a shell's principal exists": "FROM shell ANTI JOIN entity ON entity.entity = principal",
    "a shell ends after it begins": "FROM shell WHERE to_height < from_height",
    "a shell is of a known type": f"FROM shell WHERE type NOT IN {SHELL_TYPES}",
    "a shell is no service": "FROM shell JOIN entity USING (entity) WHERE service OR listed_from IS NOT NULL",
    "shares sum to 1": """
        FROM (SELECT wallet, direction, truth FROM matrix GROUP BY ALL
              HAVING abs(sum(share) - 1) > 1e-9 OR min(share) < 0)""",
    "a matrix asks about an address of its wallet": "FROM matrix ANTI JOIN address USING (wallet, script)",
    "a matrix names parties that exist": "FROM matrix ANTI JOIN entity USING (entity) WHERE matrix.entity <> ''",
    "no output is dust": "FROM output WHERE value BETWEEN 1 AND 545",
    "no fee is absurd": """
        FROM (SELECT txid, sum(value) AS spent, count(*) AS n FROM input GROUP BY txid)
        JOIN (SELECT txid, sum(value) AS made, count(*) AS m FROM output GROUP BY txid) USING (txid)
        WHERE spent < made OR spent - made > 200 * (12 + 149 * n + 34 * m)""",
    "a CoinJoin is of several": f"""
        FROM tx WHERE kind IN {COINJOIN_KINDS} AND len(wallets) < 2""",
}  # fmt: skip


@pytest.mark.parametrize("name", WORLDS)
def test_the_truth_does_not_contradict_itself(made: Make, name: str) -> None:
    """What BROKEN lists is nowhere in a world."""
    con = tables(made(name))
    found = {what: con.execute(f"SELECT * {rows} LIMIT 3").fetchall() for what, rows in BROKEN.items()}
    assert {what: rows for what, rows in found.items() if rows} == {}
    for table in SCHEMAS:
        assert con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] > 0, table  # noqa: S608


def test_scripts_and_values_are_those_that_another_parser_reads(made: Make) -> None:
    """A library that is not ours reads the same outputs from the block files, in the same order."""
    outputs = tables(made("contrary")).execute("SELECT txid, vout, script, value FROM output").fetchall()
    read = [
        (tx.GetTxid(), n, bytes(o.scriptPubKey), o.nValue)
        for raw in list(raw_blocks(made("contrary")))[1:]
        for tx in CBlock.deserialize(raw).vtx
        for n, o in enumerate(tx.vout)
        if not (tx.is_coinbase() and bytes(o.scriptPubKey).startswith(b"\x6a\x24\xaa\x21\xa9\xed"))
    ]
    assert outputs == read


def test_everybody_has_coins_to_the_end(made: Make) -> None:
    """Life goes on: the last third of the busy time has as many transactions as the first, and exchanges pay out."""
    for name in ("tune", "held-out", "contrary"):
        con, busy = tables(made(name)), KINDS[name].blocks - FIRST_BUSY
        query = "SELECT count(*) FROM tx WHERE kind <> 'coinbase' AND height > ? AND height <= ?"
        ends = [(FIRST_BUSY, FIRST_BUSY + busy // 3), (KINDS[name].blocks - busy // 3, KINDS[name].blocks)]
        first, last = (con.execute(query, end).fetchall()[0][0] for end in ends)
        assert last > 0.7 * first
        late = "SELECT count(*) FROM tx WHERE kind = 'batch' AND height > ?"
        assert con.execute(late, [KINDS[name].blocks - 10]).fetchall()[0][0] > 0


# --- what a user would have


@pytest.mark.parametrize("name", ["tune", "held-out", "contrary", "crowd"])
@pytest.mark.parametrize("labels", ["disclosed", "truth/labels"])
def test_labels_import_without_a_remark(made: Make, tmp_path: Path, name: str, labels: str) -> None:
    """Packs and both vintages of the list are what `labels add` takes, nothing left out and nothing to note."""
    folder = made(name) / labels
    given = [place for place in sorted(folder.iterdir()) if place.suffix == ".yaml" or place.is_dir()]
    report = Labels(tmp_path).add(given, network="regtest")
    assert len(given) == 4
    assert (report.notes, report.skipped, report.already) == ((), (), ())
    assert report.tags > 5


def test_labels_add_takes_disclosed_from_the_command_line(made: Make, tmp_path: Path) -> None:
    """As the README says it: all packs and vintages at once, into the data directory of that chain."""
    folder = made("tune") / "disclosed"
    given = [*folder.glob("*.yaml"), *folder.glob("sdn-*")]
    done = told(apart("labels", "add", *given, "--network", "regtest", "--json", data=tmp_path))
    assert done["notes"] == done["skipped"] == []


@pytest.mark.parametrize("name", ["tune", "held-out", "contrary", "crowd"])
def test_disclosed_gives_nothing_away(made: Make, name: str) -> None:
    """No shell, no private person, no wallet's name; the listed party stands on the list alone, wallets.csv is bare."""
    world = made(name)
    texts = {path: path.read_text() for path in (world / "disclosed").rglob("*") if path.is_file()}
    con = tables(world)
    lists = ("sdn", "add", "alt", "sdn_comments")
    packs = "\n".join(text for path, text in texts.items() if path.stem not in lists).lower()
    everything = "\n".join(texts.values()).lower()
    secret = con.execute("""
        SELECT entity, name FROM entity WHERE NOT service AND listed_from IS NULL
        UNION SELECT wallet, wallet FROM wallet JOIN entity USING (entity) WHERE NOT service
        UNION SELECT type, 'is a shell' FROM shell WHERE type NOT IN ('mixed', 'split')""").fetchall()
    assert len(secret) > 20
    words = {word.lower() for row in secret for word in row}
    assert [word for word in sorted(words) if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", everything)] == []
    listed = con.execute("SELECT entity, name FROM entity WHERE listed_from IS NOT NULL").fetchall()
    assert listed
    assert [word for row in listed for word in row if word.lower() in packs] == []
    rows = list(csv.reader((world / "disclosed" / "wallets.csv").read_text().splitlines()))
    assert rows[0] == ["address"]
    assert {len(row) for row in rows} == {1}
    known = {script for (script,) in con.execute("SELECT script FROM address").fetchall()}
    assert {script_of(row[0], "regtest") for row in rows[1:]} <= known


def test_tags_are_right_but_for_a_few(made: Make) -> None:
    """Perfect tags all name whose business an address serves; those disclosed are some of them, a few with errors."""

    def said(labels: str) -> dict[str, str]:
        tags = yaml.load((world / labels / "tags.yaml").read_text(), yaml.CSafeLoader)["tags"]
        return {tag["address"]: tag["actor"] for tag in tags}

    world = made("crowd")
    perfect, disclosed = said("truth/labels"), said("disclosed")
    served = {
        text_of(script, "regtest"): (holder, entity)
        for script, holder, entity in tables(world)
        .execute("SELECT script, wallet.entity, address.entity FROM address JOIN wallet USING (wallet)")
        .fetchall()
    }
    assert all(actor in served[address] for address, actor in perfect.items())
    assert disclosed.keys() < perfect.keys()
    wrong = [address for address, actor in disclosed.items() if perfect[address] != actor]
    assert len(wrong) < len(disclosed) / 10


# --- the command line


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--agents", "nobody"], Exit.USAGE, "--agents: no such kind nobody; there are pool, exchange"),
        (["--flavour", "sour"], Exit.USAGE, "--flavour sour: there are tune, held-out, contrary"),
        (["--blocks", "149"], Exit.USAGE, "--blocks"),
        (["--seed", "-1"], Exit.USAGE, "--seed"),
        (["--people", "0", "--crowd", "5"], Exit.USAGE, "--people"),
        (["--seed", "one"], Exit.USAGE, "--seed"),
    ],
)
def test_what_can_not_be_made_is_refused(tmp_path: Path, arguments: list[str], code: Exit, words: str) -> None:
    """One clear line, the code for bad usage, and no folder."""
    failed(apart("simulate", "bitcoin", "--out", tmp_path / "w", *arguments), code, words)
    assert not (tmp_path / "w").exists()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """A folder with anything in it and a file are refused, and stay as they are; /proc can not be written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    failed(_made(tmp_path / "full"), Exit.USAGE, "is not empty: name a new folder")
    failed(_made(tmp_path / "full" / "mine"), Exit.USAGE, "is no folder: name a new one")
    failed(_made(Path("/proc/world")), Exit.INPUT, "/proc/world")
    assert (tmp_path / "full" / "mine").read_text() == "keep"
    with pytest.raises(FileExistsError, match="name a new folder"):
        simulate(tmp_path / "full", SMALL)


def _made(out: Path, blocks: int = 150) -> Done:
    return apart("simulate", "bitcoin", "--out", out, "--blocks", str(blocks), "--people", "20", "--unsigned")


_SOME_BLOCKS = 100_000  # bytes


def _begun(out: Path) -> subprocess.Popen[bytes]:
    """Begin a world that takes long, and wait until it writes blocks, with all kernels compiled."""
    words = ["simulate", "bitcoin", "--out", str(out), "--blocks", "20000", "--people", "20", "--unsigned"]
    # A Ctrl-C that falls into coverage's own lock would never be let go of: it is not measured here.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    begun = subprocess.Popen([sys.executable, "-m", "service.cli", *words], stderr=subprocess.PIPE, env=alone)
    until = time.monotonic() + 120
    while not any(file.stat().st_size > _SOME_BLOCKS for file in out.glob("node/blocks/blk*.dat")):
        assert begun.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    return begun


def test_a_killed_run_says_so_to_the_next(tmp_path: Path) -> None:
    """Half a world is told from a whole one: neither simulate nor evaluate takes it; once removed, all is well."""
    world = tmp_path / "w"
    begun = _begun(world)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    failed(_made(world), Exit.USAGE, "a world that was stopped half-way: remove it, or name a new folder")
    failed(apart("evaluate", world), Exit.INPUT, "holds no simulated world")
    shutil.rmtree(world)
    assert _made(world).returncode == 0


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C clears away what was begun, so that the same command can be given again."""
    begun = _begun(tmp_path / "w")
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=60)
    assert begun.returncode == Exit.INTERRUPTED, said
    assert list((tmp_path / "w").iterdir()) == []


def test_a_run_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk is full at the very end."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worlds.simulate, "disclose", full)
    with pytest.raises(OSError, match="No space left"):
        simulate(tmp_path / "w", drawn(replace(SMALL, blocks=120, agents=("pool",))))
    assert list((tmp_path / "w").iterdir()) == []


@pytest.mark.parametrize("agents", [("pool",), ("people",), ("crowd",), ("crowd", "exchange"), ("wasabi1", "market")])
def test_any_choice_of_agents_makes_a_world(tmp_path: Path, agents: tuple[str, ...]) -> None:
    """Whoever finds nobody to deal with stays quiet, a crowd among pools alone too."""
    summary = simulate(tmp_path / "w", drawn(replace(SMALL, blocks=140, crowd=4 * ("crowd" in agents), agents=agents)))
    assert summary.n_tx >= 140
    assert (tmp_path / "w" / "disclosed" / "wallets.csv").read_text().startswith("address\n")


def test_the_answer_says_what_was_made_and_what_comes_next(tmp_path: Path) -> None:
    """Four lines a person can read: how much, where what lies, and the command to go on with."""
    done = _made(tmp_path / "w")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("301 transactions in 150 blocks")
    assert [line.split()[0] for line in lines[1:4]] == [str(tmp_path / "w" / n) for n in ("node", "disclosed", "truth")]
    assert f"tadoru evaluate {tmp_path / 'w'}" in lines[4]
