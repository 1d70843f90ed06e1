"""Who signed a transaction together: kinds told by their history, and one owner's transactions that look alike."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from heuristics import rules
from heuristics.clusters.multiparty import verdicts
from heuristics.rules import BY_ID, multiparty
from tests.graphs import graph_of
from tests.lakes import In, Out, Script, Tx, World, named, nested, p2pkh, p2tr, p2wpkh, pay

BTC = 100_000_000
Said = dict[int, tuple[str, int]]


def key(name: str) -> bytes:
    """A public key of a name."""
    return bytes([2]) + name.encode().rjust(32, b"\0")


def segwit(name: str) -> Script:
    """P2WPKH address of a name."""
    return p2wpkh(key(name))


def said(world: World, tmp_path: Path) -> Said:
    """Rule and confidence by transaction."""
    graph = graph_of(world.write(tmp_path, per_segment=1000))
    found = verdicts(graph)
    ids = graph.tx_id(found.t).tolist()
    return {
        tx: (BY_ID[r].name, c) for tx, r, c in zip(ids, found.rule.tolist(), found.confidence.tolist(), strict=True)
    }


def coins(world: World, *names: str, value: int = 1_234_567) -> list[Tx]:
    """One coin each, at an address of each name."""
    return [world.mint(pay(segwit(name), value)) for name in names]


# Wasabi 1


def wasabi(world: World, ins: Sequence[In | Tx], name: str, value: int = 10_600_000) -> Tx:
    """A round: 12 equal outputs and ten changes."""
    equal = [pay(segwit(f"{name} mixed {i}"), value) for i in range(12)]
    return world.spend(ins, *equal, *(pay(segwit(f"{name} change {i}"), 1_000_001 + i) for i in range(10)))


def test_remixed_wasabi_rounds_are_surer(tmp_path: Path) -> None:
    """A drifted denomination alone pools no funds; with a round before or after it does, the surer with both."""
    world = World()
    rounds = []
    ins: list[In | Tx] = list(coins(world, *(f"a{i}" for i in range(14)), value=14_000_000))
    for n in range(3):
        fresh = coins(world, *(f"b{n}{i}" for i in range(10)), value=14_000_000)
        rounds.append(wasabi(world, [*ins, *fresh], f"r{n}", 10_600_000 - 10_000 * n))
        ins = [In(rounds[-1], vout) for vout in range(4)]
    alone = wasabi(world, coins(world, *(f"x{i}" for i in range(24)), value=14_000_000), "alone")
    found = said(world, tmp_path)
    assert [found[tx.id] for tx in rounds] == [("wasabi1", 65), ("wasabi1", 85), ("wasabi1", 65)]
    assert found[alone.id] == ("wasabi1", 55)


def test_batch_whose_coins_are_never_remixed_pools_no_funds(tmp_path: Path) -> None:
    """Many equal payouts of about 0.1 BTC whose receivers go on to spend them elsewhere are less than a CoinJoin."""
    world = World()
    batch = wasabi(world, coins(world, *(f"d{i}" for i in range(24)), value=14_000_000), "batch", BTC // 10)
    for vout in range(3):
        world.spend([In(batch, vout)], pay(segwit(f"shop {vout}"), BTC // 11))
    assert said(world, tmp_path)[batch.id] == ("wasabi1", 50)


def test_levels_count_as_equal_amounts(tmp_path: Path) -> None:
    """A round with outputs of twice and four times the denomination is one, though the mode is less than half."""
    world = World()
    ins = coins(world, *(f"a{i}" for i in range(24)), value=40_000_000)
    levels = [10_000_000] * 12 + [20_000_000] * 6 + [40_000_000] * 2
    outs = [*levels, *(1_000_001 + i for i in range(20))]
    mixed = world.spend(ins, *(pay(segwit(f"o{i}"), value) for i, value in enumerate(outs)))
    assert said(world, tmp_path)[mixed.id] == ("wasabi1", 70)


# Whirlpool


def tx0(world: World, name: str, n: int = 3, amount: int = 1_000_000) -> Tx:
    """Cut a deposit into coins of a pool."""
    premix = [pay(segwit(f"{name} premix {i}"), amount + 500) for i in range(n)]
    (coin,) = coins(world, f"{name} deposit", value=n * amount + 100_000)
    return world.spend([coin], Out(None, 0), *premix, pay(segwit(f"{name} fee"), amount // 20), pay(segwit(name), 3))


def mix(world: World, ins: Sequence[In | Tx], name: str, amount: int = 1_000_000) -> Tx:
    """Five equal outputs."""
    return world.spend(ins, *(pay(segwit(f"{name} {i}"), amount) for i in range(5)))


def test_pools_first_mix_is_found_by_its_entrants(tmp_path: Path) -> None:
    """Five newcomers out of Tx0s are a mix, the next mix descends from it, and Tx0s are nobody's together."""
    world = World()
    cuts = [tx0(world, f"t{n}") for n in range(7)]
    first = mix(world, [In(cut, 1) for cut in cuts[:5]], "first")
    second = mix(world, [*(In(first, n) for n in range(3)), *(In(cut, 1) for cut in cuts[5:])], "second")
    assert said(world, tmp_path) == {first.id: ("whirlpool", 90), second.id: ("whirlpool", 90)}


