"""Those who mix, trade and dust, and the contrary: transactions true to their protocols, and the truth about them."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.test_worlds_kernel import core
from worlds.agents.wabisabi import STANDARD
from worlds.agents.whirlpool import POOLS
from worlds.deeds import Deed
from worlds.ledger.keys import Address, AddressKind
from worlds.ledger.sighash import SIGHASH_ANYONECANPAY, SIGHASH_SINGLE
from worlds.settings import Flavour, Settings, drawn
from worlds.simulate import live, settled
from worlds.town import Town
from worlds.truth.tables import COINJOIN_KINDS, ROLES
from worlds.wallet import BTC

CONTRARY = ("contrary", "contrary-firms", "contrary-front")
WHIRLPOOL = {"whirlpool", "whirlpool_first"}
MIXERS = ("wasabi1", "wabisabi", "whirlpool", "joinmarket")
AGENTS = ("pool", "exchange", "people", "custodial-mixer", "payjoin", *MIXERS, "market", "channels", "dust", *CONTRARY)
SEEDS = (1, 2, 3)
OFFER = SIGHASH_SINGLE | SIGHASH_ANYONECANPAY


def played(settings: Settings) -> Town:
    town, agents = settled(drawn(settings))
    live(town, agents)
    return town


@cache
def town_of(seed: int, flavour: Flavour = Flavour.TUNE) -> Town:
    """Give a world of these agents, the same for all tests."""
    return played(Settings(seed, 600, flavour=flavour, agents=AGENTS, signed=False))


def deeds(kind: str, flavour: Flavour = Flavour.TUNE) -> list[tuple[Town, Deed]]:
    towns = [town_of(seed, flavour) for seed in SEEDS]
    return [(town, deed) for town in towns for deed in town.world.deeds if deed.word == kind]


def values(deed: Deed) -> list[int]:
    return [value for _, value in deed.outputs]


def kinds_of(town: Town, deed: Deed) -> set[AddressKind]:
    made = [town.world.address_of(script) for script, _ in deed.outputs]
    return {a.kind for a in made if a} | {c.address.kind for c in deed.coins}


def mode(numbers: Sequence[int]) -> tuple[int, int]:
    """Give the most frequent number and how often it stands there."""
    return max(Counter(numbers).items(), key=lambda item: item[1])


@pytest.mark.parametrize("kind", ["wasabi1", "wabisabi", "whirlpool", "tx0", "joinmarket"])
@pytest.mark.parametrize("seed", SEEDS)
def test_there_are_enough_mixes(seed: int, kind: str) -> None:
    """A world of 600 blocks has at least eight mixes of each kind."""
    assert sum(d.word == kind for d in town_of(seed).world.deeds) >= 8


@pytest.mark.parametrize("kind", ["payjoin", "swap", "dual_fund"])
@pytest.mark.parametrize("seed", SEEDS)
def test_there_are_enough_other_joint_payments(seed: int, kind: str) -> None:
    """A world of 600 blocks has at least four PayJoins, swaps and channels."""
    assert sum(d.word == kind for d in town_of(seed).world.deeds) >= 4


@pytest.mark.parametrize("flavour", Flavour)
def test_sums_balance(flavour: Flavour) -> None:
    """Every transaction pays a fee of a sane rate, from coins that are there once, and nothing is worth nothing."""
    for seed in SEEDS:
        for deed in town_of(seed, flavour).world.deeds:
            fee = sum(c.value for c in deed.coins) - sum(values(deed))
            assert 0 < fee < 200 * (150 * len(deed.coins) + 43 * len(deed.outputs) + 90), deed.word
            assert len({c.outpoint for c in deed.coins}) == len(deed.coins)
            assert all(value > 0 or script[0] == 0x6A for script, value in deed.outputs)


@pytest.mark.parametrize("flavour", Flavour)
def test_truth_names_signers_and_change(flavour: Flavour) -> None:
    """The wallets of a transaction's coins are those that signed it, all of them, and change is a signer's own."""
    for seed in SEEDS:
        world = town_of(seed, flavour).world
        for deed in world.deeds:
            assert set(deed.by) == {c.address.owner for c in deed.coins}
            for n in deed.change:
                address = world.address_of(deed.outputs[n][0])
                assert address is not None
                assert address.owner in deed.by
        assert {a.role for w in world.wallets.values() for a in w.addresses} <= set(ROLES)


@pytest.mark.parametrize("kind", MIXERS)
def test_mixing_moves_nobody_elses_money(kind: str) -> None:
    """A mix pays nobody: each party takes out what it brought, less fees that stand in the books."""
    for town, deed in deeds(kind):
        assert not deed.paid
        brought, taken = Counter[str](), Counter[str]()
        for coin in deed.coins:
            brought[coin.address.owner] += coin.value
        for script, value in deed.outputs:
            address = town.world.address_of(script)
            assert address is not None
            taken[address.owner] += value
        assert all(taken[name] <= brought[name] * 1.1 for name in brought)


@pytest.mark.parametrize("kind", MIXERS)
def test_mixed_coins_are_mixed_again(kind: str) -> None:
    """Every protocol has mixes that spend outputs of its earlier mixes."""
    for seed in SEEDS:
        mixes = [d for d in town_of(seed).world.deeds if d.word == kind]
        known = {d.txid for d in mixes}
        assert sum(any(c.txid in known for c in d.coins) for d in mixes) * 2 >= len(mixes)


def test_mixed_coins_are_spent_later() -> None:
    """Coins of a mix end in ordinary payments, sometimes several of them together."""
    for seed in SEEDS:
        world = town_of(seed).world
        mixes = {d.txid for d in world.deeds if d.word in COINJOIN_KINDS}
        spent = [sum(c.txid in mixes for c in d.coins) for d in world.deeds if d.word in ("pay", "spend")]
        assert sum(n > 0 for n in spent) >= 10
        assert max(spent) > 1


def test_wasabi1_rounds() -> None:
    """Ten or more parties get about 0.1 BTC each, later some get twice that; the amount never rises."""
    last: dict[int, int] = {}
    several = 0
    for town, deed in deeds("wasabi1"):
        amount, n = mode(values(deed))
        assert BTC * 0.09 < amount < BTC * 0.11
        assert n == len(deed.by) >= 10
        assert amount < last.get(town.world.seed, BTC)
        last[town.world.seed] = amount
        several += values(deed).count(2 * amount) > 1
        assert kinds_of(town, deed) == {AddressKind.P2WPKH}
        coordinator = town.world.wallets["wasabi1"]
        assert sum(script in {a.script for a in coordinator.addresses} for script, _ in deed.outputs) <= 1
    assert 0 < several < len(deeds("wasabi1"))


def test_wabisabi_rounds() -> None:
    """Twenty inputs or more; four in five outputs are standard amounts; both sides by value, largest first."""
    for town, deed in deeds("wabisabi"):
        assert 20 <= len(deed.coins) <= 60
        assert len(deed.by) >= 6
        brought = [c.value for c in deed.coins]
        assert all(a >= b for side in (brought, values(deed)) for a, b in pairwise(side))
        standard = [v for v in values(deed) if v in STANDARD]
        assert len(standard) >= 0.8 * (len(values(deed)) - 1)
        assert len(set(standard)) >= 3
        assert kinds_of(town, deed) <= {AddressKind.P2WPKH, AddressKind.P2TR}
        assert min(values(deed)) >= 5_000


def test_whirlpool_mixes() -> None:
    """Five to eight coins of as many owners give as many of a pool's amount; one to four are new, in its first all."""
    started = set()
    mixes = [(t, d) for seed in SEEDS for t in [town_of(seed)] for d in t.world.deeds if d.word in WHIRLPOOL]
    for town, deed in mixes:
        (amount,) = set(values(deed))
        assert amount in POOLS
        assert 5 <= len(deed.coins) == len(deed.outputs) == len(deed.by) <= 8
        entering = [c for c in deed.coins if c.value > amount]
        assert all(amount <= c.value <= amount + 100_000 for c in deed.coins)
        if deed.word == "whirlpool":
            assert (town.world.seed, amount) in started
            assert 1 <= len(entering) <= 4
        else:
            assert len(entering) == len(deed.coins) == 5
        started.add((town.world.seed, amount))
        made = {d.txid: d.word for d in town.world.deeds}
        assert {made[c.txid] for c in entering} == {"tx0"}
        assert {made[c.txid] for c in deed.coins if c not in entering} <= WHIRLPOOL
        assert not deed.change


