"""Change (T1): outputs that are their payer's own."""

from typing import Final

from heuristics.rules.rule import Rule

CHANGE_SELF: Final = Rule(
    60, "change_self", 1, "T1", "bitcoin", 100,
    "an output to an address that the transaction spends from: GraphSense direct_change; BlockSci address_reuse",
    "a donor's or forced reuse; a payment back to a customer from an omnibus address",
    ("change.precision[intent,99]",),
)  # fmt: skip
CHANGE_COSPENT: Final = Rule(
    61, "change_cospent", 1, "T1", "bitcoin", 99,
    "the only output to another address of the inputs' T0 cluster: GraphSense multi_input_change",
    "whatever co-spending gets wrong; a transfer between the payer's own addresses, which is no change",
    ("change.precision[intent,99]",),
)  # fmt: skip
CHANGE: Final = Rule(
    62, "change", 1, "T1", "bitcoin", 99,
    "two families of evidence for one output, none for another, no veto: BlockSci, Meiklejohn et al. 2013, Moeser and "
    "Narayanan 2022, Kappos et al. 2022; probabilities fitted on simulated worlds (worlds.fit)",
    "a transaction without change whose payments look like one; a program that mimics the payment's script kind; "
    "fingerprints that change with an update of the program",
    ("change.precision[intent,50]", "change.fpr[intent,50]", "wallets.pairwise_precision[holder]"),
)  # fmt: skip

ROWS: Final = (
    CHANGE_SELF, CHANGE_COSPENT, CHANGE,
)  # fmt: skip