def test_five_coins_that_no_tx0_made_are_no_first_mix(tmp_path: Path) -> None:
    """Newcomers have to come from a Tx0: five coins from anywhere, cut to one size, are none."""
    world = World()
    ins = coins(world, *(f"a{i}" for i in range(5)), value=1_000_500)
    mixed = mix(world, ins, "cut")
    assert mixed.id not in said(world, tmp_path)


def test_mix_of_strange_coins_pools_no_funds(tmp_path: Path) -> None:
    """A pool's shape whose inputs come from neither a Tx0 nor a mix is below the bar."""
    world = World()
    ins = [*coins(world, "a", "b", "c", value=1_000_000), *coins(world, "d", "e", value=1_000_500)]
    mixed = mix(world, ins, "mixed")
    assert said(world, tmp_path)[mixed.id] == ("whirlpool", 50)


# One owner


def test_batch_from_one_owners_deposits_is_let_off(tmp_path: Path) -> None:
    """Equal payouts out of addresses that were gathered together elsewhere are one exchange's."""
    world = World()
    names = [f"deposit {i}" for i in range(5)]
    twice = [world.mint(pay(segwit(name), 900_000), pay(segwit(name), 800_000)) for name in names]
    world.spend([In(tx, 0) for tx in twice], pay(segwit("hot"), 4_400_000))
    batch = [*(pay(segwit(f"client {i}"), 600_000) for i in range(4)), pay(segwit("hot change"), 1_599_001)]
    paid = world.spend([In(tx, 1) for tx in twice], *batch)
    assert paid.id not in said(world, tmp_path)


def test_equal_split_by_strangers_is_no_ones(tmp_path: Path) -> None:
    """The same batch out of addresses that nothing ties together is suspected, below the bar that pools funds."""
    world = World()
    ins = coins(world, *(f"deposit {i}" for i in range(5)), value=800_000)
    batch = [*(pay(segwit(f"client {i}"), 600_000) for i in range(4)), pay(segwit("hot change"), 1_599_001)]
    paid = world.spend(ins, *batch)
    rule, confidence = said(world, tmp_path)[paid.id]
    assert rule == "joinmarket"
    assert confidence < rules.POOLS_FUNDS


