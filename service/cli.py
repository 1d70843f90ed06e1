"""The command line: every verb with its options, and the one place where errors become words and exit codes.

Nothing heavy is imported here: `tadoru --help` has to answer at once. Each verb loads what it needs from
`service.commands`.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from service import cli_records, cli_trails, cli_who
from service.exits import Exit, UsageError, exit_of
from service.options import Address, ColumnMap, Data, Dated, Height, Json, LabelVersion, Lists, Network

HELP = (
    "Who is behind an address, where its money came from and where it went, with the evidence.\n\n"
    "Every setting can be given as TADORU_<NAME>; --data as TADORU_DATA.\n\n"
    "Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in Exit) + "."
)
app = typer.Typer(
    name="tadoru",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
simulate = typer.Typer(help="Make a chain whose truth is known.", no_args_is_help=True)
backfill = typer.Typer(help="Bring a chain's blocks into the lake.", no_args_is_help=True)
labels = typer.Typer(help="Import and list what is claimed about addresses.", no_args_is_help=True)
prices = typer.Typer(help="Import and list what a coin cost on each day.", no_args_is_help=True)
index = typer.Typer(help="Build and publish what answers questions.", no_args_is_help=True)
verify = typer.Typer(help="Check what is stored against its own hashes.", no_args_is_help=True)
for _group, _name in (
    (simulate, "simulate"),
    (backfill, "backfill"),
    (labels, "labels"),
    (prices, "prices"),
    (index, "index"),
    (verify, "verify"),
    (cli_records.keys, "keys"),
    (cli_records.audit, "audit"),
):
    app.add_typer(_group, name=_name)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to build it in; an earlier demo there is replaced.")] = Path(
        "tadoru-demo"
    ),
    as_json: Json = False,
) -> None:
    """Tell a small story as a real regtest chain, index it, screen it; no node, no network."""
    from service.commands import demo as verb  # noqa: PLC0415

    raise typer.Exit(verb.run(out, as_json=as_json))


@simulate.command("bitcoin")
def simulate_bitcoin(  # noqa: PLR0913 options of one command
    *,
    out: Annotated[Path, typer.Option(help="Folder of the world; new or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Decides everything: the same seed makes the same bytes.")] = 1,
    blocks: Annotated[int, typer.Option(min=150, max=1_000_000, help="Blocks, three hours apart.")] = 600,
    people: Annotated[int, typer.Option(min=20, max=100_000, help="Private people with wallets.")] = 120,
    crowd: Annotated[
        int, typer.Option(min=0, max=10_000, help="Further transactions per block, in bulk and unsigned.")
    ] = 0,
    agents: Annotated[str, typer.Option(help="Kinds of party beside the pools, comma-separated (default: all).")] = "",
    flavour: Annotated[
        str,
        typer.Option(
            help="tune; held-out: other wallet programs, shells and ranges; contrary: nobody does what rules expect."
        ),
    ] = "tune",
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Leave out valid keys and signatures: faster.")] = False,
    as_json: Json = False,
) -> None:
    """Write a world: a Core datadir, what a user would know of it, and apart from both the truth."""
    from service.commands import simulate as verb  # noqa: PLC0415

    asked = verb.settings_of(seed, blocks, people, crowd, flavour, signed=not unsigned)
    verb.run(out, asked, agents, as_json=as_json)


@app.command()
def evaluate(  # noqa: PLR0913 options of one command
    *,
    worlds: Annotated[list[Path] | None, typer.Argument(help="Folders that `tadoru simulate` wrote.")] = None,
    suite: Annotated[
        list[str] | None, typer.Option(help="Make and score a fixed suite: tune, check, held-out, contrary, all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for accuracy.json and accuracy.md.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder to work in, kept (default: a temporary one).")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier accuracy.json: exit code 1 where its figures do not come out again.")
    ] = None,
    real: Annotated[
        Path | None, typer.Option(help="Folder of real blocks: the report then has the rules' verdicts on them too.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worlds at a time.")] = 2,
    as_json: Json = False,
) -> None:
    """Score the real pipeline, run blind, against worlds' truth; exit code 1 where a gate of a suite is not kept."""
    from service.commands import evaluate as verb  # noqa: PLC0415

    places = verb.Places(out, work, against, real)
    raise typer.Exit(verb.run(worlds or [], suite or [], places, workers, as_json=as_json))


