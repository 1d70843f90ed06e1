"""What goes over the wire, as declared in OpenAPI. Answers are built as plain dicts; tests hold them to this."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from heuristics.attribution import behaviours
from service.policy import Verdict
from service.rulebook import Action, Basis, Direction, Kind

Share = Annotated[str, Field(pattern=r"^(0(\.\d+)?|1(\.0+)?)$", examples=["0.2813"])]
Hops = Annotated[str, Field(pattern=r"^\d+\.\d\d$", examples=["2.31"])]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Transaction or block hash, displayed form.")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", examples=["2025-02-01T12:00:00Z"])]
Chain = Annotated[
    str,
    Field(
        max_length=64,
        description="CAIP-2 id, or the alias `bitcoin` for the Bitcoin network that is indexed here.",
        examples=["bitcoin", "bip122:000000000019d6689c085ae165831e93"],
    ),
]
AddressText = Annotated[str, Field(min_length=1, max_length=128, examples=["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"])]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~][ -~]*$")]


class Answer(BaseModel):
    """A part of an answer: exactly these fields, whatever their value."""

    model_config = ConfigDict(extra="forbid")


class Ask(BaseModel):
    """A request body: unknown fields are refused, and so is a number written as a string."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Money(Answer):
    """An amount as a decimal string with its currency."""

    value: Annotated[str, Field(pattern=r"^\d+\.\d{8}$", examples=["0.21100000"])]
    currency: Literal["BTC"]


class AskedMoney(Ask):
    """An amount as a decimal string with its currency."""

    value: Annotated[str, Field(pattern=r"^\d{1,8}(\.\d{1,8})?$", examples=["0.75"])]
    currency: Literal["BTC"]


class ScreeningRequest(Ask):
    """What to screen. `proceed only if decision == "allow" and status == "complete"`."""

    kind: Literal["address", "withdrawal_attempt"]
    address: AddressText
    chain: Chain = "bitcoin"
    asset: Literal["BTC"] = "BTC"
    amount: AskedMoney | None = None
    direction: Literal["inbound", "outbound"] | None = None
    attempt_id: Annotated[Name | None, Field(description="Unique per caller, forever.")] = None
    customer_ref: Name | None = None
    policy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")] | None = None
    timeout_ms: Annotated[int, Field(ge=1, le=10_000)] | None = None


class Subject(Answer):
    """What was screened or looked up."""

    chain: str
    submitted: str
    canonical: str
    seen_on_chain: bool
    first_seen_height: int | None


class EntityRef(Answer):
    """A real-world party."""

    id: str
    name: str
    jurisdictions: list[str]


class Listing(Answer):
    """A legal listing: certain and dated, apart from how sure control is. `listed_to` null: still in force."""

    list: str
    listed_from: date | None
    listed_to: date | None


class SourceRef(Answer):
    """Who says so."""

    name: str
    published: date | None
    sha256: str
    uri: str | None


class Edge(Answer):
    """One step of evidence that two addresses are under one control.

    `txid` null: no transaction is needed to show it, as both are scripts of one key.
    """

    rule: Annotated[str, Field(examples=["cospend@1"])]
    txid: str | None
    confidence: Share
    families: Annotated[list[str], Field(description="Kinds of evidence behind a change link; empty of any other.")]
    from_address: str | None
    to_address: str | None


class Evidence(Answer):
    """What an attribution rests on."""

    tagged_address: str | None
    label: str | None
    tags: int
    rule: Annotated[str | None, Field(description="The rule that claims it; null: tags do.", examples=["deposit@1"])]
    edges: list[Edge]


class Conflict(Answer):
    """Another conclusion about the same cluster."""

    entity: EntityRef | None
    category: str
    confidence: Share


class Attribution(Answer):
    """Who controls the subject, and why we say so."""

    entity: EntityRef | None
    category: str
    basis: Basis
    legal_status: Listing | None
    confidence: Share
    sources: list[SourceRef]
    evidence: Evidence
    conflicts: list[Conflict]


class Fiat(Answer):
    """An amount at the price of each day it was paid on."""

    value: Annotated[str, Field(pattern=r"^\d+\.\d\d$", examples=["14020.11"])]
    currency: Annotated[str, Field(examples=["USD"])]


class Exposure(Answer):
    """What the subject had to do with one party.

    `direct`: one hop; `indirect`: through unattributed clusters only. `fiat` null: a day has no price. `unsolicited`:
    dust, apart from dealings. `passes_through`: a named party behind which the trail goes on, so that the value is
    counted in other rows as well; without these the shares of a direction sum to 1 (but for their rounding).
    """

    direction: Direction | None
    kind: Kind
    category: str
    entity: EntityRef | None
    jurisdictions: list[str]
    legal_status: Listing | None
    value: Money
    fiat: Fiat | None
    share: Share
    transactions: int
    min_hops: int
    mean_hops: Hops
    first_at: Time | None
    last_at: Time | None
    after_designation: bool
    unsolicited: bool
    passes_through: bool


