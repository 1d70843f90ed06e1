"""GET …/paths, …/trace and …/evidence: the transactions behind what is said."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from heuristics.exposure.passes.parts import MOST_HOPS
from heuristics.exposure.trace import MAX_TX
from service import evidence as behind
from service import trails
from service.api import trail_models
from service.api.wire import AddressPath, ChainPath, StrictRoute, When, ask, desk_of, reply
from service.trails import Asked, Following

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["trails"])
TxidPath = Annotated[str, Path(max_length=64, examples=["00" * 32])]
MaxTx = Annotated[int, Query(ge=1, le=MAX_TX, description="Transactions to go through, nearest in time first.")]
MaxHops = Annotated[int, Query(ge=0, le=MOST_HOPS, description="Passages between clusters.")]
MinValue = Annotated[
    str, Query(pattern=r"^\d{1,8}(\.\d{1,8})?$", description="BTC; coins that carry less are not followed.")
]


@router.get("/addresses/{chain}/{address}/paths", response_model=trail_models.PathsAnswer, operation_id="paths")
def paths(  # noqa: PLR0913 parameters of one question
    *,
    request: Request,
    chain: ChainPath,
    address: AddressPath,
    when: When,
    to: Annotated[str, Query(min_length=1, max_length=200, description="A category, or an entity's id.")],
    direction: Literal["received", "sent"] = "received",
    limit: Annotated[int, Query(ge=1, le=trails.MOST_PATHS, description="Paths.")] = 5,
) -> Response:
    """Return the paths that carry most between the address's owner and a party, with every transaction."""
    asked = Asked(to, direction, limit)
    return ask(request, chain, lambda question, desk: trails.paths(question, desk.settings, address, asked), when)


@router.get(
    "/transactions/{chain}/{txid}/outputs/{vout}/trace", response_model=trail_models.TraceAnswer, operation_id="trace"
)
def trace(  # noqa: PLR0913 parameters of one question
    *,
    request: Request,
    chain: ChainPath,
    txid: TxidPath,
    vout: Annotated[int, Path(ge=0, lt=1 << 32)],
    when: When,
    method: trail_models.Method = "haircut",
    direction: Literal["forward", "backward"] = "forward",
    max_tx: MaxTx = 1_000,
    max_hops: MaxHops = MOST_HOPS,
    min_value: MinValue = "0",
) -> Response:
    """Follow one output to where it went (forward) or came from (backward), as far as the limits say."""
    how = Following(method, direction, max_tx, max_hops, min_value)
    return ask(request, chain, lambda question, desk: trails.trace(question, desk.settings, (txid, vout), how), when)


@router.get("/screenings/{screening_id}/evidence", response_model=trail_models.EvidenceAnswer, operation_id="evidence")
def evidence(
    request: Request, screening_id: Annotated[str, Path(max_length=64, examples=["scr_01JMZ0000000000000000000AB"])]
) -> Response:
    """Return the graph behind a recorded screening: coins, wallets, transactions, parties, and who owns the subject."""
    return reply(behind.evidence(desk_of(request), screening_id))
