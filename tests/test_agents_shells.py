"""The designated exchange, its fronts and the custodian: what shows on the chain, and what the truth says of it."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from tests.lived import KINDS, Lived, inhabited, world
from worlds.agents import NEEDS, ROSTER, with_needs
from worlds.agents.custodian import Custodian
from worlds.agents.designated import Designated
from worlds.agents.shells.captive import Captive
from worlds.agents.shells.chain import Chain
from worlds.agents.shells.mixed import Mixed
from worlds.agents.shells.nested import Nested
from worlds.agents.shells.rotating import Rotating
from worlds.agents.shells.slow import Slow
from worlds.agents.shells.split import Split
from worlds.deeds import Deed
from worlds.settings import Flavour, Settings, drawn
from worlds.simulate import settled

FLAVOURS = (Flavour.TUNE, Flavour.HELD_OUT)
DAY = 8  # blocks of a day, at one every three hours


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_direct_business_stops_at_the_designation(flavour: Flavour) -> None:
    """A day after it is listed, the exchange does no more than the stated remainder of its business directly."""
    lived = world(flavour)
    listed, town = lived.designated.entity.id, lived.town
    after, direct = Counter[bool](), Counter[bool]()
    for height, deed, one in lived.settled():
        out = one.payer == listed and one.payee.startswith("person")
        back = one.payee == listed and one.payer.startswith("person")
        if not (out or back) or town.t0 <= height < town.t0 + DAY:
            continue
        late = height >= town.t0
        address = town.world.address_of(deed.outputs[one.vout or 0][0])
        assert address is not None
        openly = listed in {lived.signer(deed), lived.owner(address.owner)}
        after[late] += 1
        direct[late] += openly
    assert direct[False] == after[False] > 40
    assert after[True] > 60
    share = lived.designated.remainder
    spread = (share * (1 - share) / after[True]) ** 0.5
    assert direct[True] / after[True] <= share + 3 * spread


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_business_goes_on_as_before(flavour: Flavour) -> None:
    """Before and after, the exchange pays its clients, and is paid by them, about as often a day."""
    lived = world(flavour)
    listed, town = lived.designated.entity.id, lived.town
    rate: dict[tuple[str, bool], float] = defaultdict(float)
    first = min(height for height, _ in lived.deeds)
    days = {False: (town.t0 - first) / DAY, True: (town.settings.blocks - town.t0) / DAY}
    for height, _, one in lived.settled():
        late = height >= town.t0
        if one.payer == listed and one.payee.startswith("person"):
            rate["out", late] += 1 / days[late]
        if one.payee == listed and one.payer.startswith("person"):
            rate["in", late] += 1 / days[late]
    assert all(0.5 < rate[way, True] / rate[way, False] < 2.2 for way in ("out", "in"))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_runs_through_a_front_is_recorded_between_the_true_parties(flavour: Flavour) -> None:
    """A front's payments are its principal's, and what its principal's partners pay it is paid to the principal."""
    lived = world(flavour)
    principals = {shell.entity.id: shell.principal.id for shell in lived.town.shells}
    through = Counter[str]()
    for _, deed in lived.deeds:
        told = {one.vout: one for one in deed.paid}
        signer = lived.signer(deed)
        for address, _, n in lived.paid_to(deed):
            front = lived.owner(address.owner)
            if front in principals and address.of:
                assert address.of == principals[front]
                assert n not in told or told[n].payee == principals[front]
                through["in"] += n in told
            if signer in principals and n in told and told[n].payer != signer:
                assert told[n].payer == principals[signer]
                through["out"] += 1
    assert min(through["in"], through["out"]) > 40


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_only_honest_trade_and_hand_overs_are_a_fronts_own(flavour: Flavour) -> None:
    """Nothing is recorded as paid by or to a front itself, save its honest trade, hand-overs and its commission."""
    lived = world(flavour)
    for _, deed, one in lived.settled():
        for side in {one.payer, one.payee} & lived.shells.keys():
            assert lived.shells[side] == "mixed" or deed.word == "hand_over"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_what_goes_in_comes_out_less_the_commission(flavour: Flavour) -> None:
    """What a company has passed on and what still waits is, to the satoshi, what came in less what it was booked."""
    lived = world(flavour)
    kept = Counter[str]()
    for _, booked in lived.booked:
        if booked.payee in lived.shells and booked.payer == lived.designated.entity.id:
            kept[booked.payee] += booked.value
    companies = [c for c in lived.companies if c.principal is lived.designated.entity]
    awaited = Counter[str]()  # promised by the principal, or by the company before in a chain, but not yet paid
    promised = [(p.to, p.value) for p in lived.designated.purses.queue]
    for to, value in [*promised, *((lot.to, lot.value) for company in companies for lot in company.lots)]:
        awaited[lived.owner(to.owner) if to else ""] += value
    for company in companies:
        owner = company.wallet.owner.id
        balance = awaited[owner] - sum(lot.value for lot in company.lots)
        for _, deed in lived.deeds:
            signed, told = lived.signer(deed) == owner, {paid.vout: paid for paid in deed.paid}
            for address, value, n in lived.paid_to(deed):
                if lived.owner(address.owner) == owner and address.of:
                    balance += value
                if signed and not (n in told and told[n].payer == owner):
                    balance -= value
        last = [
            coin for at, coin in company.wallet.coins.items() if at not in company.seen
        ]  # it sees them a block later
        balance -= sum(coin.value for coin in last if coin.address.script in company.tills)
        assert balance == kept[owner]
    assert sum(kept[c.wallet.owner.id] > 0 for c in companies) > 8


