"""YAML as packs use it: PyYAML's values, plus lines, minus what packs must not have."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from store.formats import LabelError, yamldoc

HERE = Path("pack.yaml")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.dates(),
    st.text(max_size=20),
    st.sampled_from(["0x10", "1e3", "yes", "~", "=", "<<", "2022-11-16", "1:30", "0b1", "0o7", "1_000"]),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
WORDS = st.sampled_from(
    ["a", "b: ", ": ", "- ", "\n", "\n  ", "'", '"', "[", "]", "{", "}", ", ", "#", " ", "1", "0x1f", "!!int ", "!x ",
     "&a ", "*a", "|", ">", "2022-13-01", "2022-11-16", "true", "~", "<<", "?", "---\n", "%", "\t", "\x00", "é"]
)  # fmt: skip


def plain(value: Any) -> Any:
    """Compare without the classes that carry lines; repr tells 1 from True and 1.0."""
    return repr(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@given(DOCUMENTS, st.booleans())
def test_what_is_dumped_is_loaded_as_pyyaml_loads_it(value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert plain(yamldoc.load(text.encode(), HERE)) == plain(yaml.safe_load(text))


@given(st.lists(WORDS, max_size=25).map("".join))
@example("a: &x [1]\nb: *x")
@example("? [a]\n: b")
@example("a: 1\na: 2")
@example("a: *nowhere")
@example("[" * 300)
def test_any_text_is_loaded_as_pyyaml_does_or_refused_with_a_reason(text: str) -> None:
    """Never another value than PyYAML's, never another exception than LabelError."""
    try:
        mine = yamldoc.load(text.encode(), HERE)
    except LabelError:
        return
    assert plain(mine) == plain(yaml.load(text, yaml.CSafeLoader))


@given(st.binary(max_size=60))
def test_any_bytes_are_loaded_or_refused(data: bytes) -> None:
    with suppress(LabelError):
        yamldoc.load(data, HERE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"pack\.yaml: the file is empty"),
        (" \n\n", r"pack\.yaml: the file is empty"),
        ("a: 1\nb: 2\na: 3\n", r"pack\.yaml:3: the key 'a' is repeated \(first on line 1\)"),
        ("t:\n- x: 1\n  x: 2\n", r"pack\.yaml:3: the key 'x' is repeated \(first on line 2\)"),
        ("a: [1,\nb: 2", r"pack\.yaml:\d: this is not YAML"),
        ("a: 'open\n", r"pack\.yaml:\d: this is not YAML"),
        ("a: 1\n\x07", r"pack\.yaml: this is not YAML"),
        ("a: 2022-13-45\n", r"pack\.yaml:1: '2022-13-45' looks like a date but is none"),
        ("a: !!python/object:os.system x\n", r"pack\.yaml:1: the YAML tag .* is not supported"),
        ("a: !include header.yaml\n", r"pack\.yaml:1: the YAML tag !include is not supported"),
        ("a: {<<: {b: 1}}\n", r"pack\.yaml:1: merge keys \(<<\) are not supported"),
        ("a: 1\n---\nb: 2\n", r"pack\.yaml: the file holds 2 YAML documents"),
        ("a: *gone\n", r"pack\.yaml:1: \*gone refers to no anchor"),
        ("[a]: 1\n", r"pack\.yaml:1: a key must be a word"),
        ("[" * 200 + "]" * 200, r"pack\.yaml:1: nested more than 100 deep"),
    ],
)
def test_a_refusal_names_file_and_line(text: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        yamldoc.load(text.encode(), HERE)


def test_text_that_is_not_utf8_is_refused_with_its_line() -> None:
    with pytest.raises(LabelError, match=r"pack\.yaml:2: the file is not UTF-8"):
        yamldoc.load(b"a: 1\nb: \xff\n", HERE)


def test_lines_of_keys_items_and_mappings() -> None:
    found = yamldoc.load(b"title: x\ntags:\n- address: a\n  label: b\n-\n  address: c\n- plain\n", HERE)
    assert found.lines == {"title": 1, "tags": 2}
    assert [item.line for item in found["tags"][:2]] == [3, 6]
    assert found["tags"][0].lines == {"address": 3, "label": 4}
    assert found["tags"].lines[2] == 7


def test_all_repeated_keys_are_named_at_once() -> None:
    with pytest.raises(LabelError) as caught:
        yamldoc.load(b"a: 1\na: 2\nb: 1\nb: 2\n", HERE)
    assert [problem.line for problem in caught.value.problems] == [2, 4]
    assert "and 1 more" in str(caught.value)
