"""A small lake from plain descriptions of transactions, without blocks or a parser.

An address is any short name; `pay("a", 5)` is 5 satoshi to it. `p2pkh(key)`, `p2wpkh(key)` … are the scripts of
a public key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from chains.bitcoin.tables import TABLES, ScriptType
from chains.blocks import Blocks, Span
from chains.ids import address_id, tx_id, tx_key
from heuristics.generation import Choice, build
from store.formats.claims import COINBASE_TAG_SCHEMA, ENTITY_SCHEMA
from store.index import Index
from store.labels import LabelSnapshot
from store.lake import Lake
from store.reader import Reader
from store.snapshot import LIST_SCHEMA, SNAPSHOT_SCHEMA

SECRET = bytes(range(16))
TIME = 1_600_000_000
SPACING = 600


@dataclass(frozen=True)
class Script:
    """A locking script with what the lake says of it."""

    script: bytes
    kind: int
    payload: bytes

    @property
    def id(self) -> int:
        """Its address id in a test lake."""
        return address_id(self.script, SECRET)


def named(name: str) -> Script:
    """P2WSH script of a name: an address whose key nobody knows."""
    digest = hashlib.sha256(name.encode()).digest()
    return Script(b"\x00\x20" + digest, ScriptType.P2WSH, digest)


def key_hash(key: bytes) -> bytes:
    """HASH160 of a key."""
    return hashlib.new("ripemd160", hashlib.sha256(key).digest()).digest()


def p2pk(key: bytes) -> Script:
    """Pay to a compressed public key."""
    return Script(b"\x21" + key + b"\xac", ScriptType.P2PK, key)


def p2pkh(key: bytes) -> Script:
    """Pay to the hash of a public key."""
    digest = key_hash(key)
    return Script(b"\x76\xa9\x14" + digest + b"\x88\xac", ScriptType.P2PKH, digest)


def p2wpkh(key: bytes) -> Script:
    """Pay to the hash of a compressed public key, with a witness."""
    digest = key_hash(key)
    return Script(b"\x00\x14" + digest, ScriptType.P2WPKH, digest)


def nested(key: bytes) -> Script:
    """P2WPKH inside P2SH: the key is only known once it is spent."""
    digest = key_hash(p2wpkh(key).script)
    return Script(b"\xa9\x14" + digest + b"\x87", ScriptType.P2SH, digest)


def p2tr(name: str) -> Script:
    """Taproot output of a name: a key that nobody has."""
    digest = hashlib.sha256(name.encode()).digest()
    return Script(b"\x51\x20" + digest, ScriptType.P2TR, digest)


@dataclass(frozen=True)
class Out:
    """An output; `to` None is an OP_RETURN."""

    to: Script | None
    value: int


def pay(to: str | Script, value: int) -> Out:
    """Describe an output to a named address or a script."""
    return Out(named(to) if isinstance(to, str) else to, value)


@dataclass(frozen=True)
class In:
    """An input: the output `vout` of an earlier transaction; the source may have failed to resolve it."""

    tx: "Tx"
    vout: int = 0
    sighash: int = 2
    key_id: int | None = None
    resolved: bool = True


@dataclass(eq=False)
class Tx:
    """A transaction; without inputs it is a coinbase. All its inputs have one nSequence."""

    ins: list[In]
    outs: list[Out]
    name: str = ""
    id: int = -1
    txid: bytes = b""
    version: int = 2
    locktime: int = 0
    sequence: int = 0xFFFFFFFD
    weight: int = 800


@dataclass
class World:
    """Blocks of transactions, one list per block, and what becomes of them."""

    blocks: list[list[Tx]] = field(default_factory=list)
    first_height: int = 0
    count: int = 0
    written: dict[int, bytes] = field(default_factory=dict)
    """What coinbases say, by height."""

    def block(self, *txs: Tx) -> None:
        """Add a block; transactions get their ids."""
        height = self.first_height + len(self.blocks)
        for position, tx in enumerate(txs):
            self.count += 1
            tx.id = tx_id(height, position)
            tx.txid = hashlib.sha256(f"{self.count}".encode()).digest()
        self.blocks.append(list(txs))

    def mint(self, *outs: Out) -> Tx:
        """A block with one coinbase that pays `outs`."""
        tx = Tx([], list(outs))
        self.block(tx)
        return tx

    def spend(self, ins: Sequence[In | Tx], *outs: Out) -> Tx:
        """A block with one transaction."""
        tx = Tx([i if isinstance(i, In) else In(i) for i in ins], list(outs))
        self.block(tx)
        return tx

    def hash_of(self, height: int) -> bytes:
        """Block hash, made up."""
        return hashlib.sha256(f"block {height}".encode()).digest()

    def write(self, data_dir: Path, per_segment: int = 3, network: str = "regtest") -> Lake:
        """Write everything as a lake."""
        lake = Lake.create(data_dir, "bitcoin", network, SECRET)
        for start in range(0, len(self.blocks), per_segment):
            lake.append(self._segment(start, self.blocks[start : start + per_segment]))
        return lake

    def _segment(self, start: int, blocks: list[list[Tx]]) -> Blocks:
        first = self.first_height + start
        rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
        for height, txs in enumerate(blocks, first):
            rows["block"].append(self._block_row(height, txs))
            for tx in txs:
                _add_tx(rows, tx)
        rows["address"] = sorted(
            {(a["address_id"], a["payload"]): a for a in rows["address"]}.values(),
            key=lambda a: (a["address_id"], a["payload"]),
        )
        tables = {table.name: pa.Table.from_pylist(rows[table.name], schema=table.schema) for table in TABLES}
        span = Span(first, first + len(blocks) - 1)
        unresolved = tables["spend"]["value"].null_count
        return Blocks(span, self.hash_of(span.first - 1), self.hash_of(span.last), tables, unresolved)

    def _block_row(self, height: int, txs: list[Tx]) -> dict[str, Any]:
        plain = {"merkle_root": bytes(32), "version": 1, "bits": 0, "nonce": 0, "size": 0, "weight": 0}
        return plain | {
            "height": height,
            "hash": self.hash_of(height),
            "prev_hash": self.hash_of(height - 1),
            "time": TIME + SPACING * height,
            "n_tx": len(txs),
            "coinbase_script": self.written.get(height, b""),
        }


def _add_tx(rows: dict[str, list[dict[str, Any]]], tx: Tx) -> None:
    whole = all(i.resolved for i in tx.ins)
    spent = sum(i.tx.outs[i.vout].value for i in tx.ins)
    fee = 0 if not tx.ins else spent - sum(o.value for o in tx.outs) if whole else None
    plain = {"version": tx.version, "locktime": tx.locktime, "size": 200, "weight": tx.weight}
    rows["tx"].append(
        plain
        | {"tx_id": tx.id, "txid": tx.txid, "tx_key": tx_key(tx.txid, SECRET), "fee": fee}
        | {"n_in": len(tx.ins), "n_out": len(tx.outs)}
    )
    for vin, i in enumerate(tx.ins):
        rows["spend"].append(_spend_row(rows, tx, vin, i))
    for vout, out in enumerate(tx.outs):
        rows["output"].append({"tx_id": tx.id, "vout": vout, "value": out.value} | _who(rows, out))


def _spend_row(rows: dict[str, list[dict[str, Any]]], tx: Tx, vin: int, i: In) -> dict[str, Any]:
    out = i.tx.outs[i.vout]
    who = _who(rows, out) if i.resolved else {"script_type": 0, "address_id": None}
    return who | {
        "tx_id": tx.id,
        "vin": vin,
        "prev_tx_key": tx_key(i.tx.txid, SECRET),
        "prev_vout": i.vout,
        "value": out.value if i.resolved else None,
        "sequence": tx.sequence,
        "sighash": i.sighash,
        "witness_kind": 0,
        "key_id": i.key_id,
    }


def _who(rows: dict[str, list[dict[str, Any]]], out: Out) -> dict[str, Any]:
    if out.to is None:
        return {"script_type": ScriptType.OP_RETURN, "address_id": None}
    rows["address"].append({"address_id": out.to.id, "script_type": out.to.kind, "payload": out.to.payload})
    return {"script_type": out.to.kind, "address_id": out.to.id}


@dataclass
class Claims:
    """Labels as the index build asks for them, from plain claims."""

    version: str = "1"
    tags: list[dict[str, Any]] = field(default_factory=list)
    entities: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)

    def mark(self, tag: bytes, entity_id: str) -> None:
        """Claim that a pool writes a tag into its coinbases."""
        plain = {"tag": tag, "entity_id": entity_id}
        self.marks.append(plain | {"source_name": "test", "source_sha256": "00"})

    def entity(self, entity_id: str, category: str = "exchange", jurisdictions: Sequence[str] = ()) -> None:
        """Describe a party."""
        self.entities.append(
            {
                "entity_id": entity_id,
                "name": entity_id.title(),
                "category": category,
                "jurisdictions": list(jurisdictions),
                "source_sha256": "00",
            }
        )

    def tag(self, to: str | Script, entity_id: str | None, **more: Any) -> None:
        """Claim that an address is somebody's."""
        script = named(to) if isinstance(to, str) else to
        plain: dict[str, Any] = {
            "tag_id": len(self.tags),
            "chain": "bitcoin",
            "network": "regtest",
            "address": script.payload.hex(),
            "script": script.script,
            "entity_id": entity_id,
            "label": "claimed",
            "category": "exchange",
            "confidence": 60,
            "cluster_definer": True,
            "source_name": "test",
            "source_sha256": "00",
        }
        self.tags.append(plain | more)

    def snapshot(self, version: str | None = None) -> LabelSnapshot:
        """Everything claimed so far."""
        return LabelSnapshot(
            version or self.version,
            pa.Table.from_pylist(self.tags, schema=SNAPSHOT_SCHEMA),
            pa.Table.from_pylist(self.entities, schema=ENTITY_SCHEMA),
            pa.Table.from_pylist([], schema=LIST_SCHEMA),
            coinbase_tags=pa.Table.from_pylist(self.marks, schema=COINBASE_TAG_SCHEMA),
        )


def indexed(
    world: World,
    data_dir: Path,
    claims: Claims | None = None,
    choice: Choice = Choice(),  # noqa: B008 frozen
) -> Reader:
    """Write a world's lake, build its index and open it."""
    lake, index = world.write(data_dir), Index(data_dir)
    build(lake, claims or Claims(), index, choice)
    return index.open()
