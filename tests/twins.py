"""Kernels held against their twins, and the bytes to do it with: arbitrary, mutated and cut ones."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from chains.bitcoin.script import Scripts, classify
from chains.bitcoin.signatures import Proofs, read_proofs
from chains.bitcoin.tables import ScriptType, WitnessKind
from chains.bitcoin.undo import read_prevouts
from chains.bitcoin.wire import Structure, scan
from chains.errors import FormatError, VerificationError
from chains.ids import key_of
from tests import naive, naive_scripts
from worlds.ledger.undo import compact_size

SECRET = bytes(range(16))
KEY = key_of(SECRET)
# What stands around a record in its buffer must not matter: each is a different temptation to read on.
SURROUNDINGS = (b"", b"\x00" * 80, b"\xff" * 80, b"\x01" * 80)


def array(data: bytes) -> np.ndarray:
    """Bytes as kernels take them."""
    return np.frombuffer(bytearray(data), np.uint8)


def scanned(raw: bytes, around: bytes = b"") -> Structure | None:
    """What `scan` finds in one block inside a larger buffer; None where it refuses."""
    buf = array(around + raw + around)
    try:
        return scan(buf, np.array([len(around)]), np.array([len(raw)]))
    except FormatError:
        return None


def parsed(raw: bytes) -> naive.Block | None:
    """What the twin finds; None where it refuses."""
    try:
        return naive.parse_block(raw)
    except naive.Refused:
        return None


def transactions_of(found: Structure, buf: np.ndarray) -> list[tuple[object, ...]]:
    """A scanned structure, transaction by transaction, in plain Python."""

    def cut(start: int, size: int) -> bytes:
        return buf[start : start + size].tobytes()

    listed: list[tuple[object, ...]] = []
    for t in range(len(found.tx.start)):
        inputs = []
        for i in range(found.tx_in[t], found.tx_in[t + 1]):
            row = found.inputs
            script = cut(row.script_start[i], row.script_size[i])
            origin = cut(row.origin[i], 32)
            inputs.append((origin, int(row.prev_vout[i]), script, int(row.sequence[i]), int(row.n_items[i])))
        outputs = [
            (int(found.outputs.value[o]), cut(found.outputs.script_start[o], found.outputs.script_size[o]))
            for o in range(found.tx_out[t], found.tx_out[t + 1])
        ]
        raw = cut(found.tx.start[t], found.tx.size[t])
        listed.append((raw, int(found.tx.version[t]), int(found.tx.locktime[t]), inputs, outputs))
    return listed


def transactions_of_twin(block: naive.Block) -> list[tuple[object, ...]]:
    """The same of the twin's block."""
    return [
        (
            tx.raw,
            tx.version,
            tx.locktime,
            [(i.origin, i.vout, i.script, i.sequence, len(i.witness)) for i in tx.inputs],
            [(o.value, o.script) for o in tx.outputs],
        )
        for tx in block.txs
    ]


def assert_read_alike(raw: bytes) -> naive.Block | None:
    """The kernel accepts a block exactly where the twin does and reads the same from it, whatever lies around it."""
    twin = parsed(raw)
    for around in SURROUNDINGS:
        found = scanned(raw, around)
        assert (found is None) == (twin is None), raw.hex()
        if found is not None and twin is not None:
            assert transactions_of(found, array(around + raw + around)) == transactions_of_twin(twin), raw.hex()
    return twin


def undo_of(record: bytes, found: Structure, around: bytes, *, compressed: bool) -> list[tuple[int, bytes]] | None:
    """What `read_prevouts` reads from one record; None where it refuses."""
    buf = array(around + record + around)
    starts, sizes = np.array([len(around)]), np.array([len(record)])
    try:
        coins = read_prevouts(buf, starts, sizes, found, compressed=compressed)
    except VerificationError:
        return None
    places = zip(coins.start.tolist(), coins.size.tolist(), strict=True)
    scripts = [coins.scripts[start : start + size].tobytes() for start, size in places]
    return list(zip(coins.value.tolist(), scripts, strict=True))


def assert_undo_alike(record: bytes, counts: Sequence[int], *, compressed: bool) -> list[tuple[int, bytes]] | None:
    """Kernel and twin read the same coins from a record, or both refuse; `counts` are inputs per later transaction."""
    try:
        twin = naive.undo_record(record, [*counts]) if compressed else naive.spent_txouts(record, [0, *counts])
    except naive.Refused:
        twin = None
    found = scanned(block_with([1, *counts]))
    assert found is not None
    for around in SURROUNDINGS:
        assert undo_of(record, found, around, compressed=compressed) == twin, record.hex()
    return twin


def block_with(counts: Sequence[int]) -> bytes:
    """A block of hollow transactions with these numbers of inputs."""

    def tx(n: int) -> bytes:
        return bytes(4) + compact_size(n) + (bytes(36) + b"\0" + bytes(4)) * n + b"\1" + bytes(8) + b"\0" + bytes(4)

    return bytes(80) + compact_size(len(counts)) + b"".join(tx(n) for n in counts)


def judged(scripts: Sequence[bytes]) -> list[tuple[str, int]]:
    """Kind and address id of scripts that lie one after the other."""
    sizes = np.array([len(s) for s in scripts], np.int32)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
    rows = Scripts(array(b"".join(scripts)), starts, sizes, np.empty(len(sizes), np.uint8), np.empty(len(sizes), "i8"))
    classify(KEY, rows)
    return [
        (ScriptType(kind).name, id_) for kind, id_ in zip(rows.kind.tolist(), rows.address_id.tolist(), strict=True)
    ]


def proofs_of(raw: bytes, around: bytes = b"") -> list[tuple[str, int, int | None]]:
    """Witness kind, signature bits and key id of every input of a block."""
    found = scanned(raw, around)
    assert found is not None
    n = len(found.inputs.origin)
    proofs = Proofs(np.empty(n, np.uint8), np.empty(n, np.uint8), np.zeros(n, np.int64), np.empty(n, np.bool_))
    read_proofs(KEY, array(around + raw + around), found.inputs, proofs)
    columns = (proofs.witness_kind, proofs.sighash, proofs.key_id, proofs.has_key)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(WitnessKind(kind).name, bits, key if has else None) for kind, bits, key, has in rows]


def proofs_of_twin(block: naive.Block) -> list[tuple[str, int, int | None]]:
    """The same from the twin."""
    proofs = [naive_scripts.proof(spend) for tx in block.txs for spend in tx.inputs]
    return [(p.kind, p.bits, None if p.key_script is None else naive.siphash(SECRET, p.key_script)) for p in proofs]


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """One of the originals with a few bytes changed, dropped, put in, or its end cut off."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(("flip", "set", "put", "drop", "cut"))):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if data:
                data[at] = draw(st.sampled_from((0, 1, 2, 0x21, 0x30, 0x4C, 0x50, 0xFC, 0xFD, 0xFE, 0xFF)))
            case "put":
                data[at:at] = draw(st.binary(min_size=1, max_size=9))
            case "drop":
                del data[at : at + draw(st.integers(1, 9))]
            case "cut":
                del data[at:]
    return bytes(data)
