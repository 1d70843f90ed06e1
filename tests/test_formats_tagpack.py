"""GraphSense tag packs: claims with their confidence, category and source; mistakes with their lines."""

from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bitcoin.address import script_of
from store.formats import LabelError, Published, gather, read
from store.formats.taxonomy import CATEGORIES, CONCEPTS, CONFIDENCE, RANK

GRAPHSENSE = Path(__file__).resolve().parents[2] / "shared/data/labels/graphsense"
A = "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"
B = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
HEADER = """title: Reserves
creator: Someone
label: wallet
source: https://example.org
currency: BTC
confidence: service_data
category: exchange
lastmod: 2022-11-16
is_cluster_definer: true
actor: bigex
"""


def reading(tmp_path: Path, text: str, network: str = "main") -> Published:
    path = tmp_path / "pack.yaml"
    path.write_text(text, encoding="utf-8")
    [given_list], problems, _ = gather([path])
    assert not problems
    return read(given_list, network)


def rows(published: Published) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = published.tags.to_pylist()
    return found


def problems_of(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(LabelError) as caught:
        reading(tmp_path, text)
    assert "nothing was imported" in str(caught.value)
    return [str(problem).replace(str(tmp_path) + "/", "") for problem in caught.value.problems]


def test_fields_are_inherited_from_the_header(tmp_path: Path) -> None:
    """Every column of a claim, from header and file."""
    published = reading(tmp_path, HEADER + f"tags:\n- address: {A}\n")
    [row] = rows(published)
    assert row == {
        "chain": "bitcoin",
        "network": "main",
        "address": A,
        "script": script_of(A, "main"),
        "entity_id": "bigex",
        "label": "wallet",
        "category": "exchange",
        "confidence": 50,
        "cluster_definer": True,
        "list_id": None,
        "listed_from": None,
        "listed_to": None,
        "source_name": "Reserves",
        "source_sha256": sha256((tmp_path / "pack.yaml").read_bytes()).hexdigest(),
        "source_date": date(2022, 11, 16),
        "source_uri": "https://example.org",
        "valid_from": None,
        "valid_to": None,
        "retracted": None,
    }
    assert published.dated == date(2022, 11, 16)


def test_a_tag_overrides_its_header(tmp_path: Path) -> None:
    text = HEADER + (
        f"tags:\n- address: {A}\n  label: cold\n  confidence: ownership\n  is_cluster_definer: false\n"
        f"  lastmod: '2023-01-02'\n  source: here\n  actor: other\n- address: {B.upper()}\n"
    )
    first, second = rows(reading(tmp_path, text))
    assert (first["label"], first["confidence"], first["cluster_definer"]) == ("cold", 100, False)
    assert (first["source_date"], first["source_uri"], first["entity_id"]) == (date(2023, 1, 2), "here", "other")
    assert (second["label"], second["address"]) == ("wallet", B)


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("category: user\nabuse: sanction\n", "sanctioned_entity"),
        ("category: user\n", "person"),
        ("concepts: [exchange, hot_wallet]\n", "exchange"),
        ("category: organization\nconcepts: [mixing_service]\n", "mixer"),
        ("category: 'exchange '\n", "exchange"),
        ("category: shell\n", "shell"),
        ("abuse: ransomware\n", "ransomware"),
        ("", "other"),
    ],
)
def test_concepts_become_one_category_of_ours(tmp_path: Path, words: str, category: str) -> None:
    header = "title: T\ncreator: C\nlabel: L\nsource: S\ncurrency: BTC\n" + words
    [row] = rows(reading(tmp_path, header + f"tags:\n- address: {A}\n"))
    assert row["category"] == category


def test_the_taxonomy_is_closed() -> None:
    """Every concept has a category that exists, every category a meaning and a rank of its own."""
    assert set(CONCEPTS.values()) <= set(CATEGORIES)
    assert all(meaning for meaning in CATEGORIES.values())
    assert sorted(RANK.values()) == list(range(len(CATEGORIES)))


