"""Service rules: deposit addresses, hubs, shared custody, roles, nested and unnamed services (heuristics.md B, D2)."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heuristics.attribution.services.habits import Activity, activity, coins_of
from heuristics.attribution.services.sums import Sweep, share_out
from heuristics.rules import BY_ID
from tests.ledger_town import Coin, Town

FEE = 500


def sweep(town: Town, coins: list[Coin], to: str) -> Coin:
    """Move coins, whole, to one address."""
    return town.send(coins, (to, sum(map(town.value, coins)) - FEE))[0]


def exchange(town: Town, name: str, accounts: int = 6, deposits: int = 3) -> list[Coin]:
    """Let customers deposit, and the exchange sweep each deposit by itself and pay out; the hot wallet's coins."""
    hot: list[Coin] = []
    for day in range(deposits):
        for n in range(accounts):
            coin = town.earn(f"{name} customer {n} {day}", 1_000_000 + 7 * n + day)
            account, _ = town.send([coin], (f"{name} account {n}", 600_000), (f"{name} change {n} {day}", 399_000))
            town.hours(2)
            hot.append(sweep(town, [account], f"{name} hot"))
        town.hours(12)
        hot = pay_out(town, name, hot, [f"{name} payee {n} {day}" for n in range(accounts)])
    return hot


def pay_out(town: Town, name: str, hot: list[Coin], to: list[str]) -> list[Coin]:
    """Pay customers from all that the hot wallet has; what is left comes back to it."""
    rest = sum(map(town.value, hot)) - 100_000 * len(to) - FEE
    coins = town.send(hot, *((one, 100_000) for one in to), (f"{name} hot", rest))
    return coins[-1:]


@pytest.mark.parametrize("tagged", ["kita hot", "kita account 2"])
def test_one_tag_names_the_deposit_addresses_and_the_hot_wallet(tagged: str) -> None:
    """From the hot wallet's tag its deposit addresses follow, and from one of these the hot wallet and the others."""
    town = Town()
    exchange(town, "kita")
    town.tag(tagged, "kita")
    told = town.find()
    assert told.deposits() == {f"kita account {n}": "kita" for n in range(6)}
    hot = {"kita hot": "kita"} if tagged != "kita hot" else {}
    assert told.claimed("sweep_hub") == hot
    assert set(told.roles().items()) == {("kita hot", "hot"), *((f"kita account {n}", "deposit") for n in range(6))}


def test_a_claim_shows_what_it_rests_on() -> None:
    """Rule, the wallet reached, a transaction that shows it, how many sweeps and how much; no surer than its tag."""
    town = Town()
    exchange(town, "kita", accounts=1)
    town.tag("kita hot", "kita", confidence=60)
    numbers = town.numbers()
    (row,) = town.find().found.claim.to_pylist()
    assert (row["wallet"], row["toward"]) == (numbers["kita account 0"], numbers["kita hot"])
    assert (BY_ID[row["rule"]].name, row["confidence"], row["category"]) == ("deposit_sweeps", 60, "exchange")
    assert (row["n"], row["value"]) == (3, 3 * (600_000 - FEE))
    assert town.txs[row["tx_id"] >> 20].outs[0][0] == "kita hot"


def test_two_sweeps_are_less_sure_than_three() -> None:
    """Rule D: 75 percent for two, 90 from three on."""
    for n, percent in ((2, 75), (3, 90)):
        town = Town()
        exchange(town, "kita", deposits=n)
        town.tag("kita hot", "kita", confidence=95)
        assert {row["confidence"] for row in town.find().found.claim.to_pylist()} == {percent}


def test_a_customer_who_sends_all_he_has_is_no_deposit_address() -> None:
    """Customers pay deposit addresses, deposit addresses pay the hot wallet: two steps do not make one."""
    town = Town()
    exchange(town, "kita")
    for _ in range(4):
        account = sweep(town, [town.earn("saver", 900_000)], "kita account 1")
        town.hours(3)
        sweep(town, [account], "kita hot")
    for name in ("kita hot", "kita account 1", "kita account 2"):
        town.tag(name, "kita")
    told = town.find()
    assert "saver" not in told.claimed()
    assert told.deposits()["kita account 1"] == "kita"


def test_deposits_that_are_swept_together_are_one_wallet_of_deposits() -> None:
    """A batched sweep spends many deposit addresses at once: all of them are told, from a tag of one."""
    town = Town()
    for day in range(3):
        coins = [town.earn(f"account {n}", 300_000 + n + day) for n in range(8)]
        town.hours(5)
        hot = [sweep(town, coins, "hot")]
        pay_out(town, "x", hot, [f"payee {day} {n}" for n in range(5)])
    town.tag("account 3", "kita")
    assert town.find().deposits() == {f"account {n}": "kita" for n in range(8)}