@pytest.mark.parametrize(
    ("flavour", "types"),
    [
        (Flavour.TUNE, {"static", "chain", "rotating", "mixed", "captive"}),
        (Flavour.HELD_OUT, {"static", "chain", "rotating", "mixed", "captive", "slow", "split", "nested"}),
    ],
)
def test_types_of_front_by_flavour(flavour: Flavour, types: set[str]) -> None:
    """Worlds for tuning have five types of front; worlds that are held out have all eight."""
    lived = world(flavour)
    assert set(lived.shells.values()) == types
    assert all(lived.town.world.entities[e].category == "shell" for e in lived.shells)
    assert not any(lived.town.world.entities[e].service for e in lived.shells)
    assert all(shell.from_height >= lived.town.t0 for shell in lived.town.shells)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_fronts_have_enough_to_do_to_be_seen(flavour: Flavour) -> None:
    """Each front that stays takes part in at least five transactions in and five out; so do most that rotate."""
    lived = world(flavour)
    ins, outs = defaultdict(set), defaultdict(set)
    for _, deed in lived.deeds:
        signer = lived.signer(deed)
        outs[signer].add(deed.txid)
        for address, _, _ in lived.paid_to(deed):
            ins[lived.owner(address.owner)].add(deed.txid)
    busy = {e: min(len(ins[e]), len(outs[e])) >= 5 for e in lived.shells}
    assert all(busy[e] for e, kind in lived.shells.items() if kind != "rotating")
    rotating = [busy[e] for e, kind in lived.shells.items() if kind == "rotating"]
    assert sum(rotating) >= 0.6 * len(rotating)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_new_wallets_every_few_days_that_are_not_spent_together(flavour: Flavour) -> None:
    """Once listed, the exchange opens a wallet every 1 to 7 days; only those of one group are ever spent together."""
    lived = world(flavour)
    listed, town = lived.designated.entity, lived.town
    purses = {w.name: w for w in lived.designated.purses.all}
    first: dict[str, int] = {}
    for height, deed in lived.deeds:
        groups = {town.world.wallets[c.address.owner].group for c in deed.coins}
        assert len(groups) == 1 or lived.signer(deed) != listed.id
        if deed.word == "rotate":
            assert len(deed.coins) == 1 or len({c.address.owner for c in deed.coins}) == 2
        for address, _, _ in lived.paid_to(deed):
            if address.owner in purses:
                first.setdefault(address.owner, height)
    assert len({w.group for w in purses.values()}) > len(purses) / 2
    assert town.t0 <= min(first.values()) <= town.t0 + 1
    per_wallet = (town.settings.blocks - town.t0) / DAY / (len(purses) - lived.designated.purses.count)
    assert 1 <= per_wallet <= 7


