"""Headers to the best chain: work decides, whatever the order of arrival; heights from genesis or BIP 34."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.bitcoin import consensus
from chains.bitcoin.headers import Stored, best_chain, coinbase_height
from chains.errors import SourceError
from tests import naive
from worlds.ledger.blocks import subsidy as regtest_subsidy

EASY, HARD = 0x207FFFFF, 0x1F7FFFFF  # the second takes 256 times the work
GENESIS = b"g" * 32


def name(text: str) -> bytes:
    """A block hash from a short name."""
    return GENESIS if text == "g" else text.encode().ljust(32, b".")


def stored(*links: str, bits: int = EASY) -> list[Stored]:
    """Blocks from `child<parent` texts, in order of arrival."""
    pairs = [link.split("<") for link in links]
    return [Stored(name(child), name(parent), bits, (0, n, 81)) for n, (child, parent) in enumerate(pairs)]


def chosen(found: list[Stored], first_height: int | None = None) -> tuple[int, list[str]]:
    """First height and names of the best chain."""
    chain = best_chain(found, lambda _root: first_height, GENESIS)
    return chain.first_height, [block.block_hash.rstrip(b".").decode()[:1] for block in chain.blocks]


def test_the_longest_of_equal_work_per_block_wins() -> None:
    """Stale branches and the order of arrival do not matter."""
    links = ["g<0", "a<g", "b<a", "x<a", "c<b", "y<x", "d<c"]
    for order in (links, links[::-1], links[3:] + links[:3]):
        assert chosen(stored(*order)) == (0, list("gabcd"))


def test_work_counts_and_not_length() -> None:
    """One hard block beats three easy ones."""
    hard = [Stored(name("h"), GENESIS, HARD, (0, 9, 81))]
    assert chosen(stored("g<0", "a<g", "b<a", "c<b") + hard) == (0, list("gh"))


def test_of_two_equal_tips_the_first_stays() -> None:
    """As a node keeps the tip that it saw first."""
    assert chosen(stored("g<0", "a<g", "b<g"))[1] == list("ga")
    assert chosen(stored("g<0", "b<g", "a<g"))[1] == list("gb")


def test_a_header_without_a_valid_target_carries_no_work() -> None:
    """Impossible difficulty in a damaged header must not win the chain."""
    for bits in (0, 0x04923456, 0xFF123456, 0x2300FFFF):
        assert consensus.work_of(bits) == 0
        bad = [Stored(name("z"), name("b"), bits, (0, 9, 81))]
        assert chosen(stored("g<0", "a<g", "b<a") + bad)[1] == list("gab")


def test_a_partial_chain_takes_the_height_of_its_own_oldest_block() -> None:
    """Where several blocks have no parent, the one below the best tip is asked for its height, not the first found."""
    found = stored("s<q", "m<l", "n<m", "o<n")
    asked = []

    def height(root: Stored) -> int:
        asked.append(root.block_hash)
        return 70

    chain = best_chain(found, height, GENESIS)
    assert (chain.first_height, [b.block_hash for b in chain.blocks]) == (70, [name(c) for c in "mno"])
    assert asked == [name("m")]


def test_an_unknown_height_is_said() -> None:
    """Without genesis and without a height nothing can be numbered."""
    with pytest.raises(SourceError, match=r"is not genesis and its height is not known.*--start"):
        chosen(stored("m<l", "n<m"))


def test_genesis_needs_no_height() -> None:
    """A chain from genesis starts at 0 whatever is said."""
    assert chosen(stored("g<0", "a<g"), first_height=5)[0] == 0


def test_a_long_chain_in_reverse_order_is_quick() -> None:
    """No recursion, no quadratic walk."""
    n = 20_000
    links = [f"{i}<{i - 1}" if i else "g<0" for i in range(n)]
    links[1] = "1<g"
    assert len(best_chain(stored(*links[::-1]), lambda _root: None, GENESIS).blocks) == n


@pytest.mark.parametrize(
    ("script", "height"),
    [
        ("", None),
        ("00", None),
        ("51", 1),
        ("60", 16),
        ("0111", 17),
        ("03a0bb0d", 900_000),
        ("04ffff001d0104", 486_604_799),
        ("03a0bb", None),
        ("0181", None),
        ("03a0bb8d", None),
        ("06aaaaaaaaaaaa", None),
        ("0500000000ff", None),
        ("61", None),
    ],
)
def test_heights_in_coinbases(script: str, height: int | None) -> None:
    """BIP 34 numbers in every form; what is cut off, negative or too long is none."""
    assert coinbase_height(bytes.fromhex(script)) == height


@given(st.binary(max_size=10))
def test_no_coinbase_gives_an_impossible_height(script: bytes) -> None:
    """A height is None or fits a block number."""
    height = coinbase_height(script)
    assert height is None or 0 <= height < 1 << 31


@given(st.integers(0, 2**32 - 1))
def test_targets_agree_with_the_twin(bits: int) -> None:
    """Every compact form: negative and overflowing ones are no target."""
    target = naive.difficulty_target(bits)
    assert consensus.target_of(bits) == target
    assert consensus.work_of(bits) == (2**256 // (target + 1) if target else 0)


def test_known_targets_and_work() -> None:
    """Difficulty 1 is 2**32 hashes and a little, regtest two."""
    assert consensus.target_of(0x1D00FFFF) == 0xFFFF << 208
    assert consensus.work_of(0x1D00FFFF) == 0x100010001
    assert consensus.work_of(EASY) == 2


@pytest.mark.parametrize(
    ("height", "network", "coins"),
    [(0, "main", 50), (209_999, "main", 50), (210_000, "main", 25), (840_000, "test", 3.125), (149, "regtest", 50)],
)
def test_known_subsidies(height: int, network: str, coins: float) -> None:
    """Halvings at their heights."""
    assert consensus.subsidy(height, network) == int(coins * consensus.COIN)


def test_the_subsidy_ends() -> None:
    """The last satoshi, then nothing, also where a shift would wrap; regtest agrees with the worlds'."""
    assert consensus.subsidy(32 * 210_000, "main") == 1
    assert consensus.subsidy(33 * 210_000, "main") == 0
    assert consensus.subsidy(64 * 210_000, "main") == consensus.subsidy(10**9, "main") == 0
    assert all(consensus.subsidy(h, "regtest") == regtest_subsidy(h) for h in range(0, 9000, 37))
