"""Multi-party verdicts, told slowly: dictionaries and lists over the transactions of `tests.lakes`."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import networkx as nx

from chains.bitcoin.tables import ScriptType
from heuristics.rules import multiparty
from tests.lakes import In, Out, Tx, World

BTC = 100_000_000
POOL_FEES = {100_000: 5_000, 1_000_000: 50_000, 5_000_000: 175_000, 50_000_000: 1_750_000}
NATIVE = (ScriptType.P2WPKH, ScriptType.P2WSH, ScriptType.P2TR)
PAYJOINED = (ScriptType.P2SH, ScriptType.P2WPKH, ScriptType.P2TR)
WASABI = (multiparty.WASABI1.id, multiparty.WASABI11.id)


class Verdict(NamedTuple):
    """One row of the index's table."""

    tx_id: int
    rule: int
    participants: int
    denomination: int
    confidence: int


class Chain:
    """Transactions in order, what spends what, and the verdicts about them."""

    def __init__(self, world: World) -> None:
        """Take a world."""
        self.txs = [tx for block in world.blocks for tx in block]
        self.height = {tx.id: tx.id >> 20 for tx in self.txs}
        self.here = set(map(id, self.txs))
        self.spender = {(id(i.tx), i.vout): tx for tx in self.txs for i in tx.ins if id(i.tx) in self.here}
        paid = [o.to.id for tx in self.txs for o in tx.outs if o.to and o.value > 1000]
        self.uses = Counter(paid)

    # What one transaction says of itself.

    def origin(self, i: In) -> Tx | None:
        """The transaction that made a coin, if it is indexed."""
        return i.tx if id(i.tx) in self.here else None

    def owner(self, i: In) -> int | None:
        """The address spent from; None where nobody resolves it."""
        to = i.tx.outs[i.vout].to
        return to.id if to and (i.resolved or self.origin(i)) else None

    def value(self, i: In) -> int | None:
        """What a coin is worth, likewise."""
        return i.tx.outs[i.vout].value if i.resolved or self.origin(i) else None

    def values(self, tx: Tx) -> list[int]:
        """What a transaction's coins are worth, as far as that is known."""
        return [value for value in map(self.value, tx.ins) if value is not None]

    def kind(self, i: In) -> int:
        """Its script type as the source told it."""
        to = i.tx.outs[i.vout].to
        return to.kind if to and (i.resolved or self.origin(i)) else 0

    def spenders(self, tx: Tx) -> list[Tx]:
        """Who spends each spent output."""
        found = (self.spender.get((id(tx), vout)) for vout in range(len(tx.outs)))
        return [one for one in found if one]

    def looks(self, tx: Tx) -> tuple[int, str, int]:
        """Version, class of nLockTime, nSequence."""
        height = self.height[tx.id]
        lock = "zero" if not tx.locktime else "tip" if tx.locktime == height - 1 else "earlier"
        lock = "later" if tx.locktime >= min(height, 500_000_000) and lock != "zero" else lock
        return tx.version if tx.version in (1, 2) else 0, lock, tx.sequence

    # CoinJoins.

    def equal(self, tx: Tx) -> tuple[int, int, int, str] | None:
        """Rule, participants, denomination and family of a transaction of equal amounts."""
        outs = [o for o in tx.outs if o.to]
        most = max(Counter(o.value for o in tx.outs).values())
        if len(tx.ins) < 2 or len(tx.outs) < 3 or most < 2 or not outs or self.is_tx0(tx):
            return None
        values = Counter(o.value for o in outs)
        n = max(values.values())
        mode = max(value for value, times in values.items() if times == n)
        known = [who for who in map(self.owner, tx.ins) if who is not None]
        addresses = len(set(known)) + len(tx.ins) - len(known)
        apart = len({o.to.id for o in outs if o.to}) == len(outs)
        quiet = 10 * max(Counter(known).values(), default=0) <= len(tx.ins)
        wasabi = apart and quiet and self.is_round(len(tx.ins), addresses, (values, n, mode))
        near = abs(mode - BTC // 10)
        many = [times for times in values.values() if times > 1]
        half = (len(outs) + 1) // 2
        gathers = len(tx.ins) >= 50 and (len(tx.ins) > 20 * n or 10 * len(outs) < 17 * n)
        tests = [
            (multiparty.WASABI1, "wasabi near", wasabi and near <= BTC // 200),
            (multiparty.WHIRLPOOL, "pool", self.is_pool(tx) and self.mixes(tx, len(tx.ins) - len(known))),
            (multiparty.WASABI1, "wasabi wide", wasabi and n >= 10 and near <= BTC // 50),
            (
                multiparty.WASABI11,
                "wasabi level",
                wasabi and any(abs(mode - (BTC // 10 << p)) <= (BTC // 10 << p) // 20 for p in range(1, 15)),
            ),
            (
                multiparty.WABISABI,
                "wabisabi",
                quiet and apart and len(tx.ins) >= 20 and min(values) >= 5000 and len(many) >= 3
                and len(outs) - 1 <= 2 * sum(many) < 2 * len(outs),
            ),
            (multiparty.STONEWALL, "", len(outs) in (3, 4) and addresses >= 2 and many == [2] and mode >= 5000),
            (
                multiparty.JOINMARKET,
                "joinmarket",
                apart and 3 <= n <= addresses and 2 * n >= len(outs) > n and mode > 2730 and not gathers,
            ),
            (
                multiparty.COINJOIN_SHAPE,
                "",
                len(outs) >= 3 and half == n and half <= min(len(tx.ins), addresses) and mode not in (546, 2730),
            ),
        ]  # fmt: skip
        first = next(((rule, family) for rule, family, fires in tests if fires), None)
        if first is None:
            return None
        rule, family = first
        return (rule.id, 0, 0, family) if rule is multiparty.WABISABI else (rule.id, n, mode, family)

    def is_round(self, n_in: int, addresses: int, amounts: tuple[Counter[int], int, int]) -> bool:
        """Whether numbers of inputs, addresses and equal outputs are those of a Wasabi 1 round."""
        values, n, mode = amounts
        n_out, worth = values.total(), sum(value * times for value, times in values.items())
        levels = sum(times for value, times in values.items() if mode and value in [mode << p for p in range(50)])
        split = n_in < 20 and (worth - n * mode) * 10_000 <= worth
        return n_in >= 10 and n >= 3 and 2 * levels >= n_out - 1 and n <= addresses <= 7 * n and not split

    def is_pool(self, tx: Tx) -> bool:
        """Whether it has the form of a Whirlpool mix."""
        outs = [o for o in tx.outs if o.to]
        amounts = {o.value for o in outs}
        if len(amounts) != 1 or not 5 <= len(tx.ins) == len(outs) <= 8 or not amounts & POOL_FEES.keys():
            return False
        (amount,) = amounts
        if any(not 0 <= value - amount <= 110_000 for value in self.values(tx)):
            return False
        ids = [self.owner(i) for i in tx.ins if self.owner(i) is not None]
        return len(set(ids)) == len(ids) and len({o.to.id for o in outs if o.to}) == len(outs)

    def mixes(self, tx: Tx, unknown: int) -> bool:
        """Whether newcomers pay for a mix and others are remixed, or all are newcomers out of a Tx0."""
        amount = next(o.value for o in tx.outs if o.to)
        new = sum(value >= amount + 100 for value in self.values(tx))
        return (new <= 4 and new + unknown >= 1) or all(self.descends(i) == "tx0" for i in tx.ins)

    def is_tx0(self, tx: Tx, pools: Sequence[int] = tuple(POOL_FEES)) -> bool:
        """Whether it cuts a deposit into coins of a pool."""
        return any(self._cuts(tx, amount) for amount in pools)

    def _cuts(self, tx: Tx, amount: int) -> bool:
        notes = sum(o.to is None for o in tx.outs)
        inside = [o.value for o in tx.outs if o.to and 100 <= o.value - amount <= 110_000]
        premix = [value for value in inside if value == inside[0]]
        rest = [o.value for o in tx.outs if o.to]
        for value in premix:
            rest.remove(value)
        fee = POOL_FEES[amount]
        return notes == 1 and 1 <= len(premix) <= 70 and any(fee <= 2 * v and v <= 3 * fee for v in rest)

    def descends(self, i: In) -> str:
        """Where an input of a mix comes from."""
        tx, value = self.origin(i), self.value(i)
        if tx is None or value is None:
            return "unknown"
        pools = [amount for amount in POOL_FEES if 100 <= value - amount <= 110_000]
        if pools:
            return "tx0" if self.is_tx0(tx, pools) else "strange"
        return "mix" if self.is_candidate_pool(tx) else "strange"

    def is_candidate_pool(self, tx: Tx) -> bool:
        """Whether a coin's origin is like a mix."""
        return len(tx.ins) >= 2 and self.is_pool(tx)

    def confidence(self, tx: Tx, family: str, families: dict[int, str]) -> int:
        """How sure a CoinJoin is by its neighbours."""
        if family == "pool":
            origins = Counter(self.descends(i) for i in tx.ins)
            if not origins["strange"] and origins["tx0"] + origins["mix"]:
                return 90
            return 50 if origins["strange"] == len(tx.ins) else 60
        alone, unsaid, one, both = {
            "wasabi near": (50, 70, 75, 90), "wasabi wide": (45, 55, 65, 85), "wasabi level": (45, 60, 65, 80),
            "wabisabi": (45, 60, 65, 80), "joinmarket": (40, 49, 49, 55), "": (40, 40, 40, 40),
        }[family]  # fmt: skip
        mine = family.partition(" ")[0]
        made = [self.origin(i) for i in tx.ins]
        before = any(o and mine and families.get(o.id, "").partition(" ")[0] == mine for o in made)
        after = any(mine and families.get(s.id, "").partition(" ")[0] == mine for s in self.spenders(tx))
        if before or after:
            return both if before and after else one
        return alone if all(made) and len(self.spenders(tx)) >= 3 else unsaid

    # Two parties without equal amounts.

    def payjoin(self, tx: Tx) -> str:
        """`needless`, `could be`, or nothing."""
        owners = [self.owner(i) for i in tx.ins]
        if len(set(owners)) < 2 or len(tx.outs) != 2 or any(self.value(i) is None for i in tx.ins):
            return ""
        if any(o.to is None or o.value % 1000 == 0 or self.uses[o.to.id] > 1 for o in tx.outs):
            return ""
        types = {o.to.kind for o in tx.outs if o.to}
        alike = [self.kind(i) in types for i in tx.ins]
        if len(types) != 1 or not types <= set(PAYJOINED) or not any(alike):
            return ""
        if types == {ScriptType.P2SH} and tx.weight > 298 + sum(365 if same else 600 for same in alike):
            return ""
        if all(alike) and min(o.value for o in tx.outs) >= min(self.value(i) or 0 for i in tx.ins):
            return "needless"
        return "could be" if len(tx.ins) <= 3 else ""

    def two_programs(self, tx: Tx) -> bool:
        """Whether two of its coins were made by programs that look unlike."""
        made = [o for o in map(self.origin, tx.ins) if o and o.ins]
        return len(tx.ins) <= 16 and any(self.mismatch(a, b) >= 60 for a, b in combinations(made, 2))

    def mismatch(self, a: Tx, b: Tx) -> int:
        """GraphSense's points."""
        (v, lock, seq), (w, bolt, sequel) = self.looks(a), self.looks(b)
        kinds = self.kind(a.ins[0]) != self.kind(b.ins[0])
        return 30 * (v != w) + 15 * (lock != bolt) + 25 * (seq != sequel) + 80 * kinds

    def funding(self, tx: Tx) -> Out | None:
        """The output that could be a channel's."""
        kinds = {self.kind(i) for i in tx.ins}
        if not self.interactive(tx) or len(kinds) != 1 or len(tx.outs) != 3:
            return None
        if any(o.to is None or self.uses[o.to.id] > 1 or o.value <= 1000 for o in tx.outs):
            return None
        others = [o for o in tx.outs if o.to and o.to.kind not in kinds]
        if len(others) > 1:
            return None
        one = others[0] if others else max(tx.outs, key=lambda o: o.value)
        round_change = any(o.value % 1000 == 0 for o in tx.outs if o is not one)
        typed = one.to is not None and one.to.kind in (ScriptType.P2WSH, ScriptType.P2TR)
        return one if typed and self.channel_like(tx, one) and not round_change else None

    def channel_like(self, tx: Tx, one: Out) -> bool:
        """Whether a coin is spent as a channel's is."""
        spender = self.spender.get((id(tx), tx.outs.index(one)))
        if spender is None or len(spender.ins) == 1:
            return True
        spent = [self.kind(i) for i in spender.ins].count(ScriptType.P2WSH)
        made = [o.to.kind for o in spender.outs if o.to].count(ScriptType.P2WSH)
        multisig = one.to is not None and one.to.kind == ScriptType.P2WSH
        return multisig and self.interactive(spender) and spent == made == 1

    def interactive(self, tx: Tx) -> bool:
        """BOLT 2's form."""
        replaceable = tx.sequence not in (0xFFFFFFFF, 0xFFFFFFFE)
        owners = {self.owner(i) for i in tx.ins}
        native = all(self.kind(i) in NATIVE for i in tx.ins)
        return tx.version == 2 and replaceable and len(owners) > 1 and native and len(tx.outs) <= 3

    @cached_property
    def channels(self) -> tuple[set[int], set[int]]:
        """Ids of fundings and of splices."""
        coins: set[tuple[int, int]] = set()
        fundings, splices = set(), set()
        for tx in filter(self.interactive, self.txs):
            one = self.funding(tx)
            if any((id(i.tx), i.vout) in coins for i in tx.ins):
                splices.add(tx.id)
                fit = [o for o in tx.outs if o.to and o.to.kind == ScriptType.P2WSH and self.channel_like(tx, o)]
                coins |= {(id(tx), tx.outs.index(o)) for o in fit[-1:]}
            elif one:
                fundings.add(tx.id)
                coins.add((id(tx), tx.outs.index(one)))
        return fundings, splices

    # All together.

    def owners(self, suspected: set[int]) -> Callable[[int | None], object]:
        """Tell addresses' owners by what is spent together beyond suspicion."""
        graph: nx.Graph[int] = nx.Graph()
        for tx in self.txs:
            if tx.id not in suspected:
                nx.add_path(graph, [who for who in map(self.owner, tx.ins) if who is not None])
        root = {who: min(some) for some in nx.connected_components(graph) for who in some}
        return lambda who: object() if who is None else root.get(who, who)

    def verdicts(self) -> list[Verdict]:
        """All verdicts, in chain order."""
        found = {tx.id: one for tx in self.txs if (one := self.equal(tx))}
        families = {tx_id: family for tx_id, (*_, family) in found.items()}
        said: dict[int, Verdict] = {}
        for tx in self.txs:
            if tx.id in found:
                rule, n, mode, family = found[tx.id]
                said[tx.id] = Verdict(tx.id, rule, n, mode, self.confidence(tx, family, families))
            elif any(i.sighash & 64 for i in tx.ins) and len({self.owner(i) for i in tx.ins}) > 1:
                said[tx.id] = Verdict(tx.id, multiparty.PSBT_SWAP.id, 0, 0, 55)
        fundings, splices = self.channels
        joint = dict.fromkeys(splices - said.keys(), multiparty.SPLICE.id)
        joint |= dict.fromkeys(fundings - said.keys(), multiparty.DUAL_FUND.id)
        forms = {tx.id: self.payjoin(tx) for tx in self.txs if tx.id not in said and tx.id not in fundings | splices}
        said |= {tx: Verdict(tx, rule, 0, 0, 50) for tx, rule in joint.items()}
        said |= self.payjoins({tx: form for tx, form in forms.items() if form}, set(said) | fundings | splices)
        owner = self.owners(set(said))
        parties = {tx.id: len({owner(self.owner(i)) for i in tx.ins}) for tx in self.txs}
        return [v for _, v in sorted(said.items()) if parties[v.tx_id] > 1 and 2 * parties[v.tx_id] >= v.participants]

    def payjoins(self, forms: dict[int, str], others: set[int]) -> dict[int, Verdict]:
        """Those that stand: needless ones, and others with something more against them."""
        owner = self.owners(others | set(forms))
        sides: dict[int, set[object]] = defaultdict(set)
        for tx in self.txs:
            sides[tx.id] = {owner(self.owner(i)) for i in tx.ins} | {owner(o.to.id) for o in tx.outs if o.to}
        known = {who for tx, form in forms.items() if form == "needless" for who in sides[tx]}
        said = {}
        for tx in self.txs:
            form = forms.get(tx.id, "")
            if form == "needless" or (form and (self.two_programs(tx) or sides[tx.id] & known)):
                said[tx.id] = Verdict(tx.id, multiparty.PAYJOIN.id, 0, 0, 50 if form == "needless" else 40)
        return said
