"""Services (T2): deposit addresses, hot wallets, custodians, and services that nobody names."""

from typing import Final

from heuristics.rules.rule import Rule

DEPOSIT_SWEEPS: Final = Rule(
    80, "deposit_sweeps", 1, "T2", "bitcoin", 90,
    "rule D: every spend sweeps into one exchange's hot wallet within a week, three times (twice: 75); one-CEX rule "
    "(Victor 2020; Dune cex_deposit_addresses)",
    "a wallet between deposit addresses and the hot wallet hides those behind it; a merchant who only ever sweeps into "
    "an exchange's hot wallet; a wrong tag that is the only one",
    ("deposits.precision", "deposits.recall_paid"),
)  # fmt: skip
DEPOSIT_ONCE: Final = Rule(
    81, "deposit_once", 1, "T2", "bitcoin", 60,
    "rule D for addresses that swept once, into a wallet that at least three known deposit wallets sweep into",
    "somebody who is given the hot wallet's own address to pay to",
    ("deposits.precision", "deposits.recall_paid"),
)  # fmt: skip
DEPOSIT_SHARED: Final = Rule(
    82, "deposit_shared", 1, "T2", "bitcoin", 75,
    "amounts of a custodian's sweeps: subset sums as in BlockSci's CoinJoin test and Boltzmann's link matrix",
    "a custodian that keeps more than half a percent; amounts that agree by chance; wrong tags",
    ("deposits.precision", "deposits.recall_paid"),
)  # fmt: skip
SWEEP_HUB: Final = Rule(
    83, "sweep_hub", 1, "T2", "bitcoin", 80,
    "what an exchange's deposit addresses are swept into is its own (Odaily, Chainalysis: deposits never touch cold)",
    "a custodian or nested host that is swept into on behalf of the exchange",
)  # fmt: skip
SHARED_CUSTODY: Final = Rule(
    84, "shared_custody", 1, "T0", "bitcoin", 80,
    "two exchanges' addresses in one wallet whose sweeps share out between them (heuristics.md B3)",
    "two exchanges of one owner, or one that bought the other",
)  # fmt: skip
NESTED_SERVICE: Final = Rule(
    85, "nested_service", 1, "lead", "bitcoin", 40,
    "deposit addresses of one account with many unrelated senders (OFAC on SUEX 2021; TRM on parasite exchanges)",
    "a popular merchant or charity with an account at the exchange",
)  # fmt: skip
UNNAMED_SERVICE: Final = Rule(
    86, "unnamed_service", 1, "T2", "bitcoin", 70,
    "deposit wallets that sweep into one wallet which pays many: an exchange's shape without its name",
    "a firm that collects from branches of its own and pays many",
)  # fmt: skip
WALLET_ROLE: Final = Rule(
    87, "wallet_role", 1, "T2", "bitcoin", 70,
    "hot, cold and deposit wallets by degree, holding time and counterparties (heuristics.md B2)",
    "a treasury that only deals with one exchange looks like its cold wallet",
)  # fmt: skip

ROWS: Final = (
    DEPOSIT_SWEEPS,
    DEPOSIT_ONCE,
    DEPOSIT_SHARED,
    SWEEP_HUB,
    SHARED_CUSTODY,
    NESTED_SERVICE,
    UNNAMED_SERVICE,
    WALLET_ROLE,
)
