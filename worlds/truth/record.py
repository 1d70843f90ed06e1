"""Writes the truth of a world down while it happens: the recorder that `World` tells of every block."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from worlds.deeds import Bulk, Deed, Happened
from worlds.ledger.keys import Address
from worlds.town import Shell
from worlds.truth.tables import TruthWriter
from worlds.words import World

Row = tuple[Any, ...]


class Record:
    """Turns what was meant by transactions into rows of the truth's tables.

    Parameters
    ----------
    world
        Whose wallets and addresses the rows name.
    truth
        Where the rows go.
    """

    def __init__(self, world: World, truth: TruthWriter) -> None:
        self._world, self._truth = world, truth
        self._seen: set[bytes] = set()
        self.n_tx = self.n_addresses = self.n_entities = 0

    def __call__(self, block: Happened) -> None:
        """Write one block."""
        height, reward, deeds, booked, crowd = block
        every = [reward, *deeds]
        self.n_tx += len(every)
        self._addresses(script for deed in every for script, _ in deed.outputs)
        self._truth.add("tx", [self._tx(height, deed) for deed in every])
        self._truth.add("input", [row for deed in deeds for row in self._inputs(deed)])
        self._truth.add("output", [row for deed in every for row in self._outputs(deed)])
        paid = [(height, s.payer, s.payee, s.value, d.txid, s.vout) for d in deeds for s in d.paid]
        self._truth.add("payment", [*paid, *((height, s.payer, s.payee, s.value, None, None) for s in booked)])
        if crowd is not None:
            self._crowd(crowd)

    def _crowd(self, batch: Bulk) -> None:
        """Write what the crowd did, which stands in the block behind the others' transactions."""
        tables = batch.truth()
        self.n_tx += batch.n_tx
        self.n_addresses += tables["address"].num_rows
        self.n_entities += tables["entity"].num_rows
        for table, rows in tables.items():
            self._truth.add_batch(table, rows)
        self._addresses(script for script, _ in batch.makes.values())

    def close(self, shells: Sequence[Shell]) -> None:
        """Write who was there: the parties, their wallets, and who was whose front."""
        if self._world.crowd is not None:
            last = self._world.crowd.fill(self._world.height, 0)  # no transaction, but who was paid in the last block
            self._crowd(last)
        world = self._world
        entities = world.entities.values()
        rows = [(e.id, e.name or e.id, e.category, e.jurisdiction, e.service, e.listed_from) for e in entities]
        self._truth.add("entity", rows)
        self.n_entities += len(rows)
        groups: dict[str, Row] = {}
        for wallet in world.wallets.values():
            row = (wallet.group, wallet.owner.id, wallet.habits.program)
            if wallet.group not in groups or wallet.name == wallet.group:
                groups[wallet.group] = row
        self._truth.add("wallet", groups.values())
        fronts = [
            (shell.entity.id, wallet, shell.type, shell.principal.id, shell.from_height, shell.to_height)
            for shell in shells
            for wallet in sorted({w.group for w in world.wallets.values() if w.owner is shell.entity})
        ]
        self._truth.add("shell", fronts)

    def _group(self, name: str) -> str:
        wallet = self._world.wallets.get(name)
        return wallet.group if wallet else name  # the crowd's are not the world's

    def _addresses(self, scripts: Iterable[bytes]) -> None:
        """Write those of the town's addresses among these that are paid for the first time."""
        new = []
        for script in scripts:
            address = self._world.address_of(script)
            if isinstance(address, Address) and script not in self._seen:
                self._seen.add(script)
                wallet = self._world.wallets[address.owner]
                new.append((script, wallet.group, wallet.owner.id, address.role))
        self.n_addresses += len(new)
        self._truth.add("address", new)

    def _tx(self, height: int, deed: Deed) -> Row:
        groups = list(dict.fromkeys(self._group(name) for name in deed.by))
        program = self._world.wallets[deed.by[0]].habits.program if deed.by else ""
        return deed.txid, height, deed.word, groups, program

    def _inputs(self, deed: Deed) -> Iterator[Row]:
        for n, coin in enumerate(deed.coins):
            yield deed.txid, n, coin.address.script, coin.value, self._group(coin.address.owner), coin.txid, coin.vout

    def _outputs(self, deed: Deed) -> Iterator[Row]:
        for n, (script, value) in enumerate(deed.outputs):
            address = self._world.address_of(script)
            yield deed.txid, n, script, value, self._group(address.owner) if address else "", n in deed.change
