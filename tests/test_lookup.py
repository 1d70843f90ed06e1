"""Look-ups: addresses, their history, cluster members, transactions."""

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.ids import tx_key
from heuristics import lookup
from heuristics.clusters.evidence import cluster_of
from heuristics.rules.multiparty import PSBT_SWAP
from heuristics.transaction import transaction
from store.errors import DamagedError
from store.lake import Lake
from tests.lakes import SECRET, SPACING, TIME, In, Out, Tx, World, indexed, named, pay


def test_unknown_address_is_none(tmp_path: Path) -> None:
    """An address that was never seen is no error."""
    world = World()
    world.mint(pay("a", 10))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        assert lookup.address(cur, named("nobody").id) is None
        assert lookup.transactions(cur, named("nobody").id, 10) == []


def test_address_facts(tmp_path: Path) -> None:
    """Totals count transactions, not outputs; dates are the first and last."""
    world = World(first_height=7)
    coin = world.mint(pay("a", 10), pay("a", 20), pay("b", 1))
    world.spend([In(coin, 0), In(coin, 1)], pay("a", 5), pay("c", 20))
    with indexed(world, tmp_path) as reader:
        facts = lookup.address(reader.cursor(), named("a").id)
    assert facts is not None
    assert (facts.n_received, facts.received, facts.n_sent, facts.sent, facts.balance) == (2, 35, 1, 30, 5)
    assert (facts.first_height, facts.last_height) == (7, 8)
    assert (facts.clustered, facts.cluster_id) == (False, facts.number)
    assert facts.payload == named("a").payload


def test_history_comes_newest_first_in_pages(tmp_path: Path) -> None:
    """Pages follow each other without gap or repeat, with hash, time and both amounts."""
    world = World()
    for _ in range(5):
        coin = world.mint(pay("a", 10))
        world.spend([coin], pay("a", 4), pay("b", 5))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        whole = lookup.transactions(cur, named("a").id, 100)
        pages, after = [], None
        while page := lookup.transactions(cur, named("a").id, 3, after):
            pages += page
            after = page[-1].tx_id
    assert pages == whole
    assert [t.tx_id >> 20 for t in whole] == list(range(9, -1, -1))
    assert (whole[0].received, whole[0].sent, whole[0].time) == (4, 10, TIME + 9 * SPACING)
    assert whole[0].txid == world.blocks[9][0].txid


def test_members_come_in_pages(tmp_path: Path) -> None:
    """Every member once; an address alone is its own."""
    world = World()
    coins = [world.mint(pay(f"a{i}", 10)) for i in range(7)]
    world.spend(coins, pay("x", 60))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        cluster = cluster_of(cur, named("a0").id)
        found, after = [], None
        while page := lookup.members(cur, cluster, 3, after):
            found += page
            after = page[-1].number
        assert {party.address_id for party in found} == {named(f"a{i}").id for i in range(7)}
        assert len(found) == 7
        alone = lookup.members(cur, cluster_of(cur, named("x").id), 3)
        assert [party.payload for party in alone] == [named("x").payload]
        assert lookup.cluster(cur, alone[0].number) is None


def test_transaction_by_hash(tmp_path: Path) -> None:
    """A transaction is found by its hash; a foreign hash with the same key is not taken for it."""
    world = World()
    tx = world.mint(pay("a", 10))
    with indexed(world, tmp_path) as reader:
        cur = reader.cursor()
        key = tx_key(tx.txid, SECRET)
        assert lookup.transaction_id(cur, key, tx.txid) == tx.id
        assert lookup.transaction_id(cur, key, bytes(32)) is None
        assert lookup.transaction_id(cur, key + 1, tx.txid) is None
        assert lookup.txid_of(cur, tx.id) == tx.txid
        assert lookup.block_time(cur, tx.id) == TIME
        with pytest.raises(KeyError):
            lookup.txid_of(cur, tx.id + 1)


