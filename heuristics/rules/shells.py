"""Shell entities: leads to who may be a front for a listed party."""

from typing import Final

from heuristics.rules.rule import Rule

SHELL_FRONT: Final = Rule(
    120, "shell_front", 1, "lead", "bitcoin", 40,
    "FIFO lots through wallets that nobody is known to hold, between a listed party's probable wallets and those whom "
    "it used to deal with (SUEX 2021, Garantex 2022: rerouting, rotation and hand-over)",
    "own customers who spend at once; a shop that a listed party's customers like; a list that gives only addresses "
    "from which nothing leads on; fronts that hold money for weeks, pay out of one account at an exchange, or do "
    "mostly other business",
    ("shells.precision", "shells.pr_auc", "shells.macro_recall", "shells.principal"),
)  # fmt: skip

ROWS: Final = (SHELL_FRONT,)