def test_tx0() -> None:
    """One owner's coins become coins of a pool's amount and a little more, beside a note, the fee and change."""
    for town, deed in deeds("tx0"):
        fees = [p for p in deed.paid if p.payee == "whirlpool"]
        assert len(deed.by) == len(fees) == 1
        made = [(town.world.address_of(s), v) for s, v in deed.outputs]
        premix = [v for a, v in made if isinstance(a, Address) and a.role == "mix"]
        amount = max(a for a in POOLS if a < premix[0])
        assert len(set(premix)) == 1
        assert premix[0] - amount <= 100_000
        assert fees[0].value == POOLS[amount]
        assert sum(script[0] == 0x6A for script, _ in deed.outputs) == 1
        assert len(premix) == len(deed.outputs) - 2 - len(deed.change) <= 70


def test_joinmarket_joins() -> None:
    """A taker and three to nine makers: one equal output each, change each but perhaps the taker, makers earn."""
    sweeps = 0
    for town, deed in deeds("joinmarket"):
        amount, n = mode(values(deed))
        assert n == len(deed.by)
        assert 4 <= n <= 10
        assert n - 1 <= len(deed.change) <= n
        sweeps += len(deed.change) < n
        owners = [town.world.address_of(deed.outputs[i][0]) for i in deed.change]
        gains = Counter({a.owner: deed.outputs[i][1] + amount for a, i in zip(owners, deed.change, strict=True) if a})
        for coin in deed.coins:
            gains[coin.address.owner] -= coin.value
        # The first who signs is the taker, who pays the others and the miners.
        assert all(gain >= 0 for name, gain in gains.items() if name != deed.by[0])
        assert len(kinds_of(town, deed)) == 1
    assert sweeps > 0


