"""Pools and miners: who mined a block, whose wallets coinbases pay, who is paid regularly, and where those sell."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.attribution import ranking
from heuristics.attribution.ground import Ground
from heuristics.attribution.mining import LEAST_PAYOUTS, UNNAMED_RECIPIENTS, Mined, conclude
from heuristics.attribution.payouts import BATCH, MOST_HOPS, PASSED_ON, UNNAMED_COINBASES, Who, sources
from heuristics.attribution.pools import SHARED_AMONG
from heuristics.generation import build
from heuristics.graph import Graph
from heuristics.overlay import Beneath, Overlay
from heuristics.rules import BY_ID
from store.arrays import Arrays
from store.database import ddl
from store.index import COINS, DATABASE, Index
from tests.lakes import Claims, In, Out, Tx, World, named, pay

EVERY = 4
"""Blocks from one payout to the next."""


@contextmanager
def laid(world: World, claims: Claims, data_dir: Path) -> Iterator[Ground]:
    """The ground of a label build over a small lake: tags and what follows from them, no other rule, no wallets."""
    lake, index = world.write(data_dir), Index(data_dir)
    files = {path.suffix: path for entry in build(lake, Claims(), index).files[:2] for path in [index.dir / entry.name]}
    base, coins = files[DATABASE], files[COINS]
    with duckdb.connect() as con:
        con.execute(ddl("labels"))
        Overlay(con, Beneath(base, coins, lake.network, lake.secret), lambda *_: None).tags(claims.snapshot())
        ranking.rank(con)
        times = con.execute("SELECT time FROM base.block ORDER BY height").fetchnumpy()["time"]
        arrays = Arrays(coins)
        graph = Graph.of(arrays)
        joint = np.zeros(len(graph.looks), np.bool_)
        yield Ground(con, graph, arrays["pooled"], joint, np.array(arrays["cluster"]), np.asarray(times))


@dataclass
class Chain:
    """A chain told block by block, and what labels say of it."""

    dir: Path
    world: World = field(default_factory=World)
    claims: Claims = field(default_factory=Claims)

    def mine(self, *to: str, says: bytes = b"", txs: tuple[Tx, ...] = ()) -> Tx:
        """A block whose coinbase pays 1,000 satoshi to each of these and says something."""
        coinbase = Tx([], [pay(one, 1000) for one in to])
        self.world.written[len(self.world.blocks)] = says
        self.world.block(coinbase, *txs)
        return coinbase

    def spend(self, ins: list[In | Tx], *outs: Out) -> Tx:
        """A transaction in the next block, beside somebody's coinbase."""
        tx = Tx([i if isinstance(i, In) else In(i) for i in ins], list(outs))
        self.mine(f"nobody {len(self.world.blocks)}", txs=(tx,))
        return tx

    def wait(self, blocks: int) -> None:
        """Let blocks go by."""
        for _ in range(blocks):
            self.mine(f"nobody {len(self.world.blocks)}")

    def pay_out(self, funds: Tx, to: list[str], times: int, every: Callable[[int], int] = lambda _: EVERY) -> Tx:
        """Pay these, again and again, from output 0 of a transaction, whose address gets the change."""
        for n in range(times):
            change = Out(funds.outs[0].to, funds.outs[0].value - 10 * len(to))
            funds = self.spend([funds], change, *(pay(one, 10) for one in to))
            self.wait(every(n) - 1)
        return funds

    def label(self, name: str, entity: str, category: str = "mining_pool", country: str = "JP") -> None:
        """Tag an address."""
        self.claims.entity(entity, category, [country])
        self.claims.tag(name, entity, category=category, confidence=90)

    def laid(self) -> AbstractContextManager[Ground]:
        """The ground of a label build over it, each time anew."""
        return laid(self.world, self.claims, Path(mkdtemp(dir=self.dir)))

    def concluded(self) -> Mined:
        """What the rules conclude."""
        with self.laid() as ground:
            return conclude(ground)

    def number(self, ground: Ground, name: str) -> int:
        """An address's number."""
        found = ground.con.execute("SELECT number FROM base.address WHERE address_id = ?", [named(name).id]).fetchone()
        assert found is not None
        return int(found[0])


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """An empty chain."""
    return Chain(tmp_path)


