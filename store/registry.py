"""Which tables each chain's lake has."""

from chains.bitcoin.tables import TABLES as BITCOIN
from chains.blocks import Table

CHAINS: dict[str, tuple[Table, ...]] = {"bitcoin": BITCOIN}
