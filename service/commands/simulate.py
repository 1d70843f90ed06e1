"""`tadoru simulate`: a chain whose truth is known, with the labels that a user of it would have."""

from dataclasses import asdict, replace
from pathlib import Path

from service.console import Console, progress
from service.exits import UsageError
from worlds.agents import ROSTER
from worlds.settings import Flavour, Settings, drawn
from worlds.simulate import simulate

MADE_HERE = frozenset({"node", "disclosed", "truth"})


def settings_of(seed: int, blocks: int, people: int, crowd: int, flavour: str, *, signed: bool) -> Settings:
    """Return what was asked for."""
    if flavour not in set(Flavour):
        raise UsageError(f"--flavour {flavour}: there are {', '.join(Flavour)}")
    return Settings(seed, blocks, people=people, crowd=crowd, signed=signed, flavour=Flavour(flavour))


def _check_empty(out: Path) -> None:
    """Refuse a folder that holds anything."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"--out {out} is no folder: name a new one")
    held = {place.name for place in out.iterdir()}
    if held and held <= MADE_HERE and not (out / "truth" / "world.json").exists():
        raise UsageError(f"--out {out} holds a world that was stopped half-way: remove it, or name a new folder")
    if held:
        raise UsageError(f"--out {out} is not empty: name a new folder")


def run(out: Path, asked: Settings, agents: str, *, as_json: bool) -> None:
    """Simulate one world; the folder must be new or empty."""
    console = Console(as_json=as_json)
    kinds = tuple(name.strip() for name in agents.split(",") if name.strip())
    unknown = [name for name in kinds if name not in ROSTER]
    if unknown:
        raise UsageError(f"--agents: no such kind {', '.join(unknown)}; there are {', '.join(ROSTER)}")
    _check_empty(out)
    with progress("blocks") as shown:
        told = simulate(
            out, drawn(replace(asked, agents=kinds)), lambda done, total: shown.report("blocks", done, total)
        )
    console.answer(
        {"world": str(out), **asdict(told)},
        [
            (
                f"{told.n_tx:,} transactions in {told.blocks:,} blocks after genesis, {told.addresses:,} addresses of "
                f"{told.entities:,} parties ({told.flavour}, seed {told.seed})"
            ),
            f"  {out / 'node'}       a Bitcoin Core data directory (regtest)",
            f"  {out / 'disclosed'}  what a user would have: tags, actors, two lists, prices, withdrawals to screen",
            f"  {out / 'truth'}      who is who and who really paid whom; nothing but `tadoru evaluate` reads it",
            f"next: tadoru backfill bitcoin --from {out / 'node'} --data DIR, or tadoru evaluate {out}",
        ],
    )
