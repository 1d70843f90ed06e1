"""How fast labels are imported, into a fresh folder, everything on disk: tags per second.

Measured on the public tag packs, the 50,000-tag BitMEX pack among them; where they are not there, on a pack of
the same shape made for the purpose. GraphSense's own validator takes 24 s for 524,170 tags (measured once, on
its public packs, YAML included).
"""

import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.measure import Measure, best_of
from chains.bitcoin.address import text_of
from store.formats import yamldoc
from store.labels import Labels

PACKS = Path(__file__).resolve().parents[2] / "shared/data/labels/graphsense/packs"
GRAPHSENSE = 21_800  # tags/s
BAR = 50_000  # tags/s after YAML parsing
TAGS = 50_000
RUNS = 3
HEADER = """title: Reserve wallets
creator: Bench
confidence: service_data
category: exchange
currency: BTC
label: reserve wallet
source: https://example.org/reserves
lastmod: 2022-11-16
is_cluster_definer: true
actor: bench
tags:
"""


def generate(folder: Path) -> None:
    """Write one pack of `TAGS` script-hash addresses, as an exchange's reserve list has."""
    hashes = (sha256(b"%d" % i).digest()[:20] for i in range(TAGS))
    lines = (f"- address: {text_of(bytes([0xA9, 0x14]) + h + bytes([0x87]), 'main')}\n" for h in hashes)
    (folder / "reserves.yaml").write_text(HEADER + "".join(lines))


def imported(folder: Path) -> int:
    """Import all packs of a folder into a fresh data directory; gives the number of tags."""
    with tempfile.TemporaryDirectory() as data:
        return Labels(Path(data)).add([folder]).tags


def measure(folder: Path) -> list[Measure]:
    """The two import bars on the packs of a folder."""
    packs = [(path, path.read_bytes()) for path in sorted(folder.glob("*.yaml"))]
    tags = imported(folder)
    parsing = best_of(RUNS, lambda: [yamldoc.load(data, path) for path, data in packs])
    pyyaml = best_of(1, lambda: [yaml.load(data, yaml.CSafeLoader) for _, data in packs])
    overall = best_of(RUNS, lambda: imported(folder))
    after, whole = tags / (overall - parsing), tags / overall
    return [
        Measure("label import, after YAML", after, "tags/s", None, None, f">= {BAR:,} tags/s", after >= BAR),
        Measure(
            "label import, overall",
            whole,
            "tags/s",
            "GraphSense",
            whole / GRAPHSENSE,
            f"> {GRAPHSENSE:,} tags/s",
            whole > GRAPHSENSE,
        ),
        Measure("YAML with lines and key checks", tags / parsing, "tags/s", "CSafeLoader", pyyaml / parsing),
    ]


def run() -> list[Measure]:
    """The import bars."""
    if PACKS.is_dir():
        return measure(PACKS)
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return measure(Path(folder))


if __name__ == "__main__":
    for row in run():
        print(row.line())
