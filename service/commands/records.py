"""`tadoru replay` and `tadoru report`: a recorded screening, asked again or exported."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Final

from service import replay as again
from service.commands.common import chosen
from service.console import Console
from service.desk import desk_for_once
from service.exits import Exit, NotFoundError, UsageError
from service.report import Format
from service.report import report as export
from store.files import write_atomically
from store.records import Records

FORMATS: Final[dict[str, Format]] = {"json": "json", "csv": "csv", "html": "html"}


def replay(screening_id: str, data: Path | None, *, as_json: bool) -> Exit:
    """Ask a recorded screening again; NO where something else comes out."""
    with desk_for_once(chosen(data)) as desk:
        told = again.replay(desk, screening_id)
    if told["same"]:
        lines = [f"{screening_id}: the same, {told['recorded_sha256']}"]
    else:
        lines = [
            f"{screening_id}: DIFFERENT in {', '.join(told['differences']) or 'its hash'}",
            f"  recorded {told['recorded_sha256']} by software {told['software']['recorded']}",
            f"  replayed {told['replayed_sha256']} by software {told['software']['replayed']}",
        ]
    Console(as_json=as_json).answer(told, [*lines, f"  from generation {told['generation']}"])
    return Exit.OK if told["same"] else Exit.NO


def report(screening_id: str, form: str, out: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Export a recorded screening to a file or to standard output."""
    if form not in FORMATS:
        raise UsageError(f"--format {form}: formats are {', '.join(FORMATS)}")
    with closing(Records(chosen(data).records)) as records:
        body = records.decision(screening_id)
    if body is None:
        raise NotFoundError(f"there is no screening {screening_id!r}")
    told = export(body, FORMATS[form])
    if out is None:
        sys.stdout.write(told.body.decode())
        sys.stdout.flush()
        return
    write_atomically(out, told.body)
    Console(as_json=as_json).answer({"written": str(out), "bytes": len(told.body)}, [f"wrote {out}"])