def told(mined: Mined, height: int) -> tuple[str | None, int, str, list[str]] | None:
    """What is concluded of a block: pool, percent, rule, and who speaks against."""
    for row in mined.pool_block.to_pylist():
        if row["height"] == height:
            return row["entity_id"], row["confidence"], BY_ID[row["rule"]].name, row["against"]
    return None


def claimed(chain: Chain, category: str) -> dict[str, tuple[str | None, str, int]]:
    """Names of wallets claimed to be of a category: entity, rule and percent of each."""
    with chain.laid() as ground:
        rows = [row for row in conclude(ground).claim.to_pylist() if row["category"] == category]
        names = {chain.number(ground, out): out for out in _names(chain.world)}
        return {names[row["wallet"]]: (row["entity_id"], BY_ID[row["rule"]].name, row["confidence"]) for row in rows}


def _names(world: World) -> Iterator[str]:
    known = {named(name).script: name for name in NAMES}
    for block in world.blocks:
        for tx in block:
            yield from (known[out.to.script] for out in tx.outs if out.to and out.to.script in known)


MINERS = [f"miner {n}" for n in range(BATCH + SHARED_AMONG)]
NAMES = ["pool", "pool 2", "cold", "desk", "till", "sale", *MINERS]


@pytest.mark.parametrize(
    ("says", "pays", "expected"),
    [
        (b"\x01/Ant/", "somebody", ("ant", 70, "pool_tag", [])),
        (b"", "ant address", ("ant", 90, "pool_address", [])),
        (b"\x01/Ant/", "ant address", ("ant", 99, "pool_agreed", [])),
        (b"/Fox2/", "ant address", ("ant", 60, "pool_address", ["fox"])),
        (b"/Ant//Fox2/", "ant address", ("ant", 60, "pool_address", ["fox"])),
        (b"/Ant//Fox/", "ant address", ("ant", 99, "pool_agreed", ["fox"])),
        (b"/Fox//Ant/", "somebody", (None, 0, "pool_tag", ["ant", "fox"])),
        (b"/Fox2//Ant/", "somebody", ("fox", 70, "pool_tag", ["ant"])),
        (b"/Owl/", "somebody", None),
    ],
)
def test_pool_of_a_block(chain: Chain, says: bytes, pays: str, expected: tuple[Any, ...] | None) -> None:
    """Tag and address that agree leave no doubt, each alone says less; where they differ the address wins."""
    for tag, pool in ((b"/Ant/", "ant"), (b"/Fox/", "fox"), (b"/Fox2/", "fox")):
        chain.claims.mark(tag, pool)
    chain.label("ant address", "ant")
    chain.mine("before")
    chain.mine(pays, says=says)
    assert told(chain.concluded(), 1) == expected


def test_pool_by_its_wallet_and_by_its_address_in_another_wallet(chain: Chain) -> None:
    """A tag speaks for its wallet, but a tagged address for itself: custodians hold pools' keys."""
    chain.label("pool", "ant")
    chain.label("hot", "custodian", "exchange")
    chain.label("fox address", "fox")
    both = [chain.mine("pool"), chain.mine("pool 2")]
    chain.spend([*both], pay("x", 1))
    other = [chain.mine("hot"), chain.mine("fox address")]
    chain.spend([*other], pay("x", 1))
    chain.claims.tags[2]["cluster_definer"] = False
    mined = chain.concluded()
    assert told(mined, 1) == ("ant", 90, "pool_address", [])
    assert told(mined, 4) == ("fox", 90, "pool_address", [])
    assert told(mined, 3) is None


def test_a_learned_text_names_the_pool(chain: Chain) -> None:
    """A text that only one pool's blocks carry names that pool where nobody knows the address, less surely."""
    chain.label("pool", "ant")
    for _ in range(6):
        chain.mine("pool", says=b"\x02/our own/")
    chain.mine("fresh", says=b"\x02/our own/")
    assert told(chain.concluded(), 6) == ("ant", 60, "pool_text", [])


def test_wallets_of_a_pool(chain: Chain) -> None:
    """A wallet that coinbases with a pool's tag pay again and again is the pool's, the surer the more blocks."""
    chain.claims.mark(b"/Ant/", "ant")
    for _ in range(3):
        chain.mine("pool", says=b"/Ant/")
    chain.mine("pool 2", says=b"/Ant/")
    assert claimed(chain, "mining_pool") == {"pool": ("ant", "pool_wallet", 56)}


