"""What the investigator's reads answer, as declared in OpenAPI."""

from datetime import date
from typing import Literal

from service.api.models import (
    Answer,
    AsOf,
    Attribution,
    Coverage,
    Edge,
    EntityRef,
    Exposure,
    ExposureTotals,
    Hops,
    Listing,
    Money,
    Page,
    Share,
    SourceRef,
    Subject,
    Time,
)


class AddressAnswer(Answer):
    """An address: what it received and sent, its cluster, who is behind it."""

    subject: Subject
    received: Money
    sent: Money
    balance: Money
    n_received: int
    n_sent: int
    first_seen_at: Time | None
    last_seen_at: Time | None
    cluster_size: int
    attributions: list[Attribution]
    coverage: Coverage
    as_of: AsOf


class ExposureAnswer(Answer):
    """Whom the owner of the address (scope `cluster`), or the address itself, dealt with, by party and added up."""

    subject: Subject
    method: str
    scope: Literal["cluster", "address"]
    exposures: list[Exposure]
    totals: ExposureTotals
    coverage: Coverage
    as_of: AsOf


class Counterparty(Answer):
    """One party a cluster dealt with; `address` is its earliest member, null for what is no party."""

    direction: Literal["received", "sent"]
    address: str | None
    kind: Literal["cluster", "coinbase", "coinjoin", "unresolved"]
    entity: EntityRef | None
    category: str | None
    value: Money
    transactions: int
    first_at: Time | None
    last_at: Time | None


class CounterpartyPage(Page):
    """Counterparties, largest value first."""

    items: list[Counterparty]


class AddressTransaction(Answer):
    """What one transaction did to an address."""

    txid: str
    height: int
    time: Time
    received: Money
    sent: Money


class AddressTransactionPage(Page):
    """An address's transactions, newest first."""

    items: list[AddressTransaction]


class Member(Answer):
    """One address of a cluster; null where the script has no address form."""

    address: str | None
    script_type: str


class MemberPage(Page):
    """Members of a cluster."""

    items: list[Member]


class ClusterAnswer(Answer):
    """A cluster; it is named by any member's address, because merges retire ids."""

    subject: Subject
    id: str
    root_address: str | None
    size: int
    first_seen_at: Time | None
    last_seen_at: Time | None
    attributions: list[Attribution]
    as_of: AsOf


class WhyAnswer(Answer):
    """Why two addresses are together: a chain of transactions; not together: no steps."""

    subject: Subject
    other: str
    together: bool
    steps: list[Edge]
    as_of: AsOf


class TransactionParty(Answer):
    """An input or output of a transaction."""

    position: int
    address: str | None
    script_type: str | None
    value: Money | None


class CoinJoinVerdict(Answer):
    """Why a transaction is taken for a multi-party one; its inputs are not united."""

    rule: str
    participants: int
    denomination: Money
    confidence: Share


class CoinShare(Answer):
    """A part of a transaction's coins: of whom they come, or where they went; hops from, or to, whoever pays it."""

    entity: EntityRef | None
    category: str
    legal_status: Listing | None
    share: Share
    min_hops: int
    mean_hops: Hops


class TransactionAnswer(Answer):
    """A transaction; values null where the origin lies before the indexed history.

    `see_through` is what went into a CoinJoin, for whoever investigates: it is nobody's exposure. Null: it is none.
    """

    chain: str
    txid: str
    height: int
    position: int
    time: Time
    block_hash: str
    size: int
    weight: int
    fee: Money | None
    coinjoin: CoinJoinVerdict | None
    inputs: list[TransactionParty]
    outputs: list[TransactionParty]
    sources: list[CoinShare]
    destinations: list[CoinShare]
    see_through: list[CoinShare] | None
    as_of: AsOf


class SearchHit(Answer):
    """One thing that a search found."""

    type: Literal["address", "transaction", "entity", "label"]
    id: str
    text: str
    link: str


class SearchAnswer(Answer):
    """What a search found, exact matches first."""

    items: list[SearchHit]


class ListAnswer(Answer):
    """A legal list: its newest vintage."""

    id: str
    name: str
    date: date | None
    sha256: str
    entries: int


class ListsAnswer(Answer):
    """Every list that is imported."""

    items: list[ListAnswer]
    as_of: AsOf


class CategoryAnswer(Answer):
    """One category of the taxonomy."""

    id: str
    description: str


class CategoriesAnswer(Answer):
    """The taxonomy."""

    items: list[CategoryAnswer]


class SanctionedAddress(Answer):
    """One listing interval of one address."""

    chain: str
    address: str
    status: Literal["sanctioned", "removed"]
    listing: Listing
    entity: EntityRef | None
    source: SourceRef


class SanctionsPage(Page):
    """Listing intervals, by address."""

    items: list[SanctionedAddress]
