"""What the inputs of a transaction sign: the digests of legacy scripts, of version 0 witnesses and of taproot."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

from chains.sha256 import sha256d_bytes
from worlds.ledger.signers import tagged_hash
from worlds.ledger.undo import compact_size
from worlds.ledger.wire import Output, Parts, i64, output_bytes, sized, u32

SIGHASH_ALL, SIGHASH_NONE, SIGHASH_SINGLE, SIGHASH_ANYONECANPAY = 1, 2, 3, 0x80
_OUTPUT_TYPES = 0x1F  # the bits of a signature type that say which outputs it covers
_OUTPOINT, _BLANK_INPUT = 36, 41  # bytes; an input with an empty script
_NO_HASH = bytes(32)
_BLANK_OUTPUT = b"\xff" * 8 + b"\0"  # value -1, no script
_ONE = b"\1" + bytes(31)  # what a legacy SINGLE without an output of its own signs


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Digests:
    """The digests of one transaction; hashes that several inputs share are made once, and only where needed.

    Parameters
    ----------
    parts
        The transaction.
    spent
        The outputs that it spends, one per input.
    """

    def __init__(self, parts: Parts, spent: Sequence[Output]) -> None:
        self._parts, self._spent = parts, spent

    def legacy(self, n: int, kind: int, code: bytes) -> bytes:
        """Digest of input `n` under the original rules; `code` is the script that checks the signature."""
        parts, outputs = self._parts, kind & _OUTPUT_TYPES
        if outputs == SIGHASH_SINGLE and n >= len(parts.outputs):
            return _ONE
        own = parts.outpoints[n] + sized(code) + parts.sequences[n]
        if kind & SIGHASH_ANYONECANPAY:
            inputs = b"\1" + own
        else:
            blank = self._blank_inputs if outputs not in (SIGHASH_NONE, SIGHASH_SINGLE) else self._unsequenced_inputs
            at = n * _BLANK_INPUT
            inputs = compact_size(len(parts.outpoints)) + blank[:at] + own + blank[at + _BLANK_INPUT :]
        return sha256d_bytes(parts.version + inputs + self._legacy_outputs(n, outputs) + parts.locktime + u32(kind))

    def segwit(self, n: int, kind: int, code: bytes) -> bytes:
        """Digest of input `n` by BIP 143, for a version 0 witness."""
        parts, outputs = self._parts, kind & _OUTPUT_TYPES
        anyone, every_output = kind & SIGHASH_ANYONECANPAY, outputs not in (SIGHASH_NONE, SIGHASH_SINGLE)
        message = (
            parts.version,
            _NO_HASH if anyone else self._twice_outpoints,
            self._twice_sequences if every_output and not anyone else _NO_HASH,
            parts.outpoints[n],
            sized(code),
            i64(self._spent[n][1]),
            parts.sequences[n],
            self._twice_outputs if every_output else self._single_output(n, outputs),
            parts.locktime,
            u32(kind),
        )
        return sha256d_bytes(b"".join(message))

    def taproot(self, n: int, kind: int) -> bytes:
        """Digest of a key path spend of input `n` (BIP 341, no annex)."""
        parts, outputs = self._parts, kind & _OUTPUT_TYPES
        # The epoch, 0, comes first.
        message = bytes((0, kind)) + parts.version + parts.locktime
        if not kind & SIGHASH_ANYONECANPAY:
            message += self._once_outpoints + self._once_spent + self._once_sequences
        if outputs not in (SIGHASH_NONE, SIGHASH_SINGLE):
            message += self._once_outputs
        message += b"\0"  # spend type: key path, no annex
        if kind & SIGHASH_ANYONECANPAY:
            message += parts.outpoints[n] + output_bytes(self._spent[n]) + parts.sequences[n]
        else:
            message += u32(n)
        if outputs == SIGHASH_SINGLE:
            message += _sha256(parts.outputs[n])
        return tagged_hash("TapSighash", message)

    def _legacy_outputs(self, n: int, outputs: int) -> bytes:
        if outputs == SIGHASH_NONE:
            return b"\0"
        if outputs == SIGHASH_SINGLE:
            return compact_size(n + 1) + _BLANK_OUTPUT * n + self._parts.outputs[n]
        return self._all_outputs

    def _single_output(self, n: int, outputs: int) -> bytes:
        single = outputs == SIGHASH_SINGLE and n < len(self._parts.outputs)
        return sha256d_bytes(self._parts.outputs[n]) if single else _NO_HASH

    @cached_property
    def _blank_inputs(self) -> bytes:
        rows = zip(self._parts.outpoints, self._parts.sequences, strict=True)
        return b"".join([outpoint + b"\0" + sequence for outpoint, sequence in rows])

    @cached_property
    def _unsequenced_inputs(self) -> bytes:
        return b"".join([outpoint + bytes(_BLANK_INPUT - _OUTPOINT) for outpoint in self._parts.outpoints])

    @cached_property
    def _all_outputs(self) -> bytes:
        return compact_size(len(self._parts.outputs)) + b"".join(self._parts.outputs)

    @cached_property
    def _once_outpoints(self) -> bytes:
        return _sha256(b"".join(self._parts.outpoints))

    @cached_property
    def _once_sequences(self) -> bytes:
        return _sha256(b"".join(self._parts.sequences))

    @cached_property
    def _once_outputs(self) -> bytes:
        return _sha256(b"".join(self._parts.outputs))

    @cached_property
    def _once_spent(self) -> bytes:
        values, scripts = (i64(v) for _, v in self._spent), (sized(s) for s, _ in self._spent)
        return _sha256(b"".join(values)) + _sha256(b"".join(scripts))

    # BIP 143 hashes twice what BIP 341 hashes once.

    @cached_property
    def _twice_outpoints(self) -> bytes:
        return _sha256(self._once_outpoints)

    @cached_property
    def _twice_sequences(self) -> bytes:
        return _sha256(self._once_sequences)

    @cached_property
    def _twice_outputs(self) -> bytes:
        return _sha256(self._once_outputs)