def test_wallets_that_are_not_the_pools(chain: Chain) -> None:
    """Who mines with several tags, who is somebody else, and who shares a coinbase with many is no pool's wallet."""
    chain.claims.mark(b"/Ant/", "ant")
    chain.claims.mark(b"/Fox/", "fox")
    chain.label("till", "kraken", "exchange")
    for n in range(4):
        chain.mine("pool", says=b"/Ant/" if n % 2 else b"/Fox/")
        chain.mine("till", says=b"/Ant/")
        chain.mine(*MINERS[:SHARED_AMONG], says=b"/Ant/")
    assert claimed(chain, "mining_pool") == {}


def test_regular_recipients_are_miners(chain: Chain) -> None:
    """Whom a pool pays regularly in batches mines: nobody is named, and the claim shows how often and by whom."""
    chain.label("pool", "ant")
    chain.pay_out(chain.mine("pool"), MINERS[:4], 3)
    with chain.laid() as ground:
        rows = [row for row in conclude(ground).claim.to_pylist() if row["category"] == "miner"]
        assert [row["wallet"] for row in rows] == sorted(chain.number(ground, name) for name in MINERS[:4])
        assert {(row["entity_id"], row["confidence"], row["n"], row["value"]) for row in rows} == {(None, 60, 3, 30)}
        assert {row["toward"] for row in rows} == {chain.number(ground, "pool")}
        assert {row["tx_id"] for row in rows} == {chain.world.blocks[1][1].id}


def test_the_more_payouts_the_surer(chain: Chain) -> None:
    """A dozen regular payouts are surer than three."""
    chain.label("pool", "ant")
    chain.pay_out(chain.mine("pool"), MINERS[:4], 12)
    assert {percent for *_, percent in claimed(chain, "miner").values()} == {80}


@pytest.mark.parametrize(
    ("to", "times", "every"),
    [
        (MINERS[:4], LEAST_PAYOUTS - 1, lambda _: EVERY),
        (MINERS[:2], 8, lambda _: EVERY),
        (MINERS[:4], 7, lambda n: (1, 40, 3, 90, 12, 25, 1)[n]),
    ],
    ids=["seldom", "no batch", "irregular"],
)
def test_other_recipients_are_not(chain: Chain, to: list[str], times: int, every: Callable[[int], int]) -> None:
    """Who is paid seldom, irregularly or not in batches may be anybody."""
    chain.label("pool", "ant")
    chain.pay_out(chain.mine("pool"), to, times, every)
    assert claimed(chain, "miner") == {}


def test_regularity_is_of_an_address(chain: Chain) -> None:
    """Addresses of one wallet that are paid once each are no miner: a wallet may be many people's by mistake."""
    chain.label("pool", "ant")
    funds = chain.mine("pool")
    paid = []
    for n in range(4):
        funds = chain.pay_out(funds, [f"buyer {n}", f"x {n}", f"y {n}"], 1)
        paid.append(In(funds, 1))
    chain.spend([*paid], pay("together", 40))
    assert claimed(chain, "miner") == {}


def handing_out(chain: Chain, payees: int, hops: int, n_out: int = 1) -> None:
    """A pool's reward goes through so many wallets of nobody to a desk that pays it out three times."""
    chain.claims.mark(b"/Ant/", "ant")
    coins = chain.mine("fresh", says=b"/Ant/")
    for n in range(hops - 1):
        coins = chain.spend([coins], pay(f"hop {n}", 990 - n), *(pay(f"hop {n}.{k}", 1) for k in range(n_out - 1)))
    coins = chain.spend([coins], pay("desk", 900))
    chain.pay_out(coins, MINERS[:payees], 3)


def test_who_hands_out_a_pools_coins_is_its_payer(chain: Chain) -> None:
    """Batches of twenty whose coins come from one pool's coinbases alone are its payouts; their payer is the pool's."""
    handing_out(chain, BATCH, 1)
    assert claimed(chain, "miner").keys() == set(MINERS[:BATCH])
    assert claimed(chain, "mining_pool") == {"desk": ("ant", "pool_payer", 60)}


@pytest.mark.parametrize(
    ("payees", "hops", "n_out"),
    [(BATCH - 1, 1, 1), (BATCH, MOST_HOPS + 1, 1), (BATCH, 2, PASSED_ON + 1)],
    ids=["small batch", "too far", "handed out before"],
)
def test_who_hands_out_other_coins_is_not(chain: Chain, payees: int, hops: int, n_out: int) -> None:
    """A small batch, coins from further away, and coins that were handed out before prove nothing."""
    handing_out(chain, payees, hops, n_out)
    assert claimed(chain, "miner") == {}


