"""The crowd: a chain of its batches holds, and what the truth says of it is what stands on the chain."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bitcoin.core import CBlock, CTransaction
from bitcoin.core.script import CScript

from chains.bitcoin.datadir import DatadirSource
from store.backfill import backfill
from store.formats.taxonomy import CATEGORIES
from store.lake import Lake
from store.verify import verify
from tests.twins import SECRET
from worlds.fast.crowd import LEAST_VALUE, MOST_TX, Batch, Crowd, Paid
from worlds.fast.rates import PROGRAMS
from worlds.ledger.blocks import MATURITY, MAX_WEIGHT
from worlds.ledger.chain import Chain, WorldError
from worlds.ledger.datadir import write_datadir
from worlds.ledger.undo import SpentOutput, block_undo
from worlds.ledger.wire import Packed, Parts, Proof, output_bytes, pack, u32
from worlds.truth.tables import COINJOIN_KINDS, ROLES, SCHEMAS, TruthWriter

pbk = pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")

SEED = 3
BUSY_BLOCKS, BLOCK_TX, ORDERS, GUESTS = 40, 300, 8, 60
REWARD = b"\x00\x14" + b"\x01" * 20
WANTED = (
    b"\x76\xa9\x14" + b"\x02" * 20 + b"\x88\xac",
    b"\xa9\x14" + b"\x03" * 20 + b"\x87",
    b"\x00\x14" + b"\x04" * 20,
    b"\x00\x20" + b"\x05" * 32,
    b"\x51\x20" + b"\x06" * 32,
    b"\x21\x02" + b"\x07" * 32 + b"\xac",
    b"\x21\x03" + b"\x08" * 32 + b"\xac",
    REWARD,
)
UNPAYABLE = 10**14  # satoshi
Outpoint = tuple[bytes, int]
Row = dict[str, Any]


@dataclass
class Story:
    """A chain that one agent and a crowd made, and what was said about it."""

    chain: Chain = field(default_factory=lambda: Chain(datetime(2021, 1, 1, tzinfo=UTC), 600))
    batches: list[Batch] = field(default_factory=list)
    credited: dict[Outpoint, tuple[int, str]] = field(default_factory=dict)
    """Height and crowd name by coin."""
    orders: dict[int, list[tuple[bytes, int]]] = field(default_factory=dict)
    """By height: script and value."""

    @property
    def raw(self) -> list[bytes]:
        """The blocks, genesis first."""
        return [block.raw for block in self.chain.blocks]

    def mine(self, batch: Batch) -> Packed:
        """Make the next block of what waits and a batch; gives the coinbase."""
        self.batches.append(batch)
        return self.chain.mine(REWARD, b"/test/", batch).reward

    def share_out(self, crowd: Crowd, reward: Packed) -> None:
        """Let the agent pay a whole reward to people of the crowd, unsigned."""
        height, guests = self.chain.height + 1, crowd.receive(GUESTS)
        value = reward.outputs[0][1] // GUESTS
        outputs = [(script, value) for script, _ in guests]
        parts = Parts(u32(2), [reward.txid + u32(0)], [u32(0)], [output_bytes(o) for o in outputs], u32(0))
        gift = pack(parts, [Proof(b"")], [(reward.txid, 0)], outputs)
        self.chain.submit(gift)
        for vout, (_, ticket) in enumerate(guests):
            crowd.credit(ticket, gift.txid, vout, value, height)
            self.credited[gift.txid, vout] = (height, crowd.name(ticket))

    def place_orders(self, crowd: Crowd) -> None:
        """Let the agent wish for payments: small ones, and one that nobody can make."""
        wanted = [(WANTED[n % len(WANTED)], 30_000 + n) for n in range(ORDERS)] + [(REWARD, UNPAYABLE)]
        self.orders[self.chain.height + 1] = wanted
        for n, (script, value) in enumerate(wanted):
            assert crowd.order(script, value, f"till-{n}", "shop" if n % 2 else "") == n


def story_of(seed: int, busy: int = BUSY_BLOCKS) -> Story:
    """Tell it: rewards until the first is ripe, then blocks in which one is shared out and the crowd is at work."""
    crowd, story = Crowd(seed, 20_000), Story()
    rewards: list[Packed] = []
    for height in range(1, MATURITY + busy):
        if height > MATURITY:
            story.share_out(crowd, rewards[height - 1 - MATURITY])
            story.place_orders(crowd)
        before = crowd.value
        batch = crowd.fill(height, BLOCK_TX)
        assert crowd.value == before - batch.fees - sum(value for _, value in batch.makes.values())
        rewards.append(story.mine(batch))
    story.mine(crowd.fill(MATURITY + busy, 0))
    return story


@pytest.fixture(scope="module")
def story() -> Story:
    """One chain for all tests."""
    return story_of(SEED)


@pytest.fixture(scope="module")
def truth(story: Story) -> dict[str, list[Row]]:
    """All that was told about it, row by row."""
    told = [batch.truth() for batch in story.batches]
    return {name: pa.Table.from_batches([t[name] for t in told]).to_pylist() for name in told[0]}


@pytest.fixture(scope="module")
def blocks(story: Story) -> list[CBlock]:
    """The blocks, read the slow way."""
    return [CBlock.deserialize(raw) for raw in story.raw]


def crowd_tx(blocks: list[CBlock], story: Story) -> list[tuple[int, CTransaction]]:
    """Transactions of the crowd with their heights, in chain order."""
    return [
        (height, tx)
        for height, (block, batch) in enumerate(zip(blocks[1:], story.batches, strict=True), start=1)
        for tx in (block.vtx[-batch.n_tx :] if batch.n_tx else [])
    ]


def resolved(blocks: list[CBlock]) -> list[list[list[tuple[Outpoint, SpentOutput]]]]:
    """What every input spends, by block and transaction; a KeyError where a coin is spent twice or never was."""
    unspent: dict[Outpoint, SpentOutput] = {}
    found: list[list[list[tuple[Outpoint, SpentOutput]]]] = []
    for height, block in enumerate(blocks):
        found.append([])
        for tx in block.vtx:
            if not tx.is_coinbase():
                origins = [(bytes(i.prevout.hash), i.prevout.n) for i in tx.vin]
                found[-1].append([(o, unspent.pop(o)) for o in origins])
            txid = tx.GetTxid()
            for n, out in enumerate(tx.vout):
                unspent[txid, n] = SpentOutput(out.nValue, bytes(out.scriptPubKey), height, tx.is_coinbase())
    return found


def crowd_spends(blocks: list[CBlock], story: Story) -> list[list[tuple[Outpoint, SpentOutput]]]:
    """What the inputs of the crowd's transactions spend."""
    found = resolved(blocks)[1:]
    return [coins for spent, b in zip(found, story.batches, strict=True) if b.n_tx for coins in spent[-b.n_tx :]]


