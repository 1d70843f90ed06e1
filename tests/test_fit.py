"""The tool that fits probabilities: what it prints is what the table of the rule holds, in form and in sense."""

from pathlib import Path

import numpy as np
import pytest

from heuristics.clusters.change import calibration, votes
from worlds import fit


def told(*rows: tuple[int, bool, int, str, int]) -> fit.Sample:
    """Families, whether it is change, earliest era and program, so many times."""
    families, change, since, program = (np.repeat([row[k] for row in rows], [row[4] for row in rows]) for k in range(4))
    return fit.Sample(families.astype(np.uint8), change, since.astype(np.uint8), program.astype(object))


def test_families_that_err_weigh_less() -> None:
    """A family that is wrong at times adds less than one that never is, and a row is one number per voting family."""
    found = told(
        (votes.TYPE, True, 0, "a", 90),
        (votes.TYPE, False, 0, "a", 10),
        (votes.SPENDER, True, 2, "b", 100),
        (votes.FRESHNESS, True, 0, "b", 100),
    )
    table = fit.fit(found, calibration.TAPROOT)
    assert len(table) == len(calibration.LOG_ODDS[0])
    by_family = dict(zip((1 << bit for bit in range(5)), table, strict=True))
    assert 0 < by_family[votes.TYPE] < by_family[votes.SPENDER]
    assert fit.fit(found, calibration.PRE_SEGWIT)[3] == 0


def test_a_program_is_judged_by_a_table_that_never_saw_it() -> None:
    """Of a program for which two families err together, all are called wrongly once it is left out."""
    both = votes.TYPE | votes.SPENDER
    good = [(family, True, 0, "good", 400) for family in (votes.TYPE, votes.SPENDER)]
    second = [(votes.TYPE, True, 0, "second", 9), (votes.TYPE, False, 0, "second", 1)]
    found = told(*good, *second, (both, False, 0, "odd", 7))
    assert {row[0]: row[1:] for row in fit.left_out(found)}["odd"] == (7, 7, 7)


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    """One clear error where the world was not indexed."""
    with pytest.raises(SystemExit, match="holds no index: run tadoru index"):
        fit.main([str(tmp_path)])