@backfill.command("bitcoin")
def backfill_bitcoin(  # noqa: PLR0913 options of one command
    *,
    source: Annotated[
        str,
        typer.Option("--from", help="A Core data directory, a node (http://user:password@host:port), or raw blocks."),
    ],
    start: Annotated[int | None, typer.Option(min=0, help="First height (default: the source's first).")] = None,
    end: Annotated[int | None, typer.Option(min=0, help="Last height (default: the source's tip).")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that read block files.")] = 1,
    network: Network = None,
    first_height: Annotated[
        int | None, typer.Option(min=0, help="Height of the oldest block, where it does not say so itself.")
    ] = None,
    cookie: Annotated[Path | None, typer.Option(help="A node's cookie file, or the datadir that holds it.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Read blocks from a Bitcoin Core datadir, a node or raw files; resumable at any instant."""
    from service.commands import backfill as verb  # noqa: PLC0415

    place = verb.Place(source, network=network, first_height=first_height, cookie=cookie)
    verb.run(place, (start, end), workers, data, as_json=as_json)


@labels.command("add")
def labels_add(
    files: Lists,
    network: Network = None,
    dated: Dated = None,
    mapping: ColumnMap = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Import lists: all that are given, or none."""
    from service.commands import labels as verb  # noqa: PLC0415

    verb.add(files, network, (dated, mapping), data, as_json=as_json)


@labels.command("list")
def labels_list(data: Data = None, as_json: Json = False) -> None:
    """Show what is imported, with dates and hashes."""
    from service.commands import labels as verb  # noqa: PLC0415

    verb.show(data, as_json=as_json)


@labels.command("check")
def labels_check(
    files: Lists,
    network: Network = None,
    dated: Dated = None,
    mapping: ColumnMap = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Name every mistake without importing anything."""
    from service.commands import labels as verb  # noqa: PLC0415

    verb.check(files, network, (dated, mapping), data, as_json=as_json)


@prices.command("add")
def prices_add(
    files: Annotated[list[Path], typer.Argument(help="CSV files: date,asset,currency,price, one row a day.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Import daily prices: all files that are given, or none; the newest import of a day holds."""
    from service.commands import prices as verb  # noqa: PLC0415

    verb.add(files, data, as_json=as_json)


@prices.command("list")
def prices_list(data: Data = None, as_json: Json = False) -> None:
    """Show which days have a price, and which in between have none."""
    from service.commands import prices as verb  # noqa: PLC0415

    verb.show(data, as_json=as_json)


@index.command("bitcoin")
def index_bitcoin(  # noqa: PLR0913 options of one command
    *,
    prune: Annotated[bool, typer.Option("--prune", help="Then remove old generations.")] = False,
    height: Height = None,
    labels: LabelVersion = None,
    prices: Annotated[str | None, typer.Option(help="With prices of this version (with --height or --labels).")] = None,
    without: Annotated[list[str] | None, typer.Option(help="Switch this rule off (docs/rules.md names them).")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Build and publish the next generation; where only labels changed, the coin graph is used again.

    With --height or --labels, the generation of then is built beside the live one, to be asked with the same options.
    """
    from service.commands import index as verb  # noqa: PLC0415

    if height is None and labels is None and prices is None:
        verb.build(data, without or [], prune=prune, as_json=as_json)
    elif without:
        raise UsageError("--without goes with the newest generation, not with --height, --labels or --prices")
    elif prune:
        raise UsageError("--prune goes with the newest generation, not with --height, --labels or --prices")
    else:
        verb.build_earlier(data, (height, labels, prices), as_json=as_json)


@index.command("prune")
def index_prune(
    keep: Annotated[int | None, typer.Option(min=1, help="Generations to leave (TADORU_KEEP_GENERATIONS).")] = None,
    earlier: Annotated[
        bool, typer.Option("--earlier", help="Also those that were built with --height or --labels.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove old generations, but for the live one, those of earlier heights or labels, and those being read."""
    from service.commands import index as verb  # noqa: PLC0415

    verb.prune(keep, data, earlier=earlier, as_json=as_json)


@verify.command("bitcoin")
def verify_bitcoin(data: Data = None, as_json: Json = False) -> None:
    """Check every block, hash, fee and count of the lake, and the files of the live generation."""
    from service.commands import index as verb  # noqa: PLC0415

    verb.verify(data, as_json=as_json)


@app.command()
def screen(
    addresses: Annotated[list[str], typer.Argument(help="Bitcoin addresses.")],
    policy: Annotated[str | None, typer.Option(help="A shipped policy, or a YAML file.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Decide about addresses and record the decisions; exit code 1 unless all are `allow`."""
    from service.commands import ask as verb  # noqa: PLC0415

    raise typer.Exit(verb.screen(addresses, policy, data, as_json=as_json))


@app.command()
def exposure(  # noqa: PLR0913 options of one command
    *,
    address: Address,
    height: Height = None,
    labels: LabelVersion = None,
    scope: Annotated[
        str, typer.Option(help="cluster: the owner's whole wallet; address: only coins that this address had.")
    ] = "cluster",
    method: Annotated[str, typer.Option(help="haircut, which is stored; fifo or poison, traced now.")] = "haircut",
    interval: Annotated[bool, typer.Option("--interval", help="With bounds, whatever the method.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show whom an address's owner dealt with, directly and through others."""
    from service.commands import ask as verb  # noqa: PLC0415

    verb.exposure(address, (height, labels), (method, scope, interval), data, as_json=as_json)


app.command()(cli_trails.paths)
app.command()(cli_trails.trace)
app.command()(cli_trails.evidence)
app.command()(cli_who.attribution)
app.command()(cli_who.entity)
app.command()(cli_records.replay)
app.command()(cli_records.report)


@app.command()
def why(
    *,
    address: Address,
    other: Address,
    height: Height = None,
    labels: LabelVersion = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show why two addresses are under one control, as a chain of transactions."""
    from service.commands import ask as verb  # noqa: PLC0415

    raise typer.Exit(verb.why(address, other, (height, labels), data, as_json=as_json))


@app.command()
def tx(
    txid: Annotated[str, typer.Argument(help="A transaction id, 64 hexadecimal digits.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show a transaction: inputs, outputs, fee, and whether it is a CoinJoin."""
    from service.commands import ask as verb  # noqa: PLC0415

    verb.transaction(txid, data, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind (TADORU_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port (TADORU_PORT).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes (TADORU_WORKERS).")] = None,
    data: Data = None,
) -> None:
    """Answer over HTTP; generations are swapped as they are published."""
    from service.commands import serve as verb  # noqa: PLC0415

    verb.run(host, port, workers, data)


def main() -> None:
    """Run one command; every error is one line on standard error and an exit code."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        sys.exit(Exit.OK)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        sys.exit(_tell(error))


def _tell(error: BaseException) -> Exit:
    """Say what went wrong, in the form that was asked for."""
    code = exit_of(_usage(error))
    text = str(_usage(error)) or type(error).__name__
    if code is Exit.INTERNAL:
        text = f"a defect: {type(error).__name__}: {text}; please report it (TADORU_LOG_LEVEL=debug shows where)"
        if os.environ.get("TADORU_LOG_LEVEL", "").lower() == "debug":
            import traceback  # noqa: PLC0415

            traceback.print_exception(error)
    if code is Exit.INTERRUPTED:
        text = "stopped; what was committed stays"
    if "--json" in sys.argv:
        import json  # noqa: PLC0415

        sys.stderr.write(json.dumps({"error": {"exit": int(code), "kind": code.name.lower(), "detail": text}}) + "\n")
    else:
        sys.stderr.write(f"tadoru: {text}\n")
    return code


def _usage(error: BaseException) -> BaseException:
    """Turn pydantic's complaint about a setting into ours."""
    if type(error).__name__ != "ValidationError" or not hasattr(error, "errors"):
        return error
    said = [f"TADORU_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors() if one["loc"]]
    return UsageError("; ".join(said) or str(error))


if __name__ == "__main__":
    main()
