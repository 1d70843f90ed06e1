"""Money that a party holds for others: it comes in at addresses of theirs, and is paid out in batches less a share."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from worlds.deeds import Payment
from worlds.ledger.chain import Outpoint
from worlds.ledger.keys import Address
from worlds.town import Town
from worlds.wallet import BTC, Wallet

_LEAST = BTC // 1000  # satoshi: less than that waits for the next time
_RESERVE = BTC // 50


@dataclass(slots=True)
class Escrow:
    """What one wallet holds for the owners of others."""

    town: Town
    wallet: Wallet
    clients: list[Wallet]
    share: float
    """What it keeps of all that it pays out, which its books show."""
    due: Counter[str] = field(default_factory=Counter)
    """Satoshi owed, by client."""
    seen: set[Outpoint] = field(default_factory=set)
    """Coins that are counted, its own change among them."""

    def address(self, client: Wallet) -> Address:
        """Give a fresh address on which a client is paid."""
        return self.wallet.receive(role="deposit", of=client.owner)

    def pay_out(self, rng: Random) -> None:
        """Pay every client what came in for it, less the share; where funds are short, nobody yet."""
        for outpoint, coin in self.wallet.coins.items():
            if coin.address.of and outpoint not in self.seen:
                self.due[coin.address.of] += coin.value
                self.seen.add(outpoint)
        owed = [(c, self.due[c.owner.id], int(self.due[c.owner.id] * (1 - self.share))) for c in self.clients]
        owed = [row for row in owed if row[2] > _LEAST]
        funds = self.wallet.balance(self.town.height) - _RESERVE
        if not owed or funds <= sum(net for _, _, net in owed):
            return
        payments = [Payment(self.town.reused(client, rng), net, client.owner) for client, _, net in owed]
        txid = self.town.world.batch(self.wallet, payments)
        self.seen |= {outpoint for outpoint in self.wallet.coins if outpoint[0] == txid}
        for client, gross, net in owed:
            del self.due[client.owner.id]
            self.town.world.book(client.owner, self.wallet.owner, gross - net)
