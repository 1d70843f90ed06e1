"""Same-key identity (T0): one public key behind several scripts is one owner.

Every script whose key is known is named by the id of the key's P2WPKH script: P2PKH by its key hash, P2PK by
its compressed key, nested P2WPKH and uncompressed P2PKH by the key that a spend revealed.
"""

import numpy as np
import numpy.typing as npt

from chains.bitcoin.tables import ScriptType
from chains.ids import siphash24
from chains.kernels import kernel
from chains.sha256 import hash160, new_context
from heuristics.clusters.unite import Edges
from heuristics.numbers import Numbering, Numbers, locate, numbering
from heuristics.rules.clusters import SAMEKEY

Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
NO_KEY = 0
KEY_HASH_BYTES = 20
PROGRAM_BYTES = 22
_P2PK = int(ScriptType.P2PK)
_P2PK_UNCOMPRESSED = int(ScriptType.P2PK_UNCOMPRESSED)
_P2PKH = int(ScriptType.P2PKH)
_P2WPKH = int(ScriptType.P2WPKH)


@kernel
def key_ids(secret: npt.NDArray[np.uint64], kinds: Bytes, offsets: npt.NDArray[np.int32], payloads: Bytes) -> Longs:
    """Id of each script's key where the script alone tells it, else 0.

    `payloads[offsets[i]:offsets[i + 1]]` is the payload of script `i` as the lake's address table has it.
    """
    out = np.zeros(len(kinds), np.int64)
    context = new_context()
    digest = np.zeros(32, np.uint8)
    program = np.zeros(PROGRAM_BYTES, np.uint8)
    program[1] = KEY_HASH_BYTES
    for i in range(len(kinds)):
        start, size = int(offsets[i]), int(offsets[i + 1]) - int(offsets[i])
        if (kinds[i] == _P2PKH or kinds[i] == _P2WPKH) and size == KEY_HASH_BYTES:
            program[2:] = payloads[start : start + size]
        elif kinds[i] == _P2PK or kinds[i] == _P2PK_UNCOMPRESSED:
            hash160(context, payloads, start, size, digest)
            program[2:] = digest[:KEY_HASH_BYTES]
        else:
            continue
        out[i] = siphash24(secret, program, 0, PROGRAM_BYTES)
    return out


def links(numbers: Numbering, keys: Longs, owners: Numbers, blocked: npt.NDArray[np.bool_]) -> Edges:
    """Links between addresses of one key.

    Parameters
    ----------
    numbers
        The lake's addresses, to find a key's P2WPKH address.
    keys, owners
        Pairs of a key's id and an address that it controls; repeats do no harm.
    blocked
        Per address: its id is shared by two scripts, so nothing may be concluded from it.

    Returns
    -------
    Edges
        From the key's P2WPKH address, or else its first one here, to the others; `tx_id` is 0, to be set to
        the first use of the later address.
    """
    known = (keys != NO_KEY) & (owners >= 0)
    keys, owners = keys[known], owners[known]
    allowed = ~blocked[owners]
    keys, owners = keys[allowed], owners[allowed]
    native = locate(numbers, keys, np.ones(len(keys), np.bool_))
    hub = np.where(native >= 0, native, _first_owner(keys, owners, native < 0))
    real = (hub != owners) & ~blocked[hub]
    n = int(real.sum())
    return Edges(hub[real], owners[real], np.full(n, SAMEKEY.id, np.uint8), np.zeros(n, np.int64))


def _first_owner(keys: Longs, owners: Numbers, wanted: npt.NDArray[np.bool_]) -> Numbers:
    """For each wanted pair, the address of the first pair with the same key; its own address elsewhere."""
    out = owners.copy()
    if wanted.any():
        distinct = numbering(keys[wanted])
        rank = locate(distinct, keys[wanted], np.ones(int(wanted.sum()), np.bool_))
        first = np.empty(len(distinct.ids), np.int32)
        first[rank[::-1]] = owners[wanted][::-1]
        out[wanted] = first[rank]
    return out
