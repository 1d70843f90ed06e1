"""The source and destination matrix: a slow twin agrees, and examples that can be followed with a pencil."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.truth_stories import CUSTODIAN, CUSTOMER, PARTIES, WALLETS, Out, Spent, Story, Tx
from worlds.truth.matrices import by_convention, by_intent, write_matrices
from worlds.truth.sample import Sampled, sample
from worlds.truth.tables import COINJOIN_KINDS, Truth, TruthWriter, read_table

BTC = 100_000_000
Where = tuple[str, str]
MINED, COINJOIN, UNSPENT = ("", "mined"), ("", "coinjoin"), ("", "unspent")
FEE, UNATTRIBUTED = ("", "fee"), ("", "unattributed")
ABSORBS = {e: (e, "sanctioned_entity" if listed else c) for e, c, _, service, listed in PARTIES if service or listed}
OWNER = {wallet: entity for wallet, entity, _ in WALLETS}
PEOPLE = [Sampled(wallet, b"\x51") for wallet, entity in OWNER.items() if entity not in ABSORBS]


# The slow twin: the definition in plain Python, one transaction at a time.
def party(out: Out) -> Where | None:
    holder = OWNER.get(out.wallet, "")
    return ABSORBS.get(out.served if holder in ABSORBS and out.served in ABSORBS else holder)


def mixed(parts: list[tuple[float, dict[Where, float]]]) -> dict[Where, float]:
    total: Counter[Where] = Counter()
    for weight, shares in parts:
        for where, share in shares.items():
            total[where] += weight * share  # type: ignore[assignment]
    return dict(total)


def sources(txs: list[Tx], n: int) -> dict[Where, float]:
    """Where the coins of a transaction come from, as shares."""
    tx = txs[n]
    if tx.kind == "coinbase" or tx.kind in COINJOIN_KINDS or not tx.ins:
        return {MINED if tx.kind == "coinbase" else COINJOIN if tx.kind in COINJOIN_KINDS else UNATTRIBUTED: 1.0}
    total, parts = sum(coin.out.value for coin in tx.ins), []
    for coin in tx.ins:
        known, made_by = party(coin.out), coin.made_by
        shares = {known: 1.0} if known else {UNATTRIBUTED: 1.0} if made_by is None else sources(txs, made_by)
        parts.append((coin.out.value / total if total else 1 / len(tx.ins), shares))
    return mixed(parts)


def goals(txs: list[Tx], n: int, vout: int) -> dict[Where, float]:
    """Where a coin goes, as shares."""
    known = party(txs[n].outs[vout])
    spender = next((i for i, tx in enumerate(txs) if any((c.made_by, c.vout) == (n, vout) for c in tx.ins)), None)
    if known or spender is None or txs[spender].kind in COINJOIN_KINDS:
        return {known or (UNSPENT if spender is None else COINJOIN): 1.0}
    tx = txs[spender]
    total = max(1, sum(coin.out.value for coin in tx.ins))
    fee = total - sum(out.value for out in tx.outs)
    return mixed(
        [(out.value / total, goals(txs, spender, i)) for i, out in enumerate(tx.outs)] + [(fee / total, {FEE: 1.0})]
    )


def gain(tx: Tx, wallet: str) -> int:
    """What a signer has more afterwards than its inputs, these less their share of the fee."""
    worth = sum(coin.out.value for coin in tx.ins)
    put = sum(coin.out.value for coin in tx.ins if coin.out.wallet == wallet)
    got = sum(out.value for out in tx.outs if out.wallet == wallet)
    return got - put * sum(out.value for out in tx.outs) // max(worth, 1)


def received(txs: list[Tx], wallet: str) -> dict[Where, float]:
    parts: list[tuple[float, dict[Where, float]]] = []
    for n, tx in enumerate(txs):
        signed = wallet in {coin.out.wallet for coin in tx.ins}
        got = sum(out.value for out in tx.outs if out.wallet == wallet)
        if not signed:
            parts.append((got, sources(txs, n)))
        elif tx.kind not in COINJOIN_KINDS and gain(tx, wallet) > 0:
            others = [coin for coin in tx.ins if coin.out.wallet != wallet]
            joint = [*txs, Tx("pay", others, tx.outs)]
            parts.append((gain(tx, wallet), sources(joint, len(txs))))
    return mixed(parts)


def sent(txs: list[Tx], wallet: str) -> dict[Where, float]:
    parts: list[tuple[float, dict[Where, float]]] = []
    for n, tx in enumerate(txs):
        signed = wallet in {coin.out.wallet for coin in tx.ins}
        if signed and tx.kind not in COINJOIN_KINDS and gain(tx, wallet) < 0:
            to_others = [i for i, out in enumerate(tx.outs) if out.wallet != wallet]
            share = -gain(tx, wallet) / sum(tx.outs[i].value for i in to_others)
            parts += [(tx.outs[i].value * share, goals(txs, n, i)) for i in to_others]
    return mixed(parts)


def drawn(rng: Random, n_tx: int) -> Story:
    """A random world: coinbases, payments, joint transactions, CoinJoins, fees, self-transfers, gaps, zeros."""
    story, coins = Story(), list[Spent]()
    wallets = [*OWNER, ""]
    for _ in range(n_tx):
        kind = rng.choice(["coinbase", "pay", "pay", "pay", "swap", "coinjoin", "wabisabi", "sweep"])
        if kind == "coinbase" or not coins:
            outs = [story.out(rng.choice(["pool-1", "alice-1", "carol-1"]), rng.choice([0, 5 * BTC]))]
            coins += story.tx("coinbase", [], outs)
            continue
        rng.shuffle(coins)
        owner = coins[0].out.wallet
        own = [coin for coin in coins if coin.out.wallet == owner]
        ins = [coin for coin in (own if kind in ("pay", "sweep") else coins) if coin is coins[0] or rng.random() < 0.4]
        coins = [coin for coin in coins if coin not in ins]
        if rng.random() < 0.1:
            ins.append(Spent(None, 3, story.out(rng.choice(list(OWNER)), rng.randint(1, BTC))))
        left = sum(coin.out.value for coin in ins) - rng.choice([0, 0, 1000])
        outs = []
        for _ in range(rng.randint(1, 4)):
            value = rng.choice([0, rng.randint(0, max(0, left)), max(0, left)])
            wallet = ins[0].out.wallet if kind == "sweep" else rng.choice(wallets)
            served = CUSTOMER if wallet == CUSTODIAN and rng.random() < 0.5 else ""
            outs.append(story.out(wallet, value, served))
            left -= value
        coins += [coin for coin in story.tx(kind, ins, outs) if coin.out.wallet]
    return story


def matrix(folder: Path) -> dict[tuple[str, str], dict[Where, float]]:
    """By wallet and direction: value by party, from the shares."""
    rows: dict[tuple[str, str], dict[Where, float]] = {}
    for wallet, _, direction, truth, entity, category, value, share in by_convention(folder, PEOPLE):
        assert truth == "convention"
        assert 0 < share <= 1 + 1e-12
        rows.setdefault((wallet, direction), {})[entity, category] = share
        assert value >= 0
    return rows


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(1, 25))
def test_the_matrix_is_the_definition(tmp_path_factory: pytest.TempPathFactory, rng: Random, n_tx: int) -> None:
    """On any graph the shares of every wallet are those of the plain definition, and sum to 1."""
    story = drawn(rng, n_tx)
    found = matrix(story.write(tmp_path_factory.mktemp("truth")))
    for wallet, _ in PEOPLE:
        for direction, twin in (("received", received), ("sent", sent)):
            expected = {where: value for where, value in twin(story.txs, wallet).items() if value > 0}
            shares = found.pop((wallet, direction), {})
            assert shares.keys() == expected.keys()
            total = sum(expected.values())
            assert not expected or sum(shares.values()) == pytest.approx(1, abs=1e-9)
            assert all(shares[where] == pytest.approx(expected[where] / total, abs=1e-9) for where in expected)
    assert not found


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.integers(1, 20))
def test_the_order_of_inputs_and_outputs_and_of_rows_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, rng: Random, n_tx: int
) -> None:
    """Haircut knows no order: tables shuffled row by row, transactions apart, give the same matrix."""
    folder = drawn(rng, n_tx).write(tmp_path_factory.mktemp("truth"))
    before = matrix(folder)
    tables = {name: read_table(folder, name) for name in ("input", "output", "address", "entity", "wallet")}
    with TruthWriter(folder, tables) as writer:
        for name, table in tables.items():
            order = list(range(table.num_rows))
            rng.shuffle(order)
            writer.add_batch(name, table.take(pa.array(order, pa.int64())))
    after = matrix(folder)
    assert after.keys() == before.keys()
    assert all(after[key] == pytest.approx(before[key], abs=1e-12) for key in before)


def test_a_trail_stops_at_services(tmp_path: Path) -> None:
    """Pool pays exchange, exchange pays Alice, Alice pays Bob: Bob's money is the exchange's, Alice's goes on."""
    story = Story()
    reward = story.tx("coinbase", [], [story.out("pool-1", 50 * BTC)])
    deposit = story.tx("pay", reward, [story.out("hinode-1", 50 * BTC)])
    paid = story.tx("pay", deposit, [story.out("alice-1", 10 * BTC), story.out("hinode-1", 40 * BTC)])
    story.tx("pay", paid[:1], [story.out("bob-1", 6 * BTC), story.out("alice-1", 3 * BTC)])
    rows = matrix(story.write(tmp_path))
    assert rows == {
        ("alice-1", "received"): {("hinode", "exchange"): 1.0},
        ("alice-1", "sent"): {UNSPENT: 1.0},
        ("bob-1", "received"): {("hinode", "exchange"): 1.0},
    }


