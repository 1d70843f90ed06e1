"""The verbs about the transactions behind an answer: paths, traces and evidence."""

from typing import Annotated

import typer

from service.cli_records import ScreeningId
from service.options import Address, Data, Height, Json, LabelVersion


def paths(  # noqa: PLR0913 options of one command
    *,
    address: Address,
    to: Annotated[str, typer.Option(help="A category, or an entity's id.")],
    direction: Annotated[str, typer.Option(help="received or sent.")] = "received",
    limit: Annotated[int, typer.Option(min=1, max=50, help="Paths.")] = 5,
    height: Height = None,
    labels: LabelVersion = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show the paths that carry most between an address's owner and a party, with every transaction."""
    from service.commands import trails as verb  # noqa: PLC0415
    from service.trails import Asked  # noqa: PLC0415

    verb.paths(address, Asked(to, direction, limit), (height, labels), data, as_json=as_json)


def trace(  # noqa: PLR0913 options of one command
    *,
    outpoint: Annotated[str, typer.Argument(help="An output: TXID:VOUT.")],
    method: Annotated[str, typer.Option(help="haircut, fifo or poison.")] = "haircut",
    direction: Annotated[str, typer.Option(help="forward or backward.")] = "forward",
    max_tx: Annotated[int, typer.Option(min=1, max=1_000_000, help="Transactions to go through.")] = 1_000,
    max_hops: Annotated[int, typer.Option(min=0, max=65_535, help="Passages between clusters.")] = 65_535,
    min_value: Annotated[str, typer.Option(help="BTC; coins that carry less are not followed.")] = "0",
    height: Height = None,
    labels: LabelVersion = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Follow one output to where it went, or came from."""
    from service.commands import trails as verb  # noqa: PLC0415
    from service.trails import Following  # noqa: PLC0415

    how = Following(method, direction, max_tx, max_hops, min_value)
    verb.trace(outpoint, how, (height, labels), data, as_json=as_json)


def evidence(
    screening_id: ScreeningId,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show the coins, wallets and rules behind a recorded screening."""
    from service.commands import trails as verb  # noqa: PLC0415

    verb.evidence(screening_id, data, as_json=as_json)
