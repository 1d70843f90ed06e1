"""The slow, obvious twin of heuristics.clusters.change: one output after the other, in plain Python."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from heuristics.clusters.change import calibration, votes
from heuristics.fingerprints import EARLIER, MIXED, TIP
from tests.coins import History, Look

Place = tuple[int, int]


class Twin:
    """Judges the outputs of a history."""

    def __init__(self, history: History, several: Sequence[int] = ()) -> None:
        """Take what is judged."""
        self.history, self.several = history, several
        cluster = history.clusters(several)
        self.cluster = {name: int(cluster[n]) for n, name in enumerate(history.names)}
        self.decided: dict[Place, int] = {}

    def changes(self) -> dict[Place, int]:
        """Families by transaction and position of what is change."""
        everything = range(len(self.history.ins))
        for t in everything:
            self.decided |= self.own(t)
        known = dict(self.decided)
        for t in everything:
            known |= self.voted(t, None)
        self.decided = known
        for t in everything:
            for place, families in self.voted(t, known).items():
                self.decided.setdefault(place, families)
        return self.decided

    def open(self, t: int) -> list[int]:
        """Positions of outputs that somebody can spend."""
        return [v for v, out in enumerate(self.history.outs[t]) if out.name is not None]

    def inputs(self, t: int) -> list[str | None]:
        """Addresses of the inputs."""
        return [self.history.out(coin).name for coin in self.history.ins[t]]

    def payer(self, t: int) -> int:
        """The one cluster of all inputs; -1 where there is none."""
        found = {self.cluster[name] if name else -1 for name in self.inputs(t)}
        return found.pop() if len(found) == 1 else -1

    def own(self, t: int) -> dict[Place, int]:
        """Families of what goes back to the payer by T0's evidence."""
        outs = self.history.outs[t]
        back = [v for v in self.open(t) if outs[v].name in self.inputs(t)]
        mine = [v for v in self.open(t) if self.payer(t) >= 0 and self.cluster[str(outs[v].name)] == self.payer(t)]
        if t in self.several or len(self.open(t)) < 2:
            return {}
        if back:
            return {(t, v): votes.SELF for v in back}
        return {(t, mine[0]): votes.COSPENT} if len(mine) == 1 else {}

    def voted(self, t: int, known: dict[Place, int] | None) -> dict[Place, int]:
        """Families of what votes decide; habits vote once something is known."""
        outs, able = self.history.outs[t], self.open(t)
        mine = [v for v in able if outs[v].name in self.inputs(t) or self.cluster[str(outs[v].name)] == self.payer(t)]
        if t in self.several or self.payer(t) < 0 or mine or not 2 <= len(able) <= 10 or self.stonewall(t):
            return {}
        found = {v: sum(family for family, vote in self.families(t, known) if vote == v) for v in able}
        chosen = [v for v in able if found[v]]
        if len(chosen) != 1:
            return {}
        (v,) = chosen
        spender = self.history.spender(t, v)
        twin = any(outs[o].value == outs[v].value for o in range(len(outs)) if o != v)
        if twin or spender in self.several or not self.alike(t, spender, program=False):
            return {}
        families = np.array([found[v]], np.uint8)
        share = calibration.probability(np.array([self.era(t)], np.uint8), families)[0]
        return {(t, v): found[v]} if found[v].bit_count() >= 2 and share >= 0.99 else {}

    def families(self, t: int, known: dict[Place, int] | None) -> Iterator[tuple[int, int | None]]:
        """Each family and the output that it votes for."""
        history, outs = self.history, self.history.outs[t]
        kinds = {history.out(coin).kind for coin in history.ins[t]}
        yield votes.TYPE, self.only(t, lambda v: len(kinds) > 1 or outs[v].kind in kinds)
        yield votes.AMOUNT, self.amount(t)
        if history.first_height == 0:
            yield votes.FRESHNESS, self.only(t, lambda v: self.fresh(t, v))
        v = self.only(t, lambda v: self.alike(t, history.spender(t, v), program=True))
        spender = -1 if v is None else history.spender(t, v)
        yield votes.SPENDER, v if spender >= 0 and spender not in self.several else None
        if known is not None:
            yield votes.POSITION, self.habit(t, known)

    def only(self, t: int, test: Callable[[int], bool]) -> int | None:
        """The one output that a test leaves."""
        left = [v for v in self.open(t) if test(v)]
        return left[0] if len(left) == 1 else None

    def amount(self, t: int) -> int | None:
        """What amounts vote for."""
        outs, values = self.history.outs[t], [self.history.out(coin).value for coin in self.history.ins[t]]
        small = self.only(t, lambda v: len(values) < 2 or outs[v].value < min(values))
        uneven = None
        for digits in votes.ROUND:
            if uneven is None:
                rough = [v for v in self.open(t) if outs[v].value % 10**digits]
                uneven = rough[0] if len(rough) == 1 else None
        said = {v for v in (small, uneven) if v is not None}
        return said.pop() if len(said) == 1 else None

    def fresh(self, t: int, v: int) -> bool:
        """First seen in this output or another of the transaction, and not paid later but by dust."""
        name = self.history.outs[t][v].name
        before = any(out.name == name for outs in self.history.outs[:t] for out in outs)
        later = any(out.name == name and out.value > 1_000 for outs in self.history.outs[t + 1 :] for out in outs)
        return not before and not later

    def alike(self, t: int, s: int, *, program: bool) -> bool:
        """Whether one program may have made both, by kind of script too or not."""
        if s < 0 or s in self.several:
            return True
        kinds = [{self.history.out(coin).kind for coin in self.history.ins[one]} for one in (t, s)]
        same_kind = kinds[0] == kinds[1] or len(kinds[0]) != 1 or len(kinds[1]) != 1
        return alike(self.history.looks[t], self.history.looks[s]) and (program or same_kind)

    def habit(self, t: int, known: dict[Place, int]) -> int | None:
        """Where this payer always puts its change."""
        payer, n_out = self.payer(t), len(self.history.outs[t])
        told = [(d, v) for d, v in known if self.payer(d) == payer >= 0 and len(self.history.outs[d]) > 1]
        if len(told) < 5:
            return None
        if all(v == 0 for _, v in told):
            return 0
        return n_out - 1 if all(v == len(self.history.outs[d]) - 1 for d, v in told) else None

    def stonewall(self, t: int) -> bool:
        """Whether exactly two of three or four outputs are equal."""
        values = [out.value for out in self.history.outs[t]]
        pairs = sum(a == b >= 5_000 for n, a in enumerate(values) for b in values[:n])
        return len(values) in (3, 4) and pairs == 1

    def era(self, t: int) -> int:
        """What had been spent by then."""
        kinds = {self.history.out(coin).kind for ins in self.history.ins[: t + 1] for coin in ins}
        return 2 if 7 in kinds else 1 if kinds & {5, 6} else 0


def alike(a: Look, b: Look) -> bool:
    """Whether one program may have made both."""
    locks = [TIP if look.locktime == EARLIER else look.locktime for look in (a, b)]
    sequence = a.sequence == b.sequence or MIXED in (a.sequence, b.sequence)
    return a.version == b.version and locks[0] == locks[1] and sequence