def test_money_through_a_front_is_the_listed_partys_by_either_truth(tmp_path: Path) -> None:
    """The front is no service: trails pass through it, and a listed party counts as such whatever it is besides."""
    story = Story(payments=[("taiga", "bob", 3 * BTC), ("alice", "bob", BTC)], shells=["front"])
    old = [Spent(None, 0, story.out("taiga-1", 4 * BTC)), Spent(None, 1, story.out("pool-1", BTC))]
    fronted = story.tx("pay", old[:1], [story.out("front-1", 4 * BTC)])
    story.tx("pay", fronted, [story.out("bob-1", 3 * BTC), story.out("front-1", BTC - 1000)])
    truth = story.write(tmp_path)
    taiga = ("taiga", "sanctioned_entity")
    assert matrix(truth)["bob-1", "received"] == {taiga: 1.0}
    intent = {row[4:6]: row[6:] for row in by_intent(truth, PEOPLE) if row[:1] == ("bob-1",)}
    assert intent == {taiga: (3 * BTC, 0.75), ("alice", "person"): (BTC, 0.25)}


def test_two_sources_mix_in_proportion(tmp_path: Path) -> None:
    """Three quarters mined and one quarter from a CoinJoin stay so, whoever gets them; fees are a sink."""
    story = Story()
    mined = story.tx("coinbase", [], [story.out("carol-1", 3 * BTC)])
    unknown = [Spent(None, 0, story.out("bob-1", BTC)), Spent(None, 0, story.out("carol-1", BTC))]
    mix = story.tx("wabisabi", unknown, [story.out("carol-1", BTC), story.out("bob-1", BTC)])
    given_away = story.tx("pay", [mined[0], mix[0]], [story.out("alice-1", 4 * BTC)])
    story.tx("pay", given_away, [story.out("bob-1", 3 * BTC)])
    rows = matrix(story.write(tmp_path))
    assert rows["alice-1", "received"] == pytest.approx({MINED: 0.75, COINJOIN: 0.25})
    assert rows["bob-1", "received"] == pytest.approx({MINED: 0.75, COINJOIN: 0.25})
    assert rows["carol-1", "sent"] == pytest.approx({UNSPENT: 0.75, FEE: 0.25})
    assert ("carol-1", "received") in rows  # the coinbase: it signed the CoinJoin, which is its own


