"""Whose wallets the tags say they are: one owner per wallet, or a conflict that no service rule builds on."""

from typing import Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

NOBODY: Final = -1
DISPUTED: Final = -2
SURE_ENOUGH: Final = 50  # percent: tags below it name no operating wallet (B1)
_AGREE: Final = 0.75  # of the weight of a wallet's tags; what is left may be wrong tags
_CEILING: Final = 95  # percent: several tags of one origin may share one error
_TAGS = """
SELECT number, entity_id, category, confidence FROM tag
WHERE number IS NOT NULL AND entity_id IS NOT NULL AND confidence >= ? AND cluster_definer ORDER BY number, tag_id
"""


class Owners(NamedTuple):
    """Entities by code, and per wallet, by its number, the code of its owner (NOBODY, DISPUTED).

    `doubt` is the chance that all tags behind an owner are wrong, 1 where there is none. `tagged` and `said` are the
    tags themselves: address number and entity code.
    """

    entity: list[str]
    category: list[str]
    owner: Ints
    doubt: Floats
    tagged: Ints
    said: Ints

    def of_category(self, categories: frozenset[str]) -> npt.NDArray[np.bool_]:
        """Per entity code: whether it is of one of these categories."""
        return np.array([category in categories for category in self.category], np.bool_)


def owners(con: duckdb.DuckDBPyConnection, wallet: Ints) -> Owners:
    """Read the tags of a labels file and let each wallet's tags vote, weighted by confidence squared (B3)."""
    rows = con.sql(_TAGS, params=[SURE_ENOUGH]).to_arrow_table()
    entity, said = np.unique(rows["entity_id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    category = [""] * len(entity)
    for code, name in zip(said.tolist(), rows["category"].to_pylist(), strict=True):
        category[code] = category[code] or name
    number = rows["number"].to_numpy().astype(np.int32)
    percent = rows["confidence"].to_numpy().astype(np.float64)
    owner, doubt = _vote(wallet, number, said.astype(np.int32), percent)
    return Owners(entity.tolist(), category, owner, doubt, number, said.astype(np.int32))


def percent_of(doubt: Floats) -> npt.NDArray[np.uint8]:
    """Confidence that not all of some tags are wrong."""
    return np.minimum(_CEILING, np.round(100 * (1 - doubt))).astype(np.uint8)


def _vote(wallet: Ints, number: Ints, said: Ints, percent: Floats) -> tuple[Ints, Floats]:
    """Owner and doubt per wallet."""
    owner, doubt = np.full(len(wallet), NOBODY, np.int32), np.ones(len(wallet), np.float64)
    if not len(number):
        return owner, doubt
    pair, row = np.unique(np.stack([wallet[number], said]), axis=1, return_inverse=True)
    weight = np.bincount(row.ravel(), weights=percent**2)
    wrong = np.bincount(row.ravel(), weights=np.log(np.maximum(0.01, 1 - percent / 100)))
    whole = np.bincount(pair[0], weights=weight, minlength=len(wallet))
    most = weight >= _AGREE * whole[pair[0]]
    owner[pair[0]] = DISPUTED
    owner[pair[0][most]] = pair[1][most]
    doubt[pair[0][most]] = np.exp(wrong[most])
    return owner, doubt
