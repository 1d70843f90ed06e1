"""The table of rules: what each claims, how surely, on whose word, how it fails, and how often it did.

A new heuristic is one file, one row here and one test. Every stored edge and verdict names its rule by `id`;
a changed rule gets a new version, and an index built with other versions is built anew.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One heuristic; `confidence` is percent.

    `scores` names the figures of an evaluation that speak of it; `heuristics.accuracy` has them. The first is its
    precision: of a veto, the share of its verdicts that are of a kind it is meant for; of co-spending, the share of
    pairs of addresses in one T0 cluster whose keys one holder has.
    """

    id: int
    name: str
    version: int
    tier: str
    chain: str
    confidence: int
    source: str
    failure_modes: str
    scores: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How answers name it, e.g. `cospend@1`."""
        return f"{self.name}@{self.version}"


# Below this confidence a multi-party verdict only keeps inputs apart; from it on flows end in the CoinJoin.
POOLS_FUNDS: Final = 60

COSPEND: Final = Rule(
    1, "cospend", 1, "T0", "bitcoin", 99,
    "common-input ownership: Nakamoto 2008 section 10; Meiklejohn et al. 2013; Ghost Clusters 2025 (FP < 0.5 %)",
    "CoinJoin and PayJoin that no veto sees; PSBT trades; a custodian's omnibus wallet is one cluster; "
    "customers of one shared signer",
    ("clusters.pairwise_precision[holder]", "clusters.pairwise_recall[holder]", "clusters.joined_clusters[holder]"),
)  # fmt: skip
SAMEKEY: Final = Rule(
    2, "samekey", 1, "T0", "bitcoin", 100,
    "identity: one public key behind P2PK, P2PKH, P2WPKH and nested P2WPKH",
    "a key that several parties hold; a key whose secret leaked",
)  # fmt: skip
COINJOIN_SHAPE: Final = Rule(
    10, "coinjoin_shape", 1, "veto", "bitcoin", 40,
    "BlockSci isCoinjoin (Kalodner et al. 2020), without the subset-sum search",
    "fires on payments of two equal amounts with change; sees no unequal-output CoinJoin",
    ("coinjoin.precision[coinjoin_shape]", "coinjoin.precision_multi_party[coinjoin_shape]"),
)  # fmt: skip
JOINMARKET: Final = Rule(
    11, "joinmarket", 1, "veto", "bitcoin", 49,
    "GraphSense's JoinMarket rule as published after its 2025 revision (precision 86.8 % against am-i-exposed)",
    "equal-amount batch payouts of exchanges and treasuries",
    ("coinjoin.precision[joinmarket]", "coinjoin.precision_multi_party[joinmarket]", "coinjoin.recall[joinmarket]"),
)  # fmt: skip
WASABI1: Final = Rule(
    12, "wasabi1", 1, "veto", "bitcoin", 70,
    "Wasabi 1.0 rounds of 0.1 BTC: Stuetz et al. 2022 (> 99 %), GraphSense",
    "equal splits of a treasury into 0.1 BTC coins",
    ("coinjoin.precision[wasabi1]", "coinjoin.precision_multi_party[wasabi1]", "coinjoin.recall[wasabi1]"),
)  # fmt: skip
WASABI11: Final = Rule(
    13, "wasabi11", 1, "veto", "bitcoin", 60,
    "Wasabi 1.1 levels of 0.1 BTC times a power of two: GraphSense",
    "batches of round amounts",
    ("coinjoin.precision[wasabi11]", "coinjoin.precision_multi_party[wasabi11]"),
)  # fmt: skip
WABISABI: Final = Rule(
    14, "wabisabi", 1, "veto", "bitcoin", 60,
    "Wasabi 2 (WabiSabi) rounds: GraphSense (precision 99.8 % against am-i-exposed); Dumplings",
    "exchange batches with several repeated amounts and twenty or more inputs",
    ("coinjoin.precision[wabisabi]", "coinjoin.precision_multi_party[wabisabi]", "coinjoin.recall[wabisabi]"),
)  # fmt: skip
WHIRLPOOL: Final = Rule(
    15, "whirlpool", 1, "veto", "bitcoin", 60,
    "Samourai Whirlpool mixes: five to eight equal outputs of a pool's size; Stuetz et al. 2022 (> 99 %)",
    "none known; remix lineage is not checked yet",
    ("coinjoin.precision[whirlpool]", "coinjoin.precision_multi_party[whirlpool]", "coinjoin.recall[whirlpool]"),
)  # fmt: skip
PSBT_SWAP: Final = Rule(
    20, "psbt_swap", 1, "veto", "bitcoin", 55,
    "an input signed SINGLE|ANYONECANPAY lets others complete the transaction: BIP 174 marketplaces",
    "one owner who signs so for himself; a trade signed ALL is not seen",
    ("coinjoin.precision[psbt_swap]", "coinjoin.precision_multi_party[psbt_swap]", "coinjoin.recall[swap]"),
)  # fmt: skip

RULES: Final[tuple[Rule, ...]] = (
    COSPEND, SAMEKEY, COINJOIN_SHAPE, JOINMARKET, WASABI1, WASABI11, WABISABI, WHIRLPOOL, PSBT_SWAP,
)  # fmt: skip
BY_ID: Final[dict[int, Rule]] = {rule.id: rule for rule in RULES}


def versions() -> dict[str, int]:
    """Name to version of every rule: what an index was built with."""
    return {rule.name: rule.version for rule in RULES}
