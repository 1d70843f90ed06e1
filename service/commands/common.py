"""What the verbs share."""

from pathlib import Path

from service.exits import NotReadyError
from service.settings import Settings, settings
from store.lake import Lake


def chosen(data: Path | None, **changes: object) -> Settings:
    """Return the settings of the environment with what the command line says instead."""
    given = {name: value for name, value in {"data": data, **changes}.items() if value is not None}
    if not given:
        return settings()
    return Settings.model_validate({**settings().model_dump(), **given})


def lake_of(data: Path) -> Lake:
    """Open the lake; raises NotReadyError where there is none yet."""
    if not (data / "lake" / "bitcoin" / "lake.json").exists():
        raise NotReadyError(f"no bitcoin lake in {data}: run `tadoru backfill bitcoin --from …` first, or set --data")
    return Lake.open(data)


def has_lake(data: Path) -> bool:
    """Whether blocks were brought in before."""
    return (data / "lake" / "bitcoin" / "lake.json").exists()