def test_of_what_several_sign_the_difference_counts(tmp_path: Path) -> None:
    """In a swap of two owners one sends what it has less, to all others' outputs; the other received what it has more.

    It received that from the others' coins, which nobody knows here.
    """
    story = Story()
    coins = [Spent(None, 0, story.out("alice-1", BTC)), Spent(None, 1, story.out("bob-1", 3 * BTC))]
    story.tx("swap", coins, [story.out("alice-1", 2 * BTC), story.out("bob-1", BTC), story.out("hinode-1", BTC)])
    truth = story.write(tmp_path)
    rows = {(row[0], row[2], row[5]): row[6] for row in by_convention(truth, PEOPLE)}
    assert rows == {
        ("alice-1", "received", "unattributed"): BTC,
        ("bob-1", "sent", "unspent"): round(4 * BTC / 3),
        ("bob-1", "sent", "exchange"): round(2 * BTC / 3),
    }


def test_what_a_signer_gains_is_of_the_others_inputs(tmp_path: Path) -> None:
    """A seller's own trifle is no source of what the listed party paid for it."""
    story = Story()
    coins = [Spent(None, 0, story.out("alice-1", 600)), Spent(None, 1, story.out("taiga-1", BTC))]
    story.tx("swap", coins, [story.out("alice-1", BTC), story.out("taiga-1", 600)])
    shares = matrix(story.write(tmp_path))
    assert shares == {("alice-1", "received"): {("taiga", "sanctioned_entity"): 1.0}}


