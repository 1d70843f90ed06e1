"""The demo's story: what is promised about it holds in its own chain and files."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bitcoin.core import CBlock

from chains.bitcoin.address import script_of
from store.labels import Labels
from worlds.claims import REMARK_LIMIT
from worlds.demo import DemoStory, Told, build_demo, tell

Outpoint = tuple[bytes, int]


@pytest.fixture(scope="module")
def told() -> Told:
    return tell()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> DemoStory:
    return build_demo(tmp_path_factory.mktemp("demo"))


def spent_together(told: Told) -> Iterator[tuple[bytes, list[bytes]]]:
    """Give, for each transaction, the scripts that its inputs spend."""
    made: dict[Outpoint, bytes] = {}
    for block in told.world.blocks:
        for tx in CBlock.deserialize(block.raw).vtx:
            txid = tx.GetTxid()
            if not tx.is_coinbase():
                yield txid, [made[i.prevout.hash, i.prevout.n] for i in tx.vin]
            made |= {(txid, n): bytes(o.scriptPubKey) for n, o in enumerate(tx.vout)}


def clusters(told: Told) -> dict[bytes, bytes]:
    """Unite by co-spending, less what the truth calls shared; gives each script its representative."""
    shared = {d.txid for d in told.world.deeds if d.word in ("coinjoin", "swap")}
    root: dict[bytes, bytes] = {}

    def find(script: bytes) -> bytes:
        while root.setdefault(script, script) != script:
            script = root[script]
        return script

    for txid, scripts in spent_together(told):
        for script in scripts if txid not in shared else ():
            root[find(script)] = find(scripts[0])
    return {script: find(script) for script in list(root)}


def test_clusters_hold_one_owner_each(told: Told) -> None:
    """Co-spending without the multi-party transactions never unites two owners of the story."""
    owner = {a.script: w.name for w in told.world.wallets.values() for a in w.addresses}
    owners: dict[bytes, set[str]] = {}
    for script, representative in clusters(told).items():
        owners.setdefault(representative, set()).add(owner[script])
    assert all(len(names) == 1 for names in owners.values())


def test_the_listed_address_is_tied_to_the_rest_of_taiga(told: Told) -> None:
    """The unlisted address to be blocked was spent together with the listed one; the third form never was."""
    together = clusters(told)
    assert together[told.listed.script] == together[told.rotated.script]
    assert told.same_key.script not in together


def test_naive_co_spending_would_block_the_innocent(told: Told) -> None:
    """Some mix holds inputs of Taiga's cluster and of others, so a rule without the veto would unite them."""
    taiga = {a.script for a in told.cast.taiga.addresses}
    mixes = {bytes.fromhex(t)[::-1] for t in told.coinjoins}
    inputs = [set(scripts) for txid, scripts in spent_together(told) if txid in mixes]
    assert any(i & taiga and i - taiga for i in inputs)


def test_the_front_only_lives_after_the_designation(told: Told) -> None:
    """Straits neither receives nor pays before Taiga is named; Taiga pays nobody else directly after."""
    blocks = [CBlock.deserialize(b.raw) for b in told.world.blocks]
    day = {tx.GetTxid(): b.nTime for b in blocks for tx in b.vtx}
    named = told.designated.timestamp()
    for deed in told.world.deeds:
        if "Straits" in (*deed.by, *deed.to):
            assert day[deed.txid] >= named
        elif deed.by == ("Taiga",) and deed.word != "sweep":
            assert day[deed.txid] < named


def test_screened_addresses_are_seen_where_the_story_says(told: Told, story: DemoStory) -> None:
    """Every address of the list of withdrawals is on the chain, save the one that must not be."""
    seen = {
        bytes(out.scriptPubKey)
        for block in told.world.blocks
        for tx in CBlock.deserialize(block.raw).vtx
        for out in tx.vout
    }
    for screening in story.screenings:
        script = script_of(screening.address, story.network)
        assert (script in seen) is screening.seen_on_chain, screening.name


def test_counts_and_labels(told: Told, story: DemoStory) -> None:
    """The figures told are those of the chain, and every label file is there."""
    blocks = [CBlock.deserialize(b.raw) for b in told.world.blocks]
    assert story.tip_height == len(blocks) - 1
    assert story.n_tx == sum(len(b.vtx) for b in blocks)
    assert all(path.exists() for path in story.labels)
    assert (story.datadir / "blocks" / "blk00000.dat").exists()


def test_the_long_entry_is_cut_inside_an_address(told: Told, story: DemoStory) -> None:
    """The overflow into the comments file splits an address, as the published files do."""
    sdn = story.labels[-1]
    remark = sdn.read_bytes().decode("latin-1").split("\r\n")[0].rsplit(',"', 1)[1].rstrip('"')
    rest = (sdn.parent / "sdn_comments.csv").read_bytes().decode("latin-1").split(',"', 1)[1]
    assert len(remark) == REMARK_LIMIT
    cut = remark.rsplit(" ", 1)[1]
    assert cut.startswith("bcrt1")
    whole = cut + rest.split(";")[0]
    assert script_of(whole, story.network) in {a.script for a in told.broker}


def test_the_labels_are_taken_whole(story: DemoStory, tmp_path: Path) -> None:
    """The importer takes every file without a complaint; each list is of its own day, the last names Taiga."""
    report = Labels(tmp_path).add(story.labels, network=story.network)
    assert report.skipped == report.notes == ()
    assert [one.kind for one in report.added] == ["actorpack", "tagpack", "ofac_sdn", "ofac_sdn"]
    assert report.added[-1].dated == story.designated_on
    tags = Labels(tmp_path).snapshot().tags.select(["address", "listed_from"]).to_pylist()
    listed = {tag["address"]: tag["listed_from"] for tag in tags}
    for screening in story.screenings:
        assert (listed.get(screening.address) is not None) is (screening.basis == "listed_address")
    assert listed[story.screenings[0].address] == story.designated_on


def test_everyone_takes_part(told: Told) -> None:
    """No wallet of the cast stays idle."""
    active = {name for d in told.world.deeds for name in (*d.by, *d.to)}
    assert {p.name for p in told.cast.people} <= active
