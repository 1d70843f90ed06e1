"""Which version of the software is running."""

import tomllib
from functools import lru_cache
from importlib import metadata
from pathlib import Path


@lru_cache(maxsize=1)
def software() -> str:
    """Return the version of the installed distribution, or of the checkout it runs from."""
    try:
        return metadata.version("tadoru")
    except metadata.PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])