def test_custodial_mixer_pays_from_other_coins() -> None:
    """A payout is on its customer's account, one to three per cent less, from coins that others brought."""
    for seed in SEEDS:
        town = town_of(seed)
        names = {m.entity.id for m in town.mixers}
        assert names
        payouts = [d for d in town.world.deeds if names & set(d.by)]
        assert len(payouts) >= 5
        for deed in payouts:
            to = next(a for s, _ in deed.outputs if (a := town.world.address_of(s)) and a.owner not in names)
            customer = town.world.wallets[to.owner].owner.id
            assert all(c.address.of != customer for c in deed.coins)
            assert not deed.paid


def test_payjoin_has_a_coin_of_the_payee() -> None:
    """Payer and merchant both sign; the merchant's output holds more than the coin that it brought."""
    for town, deed in deeds("payjoin"):
        payer, merchant = deed.by
        (own,) = [c for c in deed.coins if c.address.owner == merchant]
        made = [(town.world.address_of(s), v) for s, v in deed.outputs]
        assert len(made) <= 2
        assert [v > own.value for a, v in made if a and a.owner == merchant] == [True]
        assert all(a and a.owner == payer for n, (a, _) in enumerate(made) if n in deed.change)
        assert not deed.paid


def test_swaps_pay_the_sellers() -> None:
    """Input and output of an offer stand at the same place, items are of next to no value, every seller is paid."""
    sellers = Counter[int]()
    for town, deed in deeds("swap"):
        items = [c for c in deed.coins if c.value <= 10_000 and c.address.owner.endswith("items")]
        assert deed.coins[: len(items)] == items
        assert all(c.value >= 546 for c in items)
        for coin, (script, _) in zip(items, deed.outputs, strict=False):
            income = town.world.address_of(script)
            assert income is not None
            assert town.world.wallets[income.owner].group == town.world.wallets[coin.address.owner].group
        assert {p.payer for p in deed.paid} == {town.world.wallets[deed.by[-1]].owner.id}
        sellers[len(items)] += 1
    assert len(sellers) > 1


def test_channels_are_funded_by_two_and_closed_to_both() -> None:
    """A funding output of P2TR holds what two parties brought; it is spent whole, to the same two."""
    funded = {d.txid: (town, d) for town, d in deeds("dual_fund")}
    assert all(len(d.by) == 2 for _, d in funded.values())
    closes = deeds("close")
    assert len(closes) >= 4
    for town, deed in closes:
        (coin,) = deed.coins
        assert coin.address.kind is AddressKind.P2TR
        _, funding = funded[coin.txid]
        made = [town.world.address_of(s) for s, _ in deed.outputs]
        assert {a.owner for a in made if a} == set(funding.by)
        assert not deed.paid


