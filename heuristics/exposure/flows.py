"""Whom a cluster dealt with directly: the clusters at the other end of its flows, largest value first."""

from dataclasses import dataclass
from typing import Final

from heuristics.exposure.codes import UNATTRIBUTED
from heuristics.exposure.exposures import DIRECTIONS
from heuristics.lookup import Party, block_time_of, parties
from store.reader import Answer, Cursor, Known, answer_for

COINBASE: Final = -1
COINJOIN: Final = -2
UNRESOLVED: Final = -3
# Counterparties that are no cluster, and the categories that answers give them.
PSEUDO: Final = {COINBASE: "mined", COINJOIN: "coinjoin", UNRESOLVED: "unresolved"}


@dataclass(frozen=True, slots=True)
class Counterparty:
    """One cluster (or pseudo counterparty) at the other end of a wallet's flows; satoshi and transactions."""

    direction: str
    cluster_id: int
    party: Party | None
    category: str
    entity_id: str | None
    name: str | None
    jurisdictions: tuple[str, ...]
    value: int
    n_tx: int
    first_tx_id: int
    last_tx_id: int
    first_time: int
    last_time: int

    @property
    def position(self) -> tuple[int, int, int]:
        """Where this row stands in the list: what the next page starts after."""
        return self.value, DIRECTIONS.index(self.direction), self.cluster_id


def counterparties(
    cur: Cursor, cluster_id: int, limit: int, after: tuple[int, int, int] | None = None
) -> list[Counterparty]:
    """List the clusters at the other end, largest value first.

    Parameters
    ----------
    cur
        Where to ask.
    cluster_id
        Whose counterparties.
    limit
        At most so many rows; a counterparty has one row per direction.
    after
        `position` of the last row of the page before; None for the first page.
    """
    sql = (
        "SELECT direction, counterparty, value, n_tx, first_tx_id, last_tx_id FROM flow WHERE cluster = ? "
        "AND (value, direction, counterparty) < (?, ?, ?) "
        "ORDER BY value DESC, direction DESC, counterparty DESC LIMIT ?"
    )
    rows = cur.rows(sql, [cluster_id, *(after or (1 << 62, 2, 0)), limit])
    numbers = [row[1] for row in rows]
    named = parties(cur, numbers)
    return [_counterparty(cur.known, row, named.get(row[1])) for row in rows]


def _counterparty(known: Known, row: tuple[int, int, int, int, int, int], party: Party | None) -> Counterparty:
    direction, cluster_id, value, n_tx, first, last = row
    who = answer_for(known, cluster_id)
    answer = who[0] if who else Answer(None, PSEUDO.get(cluster_id, UNATTRIBUTED), None)
    entity = known.entities.get(answer.entity_id or "")
    return Counterparty(
        direction=DIRECTIONS[direction],
        cluster_id=cluster_id,
        party=party,
        category=answer.category,
        entity_id=answer.entity_id,
        name=entity.name if entity else None,
        jurisdictions=entity.jurisdictions if entity else (),
        value=value,
        n_tx=n_tx,
        first_tx_id=first,
        last_tx_id=last,
        first_time=block_time_of(known, first),
        last_time=block_time_of(known, last),
    )
