"""How often what happens on a real chain: shapes, script kinds, wallet programs, fees.

Shapes and wallet programs are the base rates of 105,546 uniformly drawn mainnet transactions (decluster's
survey); script kinds are those of recent years. Where there is no figure, the numbers are ours. What comes out
at 10**6 transactions: 1.95 inputs and 2.35 outputs each, 396 bytes, 42 % of outputs to addresses already used,
3 % to the busiest one.
"""

import numpy as np

# Inputs from, to, outputs from, to (both ends possible, the low end likelier), share in percent.
# The first six are measured; the rest is a tail of ours: spends of many coins, consolidations, batches.
_SHAPES = (
    (1, 1, 2, 2, 38.3),
    (1, 1, 1, 1, 22.2),
    (2, 2, 2, 2, 6.5),
    (3, 3, 2, 2, 5.1),
    (1, 1, 3, 3, 4.2),
    (2, 2, 1, 1, 3.0),
    (4, 9, 2, 2, 7.0),
    (5, 40, 1, 1, 6.95),
    (40, 300, 1, 1, 0.05),
    (1, 2, 4, 10, 6.4),
    (1, 5, 10, 90, 1.6),
    (2, 2, 3, 3, 2.3),
)
SHAPE_LIMITS = np.array([s[:4] for s in _SHAPES], dtype=np.int64)
SHAPE_STEPS = np.cumsum([s[4] for s in _SHAPES]) / sum(s[4] for s in _SHAPES)
MAX_INPUTS = int(SHAPE_LIMITS[:, 1].max())

P2WPKH, P2PKH, NESTED, P2SH_MULTISIG, P2WSH, P2TR, P2PK, P2PKH_UNCOMPRESSED, OP_RETURN = range(9)
_KINDS = {
    P2WPKH: 47.0,
    P2PKH: 18.5,
    NESTED: 11.5,
    P2SH_MULTISIG: 2.5,
    P2WSH: 4.5,
    P2TR: 15.5,
    P2PK: 0.1,
    P2PKH_UNCOMPRESSED: 0.4,
}
KIND_STEPS = np.cumsum(list(_KINDS.values())) / sum(_KINDS.values())
OP_RETURN_SHARE = 0.04  # of transactions with two or more outputs

# Wallet programs: how far below the highest nSequence (replaceable: 2), and a last kind that mixes them.
SEQUENCES = np.array([0, 2, 1])
SEQUENCE_STEPS = np.cumsum([0.567, 0.196, 0.187, 0.05])
VERSION_1_SHARE = 0.627
NO_LOCKTIME, AT_TIP, BACKDATED = range(3)
LOCKTIME_STEPS = np.array([0.41, 0.70, 1.0])  # among programs that do not use the highest nSequence
MAX_BACKDATE = 100  # blocks
PROGRAMS = tuple(
    f"crowd-v{version}-{sequence}-{locktime}"
    for sequence in ("final", "rbf", "locktime", "mixed")
    for locktime in ("zero", "tip", "backdated")
    for version in (1, 2)
)  # by program number; of the final ones, only those with locktime zero are in use

PAYS_SERVICE = 0.50  # of payments that go to a service
PAID_BY_SERVICE = 0.28  # of transactions that a service makes
NEW_WALLET = 0.22  # of payments to people: to someone who was never paid before
SERVICE_HOT = 0.33  # of payments to a service: to its one main address
SERVICE_DEPOSIT = 0.38  # of payments to a service: to a deposit address in use
SERVICE_KEEPS_CHANGE = 0.8  # of a service's change: back to its main address
PERSON_REUSES = 0.20  # of payments to a known person: to the last address given out
PERSON_KEEPS_CHANGE = 0.28  # of a person's change: back to the last address
FEE_SIGMA, FEE_MEDIAN = 1.0, 6.0  # satoshi per virtual byte, log-normal
VALUE_MEDIAN, VALUE_SIGMA = 300_000.0, 1.7  # satoshi of a payment, log-normal
PAID_PART = 0.8  # of what a transaction spends: the most that it pays where it keeps change
ROUND_SHARE = 0.17  # of payments that are a round number
SWAP_SHARE = 0.003  # of inputs signed SINGLE | ANYONECANPAY
SCRIPT_PATH_SHARE = 0.1  # of taproot spends
MIX_SHARE = 0.0005  # of transactions: equal outputs of several wallets
MIX_PEOPLE = 5  # smallest mix; the largest has twice as many