def test_a_custodians_deposit_address_is_its_customers(tmp_path: Path) -> None:
    """The keys are the custodian's, the business the exchange's: what goes there goes to the exchange."""
    story = Story()
    coin = [Spent(None, 0, story.out("alice-1", 2 * BTC))]
    story.tx("pay", coin, [story.out(CUSTODIAN, BTC, CUSTOMER, "deposit"), story.out(CUSTODIAN, BTC, role="hot")])
    shares = matrix(story.write(tmp_path))["alice-1", "sent"]
    assert shares == {("hinode", "exchange"): 0.5, ("kura", "wallet_service"): 0.5}


def broken(change: Callable[[Story], None]) -> Story:
    story = Story()
    reward = story.tx("coinbase", [], [story.out("alice-1", 5)])
    story.tx("pay", reward, [story.out("bob-1", 5)])
    change(story)
    return story


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.txs.reverse(), "chain order"),
        (lambda s: s.txs[1].ins.append(s.txs[1].ins[0]._replace(vout=4)), "output that its transaction"),
        (lambda s: s.txs[1].ins.append(Spent(1, 0, s.txs[1].outs[0])), "before it was made"),
        (lambda s: s.txs[1].outs.append(s.txs[1].outs[0]), "pays more"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(
    tmp_path: Path, change: Callable[[Story], None], says: str
) -> None:
    """An oracle that reads a broken truth would score the product against nonsense."""
    folder = broken(change).write(tmp_path)
    with pytest.raises(ValueError, match=says):
        list(by_convention(folder, PEOPLE))


def rewritten(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    table = change(read_table(folder, name))
    with TruthWriter(folder, [name]) as writer:
        writer.add_batch(name, table)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("tx", lambda t: pa.concat_tables([t, t[-1:]]), "two transactions"),
        ("tx", lambda t: t[:1], "lacks"),
        ("output", lambda t: pa.concat_tables([t, t[-1:]]), "gives one twice"),
    ],
)
def test_rows_without_their_transaction_are_refused(
    tmp_path: Path, name: str, change: Callable[[pa.Table], pa.Table], says: str
) -> None:
    """So would one of rows that belong to nothing, or twice to something."""
    folder = broken(lambda _: None).write(tmp_path)
    rewritten(folder, name, change)
    with pytest.raises(ValueError, match=says):
        list(by_convention(folder, PEOPLE))


