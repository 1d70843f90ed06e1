"""Locking scripts: kinds by Core's templates, ids, payloads; the twin and published vectors agree."""

import json
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chains.bitcoin.payloads import distinct_addresses
from chains.bitcoin.script import Scripts
from chains.bitcoin.tables import ScriptType
from tests import naive, naive_scripts
from tests.realdata import OWN, collection
from tests.twins import SECRET, array, judged, mutated

SHORT, FULL = b"\x02" + b"k" * 32, b"\x04" + b"k" * 32 + b"y" * 32
CHECKMULTISIG = b"\xae"


def push(data: bytes) -> bytes:
    """The shortest push."""
    return bytes([len(data)]) + data


def multisig(m: bytes, keys: list[bytes], n: bytes) -> bytes:
    """A bare multisig script with its numbers as given."""
    return m + b"".join(push(key) for key in keys) + n + CHECKMULTISIG


EXAMPLES = {
    "P2PK": [push(SHORT) + b"\xac"],
    "P2PK_UNCOMPRESSED": [push(FULL) + b"\xac", push(b"\x07" + FULL[1:]) + b"\xac"],
    "P2PKH": [b"\x76\xa9\x14" + b"h" * 20 + b"\x88\xac"],
    "P2SH": [b"\xa9\x14" + b"h" * 20 + b"\x87"],
    "P2WPKH": [b"\x00\x14" + b"h" * 20],
    "P2WSH": [b"\x00\x20" + b"h" * 32],
    "P2TR": [b"\x51\x20" + b"h" * 32],
    "WITNESS_UNKNOWN": [b"\x51\x02\x4e\x73", b"\x52\x20" + b"h" * 32, b"\x60\x28" + b"h" * 40, b"\x51\x1f" + b"h" * 31],
    "OP_RETURN": [b"\x6a", b"\x6a\x24" + b"h" * 36, b"\x6a\xff", b"\x51" * 10_001],
    "MULTISIG": [
        multisig(b"\x51", [SHORT], b"\x51"),
        multisig(b"\x51", [SHORT, FULL], b"\x52"),
        multisig(b"\x52", [FULL] * 3, b"\x53"),
        multisig(b"\x60", [SHORT] * 16, b"\x60"),
        multisig(b"\x51", [SHORT] * 17, b"\x01\x11"),
        multisig(b"\x01\x14", [SHORT] * 20, b"\x01\x14"),
        b"\x51\x4c\x21" + SHORT + b"\x51\xae",
    ],
    "OTHER": [
        b"",
        b"\x51",
        b"\x00\x15" + b"h" * 21,
        b"\x00\x29" + b"h" * 41,
        b"\x51\x29" + b"h" * 41,
        b"\x50\x20" + b"h" * 32,
        b"\x61\x20" + b"h" * 32,
        push(b"\x05" + SHORT[1:]) + b"\xac",
        push(b"\x02" + FULL[1:]) + b"\xac",
        b"\x76\xa9\x14" + b"h" * 20 + b"\x88\xad",
        b"\xa9\x14" + b"h" * 20 + b"\x88",
        multisig(b"\x52", [SHORT], b"\x51"),
        multisig(b"\x50", [SHORT], b"\x51"),
        multisig(b"\x51", [SHORT, SHORT], b"\x51"),
        multisig(b"\x51", [SHORT] * 21, b"\x01\x15"),
        multisig(b"\x01\x01", [SHORT] * 2, b"\x52"),
        multisig(b"\x51", [b"\x05" + SHORT[1:]], b"\x51"),
        multisig(b"\x51", [SHORT], b"\x51") + b"\xae",
        b"\x51" * 36 + CHECKMULTISIG,
        b"\x51" * 10_000,
    ],
}
ALL = [script for scripts in EXAMPLES.values() for script in scripts]
SMALL = [script for script in ALL if len(script) < 10_000]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_kind_is_told(kind: str) -> None:
    """Every template at its edges; kernel, twin and expectation agree."""
    found = [name for name, _ in judged(EXAMPLES[kind])]
    assert found == [naive_scripts.script_kind(script) for script in EXAMPLES[kind]] == [kind] * len(found)