@pytest.mark.skipif(not GRAPHSENSE.is_dir(), reason=f"no GraphSense packs at {GRAPHSENSE}")
def test_the_published_taxonomy_is_covered() -> None:
    """Each concept and each confidence of the published taxonomy is known, with its level."""
    concepts = [
        node["id"] for node in yaml.safe_load_all((GRAPHSENSE / "taxonomy/concepts.yaml").read_text()) if "id" in node
    ]
    concepts = [c for c in concepts if not c.startswith("/")]
    ladder = (GRAPHSENSE / "taxonomy/confidence.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0]: int(line.rsplit(",", 1)[1]) for line in ladder} == CONFIDENCE
    assert set(concepts) <= set(CONCEPTS)


def test_missing_confidence_is_unknown_and_said_once(tmp_path: Path) -> None:
    text = HEADER.replace("confidence: service_data\n", "") + f"tags:\n- address: {A}\n- address: {B}\n"
    published = reading(tmp_path, text)
    assert [row["confidence"] for row in rows(published)] == [5, 5]
    [note] = published.notes
    assert "2 tags give no confidence" in note.message


def test_each_claim_about_an_address_is_kept_and_only_a_repetition_is_not(tmp_path: Path) -> None:
    text = HEADER + f"tags:\n- address: {A}\n- address: {A}\n  label: other words\n- address: {A}\n"
    published = reading(tmp_path, text)
    assert [row["label"] for row in rows(published)] == ["wallet", "other words"]
    [left] = published.skipped
    assert (left.line, left.message) == (15, f"{A}: repeats the tag of line 12")


def test_a_mention_never_names_a_cluster(tmp_path: Path) -> None:
    text = HEADER + f"tags:\n- address: {A}\n  tag_type: mention\n- address: {A}\n  tag_type: actor\n"
    assert [row["cluster_definer"] for row in rows(reading(tmp_path, text))] == [False, True]


def test_the_form_of_the_address_decides_the_chain(tmp_path: Path) -> None:
    """A token's ticker says nothing, and a ticker of another chain is a mistake of the pack that we mend."""
    tron, ether = "TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq", "0x77134cbc06cb00b66f4c7e623d5fdbf6777635ec"
    places = [(tron, "BTC"), (tron, "USDT"), (ether.upper().replace("X", "x"), "BEP20"), (A, "USDT"), (A, "BCH"),
              ("addr-of-iota", "MIOTA"), (B, "ETH")]  # fmt: skip
    text = HEADER + "tags:\n" + "".join(f"- address: '{a} '\n  currency: {c}\n" for a, c in places)
    published = reading(tmp_path, text)
    assert [(row["chain"], row["script"] is not None) for row in rows(published)] == [
        ("tron", False), ("ethereum", False), ("bitcoin", True), ("bitcoin_cash", False), ("miota", False),
        ("bitcoin", True),
    ]  # fmt: skip
    assert {row["address"] for row in rows(published)} == {tron, ether, A, B, "addr-of-iota"}
    assert [note.line for note in published.notes] == [12, 24]
    assert [left.line for left in published.skipped] == [14]  # the same claim again, once its chain is known


def test_tags_of_transactions_are_left_out_and_said(tmp_path: Path) -> None:
    published = reading(tmp_path, HEADER + f"tags:\n- tx_hash: {'ab' * 32}\n- address: {A}\n")
    assert len(rows(published)) == 1
    assert "tags of transactions" in published.skipped[0].message


def test_regtest_addresses_on_regtest(tmp_path: Path) -> None:
    text = HEADER + "tags:\n- address: bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9\n"
    assert rows(reading(tmp_path, text, "regtest"))[0]["network"] == "regtest"
    assert "belongs to Bitcoin regtest" in problems_of(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("header", "tags", "expected"),
    [
        ({}, f"- address: {A}\n  lable: x\n", "pack.yaml:13: unknown field 'lable' in the tag; did you mean 'label'"),
        ({"owner": "x\nauthor: y"}, f"- address: {A}\n", "pack.yaml:12: unknown field 'author' in the header"),
        ({}, f"- address: {A}\n  category: exchanges\n", "'exchanges' is no known concept or category for category; "),
        ({}, f"- address: {A}\n  concepts: [exchnge]\n", "did you mean 'exchange'"),
        ({}, f"- address: {A}\n  concepts: exchange\n", "concepts must be a list"),
        ({}, f"- address: {A}\n  confidence: sure\n", "pack.yaml:13: 'sure' is no known confidence"),
        ({}, f"- address: {A}\n  lastmod: 16.11.2022\n", "pack.yaml:13: lastmod must be a date like 2022-11-16"),
        ({}, f"- address: {A}\n  lastmod: 2022-02-30\n", "'2022-02-30' looks like a date but is none"),
        ({}, f"- address: {A}\n  label: 12\n", "label must be text, but YAML reads 12 as int; put it in quotes"),
        ({}, f"- address: {A}\n  label: ''\n", "label is empty"),
        ({}, f"- address: {A}\n  label:\n", "label is empty"),
        ({}, f'- address: {A}\n  label: "a\\0b"\n', "holds a NUL character"),
        ({}, f"- address: {A}\n  is_cluster_definer: 1\n", "is_cluster_definer must be true or false"),
        ({}, f"- address: {A}\n  tag_type: guess\n", "'guess' is no known tag_type"),
        ({}, f"- address: {A}\n  context: '{{'\n", "context must be JSON"),
        ({}, f"- address: {A[:-1]}p\n", f"pack.yaml:12: '{A[:-1]}p' is no address of Bitcoin main: its checksum"),
        ({}, "- address: 0x77134cbc06cb00b66f4c7e623d5fdbf6777635ec\n", "put it in quotes"),
        ({}, "- address: '0x77134c'\n  currency: ETH\n", "is no address of ethereum"),
        ({}, f"- address: {A}\n  address: {B}\n", "pack.yaml:13: the key 'address' is repeated (first on line 12)"),
        ({}, "- label: x\n", "pack.yaml:12: a tag must have either an address or a tx_hash"),
        ({}, f"- address: {A}\n  tx_hash: x\n", "a tag must have either an address or a tx_hash"),
        ({}, "- word\n", "pack.yaml:12: an entry of tags must have fields"),
        ({}, "  []\n", "pack.yaml:11: tags must be a list with at least one entry"),
        ({"label": None}, f"- address: {A}\n", "pack.yaml:11: the tag lacks label, and so does the header"),
        ({"currency": None}, f"- address: {A}\n", "the tag lacks currency"),
        ({"title": None}, f"- address: {A}\n", "pack.yaml:1: the header lacks title"),
        ({"confidence": "certain"}, f"- address: {A}\n", "pack.yaml:6: 'certain' is no known confidence"),
        ({"lastmod": "yesterday"}, f"- address: {A}\n", "pack.yaml:8: lastmod must be a date"),
    ],
)
def test_a_mistake_gives_one_error_with_its_line(
    tmp_path: Path, header: dict[str, str | None], tags: str, expected: str
) -> None:
    fields = dict(line.split(": ", 1) for line in HEADER.splitlines()) | header
    text = "".join(f"{k}: {v}\n" for k, v in fields.items() if v is not None) + "tags:\n" + tags
    [problem] = problems_of(tmp_path, text)
    assert expected in problem
    assert problem.startswith("pack.yaml:")


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    text = HEADER + f"tags:\n- address: {A}x\n- address: {A}\n  kind: x\n- address: {B}\n  confidence: no\n"
    assert [problem.split(":")[1] for problem in problems_of(tmp_path, text)] == ["12", "14", "16"]


@pytest.mark.parametrize(("text", "expected"), [("just words\n", "this is no tag pack"), ("- a\n", "no tag pack")])
def test_yaml_of_another_kind_is_no_tag_pack(tmp_path: Path, text: str, expected: str) -> None:
    [problem] = problems_of(tmp_path, text)
    assert expected in problem


ODD = st.sampled_from(
    [A, B, "x", "", "sure", "exchange", "BTC", "ETH", "2022-11-16", "true", "[a, b]", "{a: b}", "1", "~"]
)
FIELDS = st.dictionaries(
    st.sampled_from(["address", "label", "source", "currency", "confidence", "category", "concepts", "lastmod",
                     "is_cluster_definer", "actor", "tag_type", "context", "tx_hash", "network", "odd"]),
    ODD,
    max_size=6,
)  # fmt: skip


@settings(max_examples=200)
@given(FIELDS, st.lists(FIELDS, max_size=3))
def test_any_fields_give_claims_or_a_label_error(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, str], tags: list[dict[str, str]]
) -> None:
    """Whatever stands in a pack: valid claims, or mistakes with lines, never another exception."""
    lines = ["title: T", "creator: C", *(f"{k}: {v}" for k, v in header.items() if k != "title"), "tags:"]
    for tag in tags:
        lines += ["-", *(f"  {k}: {v}" for k, v in tag.items())]
    try:
        published = reading(tmp_path_factory.getbasetemp(), "\n".join(lines))
    except LabelError:
        return
    for row in rows(published):
        assert row["category"] in CATEGORIES
        assert row["label"]
        assert row["chain"] != "bitcoin" or row["script"] == script_of(row["address"], "main")


@pytest.mark.skipif(not GRAPHSENSE.is_dir(), reason=f"no GraphSense packs at {GRAPHSENSE}")
def test_every_published_pack_is_read_whole() -> None:
    """Claims plus what is left out make the tags of the file, read independently."""
    found, problems, _ = gather([GRAPHSENSE / "packs"])
    assert not problems
    for given_list in found:
        published = read(given_list, "main")
        expected = yaml.load(given_list.path.read_bytes(), yaml.CSafeLoader)
        assert published.tags.num_rows + len(published.skipped) == len(expected["tags"])
        assert published.title == expected["title"]
