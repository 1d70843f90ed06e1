"""Small truths and findings, told in names: an address is its name, a transaction goes by its name's hash."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa

from worlds.score import findings
from worlds.score.findings import Findings
from worlds.truth.tables import SCHEMAS, Truth

Paid = tuple[str, int] | tuple[str, int, bool]
"""Address (empty: nobody's), value, whether it is change."""
EACH = 100
"""What every input is worth."""


def txid(name: str) -> bytes:
    """The transaction's hash."""
    return sha256(name.encode()).digest()


class Story:
    """Parties, what they own and what they do, row by row.

    A wallet's entity is `who` before a dot in its name, which is opened as a person unless it was told before; an
    address's wallet stands before the last slash: `alice/1`, `alice.phone/1`.
    """

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
        self._known: set[str] = set()

    def entity(self, entity: str, category: str = "person", *, service: bool = False) -> None:
        """Open a party."""
        self._known.add(entity)
        self._add("entity", entity=entity, name=entity, category=category, jurisdiction="", service=service)

    def wallet(self, wallet: str, program: str = "core") -> None:
        """Open a wallet."""
        self._known.add(f"{wallet}/")
        entity = wallet.partition(".")[0]
        if entity not in self._known:
            self.entity(entity)
        self._add("wallet", wallet=wallet, entity=entity, program=program)

    def address(self, address: str, role: str = "receive", entity: str | None = None) -> None:
        """Make an address; `entity` is whose business it serves, its wallet's where none is named."""
        self._known.add(f"{address}!")
        wallet = address.rpartition("/")[0]
        if f"{wallet}/" not in self._known:
            self.wallet(wallet)
        of = entity or wallet.partition(".")[0]
        self._add("address", script=address.encode(), wallet=wallet, entity=of, role=role)

    def tx(self, name: str, inputs: str, outputs: Sequence[Paid], kind: str = "pay") -> bytes:
        """Spend a coin of each address (blank-separated) and make others; gives the txid."""
        spent = inputs.split()
        for address in [*spent, *(o[0] for o in outputs)]:
            if address and f"{address}!" not in self._known:
                self.address(address)
        made = txid(name)
        signers = list(dict.fromkeys(a.rpartition("/")[0] for a in spent))
        programs = {row["wallet"]: row["program"] for row in self.rows["wallet"]}
        program = programs[signers[0]] if signers else ""
        self._add("tx", txid=made, height=1, kind=kind, wallets=signers, program=program)
        for n, address in enumerate(spent):
            self._add("input", txid=made, vin=n, script=address.encode(), value=EACH, wallet=address.rpartition("/")[0])
        for n, (address, value, *change) in enumerate(outputs):
            row = {"script": address.encode() or b"\x6a", "wallet": address.rpartition("/")[0], "value": value}
            self._add("output", txid=made, vout=n, is_change=any(change), **row)
        return made

    def fund(self, *addresses: str, value: int = EACH) -> None:
        """Pay every address once, in one coinbase."""
        outputs = [(address, value) for address in addresses]
        self.tx(f"fund {len(self.rows['tx'])}", "", outputs, kind="coinbase")

    def truth(self) -> Truth:
        """What was told so far, as tables."""
        return Truth(**{name: _table(SCHEMAS[name], rows) for name, rows in self.rows.items()})

    def _add(self, table: str, **row: Any) -> None:
        self.rows[table].append(row)


def said(
    clusters: Iterable[str] = (),
    coinjoin: Mapping[str, tuple[str, int]] | None = None,
    change: Mapping[tuple[str, int], int] | None = None,
    deposit: Iterable[tuple[str, str, int]] = (),
    basis: str = "t1",
) -> Findings:
    """Findings.

    `clusters` are blank-separated addresses, `coinjoin` a rule and confidence by transaction, `change` a confidence by
    transaction and output, `deposit` address, entity, confidence.
    """
    members = [(a.encode(), n) for n, group in enumerate(clusters) for a in group.split()]
    tables: dict[str, list[tuple[Any, ...]]] = {
        "cluster": members,
        "coinjoin": [(txid(tx), rule, sure) for tx, (rule, sure) in (coinjoin or {}).items()],
        "change": [(txid(tx), vout, sure, basis) for (tx, vout), sure in (change or {}).items()],
        "deposit": [(address.encode(), entity, sure) for address, entity, sure in deposit],
    }
    schemas = {table.name: table.schema for table in findings.TABLES}
    return Findings.of(**{
        name: _table(schemas[name], [dict(zip(schemas[name].names, row, strict=True)) for row in rows])
        for name, rows in tables.items()
    })  # fmt: skip


def _table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)