def test_a_backfill_reads_the_chain_and_verify_finds_it_sound(
    story: Story, blocks: list[CBlock], tmp_path: Path
) -> None:
    """Bitcoin Core's layout: the lake takes all of it, resolves every spend from the undo data, and passes verify."""
    source = DatadirSource.open(write_datadir(tmp_path / "node", story.chain.blocks, seed=SEED))
    lake = Lake.create(tmp_path / "data", "bitcoin", "regtest", SECRET)
    backfill(source, lake)
    report = verify(lake)
    assert (report.blocks, report.unresolved, report.gaps) == (len(story.raw), 0, 0)
    assert report.tx == sum(len(b.vtx) for b in blocks)


def test_core_finds_nothing_wrong_with_the_blocks(story: Story) -> None:
    """Core's own context-free check: proof of work, merkle root, sizes, amounts, duplicate inputs."""
    consensus = pbk.ChainParameters(pbk.ChainType.REGTEST).consensus_params
    for raw in story.raw:
        assert pbk.Block(raw).check(consensus).validation_mode == pbk.ValidationMode.VALID


def test_undo_is_what_the_spends_resolve_to(story: Story, blocks: list[CBlock]) -> None:
    """No coin is spent twice or before it is there, and the undo records are those of the slow twin."""
    for block, spent in zip(story.chain.blocks[1:], resolved(blocks)[1:], strict=True):
        assert block.undo == block_undo([[coin for _, coin in coins] for coins in spent])


