"""Mining (T2): who found a block, and who is paid for finding it."""

from typing import Final

from heuristics.rules.rule import Rule

POOL_TAG: Final = Rule(
    100, "pool_tag", 1, "T2", "bitcoin", 70,
    "coinbase tag: the public list of mining pools (bitcoin-data/mining-pools)",
    "anybody may write a pool's tag; pools rename themselves, and lists are late",
    ("mining.precision[pool_tag]", "mining.named[pool_tag]"),
)  # fmt: skip
POOL_ADDRESS: Final = Rule(
    101, "pool_address", 1, "T2", "bitcoin", 90,
    "the coinbase pays an address or wallet that labels give to a pool",
    "pools that share a custodian's address; a pool that was sold with its keys; wrong labels",
    ("mining.precision[pool_address]", "mining.named[pool_address]"),
)  # fmt: skip
POOL_AGREED: Final = Rule(
    102, "pool_agreed", 1, "T2", "bitcoin", 99,
    "coinbase tag and paid address name one pool",
    "lists whose addresses were themselves found by tag: then both fail together",
    ("mining.precision[pool_agreed]", "mining.named[pool_agreed]"),
)  # fmt: skip
POOL_TEXT: Final = Rule(
    103, "pool_text", 1, "T2", "bitcoin", 60,
    "a text between slashes that stands almost only in coinbases that pay one pool",
    "texts that signal support for a change of rules and that few labelled pools write; software names",
    ("mining.precision[pool_text]", "mining.named[pool_text]"),
)  # fmt: skip
POOL_WALLET: Final = Rule(
    104, "pool_wallet", 1, "T2", "bitcoin", 70,
    "a wallet that coinbases with one pool's tag pay again and again",
    "solo miners at a pool whose coinbase pays them directly; a faked tag; rewards paid to an exchange that no "
    "label names",
)  # fmt: skip
POOL_UNNAMED: Final = Rule(
    105, "pool_unnamed", 1, "T2", "bitcoin", 60,
    "a wallet that ten coinbases pay and that pays three or more recipients regularly",
    "a company that mines for itself and pays wages from the same wallet",
)  # fmt: skip
POOL_PAYER: Final = Rule(
    106, "pool_payer", 1, "T2", "bitcoin", 60,
    "a wallet that hands out, in batches of twenty and more, what comes from one pool's coinbases within three hops",
    "a broker that sells one pool's coins alone",
)  # fmt: skip
MINER_PAYOUT: Final = Rule(
    107, "miner_payout", 1, "T2", "bitcoin", 80,
    "regular recipients of a pool's payouts: Romiti et al. 2019; three in thirty days, near-periodic",
    "employees and brokers whom a pool pays as regularly; deposit addresses of services that nothing names",
    ("mining.miner_precision[miner_payout]", "mining.miner_recall"),
)  # fmt: skip
MINER_SHARED: Final = Rule(
    108, "miner_shared", 1, "T2", "bitcoin", 80,
    "recipients of coinbases that divide the reward among ten or more (P2Pool, Eligius, Ocean)",
    "deposit addresses of services that nothing names; donations and fees to the software's authors",
)  # fmt: skip
MINER_ACCOUNT: Final = Rule(
    109, "miner_account", 1, "lead", "bitcoin", 50,
    "a service's address that a pool pays regularly: the account of one of its miners there",
    "a broker's or a pool's own account",
)  # fmt: skip
MINER_CASHES_OUT: Final = Rule(
    110, "miner_cashes_out", 1, "lead", "bitcoin", 40,
    "a miner that sends four fifths of its coins to exchanges of one country (reference D4)",
    "says where coins are sold, not where machines stand; accounts abroad",
)  # fmt: skip

ROWS: Final = (
    POOL_TAG,
    POOL_ADDRESS,
    POOL_AGREED,
    POOL_TEXT,
    POOL_WALLET,
    POOL_UNNAMED,
    POOL_PAYER,
    MINER_PAYOUT,
    MINER_SHARED,
    MINER_ACCOUNT,
    MINER_CASHES_OUT,
)
