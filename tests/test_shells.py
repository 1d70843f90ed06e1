"""Shell entities: told in words, each kind of front found and each honest look-alike not; kernels against twins."""

from collections import defaultdict, deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.shells.against import DOUBTS
from heuristics.shells.lots import Events, Lots, events, lots
from heuristics.shells.payments import Payments, payments
from heuristics.shells.principals import facts, own_wallets
from heuristics.shells.reach import order_of, reach
from heuristics.shells.score import ATTRIBUTED, LEAD
from heuristics.shells.trails import trails
from tests.lakes import Out, pay
from tests.shellworld import COIN, DAY, Seen, Tale, seen

CLIENTS = [f"client {n}" for n in range(6)]


def opened() -> Tale:
    """Rex pays its clients and is paid by some of them, in the open."""
    tale = Tale()
    tale.give("rex", "payer 0", "payer 1", "payer 2", "venue")
    for n, client in enumerate(CLIENTS):
        tale.pay("rex", (client, COIN + n))
    for n in range(3):
        tale.pay(f"payer {n}", ("rex", 2 * COIN + n))
    tale.wait(2 * DAY)
    return tale


def hidden(tale: Tale, *row: str, rounds: int = 6, wait: int = 1) -> None:
    """Rex's payments go by a row of companies; each keeps a hundredth."""
    for n in range(rounds):
        value = COIN * (n + 2)
        for payer, payee in zip(["rex", *row], [*row, CLIENTS[n % len(CLIENTS)]], strict=True):
            tale.pay(payer, (payee, value))
            tale.wait(wait)
            value = value * 99 // 100


def test_static_front_is_a_lead_with_its_principal(tmp_path: Path) -> None:
    """Who passes a listed party's payments to those whom it paid before is a lead, for that party, with lots."""
    tale = opened()
    since = tale.height
    hidden(tale, "front")
    tale.pay("front", ("rex", 1))
    told = seen(tale, tmp_path, ["rex"], since)
    found = told.fronts()
    best = found.shell.sort_by([("score", "descending")]).to_pylist()[0]
    assert best["shell"] == told.number["front"]
    assert best["score"] >= LEAD
    assert (best["principal_id"], best["principal"]) == ("rex", told.number["rex"])
    assert "substitution" in best["signals"]
    assert 0 < len(best["against"]) <= 3
    assert set(best["against"]) <= set(DOUBTS)
    lot = found.shell_lot.filter(found.shell_lot["shell"].to_numpy() == best["shell"]).to_pylist()
    assert len(lot) == 5
    assert lot[0]["value"] == max(one["value"] for one in lot)
    assert all(one["away"] and 0 < one["dwell"] <= 86_400 for one in lot)


def test_every_company_of_a_chain_is_a_lead(tmp_path: Path) -> None:
    """The company next to the principal, which shows one partner only, and the last one, which never meets it."""
    tale = opened()
    since = tale.height
    hidden(tale, "inner", "outer", rounds=8)
    told = seen(tale, tmp_path, ["rex"], since)
    assert told.score("outer") >= LEAD
    assert told.score("inner") >= LEAD


def test_slow_front_is_a_lead(tmp_path: Path) -> None:
    """Money that stays for five days still passes through."""
    tale = opened()
    since = tale.height
    hidden(tale, "front", rounds=8, wait=5 * DAY)
    assert seen(tale, tmp_path, ["rex"], since).score("front") >= LEAD


def test_front_with_a_trade_of_its_own_is_a_lead(tmp_path: Path) -> None:
    """A third of what passes through is the principal's, and goes to those whom it used to pay."""
    tale = opened()
    since = tale.height
    for n in range(6):
        tale.pay("venue", ("front", 15 * COIN + n))
        tale.wait(1)
        tale.pay("front", (f"supplier {n}", 14 * COIN))
        hidden(tale, "front", rounds=1)
        tale.pay("rex", ("front", (5 + n) * COIN))
        tale.wait(1)
        tale.pay("front", (CLIENTS[n], (5 + n) * COIN - 1))
    assert seen(tale, tmp_path, ["rex"], since, known=["venue"]).score("front") >= LEAD


@pytest.mark.parametrize("share", [0, 1])
def test_desk_with_many_principals_is_none(tmp_path: Path, share: int) -> None:
    """An OTC desk passes money on as fast, but has many sellers and buyers, the listed party one of them or not."""
    tale = opened()
    since = tale.height
    tale.give(*(f"seller {n}" for n in range(9)), "desk")
    for n in range(9):
        tale.pay(f"seller {n}", ("desk", COIN * (n + 3)))
        tale.wait(1)
        tale.pay("desk", (f"buyer {n}", COIN * (n + 3) - 1))
    if share:
        tale.pay("rex", ("desk", 3 * COIN))
        tale.pay("desk", ("buyer 1", 3 * COIN))
    assert seen(tale, tmp_path, ["rex"], since).score("desk") < LEAD