def test_careless_rotation_links_wallets_of_one_group() -> None:
    """Where a replacement is careless, a coin of the old wallet and one of the new are spent together."""
    lived = inhabited(5, 116 + 80, Flavour.TUNE)
    purses = lived.designated.purses
    purses.careless = 1.0
    for _ in range(8):
        for _ in range(DAY):
            purses.act()
            lived.town.world.mine(lived.town.pools[0].wallet)
        purses.next_at = 0
    joint = [deed for _, deed in lived.deeds if deed.word == "rotate" and len(deed.coins) == 2]
    assert joint
    wallets = lived.town.world.wallets
    assert all(len({wallets[name].group for name in deed.by}) == 1 < len(set(deed.by)) for deed in joint)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_listing_is_dated_with_the_block_at_which_the_business_changes(flavour: Flavour) -> None:
    """The date from which a list names the exchange is the time of the block at t0."""
    lived = world(flavour)
    header = lived.town.world.blocks[lived.town.t0].raw[:80]
    assert lived.designated.entity.listed_from == int.from_bytes(header[68:72], "little")
    assert lived.town.designated == [lived.designated.entity]
    assert lived.designated.entity.jurisdiction == "RU"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_custodian_sweeps_both_exchanges_at_once(flavour: Flavour) -> None:
    """Deposits of both exchanges are spent together, and stay each exchange's business under one set of keys."""
    lived = world(flavour)
    (custodian,) = lived.all(Custodian)
    served = {venue.entity.id for venue in custodian.served}
    both = 0
    for _, deed in lived.deeds:
        swept = {lived.owner(c.address.owner) for c in deed.coins}
        both += served <= swept
        assert not swept & served or swept <= served | {custodian.entity.id}
        if served & swept and deed.word == "sweep":
            assert deed.paid == ()
    assert both >= 5
    groups = {venue.deposits.group for venue in custodian.served}
    assert groups == {custodian.wallet.group}
    assert {venue.deposits.owner.id for venue in custodian.served} == served
    charged = Counter(one.payer for _, one in lived.booked if one.payee == custodian.entity.id)
    assert set(charged) == served


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_no_company_of_a_chain_deals_with_both_ends(flavour: Flavour) -> None:
    """Only the first company of a chain deals with the principal, and only the last with its clients."""
    lived = world(flavour)
    (chain,) = lived.all(Chain)
    row = [company.wallet.owner.id for company in chain.companies]
    assert 2 <= len(row) <= 4
    partners: dict[str, set[str]] = defaultdict(set)
    for _, deed in lived.deeds:
        signer = lived.signer(deed)
        for address, _, _ in lived.paid_to(deed):
            receiver = lived.owner(address.owner)
            partners[signer].add(receiver)
            partners[receiver].add(signer)
    listed = lived.designated.entity.id
    assert [listed in partners[e] for e in row] == [True] + [False] * (len(row) - 1)
    venues = {v.entity.id for v in lived.town.venues}
    assert [bool(venues & partners[e]) for e in row] == [False] * (len(row) - 1) + [True]
    assert all(b in partners[a] for a, b in pairwise(row))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_rotating_companies_hand_over(flavour: Flavour) -> None:
    """Each company of a rotating front lives some days, then pays what it has left to its successor."""
    lived = world(flavour)
    (rotating,) = lived.all(Rotating)
    ended = [s for s in lived.town.shells if s.type == "rotating" and s.to_height is not None]
    assert len(ended) >= 4
    assert all(DAY <= (s.to_height or 0) - s.from_height <= 20 * DAY for s in ended)
    handed = [deed for _, deed in lived.deeds if deed.word == "hand_over"]
    assert len(handed) == len(ended)
    names = [company.wallet.name for company in rotating.companies]
    assert all(names.index(deed.by[0]) < names.index(deed.to[0]) for deed in handed)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_honest_trade_hides_the_principals_payments(flavour: Flavour) -> None:
    """A mixed front takes and pays on its own account too, before the designation and after, and does not hoard."""
    lived = world(flavour)
    (mixed,) = lived.all(Mixed)
    own = mixed.company.wallet.owner.id
    sold = [(h, one.value) for h, _, one in lived.settled() if one.payee == own]
    bought = [(h, one.value) for h, _, one in lived.settled() if one.payer == own]
    for trade in (sold, bought):
        assert min(h for h, _ in trade) < lived.town.t0 < max(h for h, _ in trade)
    assert 0.6 < sum(v for _, v in bought) / sum(v for _, v in sold) < 1


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_registered_exchange_settles_through_its_company_in_singapore(flavour: Flavour) -> None:
    """The exchange pays the listed party, and is paid by it, openly before and through its shell afterwards."""
    lived = world(flavour)
    (captive,) = lived.all(Captive)
    house, listed = captive.house.entity, lived.designated.entity.id
    assert house.jurisdiction == "JP"
    assert captive.company.wallet.owner.jurisdiction == "SG"
    assert captive.company.shell.principal is house
    signers = {False: Counter[str](), True: Counter[str]()}
    for height, deed, one in lived.settled():
        if one.payer == house.id and one.payee == listed and not 0 <= height - lived.town.t0 < DAY:
            signers[height >= lived.town.t0][lived.signer(deed)] += 1
    assert set(signers[False]) == {house.id}
    assert set(signers[True]) == {captive.company.wallet.owner.id}
    backs = [h for h, _, one in lived.settled() if one.payer == listed and one.payee == house.id]
    assert min(backs) < lived.town.t0 < max(backs)


