"""Options that several verbs of the command line share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option("--data", help="Data directory (TADORU_DATA, else ./data).")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one document per line.")]
Network = Annotated[str | None, typer.Option(help="main, test, testnet4, signet or regtest.")]
Height = Annotated[int | None, typer.Option(min=0, help="As of this height, instead of the newest.")]
LabelVersion = Annotated[str | None, typer.Option("--labels", help="As of this label version.")]
Address = Annotated[str, typer.Argument(help="A Bitcoin address.")]
