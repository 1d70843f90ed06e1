"""The distribution: flat packages that are really ours, locks that name no host, modules that stay readable."""

import ast
import importlib
import re
import statistics
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("chains", "store", "heuristics", "worlds", "service")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES = 400, 60, 10


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _pins(lock: Path) -> dict[str, str]:
    """Return name to version of everything a lock installs."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


def _plain(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9_.-]", requirement)[0]).lower()


@pytest.mark.parametrize("name", PACKAGES)
def test_package_comes_from_this_checkout(name: str) -> None:
    """Each flat package is this checkout's, not an installed one of the same name."""
    package = importlib.import_module(name)

    assert package.__file__ == str(ROOT / name / "__init__.py")


def test_no_other_distribution_brings_our_names() -> None:
    """Nothing else in the environment installs a module under one of our names."""
    owners = metadata.packages_distributions()

    assert {name: owners[name] for name in PACKAGES if set(owners.get(name, [])) - {"tadoru"}} == {}


def test_every_package_has_an_init() -> None:
    """Every folder with modules is a package: without `__init__.py` an installed namesake would shadow it."""
    folders = {path.parent for path in MODULES}

    assert [_short(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_it_is_never_uploaded() -> None:
    """The classifier that indexes refuse stands in the metadata."""
    assert "Private :: Do Not Upload" in PROJECT["classifiers"]


@pytest.mark.parametrize("lock", LOCKS, ids=_short)
def test_lock_names_no_host_and_hashes_everything(lock: Path) -> None:
    """A lock says what to install, with hashes, and leaves from where to whoever installs it."""
    text = lock.read_text(encoding="utf-8")

    assert not re.search(r"://|--index-url|--find-links|--trusted-host|pythonhosted", text)
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.split("\n#\n")[-1])
    assert [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_locks_agree() -> None:
    """What two locks both install, they install in one version."""
    seen: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in _pins(lock).items():
            seen.setdefault(name, set()).add(version)

    assert {name: versions for name, versions in seen.items() if len(versions) > 1} == {}


def test_locks_are_complete() -> None:
    """Every library that the project asks for is locked: for running, for developing, for building."""
    runtime = {_plain(each) for each in PROJECT["dependencies"]}
    extras = {_plain(each) for extra in PROJECT["optional-dependencies"].values() for each in extra}
    locked = {lock.stem: {_plain(name) for name in _pins(lock)} for lock in LOCKS}

    assert runtime - locked["runtime"] == set()
    assert (runtime | extras) - locked["dev"] == set()
    assert {"hatchling", "editables"} - locked["build"] == set()


@pytest.mark.parametrize("path", MODULES, ids=_short)
def test_module_stays_readable(path: Path) -> None:
    """A module has at most 400 lines and says in its first line what it is."""
    text = path.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= MODULE_LINES
    assert ast.get_docstring(ast.parse(text))


def test_functions_stay_short() -> None:
    """No function has more than sixty lines, and half of them have at most ten."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = {
        f"{_short(path)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
    }

    assert [name for name, lines in lengths.items() if lines > FUNCTION_LINES] == []
    assert statistics.median(lengths.values()) <= MEDIAN_LINES


def test_nobody_reads_the_environment_but_the_service() -> None:
    """Lower layers take plain values: only `service` reads environment variables, or prints."""
    inner = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "service"]
    pattern = re.compile(r"os\.environ|os\.getenv|^\s*print\(", re.MULTILINE)

    assert [_short(path) for path in inner if pattern.search(path.read_text(encoding="utf-8"))] == []
