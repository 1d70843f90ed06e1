"""What speaks against a front: for each the three strongest of the doubts that its own figures raise."""

from typing import Final

import numpy as np

from heuristics.shells.signs import Signs

DOUBTS: Final = (
    "other_business",
    "keeps_or_adds",
    "holds_long",
    "one_way",
    "few_others",
    "new_others",
    "few_payments",
)
"""Most of what passes through has nothing to do with the principal; it takes in more than it passes on, or pays out
more; money stays for long; money goes one way only; few parties at the other end; none that dealt with the principal
directly before; few payments at all."""
_SHOWN: Final = 3
_HANDFUL: Final = 5
_MANY: Final = 20


def against(of: Signs) -> list[list[str]]:
    """The three strongest doubts about each row, the strongest first; fewer where there are no more."""
    weights = np.stack(
        [
            1 - of.share,
            1 - of.through,
            1 - of.held,
            0.4 * (1 - np.minimum(1, 5 * of.two_way)),
            np.maximum(0, 1 - of.others / _HANDFUL),
            0.5 * (of.familiar == 0),
            0.6 * np.maximum(0, 1 - (of.n_in + of.n_out) / _MANY),
        ],
        axis=1,
    )
    order = np.argsort(-weights, axis=1, kind="stable")[:, :_SHOWN]
    return [[DOUBTS[i] for i in row if weight[i] > 0] for row, weight in zip(order, weights, strict=True)]