PathId = Annotated[str, Field(pattern=r"^pth_[0-9a-f]{32}$")]


class ScreenedExposure(Exposure):
    """The same, with the best paths behind it where it made a rule fire, while there was time to look for them.

    `GET …/evidence` of the screening, and `GET …/paths` of the subject, tell paths of these ids coin by coin.
    """

    path_ids: list[PathId] = []


class Total(Answer):
    """What was received, or sent, in one way: value at each day's price, and its share of all of that direction."""

    direction: Literal["received", "sent"]
    kind: Literal["direct", "indirect", "unsolicited"]
    value: Money
    fiat: Fiat | None
    share: Share


class CategoryTotal(Total):
    """One category's sum."""

    category: str


class JurisdictionTotal(Total):
    """The sum of all parties of the same jurisdictions; of none: nobody is known, or not where he is."""

    jurisdictions: list[str]


class ExposureTotals(Answer):
    """Exposures added up; in each list the shares of a direction sum to 1."""

    by_category: list[CategoryTotal]
    by_jurisdiction: list[JurisdictionTotal]


class TriggerAnswer(Answer):
    """A rule that fired, with what it saw."""

    rule_id: str
    policy: str
    reason: str
    metric: str
    threshold: str
    observed: str
    action: Action
    expression: str


class Lot(Answer):
    """Money that passed through a front: the payment to it, and the one by it, `dwell_s` seconds later.

    `away`: it came from the party that is fronted for; else it went there.
    """

    paid_in: Hash
    paid_out: Hash
    value: Money
    dwell_s: int
    away: bool


class Behaviour(Answer):
    """What a rule suspects of the subject's wallet. It is no attribution: nobody is named as its holder.

    `pass_through`: it may be a front for `fronts_for`. `nested_service`: somebody may run a service from this account
    `at` a service. `miner_account`: a pool pays this account at a service. `miner_cashing_out`: a miner sells there.
    `legal_status` is of the party that is named. `lots`: the largest ones that passed through a front.
    """

    id: behaviours.Kind
    tier: behaviours.Tier
    score: Share
    rule: Annotated[str, Field(examples=["shell_front@1"])]
    fronts_for: EntityRef | None
    at: EntityRef | None
    legal_status: Listing | None
    speaks_for: Annotated[list[str], Field(alias="for", description="What speaks for it, in words.")]
    against: Annotated[list[str], Field(description="What speaks against it, in words, the strongest first.")]
    value: Money
    transactions: int
    first_at: Annotated[Time | None, Field(description="When it began, where the rule says so.")]
    last_at: Time
    txid: Annotated[Hash | None, Field(description="One transaction that shows it.")]
    lots: list[Lot]


class Coverage(Answer):
    """How much is known. `tip_height` null: no node was asked, so the newest indexed block is the newest known."""

    indexed_height: int
    tip_height: int | None
    lag_s: int
    stale: bool
    truncated: bool
    unattributed_share: Share | None
    history_from_height: int


class AsOf(Answer):
    """What the answer is as of; with the request it fixes `result_sha256`."""

    generation: str
    height: int
    block_hash: str
    labels: str
    exposure_labels: Annotated[
        str, Field(description="Label version that exposure follows; an older one while a new one is worked in.")
    ]
    prices: Annotated[str, Field(description="Version of the price files; `none` without any.")]
    lists: dict[str, str]
    software: str
    rules: dict[str, str]


class Links(Answer):
    """Where to read on."""

    self: str
    subject: str
    evidence: str | None = None
    report: str | None = None
    earlier: Annotated[str | None, Field(description="The screening that this one repeats.")] = None


class Screening(Answer):
    """One decision with its reasons and its evidence, as it was recorded."""

    id: str
    status: Literal["complete", "partial"]
    decision: Verdict
    decision_reason: str
    kind: Literal["address", "withdrawal_attempt"]
    asset: str
    amount: AskedMoney | None
    direction: Literal["inbound", "outbound"] | None
    attempt_id: str | None
    customer_ref: str | None
    policy: str
    method: str
    subject: Subject
    attributions: list[Attribution]
    exposures: list[ScreenedExposure]
    behaviours: list[Behaviour]
    triggers: list[TriggerAnswer]
    coverage: Coverage
    as_of: AsOf
    result_sha256: Sha256
    links: Links
    created_at: Time
    elapsed_ms: int


class Page(Answer):
    """One page; `next_cursor` null: the last."""

    next_cursor: str | None


class ScreeningPage(Page):
    """Screenings, newest first."""

    items: list[Screening]


class NoBody(Ask):
    """A body that says nothing; it may be left out."""