def test_a_pool_that_nobody_names(chain: Chain) -> None:
    """A wallet that ten coinbases pay and that pays three recipients regularly is a pool, though nobody names it."""
    rewards = [chain.mine("pool") for _ in range(UNNAMED_COINBASES)]
    funds = chain.spend([*rewards], pay("pool", 9000))
    chain.pay_out(funds, MINERS[:UNNAMED_RECIPIENTS], 12)
    assert claimed(chain, "mining_pool") == {"pool": (None, "pool_unnamed", 60)}
    assert set(claimed(chain, "miner").values()) == {(None, "miner_payout", 60)}


def test_a_miner_of_its_own_is_no_pool(chain: Chain) -> None:
    """Who mines alone and pays nobody regularly stays unnamed."""
    rewards = [chain.mine("pool") for _ in range(UNNAMED_COINBASES)]
    chain.pay_out(chain.spend([*rewards], pay("pool", 9000)), MINERS[:4], 2)
    assert claimed(chain, "mining_pool") == claimed(chain, "miner") == {}


def test_coinbases_that_divide_the_reward(chain: Chain) -> None:
    """Whom several coinbases pay beside many others mines, whoever the pool is; one coinbase alone says too little."""
    chain.mine(*MINERS[: SHARED_AMONG + 1])
    chain.mine(*MINERS[:SHARED_AMONG])
    assert claimed(chain, "miner") == dict.fromkeys(MINERS[:SHARED_AMONG], (None, "miner_shared", 60))


def test_an_account_at_a_service_is_a_lead(chain: Chain) -> None:
    """A service's address that a pool pays regularly is a miner's account there: the service does not mine."""
    chain.label("pool", "ant")
    chain.label("till", "bestex", "exchange", "RU")
    chain.pay_out(chain.mine("pool"), ["till", *MINERS[:3]], 3)
    with chain.laid() as ground:
        mined = conclude(ground)
        (lead,) = mined.lead.to_pylist()
        number = chain.number(ground, "till")
    assert (lead["kind"], lead["number"], lead["entity_id"], lead["country"]) == (
        "miner_account",
        number,
        "bestex",
        "RU",
    )
    assert (lead["confidence"], lead["n"], lead["value"], lead["share"]) == (50, 3, 30, 100)
    assert number not in mined.claim["wallet"].to_pylist()


def test_an_account_that_a_rule_claims_is_a_lead_too(chain: Chain) -> None:
    """A deposit address that no tag names but the deposit rule is a service's all the same."""
    chain.label("pool", "ant")
    chain.pay_out(chain.mine("pool"), ["till", *MINERS[:3]], 3)
    with chain.laid() as ground:
        number = chain.number(ground, "till")
        ground.con.execute("INSERT INTO claim VALUES (?, 'bestex', 'exchange', 80, 80, NULL, 0, 1, 1)", [number])
        mined = conclude(ground)
    assert [(row["number"], row["entity_id"], row["country"]) for row in mined.lead.to_pylist()] == [
        (number, "bestex", None)
    ]
    assert number not in mined.claim["wallet"].to_pylist()


@pytest.mark.parametrize(("sold", "leads"), [(24, 1), (23, 0)])
def test_selling_nearly_everything_in_one_country_is_a_lead(chain: Chain, sold: int, leads: int) -> None:
    """A miner that sends four fifths to one country's exchange is a lead of low confidence, and no more than that."""
    chain.label("pool", "ant")
    chain.label("till", "bestex", "exchange", "RU")
    funds = chain.pay_out(chain.mine("pool"), MINERS[:4], 3)
    payouts = [tx for block in chain.world.blocks for tx in block if tx.ins]
    chain.spend([In(tx, 1) for tx in payouts], pay("till", sold), pay("shop", 30 - sold))
    assert funds.id == payouts[-1].id
    with chain.laid() as ground:
        mined = conclude(ground)
        found = [
            (row["kind"], row["entity_id"], row["country"], row["confidence"], row["share"])
            for row in mined.lead.to_pylist()
        ]
        miner = chain.number(ground, MINERS[0])
        assert [row["number"] for row in mined.lead.to_pylist()] == [miner] * leads
    assert found == [("miner_cashing_out", "bestex", "RU", 40, 80)] * leads