def test_dust_is_tiny() -> None:
    """Dust goes to addresses that were seen before, 546 to 1,000 satoshi each."""
    widest = 0
    for town, deed in deeds("dust"):
        dust = [(s, v) for n, (s, v) in enumerate(deed.outputs) if n not in deed.change]
        assert all(546 <= v <= 1_000 for _, v in dust)
        assert all(town.world.address_of(s) for s, _ in dust)
        widest = max(widest, len(dust))
    assert widest > 10


@pytest.mark.parametrize("flavour", [Flavour.TUNE, Flavour.HELD_OUT])
def test_the_contrary_live_in_contrary_worlds_alone(flavour: Flavour) -> None:
    """Other worlds have none of their deeds."""
    odd = {"shared_spend", "selfjoin", "self_offer", "odd_change", "donated_change", "forward", "even_batch"}
    assert not odd & {d.word for seed in SEEDS for d in town_of(seed, flavour).world.deeds}
    for kind in odd:
        assert deeds(kind, Flavour.CONTRARY), kind


def test_contrary_truth() -> None:
    """Strangers sign together and each pays; one owner alone signs what looks like a mix or equal payouts."""
    for _, deed in deeds("shared_spend", Flavour.CONTRARY):
        assert len(deed.by) >= 2
        assert len(set(values(deed))) == len(values(deed))
        assert len({p.payer for p in deed.paid}) >= len(deed.paid) - 1 > 0
    for _, deed in deeds("selfjoin", Flavour.CONTRARY):
        assert len(deed.by) == 1
        assert mode(values(deed))[1] >= 4
        assert len(deed.change) == len(deed.outputs)
    for _, deed in deeds("even_batch", Flavour.CONTRARY):
        assert deed.by == ("evenbank hot",)
        assert mode(values(deed))[1] >= 4
        assert not deed.paid
    for town, deed in deeds("donated_change", Flavour.CONTRARY):
        assert not deed.change
        assert all((a := town.world.address_of(s)) and a.owner not in deed.by for s, _ in deed.outputs)
    for _, deed in deeds("odd_change", Flavour.CONTRARY):
        assert all(deed.outputs[n][1] % 100_000 == 0 for n in deed.change)


def test_two_parties_hold_one_key() -> None:
    """In a contrary world some key stands in two forms, each paid and each another owner's."""
    for seed in SEEDS:
        wallets = town_of(seed, Flavour.CONTRARY).world.wallets.values()
        holders: dict[bytes, set[str]] = {}
        for address in (a for w in wallets for a in w.addresses):
            holders.setdefault(address.secret, set()).add(address.owner)
        assert any(len(names) > 1 for names in holders.values())


def test_one_address_forwards_to_two_exchanges() -> None:
    """In contrary worlds deposit addresses of the broker feed accounts at two exchanges."""
    fed: dict[bytes, set[str]] = {}
    for town, deed in deeds("forward", Flavour.CONTRARY):
        (coin,) = deed.coins
        to = town.world.address_of(deed.outputs[0][0])
        assert to is not None
        fed.setdefault(coin.address.script, set()).add(town.world.wallets[to.owner].owner.id)
    assert any(len(names) > 1 for names in fed.values())


def test_same_seed_same_transactions() -> None:
    """The same settings give the same transactions, other seeds others."""

    def txids(seed: int) -> list[bytes]:
        settings = Settings(seed, 200, people=40, flavour=Flavour.CONTRARY, agents=AGENTS, signed=False)
        return [d.txid for d in played(settings).world.deeds]

    assert txids(5) == txids(5) != txids(6)


def test_core_accepts_all_of_it(tmp_path: Path) -> None:
    """Bitcoin Core's own code accepts a signed world in which every one of these agents acts."""
    pytest.importorskip("pbk", reason="Bitcoin Core's kernel is a test dependency")
    world = played(Settings(4, 330, people=60, flavour=Flavour.CONTRARY, agents=AGENTS)).world
    told = {d.word for d in world.deeds}
    assert {*MIXERS, "tx0", "payjoin", "swap", "dual_fund", "close", "dust", "shared_spend", "self_offer"} <= told
    assert core(world, tmp_path / "core").get_active_chain().height == world.chain.height