def test_an_empty_world_has_an_empty_matrix(tmp_path: Path) -> None:
    """No transactions, no wallets to ask about, no rows."""
    folder = Story().write(tmp_path)
    assert sample(folder, 1) == []
    assert write_matrices(folder, 1) == 0
    assert Truth.read(folder).matrix.num_rows == 0


def town(n_people: int = 3) -> Story:
    """Everyone receives; the front is a shell, Alice deals with the listed party."""
    story = Story(payments=[("taiga", "alice", 5)], shells=["front"])
    for wallet in OWNER:
        for _ in range(n_people):
            coins = story.tx("coinbase", [], [story.out(wallet, BTC)])
        story.tx("sweep", coins, [story.out(wallet, BTC)])
    return story


def test_the_sample_asks_first_where_the_answer_matters(tmp_path: Path) -> None:
    """Shells first, then what looks like one, then partners of listed parties; never services or listed parties."""
    folder = town().write(tmp_path)
    assert [one.wallet for one in sample(folder, 1, 4)][:3] == ["front-1", "desk-1", "alice-1"]
    assert {one.wallet for one in sample(folder, 1)} == {"front-1", "desk-1", "alice-1", "bob-1", "carol-1"}
    assert sample(folder, 1, 4)[3].wallet in ("bob-1", "carol-1")


def test_the_sample_takes_an_address_that_was_paid_and_spent(tmp_path: Path) -> None:
    """Such an address has both directions to ask about; the same seed asks the same."""
    folder = town().write(tmp_path)
    spent = set(read_table(folder, "input")["script"].to_pylist())
    chosen = sample(folder, 7)
    assert {one.script for one in chosen} <= spent
    assert chosen == sample(folder, 7)


def test_an_address_without_a_text_is_not_asked_about(tmp_path: Path) -> None:
    """Nobody can screen a P2PK output by its address: the wallet is asked about by another, or not at all."""
    story = town()
    bare = b"\x21" + bytes(33) + b"\xac"
    for tx in story.txs:
        tx.outs = [in_form(out, bare) for out in tx.outs]
        tx.ins = [coin._replace(out=in_form(coin.out, bare)) for coin in tx.ins]
    assert "bob-1" not in {one.wallet for one in sample(story.write(tmp_path), 1)}


def in_form(out: Out, script: bytes) -> Out:
    return out._replace(script=script) if out.wallet == "bob-1" else out


def test_the_written_matrix_sums_to_one(tmp_path: Path) -> None:
    """Per wallet, direction and truth the shares sum to 1, and the file is the same for the same seed."""
    story = drawn(Random(5), 120)  # noqa: S311 -- repeatable
    story.payments = [("alice", "bob", 5), ("taiga", "alice", 7), ("taiga", "front", 1), ("hinode", "alice", 2)]
    folder = story.write(tmp_path)
    n = write_matrices(folder, 3)
    rows: list[dict[str, Any]] = read_table(folder, "matrix").to_pylist()
    assert len(rows) == n > 0
    sums: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        sums[row["wallet"], row["direction"], row["truth"]] += row["share"]
    assert all(total == pytest.approx(1, abs=1e-9) for total in sums.values())
    assert {("alice-1", "received", "intent"), ("alice-1", "sent", "intent")} <= set(sums)
    before = (folder / "matrix.parquet").read_bytes()
    write_matrices(folder, 3)
    assert (folder / "matrix.parquet").read_bytes() == before
