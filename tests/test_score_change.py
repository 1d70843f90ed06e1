"""Change scores: found, missed and wrongly called, against what was meant and against what co-spending shows."""

from collections import defaultdict
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx.utils import UnionFind

from tests.truths import Story, said, txid
from worlds.score import change
from worlds.score.findings import Findings
from worlds.score.measure import Scores, base

BASES = {base(name) for name in change.METRICS}


def scored(story: Story, found: Findings) -> Scores:
    """The scores, each of which METRICS knows."""
    scores = change.score(story.truth(), found)
    assert {base(name) for name in scores} <= BASES
    return scores


def figures(scores: Scores, name: str, label: str = "intent", part: str = "") -> list[float | None]:
    """One figure at both confidences."""
    return [scores[f"change.{name}[{label},{at}{part}]"] for at in change.THRESHOLDS]


def payments() -> Story:
    """Three payments with change by two programs, a batch with change and one payment of two without change."""
    story = Story()
    story.wallet("alice", program="core")
    story.wallet("bob", program="electrum")
    story.tx("a1", "alice/1", [("bob/1", 60), ("alice/2", 30, True)])
    story.tx("a2", "alice/2", [("alice/3", 10, True), ("bob/2", 10)])
    story.tx("b1", "bob/1", [("carol/1", 20), ("bob/3", 10, True)])
    story.tx("b2", "bob/2 bob/3", [("carol/2", 1), ("dave/1", 2), ("bob/4", 3, True), ("", 0)], kind="batch")
    story.tx("a3", "alice/3", [("carol/3", 4), ("dave/2", 4)])
    return story


def test_rates_by_hand() -> None:
    """Found, wrongly called, right among the called, and covered: overall, at two confidences."""
    scores = scored(payments(), said(change={("a1", 1): 99, ("a2", 1): 60, ("b2", 2): 50, ("a3", 0): 40}))
    assert scores["change.transactions[intent]"] == 5.0
    # Four change outputs, seven payments, one of which is called change at 60.
    assert figures(scores, "tpr") == [2 / 4, 1 / 4]
    assert figures(scores, "fpr") == [1 / 7, 0.0]
    assert figures(scores, "precision") == [2 / 3, 1.0]
    assert figures(scores, "coverage") == [3 / 5, 1 / 5]
    assert figures(scores, "false_without_change") == [0.0, 0.0]


def test_rates_by_program_and_kind() -> None:
    """Each wallet program and each kind of transaction is scored apart; a part without statements has no precision."""
    scores = scored(payments(), said(change={("a1", 1): 99, ("a2", 1): 60, ("b2", 2): 50}))
    assert figures(scores, "tpr", part=",program=core") == [1 / 2, 1 / 2]
    assert figures(scores, "tpr", part=",program=electrum") == [1 / 2, 0.0]
    assert figures(scores, "precision", part=",program=electrum") == [1.0, None]
    assert figures(scores, "fpr", part=",kind=batch") == [0.0, 0.0]
    assert figures(scores, "tpr", part=",kind=batch") == [1.0, 0.0]
    assert scores["change.transactions[intent,kind=batch]"] == 1.0


def test_a_payment_called_change_where_there_is_none() -> None:
    """Transactions without change count for what is wrongly said of them."""
    scores = scored(payments(), said(change={("a3", 1): 99}))
    assert figures(scores, "false_without_change") == [1.0, 1.0]
    assert figures(scores, "fpr") == [1 / 7, 1 / 7]
    assert figures(scores, "tpr") == [0.0, 0.0]
    assert figures(scores, "tpr", part=",program=core") == [0.0, 0.0]


def test_own_money_is_neither_change_nor_payment() -> None:
    """What goes to another wallet of the same holder is no wrong answer, and no missed one."""
    story = Story()
    story.tx("top up", "kraken.hot/1", [("kraken.cold/1", 50), ("alice/1", 20), ("kraken.hot/2", 20, True)])
    scores = scored(story, said(change={("top up", 0): 99, ("top up", 2): 99}))
    assert figures(scores, "precision") == [1.0, 1.0]
    assert figures(scores, "fpr") == [0.0, 0.0]
    assert figures(scores, "tpr") == [1.0, 1.0]


def test_scope() -> None:
    """Coinbases, transactions of several signers and those with one spendable output are not scored."""
    story = Story()
    story.fund("pool/1", "pool/2")
    story.tx("joint", "alice/1 bob/1", [("alice/2", 10, True), ("bob/2", 10, True)], kind="coinjoin")
    story.tx("note", "alice/2", [("bob/3", 10), ("", 0)])
    scores = scored(story, said(change={("joint", 0): 99, ("note", 0): 99}))
    assert scores["change.transactions[intent]"] == 0.0
    assert {value for value in scores.values() if value is not None} == {0.0}


def test_no_rule_no_figures() -> None:
    """Where nothing at all is called change, only the number of transactions is known."""
    scores = scored(payments(), said())
    told = {name for name, value in scores.items() if value is not None}
    assert {base(name) for name in told} == {"change.transactions"}
    assert scores["change.tpr[intent,50]"] is None


