"""PSBT veto: an input signed SINGLE|ANYONECANPAY is offered for others to complete, as marketplaces do.

Source: BIP 174 and the sighash rules; typical of Ordinals and Runes trades. Several parties then pay together.
"""

import numpy as np
import numpy.typing as npt

from chains.bitcoin.tables import Sighash
from chains.kernels import kernel
from heuristics.facts import Chunk

OFFERED = Sighash.SINGLE_ANYONECANPAY


@kernel
def swaps(chunk: Chunk) -> npt.NDArray[np.bool_]:
    """Per transaction: at least two input addresses, and an input that was signed as an offer."""
    out = np.zeros(len(chunk.tx_id), np.bool_)
    for t in range(len(chunk.tx_id)):
        first, last = chunk.in_start[t], chunk.in_start[t + 1]
        offered, parties = False, False
        for i in range(first, last):
            offered |= (chunk.sighash[i] & OFFERED) != 0
            parties |= chunk.spend_number[i] != chunk.spend_number[first]
        out[t] = offered and parties
    return out
