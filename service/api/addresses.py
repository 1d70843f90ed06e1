"""GET /v1/addresses/…, /v1/clusters/… and /v1/transactions/…: the investigator's reads."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from service import attribution as attribution_of
from service import by_method, reading
from service.answers import Json
from service.api import reads, trail_models, who_models
from service.api.wire import (
    DEFAULT_PAGE,
    AddressPath,
    ChainPath,
    Cursor,
    Limit,
    StrictRoute,
    When,
    ask,
    page,
    pinned_page,
    read_cursor,
)
from service.asof import Scope
from service.by_method import How
from service.desk import Desk
from service.live import Question

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["reads"])
ADDRESS = "/addresses/{chain}/{address}"
CLUSTER = "/clusters/{chain}/{id}"
ExposureScope = Annotated[
    Scope, Query(description="The owner's whole wallet, or only coins that this address received and sent.")
]
Interval = Annotated[bool, Query(description="With bounds of what was received indirectly, whatever the method.")]
MemberPath = Annotated[str, Path(alias="id", max_length=128, description="Any member's address.")]


@router.get(ADDRESS, response_model=reads.AddressAnswer, operation_id="address")
def address(request: Request, chain: ChainPath, address: AddressPath, when: When) -> Response:
    """Return an address: totals, cluster size, who is behind it."""
    return ask(request, chain, lambda question, desk: reading.address(question, desk.settings, address), when)


@router.get(
    ADDRESS + "/exposure",
    response_model=reads.ExposureAnswer | trail_models.BoundedExposureAnswer | trail_models.MethodExposureAnswer,
    operation_id="exposure",
)
def exposure(  # noqa: PLR0913 parameters of one question
    *,
    request: Request,
    chain: ChainPath,
    address: AddressPath,
    when: When,
    scope: ExposureScope = "cluster",
    method: trail_models.Method = "haircut",
    interval: Interval = False,
) -> Response:
    """Return whom the address's owner dealt with, directly and through others, by party and added up."""
    how = How(method, scope, interval)
    return ask(request, chain, lambda question, desk: by_method.exposure(question, desk.settings, address, how), when)


@router.get(ADDRESS + "/attribution", response_model=who_models.AttributionAnswer, operation_id="attribution")
def attribution(request: Request, chain: ChainPath, address: AddressPath, when: When) -> Response:
    """Return who is behind the address, with the evidence."""
    return ask(
        request, chain, lambda question, desk: attribution_of.attribution(question, desk.settings, address), when
    )


@router.get(ADDRESS + "/counterparties", response_model=reads.CounterpartyPage, operation_id="counterparties")
def counterparties(
    request: Request,
    chain: ChainPath,
    address: AddressPath,
    when: When,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response:
    """List the other ends of the cluster's flows, largest value first."""
    place = read_cursor(cursor, 4)

    def pinned(question: Question, _: Desk) -> Json:
        return pinned_page(question, place, lambda after: reading.counterparties(question, address, limit, after))

    return ask(request, chain, pinned, when)


@router.get(ADDRESS + "/transactions", response_model=reads.AddressTransactionPage, operation_id="address_transactions")
def transactions(
    request: Request,
    chain: ChainPath,
    address: AddressPath,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response:
    """List the address's transactions, newest first."""
    place = read_cursor(cursor)
    return ask(request, chain, lambda question, _: page(*reading.transactions(question, address, limit, place)))


@router.get(ADDRESS + "/cluster", response_model=reads.ClusterAnswer, operation_id="address_cluster")
def address_cluster(request: Request, chain: ChainPath, address: AddressPath, when: When) -> Response:
    """Return the cluster the address is in."""
    return ask(request, chain, lambda question, _: reading.cluster(question, address), when)


@router.get(ADDRESS + "/why", response_model=reads.WhyAnswer, operation_id="why")
def why(
    request: Request,
    chain: ChainPath,
    address: AddressPath,
    when: When,
    other: Annotated[str, Query(min_length=1, max_length=128)],
) -> Response:
    """Return why the address and another are under one control, as a chain of transactions."""
    return ask(request, chain, lambda question, _: reading.why(question, address, other), when)


@router.get(CLUSTER, response_model=reads.ClusterAnswer, operation_id="cluster")
def cluster(request: Request, chain: ChainPath, member: MemberPath, when: When) -> Response:
    """Return a cluster by any member's address."""
    return ask(request, chain, lambda question, _: reading.cluster(question, member), when)


@router.get(CLUSTER + "/addresses", response_model=reads.MemberPage, operation_id="cluster_addresses")
def cluster_addresses(
    request: Request,
    chain: ChainPath,
    member: MemberPath,
    when: When,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response:
    """List a cluster's addresses."""
    place = read_cursor(cursor, 2)

    def pinned(question: Question, _: Desk) -> Json:
        return pinned_page(question, place, lambda after: reading.members(question, member, limit, after))

    return ask(request, chain, pinned, when)


@router.get("/transactions/{chain}/{txid}", response_model=reads.TransactionAnswer, operation_id="transaction")
def transaction(
    request: Request, chain: ChainPath, txid: Annotated[str, Path(max_length=64, examples=["00" * 32])]
) -> Response:
    """Return a transaction: inputs, outputs, fee, and whether it is a CoinJoin."""
    return ask(request, chain, lambda question, _: reading.transaction(question, txid))
