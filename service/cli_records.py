"""The verbs about what is on record: replays, reports, keys and the audit chain."""

from pathlib import Path
from typing import Annotated

import typer

from service.options import Data, Json

keys = typer.Typer(help="Create, list and revoke the keys of the API.", no_args_is_help=True)
audit = typer.Typer(help="Prove the records whole.", no_args_is_help=True)
ScreeningId = Annotated[str, typer.Argument(help="The id of a screening, scr_….")]


def replay(screening_id: ScreeningId, data: Data = None, as_json: Json = False) -> None:
    """Ask a recorded screening again of the data that it cites; exit code 1 unless the same comes out."""
    from service.commands import records as verb  # noqa: PLC0415

    raise typer.Exit(verb.replay(screening_id, data, as_json=as_json))


def report(
    screening_id: ScreeningId,
    form: Annotated[str, typer.Option("--format", help="json (with a manifest of hashes), csv or html.")] = "json",
    out: Annotated[Path | None, typer.Option(help="File to write (default: standard output).")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Export a recorded screening."""
    from service.commands import records as verb  # noqa: PLC0415

    verb.report(screening_id, form, out, data, as_json=as_json)


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="screen, read, labels, policy, audit, admin.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires (default: never).")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Create a key and show it, this once."""
    from service.commands import keys as verb  # noqa: PLC0415

    verb.create(name, scope or ["screen", "read"], days, data, as_json=as_json)


@keys.command("list")
def keys_list(data: Data = None, as_json: Json = False) -> None:
    """Show every key, without its secret."""
    from service.commands import keys as verb  # noqa: PLC0415

    verb.show(data, as_json=as_json)


@keys.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help="The key's id.")], data: Data = None, as_json: Json = False
) -> None:
    """Revoke a key; it stops working within a second."""
    from service.commands import keys as verb  # noqa: PLC0415

    verb.revoke(key, data, as_json=as_json)


@audit.command("verify")
def audit_verify(
    head: Annotated[str | None, typer.Option(help="Hash of a row that was noted elsewhere.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Recompute the audit chain and compare it with the records."""
    from service.commands import keys as verb  # noqa: PLC0415

    verb.verify(head, data, as_json=as_json)
