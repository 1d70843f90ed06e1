"""Ownership (T0): what one control shows by itself."""

from typing import Final

from heuristics.rules.rule import Rule

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

ROWS: Final = (
    COSPEND, SAMEKEY,
)  # fmt: skip
