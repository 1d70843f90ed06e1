"""Questions to a world's truth in SQL: every table by its name, and the one rule of whose an address is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from worlds.truth.tables import SCHEMAS, path_of

_PARTY = """
CREATE VIEW party AS
SELECT entity, name, jurisdiction, service, listed_from, service OR listed_from IS NOT NULL AS absorbs,
       CASE WHEN listed_from IS NULL THEN category ELSE 'sanctioned_entity' END AS category
FROM entity
"""
# A custodian holds the keys, an exchange has the customers: the address is the exchange's. Elsewhere who holds the
# keys and whom the address serves are the same; a row that says otherwise counts as the holder's.
_OWNED = """
CREATE VIEW owned AS
SELECT script, wallet, role, holder.entity AS holder,
       CASE WHEN holder.service AND served.service THEN served.entity ELSE holder.entity END AS owner
FROM address JOIN wallet USING (wallet)
JOIN party holder ON holder.entity = wallet.entity
LEFT JOIN party served ON served.entity = address.entity
"""


@contextmanager
def asking(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the tables of `WORLD/truth` as views.

    `party` is the entity table with what trails stop at (`absorbs`: services and listed parties) and with the
    category by which exposure counts (`sanctioned_entity` once a list names it, before and after that day alike).
    `owned` says whose an address is.
    """
    with duckdb.connect() as connection:
        for name in SCHEMAS:
            path = path_of(folder, name)
            if path.exists():
                connection.read_parquet(str(path)).create_view(name)
        connection.execute(_PARTY)
        connection.execute(_OWNED)
        yield connection
