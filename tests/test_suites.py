"""The fixed suites: no world is in two, held-out is not what heuristics are tuned on, gates are about real scores."""

from itertools import combinations

import pytest

from tests.lived import world
from worlds.programs import HELD_OUT, PROGRAMS, SERVERS
from worlds.score.families import FAMILIES
from worlds.score.measure import base
from worlds.score.report import LABELS
from worlds.score.suites import SUITES, Gate, Suite
from worlds.settings import Flavour, drawn
from worlds.truth.tables import SHELL_TYPES

METRICS = {base(name): row for family in FAMILIES for name, row in family.METRICS.items()}


def test_the_suites_are_those_that_the_documentation_names() -> None:
    """Each by its own name, in the order in which `all` runs them."""
    assert list(SUITES) == ["tune", "check", "held-out", "contrary"]
    assert [suite.name for suite in SUITES.values()] == list(SUITES)


@pytest.mark.parametrize(("one", "other"), list(combinations(SUITES.values(), 2)), ids=lambda suite: suite.name)
def test_no_world_is_in_two_suites(one: Suite, other: Suite) -> None:
    """What is looked at while a rule is built is never what the rule is judged on."""
    assert not set(one.seeds) & set(other.seeds)


@pytest.mark.parametrize("suite", list(SUITES.values()), ids=lambda suite: suite.name)
def test_a_suite_is_large_enough_and_its_worlds_differ(suite: Suite) -> None:
    """At least 20 seeds, each with settings that its seed drew."""
    assert len(suite.seeds) >= 20
    settings = [suite.settings(seed) for seed in suite.seeds]
    assert [one.seed for one in settings] == list(suite.seeds)
    for drawn_one in ("activity", "designation", "reuse", "round_share", "labelled", "mislabelled"):
        assert len({getattr(one, drawn_one) for one in settings}) == len(settings)
    assert {one.flavour for one in settings} == {suite.flavour}
    assert settings[0] == drawn(settings[0])


def test_held_out_has_none_of_the_programs_that_are_tuned_on() -> None:
    """Neither by name nor by what they do; nor do businesses have one of them."""
    assert not PROGRAMS.keys() & HELD_OUT.keys()
    behaviour = [{repr(one.habits).replace(name, "") for name, one in table.items()} for table in (PROGRAMS, HELD_OUT)]
    assert not behaviour[0] & behaviour[1]
    assert not (PROGRAMS | HELD_OUT).keys() & SERVERS.keys()
    for suite in SUITES.values():
        allowed = PROGRAMS if suite.flavour is Flavour.TUNE else HELD_OUT
        for seed in suite.seeds:
            assert set(suite.settings(seed).programs) == set(allowed)


@pytest.mark.parametrize("flavour", [Flavour.HELD_OUT, Flavour.CONTRARY])
def test_worlds_that_are_held_out_are_lived_with_other_programs(flavour: Flavour) -> None:
    """No wallet that anybody opened in one runs a program of the worlds that are tuned on, and the other way round."""
    lived, tuned = (
        {w.habits.program for w in world(one).town.world.wallets.values()} for one in (flavour, Flavour.TUNE)
    )
    assert not lived & PROGRAMS.keys()
    assert lived & HELD_OUT.keys()
    assert not tuned & HELD_OUT.keys()


def test_held_out_has_shells_of_types_that_are_never_tuned_on() -> None:
    """Slow, split and nested ones are seen at the end only."""
    tuned, held_out = (set(world(one).shells.values()) for one in (Flavour.TUNE, Flavour.HELD_OUT))
    assert held_out - tuned == {"slow", "split", "nested"}
    assert tuned | held_out == set(SHELL_TYPES)


GATES = [(suite, gate) for suite in SUITES.values() for gate in suite.gates]


def test_a_gate_is_about_a_score_that_exists() -> None:
    """Its name has a meaning, its labels are known, and it has one bound, on the side that is worse."""
    for suite, gate in GATES:
        told = f"{suite.name}: {gate}"
        assert base(gate.score) in METRICS, told
        assert gate.labels in LABELS, told
        assert (gate.at_least is None) != (gate.at_most is None), told
        assert METRICS[base(gate.score)][2] in {"", "higher" if gate.at_least is not None else "lower"}, told
    assert len({(suite.name, gate.score, gate.labels) for suite, gate in GATES}) == len(GATES)


def test_no_gate_stands_on_a_suite_that_only_reports() -> None:
    """No bound is ever chosen on what is held out."""
    assert {suite.name for suite, _ in GATES} <= {"tune", "check"}


@pytest.mark.parametrize(
    ("gate", "mean", "passes"),
    [
        (Gate("x", "disclosed", at_least=0.5), 0.5, True),
        (Gate("x", "disclosed", at_least=0.5), 0.4999, False),
        (Gate("x", "disclosed", at_most=0.0), 0.0, True),
        (Gate("x", "disclosed", at_most=0.0), 0.0001, False),
        (Gate("x", "disclosed", at_least=0.0), None, False),
        (Gate("x", "disclosed", at_most=1.0), None, False),
        (Gate("x", "disclosed", at_least=0.0), float("nan"), False),
    ],
)
def test_a_gate_holds_up_to_its_bound_and_not_for_want_of_a_figure(
    gate: Gate, mean: float | None, passes: bool
) -> None:
    """A score that is gone is no score that is kept."""
    assert gate.passes(mean) is passes
