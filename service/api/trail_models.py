"""What paths, traces and evidence answer, as declared in OpenAPI."""

from typing import Literal

from service.api.models import Answer, AsOf, Coverage, EntityRef, Hash, Listing, Money, PathId, Share, Subject, Time
from service.api.models import Exposure as PlainExposure
from service.api.reads import ExposureAnswer

Method = Literal["haircut", "fifo", "poison"]


class Party(Answer):
    """An entity with its category, or a category alone: what nobody is named of, or what is no party."""

    entity: EntityRef | None
    category: str


class Ending(Party):
    """Where a trail ends; a party with several listings is told by listing."""

    legal_status: Listing | None


class PathStep(Answer):
    """One coin: output `vout` of `txid`, spent in `spent_in`.

    `txid` null: paid before the indexed history; `spent_in` null: the path does not go on through a spender. `haircut`
    is how much of what is sought comes this way; `fifo` how much of the wallet's own coin, where inputs fill outputs
    in order. Times are of the blocks that pay and spend it.
    """

    txid: Hash | None
    vout: int
    spent_in: Hash | None
    value: Money
    haircut: Money
    fifo: Money
    address: str | None
    paid_at: Time | None
    spent_at: Time | None


class PathAnswer(Answer):
    """A chain of coins from the wallet outward.

    `ends_at` null: longer than paths may be. `end_txid` is the path's last transaction. `share` is of all that the
    wallet received, or sent. The same coins have the same `id` in every generation.
    """

    id: PathId
    value: Money
    share: Share
    fifo: Money
    ends_at: Ending | None
    end_txid: Hash | None
    steps: list[PathStep]


class PathsAnswer(Answer):
    """The paths that carry most, largest first; `truncated`: there may be others of more value, or longer."""

    subject: Subject
    to: Party
    direction: Literal["received", "sent"]
    method: str
    paths: list[PathAnswer]
    truncated: bool
    coverage: Coverage
    as_of: AsOf


class MethodExposure(Ending):
    """What the wallet had to do with one party by another method than haircut, directly and through others."""

    direction: Literal["received", "sent"]
    value: Money
    share: Share
    min_hops: int


class MethodExposureAnswer(Answer):
    """Exposure by FIFO or poison, traced coin by coin; `at_most`: by poison, what can be reached at all."""

    subject: Subject
    method: Literal["fifo", "poison"]
    at_most: bool
    exposures: list[MethodExposure]
    coverage: Coverage
    as_of: AsOf


class Interval(Answer):
    """Shares of all that was received, the least and the most."""

    low: Share
    high: Share


class BoundedExposure(PlainExposure):
    """An exposure, and between which shares it is by whatever method, what is direct included.

    Both null: not asked, which is for what was received indirectly of somebody known. `method_dependent`: the bounds
    are too wide to say anything.
    """

    interval: Interval | None
    method_dependent: bool | None


class BoundedExposureAnswer(ExposureAnswer):
    """Exposure by haircut, with bounds."""

    exposures: list[BoundedExposure]  # type: ignore[assignment]  # nobody appends to an answer


class OutputRef(Answer):
    """One output of one transaction."""

    chain: str
    txid: Hash
    vout: int
    value: Money
    address: str | None


class TraceEnd(Ending):
    """Where coins ended; `share` null by poison, whose sums are only at most. `coins` counts outputs."""

    value: Money
    share: Share | None
    hops: int
    coins: int
    first_at: Time | None
    last_at: Time | None


class Visit(Answer):
    """A transaction that was gone through, and what came into it of what is followed."""

    txid: Hash
    time: Time
    value: Money
    hops: int


class CutOff(Answer):
    """What one limit kept from being followed."""

    limit: Literal["max_tx", "max_hops", "min_value"]
    value: Money
    share: Share | None
    coins: int


class TraceAnswer(Answer):
    """Where one output went, or came from.

    `ends` and `cut_off` add up to the output, but for rounding, and but where `at_most`: then they are what can be
    reached. `visits` has those that most came into, `visited` counts all.
    """

    subject: OutputRef
    method: Method
    direction: Literal["forward", "backward"]
    max_tx: int
    max_hops: int
    min_value: Money
    at_most: bool
    ends: list[TraceEnd]
    visits: list[Visit]
    visited: int
    cut_off: list[CutOff]
    coverage: Coverage
    as_of: AsOf


class EvidencePath(Answer):
    """A path as the evidence counts it; its coins are the edges that name it."""

    id: PathId
    value: Money
    share: Share
    fifo: Money
    ends_at: Ending | None


class EvidenceExposure(Party):
    """One party that is shown, with the best paths to it."""

    direction: Literal["received", "sent"]
    paths: list[EvidencePath]
    truncated: bool


class EvidenceNode(Answer):
    """An address, a wallet (named by one of its addresses), a transaction, a party, or a script without an address."""

    id: str
    type: Literal["address", "wallet", "script", "transaction", "entity", "category"]
    address: str | None
    txid: Hash | None
    time: Time | None
    entity: EntityRef | None
    category: str | None
    subject: bool


class EvidenceEdge(Answer):
    """`coin`: an output on its way into a wallet, or out of it; `haircut` is the most that one of its paths carries.

    `ownership`: two addresses under one control, by `rule` in `txid`; `attribution`: an address, and whose it is;
    `member`: the subject in its wallet; `end`: what a path ends at, in the direction in which money went.
    """

    type: Literal["coin", "ownership", "attribution", "member", "end"]
    from_node: str
    to_node: str
    coin: str | None
    value: Money | None
    haircut: Money | None
    share: Share | None
    rule: str | None
    txid: Hash | None
    confidence: Share | None
    paths: list[PathId]


class EvidenceAnswer(Answer):
    """The graph behind a recorded screening, from the generation that it cites.

    `chosen_by` triggers: it shows the exposures that rules matched; risk: no rule did (or the policy has another
    version now), so listed parties and risks.
    """

    id: str
    subject: Subject
    chosen_by: Literal["triggers", "risk"]
    exposures: list[EvidenceExposure]
    nodes: list[EvidenceNode]
    edges: list[EvidenceEdge]
    truncated: bool
    method: str
    as_of: AsOf