def test_hashes_fees_and_weight_are_those_of_the_bytes(story: Story, blocks: list[CBlock]) -> None:
    """A batch says of itself what its bytes say."""
    spends = iter(crowd_spends(blocks, story))
    for block, batch in zip(blocks[1:], story.batches, strict=True):
        made = block.vtx[len(block.vtx) - batch.n_tx :]
        assert [t.tobytes() for t in batch.txids] == [tx.GetTxid() for tx in made]
        assert batch.body == b"".join(tx.serialize() for tx in made)
        fees = [sum(c.value for _, c in next(spends)) - sum(o.nValue for o in tx.vout) for tx in made]
        assert batch.rows.fee.tolist() == fees
        assert (batch.fees, min(fees, default=0) >= 0) == (sum(fees), True)
        bare = sum(len(tx.serialize(params={"include_witness": False})) for tx in made)
        assert batch.weight == 3 * bare + len(batch.body)
    assert sum(b.n_tx for b in story.batches) > (BUSY_BLOCKS - 3) * BLOCK_TX


def test_truth_has_the_form_of_the_tables(story: Story, tmp_path: Path) -> None:
    """Every batch has the schemas of the truth tables, and can be written."""
    for batch in story.batches:
        assert all(rows.schema == SCHEMAS[name] for name, rows in batch.truth().items())
        for rows in batch.truth().values():
            rows.validate(full=True)
    with TruthWriter(tmp_path) as writer:
        for name, rows in story.batches[-2].truth().items():
            writer.add_batch(name, rows)


def test_outputs_are_those_on_chain(story: Story, blocks: list[CBlock], truth: dict[str, list[Row]]) -> None:
    """Every output of the crowd has one row with its script and value, in chain order."""
    expected = [
        (tx.GetTxid(), n, bytes(out.scriptPubKey), out.nValue)
        for _, tx in crowd_tx(blocks, story)
        for n, out in enumerate(tx.vout)
    ]
    assert [(r["txid"], r["vout"], r["script"], r["value"]) for r in truth["output"]] == expected
    data = [r for r in truth["output"] if r["script"][:1] == b"\x6a"]
    assert data
    assert all((r["wallet"], r["value"], r["is_change"]) == ("", 0, False) for r in data)
    assert min(r["value"] for r in truth["output"] if r["wallet"]) >= LEAST_VALUE


def test_inputs_are_those_on_chain(story: Story, blocks: list[CBlock], truth: dict[str, list[Row]]) -> None:
    """Every input has one row with the coin that it spends, and the wallet that got this coin."""
    spends = crowd_spends(blocks, story)
    owner = {(r["txid"], r["vout"]): r["wallet"] for r in truth["output"]}
    owner |= {coin: name for coin, (_, name) in story.credited.items()}
    expected = [
        (tx.GetTxid(), n, coin.script, coin.value, *origin, owner[origin])
        for (_, tx), coins in zip(crowd_tx(blocks, story), spends, strict=True)
        for n, (origin, coin) in enumerate(coins)
    ]
    columns = ("txid", "vin", "script", "value", "origin_txid", "origin_vout", "wallet")
    assert [tuple(r[c] for c in columns) for r in truth["input"]] == expected


def test_transactions_say_who_signed(story: Story, blocks: list[CBlock], truth: dict[str, list[Row]]) -> None:
    """One wallet signs a transaction, except a mix: there everyone spends one coin."""
    signers: dict[bytes, list[str]] = defaultdict(list)
    for row in truth["input"]:
        signers[row["txid"]].append(row["wallet"])
    made = crowd_tx(blocks, story)
    assert [(r["txid"], r["height"]) for r in truth["tx"]] == [(tx.GetTxid(), height) for height, tx in made]
    for row in truth["tx"]:
        assert row["wallets"] == list(dict.fromkeys(signers[row["txid"]]))
        mixes = row["kind"] in COINJOIN_KINDS
        assert (len(row["wallets"]) >= 5) == mixes
        assert not mixes or len(row["wallets"]) == len(signers[row["txid"]])


