"""Vetoes: transactions of several parties, whose inputs are not united."""

from typing import Final

from heuristics.rules.rule import Rule

COINJOIN_SHAPE: Final = Rule(
    10, "coinjoin_shape", 2, "veto", "bitcoin", 40,
    "BlockSci isCoinjoin (Kalodner et al. 2020), without the subset-sum search",
    "fires on payments of two equal amounts with change; sees no unequal-output CoinJoin",
    ("coinjoin.precision[coinjoin_shape]", "coinjoin.precision_multi_party[coinjoin_shape]"),
)  # fmt: skip
JOINMARKET: Final = Rule(
    11, "joinmarket", 2, "veto", "bitcoin", 49,
    "GraphSense's JoinMarket rule as published after its 2025 revision (precision 86.8 % against am-i-exposed)",
    "equal-amount batch payouts of exchanges and treasuries",
    ("coinjoin.precision[joinmarket]", "coinjoin.precision_multi_party[joinmarket]", "coinjoin.recall[joinmarket]"),
)  # fmt: skip
WASABI1: Final = Rule(
    12, "wasabi1", 2, "veto", "bitcoin", 70,
    "Wasabi 1.0 rounds of 0.1 BTC: Stuetz et al. 2022 (> 99 %), GraphSense; 0.08 to 0.12 BTC as Dumplings reads it",
    "equal splits of a treasury into 0.1 BTC coins",
    ("coinjoin.precision[wasabi1]", "coinjoin.precision_multi_party[wasabi1]", "coinjoin.recall[wasabi1]"),
)  # fmt: skip
WASABI11: Final = Rule(
    13, "wasabi11", 2, "veto", "bitcoin", 60,
    "Wasabi 1.1 levels of 0.1 BTC times a power of two: GraphSense",
    "batches of round amounts",
    ("coinjoin.precision[wasabi11]", "coinjoin.precision_multi_party[wasabi11]"),
)  # fmt: skip
WABISABI: Final = Rule(
    14, "wabisabi", 2, "veto", "bitcoin", 60,
    "Wasabi 2 (WabiSabi) rounds: GraphSense (precision 99.8 % against am-i-exposed); Dumplings",
    "exchange batches with several repeated amounts and twenty or more inputs",
    ("coinjoin.precision[wabisabi]", "coinjoin.precision_multi_party[wabisabi]", "coinjoin.recall[wabisabi]"),
)  # fmt: skip
WHIRLPOOL: Final = Rule(
    15, "whirlpool", 2, "veto", "bitcoin", 60,
    "Samourai Whirlpool mixes: five to eight equal outputs of a pool's size; Stuetz et al. 2022 (> 99 %); 90 % where "
    "all known inputs come from a Tx0 or an earlier mix",
    "a treasury that cuts five coins of a pool's size at once",
    ("coinjoin.precision[whirlpool]", "coinjoin.precision_multi_party[whirlpool]", "coinjoin.recall[whirlpool]"),
)  # fmt: skip
STONEWALL: Final = Rule(
    16, "stonewall", 1, "veto", "bitcoin", 40,
    "Samourai STONEWALL: three or four outputs, exactly two of them equal and of 5,000 satoshi or more",
    "mostly one owner's payment and decoy, or two payments of one amount: no CoinJoin, but nobody can tell the change",
    ("coinjoin.precision_multi_party[stonewall]",),
)  # fmt: skip
PSBT_SWAP: Final = Rule(
    20, "psbt_swap", 2, "veto", "bitcoin", 55,
    "an input signed SINGLE|ANYONECANPAY lets others complete the transaction: BIP 174 marketplaces",
    "one owner who signs so and spends the addresses together nowhere else; a trade signed ALL is not seen",
    ("coinjoin.precision[psbt_swap]", "coinjoin.precision_multi_party[psbt_swap]", "coinjoin.recall[swap]"),
)  # fmt: skip
PAYJOIN: Final = Rule(
    21, "payjoin", 1, "veto", "bitcoin", 50,
    "BIP 78: two outputs, one segwit script type throughout, no round amount, an input that no payment needed (UIH2); "
    "40 % without such an input, where two programs made the coins (GraphSense's mismatch of 60 points) or a party of "
    "a PayJoin takes part",
    "one owner whose coin selection is wasteful and who spends the addresses together nowhere else; a PayJoin of one "
    "output, or of a round amount",
    ("coinjoin.precision[payjoin]", "coinjoin.precision_multi_party[payjoin]", "coinjoin.recall[payjoin]"),
)  # fmt: skip
DUAL_FUND: Final = Rule(
    22, "dual_fund", 1, "veto", "bitcoin", 50,
    "BOLT 2 interactive funding: version 2, replaceable, native segwit, one fresh P2WSH or P2TR output that is spent "
    "alone, and a change that is not round for either side",
    "one owner that pays two at once out of several coins, one of them at a fresh P2TR or P2WSH address; a channel "
    "where one side has no change is not seen",
    ("coinjoin.precision[dual_fund]", "coinjoin.precision_multi_party[dual_fund]", "coinjoin.recall[dual_fund]"),
)  # fmt: skip
SPLICE: Final = Rule(
    23, "splice", 1, "veto", "bitcoin", 50,
    "Lightning splices: the funding output of a channel that two fund, spent with other coins by BOLT 2's form",
    "follows from dual_fund, and fails with it; a Taproot channel's splice looks like a wallet's payment",
)  # fmt: skip

ROWS: Final = (
    COINJOIN_SHAPE,
    JOINMARKET,
    WASABI1,
    WASABI11,
    WABISABI,
    WHIRLPOOL,
    STONEWALL,
    PSBT_SWAP,
    PAYJOIN,
    DUAL_FUND,
    SPLICE,
)
