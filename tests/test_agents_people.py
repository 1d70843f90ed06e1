"""People and the businesses that they deal with: transactions as common as on the chain, and books that are exact."""

from collections import Counter
from functools import cache

import pytest

from tests.lived import Lived
from tests.naive import parse_block
from worlds.agents.darknet import DarknetMarket
from worlds.agents.processor import Processor
from worlds.agents.ransomware import Ransomware
from worlds.ledger.keys import AddressKind
from worlds.programs import HELD_OUT_SERVERS, PROGRAMS, SERVER_SHARES, SERVERS
from worlds.settings import Flavour, Settings
from worlds.wallet import DUST, Locktime

SEEDS = (1, 2, 3)
# Per cent of 105,546 uniformly drawn mainnet transactions (decluster's survey), and how far a world may be from it.
SURVEY = {
    "version 1": (62.7, 6),
    "sequence final": (56.7, 9),
    "sequence replaceable": (19.6, 6),
    "sequence locked": (18.7, 6),
    "locktime none": (74, 6),
    "locktime tip": (12.4, 6),
    "locktime before the tip": (13, 6),
    "1-2": (38.3, 10),
    "1-1": (22.2, 6),
    "2-2": (6.5, 3),
    "3-2": (5.1, 4),
    "1-3": (4.2, 2),
    "2-1": (3.0, 2),
    "P2PKH alone": (52.9, 8),
    "kinds mixed": (29.3, 14),
    "P2WPKH alone": (9.3, 5),
    "round fee": (17, 9),
    "sorted outputs": (37, 6),
    "one output": (30.3, 6),
}


@cache
def lived(seed: int, flavour: Flavour = Flavour.TUNE) -> Lived:
    """Give a world of 38 days in which every kind of party lives."""
    return Lived.through(Settings(seed, 420, people=90, flavour=flavour, signed=False))


def shapes(one: Lived) -> Counter[str]:
    """Count what transactions look like, save coinbases."""
    found = Counter[str]()
    told = {deed.txid: deed for _, deed in one.deeds}
    for height, block in enumerate(one.town.world.blocks):
        for tx in parse_block(block.raw).txs[1:]:
            deed = told[tx.txid]
            found["all"] += 1
            found["version 1"] += tx.version == 1
            final, replaceable = tx.inputs[0].sequence == 0xFFFFFFFF, tx.inputs[0].sequence == 0xFFFFFFFD
            found["sequence final" if final else "sequence replaceable" if replaceable else "sequence locked"] += 1
            tip = "tip" if tx.locktime == height - 1 else "before the tip"
            found[f"locktime {tip if tx.locktime else 'none'}"] += 1
            found[f"{len(tx.inputs)}-{len(tx.outputs)}"] += 1
            values = [value for _, value in deed.outputs]
            found["one output"] += len(values) == 1
            found["sorted outputs"] += values == sorted(values) and len(values) > 1
            found["round fee"] += (sum(c.value for c in deed.coins) - sum(values)) % 1_000 == 0
            made = [one.town.world.address_of(script) for script, _ in deed.outputs]
            kinds = {c.address.kind for c in deed.coins} | {a.kind for a in made if a}
            found["kinds mixed" if len(kinds) > 1 else f"{AddressKind(kinds.pop()).name} alone"] += 1
    return found


@pytest.fixture(scope="module")
def rates() -> dict[str, float]:
    """Give per cents over some worlds."""
    total = sum((shapes(lived(seed)) for seed in range(1, 7)), Counter[str]())
    return {name: 100 * n / total["all"] for name, n in total.items()}


@pytest.mark.parametrize("name", SURVEY)
def test_transactions_are_about_as_common_as_on_the_chain(name: str, rates: dict[str, float]) -> None:
    """Worlds on which heuristics are tuned have the base rates of real transactions, within the stated margin."""
    asked, margin = SURVEY[name]
    assert abs(rates[name] - asked) <= margin


