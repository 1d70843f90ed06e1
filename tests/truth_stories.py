"""Small worlds' truths to test against: parties, wallets and transactions, written as tables."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from worlds.truth.tables import TruthWriter

LISTED = 1_700_000_000
# id, category, jurisdiction, service, listed_from
PARTIES = (
    ("alice", "person", "", False, None),
    ("bob", "person", "JP", False, None),
    ("carol", "person", "", False, None),
    ("front", "organization", "SG", False, None),
    ("desk", "organization", "SG", False, None),
    ("hinode", "exchange", "JP", True, None),
    ("kura", "wallet_service", "JP", True, None),
    ("pool", "mining_pool", "", True, None),
    ("taiga", "exchange", "RU", True, LISTED),
)
WALLETS = tuple((f"{one[0]}-1", one[0], "") for one in PARTIES)
CUSTODIAN, CUSTOMER = "kura-1", "hinode"


class Out(NamedTuple):
    """A coin made."""

    wallet: str
    value: int
    script: bytes
    served: str
    role: str = "receive"


class Spent(NamedTuple):
    """A coin spent; `made_by` is the number of its transaction, None where the tables lack it."""

    made_by: int | None
    vout: int
    out: Out


@dataclass
class Tx:
    """A transaction."""

    kind: str
    ins: list[Spent]
    outs: list[Out]
    height: int = 0


@dataclass
class Story:
    """A world's transactions in chain order, and who really paid whom."""

    txs: list[Tx] = field(default_factory=list)
    payments: list[tuple[str, str, int]] = field(default_factory=list)
    shells: list[str] = field(default_factory=list)
    n_scripts: int = 0

    def out(self, wallet: str, value: int, served: str = "", role: str = "receive") -> Out:
        """Make a coin at a fresh address; `served` says whose customers it is for, at a custodian."""
        self.n_scripts += 1
        owner = next((entity for name, entity, _ in WALLETS if name == wallet), "")
        script = b"\x00\x14" + self.n_scripts.to_bytes(20, "big")
        return Out(wallet, value, script, served or owner, role)

    def tx(self, kind: str, ins: list[Spent], outs: list[Out], height: int | None = None) -> list[Spent]:
        """Add a transaction; gives its outputs as coins to spend."""
        self.txs.append(Tx(kind, ins, outs, len(self.txs) if height is None else height))
        return [Spent(len(self.txs) - 1, n, out) for n, out in enumerate(outs)]

    def write(self, folder: Path) -> Path:
        """Write all tables but the matrix."""
        wallets = {wallet for wallet, _, _ in WALLETS}
        with TruthWriter(folder) as truth:
            truth.add("entity", [(e, e.title(), c, j, s, listed) for e, c, j, s, listed in PARTIES])
            truth.add("wallet", WALLETS)
            truth.add("payment", [(1, payer, payee, value, None, None) for payer, payee, value in self.payments])
            truth.add("shell", [(e, f"{e}-1", "static", "taiga", 1, None) for e in self.shells])
            for n, tx in enumerate(self.txs):
                signers = list(dict.fromkeys(coin.out.wallet for coin in tx.ins))
                truth.add("tx", [(txid(n), tx.height, tx.kind, signers, "")])
                truth.add("input", [
                    (txid(n), vin, c.out.script, c.out.value, c.out.wallet, txid(c.made_by), c.vout)
                    for vin, c in enumerate(tx.ins)
                ])  # fmt: skip
                truth.add("output", [(txid(n), v, o.script, o.value, o.wallet, False) for v, o in enumerate(tx.outs)])
                made = [o for o in tx.outs if o.wallet in wallets]
                truth.add("address", [(o.script, o.wallet, o.served, o.role) for o in made])
        return folder


def txid(number: int | None) -> bytes:
    """The id of a transaction; of one that is missing for None."""
    return ((10**6 if number is None else number) * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big") * 4