def test_the_two_labels_differ() -> None:
    """Change that never co-spends again has no co-spend label; own money that does is change to it."""
    story = Story()
    # Linked later: alice/2 is spent together with alice/1.
    story.tx("seen", "alice/1", [("bob/1", 60), ("alice/2", 30, True)])
    story.tx("link", "alice/1 alice/2", [("bob/9", 60)])
    # Never linked: meant, but nobody can know it.
    story.tx("unseen", "alice/1", [("bob/2", 60), ("alice/3", 30, True)])
    # Two outputs linked, or change to an address that is spent from: no label.
    story.tx("both", "alice/1", [("alice/2", 60), ("alice/4", 30, True)])
    story.tx("link too", "alice/1 alice/4", [("bob/9", 60)])
    story.tx("reused", "alice/2", [("bob/3", 60), ("alice/2", 30, True)])
    found = said(change={("seen", 0): 99, ("seen", 1): 50, ("unseen", 1): 99})
    scores = scored(story, found)
    assert scores["change.transactions[intent]"] == 4.0
    assert scores["change.transactions[cospend]"] == 1.0
    assert figures(scores, "tpr") == [2 / 4, 1 / 4]
    assert figures(scores, "tpr", "cospend") == [1.0, 0.0]
    assert figures(scores, "fpr", "cospend") == [1.0, 1.0]
    assert figures(scores, "precision", "cospend") == [1 / 2, 0.0]


def test_transactions_of_several_signers_do_not_make_the_label() -> None:
    """A PayJoin's inputs do not link the payee's address to the payer."""
    story = Story()
    story.tx("paid", "alice/1", [("bob/1", 60), ("alice/2", 30, True)])
    story.tx("payjoin", "alice/1 bob/1", [("bob/2", 60)], kind="payjoin")
    scores = scored(story, said(change={("paid", 1): 99}))
    assert scores["change.transactions[cospend]"] == 0.0
    assert scores["change.transactions[intent]"] == 1.0


def test_ranking() -> None:
    """Confidences are ranked: average precision, and what is found before a share of payments is called change."""
    scores = scored(payments(), said(change={("a1", 1): 99, ("a2", 0): 90, ("a2", 1): 80, ("b1", 1): 70}))
    # Recall 1/4, 2/4, 3/4 at precision 1, 1, 3/4; the fourth stands among all that nothing is said of: 4/11.
    assert scores["change.average_precision[intent]"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 11) / 4)
    assert scores["change.tpr_at_fpr[intent,0.01]"] == 2 / 4
    assert scores["change.tpr_at_fpr[intent,0.001]"] == 2 / 4


def components(story: Story, inputs: dict[bytes, list[bytes]]) -> "UnionFind[bytes]":
    """What single signers spent together."""
    linked: UnionFind[bytes] = UnionFind()
    for tx in story.rows["tx"]:
        if len(tx["wallets"]) == 1:
            linked.union(*inputs[tx["txid"]])
    return linked


def slow(story: Story) -> list[tuple[str, tuple[bytes, int], bool]]:
    """Label, output, whether it is change: by the definition, transaction by transaction."""
    inputs, outputs = defaultdict(list), defaultdict(list)
    for row in story.rows["input"]:
        inputs[row["txid"]].append(row["script"])
    for row in story.rows["output"]:
        outputs[row["txid"]].append(row)
    linked, found = components(story, inputs), []
    for tx in story.rows["tx"]:
        payer, spent = tx["wallets"][0].partition(".")[0], inputs[tx["txid"]]
        spendable = {(row["txid"], row["vout"]): row for row in outputs[tx["txid"]] if row["wallet"]}
        if len(tx["wallets"]) != 1 or len(spendable) < 2:
            continue
        others = {key for key, row in spendable.items() if row["wallet"].partition(".")[0] != payer}
        found += [
            ("intent", key, row["is_change"]) for key, row in spendable.items() if row["is_change"] or key in others
        ]
        mine = [key for key, row in spendable.items() if linked[row["script"]] == linked[spent[0]]]
        if len(mine) == 1 and spendable[mine[0]]["script"] not in spent:
            found += [("cospend", key, key in mine) for key in spendable]
    return found


def tale(chance: Random) -> tuple[Story, dict[tuple[str, int], int]]:
    """Random payments among few addresses, and what is said of their change."""
    wallets = ["alice", "bob", "carol.hot", "carol.cold"]
    story, called = Story(), {("tx 0", 0): 99}
    for n in range(40):
        signer = chance.choice(wallets)
        spent = {f"{signer}/{chance.randrange(9)}" for _ in range(chance.choice([1, 1, 2, 4]))}
        spent |= {f"{chance.choice(wallets)}/1"} if chance.random() < 0.2 else set()
        paid: list[tuple[str, int, bool]] = []
        for vout in range(chance.randint(1, 4)):
            wallet = chance.choice([*wallets, signer])
            paid.append((f"{wallet}/{chance.randrange(30)}", 10, wallet == signer and chance.random() < 0.8))
            if chance.random() < 0.4:
                called[f"tx {n}", vout] = chance.choice([40, 50, 60, 99])
        story.tx(f"tx {n}", " ".join(sorted(spent)), paid)
    return story, called


@settings(max_examples=15)
@given(st.randoms(use_true_random=True))
def test_rates_are_what_their_definition_says(chance: Random) -> None:
    """Found and wrongly called, by both labels, are what going through the transactions one by one gives."""
    story, called = tale(chance)
    scores, expected = scored(story, said(change=called)), slow(story)
    sure = {(txid(tx), vout): confidence for (tx, vout), confidence in called.items()}
    for label, at in product(change.LABELS, change.THRESHOLDS):
        for name, of_change in (("tpr", True), ("fpr", False)):
            some = [
                sure.get(key, 0) >= at for which, key, is_change in expected if (which, is_change) == (label, of_change)
            ]
            assert scores[f"change.{name}[{label},{at}]"] == (sum(some) / len(some) if some else None)
