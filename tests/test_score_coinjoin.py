"""Scores of the verdict "several parties": recognised, by the right rule, kept apart, and who was taken for one."""

from tests.truths import Story, said
from worlds.score import coinjoin
from worlds.score.findings import Findings
from worlds.score.measure import Scores, base
from worlds.truth.tables import COINJOIN_KINDS, MULTI_PARTY_KINDS

BASES = {base(name) for name in coinjoin.METRICS}


def scored(story: Story, found: Findings) -> Scores:
    """The scores, each of which METRICS knows."""
    scores = coinjoin.score(story.truth(), found)
    assert {base(name) for name in scores} <= BASES
    return scores


def mixes() -> Story:
    """Four WabiSabi rounds, two JoinMarket rounds, a swap and a PayJoin."""
    story = Story()
    for n in range(4):
        story.tx(f"wabisabi {n}", "alice/1 bob/1 carol/1", [("alice/2", 90), ("bob/2", 90)], kind="wabisabi")
    for n in range(2):
        story.tx(f"joinmarket {n}", "alice/1 bob/1", [("alice/2", 90), ("bob/2", 90)], kind="joinmarket")
    story.tx("swap", "alice/1 bob/1", [("alice/2", 190)], kind="swap")
    story.tx("payjoin", "alice/1 bob/1", [("alice/2", 190)], kind="payjoin")
    return story


def test_recall_by_kind() -> None:
    """Recognised at all, by the right rule, and surely enough for trails to stop are three questions."""
    verdicts = {
        "wabisabi 0": ("wabisabi@1", 60),
        "wabisabi 1": ("wabisabi@2", 50),
        "wabisabi 2": ("coinjoin_shape@1", 40),
        "joinmarket 0": ("wasabi11@1", 60),
        "swap": ("psbt_swap@1", 55),
    }
    scores = scored(mixes(), said(coinjoin=verdicts))
    names = ("transactions", "recall", "recall_right_rule", "recall_absorbing")
    found = {
        kind: [scores[f"coinjoin.{name}[{kind}]"] for name in names] for kind in ("wabisabi", "joinmarket", "swap")
    }
    assert found == {"wabisabi": [4, 3 / 4, 2 / 4, 1 / 4], "joinmarket": [2, 1 / 2, 0, 1 / 2], "swap": [1, 1, 1, 0]}
    assert scores["coinjoin.recall[payjoin]"] == 0.0
    assert scores["coinjoin.recall_right_rule[payjoin]"] == 0.0
    assert scores["coinjoin.all_recall"] == 5 / 8
    assert scores["coinjoin.all_precision"] == 1.0
    assert scores["coinjoin.absorbing_recall"] == 2 / 6


def test_kinds_that_are_not_there_have_no_figures() -> None:
    """The names are the same in every world; a kind that it does not hold and a rule that never fired have none."""
    scores = scored(Story(), said())
    for kind in MULTI_PARTY_KINDS:
        assert scores[f"coinjoin.recall[{kind}]"] is None
        assert scores[f"coinjoin.kept_apart[{kind}]"] is None
    assert scores["coinjoin.precision[whirlpool]"] is None
    assert scores["coinjoin.all_precision"] is None
    assert {value for value in scores.values() if value is not None} == {0.0}


def test_every_coinjoin_kind_has_a_right_rule() -> None:
    """A kind of CoinJoin without a rule that is meant for it would be scored by none."""
    assert set(COINJOIN_KINDS) <= set(coinjoin.RIGHT)
    assert set(coinjoin.RIGHT) <= set(MULTI_PARTY_KINDS)


def test_a_pools_first_mix_is_whirlpools_too() -> None:
    """Nobody in it is remixed; the rule that fires all the same is right."""
    story = Story()
    story.tx("first", "alice/1 bob/1", [("alice/2", 90), ("bob/2", 90)], kind="whirlpool_first")
    scores = scored(story, said(coinjoin={"first": ("whirlpool@1", 60)}))
    assert scores["coinjoin.precision[whirlpool]"] == 1.0
    assert scores["coinjoin.recall_right_rule[whirlpool_first]"] == 1.0
    assert scores["coinjoin.absorbing_recall"] == 1.0


def test_precision_per_rule() -> None:
    """A verdict by the wrong rule is still right about there being several parties."""
    story = mixes()
    story.tx("treasury", "kraken/1 kraken/2", [("kraken/3", 90), ("kraken/4", 90)], kind="spend")
    verdicts = {
        "wabisabi 0": ("joinmarket@1", 49),
        "joinmarket 0": ("joinmarket@1", 49),
        "treasury": ("joinmarket@1", 49),
        "payjoin": ("coinjoin_shape@1", 40),
    }
    scores = scored(story, said(coinjoin=verdicts))
    assert scores["coinjoin.verdicts[joinmarket]"] == 3.0
    assert scores["coinjoin.precision[joinmarket]"] == 1 / 3
    assert scores["coinjoin.precision_multi_party[joinmarket]"] == 2 / 3
    assert scores["coinjoin.precision[coinjoin_shape]"] == 0.0
    assert scores["coinjoin.precision_multi_party[coinjoin_shape]"] == 1.0
    assert scores["coinjoin.all_precision"] == 3 / 4


