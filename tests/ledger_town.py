"""A small town for the service rules: people, exchanges and firms that pay each other, told with words.

    town = Town()
    coin = town.earn("alice", 5_000)
    town.send([coin], ("alice's account", 4_900))
    town.hours(2)

Addresses are names; addresses that spend together are one wallet. Values are satoshi; what inputs bring and outputs do
not take is the fee. Twins read the same transactions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import duckdb
import networkx as nx
import numpy as np

from heuristics.attribution.ground import Ground
from heuristics.attribution.services.find import Found, find
from heuristics.graph import Graph
from heuristics.rules import BY_ID

Coin = tuple[int, int]
HOUR = 3_600


@dataclass
class Tx:
    """One transaction: the coins it spends (none: a coinbase), what it pays to whom, and when, in seconds."""

    ins: list[Coin]
    outs: list[tuple[str, int]]
    time: int


@dataclass
class Town:
    """Transactions in order, each in a block of its own, and what tags say."""

    txs: list[Tx] = field(default_factory=list)
    tags: list[tuple[str, str, str, int]] = field(default_factory=list)
    now: int = 1_600_000_000

    def hours(self, n: float) -> None:
        """Let time pass."""
        self.now += int(n * HOUR)

    def tag(self, name: str, entity: str, category: str = "exchange", confidence: int = 50) -> None:
        """Let a tag say whose an address is."""
        self.tags.append((name, entity, category, confidence))

    def send(self, coins: Sequence[Coin], *outs: tuple[str, int]) -> list[Coin]:
        """Spend coins; gives what is made of them."""
        self.txs.append(Tx(list(coins), list(outs), self.now))
        return [(len(self.txs) - 1, n) for n in range(len(outs))]

    def earn(self, name: str, value: int) -> Coin:
        """Give a coin that somebody else paid, who never does anything again."""
        (mined,) = self.send([], (f"bank {len(self.txs)}", value + 1_000))
        return self.send([mined], (name, value))[0]

    def find(self) -> "Told":
        """Apply all service rules."""
        return Told(self, find(self.ground()))

    def numbers(self) -> dict[str, int]:
        """Every address, by when it was first seen."""
        return {name: n for n, name in enumerate(dict.fromkeys(name for tx in self.txs for name, _ in tx.outs))}

    def wallets(self) -> dict[str, int]:
        """The number of the earliest address that is spent together with each."""
        number = self.numbers()
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(number)
        for tx in self.txs:
            owners = [self.owner(coin) for coin in tx.ins]
            graph.add_edges_from(pairwise(owners))
        groups = nx.connected_components(graph)
        return {name: min(number[one] for one in group) for group in groups for name in group}

    def owner(self, coin: Coin) -> str:
        """Whose address a coin lies at."""
        return self.txs[coin[0]].outs[coin[1]][0]

    def value(self, coin: Coin) -> int:
        """What a coin is worth."""
        return self.txs[coin[0]].outs[coin[1]][1]

    def ground(self) -> Ground:
        """What a rule of the label build sees of it."""
        number, wallet = self.numbers(), self.wallets()
        wallet_of = np.array([wallet[name] for name in number], np.int32)
        con = duckdb.connect()
        con.execute(
            "CREATE TABLE tag (number INTEGER, entity_id VARCHAR, category VARCHAR, confidence UTINYINT, "
            "cluster_definer BOOLEAN, tag_id BIGINT)"
        )
        for n, (name, *said) in enumerate(self.tags):
            con.execute("INSERT INTO tag VALUES (?, ?, ?, ?, true, ?)", [number[name], *said, n])
        n_tx = len(self.txs)
        times = np.array([tx.time for tx in self.txs], np.int64)
        return Ground(con, self.graph(), np.zeros(n_tx, np.uint8), np.zeros(n_tx, np.bool_), wallet_of, times)

    def graph(self) -> Graph:
        """The coin graph; what the service rules do not read is zero."""
        number = self.numbers()
        ins = [coin for tx in self.txs for coin in tx.ins]
        outs = [out for tx in self.txs for out in tx.outs]
        starts = [np.cumsum([0, *(len(getattr(tx, side)) for tx in self.txs)]) for side in ("ins", "outs")]
        spent = {coin: t for t, tx in enumerate(self.txs) for coin in tx.ins}
        made = [(t, n) for t, tx in enumerate(self.txs) for n in range(len(tx.outs))]
        return Graph(
            in_start=starts[0],
            out_start=starts[1],
            looks=np.zeros(len(self.txs), np.uint32),
            weight=np.zeros(len(self.txs), np.int32),
            origin=np.array([t for t, _ in ins], np.int32),
            vout=np.array([n for _, n in ins], np.int32),
            spend_value=np.array([self.value(coin) for coin in ins], np.int64),
            spend_number=np.array([number[self.owner(coin)] for coin in ins], np.int32),
            spend_kind=np.zeros(len(ins), np.uint8),
            sighash=np.zeros(len(ins), np.uint8),
            spent_by=np.array([spent.get(coin, -1) for coin in made], np.int32),
            out_value=np.array([value for _, value in outs], np.int64),
            out_number=np.array([number[name] for name, _ in outs], np.int32),
            out_kind=np.zeros(len(outs), np.uint8),
            block_start=np.arange(len(self.txs) + 1, dtype=np.int64),
            first_height=np.array([0], np.int64),
        )


@dataclass
class Told:
    """What the rules said, by name."""

    town: Town
    found: Found

    def claimed(self, rule: str | None = None) -> dict[str, str | None]:
        """Entity by address, of all claims or those of one rule; a wallet's claim is said of each of its addresses."""
        wallets = self.town.wallets()
        rows = [r for r in self.found.claim.to_pylist() if rule in (None, BY_ID[r["rule"]].name)]
        said = {row["wallet"]: row["entity_id"] for row in rows}
        return {name: said[wallet] for name, wallet in wallets.items() if wallet in said}

    def deposits(self) -> dict[str, str | None]:
        """Entity by deposit address, those in shared custody included."""
        names = list(self.town.numbers())
        own = self.claimed("deposit_sweeps") | self.claimed("deposit_once")
        return own | {names[row["number"]]: row["entity_id"] for row in self.found.custody.to_pylist()}

    def roles(self) -> dict[str, str]:
        """Role by address."""
        said = {row["wallet"]: row["role"] for row in self.found.role.to_pylist()}
        return {name: said[wallet] for name, wallet in self.town.wallets().items() if wallet in said}