def test_an_address_that_sweeps_to_two_exchanges_is_neithers() -> None:
    """One-CEX rule: a broker who forwards now here, now there, is refused."""
    town = Town()
    for name in ("kita", "sur"):
        exchange(town, name)
        town.tag(f"{name} hot", name)
    for n in range(6):
        coin = town.earn("broker", 700_000)
        town.hours(1)
        sweep(town, [coin], "kita hot" if n % 2 else "sur hot")
    told = town.find()
    assert "broker" not in told.claimed()
    assert told.deposits()["kita account 0"] == "kita"
    assert told.deposits()["sur account 0"] == "sur"


def test_the_cold_wallet_is_no_deposit_address() -> None:
    """What comes from the hot wallet, waits for a month and goes back there whole is cold, and the exchange's."""
    town = Town()
    hot = exchange(town, "kita")
    for _ in range(2):
        (coin, rest) = town.send(hot, ("cold", 500_000), ("kita hot", sum(map(town.value, hot)) - 500_000 - FEE))
        town.hours(40 * 24)
        hot = [rest, sweep(town, [coin], "kita hot")]
    town.tag("kita hot", "kita")
    told = town.find()
    assert "cold" not in told.deposits()
    assert told.roles()["cold"] == "cold"


def test_money_that_waits_for_weeks_is_not_a_customers() -> None:
    """Deposits are swept within a week; a wallet that pays the hot wallet after a month is somebody else's."""
    town = Town()
    exchange(town, "kita")
    for _ in range(3):
        coin = town.earn("late", 700_000)
        town.hours(30 * 24)
        sweep(town, [coin], "kita hot")
    town.tag("kita hot", "kita")
    assert "late" not in town.find().claimed()


def test_shoppers_of_a_processor_are_no_deposit_addresses() -> None:
    """A processor is paid by many who send all they have, and pays many: its payers are shoppers."""
    town = Town()
    exchange(town, "till")
    town.tag("till hot", "till", "payment_processor")
    assert town.find().claimed() == {}


def test_a_miner_who_cashes_out_at_an_exchange_is_no_deposit_address() -> None:
    """Rewards come from no customer."""
    town = Town()
    exchange(town, "kita")
    for _ in range(4):
        (reward,) = town.send([], ("miner", 5_000_000))
        town.hours(20)
        sweep(town, [reward], "kita hot")
    town.tag("kita hot", "kita")
    assert "miner" not in town.find().claimed()


def test_an_otc_desk_and_a_front_are_nobodys() -> None:
    """Who passes on to deposit addresses and people what others bring, is no exchange's wallet and no service."""
    town = Town()
    exchange(town, "kita")
    for n in range(8):
        for name, to in (("desk", f"client {n}"), ("front", "kita account 2")):
            coin = town.earn(name, 800_000 + n)
            town.hours(4)
            sweep(town, [coin], to)
    town.tag("kita hot", "kita")
    town.tag("kita account 1", "kita")
    told = town.find()
    assert {"desk", "front", *(f"client {n}" for n in range(8))}.isdisjoint(told.claimed())


def test_a_wrong_tag_among_many_changes_nothing() -> None:
    """One tag in five is wrong: the hub is whose most say, and the wrongly tagged address is nobody's."""
    town = Town()
    exchange(town, "kita")
    for n in range(4):
        town.tag(f"kita account {n}", "kita")
    town.tag("kita account 4", "sur")
    deposits = town.find().deposits()
    assert deposits["kita account 5"] == "kita"
    assert "kita account 4" not in deposits


def test_tags_that_contradict_each_other_evenly_name_nobody() -> None:
    """Two exchanges, one tag each: none."""
    town = Town()
    exchange(town, "kita")
    town.tag("kita account 0", "kita")
    town.tag("kita account 1", "sur")
    assert "kita account 5" not in town.find().deposits()


def test_weak_tags_name_no_operating_wallet() -> None:
    """B1: only tags with confidence 50 or more."""
    town = Town()
    exchange(town, "kita")
    town.tag("kita hot", "kita", confidence=40)
    assert town.find().deposits() == {}


def test_whom_a_tagged_wallet_pays_twice_is_a_customer() -> None:
    """Withdrawal edges carry no ownership: a tagged wallet that moved on twice, whole, names nobody it paid."""
    town = Town()
    for n in range(2):
        coin = town.earn("kita hot", 800_000 + n)
        town.hours(3)
        coin = sweep(town, [coin], f"customer {n}")
        town.send([coin], ("shop", 300_000), (f"customer {n} change", 400_000))
    town.tag("kita hot", "kita")
    assert {"customer 0", "customer 1"}.isdisjoint(town.find().claimed())