def assert_judged_alike(scripts: list[bytes]) -> None:
    """Kind, id and payload of scripts that lie side by side agree with the twin's."""
    told = judged(scripts)
    assert [kind for kind, _ in told] == [naive_scripts.script_kind(script) for script in scripts]
    for (kind, number), script in zip(told, scripts, strict=True):
        assert number == (0 if kind == "OP_RETURN" else naive.siphash(SECRET, naive_scripts.canonical(script)))
    assert addresses_of(scripts) == addresses_of_twin(scripts)


def rows_of(scripts: list[bytes]) -> Scripts:
    """Classified scripts as the kernels hold them."""
    told = judged(scripts)
    sizes = [len(script) for script in scripts]
    return Scripts(
        array(b"".join(scripts)),
        np.array([0, *accumulate(sizes)][:-1], np.int64),
        np.array(sizes, np.int32),
        np.array([ScriptType[kind] for kind, _ in told], np.uint8),
        np.array([number for _, number in told], np.int64),
    )


def addresses_of(scripts: list[bytes]) -> list[tuple[int, int, bytes]]:
    """Rows of the address table; half of the scripts are outputs, half are spent ones."""
    half = len(scripts) // 2
    spent = rows_of(scripts[half:]) if scripts[half:] else None
    outputs = rows_of(scripts[:half] or [b"\x6a"])
    columns = [column.to_pylist() for column in distinct_addresses(outputs, spent)]
    return list(zip(*columns, strict=True))


def addresses_of_twin(scripts: list[bytes]) -> list[tuple[int, int, bytes]]:
    """The same, one script at a time."""
    rows = set()
    for script in scripts:
        kind = naive_scripts.script_kind(script)
        if kind != "OP_RETURN":
            kind = "P2PK" if kind == "P2PK_UNCOMPRESSED" else kind
            number = naive.siphash(SECRET, naive_scripts.canonical(script))
            rows.add((number, int(ScriptType[kind]), naive_scripts.payload(script)))
    return sorted(rows)


@settings(max_examples=300)
@given(st.lists(mutated(SMALL), min_size=1, max_size=6))
@example(ALL)
@example([push(FULL) + b"\xac", push(b"\x02" + b"k" * 32) + b"\xac", push(b"\x03" + b"k" * 32) + b"\xac"])
def test_mutated_scripts_are_judged_alike(scripts: list[bytes]) -> None:
    """Scripts a byte away from a template, with other scripts right beside them."""
    assert_judged_alike(scripts)


@given(st.lists(st.binary(max_size=90), min_size=1, max_size=6))
def test_arbitrary_scripts_are_judged_alike(scripts: list[bytes]) -> None:
    """Garbage has a kind too."""
    assert_judged_alike(scripts)


@pytest.mark.parametrize("name", ["core-413567", "core-blockfilters", "core-regtest", "core-getblockstats"])
def test_scripts_of_real_blocks_are_judged_alike(name: str) -> None:
    """Every output of real blocks."""
    txs = [tx for real in collection(name) for tx in naive.parse_block(real.raw).txs]
    assert_judged_alike([output.script for tx in txs for output in tx.outputs])


def test_published_addresses_have_the_kind_their_vector_says() -> None:
    """Core's own address vectors: the script of each is of the kind its text shows."""
    vectors = json.loads((OWN / "key_io_valid.json").read_text())
    shown = {1: "P2PKH", 3: "P2SH"}
    for text, script, facts in vectors:
        if facts["isPrivkey"] or facts["chain"] != "main":
            continue
        ((kind, _),) = judged([bytes.fromhex(script)])
        if text[0] in "13":
            assert kind == shown[int(text[0])]
        else:
            assert kind in ("P2WPKH", "P2WSH", "P2TR", "WITNESS_UNKNOWN")
