"""Which generation a question is put to: the live one, or the one of a height and of a label version."""

from dataclasses import dataclass
from typing import Literal

from service.live import Live
from store.manifest import Generation

Scope = Literal["cluster", "address"]


@dataclass(frozen=True, slots=True)
class AsOf:
    """As of when a question is asked; None: as of now."""

    height: int | None = None
    labels: str | None = None

    def generation(self, live: Live) -> Generation | None:
        """Find the generation; None: the live one.

        Raises
        ------
        NoIndexError
            None of that height and those labels is here; says how to build it.
        """
        if self.height is None and self.labels is None:
            return None
        return live.index.find(self.height, self.labels)


NOW = AsOf()