def test_kinds_are_what_the_outputs_show(truth: dict[str, list[Row]]) -> None:
    """Change goes to the payer, a sweep to oneself, a mix pays everyone two outputs, of which one is change."""
    outputs: dict[bytes, list[Row]] = defaultdict(list)
    for row in truth["output"]:
        outputs[row["txid"]].append(row)
    kinds = Counter(row["kind"] for row in truth["tx"])
    assert set(kinds) == {"pay", "batch", "spend", "sweep", "coinjoin"}
    for row in truth["tx"]:
        real = [o for o in outputs[row["txid"]] if o["wallet"]]
        change = [o for o in real if o["is_change"]]
        assert all(o["wallet"] in row["wallets"] for o in change)
        match row["kind"]:
            case "pay":
                assert (len(real), len(change)) in {(2, 1), (1, 0)}
            case "batch":
                assert len(real) > 2
                assert len(change) == 1
            case "spend":
                assert (len(real), len(change)) == (1, 0)
            case "sweep":
                assert [o["wallet"] for o in real] == row["wallets"]
                assert not change
            case _:
                assert sorted(o["wallet"] for o in change) == sorted(row["wallets"])
                assert len({o["value"] for o in real if not o["is_change"]}) == 1
                assert len(real) == 2 * len(change)


def test_payments_are_what_others_get(truth: dict[str, list[Row]]) -> None:
    """Every output to another party is a payment; change, mixes and what one pays oneself are none."""
    tx = {r["txid"]: r for r in truth["tx"]}
    shops = {f"till-{n}": "shop" if n % 2 else "" for n in range(ORDERS)}
    expected = []
    for row in truth["output"]:
        made = tx[row["txid"]]
        payee = shops.get(row["wallet"], row["wallet"])
        if made["kind"] in COINJOIN_KINDS or row["is_change"] or payee in {"", *made["wallets"]}:
            continue
        expected.append((made["height"], made["wallets"][0], payee, row["value"], row["txid"], row["vout"]))
    columns = ("height", "payer", "payee", "value", "txid", "vout")
    assert [tuple(r[c] for c in columns) for r in truth["payment"]] == expected


def test_everyone_and_every_address_is_told_once(story: Story, truth: dict[str, list[Row]]) -> None:
    """Wallets, their owners and addresses have one row each, no later than what they take part in."""
    outside = {f"till-{n}" for n in range(ORDERS)}
    scripts: dict[bytes, str] = {}
    wallets: set[str] = set()
    for batch in story.batches:
        told = {name: rows.to_pylist() for name, rows in batch.truth().items()}
        fresh = [row["wallet"] for row in told["wallet"]]
        assert [row["entity"] for row in told["wallet"]] == fresh == [row["entity"] for row in told["entity"]]
        assert wallets.isdisjoint(fresh)
        wallets.update(fresh)
        for row in told["address"]:
            assert scripts.setdefault(row["script"], row["wallet"]) == row["wallet"] == row["entity"]
            assert row["role"] in ROLES
        for row in told["output"]:
            if row["wallet"] and row["wallet"] not in outside:
                assert scripts[row["script"]] == row["wallet"]
                assert row["wallet"] in wallets
    assert len(scripts) == len(truth["address"])
    paid = {row["script"] for row in truth["output"]}
    gifts = {name for _, name in story.credited.values()}
    assert {row["wallet"] for row in truth["address"] if row["script"] not in paid} <= gifts
    assert {row["role"] for row in truth["address"]} == {"receive", "change", "deposit", "hot", "mix"}


def test_services_and_people_are_told_apart(truth: dict[str, list[Row]]) -> None:
    """Services have a category of that kind, everyone else is a person; none of them is known to the public."""
    for row in truth["entity"]:
        assert not row["service"]
        assert row["category"] in CATEGORIES
        assert (row["category"] == "person") == (not row["entity"].startswith("crowd-service-"))
        assert (row["name"], row["jurisdiction"], row["listed_from"]) == (row["entity"], "", None)
    assert Counter(r["category"] for r in truth["entity"] if r["category"] != "person").keys() == {
        "exchange",
        "payment_processor",
        "marketplace",
    }


def test_transactions_have_the_habits_of_their_program(
    story: Story, blocks: list[CBlock], truth: dict[str, list[Row]]
) -> None:
    """A wallet keeps its program, and version, nSequence and nLockTime are the program's."""
    program_of = {r["wallet"]: r["program"] for r in truth["wallet"]}
    below = {"final": {0}, "rbf": {2}, "locktime": {1}, "mixed": {0, 1, 2}}
    for row, (height, tx) in zip(truth["tx"], crowd_tx(blocks, story), strict=True):
        assert row["program"] == program_of[row["wallets"][0]]
        assert row["program"] in PROGRAMS
        _, version, sequence, locktime = row["program"].split("-")
        assert f"v{tx.nVersion}" == version
        assert {0xFFFFFFFF - i.nSequence for i in tx.vin} <= below[sequence]
        tip = height - 1
        assert tx.nLockTime in {"zero": {0}, "tip": {tip}, "backdated": range(tip + 1)}[locktime]
    assert len(set(program_of.values())) >= 6