def test_a_listed_customer_does_not_make_a_hub_listed() -> None:
    """A list does not say that its party is a service: one listed address that sweeps into a hub names nobody."""
    town = Town()
    exchange(town, "kita", accounts=8, deposits=4)
    town.tag("kita account 3", "somebody listed", "sanctioned_entity", 100)
    told = town.find()
    assert told.claimed("sweep_hub") == {}
    assert told.claimed("unnamed_service")["kita hot"] is None


def test_one_sweep_counts_where_the_hub_is_sure() -> None:
    """An address that swept once, into a wallet that known deposit addresses sweep into, is one, less surely."""
    town = Town()
    exchange(town, "kita")
    coin = town.earn("newcomer", 600_000)
    town.hours(1)
    sweep(town, [coin], "kita hot")
    town.tag("kita hot", "kita", confidence=90)
    told = town.find()
    assert told.claimed("deposit_once") == {"newcomer": "kita"}
    (row,) = (row for row in told.found.claim.to_pylist() if row["n"] == 1)
    assert row["confidence"] == 60


def custodian(town: Town, sweeps: int = 8) -> None:
    """Let one wallet make the deposit addresses of two exchanges, sweep them at once and keep a small charge."""
    own: list[Coin] = []
    for n in range(sweeps):
        sides = {
            name: [town.earn(f"{name} account {(n + k) % 6}", 1_000_003 * (k + 1) + 77_777 * n + shift) for k in (0, 1)]
            for name, shift in (("kita", 123_456), ("sur", 345_678))
        }
        town.hours(20)
        sums = {name: sum(map(town.value, coins)) for name, coins in sides.items()}
        kept = {name: value // 1_000 for name, value in sums.items()}
        income = sum(map(town.value, own)) + sum(kept.values()) - FEE
        coins = [*own, *sides["sur"], *sides["kita"]]
        paid = [(f"{name} hot {n}", sums[name] - kept[name]) for name in sides]
        own = town.send(coins, *paid, (f"custodian {n}", income))[2:]


def test_a_custodian_of_two_exchanges_is_taken_apart_by_amounts() -> None:
    """Co-spending shows the custodian; what each exchange gets shows whose customers the addresses are."""
    town = Town()
    custodian(town)
    town.tag("kita account 0", "kita")
    town.tag("sur account 0", "sur")
    town.tag("custodian 0", "keeper", "wallet_service")
    told = town.find()
    assert told.deposits() == {f"{name} account {n}": name for name in ("kita", "sur") for n in range(6)}
    assert {row["entity_id"]: row["addresses"] for row in told.found.omnibus.to_pylist()} == {"kita": 6, "sur": 6}
    assert told.claimed() == {}


def test_a_wallet_of_one_exchange_is_not_shared_custody() -> None:
    """A firm with a wrong tag, whose payments go to whom it likes, is left whole."""
    town = Town()
    exchange(town, "kita", accounts=8, deposits=6)
    town.tag("kita hot", "kita")
    town.tag("kita payee 0 0", "sur")
    found = town.find().found
    assert (found.custody.num_rows, found.omnibus.num_rows) == (0, 0)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_inputs_are_shared_out_as_by_trying_all_ways(data: st.DataObject) -> None:
    """Twin: every way of sharing inputs out over outputs is tried; each input's bits are the outputs it ever feeds."""
    values = sorted(data.draw(st.lists(st.integers(1, 400), min_size=2, max_size=6)), reverse=True)
    outs = data.draw(st.lists(st.integers(1, 700), min_size=2, max_size=3))
    allowed = data.draw(st.lists(st.integers(1, 15), min_size=len(values), max_size=len(values)))
    spare, least, charge = data.draw(st.integers(0, 30)), 0.01, data.draw(st.sampled_from([0.02, 0.3]))
    feeds = [0] * len(values)
    for way in product(range(len(outs)), repeat=len(values)):
        left = list(outs)
        for value, o in zip(values, way, strict=True):
            left[o] -= value
        lost = all(-one <= int(charge * out) + spare for one, out in zip(left, outs, strict=True))
        kept = all(one > 0 or -one >= int(least * out) for one, out in zip(left, outs, strict=True))
        gained = max(left) <= int(charge * sum(values)) + spare and sum(one > 0 for one in left) <= 1
        if lost and kept and gained and all(allowed[i] >> o & 1 for i, o in enumerate(way)):
            feeds = [seen | 1 << o for seen, o in zip(feeds, way, strict=True)]
    none = np.zeros(len(values), np.int32)
    sweep_ = Sweep(
        none, np.array(values), np.array(allowed, np.int32), none[: len(outs)], np.array(outs), spare, least, charge
    )
    assert share_out(sweep_).tolist() == ([] if not any(feeds) else feeds)


def test_an_exchange_without_a_name_is_a_service() -> None:
    """Its shape tells: accounts paid by many, swept into a wallet that pays many; a category, and no name."""
    town = Town()
    exchange(town, "nobody", accounts=8, deposits=4)
    found = town.find()
    claimed = found.claimed("unnamed_service")
    assert claimed == dict.fromkeys(("nobody hot", *(f"nobody account {n}" for n in range(8))))
    assert {row["category"] for row in found.found.claim.to_pylist()} == {"service"}


def test_a_front_a_person_and_a_merchant_are_no_service() -> None:
    """Few counterparties, or no accounts: a front with two tills, a person, a shop that consolidates."""
    town = Town()
    purse: list[Coin] = []
    for n in range(30):
        for till in ("till 0", "till 1"):
            coin = town.earn(till, 400_000 + n)
            town.hours(2)
            purse.append(sweep(town, [coin], "front"))
        if n % 5 == 4:
            purse = town.send(purse, ("principal", 300_000), ("front", sum(map(town.value, purse)) - 301_000))[1:]
        coin = town.earn("person", 500_000)
        town.send([coin], (f"shop {n}", 200_000), ("person", 299_000))
    assert town.find().claimed() == {}


def test_an_account_with_many_senders_is_a_lead() -> None:
    """Fifty unrelated senders at one deposit address are more than one customer has; the others are left alone."""
    town = Town()
    exchange(town, "kita")
    for n in range(60):
        account = town.send([town.earn(f"sender {n}", 500_000)], ("nested", 300_000), (f"kept {n}", 199_000))[:1]
        town.hours(1)
        sweep(town, account, "kita hot")
    town.tag("kita hot", "kita")
    (row,) = town.find().found.nested.to_pylist()
    assert (row["wallet"], row["host_id"], row["senders"]) == (town.numbers()["nested"], "kita", 60)


def naive(town: Town) -> dict[tuple[int, int], list[int]]:
    """Twin of the pairs: payer and payee, with payments, sweeps, value and swept value."""
    wallet = town.wallets()
    pairs: dict[tuple[int, int], list[int]] = {}
    for tx in town.txs:
        payers = {wallet[town.owner(coin)] for coin in tx.ins}
        if len(payers) != 1:
            continue
        (payer,) = payers
        paid: dict[int, int] = {}
        for name, value in tx.outs:
            if wallet[name] != payer:
                paid[wallet[name]] = paid.get(wallet[name], 0) + value
        swept = len(tx.outs) <= 2 and paid and max(paid.values()) * 10 >= 9 * sum(value for _, value in tx.outs)
        for payee, value in paid.items():
            row = pairs.setdefault((payer, payee), [0, 0, 0, 0])
            one = swept and value == max(paid.values())
            for k, more in enumerate((1, int(bool(one)), value, value if one else 0)):
                row[k] += more
    return pairs


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_pairs_are_what_a_plain_count_gives(seed: int) -> None:
    """Twin: who paid whom, how often and how much, and what of it was swept, in random histories."""
    rng = np.random.default_rng(seed)
    town = Town()
    free: list[Any] = []
    for _ in range(40):
        town.hours(1)
        if len(free) < 3 or rng.random() < 0.3:
            free += town.send([], (f"a{rng.integers(12)}", int(rng.integers(2_000, 90_000))))
            continue
        ins = [free.pop(rng.integers(len(free))) for _ in range(rng.integers(1, 3))]
        whole = sum(map(town.value, ins))
        parts = rng.dirichlet(np.ones(rng.integers(1, 4)) / 3)
        free += town.send(ins, *((f"a{rng.integers(12)}", max(1, int(whole * part * 0.99))) for part in parts))
    found = worked_out(town)
    edges = found.edges
    keys = zip(edges.payer.tolist(), edges.payee.tolist(), strict=True)
    rows = zip(edges.n.tolist(), edges.sweeps.tolist(), edges.value.tolist(), edges.swept.tolist(), strict=True)
    assert {key: list(row) for key, row in zip(keys, rows, strict=True)} == naive(town)


def worked_out(town: Town) -> Activity:
    """What the kernels see of it."""
    ground = town.ground()
    return activity(coins_of(ground.graph, ground.times), ground.wallet)
