"""Addresses of services from Spellbook's models (Dune), as one CSV file: chain, address, name, category, model.

The model that a row comes from tells what it is; the column of categories has many spellings. Nothing says how
a name was found, so that the claims count little.
"""

from typing import Final

from store.formats.csv_map import CsvMap
from store.formats.taxonomy import CONFIDENCE

HEADER: Final = ("chain", "address", "name", "category", "source_model")
MAP: Final = CsvMap(
    title="Spellbook labels",
    source="https://github.com/duneanalytics/spellbook",
    columns={"address": "address", "currency": "chain", "label": "name", "category": "source_model"},
    always={"confidence": CONFIDENCE["web_crawl"]},
    categories={
        "labels_cex_tokens*": "token",
        "labels_cex_*": "exchange",
        "addresses_*_cex*": "exchange",
        "*ofac_sanction*": "sanctioned_entity",
        "labels_hackers_*": "theft",
        "labels_bridges_*": "bridge",
        "hop_protocol*": "bridge",
        "labels_dao_*": "defi",
        "oneinch_*": "defi",
        "labels_stablecoins*": "token",
        "labels_funds_*": "organization",
        "labels_validators_*": "service",
        "labels_mev_*": "other",
        "labels_burn_*": "other",
        "labels_system_*": "other",
    },
)