def test_orders_are_paid_by_people_or_come_back(
    story: Story, blocks: list[CBlock], truth: dict[str, list[Row]]
) -> None:
    """A paid order stands on the chain with its script and value; the others are named, and none is lost."""
    outputs = {(r["txid"], r["vout"]): r for r in truth["output"]}
    n_paid = 0
    for height, wanted in story.orders.items():
        batch, made = story.batches[height - 1], blocks[height].vtx
        assert sorted([p.order for p in batch.paid] + list(batch.unpaid)) == list(range(len(wanted)))
        assert ORDERS in batch.unpaid
        for paid in batch.paid:
            tx = made[len(made) - batch.n_tx + paid.row]
            out = tx.vout[paid.vout]
            assert (bytes(out.scriptPubKey), out.nValue) == wanted[paid.order]
            assert batch.makes[tx.GetTxid(), paid.vout] == wanted[paid.order]
            row = outputs[tx.GetTxid(), paid.vout]
            assert (row["wallet"], row["is_change"]) == (f"till-{paid.order}", False)
            assert not paid.payer.startswith("crowd-service-")
            n_paid += 1
    assert n_paid > 0.9 * ORDERS * (BUSY_BLOCKS - 2)
    rows = [p.row for b in story.batches for p in b.paid]
    assert max(rows) > BLOCK_TX * 3 // 4  # among the others, not before or behind them


def test_signature_checks_are_counted(story: Story, blocks: list[CBlock]) -> None:
    """What counts towards a block's limit on signature checks is what the scripts hold."""
    spends = iter(crowd_spends(blocks, story))
    for block, batch in zip(blocks[1:], story.batches, strict=True):
        expected = 0
        for tx in block.vtx[len(block.vtx) - batch.n_tx :]:
            expected += 4 * sum(out.scriptPubKey.GetSigOpCount(fAccurate=False) for out in tx.vout)
            for n, (_, coin) in enumerate(next(spends)):
                stack = tx.wit.vtxinwit[n].scriptWitness.stack if tx.has_witness() else ()
                expected += checks(coin.script, tx.vin[n].scriptSig, stack)
        assert batch.sigops == expected


def checks(script: bytes, script_sig: CScript, stack: Sequence[bytes]) -> int:
    """Signature checks of one input, as they count."""
    if script[:1] == b"\xa9" and not stack:
        return 4 * n_keys(list(script_sig)[-1])
    if script[:2] == b"\x00\x20":
        return n_keys(stack[-1])
    return int(bool(stack) and script[:1] != b"\x51")


def n_keys(multisig: bytes) -> int:
    """Keys of a multisig script, which python-bitcoinlib's own count fails to decode."""
    return multisig[-2] - 0x50


def test_coins_from_others_are_spent_later(story: Story, truth: dict[str, list[Row]]) -> None:
    """A credited coin is its owner's to spend, in a later block."""
    heights = {r["txid"]: r["height"] for r in truth["tx"]}
    spent = 0
    for row in truth["input"]:
        credited = story.credited.get((row["origin_txid"], row["origin_vout"]))
        if credited is not None:
            assert row["wallet"] == credited[1]
            assert heights[row["txid"]] > credited[0]
            spent += 1
    assert spent > len(story.credited) / 2


def test_nobody_signs_as_sellers_do(blocks: list[CBlock]) -> None:
    """All signatures cover the whole transaction: one that covers a single output is a swap's, which agents make."""
    for block in blocks:
        for tx in block.vtx[1:]:
            for stack in tx.wit.vtxinwit:
                signatures = [part for part in stack.scriptWitness.stack if part[:1] == b"\x30"]
                assert all(s[-1] == 1 for s in signatures if 71 <= len(s) <= 72)


