"""Options that several verbs of the command line share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option("--data", help="Data directory (TADORU_DATA, else ./data).")]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, one document per line.")]
Network = Annotated[str | None, typer.Option(help="main, test, testnet4, signet or regtest.")]
Height = Annotated[int | None, typer.Option(min=0, help="As of this height, instead of the newest.")]
Lists = Annotated[list[Path], typer.Argument(help="Lists as they are published; files or folders.")]
Dated = Annotated[str | None, typer.Option(help="Day a list was in force, YYYY-MM-DD, where it does not say so.")]
ColumnMap = Annotated[Path | None, typer.Option("--map", help="What the columns of CSV files mean (YAML).")]
LabelVersion = Annotated[str | None, typer.Option("--labels", help="As of this label version.")]
Address = Annotated[str, typer.Argument(help="A Bitcoin address.")]
