"""Small tales of fronts: a listed party, its clients and who stands between, seen as a label build sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from heuristics.attribution.ground import Ground
from heuristics.shells.build import Fronts, shells
from tests.graphs import graph_of
from tests.lakes import TIME, In, Tx, World, named, pay

SPACING = 10_800  # seconds between blocks, so that months are few of them
DAY = 86_400 // SPACING  # blocks
COIN = 10_000_000  # satoshi


@dataclass
class Tale:
    """A lake with purses: each name's coins are spent oldest first, what is left comes back to the same address."""

    world: World = field(default_factory=World)
    coins: dict[str, list[In]] = field(default_factory=dict)

    def give(self, *names: str, value: int = 1000 * COIN) -> None:
        """Let each start with a coin."""
        for name in names:
            self._take(name, self.world.mint(pay(name, value)), 0)

    def pay(self, payer: str, *to: tuple[str, int]) -> Tx:
        """Pay from one purse; what is left comes back."""
        due = sum(value for _, value in to)
        ins: list[In] = []
        while sum(self._value(i) for i in ins) < due:
            ins.append(self.coins[payer].pop(0))
        left = sum(self._value(i) for i in ins) - due
        outs = [*to, (payer, left)] if left else list(to)
        tx = self.world.spend(ins, *(pay(name, value) for name, value in outs))
        for vout, (name, _) in enumerate(outs):
            self._take(name, tx, vout)
        return tx

    def move(self, payer: str, to: str) -> Tx:
        """Move the purse's first coin whole."""
        coin = self.coins[payer].pop(0)
        tx = self.world.spend([coin], pay(to, self._value(coin)))
        self._take(to, tx, 0)
        return tx

    def wait(self, blocks: int) -> None:
        """Let time pass."""
        for _ in range(blocks):
            self.world.mint(pay("nobody", 1))

    @property
    def height(self) -> int:
        """Height of the next block."""
        return len(self.world.blocks)

    def _take(self, name: str, tx: Tx, vout: int) -> None:
        self.coins.setdefault(name, []).append(In(tx, vout))

    @staticmethod
    def _value(coin: In) -> int:
        return int(coin.tx.outs[coin.vout].value)


@dataclass
class Seen:
    """The tale as the label build sees it; a wallet is an address."""

    ground: Ground
    number: dict[str, int]

    def fronts(self) -> Fronts:
        """What is found."""
        return shells(self.ground)

    def score(self, name: str) -> int:
        """Score of an address, per mille; 0 where nothing is said."""
        found = self.fronts()
        wallet = dict(zip(*(found.shell_wallet[c].to_pylist() for c in ("wallet", "shell")), strict=True))
        score: dict[int, int] = dict(zip(*(found.shell[c].to_pylist() for c in ("shell", "score")), strict=True))
        return score.get(wallet.get(self.number[name], -1), 0)


def seen(
    tale: Tale,
    folder: Path,
    listed: Sequence[str],
    since: int,
    known: Sequence[str] = (),
    documented: Sequence[str] = (),
) -> Seen:
    """See a tale.

    Parameters
    ----------
    listed
        Addresses of one party, which a list names from height `since` on.
    known
        Addresses of services, each of its own.
    documented
        Of these, those that a document says are fronts.
    """
    lake = tale.world.write(folder, per_segment=1000)
    graph = graph_of(lake)
    outs = (out for block in tale.world.blocks for tx in block for out in tx.outs)
    ids = sorted({out.to.id for out in outs if out.to})
    number = {name: ids.index(named(name).id) for name in tale.coins}
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE attribution (cluster INTEGER, rank INTEGER, entity_id VARCHAR, category VARCHAR, "
        "list_id VARCHAR, listed_from DATE)"
    )
    con.execute("CREATE TABLE relation (entity_id VARCHAR, kind VARCHAR)")
    con.execute("INSERT INTO relation SELECT unnest(?), 'fronts_for'", [list(documented)])
    day = datetime.fromtimestamp(TIME + SPACING * since, UTC).date()
    rows: list[tuple[object, ...]] = [(number[name], 0, "rex", "sanctioned_entity", "list", day) for name in listed]
    rows += [(number[name], 0, name, "exchange", None, None) for name in known]
    for row in rows:
        con.execute("INSERT INTO attribution VALUES (?, ?, ?, ?, ?, ?)", row)
    n_tx = len(graph.in_start) - 1
    return Seen(
        Ground(
            con=con,
            graph=graph,
            pooled=np.zeros(n_tx, np.uint8),
            joint=np.zeros(n_tx, np.bool_),
            wallet=np.arange(len(ids), dtype=np.int32),
            times=TIME + SPACING * np.arange(tale.height, dtype=np.int64),
        ),
        number,
    )