def test_same_seed_and_calls_same_bytes() -> None:
    """The same story is told twice in the same bytes; another seed tells another."""
    assert story_of(1, 4).raw == story_of(1, 4).raw != story_of(2, 4).raw


def test_without_coins_nothing_happens() -> None:
    """A crowd without a coin makes an empty batch, and its orders come back."""
    crowd = Crowd(1, 1_000)
    crowd.order(REWARD, 1_000)
    batch = crowd.fill(1, 100)
    assert (batch.n_tx, batch.body, batch.undo, batch.fees, batch.weight) == (0, b"", b"", 0, 0)
    assert (batch.paid, batch.unpaid) == ((), (0,))
    assert crowd.fill(2, 100).unpaid == ()


def rich(n_tx: int = 20_000, people: int = 500) -> Crowd:
    """Give a crowd of people with a bitcoin each."""
    crowd = Crowd(1, n_tx)
    for n, (_, ticket) in enumerate(crowd.receive(people)):
        crowd.credit(ticket, n.to_bytes(32, "little"), 0, 10**8, 1)
    return crowd


@pytest.mark.parametrize("weight", [0, 2_000, 20_000, 300_000, MAX_WEIGHT - 4_000])
def test_a_batch_keeps_to_the_weight_left(weight: int) -> None:
    """Never more than the weight asked for; where there is room for many, most of it is used."""
    crowd = rich()
    for height in range(2, 6):
        batch = crowd.fill(height, 10_000, weight)
        assert batch.weight <= weight
        assert batch.n_tx <= MOST_TX
    assert batch.weight > 0.9 * weight or batch.n_tx == MOST_TX or weight < 10_000


def test_orders_come_before_the_crowds_own_wishes() -> None:
    """With as many orders as transactions, all transactions are orders; what is too much comes back."""
    crowd = rich()
    for _ in range(12):
        crowd.order(REWARD, 5_000)
    batch = crowd.fill(2, 10)
    assert [p.order for p in batch.paid] == list(range(10))
    assert batch.unpaid == (10, 11)
    assert all(isinstance(p, Paid) for p in batch.paid)


def test_several_coins_pay_a_large_order() -> None:
    """A person who has enough in several coins pays with them, whoever else is poor."""
    crowd = Crowd(1, 20_000)
    (_, ticket), *others = crowd.receive(200)
    for n in range(5):
        crowd.credit(ticket, n.to_bytes(32, "little"), 0, 10**8, 1)
    for n, (_, other) in enumerate(others, start=5):
        crowd.credit(other, n.to_bytes(32, "little"), 0, 10_000, 1)
    crowd.order(REWARD, 45 * 10**7)
    batch = crowd.fill(2, 1)
    assert [p.payer for p in batch.paid] == [crowd.name(ticket)]
    assert batch.rows.inputs[-1] >= 5
    assert set(batch.rows.spent.wallet.tolist()) == set(batch.rows.payer.tolist())


@pytest.mark.parametrize("script", [b"", b"\x6a\x01\x00", REWARD + b"\x00", b"\x21\x04" + bytes(32) + b"\xac"])
def test_a_script_it_does_not_know_is_refused(script: bytes) -> None:
    """The message says which scripts can be paid."""
    with pytest.raises(WorldError, match="P2WPKH"):
        Crowd(1, 1_000).order(script, 1_000)


def test_more_coins_than_there_is_room_for_are_refused() -> None:
    """The message says what to give more of."""
    crowd = Crowd(1, 0)
    crowd._state.numbers[2] = len(crowd._state.coins.value) - 1
    for _, ticket in crowd.receive(2):
        crowd.credit(ticket, bytes(32), 0, 1_000, 1)
    with pytest.raises(WorldError, match="n_tx_hint"):
        crowd.fill(2, 1)


def test_names_are_of_fixed_width_and_one_to_one() -> None:
    """People and services have numbered names, and tickets of different people different ones."""
    crowd = Crowd(1, 1_000)
    names = [crowd.name(ticket) for _, ticket in crowd.receive(300)]
    assert all(len(name) == len("crowd-0000000") for name in names)
    assert len(set(names)) > 50
    first = crowd.fill(1, 0).truth()["wallet"]["wallet"].to_pylist()
    assert first[255] == "crowd-service-255"
    assert first[256] == "crowd-0000000"
    assert all(a < b for a, b in pairwise(first[256:]))