def test_the_shape_alone_names_no_scheme() -> None:
    """Of any CoinJoin it is right, though it is not the rule that is meant for it."""
    scores = scored(mixes(), said(coinjoin={"wabisabi 0": ("coinjoin_shape@1", 40), "swap": ("coinjoin_shape@1", 40)}))
    assert scores["coinjoin.precision[coinjoin_shape]"] == 1 / 2
    assert scores["coinjoin.recall_right_rule[wabisabi]"] == 0.0


def test_false_positives_by_victim() -> None:
    """Who is taken for a CoinJoin: one owner's transactions of ten outputs and more, whatever their kind, and each."""
    story = Story()
    wide = [(f"customer{n}/1", 10) for n in range(10)]
    for n in range(3):
        story.tx(f"wide {n}", "kraken/1 kraken/2", wide, kind="batch")
    story.tx("split", "kraken/1", wide, kind="split")
    story.tx("several", "kraken/1 bob/9", wide, kind="batch")
    story.tx("narrow", "kraken/1", wide[:9], kind="batch")
    story.tx("payment", "alice/1", [("bob/1", 50), ("alice/2", 40, True)])
    verdicts = {
        "wide 0": ("wabisabi@1", 60),
        "wide 1": ("joinmarket@1", 49),
        "narrow": ("joinmarket@1", 49),
        "payment": ("coinjoin_shape@1", 40),
    }
    scores = scored(story, said(coinjoin=verdicts))
    assert scores["coinjoin.batches"] == 4.0
    assert scores["coinjoin.false_on_batches"] == 2 / 4
    assert scores["coinjoin.false_on_batches_absorbing"] == 1 / 4
    assert scores["coinjoin.batches[batch]"] == 3.0
    assert scores["coinjoin.false_on_batches[batch]"] == 2 / 3
    assert scores["coinjoin.false_on_batches[split]"] == 0.0
    assert scores["coinjoin.single_owner"] == 6.0
    assert scores["coinjoin.false"] == 4 / 6
    assert scores["coinjoin.false_absorbing"] == 1 / 6
    assert scores["coinjoin.false_by_kind[batch]"] == 3 / 4
    assert scores["coinjoin.false_absorbing_by_kind[batch]"] == 1 / 4
    assert scores["coinjoin.false_by_kind[pay]"] == 1.0


def test_two_wallets_of_one_holder_are_one_owner() -> None:
    """A hot wallet and a cold one that sign together are taken for a CoinJoin wrongly; two holders are not."""
    story = Story()
    story.tx("own", "kraken.hot/1 kraken.cold/1", [("alice/1", 50), ("bob/1", 50)])
    story.tx("joint", "alice/1 bob/1", [("carol/1", 50)])
    scores = scored(story, said(coinjoin={"own": ("coinjoin_shape@1", 40), "joint": ("coinjoin_shape@1", 40)}))
    assert scores["coinjoin.single_owner"] == 1.0
    assert scores["coinjoin.false_by_kind[pay]"] == 1.0
    assert scores["coinjoin.recall[pay]"] == 1.0
    assert scores["coinjoin.precision_multi_party[coinjoin_shape]"] == 1 / 2


def test_several_verdicts_on_one_transaction() -> None:
    """A transaction that two rules recognise is one transaction, as sure as the surer says."""
    story = mixes()
    rows = said(coinjoin={"wabisabi 0": ("joinmarket@1", 49)}).coinjoin.to_pylist()
    rows += said(coinjoin={"wabisabi 0": ("wabisabi@1", 60)}).coinjoin.to_pylist()
    both = Findings.of(coinjoin=said().coinjoin.from_pylist(rows, schema=said().coinjoin.schema))
    scores = scored(story, both)
    assert scores["coinjoin.recall[wabisabi]"] == 1 / 4
    assert scores["coinjoin.recall_right_rule[wabisabi]"] == 1 / 4
    assert scores["coinjoin.recall_absorbing[wabisabi]"] == 1 / 4


def test_kept_apart() -> None:
    """A PayJoin is kept apart where it was recognised, or where its parties are in different clusters."""
    story = Story()
    story.fund("a/1", "b/1", "c/1", "d/1")
    story.tx("merged", "a/1 b/1", [("a/2", 150)], kind="payjoin")
    story.tx("recognised", "a/1 b/1", [("a/2", 150)], kind="payjoin")
    story.tx("apart", "c/1 d/1", [("c/2", 150)], kind="payjoin")
    story.tx("channel", "a/1 b/1", [("a/2", 150)], kind="dual_fund")
    scores = scored(story, said(["a/1 b/1", "c/1", "d/1"], coinjoin={"recognised": ("payjoin@1", 40)}))
    assert scores["coinjoin.kept_apart[payjoin]"] == 2 / 3
    assert scores["coinjoin.kept_apart[dual_fund]"] == 0.0
    assert scores["coinjoin.kept_apart[swap]"] is None
    # A rule that has no kind of its own yet is named by its verdicts.
    assert scores["coinjoin.precision_multi_party[payjoin]"] == 1.0
