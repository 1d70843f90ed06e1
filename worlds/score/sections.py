"""Which scores the page shows, in which order and under which heads; the JSON has all of them."""

from dataclasses import dataclass
from typing import Final

from worlds.score import change
from worlds.truth.tables import TRUTHS


@dataclass(frozen=True, slots=True)
class Section:
    """Scores in rows; suites and labels in columns."""

    title: str
    patterns: tuple[str, ...]
    """Names of scores; `*` stands for anything, `+` for anything without a comma."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The parts of some scores in rows, the scores in columns; for the suites that report only."""

    title: str
    scores: dict[str, str]
    """Names of scores with one `*` or `+` for the part, and the heads of their columns."""
    note: str = ""
    silent: bool = False
    """Whether parts without any case are left out."""


_AGREEMENT: Final = ("pairwise_precision", "pairwise_recall", "bcubed_precision", "bcubed_recall")
_CHANGE: Final = {
    "tpr": "change found",
    "fpr": "payments called change",
    "precision": "precision",
    "coverage": "coverage",
}
_DEPOSITS: Final = {
    "paid": "paid",
    "called": "said to be one",
    "precision": "of these, right",
    "precision_owner": "the right party's",
    "recall_paid": "of those paid, found",
    "recall_any": "",
    "recall_macro": "",
    "wrong_service": "",
    "f1": "",
}
_ERRORS: Final = {"mean_error": "mean error", "p95_error": "95th percentile", "max_error": "worst wallet"}
_ALARMS: Final = {
    "false_clear": "cleared falsely",
    "false_alarm": "false alarms per 1,000, nothing listed",
    "over_alarm": "per 1,000, too little listed",
}
SECTIONS: Final[tuple[Section | Breakdown, ...]] = (
    Section(
        "Clusters",
        (
            *(f"clusters.{name}[{level}]" for name in _AGREEMENT for level in ("holder", "entity")),
            *(f"clusters.{name}_by_value[holder]" for name in _AGREEMENT),
            "clusters.service_coverage",
            "clusters.largest_without_service*",
            "clusters.joined_clusters[holder]",
            "clusters.joined_clusters[entity]",
            "clusters.unexplained_clusters[holder]",
        ),
        "`holder`: who has the keys; `entity`: whose business an address serves, so that a custodian's clients are "
        "several parties with one holder.",
    ),
    Section(
        "Wallets: clusters and change",
        (
            *(f"wallets.{name}[holder]" for name in _AGREEMENT),
            *(f"wallets.{name}_by_value[holder]" for name in _AGREEMENT),
            "wallets.service_coverage",
            "wallets.largest_without_service*",
            "wallets.joined_wallets[holder]",
            "wallets.refused[*]",
        ),
        "The same figures once change links have joined clusters (T0 and T1).",
    ),
    Breakdown(
        "What joined two parties",
        {
            "clusters.two_holder_transactions[*]": "with inputs of two holders",
            "clusters.two_holder_joins[*]": "of these, joined two holders",
            "wallets.two_holder_change_joins[*]": "joined another holder's output",
        },
        "Transactions per world, by kind.",
        silent=True,
    ),
    Section(
        "CoinJoin",
        (
            "coinjoin.all_*",
            "coinjoin.absorbing_*",
            "coinjoin.single_owner",
            "coinjoin.false",
            "coinjoin.batches",
            "coinjoin.false_on_batches",
            "coinjoin.false_on_batches_absorbing",
        ),
        "A batch is any transaction of one owner with ten outputs or more.",
    ),
    Breakdown(
        "CoinJoin by kind",
        {
            "coinjoin.transactions[*]": "transactions",
            "coinjoin.recall[*]": "recognised",
            "coinjoin.recall_right_rule[*]": "by a rule meant for it",
            "coinjoin.recall_absorbing[*]": "surely enough to stop trails",
        },
        silent=True,
    ),
    Breakdown(
        "CoinJoin by rule",
        {
            "coinjoin.verdicts[*]": "verdicts",
            "coinjoin.precision[*]": "of the kind it is meant for",
            "coinjoin.precision_multi_party[*]": "of several parties",
        },
        silent=True,
    ),
    Breakdown(
        "One owner's transactions taken for several parties'",
        {
            "coinjoin.false_by_kind[*]": "share of the kind",
            "coinjoin.false_absorbing_by_kind[*]": "surely enough to stop trails",
        },
        "Kinds that are never taken for one are left out.",
        silent=True,
    ),
    Breakdown(
        "Batches by kind",
        {
            "coinjoin.batches[*]": "batches",
            "coinjoin.false_on_batches[*]": "taken for several parties'",
            "coinjoin.false_on_batches_absorbing[*]": "surely enough to stop trails",
        },
        silent=True,
    ),
    Section(
        "Change",
        tuple(f"change.{name}[{label},50]" for label in change.LABELS for name in _CHANGE),
        "`intent`: what the payer did; `cospend`: the label that studies of the real chain have to use. What T0 "
        "clusters show counts as called: it is the same evidence as that label, so `cospend` flatters it.",
    ),
    Breakdown(
        "Change by wallet program",
        {f"change.{name}[intent,50,program=*]": head for name, head in _CHANGE.items()},
    ),
    Section("Deposit addresses of exchanges", tuple(f"deposits.{name}" for name in _DEPOSITS)),
    Breakdown(
        "Deposit addresses of other services",
        {f"deposits.{name}[*]": head for name, head in _DEPOSITS.items() if head},
        "By the service's category; no bar is on them.",
        silent=True,
    ),
    Section(
        "Exposure and ownership",
        (
            "exposure.mean_error[+]",
            "exposure.max_error[+]",
            "exposure.weighted_error[+]",
            "exposure.mean_entity_error[+]",
            "exposure.mean_gap",
            "exposure.max_gap",
            "ownership.*",
        ),
        "`convention`: trails stop at services, shares mix evenly; `intent`: who really paid whom. The gap between the "
        "two truths is what no rule by the convention can close.\n\n"
        "What is wrong by convention has three parts, and each set of labels leaves one out. *Labels*: with disclosed "
        "ones most services are not known, so trails run past them; perfect labels name all. *Clusters*: where "
        "co-spending does not show whose an address is, change looks like a payment to somebody else, a transfer to "
        "oneself like a dealing, and where it unites two parties each has the other's dealings; with owners known "
        "this is gone too. *Mixing*: what is left comes of how shares are computed and of CoinJoins that are not "
        "recognised, or not surely enough to stop a trail. The parts `CoinJoin` and `no CoinJoin` below tell these "
        "two apart: the latter are wallets that took no part in a CoinJoin and whose money neither came from one nor "
        "went to one.",
    ),
    Breakdown(
        "Exposure by truth, by direction and by CoinJoins",
        {f"exposure.{n}[{truth}*]": f"{truth}: {head}" for n, head in _ERRORS.items() for truth in TRUTHS},
    ),
    Breakdown(
        "Wrong decisions by truth",
        {f"exposure.{n}[{truth},+%]": f"{truth}: {head}" for n, head in _ALARMS.items() for truth in TRUTHS},
        "By the listed share, in percent, from which a wallet is held.",
    ),
    Section(
        "Shells",
        (
            "shells.base_rate",
            "shells.pr_auc",
            "shells.precision_at[*]",
            "shells.precision",
            "shells.recall",
            "shells.macro_recall",
            "shells.principal",
            "shells.false_leads",
            "shells.delay_*",
            "shells.checkpoint_days",
            "shells.never_found",
        ),
    ),
    Breakdown("Shells by type", {"shells.recall[*]": "found"}),
    Breakdown(
        "Who is taken for a shell",
        {"shells.false_leads[*]": "wallets per world", "shells.false_lead_rate[*]": "share of their kind"},
        "By the party's category and the roles of the wallet's addresses; kinds that never are are left out.",
        silent=True,
    ),
    Section("Mining", ("mining.blocks", "mining.coverage", "mining.paid", "mining.miner_recall")),
    Breakdown(
        "Mining by rule",
        {
            "mining.named[*]": "blocks with a pool named",
            "mining.precision[*]": "the right one",
            "mining.called[*]": "addresses called a miner's",
            "mining.miner_precision[*]": "a miner's",
        },
        silent=True,
    ),
    Section(
        "Attribution",
        (
            "attribution.addresses",
            "attribution.attributed",
            "attribution.right",
            "attribution.holder",
            "attribution.wrong",
            "attribution.coverage",
            "attribution.misnamed",
            "attribution.unknown_kept",
        ),
    ),
    Breakdown(
        "Attribution by basis",
        {
            "attribution.named[*]": "addresses",
            "attribution.right[*]": "right",
            "attribution.holder[*]": "the keys' holder",
            "attribution.wrong[*]": "wrong",
        },
    ),
    Breakdown(
        "Attribution by kind of party",
        {
            "attribution.coverage[*]": "public: right party named",
            "attribution.misnamed[*]": "public: another one named",
            "attribution.unknown_kept[*]": "private: left open",
        },
    ),
    Section(
        "How like the real chain the worlds are",
        ("rates.distance[*]",),
        "0: every value of the feature is as frequent as on the real chain; 1: none of its values is the same. The "
        "shares stand in the table below.",
    ),
)