def test_a_nested_front_shows_its_host_only() -> None:
    """What a nested front pays comes out of its host's wallet, recorded as the principal's payment."""
    lived = world(Flavour.HELD_OUT)
    (nested,) = lived.all(Nested)
    host, own = nested.company.host, nested.company.wallet.owner.id
    assert host is not None
    for _, deed in lived.deeds:
        if lived.signer(deed) == own:
            assert {lived.owner(address.owner) for address, _, _ in lived.paid_to(deed)} == {host.entity.id}
    listed = lived.designated.entity.id
    paid = [one for _, deed, one in lived.settled() if lived.signer(deed) == host.entity.id and one.payer == listed]
    assert len(paid) >= 3


def test_a_split_front_is_paid_out_of_several_wallets() -> None:
    """The parts of one payment run through different companies, funded by different wallets of the principal."""
    lived = world(Flavour.HELD_OUT)
    (split,) = lived.all(Split)
    own = {company.wallet.owner.id for company in split.companies}
    assert len(own) >= 2
    funders: dict[int, list[str]] = defaultdict(list)
    for height, deed in lived.deeds:
        if lived.signer(deed) == lived.designated.entity.id:
            for address, _, _ in lived.paid_to(deed):
                if lived.owner(address.owner) in own:
                    funders[height].append(deed.by[0])
    several = [names for names in funders.values() if len(names) > 1]
    assert sum(len(set(names)) > 1 for names in several) > 0.8 * len(several)


def test_a_slow_front_keeps_money_for_days() -> None:
    """Nothing that a slow front passes on has come in less than 60 hours before."""
    lived = world(Flavour.HELD_OUT)
    (slow,) = lived.all(Slow)
    own, came, waits = slow.company.wallet.owner.id, [], []
    for height, deed in lived.deeds:
        came += [height for address, _, _ in lived.paid_to(deed) if lived.owner(address.owner) == own]
        if lived.signer(deed) == own:
            waits.append(height - min(came))
    assert min(waits) >= 60 // 3


def test_same_seed_same_transactions() -> None:
    """The same seed gives the same signed transactions and the same truth; another seed others."""

    def told(seed: int) -> list[tuple[int, Deed]]:
        lived = inhabited(seed, 230, Flavour.HELD_OUT, signed=True)
        assert any(shell.to_height or shell.from_height < 230 for shell in lived.town.shells)
        return [(height, deed) for height, deed in lived.deeds if deed.word != "coinbase"]

    first, second = told(8), told(8)
    assert [(h, d.txid, d.paid) for h, d in first] == [(h, d.txid, d.paid) for h, d in second]
    assert {d.txid for _, d in first}.isdisjoint(d.txid for _, d in told(9))


def test_nobody_is_designated_where_there_is_nobody_to_deal_with() -> None:
    """Without people there is no designated exchange, and without it there are no fronts."""
    fronts = tuple(k for k in KINDS if k.endswith("-shell"))
    town, agents = settled(drawn(Settings(1, 200, people=0, signed=False, agents=("designated", *fronts))))
    assert not town.principals
    assert not town.shells
    assert not any(isinstance(a, Designated | Chain | Captive) for a in agents)


@pytest.mark.parametrize("kind", sorted(NEEDS))
def test_a_kind_that_is_asked_for_alone_brings_those_that_it_needs(kind: str) -> None:
    """Whoever lives in some world moves in there when asked for alone, beside the parties that it needs."""
    flavour = Flavour.CONTRARY if kind.startswith("contrary") else Flavour.HELD_OUT
    _, agents = settled(drawn(Settings(1, 200, people=60, flavour=flavour, signed=False, agents=(kind,))))
    assert any(isinstance(a, ROSTER[kind]) for a in agents)
    assert {type(a) for a in agents} <= {ROSTER[k] for k in with_needs((kind, "pool"))}


def test_without_fronts_everything_stays_direct() -> None:
    """A listed exchange without fronts goes on directly, out of its new wallets."""
    kinds = ("pool", "exchange", "people", "designated")
    lived = Lived.through(Settings(3, 300, people=30, signed=False, agents=kinds))
    listed = lived.designated.entity
    late = [d for h, d, one in lived.settled() if h > lived.town.t0 + DAY and one.payer == listed.id]
    purses = {w.name for w in lived.designated.purses.all}
    assert late
    assert all(set(deed.by) <= purses for deed in late)
