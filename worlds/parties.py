"""The parties of a world: who holds wallets, and on whose account payments run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """A real-world party."""

    id: str
    category: str = "person"
    """One of `store.formats.taxonomy.CATEGORIES`."""
    jurisdiction: str = ""
    """ISO 3166-1 alpha-2; empty where nobody knows."""
    service: bool = False
    """Whether the public could know it as a service: its customers' coins are pooled, and trails stop there."""
    name: str = ""
    """Display name; the id where empty."""
    listed_from: int | None = None
    """Seconds since 1970 from which a sanctions list names it."""
