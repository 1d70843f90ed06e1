"""The wheel: what a wallet received and sent, against fractions in plain Python, and what holds of any history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristics.exposure.destinations import Destinations
from heuristics.exposure.passes.parts import COINJOIN, CUT, FEE, HELD, MINED, UNRESOLVED, Parties
from heuristics.exposure.passes.run import Cut
from heuristics.exposure.provenance import Provenance
from heuristics.exposure.wheel import AFTER, INDIRECT, PASSES, SENT, UNSOLICITED, Asked, Surroundings, wheel
from tests.histories import CATEGORY, CODE, N_CATEGORIES, OWNERS, history, part
from tests.naive_provenance import In, Out, Tx, destinations, provenance
from tests.naive_wheel import Key, Line, Setting, Wheel, due, more, number_of, reckoned

UNCUT = Cut(drop=0.0, top=1000, exact=True)
SEEDS = st.integers(0, 2**32)
PRICES: tuple[Fraction | None, ...] = (Fraction(1, 4), None, Fraction(3))


def small(txs: list[Tx], coin: int) -> list[Tx]:
    """The same history with fewer satoshi: a coinbase's 2**40 become `coin`, and nobody pays what he has not."""
    values: list[list[int]] = []
    found = []
    for tx in txs:
        ins = [replace(i, value=_less(i.value, coin) if i.tx is None else values[i.tx][i.vout]) for i in tx.ins]
        whole = all(i.value is not None for i in ins)
        scale = Fraction(sum(i.value or 0 for i in ins), tx.worth or 1) if ins and whole else Fraction(coin, 1 << 40)
        values.append([int(o.value * scale) for o in tx.outs])
        outs = [replace(o, value=value) for o, value in zip(tx.outs, values[-1], strict=True)]
        found.append(Tx(ins, outs, tx.coinjoin))
    return found


def _less(value: int | None, coin: int) -> int | None:
    return None if value is None else value * coin >> 40