def test_transaction_details(tmp_path: Path) -> None:
    """Inputs, outputs, fee and verdict, as the lake has them."""
    world = World()
    a, b = world.mint(pay("a", 10)), world.mint(pay("b", 20))
    tx = world.spend([In(a, sighash=64), In(b)], pay("c", 25), Out(None, 0))
    with indexed(world, tmp_path) as reader:
        cur, lake = reader.cursor(), Lake.open(tmp_path)
        found = transaction(cur, lake, tx.txid)
        coinbase = transaction(cur, lake, a.txid)
        assert transaction(cur, lake, bytes(32)) is None
        assert found is not None
        assert coinbase is not None
        lake.truncate(0)
        with pytest.raises(DamagedError, match="no longer in the lake"):
            transaction(cur, lake, tx.txid)
    assert [(i.value, i.payload) for i in found.inputs] == [(10, named("a").payload), (20, named("b").payload)]
    assert [(o.value, o.payload) for o in found.outputs] == [(25, named("c").payload), (0, None)]
    assert (found.fee, found.height, found.position, found.is_coinbase) == (5, 2, 0, False)
    assert found.multi_party is not None
    assert (found.multi_party.rule, found.multi_party.confidence) == (PSBT_SWAP.label, 55)
    assert coinbase.is_coinbase
    assert coinbase.multi_party is None


def test_reorganised_transaction_is_not_taken_for_another(tmp_path: Path) -> None:
    """Where the lake has since got another block at that height, the answer is an error, not its transaction."""
    old, new = World(), World(count=700)
    for world in (old, new):
        for i in range(3):
            world.mint(pay(f"a{i}", 10))
    gone = old.blocks[1][0]
    with indexed(old, tmp_path) as reader:
        Lake.open(tmp_path).truncate(0)
        with pytest.raises(DamagedError, match="reorganised"):
            transaction(reader.cursor(), new.write(tmp_path), gone.txid)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.lists(st.integers(0, 30), max_size=3), st.lists(st.integers(0, 5), max_size=3)), max_size=3
        ),
        max_size=4,
    ),
    st.integers(1, 4),
)
def test_histories_agree_with_a_slow_ledger(
    tmp_path_factory: pytest.TempPathFactory, shape: list[list[tuple[list[int], list[int]]]], per_segment: int
) -> None:
    """Every address's history and totals, whatever the segments, are what a dictionary adds up."""
    world = World()
    coins = [In(world.mint(pay(f"n{i}", 10 + i))) for i in range(3)]
    for block in shape:
        txs = [
            Tx([coins.pop(p % len(coins)) for p in picks if coins], [pay(f"n{to}", 7 + to) for to in outs])
            for picks, outs in block
        ]
        world.block(*txs)
        coins += [In(tx, vout) for tx in txs for vout in range(len(tx.outs))]
    slow: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for txs in world.blocks:
        for tx in txs:
            for out in tx.outs:
                slow[out.to.id, tx.id][0] += out.value  # type: ignore[union-attr]
            for i in tx.ins:
                slow[i.tx.outs[i.vout].to.id, tx.id][1] += i.tx.outs[i.vout].value  # type: ignore[union-attr]
    data_dir = tmp_path_factory.mktemp("lake")
    world.write(data_dir, per_segment)
    with indexed(World(), data_dir) as reader:
        cur = reader.cursor()
        rows = cur.rows("SELECT address_id, tx_id, h.received, h.sent FROM address_tx h JOIN address USING (number)")
        assert {(a, t): [r, s] for a, t, r, s in rows} == slow
        for row in cur.rows("SELECT address_id, received, sent, first_tx_id, last_tx_id FROM address"):
            mine = {tx: sums for (address_id, tx), sums in slow.items() if address_id == row[0]}
            assert row[1:3] == (sum(s[0] for s in mine.values()), sum(s[1] for s in mine.values()))
            assert row[3:] == (min(mine), max(mine))
