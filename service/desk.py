"""What one process answers with: the live generation, the records, the settings and the policies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from service.exits import BadInputError
from service.live import Live
from service.rulebook import MANDATORY, Policy, load, shipped
from service.settings import Settings
from store.records import Records


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that answering needs; made once per process."""

    live: Live
    records: Records
    settings: Settings
    policies: dict[str, Policy] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open records and policies; the generation is opened by `live.start` or `with live`.

        Raises
        ------
        BadInputError
            If the configured policy has a mistake.
        TadoruError
            If the records can not be opened.
        """
        policies = {name: load(name) for name in sorted(shipped() - {MANDATORY})}
        chosen = load(settings.policy)
        policies[chosen.policy] = chosen
        return cls(Live(Path(settings.data)), Records(settings.records), settings, policies)

    def policy(self, name: str | None) -> Policy:
        """Return a policy by name, or the configured one; raises BadInputError for a name that is none."""
        if name is None:
            return load(self.settings.policy)
        if name not in self.policies:
            raise BadInputError(
                f"there is no policy {name!r}; there are: {', '.join(self.policies)}",
                code="unknown_policy",
                pointer="/policy",
            )
        return self.policies[name]

    def close(self) -> None:
        """Close what is open."""
        self.live.stop()
        self.records.close()


@contextmanager
def desk_for_once(settings: Settings) -> Iterator[Desk]:
    """Open a desk for one command, without a watcher."""
    desk = Desk.open(settings)
    try:
        desk.live.look()
        yield desk
    finally:
        desk.close()
