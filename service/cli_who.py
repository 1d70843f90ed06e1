"""The verbs about who somebody is: attribution and entity."""

from typing import Annotated

import typer

from service.options import Address, Data, Height, Json, LabelVersion


def attribution(
    address: Address, height: Height = None, labels: LabelVersion = None, data: Data = None, as_json: Json = False
) -> None:
    """Show who is behind an address, by which rules, transactions and tags, and what speaks against it."""
    from service.commands import who as verb  # noqa: PLC0415

    verb.attribution(address, (height, labels), data, as_json=as_json)


def entity(
    entity_id: Annotated[str, typer.Argument(help="An entity's id, or one that another source gives it.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show a party: its listings, who owns or runs it, and whether it counts as listed by that."""
    from service.commands import who as verb  # noqa: PLC0415

    verb.entity(entity_id, data, as_json=as_json)