def test_a_lock_is_a_tip_at_which_the_coins_were_there() -> None:
    """Programs that lock to the tip name one that is not yet mined past, and at which every coin was in a block."""
    one, waited = lived(1), 0
    told = {deed.txid: deed for _, deed in one.deeds}
    for height, block in enumerate(one.town.world.blocks):
        for tx in parse_block(block.raw).txs[1:]:
            deed = told[tx.txid]
            habits = one.town.world.wallets[deed.by[0]].habits
            if len(deed.by) == 1 and habits.locktime is Locktime.TIP:
                assert min(height - 1, max(c.height for c in deed.coins)) <= tx.locktime < height
                waited += tx.locktime < height - 1
    assert waited > 20


def test_change_of_another_kind_and_change_left_to_the_fee() -> None:
    """Some programs keep change at another kind of address; some leave what is small to the miners."""
    other, left = Counter[str](), 0
    for seed in SEEDS:
        world = lived(seed).town.world
        for _, deed in lived(seed).deeds:
            habits = world.wallets[deed.by[0]].habits
            plain = deed.word == "pay" and len(deed.by) == 1
            change = [(world.address_of(deed.outputs[n][0]), deed.outputs[n][1]) for n in deed.change if plain]
            if habits.change_kind:
                assert all(a and a.kind is habits.change_kind for a, _ in change)
                other[habits.program] += len(change)
            assert all(value >= habits.leaves for _, value in change)
            left += plain and not change and len(deed.outputs) == 1 and habits.leaves > DUST
    assert set(other) == {name for name, one in PROGRAMS.items() if one.habits.change_kind}
    assert min(other.values()) > 20
    assert left > 20


def test_held_out_businesses_run_other_programs() -> None:
    """The two tables have the same keys and no program in common, and each world runs those of its own."""
    assert SERVERS.keys() == HELD_OUT_SERVERS.keys() == SERVER_SHARES.keys()
    tuned, held = ({habits.program for habits in table.values()} for table in (SERVERS, HELD_OUT_SERVERS))
    assert not tuned & held
    for flavour, own, others in ((Flavour.TUNE, tuned, held), (Flavour.HELD_OUT, held, tuned)):
        run = {w.habits.program for w in lived(1, flavour).town.world.wallets.values()}
        assert run & own
        assert not run & others


@pytest.mark.parametrize("flavour", [Flavour.TUNE, Flavour.HELD_OUT])
@pytest.mark.parametrize("kind", [Processor, DarknetMarket])
def test_what_is_held_for_others_is_paid_out_or_booked(flavour: Flavour, kind: type[Processor | DarknetMarket]) -> None:
    """Of all that came in for a client, the client has been paid, or owes, or will be paid, every satoshi."""
    one = lived(2, flavour)
    world = one.town.world
    (holder,) = one.all(kind)
    escrow, came, went = holder.escrow, Counter[str](), Counter[str]()
    for _, deed in one.deeds:
        for address, value, _ in one.paid_to(deed):
            if address.owner == escrow.wallet.name and address.of:
                came[address.of] += value
            if deed.by == (escrow.wallet.name,) and address.owner != escrow.wallet.name:
                went[one.owner(address.owner)] += value
    booked = Counter[str]()
    for _, paid in one.booked:
        if paid.payee == holder.entity.id:
            booked[paid.payer] += paid.value
    waiting = Counter(escrow.due)
    for at, coin in escrow.wallet.coins.items():
        if coin.address.of and at not in escrow.seen:
            waiting[coin.address.of] += coin.value
    assert sum(went.values()) > 0
    assert set(booked) == set(went)
    for client in (wallet.owner.id for wallet in escrow.clients):
        assert came[client] == went[client] + booked[client] + waiting[client]
    assert world.wallets[escrow.wallet.name].owner is holder.entity


def test_ransomware_sells_through_another_helper_each_time() -> None:
    """No two steps of its peeling chains pay the same account, and each account is another person's."""
    paid = Counter[str]()
    for seed in SEEDS:
        for gang in lived(seed).all(Ransomware):
            peeled = [one for _, deed, one in lived(seed).settled() if deed.word == "peel"]
            assert {one.payer for one in peeled} <= {gang.entity.id}
            paid.update(f"{seed} {one.payee}" for one in peeled)
    assert paid
    assert set(paid.values()) == {1}
