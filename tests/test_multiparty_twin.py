"""Multi-party verdicts against a slow telling of the same rules, on random chains that are full of likely shapes."""

import random
from collections import Counter
from pathlib import Path

import pytest

from chains.bitcoin.tables import ScriptType
from heuristics.clusters.multiparty import verdicts
from heuristics.rules import BY_ID
from tests.graphs import graph_of
from tests.lakes import In, Out, Script, World, named, nested, p2pkh, p2tr, p2wpkh, pay
from tests.naive_multiparty import Chain, Verdict

BTC = 100_000_000
KINDS = (p2wpkh, nested, p2pkh, lambda key: p2tr(key.hex()))
SEQUENCES = (0xFFFFFFFD, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF, 0)


class Maker:
    """Makes one random chain: a few owners of few script types, who gather, pay, mix and fund."""

    def __init__(self, seed: int) -> None:
        """Mint coins for everybody."""
        self.rnd = random.Random(seed)  # noqa: S311 -- repeatable on purpose
        self.world, self.count = World(first_height=3), 0
        past = World(count=10_000)
        self.coins: list[In] = []
        for _ in range(6):
            self.coins += self.kept(past.mint(*self.outs([self.amount() for _ in range(3)])), lost=True)
        for _ in range(14):
            self.coins += self.kept(self.world.mint(*self.outs([self.amount() for _ in range(5)])))

    def amount(self) -> int:
        """Draw a value: of a pool's size, about 0.1 BTC, or any."""
        pool = self.rnd.choice([100_000, 1_000_000]) + self.rnd.choice([0, 0, 500])
        return self.rnd.choice([pool, pool, 12_000_000, self.rnd.randrange(50_000, 5_000_000)])

    def script(self) -> Script:
        """Make an address, most often a fresh one."""
        self.count += self.rnd.random() < 0.85
        key = bytes([2]) + self.count.to_bytes(32, "big")
        return self.rnd.choice(KINDS if self.rnd.random() < 0.3 else KINDS[:1])(key)

    def outs(self, values: list[int]) -> list[Out]:
        """Pay each value to an address."""
        return [pay(self.script(), value) for value in values]

    def kept(self, tx: object, *, lost: bool = False) -> list[In]:
        """The coins of a transaction, as they will be spent."""
        outs = tx.outs  # type: ignore[attr-defined]
        offered = [2] * 30 + [64]
        return [
            In(tx, vout, self.rnd.choice(offered), None, not lost and self.rnd.random() < 0.97)  # type: ignore[arg-type]
            for vout, out in enumerate(outs)
            if out.to is not None
        ]

    def take(self, n: int) -> list[In]:
        """Draw coins."""
        return [self.coins.pop(self.rnd.randrange(len(self.coins))) for _ in range(min(n, len(self.coins)))]

    def spend(self, ins: list[In], outs: list[Out]) -> None:
        """Make a transaction of some program."""
        if not ins:
            return
        tx = self.world.spend(ins, *outs)
        tx.version, tx.sequence = self.rnd.choice([2, 2, 1]), self.rnd.choice(SEQUENCES)
        tx.weight = self.rnd.choice([800, 800, 1028, 1029, 2500])
        tx.locktime = self.rnd.choice([0, 0, self.world.first_height + len(self.world.blocks) - 2, 1, 600_000_000])
        self.coins += self.kept(tx)

    def payment(self) -> None:
        """Two or three coins to two addresses."""
        ins = self.take(self.rnd.choice([2, 2, 3, 4]))
        worth = sum(i.tx.outs[i.vout].value for i in ins)
        part = self.rnd.choice([worth // 3, worth // 9, worth // 2 // 1000 * 1000])
        self.spend(ins, self.outs([part, max(0, worth - part - 777)]))

    def gathering(self) -> None:
        """Several coins to one address."""
        ins = self.take(3)
        self.spend(ins, self.outs([max(0, sum(i.tx.outs[i.vout].value for i in ins) - 500)]))

    def funding(self) -> None:
        """Two coins to a Taproot output, with two changes."""
        ins = self.take(self.rnd.choice([2, 3]))
        if not ins:
            return
        worth = sum(i.tx.outs[i.vout].value for i in ins)
        change = self.outs([worth // 5, worth // 7 + 1])
        self.count += 1
        name = f"channel {self.count}"
        self.spend(ins, [pay(self.rnd.choice([p2tr, named])(name), worth // 2), *change])
        if self.rnd.random() < 0.5:
            coin = self.coins.pop(-3)
            self.spend([coin, *self.take(1)], [pay(named(f"{name} 2"), worth // 2), *self.outs([worth // 9])])

    def round_of_equals(self) -> None:
        """Equal outputs, with change or without, of all the sizes that a rule knows."""
        n = self.rnd.choice([2, 3, 5, 5, 5, 10, 12, 20])
        size = self.rnd.choice([100_000, 100_000, 1_000_000, 10_000_000, 10_700_000, 20_000_000, 4_000])
        values = [size] * n
        if self.rnd.random() < 0.6:
            values += [self.rnd.randrange(1000, 90_000) for _ in range(self.rnd.randrange(n + 1))]
        if self.rnd.random() < 0.3:
            values += [2 * size] * self.rnd.randrange(4) + [30_000] * self.rnd.randrange(6)
        if n == 5 and len(values) == 5 and self.rnd.random() < 0.8:
            fit = [i for i in self.coins if 0 <= i.tx.outs[i.vout].value - size <= 110_000]
            fit = sorted(fit, key=lambda i: i.tx.outs[0].to is not None)[:5]  # of Tx0s first
            self.coins = [i for i in self.coins if i not in fit]
            self.spend(fit, self.outs(values))
        else:
            self.spend(self.take(n + self.rnd.randrange(12)), self.outs(values))

    def tx0(self) -> None:
        """Cut coins into a pool's."""
        size, fee = self.rnd.choice([(100_000, 5_000), (1_000_000, 50_000)])
        premix = [size + 500] * self.rnd.randrange(1, 7)
        self.spend(self.take(2), [Out(None, 0), *self.outs([*premix, fee, self.rnd.randrange(10_000, 30_000)])])

    def chain(self) -> World:
        """Do some of everything."""
        deeds = (self.payment, self.payment, self.gathering, self.funding, self.round_of_equals, self.round_of_equals,
                 self.tx0)  # fmt: skip
        for _ in range(40):
            self.rnd.choice(deeds)()
        return self.world


def told(world: World, folder: Path) -> list[Verdict]:
    """What the kernels say."""
    graph = graph_of(world.write(folder, per_segment=7))
    found = verdicts(graph)
    columns = [graph.tx_id(found.t), *found[1:]]
    return [Verdict(*map(int, row)) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("seed", range(40))
def test_verdicts_agree_with_dictionaries(tmp_path: Path, seed: int) -> None:
    """The whole chain's verdicts, with counts and confidence, are what a plain retelling gives."""
    world = Maker(seed).chain()
    found, expected = told(world, tmp_path), Chain(world).verdicts()
    assert found == expected


def test_random_chains_hold_every_rule() -> None:
    """The chains above are no empty agreement: nearly every rule fires on them, in several degrees of confidence."""
    seen: Counter[tuple[str, int]] = Counter()
    for seed in range(40):
        seen.update((BY_ID[v.rule].name, v.confidence) for v in Chain(Maker(seed).chain()).verdicts())
    assert {name for name, _ in seen} >= {
        "coinjoin_shape", "joinmarket", "wasabi1", "whirlpool", "stonewall", "psbt_swap", "payjoin", "dual_fund",
        "splice",
    }  # fmt: skip
    assert {("whirlpool", 90), ("whirlpool", 60), ("payjoin", 50), ("payjoin", 40), ("joinmarket", 49)} <= set(seen)
    assert ScriptType.P2TR in {o.to.kind for tx in Chain(Maker(0).chain()).txs for o in tx.outs if o.to}