def test_treasury_that_splits_its_gathered_coins_is_let_off(tmp_path: Path) -> None:
    """A vault whose addresses were spent together before cuts them into equal coins: no CoinJoin."""
    world = World()
    old = world.mint(*(pay(segwit(f"vault {i}"), BTC) for i in range(4)))
    more = world.mint(*(pay(segwit(f"vault {i}"), BTC) for i in range(4)))
    world.spend([In(old, i) for i in range(4)], pay(segwit("vault 9"), 4 * BTC - 900))
    equal = [pay(segwit(f"part {i}"), BTC // 2) for i in range(7)]
    split = world.spend([In(more, i) for i in range(4)], *equal, pay(segwit("rest"), BTC // 2 - 777))
    assert split.id not in said(world, tmp_path)


def test_half_as_many_owners_as_equal_outputs_are_enough(tmp_path: Path) -> None:
    """Two of four parties that were once taken for one do not unmake a join; one owner of three inputs does."""
    world = World()
    a, b, c, d = coins(world, "a", "b", "c", "d", value=700_000)
    world.spend(coins(world, "a", "b"), pay(segwit("ab"), 2_400_000))
    outs = [*(pay(segwit(f"o{i}"), 600_000) for i in range(4)), pay(segwit("rest"), 99_001)]
    joined = world.spend([a, b, c, d], *outs)
    e, f = coins(world, "e", "f", value=700_000)
    world.spend(coins(world, "e", "f"), pay(segwit("ef"), 2_400_000))
    (g,) = coins(world, "e", value=700_000)
    own = world.spend([e, f, g], *(pay(segwit(f"p{i}"), 600_000) for i in range(3)), pay(segwit("left"), 99_001))
    found = said(world, tmp_path)
    assert found[joined.id][0] == "joinmarket"
    assert own.id not in found


# PayJoin


def payjoin(world: World, payer: int, receiver: int, paid: int) -> Tx:
    """A customer pays; the merchant adds a coin of its own."""
    ins = [*coins(world, "payer", value=payer), *coins(world, "merchant", value=receiver)]
    outs = pay(segwit("invoice"), receiver + paid), pay(segwit("change"), payer - paid - 777)
    return world.spend(ins, *outs)


def test_needless_input_is_a_payjoin(tmp_path: Path) -> None:
    """Neither output needed the merchant's coin: two parties, whose payment shows all the same."""
    world = World()
    tx = payjoin(world, 5_000_001, 500_123, 300_456)
    assert said(world, tmp_path) == {tx.id: ("payjoin", 50)}
    assert multiparty.PAYJOIN in rules.SHOWS_WHO_PAYS
    assert multiparty.PAYJOIN.confidence < rules.POOLS_FUNDS


def test_payment_that_needs_all_its_inputs_is_plain(tmp_path: Path) -> None:
    """An output smaller than every input is change; two coins were needed, so nothing is suspected."""
    world = World()
    world.spend(coins(world, "a", "b", value=1_000_001), pay(segwit("shop"), 1_800_123), pay(segwit("c"), 198_456))
    assert said(world, tmp_path) == {}


PLAIN: dict[str, tuple[list[Script], list[Out]]] = {
    "a round payment": ([segwit("a"), segwit("b")], [pay(segwit("x"), 700_000), pay(segwit("y"), 1_299_333)]),
    "another type of change": (
        [segwit("a"), segwit("b")],
        [pay(segwit("x"), 700_001), pay(nested(key("y")), 1_299_333)],
    ),
    "types before segwit": (
        [p2pkh(key("a")), p2pkh(key("b"))],
        [pay(p2pkh(key("x")), 700_001), pay(p2pkh(key("y")), 1_299_333)],
    ),
    "three outputs": (
        [segwit("a"), segwit("b")],
        [pay(segwit("x"), 700_001), pay(segwit("y"), 700_002), pay(segwit("z"), 500_333)],
    ),
    "one output": ([segwit("a"), segwit("b")], [pay(segwit("x"), 1_999_333)]),
    "one address": ([segwit("a"), segwit("a")], [pay(segwit("x"), 700_001), pay(segwit("y"), 1_299_333)]),
    "change to an input's address": (
        [segwit("a"), segwit("b")],
        [pay(segwit("x"), 700_001), pay(segwit("a"), 1_299_333)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("ins", "outs"), PLAIN.values(), ids=PLAIN.keys())
def test_wasteful_payment_with_a_plain_sign_is_plain(tmp_path: Path, ins: list[Script], outs: list[Out]) -> None:
    """What a PayJoin would not do lets a payment off, though one of its inputs was needless."""
    world = World()
    values = [1_400_000, 600_000]
    world.spend([world.mint(pay(to, value)) for to, value in zip(ins, values, strict=True)], *outs)
    assert said(world, tmp_path) == {}


def test_wasteful_payment_without_any_plain_sign_is_suspected(tmp_path: Path) -> None:
    """What the payments above are let off for is all that they are let off for."""
    world = World()
    ins = [world.mint(pay(segwit("a"), 1_400_000)), world.mint(pay(segwit("b"), 600_000))]
    tx = world.spend(ins, pay(segwit("x"), 700_001), pay(segwit("y"), 1_299_333))
    assert said(world, tmp_path) == {tx.id: ("payjoin", 50)}


@pytest.mark.parametrize(("weight", "expected"), [(1028, [("payjoin", 50)]), (2_300, [])])
def test_script_hashes_of_several_signers_are_no_payjoin(
    tmp_path: Path, weight: int, expected: list[tuple[str, int]]
) -> None:
    """P2SH inputs weigh little where they are nested P2WPKH; heavier ones are multisig, which knows no PayJoin."""
    world = World()
    ins = [world.mint(pay(nested(key(name)), value)) for name, value in (("a", 1_400_000), ("b", 600_000))]
    tx = world.spend(ins, pay(nested(key("x")), 700_001), pay(nested(key("y")), 1_299_333))
    tx.weight = weight
    assert list(said(world, tmp_path).values()) == expected


def test_who_spends_the_addresses_together_elsewhere_is_one_owner(tmp_path: Path) -> None:
    """A wasteful payment by a wallet that gathered both addresses at another time is its own."""
    world = World()
    payjoin(world, 5_000_001, 500_123, 300_456)
    world.spend(coins(world, "payer", "merchant"), pay(segwit("home"), 2_400_000))
    assert said(world, tmp_path) == {}


def test_merchant_known_for_payjoins_is_suspected_of_more(tmp_path: Path) -> None:
    """A payment of a usual form is kept apart where it pays somebody who took part in a PayJoin."""
    world = World()
    first = payjoin(world, 5_000_001, 500_123, 300_456)
    ins: list[In | Tx] = [*coins(world, "payer 2", value=900_001), In(first, 0)]
    later = world.spend(ins, pay(segwit("invoice 2"), 1_500_111), pay(segwit("change 2"), 200_000 - 307))
    assert said(world, tmp_path) == {first.id: ("payjoin", 50), later.id: ("payjoin", 40)}


def test_coins_that_two_programs_made_are_kept_apart(tmp_path: Path) -> None:
    """Inputs whose ancestors differ in version, nSequence and nLockTime are suspected even of a usual payment."""
    world = World()
    a, b = coins(world, "a", "b", value=1_100_000)
    one = world.spend([a], pay(segwit("c"), 1_000_001))
    other = world.spend([b], pay(segwit("d"), 1_000_001))
    one.version, one.sequence, one.locktime = 1, 0xFFFFFFFF, 0
    other.version, other.sequence, other.locktime = 2, 0xFFFFFFFD, 1
    tx = world.spend([one, other], pay(segwit("x"), 1_800_111), pay(segwit("y"), 199_111))
    assert said(world, tmp_path) == {tx.id: ("payjoin", 40)}


# Channels


def funding(world: World, *changes: int, to: Script | None = None, value: int = 3_000_000) -> Tx:
    """Two parties pay into one output."""
    ins = coins(world, "ours", "theirs", value=2_345_678)
    rest = (pay(segwit(f"change {i}"), change) for i, change in enumerate(changes))
    return world.spend(ins, pay(to or p2tr("channel"), value), *rest)


@pytest.mark.parametrize("to", [p2tr("channel"), named("channel")])
def test_dual_funded_channel_is_two_parties(tmp_path: Path, to: Script) -> None:
    """One fresh output of another type with a change for either side, spent alone by its close."""
    world = World()
    opened = funding(world, 900_123, 700_456, to=to)
    world.spend([opened], pay(segwit("ours back"), 1_000_123), pay(segwit("theirs back"), 1_998_456))
    assert said(world, tmp_path) == {opened.id: ("dual_fund", 50)}


def test_channel_of_the_wallets_own_type_is_the_largest_output(tmp_path: Path) -> None:
    """Where all is Taproot, the largest output may be the channel's, with two changes beside it."""
    world = World()
    ins = [world.mint(pay(p2tr(name), 2_345_678)) for name in ("ours", "theirs")]
    outs = [pay(p2tr(f"o{value}"), value) for value in (900_123, 3_000_000, 700_456)]
    opened = world.spend(ins, *outs)
    assert said(world, tmp_path) == {opened.id: ("dual_fund", 50)}


def test_splice_of_a_channel_is_two_parties(tmp_path: Path) -> None:
    """A multisig channel's coin that is spent with another into a new one is two parties' still; a close is none."""
    world = World()
    opened = funding(world, 900_123, 700_456, to=named("channel"))
    (more,) = coins(world, "ours 2", value=2_345_678)
    spliced = world.spend([opened, more], pay(named("channel 2"), 4_500_000), pay(segwit("s"), 845_321))
    world.spend([spliced], pay(segwit("ours back"), 1_000_123), pay(segwit("theirs back"), 3_498_456))
    assert said(world, tmp_path) == {opened.id: ("dual_fund", 50), spliced.id: ("splice", 50)}


def test_plain_payments_to_taproot_are_no_channels(tmp_path: Path) -> None:
    """One change, round change, or an address that is paid again: a payment."""
    one, two = (900_123,), (900_123, 700_456)
    for n, (changes, again) in enumerate([(one, False), ((900_123, 700_000), False), (two, True)]):
        world = World()
        tx = funding(world, *changes)
        if again:
            world.mint(pay(p2tr("channel"), 5_000))
        assert said(world, tmp_path / str(n)) == {}, tx


@pytest.mark.parametrize(("version", "sequence"), [(1, 0xFFFFFFFD), (2, 0xFFFFFFFE)])
def test_other_programs_open_no_channels(tmp_path: Path, version: int, sequence: int) -> None:
    """Interactive funding is of version 2 and replaceable."""
    world = World()
    tx = funding(world, 900_123, 700_456)
    tx.version, tx.sequence = version, sequence
    assert said(world, tmp_path) == {}


def test_taproot_coin_that_is_gathered_was_a_payment(tmp_path: Path) -> None:
    """A channel's coin is spent alone."""
    world = World()
    opened = funding(world, 900_123, 700_456)
    world.spend([In(opened), *coins(world, "theirs 2")], pay(segwit("home"), 4_000_000))
    assert said(world, tmp_path) == {}


# Offers


def test_owners_own_offer_is_let_off(tmp_path: Path) -> None:
    """An input signed as an offer beside one that its owner gathered with it elsewhere is no trade."""
    world = World()
    a, b = coins(world, "a", "b")
    trade = world.spend([In(a, sighash=64), In(b)], pay(segwit("x"), 999_123), pay(segwit("y"), 1_400_456))
    traded = said(world, tmp_path / "trade")
    world.spend(coins(world, "a", "b"), pay(segwit("home"), 2_400_000))
    assert traded == {trade.id: ("psbt_swap", 55)}
    assert said(world, tmp_path / "own") == {}


def test_stonewall_is_no_mix(tmp_path: Path) -> None:
    """Two equal amounts and two changes keep the inputs apart and the flow through."""
    world = World()
    outs = [600_123, 600_123, 90_001, 80_001]
    tx = world.spend(coins(world, "a", "b", value=700_000), *(pay(segwit(f"o{v}{i}"), v) for i, v in enumerate(outs)))
    assert said(world, tmp_path) == {tx.id: ("stonewall", 40)}
    assert multiparty.STONEWALL in rules.SHOWS_WHO_PAYS
