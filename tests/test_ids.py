"""Identifiers: keyed hashes as published, one id for both forms of a key, numbers in chain order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.blocks import POSITION_BITS
from chains.ids import SECRET_BYTES, address_id, canonical_script, key_of, keyed_hash, tx_id, tx_key
from tests import naive, naive_scripts
from tests.twins import SECRET

# Appendix A of the SipHash paper: key 00..0f, message 00..0e.
PUBLISHED = 0xA129CA6149BE45E5
COMPRESSED = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
UNCOMPRESSED = (
    b"\x04" + COMPRESSED[1:] + bytes.fromhex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")
)


def test_siphash_is_the_published_one() -> None:
    """The paper's own vector comes out, as a signed number."""
    assert keyed_hash(bytes(range(15)), SECRET) == PUBLISHED - (1 << 64)


@given(st.binary(max_size=80), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_siphash_agrees_with_its_twin(data: bytes, secret: bytes) -> None:
    """Every length modulo eight, every key."""
    assert keyed_hash(data, secret) == naive.siphash(secret, data)
    assert tx_key(data, secret) == naive.siphash(secret, data)


@pytest.mark.parametrize("size", [0, 8, 15, 17, 32])
def test_a_secret_of_another_length_is_refused(size: int) -> None:
    """A short key would silently make other ids."""
    with pytest.raises(ValueError, match=f"16 bytes, this one {size}"):
        key_of(bytes(size))


def test_both_forms_of_a_key_are_one_address() -> None:
    """P2PK with a key in full, hybrid and compressed form has one id; with another key another."""
    short = b"\x21" + COMPRESSED + b"\xac"
    hybrid = b"\x41\x06" + UNCOMPRESSED[1:] + b"\xac"
    scripts = (short, b"\x41" + UNCOMPRESSED + b"\xac", hybrid)
    assert len({address_id(script, SECRET) for script in scripts}) == 1
    assert address_id(b"\x21\x03" + COMPRESSED[1:] + b"\xac", SECRET) != address_id(short, SECRET)


@given(st.binary(max_size=70))
def test_only_full_keys_have_another_canonical_form(script: bytes) -> None:
    """Any other script stands for itself."""
    assert canonical_script(script) == naive_scripts.canonical(script)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**POSITION_BITS - 1))
def test_tx_ids_follow_the_chain(height: int, position: int) -> None:
    """Height and position come back from a tx_id, which fits a signed 64-bit number."""
    number = tx_id(height, position)
    assert divmod(number, 1 << POSITION_BITS) == (height, position)
    assert number < 1 << 63
