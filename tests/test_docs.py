"""The documentation says what the code does: generated pages are current, and nothing is left out of them."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PROSE = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DOCS.glob("decisions/*.md")])
DECISIONS = sorted(DOCS.glob("decisions/*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Way back"]
README_LINES, ARCHITECTURE_LINES, DECISION_LINES = 120, 150, 40
# Names that are files of a data directory, of a node or of a reader, not of this repository.
ELSEWHERE = {"lake.json", "catalogue.jsonl", "rev*.dat", "blk*.dat", "xor.dat", "bench/results.json", "/openapi.json"}
FILES = [f"/{file.relative_to(ROOT)}" for top in ROOT.glob("[!.]*") for file in (top, *top.rglob("*.*"))]


def _generator() -> ModuleType:
    """Load docs/generate.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = _generator()
VERBS = list(generate.verbs())


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_page_is_current(name: str) -> None:
    """Every generated page is what `make docs` would write now."""
    assert generate.PAGES[name]() == _page(name), "run `make docs`"


@pytest.mark.parametrize(("words", "command"), VERBS, ids=[" ".join(words) for words, _ in VERBS])
def test_verb_is_documented(words: tuple[str, ...], command: Any) -> None:
    """Every verb of the command line has a section, says what it does, and explains each of its parameters."""
    assert f"## tadoru {' '.join(words)}\n" in _page("cli.md")
    assert command.help
    silent = [p.name for p in command.params if not p.hidden and not p.help]
    assert silent == []


def test_exit_codes_are_documented() -> None:
    """Every exit code stands on the command line's page with its meaning."""
    for code in generate.Exit:
        assert f"| {code.value} | `{code.name}` | {code.meaning} |" in _page("cli.md")


@pytest.mark.parametrize("name", generate.Settings.model_fields)
def test_setting_is_documented(name: str) -> None:
    """Every setting has a description and stands on the settings page as its variable."""
    assert generate.Settings.model_fields[name].description
    assert f"| `TADORU_{name.upper()}` |" in _page("settings.md")


def test_every_route_is_documented() -> None:
    """Every route has a section and a sentence of its own, not one made from its name."""
    for path, methods in generate.openapi()["paths"].items():
        for method, call in methods.items():
            assert f"### {method.upper()} {path}\n" in _page("api.md")
            assert call.get("description"), f"{method} {path} says nothing of itself"


@pytest.mark.parametrize("rule", generate.RULES, ids=lambda rule: rule.label)
def test_rule_is_documented(rule: Any) -> None:
    """Every rule stands on the rules page with its source and its failure modes."""
    row = next(line for line in _page("rules.md").splitlines() if f"`{rule.label}`" in line)
    assert generate.cell(rule.source) in row
    assert generate.cell(rule.failure_modes) in row


@pytest.mark.parametrize("table", generate.TABLES, ids=lambda table: table.name)
def test_lake_column_is_documented(table: Any) -> None:
    """Every lake column has a meaning and stands on the schema page."""
    section = _page("schema.md").split(f"### lake.{table.name}\n")[1].split("\n### ")[0]
    for column in table.columns:
        assert column.meaning
        assert f"| `{column.name}` |" in section


def test_index_column_is_documented() -> None:
    """Every column of schema.sql has a comment, and every table says how its rows combine."""
    tables = generate.index_tables()
    ddl = (ROOT / "store" / "schema.sql").read_text(encoding="utf-8")
    assert [table.name for table in tables] == re.findall(r"^CREATE TABLE (\w+)", ddl, re.MULTILINE)
    for table in tables:
        assert re.match(r"fixed|additive|superseding", table.meaning), table.name
        assert all(meaning for *_, meaning in table.columns), table.name


def test_readme_is_short_and_its_tree_is_there() -> None:
    """The README has at most 120 lines, and every path of its tree exists."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES
    tree = text.split("## The tree")[1].split("```")[1]
    folder, missing = ROOT, []
    for line in filter(None, tree.splitlines()):
        names = re.split(r"\s{2,}", line.strip(), maxsplit=1)[0].split()
        folder = folder if line.startswith(" ") else ROOT
        missing += [name for name in names if not (folder / name).exists()]
        folder = folder if line.startswith(" ") else ROOT / names[0]
    assert missing == []


def test_pages_keep_their_length() -> None:
    """The architecture fits in 150 lines, a decision in 40."""
    assert len(_page("architecture.md").splitlines()) <= ARCHITECTURE_LINES
    assert [_short(path) for path in DECISIONS if len(path.read_text().splitlines()) > DECISION_LINES] == []


def test_decisions_have_one_form() -> None:
    """Decisions are numbered without a gap, and each has context, decision, consequences and a way back."""
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for path in DECISIONS:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} · ")
        if "Dependencies" not in text.splitlines()[0]:
            assert re.findall(r"^## (.*)", text, re.MULTILINE) == HEADINGS, path.name


@pytest.mark.parametrize("path", PROSE, ids=_short)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link inside the repository leads to a file that is there."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PROSE, ids=_short)
def test_files_that_are_named_exist(path: Path) -> None:
    """Every source file that prose names in code type exists, by that path or as the end of one."""
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./*-]+\.(?:py|sql|ya?ml|jsonl?|csv|dat))`", text)) - ELSEWHERE

    assert [name for name in sorted(named - ELSEWHERE) if not any(file.endswith(f"/{name}") for file in FILES)] == []