def drawn(seed: int, n: int, coin: int) -> Setting:
    """A history and somebody to know: boundaries of one or several clusters, names that trails go through, listings."""
    rng = Random(seed)  # noqa: S311 -- repeatable on purpose
    txs = small(history(seed, n), coin)
    code: dict[int | None, int] = (
        {owner: rng.choice((9, 10, 11, 6, 8)) for owner in range(5)} if rng.random() < 0.7 else dict(CODE)
    )
    named = code | {owner: rng.choice((7, 9, 11)) for owner in (5, 6)}
    first: dict[int, int | None] = {}
    own = {owner: first.setdefault(c, owner) for owner, c in code.items() if c >= N_CATEGORIES}
    own |= {7: 5, 8: 5} if rng.random() < 0.5 else {}
    listed = {c: [_stretch(rng, n) for _ in range(times)] for c, times in ((9, 1), (11, 3))}
    return Setting(txs, code, named, own, listed, [PRICES[place // 3 % 3] for place in range(n)])


def _stretch(rng: Random, n: int) -> tuple[int, int]:
    """From one place to another, or none."""
    one, other = rng.randrange(n + 1), rng.randrange(n + 1)
    return min(one, other), max(one, other)


@dataclass
class Told:
    """A setting as arrays, with its vectors."""

    around: Surroundings
    spend_number: Any
    out_number: Any
    own: list[int]

    def lines(self, wallet: int, number: int = -1, places: Any = None) -> dict[Key, Any]:
        """What the product says."""
        whole = self.around.whole
        some = np.arange(len(whole.born), dtype=np.int32) if places is None else places
        rows = wheel(self.around, Asked(wallet, number, self.spend_number, self.out_number), some)
        found = {(int(row["code"]), int(row["flags"])): row for row in rows}
        assert len(found) == len(rows)
        return found


def told(at: Setting, cut: Cut = UNCUT) -> Told:
    """Run the passes over a setting."""
    txs, n = at.txs, len(at.txs)
    code = np.array([at.code.get(owner, -1) for owner in range(OWNERS)], np.int32)
    parties, whole = Parties(code, np.array(CATEGORY, np.int32), N_CATEGORIES), part(list(txs))
    spends = [(i, number_of(i.tx, i.vout, i.owner) if i.owner is not None else -1) for tx in txs for i in tx.ins]
    outs = [
        number_of(t, vout, o.owner) if o.owner is not None else -1
        for t, tx in enumerate(txs)
        for vout, o in enumerate(tx.outs)
    ]
    # Three transactions in a block, and an empty block behind each.
    starts = [place for first in range(0, n, 3) for place in (first, min(first + 3, n))]
    own = [at.own.get(owner, owner) or 0 for owner in range(OWNERS)]
    listed_start, since, until = listings(at.listed, len(CATEGORY))
    around = Surroundings(
        whole,
        Provenance(parties, n, cut).run(whole),
        Destinations(parties, n, cut).run(whole),
        code,
        np.array([at.named.get(owner, -1) for owner in range(OWNERS)], np.int32),
        np.array(own, np.int32),
        np.array([*starts, n], np.int64),
        listed_start,
        since,
        until,
        np.array([np.nan if (p := at.price[first]) is None else float(p) for first in range(0, n, 3) for _ in (0, 1)]),
    )
    return Told(around, np.array([number for _, number in spends], np.int32), np.array(outs, np.int32), own)


def listings(listed: Mapping[int, Sequence[tuple[int, int]]], n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each code's listings begin; of each the first place within it, and the first after it."""
    every = [one for code in range(n) for one in listed.get(code, ())]
    start = np.cumsum([0, *(len(listed.get(code, ())) for code in range(n))])
    return start, np.array([a for a, _ in every], np.int64), np.array([b for _, b in every], np.int64)


def twin(at: Setting) -> Wheel:
    """The same with fractions."""
    return Wheel(at, (provenance(at.txs, at.code), destinations(at.txs, at.code)))


def assert_same(mine: dict[Key, Any], true: dict[Key, Line], n: int) -> None:
    """Every line agrees: value and money to rounding, places and least hops exactly."""
    assert mine.keys() == true.keys()
    for key, line in true.items():
        row = mine[key]
        value = float(line.value)
        assert float(row["value"]) == pytest.approx(value, rel=1e-9), key
        assert float(row["fiat"]) == pytest.approx(float(line.fiat), rel=1e-9), key
        assert float(row["unpriced"]) == pytest.approx(float(line.unpriced), rel=1e-9), key
        peak = float(row["peak"])
        assert peak == pytest.approx(float(max(line.at.values())), rel=1e-9), key
        assert float(line.at[row["most"]]) == pytest.approx(peak, rel=1e-9), key
        assert abs(float(row["far"]) - float(line.far)) <= value * (n + 1) / 64, key
        places = min(line.places), max(line.places), len(line.places), line.min_hops
        assert (row["first"], row["last"], row["n_tx"], row["min_hops"]) == places, key


@given(SEEDS, st.integers(1, 60), st.sampled_from((1 << 40, 20_000, 3_000)))
def test_lines_are_those_of_the_definition(seed: int, n: int, coin: int) -> None:
    """Every wallet's lines agree with fractions: direct and indirect, own, CoinJoins, dust, listings, money."""
    at = drawn(seed, n, coin)
    mine, true = told(at), twin(at)
    for wallet in sorted(set(mine.own)):
        assert_same(mine.lines(wallet), true.lines(wallet), n)


@given(SEEDS, st.integers(1, 40), st.sampled_from((1 << 40, 20_000)))
def test_one_address_of_a_wallet(seed: int, n: int, coin: int) -> None:
    """What one address put in and got is told; what moves between the wallet's own addresses is not."""
    at = drawn(seed, n, coin)
    mine, true = told(at), twin(at)
    for number in range(2 * OWNERS):
        wallet = mine.own[number // 2]
        assert_same(mine.lines(wallet, number), true.lines(wallet, number), n)


@given(SEEDS, st.integers(1, 40))
def test_addresses_add_up_to_their_wallet(seed: int, n: int) -> None:
    """What a wallet's addresses received and sent in payments, by one or several, sums to what the wallet did."""
    at = drawn(seed, n, 1 << 40)
    at = replace(at, txs=[replace(tx, coinjoin=False) for tx in at.txs])
    mine = told(at)
    for wallet in sorted(set(mine.own)):
        numbers = [2 * owner + k for owner in range(OWNERS) if mine.own[owner] == wallet for k in (0, 1)]
        for direction in (0, SENT):
            parts = sum(summed(mine.lines(wallet, number), direction) for number in numbers)
            assert parts == pytest.approx(summed(mine.lines(wallet), direction), rel=1e-9)


def summed(lines: dict[Key, Any], direction: int) -> float:
    """All that was received, or sent."""
    return sum(float(row["value"]) for (_, flags), row in lines.items() if flags & (SENT | PASSES) == direction)


def totals(at: Setting, wallet: int | None) -> tuple[Fraction, Fraction]:
    """What others paid to a wallet, and what it paid to others."""
    received, sent = Fraction(0), Fraction(0)
    for tx in at.txs:
        put = Fraction(sum(i.value or 0 for i in tx.ins if at.wallet(i.owner) == wallet))
        got = Fraction(sum(o.value for o in tx.outs if at.wallet(o.owner) == wallet))
        if not any(at.wallet(i.owner) == wallet for i in tx.ins):
            received += got
            continue
        gain = got - due(tx, put) if tx.born == COINJOIN else more(tx, put, got)
        received += max(gain, Fraction(0))
        known = put / reckoned(tx, put) if put and tx.born != COINJOIN else Fraction(1)
        sent += max(-gain, Fraction(0)) * known if put else 0
    return received, sent


@given(SEEDS, st.integers(1, 60), st.sampled_from((1 << 40, 20_000)))
def test_lines_sum_to_everything(seed: int, n: int, coin: int) -> None:
    """Per direction the lines sum to what was received or sent: to 1e-9 as computed, to 1e-6 as stored and cut."""
    at = drawn(seed, n, coin)
    exact, stored = told(at), told(at, Cut(0.01, 1))
    for wallet in sorted(set(exact.own)):
        for direction, total in zip((0, SENT), totals(at, wallet), strict=True):
            assert summed(exact.lines(wallet), direction) == pytest.approx(float(total), rel=1e-9)
            assert summed(stored.lines(wallet), direction) == pytest.approx(float(total), rel=1e-6)


@given(SEEDS, st.integers(1, 60), st.sampled_from((1 << 40, 20_000)))
def test_what_all_received_is_what_all_sent(seed: int, n: int, coin: int) -> None:
    """Of every transaction that is no CoinJoin, what its payers have less is what everybody else has more."""
    at = drawn(seed, n, coin)
    everybody = {at.wallet(owner) for owner in range(OWNERS)}
    for t, tx in enumerate(at.txs):
        nobodys = any(i.owner is None or i.value is None for i in tx.ins)
        if tx.born is not None or nobodys:
            continue
        burnt = sum(o.value for o in tx.outs if o.owner is None)
        alone = replace(at, txs=[tx if place == t else Tx([], []) for place in range(n)])
        received, sent = (sum(side) for side in zip(*(totals(alone, wallet) for wallet in everybody), strict=True))
        assert abs(received + burnt - sent) <= len(tx.ins)
        mine = [told(at).lines(wallet, places=np.array([t], np.int32)) for wallet in everybody if wallet is not None]
        assert sum(summed(lines, SENT) for lines in mine) == pytest.approx(float(sent), rel=1e-9)
        assert sum(summed(lines, 0) for lines in mine) == pytest.approx(float(received), rel=1e-9)


@given(SEEDS, st.integers(1, 60))
def test_what_one_says_it_sent_another_says_it_received(seed: int, n: int) -> None:
    """Between any two boundaries both wheels tell the same value, with nothing cut, where nobody pays jointly."""
    at = drawn(seed, n, 1 << 40)
    assert both_ways(at) <= 1e-9


def both_ways(at: Setting) -> float:
    """The largest difference between what a boundary sent to another and what that one received of it."""
    # One owner pays all of a transaction.
    alone = [replace(tx, ins=[replace(i, owner=_payer(tx)) for i in tx.ins]) for tx in at.txs]
    for tx in alone:
        for i in tx.ins:
            if i.tx is not None:
                alone[i.tx].outs[i.vout] = replace(alone[i.tx].outs[i.vout], owner=i.owner)
    mine = told(replace(at, txs=alone))
    wallets = {c: at.wallet(owner) for owner, c in at.code.items() if c >= N_CATEGORIES}
    lines = {c: mine.lines(wallet) for c, wallet in wallets.items() if wallet is not None}
    worst = 0.0
    for a in lines:
        for b in lines:
            if a != b:
                sent, received = (_between(lines[x], y, side) for x, y, side in ((a, b, SENT), (b, a, 0)))
                worst = max(worst, abs(sent - received) / max(sent, received, 1.0))
    return worst


def _payer(tx: Tx) -> int | None:
    return tx.ins[0].owner if tx.ins else None


def _between(lines: dict[Key, Any], code: int, direction: int) -> float:
    return sum(float(row["value"]) for (c, f), row in lines.items() if c == code and f & (SENT | PASSES) == direction)


@given(SEEDS, st.integers(1, 40), st.integers(0, 1000))
def test_output_order_does_not_matter(seed: int, n: int, order: int) -> None:
    """In whatever order a wallet writes its outputs, everybody's lines say the same."""
    at = drawn(seed, n, 20_000)
    rng = Random(order)  # noqa: S311 -- repeatable on purpose
    shuffled = [replace(tx, outs=rng.sample(tx.outs, len(tx.outs))) for tx in at.txs]
    mine, other = told(at), told(replace(at, txs=shuffled))
    for wallet in sorted(set(mine.own)):
        one, two = mine.lines(wallet), other.lines(wallet)
        assert one.keys() == two.keys()
        for key, row in one.items():
            for name in ("value", "fiat", "unpriced"):
                assert float(row[name]) == pytest.approx(float(two[key][name]), rel=1e-9)
            for name in ("first", "last", "n_tx", "min_hops"):
                assert row[name] == two[key][name]


@given(SEEDS, st.integers(1, 60))
def test_transactions_of_others_change_nothing(seed: int, n: int) -> None:
    """Only the wallet's own transactions are looked at: all of a history gives the same as those alone."""
    at = drawn(seed, n, 20_000)
    mine = told(at)
    for wallet in sorted(set(mine.own)):
        touched = [t for t, tx in enumerate(at.txs) if wallet in {at.wallet(owner) for owner in _owners(tx)}]
        own = mine.lines(wallet, places=np.array(touched, np.int32))
        every = mine.lines(wallet)
        assert own.keys() == every.keys()
        assert all(own[key].tobytes() == every[key].tobytes() for key in own)


def _owners(tx: Tx) -> set[int]:
    """Everybody who has to do with a transaction."""
    return {owner for owner in ({i.owner for i in tx.ins} | {o.owner for o in tx.outs}) if owner is not None}


def setting(txs: list[Tx], **more: Any) -> Setting:
    """A history of one price, in which owners 0 to 4 are boundaries."""
    for t, tx in enumerate(txs):
        for i in tx.ins:
            if i.tx is not None:
                txs[i.tx].outs[i.vout].spent_by = t
    plain = {"code": CODE, "named": CODE, "own": {}, "listed": {}, "price": [Fraction(1)] * len(txs)}
    return Setting(txs, **(plain | more))


def values(at: Setting, wallet: int) -> dict[Key, float]:
    """Satoshi by code and flags."""
    return {key: float(row["value"]) for key, row in told(at).lines(wallet).items()}


BIG = 1_000_000


def test_one_hop_is_direct() -> None:
    """Who paid is direct; whoever stood behind somebody unknown is indirect, as far away as there were passages."""
    at = setting([
        Tx([], [Out(BIG, 0), Out(BIG, 1)]),
        Tx([In(0, 0, BIG, 0)], [Out(BIG, 5)]),
        Tx([In(0, 1, BIG, 1)], [Out(BIG, 7)]),
        Tx([In(1, 0, BIG, 5)], [Out(BIG, 6)]),
        Tx([In(3, 0, BIG, 6)], [Out(BIG, 7)]),
    ])  # fmt: skip
    lines = told(at).lines(7)
    assert {key: int(row["min_hops"]) for key, row in lines.items()} == {(10, 0): 1, (9, INDIRECT): 3}
    assert values(at, 0) == {(MINED, 0): BIG, (HELD, SENT | INDIRECT): BIG}
    assert float(lines[9, INDIRECT]["far"]) == 3 * BIG


def test_change_is_no_dealing_and_of_joint_payments_the_difference_counts() -> None:
    """Of what several pay each sent what he has less, to others' outputs by value; change is not received."""
    at = setting([
        Tx([], [Out(3 * BIG, 7), Out(BIG, 8)]),
        Tx([In(0, 0, 3 * BIG, 7), In(0, 1, BIG, 8)], [Out(2 * BIG, 0), Out(BIG, 7), Out(BIG, 9)]),
    ])  # fmt: skip
    assert values(at, 7) == {(MINED, 0): 3 * BIG, (9, SENT): 2 * BIG * 2 / 3, (HELD, SENT): 2 * BIG / 3}
    assert values(at, 8) == {(MINED, 0): BIG, (9, SENT): BIG / 2, (HELD, SENT): BIG / 2}


def test_of_a_coinjoin_the_difference_counts() -> None:
    """Put in three, got two back: one was sent to the CoinJoin; put in nothing: all was received from it."""
    at = setting([
        Tx([], [Out(3 * BIG, 7), Out(BIG, 8)]),
        Tx([In(0, 0, 3 * BIG, 7), In(0, 1, BIG, 8)], [Out(2 * BIG, 7), Out(2 * BIG, 9)], coinjoin=True),
    ])  # fmt: skip
    assert values(at, 7) == {(MINED, 0): 3 * BIG, (COINJOIN, SENT): BIG}
    assert values(at, 8) == {(MINED, 0): BIG, (COINJOIN, SENT): BIG}
    assert values(at, 9) == {(COINJOIN, 0): 2 * BIG}


def test_of_what_several_sign_what_is_missing_counts() -> None:
    """A payer who got all of his back has paid nobody; who has less afterwards has paid that, and no more."""
    at = setting([
        Tx([], [Out(3 * BIG, 7), Out(3 * BIG, 8)]),
        Tx([In(0, 0, 3 * BIG, 7), In(0, 1, 3 * BIG, 8)], [Out(3 * BIG, 7), Out(2 * BIG, 8), Out(BIG, 0)]),
    ])  # fmt: skip
    assert values(at, 7) == {(MINED, 0): 3 * BIG}
    # One of the three went: others got four, of which owner 0 a quarter.
    assert values(at, 8) == {(MINED, 0): 3 * BIG, (9, SENT): BIG / 4, (HELD, SENT): 3 * BIG / 4}


def test_who_has_more_after_signing_got_it_from_the_others() -> None:
    """A seller puts in a trifle and gets a fortune of the listed: that is received of them, not of his own trifle."""
    at = setting([
        Tx([], [Out(20_000, 7), Out(BIG, 0)]),
        Tx([In(0, 0, 20_000, 7), In(0, 1, BIG, 0)], [Out(BIG, 7), Out(20_000, 0)]),
    ], listed={9: [(1, 2)]})  # fmt: skip
    assert values(at, 7) == {(MINED, 0): 20_000, (9, AFTER): BIG - 20_000}
    assert values(at, 0) == {(MINED, 0): BIG, (HELD, SENT): BIG - 20_000}


def test_what_a_signer_gets_is_not_unsolicited() -> None:
    """Dust anybody can send to anybody; a maker's thirty satoshi he signed for."""
    at = setting([
        Tx([], [Out(BIG, 7), Out(BIG, 5)]),
        Tx([In(0, 0, BIG, 7), In(0, 1, BIG, 5)], [Out(BIG + 30, 7), Out(BIG - 30, 0)]),
    ])  # fmt: skip
    assert values(at, 7) == {(MINED, 0): BIG, (MINED, INDIRECT): 30}


def test_the_fee_of_what_several_sign_is_shared_by_value() -> None:
    """Of a PayJoin with a fee each has put in less by his part of it: the payee got what he has more than that."""
    at = setting([
        Tx([], [Out(3 * BIG, 7), Out(BIG, 0)]),
        Tx([In(0, 0, 3 * BIG, 7), In(0, 1, BIG, 0)], [Out(2 * BIG, 0), Out(2 * BIG - 400, 7)]),
    ])  # fmt: skip
    assert values(at, 7) == {(MINED, 0): 3 * BIG, (9, SENT): BIG + 100}
    assert values(at, 0) == {(MINED, 0): BIG, (MINED, INDIRECT): BIG + 100}


def test_unknown_inputs_are_his_who_pays_alone_as_far_as_is_known() -> None:
    """A wallet that spends beside inputs from before the history receives nothing; they pay their part of the rest."""
    at = setting([
        Tx([], [Out(BIG, 7)]),
        Tx([In(0, 0, BIG, 7), In(None, 0, None, None)], [Out(BIG, 0), Out(3 * BIG, 7)]),
    ])  # fmt: skip
    assert values(at, 7) == {(MINED, 0): BIG, (9, SENT): BIG / 4}


@pytest.mark.parametrize("coinjoin", [False, True])
@pytest.mark.parametrize("n", [3, 7, 11, 49])
def test_who_got_back_what_he_put_in_has_dealt_with_nobody(n: int, coinjoin: bool) -> None:
    """Shares of a third and the like leave no crumbs: not of the listed, not of anybody."""
    coin = 20_999_999_97 * 1000 + 1
    txs = [Tx([], [Out(coin, 7), *(Out(coin, 8) for _ in range(n - 1))])]
    ins = [In(0, k, coin, o.owner) for k, o in enumerate(txs[0].outs)]
    txs.append(Tx(ins, [Out(coin - 1, 7), *(Out(coin - 1, 0) for _ in range(n - 1))], coinjoin))
    assert values(setting(txs, listed={9: [(0, 2)]}), 7) == {(MINED, 0): coin}


def test_what_is_not_known_is_said() -> None:
    """Coins from before the history are unresolved, those without a value by the least they can be worth."""
    at = setting([
        Tx([In(None, 0, BIG, 8), In(None, 0, None, None)], [Out(4 * BIG, 7)]),
        Tx([In(None, 0, BIG, 0)], [Out(BIG, 7)]),
        Tx([In(None, 0, 0, 8)], [Out(0, 7)]),
    ])  # fmt: skip
    assert values(at, 7) == {(UNRESOLVED, 0): 4 * BIG, (9, 0): BIG}


@pytest.mark.parametrize(
    ("value", "spent", "flag"),
    [(1_000, True, UNSOLICITED), (1_001, True, 0), (1_001, False, UNSOLICITED), (10_000, False, UNSOLICITED),
     (10_001, False, 0)],
)  # fmt: skip
def test_dust_is_unsolicited(value: int, spent: bool, flag: int) -> None:
    """Up to 1,000 satoshi always, up to 10,000 as long as none of it was spent on."""
    txs = [Tx([], [Out(BIG, 0)]), Tx([In(0, 0, BIG, 0)], [Out(value, 7), Out(BIG - value, 0)])]
    if spent:
        txs.append(Tx([In(1, 0, value, 7)], [Out(value, 1)]))
    received = {key for key in values(setting(txs), 7) if not key[1] & SENT}
    assert received == {(9, flag)}


def test_before_and_after_a_listing_are_apart() -> None:
    """A listing counts from its first transaction to the last before it ended."""
    txs = [Tx([], [Out(BIG, 0)] * 4)]
    txs[0].outs = [Out(BIG, 0) for _ in range(4)]
    txs += [Tx([In(0, k, BIG, 0)], [Out(BIG, 7)]) for k in range(4)]
    lines = told(setting(txs, listed={9: [(2, 4)]})).lines(7)
    assert {key: (int(row["first"]), int(row["last"])) for key, row in lines.items()} == {
        (9, 0): (1, 4),
        (9, AFTER): (2, 3),
    }
    assert values(setting(txs, listed={9: [(2, 2)]}), 7) == {(9, 0): 4 * BIG}


def test_a_party_may_be_listed_again() -> None:
    """Each of a code's listings counts, overlapping ones once; between them and for other codes none does."""
    txs = [Tx([], [Out(BIG, 0) for _ in range(6)])]
    txs += [Tx([In(0, k, BIG, 0)], [Out(BIG, 7)]) for k in range(6)]
    listed = {8: [(0, 9)], 9: [(5, 7), (1, 2), (1, 3), (4, 4)], 10: [(3, 5)]}
    lines = told(setting(txs, listed=listed)).lines(7)
    assert {key: (int(row["first"]), int(row["last"]), int(row["n_tx"])) for key, row in lines.items()} == {
        (9, 0): (3, 4, 2),
        (9, AFTER): (1, 6, 4),
    }


def test_money_is_of_the_day_and_gaps_are_told() -> None:
    """Every payment counts at its day's price; what has no price is told in satoshi."""
    txs = [Tx([], [Out(BIG, 0) for _ in range(6)])]
    txs += [Tx([In(0, k, BIG, 0)], [Out(BIG, 7)]) for k in range(6)]
    price = [Fraction(2), Fraction(2), Fraction(2), None, None, None, Fraction(4)]
    row = told(setting(txs, price=price)).lines(7)[9, 0]
    assert (row["value"], row["fiat"], row["unpriced"]) == (6 * BIG, 2 * 2 * BIG + 4 * BIG, 3 * BIG)


def test_a_named_party_is_told_though_trails_go_through_it() -> None:
    """It has a line of its own, which is not part of the sum; what lies behind it is told as well."""
    at = setting([
        Tx([], [Out(BIG, 0)]),
        Tx([In(0, 0, BIG, 0)], [Out(BIG, 5)]),
        Tx([In(1, 0, BIG, 5)], [Out(BIG, 7)]),
        Tx([In(2, 0, BIG, 7)], [Out(BIG, 6)]),
    ], named={**CODE, 5: 11, 6: 7})  # fmt: skip
    assert values(at, 7) == {
        (9, INDIRECT): BIG,
        (11, PASSES): BIG,
        (7, SENT | PASSES): BIG,
        (HELD, SENT): BIG,
    }


def test_clusters_of_one_entity_are_one_wallet() -> None:
    """What goes between them is no dealing; what they pay together is one payment."""
    at = setting([
        Tx([], [Out(2 * BIG, 5), Out(BIG, 6)]),
        Tx([In(0, 0, 2 * BIG, 5)], [Out(2 * BIG, 6)]),
        Tx([In(1, 0, 2 * BIG, 6), In(0, 1, BIG, 6)], [Out(2 * BIG, 0), Out(BIG, 5)]),
    ], own={5: 5, 6: 5})  # fmt: skip
    assert values(at, 5) == {(MINED, 0): 3 * BIG, (9, SENT): 2 * BIG}


def test_fees_and_burnt_coins_have_their_ends() -> None:
    """A fee paid on the way is a destination; what nobody can claim is held by nobody."""
    at = setting([
        Tx([], [Out(BIG, 7)]),
        Tx([In(0, 0, BIG, 7)], [Out(BIG // 2, 8), Out(BIG // 4, None)]),
        Tx([In(1, 0, BIG // 2, 8)], [Out(BIG // 4, 0)]),
    ])  # fmt: skip
    assert values(at, 7) == {
        (MINED, 0): BIG,
        (HELD, SENT): BIG // 4,
        (FEE, SENT | INDIRECT): BIG // 4,
        (9, SENT | INDIRECT): BIG // 4,
    }


def test_many_parties_find_room() -> None:
    """A wallet that dealt with hundreds of parties has a line for each."""
    n = 700
    codes = np.arange(6, 6 + n, dtype=np.int32)
    txs = [Tx([], [Out(1 + k, k) for k in range(n)])]
    txs.append(Tx([In(0, k, 1 + k, k) for k in range(n)], [Out(n, n)]))
    for o in txs[0].outs:
        o.spent_by = 1
    whole = part(txs)
    code = np.append(codes, np.int32(-1))
    parties = Parties(code, np.array([*range(7), *[6] * (n - 1)], np.int32), 7)
    never = listings({}, 6 + n)
    around = Surroundings(
        whole, Provenance(parties, 2).run(whole), Destinations(parties, 2).run(whole),
        code, code, np.arange(n + 1, dtype=np.int32), np.array([0, 1, 2]), *never, np.ones(2),
    )  # fmt: skip
    numbers = np.zeros(0, np.int32)
    rows = wheel(around, Asked(n, -1, numbers, numbers), np.array([1], np.int32))
    assert sorted(rows["code"].tolist()) == codes.tolist()
    assert rows["value"].sum() == pytest.approx(n)
    assert CUT not in rows["code"]