def test_nothing_to_say(chain: Chain) -> None:
    """A chain without labels, tags and payouts gives empty tables of the right columns."""
    chain.mine("somebody")
    mined = chain.concluded()
    assert [table.num_rows for table in mined] == [0, 0, 0]
    assert mined.lead.column_names[:3] == ["number", "kind", "entity_id"]


@dataclass
class Small:
    """A small random graph: transactions spend outputs of earlier ones, or are coinbases."""

    coins: Graph
    who: Who
    mined: np.ndarray
    joint: np.ndarray


@st.composite
def smalls(draw: st.DrawFn) -> Small:
    """Draw a graph of up to twelve transactions over six addresses; every block has two."""
    n = draw(st.integers(1, 6)) * 2
    spent: list[list[tuple[int, int]]] = []
    outs: list[list[tuple[int, int]]] = []
    free: list[tuple[int, int]] = []
    for t in range(n):
        k = 0 if t % 2 == 0 else draw(st.integers(0, min(3, len(free))))
        spent.append([free.pop(draw(st.integers(0, len(free) - 1))) for _ in range(k)])
        outs.append(draw(st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 3)), min_size=1, max_size=4)))
        free += [(t, v) for v in range(len(outs[t]))]
    flat = [coin for row in spent for coin in row]
    number = [outs[t][v][0] for t, v in flat]
    empty = {name: np.zeros(0, np.int64) for name in Graph._fields}
    arrays = {
        "in_start": np.cumsum([0, *map(len, spent)]),
        "out_start": np.cumsum([0, *map(len, outs)]),
        "origin": np.array([t for t, _ in flat], np.int32),
        "spend_number": np.array(number, np.int32),
        "out_value": np.array([value for row in outs for _, value in row], np.int64),
        "out_number": np.array([to for row in outs for to, _ in row], np.int32),
        "block_start": np.arange(0, n + 1, 2),
    }
    pool = np.array(draw(st.lists(st.sampled_from([-1, -1, 0, 1]), min_size=6, max_size=6)), np.int32)
    service = np.array(draw(st.lists(st.booleans(), min_size=6, max_size=6))) & (pool < 0)
    mined = np.array(draw(st.lists(st.integers(-1, 1), min_size=n // 2, max_size=n // 2)), np.int32)
    joint = np.array(draw(st.lists(st.sampled_from([False, False, True]), min_size=n, max_size=n)))
    wallet = np.array(draw(st.lists(st.integers(0, 2), min_size=6, max_size=6)), np.int32)
    return Small(Graph(**(empty | arrays)), Who(pool, service, wallet), mined, joint)


def whose(small: Small, t: int) -> tuple[int, int, bool]:
    """Whose coins alone a transaction spends, hops, and whether that pool signs: by asking back through the chain."""
    g, who = small.coins, small.who
    if g.in_start[t] == g.in_start[t + 1]:
        return int(small.mined[t // 2]), 0, False
    nobody = (-1, 0, False)
    if small.joint[t]:
        return nobody
    found, hops, own = set(), 0, True
    for i in range(g.in_start[t], g.in_start[t + 1]):
        number, origin = g.spend_number[i], int(g.origin[i])
        if number >= 0 and who.pool[number] >= 0:
            found.add(int(who.pool[number]))
            continue
        before, far, _ = whose(small, origin)
        values = g.out_value[g.out_start[origin] : g.out_start[origin + 1]]
        payers = g.spend_number[g.in_start[origin] : g.in_start[origin + 1]]
        back = number >= 0 and len(payers) > 0 and payers[0] >= 0 and who.wallet[payers[0]] == who.wallet[number]
        far += not back
        handed_out = not back and (values > 0).sum() > PASSED_ON
        if before < 0 or handed_out or far > MOST_HOPS or (number >= 0 and who.service[number]):
            return nobody
        found.add(before)
        hops, own = max(hops, far), False
    return (found.pop(), hops, own) if len(found) == 1 else nobody


@given(smalls())
def test_lineage_agrees_with_its_twin(small: Small) -> None:
    """Following a pool's coins forward gives what asking every transaction back gives."""
    found = sources(small.coins, small.who, small.mined, small.joint)
    said = list(zip(found.pool.tolist(), found.hops.tolist(), found.own.tolist(), strict=True))
    assert said == [whose(small, t) for t in range(len(small.coins.in_start) - 1)]