def test_own_customer_and_deposit_address_are_none(tmp_path: Path) -> None:
    """A customer keeps what it got for months and spends it here and there; a deposit address is swept whole."""
    tale = opened()
    since = tale.height
    for n in range(4):
        tale.pay("rex", ("customer", COIN * (n + 2)), ("deposit", COIN * (n + 2)))
        tale.move("deposit", "venue")
    tale.wait(40 * DAY)
    for n in range(4):
        tale.pay("customer", (f"shop {n}", COIN))
    told = seen(tale, tmp_path, ["rex"], since, known=["venue"])
    assert told.score("customer") < LEAD
    assert told.score("deposit") == 0


def test_documented_front_is_attributed(tmp_path: Path) -> None:
    """A wallet that is named and by a document fronts for somebody is scored too; only such a one is attributed."""
    tale = opened()
    since = tale.height
    hidden(tale, "front")
    told = seen(tale, tmp_path, ["rex"], since, known=["front"], documented=["front"])
    tiers = {row["shell"]: row["tier"] for row in told.fronts().shell.to_pylist()}
    assert tiers[told.number["front"]] == ATTRIBUTED
    assert [tier for tier in tiers.values() if tier == ATTRIBUTED] == [ATTRIBUTED]


def test_nothing_is_said_without_a_listed_party(tmp_path: Path) -> None:
    """Somebody to front for is needed, and the labels are left as they are."""
    tale = opened()
    since = tale.height
    hidden(tale, "front")
    told = seen(tale, tmp_path, [], since, known=["rex"])
    before = told.ground.con.sql("FROM attribution").fetchall()
    found = told.fronts()
    assert found.shell.num_rows == found.shell_wallet.num_rows == found.shell_lot.num_rows == 0
    assert told.ground.con.sql("FROM attribution").fetchall() == before


def own(told: Seen, since: int) -> set[str]:
    """Names of the wallets that are taken for the listed party's."""
    ground = told.ground
    nobody = np.full(len(ground.wallet), -1, np.int32)
    paid = payments(ground.graph, ground.pooled, ground.wallet)
    of = facts(ground.graph, paid, ground.joint, nobody)
    named = np.zeros(len(ground.wallet), np.bool_)
    named[told.number["rex"]] = True
    place = int(ground.graph.block_start[since])
    return {name for name, number in told.number.items() if own_wallets(of, named, place)[number]}


def test_principals_wallets_are_followed_by_whole_coins_and_common_partners(tmp_path: Path) -> None:
    """A coin moved whole leads on, and so do common private partners of a wallet filled so; a payment does not."""
    tale = Tale()
    tale.give("rex", "vault", "vault", "stranger")
    since = tale.height
    tale.move("rex", "purse")
    tale.move("vault", "second")
    for payer in ("purse", "second"):
        for front in ("front a", "front b"):
            tale.pay(payer, (front, COIN))
            tale.pay(front, (f"{payer} of {front}", COIN // 2))
    tale.pay("stranger", ("front a", COIN))
    found = own(seen(tale, tmp_path, ["rex"], since), since)
    assert {"rex", "purse", "second"} <= found
    assert not found & {"front a", "front b", "stranger"}


def test_trail_follows_change_and_stops_between_known_parties(tmp_path: Path) -> None:
    """A fresh output of an odd amount is change where the other is round and old; two known parties stay apart."""
    tale = Tale()
    tale.give("a", "old", value=7_123_457)
    tx = tale.world.spend([tale.coins["a"][0]], *_outs(("old", 5_000_000), ("fresh", 2_120_001)))
    tale.coins |= {"fresh": []}
    assert tx.ins
    told = seen(tale, tmp_path, [], 0)
    ground, number = told.ground, told.number
    nobody = np.full(len(number), -1, np.int32)
    joined = trails(ground.graph, ground.wallet, ground.joint, nobody)
    assert joined[number["a"]] == joined[number["fresh"]] != joined[number["old"]]
    claimed = nobody.copy()
    claimed[[number["a"], number["fresh"]]] = 0, 1
    apart = trails(ground.graph, ground.wallet, ground.joint, claimed)
    assert apart[number["a"]] != apart[number["fresh"]]


def _outs(*to: tuple[str, int]) -> list[Out]:
    return [pay(name, value) for name, value in to]


PAYMENTS = st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 4), st.integers(0, 50)), max_size=40)


