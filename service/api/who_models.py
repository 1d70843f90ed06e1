"""What answers about who somebody is look like: attribution, entities and their relations."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from service.api.models import (
    Answer,
    AsOf,
    Attribution,
    Behaviour,
    Coverage,
    EntityRef,
    Listing,
    Share,
    SourceRef,
    Subject,
)
from service.rulebook import Relation

RelationKind = Literal["owned_by", "successor_of", "operated_by", "nested_in", "fronts_for"]


class RelationAnswer(Answer):
    """What a source says of two parties; dates as it gives them: `valid_to` is the first day on which it is over."""

    entity: EntityRef
    kind: RelationKind
    other: EntityRef
    percent: Annotated[str | None, Field(description="Of owned_by: the share that `other` holds, where it is said.")]
    valid_from: date | None
    valid_to: date | None
    meaning: str
    source: SourceRef


class TieAnswer(Answer):
    """How a party counts as listed: by itself (kind `listed`), or by relations of `kinds` that lead to a listed party.

    `owned_50`: listed parties, or parties so owned, hold half or more together; `percent` is what they hold as it
    begins. `path`: the relations that show it as it begins, nearest first.
    """

    entity: EntityRef
    kinds: list[Relation]
    valid_from: date | None
    valid_to: date | None
    percent: str | None
    path: list[RelationAnswer]
    list: str


class RelationsAnswer(Answer):
    """Every relation of a party, at either end, and how it counts as listed by them."""

    entity: EntityRef
    items: list[RelationAnswer]
    listed_by: list[TieAnswer]
    as_of: AsOf


class TagAnswer(Answer):
    """One claim of a source about an address; where it does not stand, it is shown and says nothing of now."""

    address: str
    entity: EntityRef | None
    label: str
    category: str
    confidence: Share
    names_cluster: bool
    legal_status: Listing | None
    valid_from: date | None
    valid_to: date | None
    retracted: date | None
    stands: bool
    source: SourceRef


class Against(Answer):
    """One thing that speaks against a conclusion, or that was not taken for one."""

    kind: Literal["retracted_tag", "ended_tag", "removed_listing", "shared_custody", "cut", "refused"]
    detail: str
    entity: EntityRef | None
    rule: str | None
    txid: str | None
    confidence: Share | None
    address: str | None
    other_address: str | None


class WalletRole(Answer):
    """What a service's wallet is there for, and whose it is."""

    role: Literal["hot", "cold", "deposit"]
    entity: EntityRef | None


class SharedCustody(Answer):
    """Whose customers' money a custodian holds there: of this address, or of the whole wallet."""

    basis: Literal["deposit_address", "omnibus_wallet"]
    entity: EntityRef
    category: str
    confidence: Share
    rule: str


class AttributionAnswer(Answer):
    """Who is behind an address, with tags, edges, conflicts, relations to listed parties and what speaks against it.

    Beside that, and no part of it: what rules suspect of the wallet, and what it is there for.
    """

    subject: Subject
    attributions: list[Attribution]
    behaviours: list[Behaviour]
    wallet_role: WalletRole | None
    shared_custody: list[SharedCustody]
    tags: list[TagAnswer]
    listed_by: list[TieAnswer]
    against: list[Against]
    coverage: Coverage
    as_of: AsOf


class EntityAnswer(Answer):
    """A real-world party: what is claimed of it and where. `identifiers`: what other sources call it."""

    id: str
    name: str
    category: str
    jurisdictions: list[str]
    identifiers: list[str]
    aliases: list[str]
    tagged_addresses: int
    listings: list[Listing]
    listed_by: list[TieAnswer]
    source_sha256: str
    as_of: AsOf
