"""What the pipeline under test said of a world, as tables: every column with its unit and meaning, written once.

Scripts are canonical as `chains.ids.canonical_script` has them (P2PK by its compressed key), hashes in internal
byte order. Rows are sorted and numbers are canonical, so that the same findings are the same bytes. A table
of a rule that found nothing is empty.
"""

import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from chains.blocks import Column, Table
from chains.errors import TadoruError

SCRIPT: Final = Column("script", pa.binary(), "bytes", "the address: its canonical locking script")
TXID: Final = Column("txid", pa.binary(32), "bytes", "the transaction, internal byte order")
ENTITY: Final = Column("entity", pa.string(), "entity id", "who it is said to be; empty where nobody is named")
CATEGORY: Final = Column("category", pa.string(), "store.formats.taxonomy", "what kind of party it is said to be")
CONFIDENCE: Final = Column("confidence", pa.int32(), "percent", "how sure the pipeline is")
BASIS: Final = Column("basis", pa.string(), "", "what it is concluded from")

TABLES: Final = (
    Table(
        "cluster",
        "every address on chain and the cluster it is in",
        (
            SCRIPT,
            Column("cluster", pa.int64(), "", "rank of the cluster's smallest script among all scripts of the table"),
        ),
        ("script",),
    ),
    Table(
        "wallet",
        "every address on chain and the wallet it is in: clusters that T1 links join",
        (
            SCRIPT,
            Column("wallet", pa.int64(), "", "rank of the wallet's smallest script among all scripts of the table"),
        ),
        ("script",),
    ),
    Table(
        "coinjoin",
        "transactions said to be of several parties: CoinJoins by kind, and PSBT swaps",
        (TXID, Column("rule", pa.string(), "name@version", "the rule that fired (heuristics.rules)"), CONFIDENCE),
        ("txid",),
    ),
    Table(
        "change",
        "outputs said to be the payer's own",
        (TXID, Column("vout", pa.int32(), "", "position among the transaction's outputs"), CONFIDENCE, BASIS),
        ("txid", "vout"),
    ),
    Table(
        "attribution",
        "the first conclusion about every address on chain that there is one for",
        (SCRIPT, ENTITY, CATEGORY, CONFIDENCE, BASIS),
        ("script",),
    ),
    Table(
        "deposit",
        "addresses said by a rule to be an exchange's deposit addresses, those of a listed one too",
        (SCRIPT, ENTITY, CONFIDENCE),
        ("script",),
    ),
    Table(
        "exposure",
        "where the money of each address to screen came from and went to, direct and indirect, by haircut",
        (
            SCRIPT,
            Column("direction", pa.string(), "received or sent", "which way the money went"),
            ENTITY,
            Column("category", pa.string(), "store.formats.taxonomy", "or mined, coinjoin, held, fee, unattributed"),
            Column("share", pa.float64(), "0 to 1", "of all that was received, or sent"),
            Column("value", pa.int64(), "satoshi", "the same as an amount"),
        ),
        ("script", "direction", "entity", "category"),
    ),
    Table(
        "ownership",
        "whether each address to screen is said to be a listed party's own",
        (SCRIPT, Column("listed", pa.bool_(), "", "it is, and the listing stands"), BASIS),
        ("script",),
    ),
    Table(
        "shell",
        "how likely every address of a wallet that nobody claims is a front's",
        (
            SCRIPT,
            Column("score", pa.float64(), "0 to 1", "larger is likelier; only the order counts"),
            Column("principal", pa.string(), "entity id", "whose front it would be; empty where the score is 0"),
        ),
        ("script",),
    ),
    Table(
        "pool_block",
        "blocks of which the pool is named; the transaction is the coinbase",
        (TXID, ENTITY, CONFIDENCE, BASIS),
        ("txid",),
    ),
    Table(
        "miner",
        "addresses said to be of somebody who mines, whoever it is",
        (SCRIPT, CONFIDENCE, BASIS),
        ("script",),
    ),
    Table(
        "refusal",
        "merges of clusters that a rule asked for and that were refused",
        (
            SCRIPT,
            Column("other", pa.binary(), "bytes", "the address that it was not united with"),
            Column("rule", pa.string(), "name@version", "the rule that asked for it"),
            Column("reason", pa.string(), "", "why it was refused"),
        ),
        ("script", "other", "rule"),
    ),
    Table(
        "rates",
        "how the chain's transactions look, coinbases left out",
        (
            Column("feature", pa.string(), "", "version, nSequence, locktime, shape, outputs, script, fee, reuse"),
            Column("kind", pa.string(), "", "its value, or a kind of values"),
            Column("n", pa.int64(), "transactions", "how many have it"),
        ),
        ("feature", "kind"),
    ),
)


class FindingsError(TadoruError):
    """Findings that are missing, or are not what this version writes."""


@dataclass(frozen=True, slots=True)
class Findings:
    """One table each, as TABLES describes them."""

    cluster: pa.Table
    wallet: pa.Table
    coinjoin: pa.Table
    change: pa.Table
    attribution: pa.Table
    deposit: pa.Table
    exposure: pa.Table
    ownership: pa.Table
    shell: pa.Table
    pool_block: pa.Table
    miner: pa.Table
    refusal: pa.Table
    rates: pa.Table

    @classmethod
    def of(cls, **found: pa.Table) -> Self:
        """Put columns into their order and type and rows into theirs; tables that are not given are empty."""
        said = {table.name: found.pop(table.name, table.schema.empty_table()) for table in TABLES}
        if found:
            raise FindingsError(f"no findings are called {', '.join(sorted(found))}; see worlds.score.findings.TABLES")
        return cls(**{table.name: _canonical(said[table.name], table) for table in TABLES})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote; raises FindingsError where a table is missing or is another one."""
        return cls(**{table.name: _read(folder / f"{table.name}.parquet", table) for table in TABLES})

    def write(self, folder: Path) -> None:
        """Write every table; the folder is replaced whole."""
        beside = folder.with_name(f"{folder.name}.tmp")
        for old in (beside, folder):
            shutil.rmtree(old, ignore_errors=True)
        beside.mkdir(parents=True)
        for field in fields(self):
            pq.write_table(getattr(self, field.name), beside / f"{field.name}.parquet", compression="zstd")
        beside.rename(folder)


def _canonical(rows: pa.Table, table: Table) -> pa.Table:
    typed = rows.select([column.name for column in table.columns]).cast(table.schema)
    return typed.sort_by([(name, "ascending") for name in table.sorted_by]).combine_chunks()


def _read(path: Path, table: Table) -> pa.Table:
    try:
        rows = pq.read_table(path, partitioning=None)
    except FileNotFoundError:
        raise FindingsError(f"{path} is missing: run the evaluation again") from None
    except (OSError, pa.ArrowException) as error:
        raise FindingsError(f"{path} is unreadable ({error}): run the evaluation again") from error
    if not rows.schema.equals(table.schema):
        raise FindingsError(f"{path} has other columns than this version writes: run the evaluation again")
    return rows