def told_of(rows: list[tuple[int, int, int]]) -> Payments:
    """Payments between few wallets, each in a transaction of its own."""
    payer, payee, value = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    n = len(rows)
    place = np.arange(n, dtype=np.int32)
    to = payee.astype(np.int32)
    return Payments(place, payer.astype(np.int32), to, to, value, place.astype(np.int64))


def matched(of: Payments) -> list[tuple[int, int, int, int]]:
    """Twin of the lots: a queue per wallet."""
    queues: dict[int, deque[list[int]]] = defaultdict(deque)
    found = []
    for row in range(len(of.value)):
        payer, due = int(of.payer[row]), int(of.value[row])
        queue = queues[payer]
        while payer >= 0 and due and queue:
            taken = min(due, queue[0][1])
            if taken:
                found.append((payer, queue[0][0], row, taken))
            due -= taken
            queue[0][1] -= taken
            if not queue[0][1]:
                queue.popleft()
        queues[int(of.payee[row])].append([row, int(of.value[row])])
    return sorted(found, key=lambda lot: (lot[0], lot[2], lot[1]))


@given(PAYMENTS)
def test_lots_are_first_in_first_out(rows: list[tuple[int, int, int]]) -> None:
    """Every payment out is made with the oldest money that is still there."""
    of = told_of([row for row in rows if row[0] != row[1]])
    found = lots(of, events(of, np.ones(5, np.bool_)))
    assert sorted(zip(*(c.tolist() for c in found), strict=True), key=lambda lot: (lot[0], lot[2], lot[1])) == matched(
        of
    )


@given(PAYMENTS, st.integers(0, 4))
def test_reach_is_what_lots_hand_on(rows: list[tuple[int, int, int]], principal: int) -> None:
    """Shares as recursion over lots has them: all of a direct payment, 0.95 of what each lot brought or brings on."""
    of = told_of([row for row in rows if row[0] != row[1]])
    own_wallet = np.arange(5) == principal
    found = lots(of, events(of, ~own_wallet))
    got = reach(of, found, order_of(found), own_wallet)

    def source(row: int) -> float:
        whole = float(of.payer[row] == principal)
        into = [(c, v) for g, c, v in zip(found.go, found.come, found.value, strict=True) if g == row]
        return float(whole + sum(0.95 * source(c) * v / of.value[row] for c, v in into))

    def goal(row: int) -> float:
        whole = float(of.payee[row] == principal)
        onward = [(g, v) for g, c, v in zip(found.go, found.come, found.value, strict=True) if c == row]
        return float(whole + sum(0.95 * goal(g) * v / of.value[row] for g, v in onward))

    n = min(len(of.value), 12)
    np.testing.assert_allclose(got.source[:n], [source(row) for row in range(n)], rtol=1e-5)
    np.testing.assert_allclose(
        got.goal[len(of.value) - n :], [goal(r) for r in range(len(of.value) - n, len(of.value))], rtol=1e-5
    )


def test_payments_have_one_payer_and_leave_out_what_comes_back(tmp_path: Path) -> None:
    """The wallet with most of the inputs' value pays; a coinbase has no payer; a pool stands between its parties."""
    tale = Tale()
    tale.give("a", "b", value=100)
    coins = [tale.coins["b"][0], tale.coins["a"][0]]
    tale.world.spend(coins, *_outs(("c", 150), ("a", 30), ("b", 20)))
    tale.coins |= {"c": []}
    told = seen(tale, tmp_path, [], 0)
    ground, number = told.ground, told.number
    paid = payments(ground.graph, ground.pooled, ground.wallet)
    rows = list(zip(paid.payer.tolist(), paid.payee.tolist(), paid.value.tolist(), strict=True))
    a, b, c = (number[name] for name in "abc")
    assert rows == [(-1, a, 100), (-1, b, 100), (b, c, 150), (b, a, 30)]
    ground.pooled[2] = 2
    pooled = payments(ground.graph, ground.pooled, ground.wallet)
    ends = list(zip(pooled.payer.tolist(), pooled.payee.tolist(), strict=True))
    assert ends[2:] == [(b, -2), (a, -2), (-2, c), (-2, a), (-2, b)]


def test_events_of_no_wallet_are_none() -> None:
    """No candidates, no lots."""
    of = told_of([(0, 1, 5), (1, 2, 5)])
    none = events(of, np.zeros(5, np.bool_))
    assert isinstance(none, Events)
    assert isinstance(lots(of, none), Lots)
    assert len(lots(of, none).value) == 0
