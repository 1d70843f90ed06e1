"""Coinbase tags: which one speaks, what contradicts it, which texts are learned, and what real blocks say."""

from collections.abc import Sequence

import numpy as np
import pytest
from bitcoin.core import CBlock
from hypothesis import example, given
from hypothesis import strategies as st

from heuristics.attribution.coinbase_tags import LEAST_BLOCKS, Tags, Texts, find, learn
from store.formats import gather, read
from tests.realdata import COLLECTIONS, SHARED, collection

Tag = tuple[bytes, int]


def places(script: bytes, tag: bytes) -> list[int]:
    """Where a tag stands in a script."""
    return [at for at in range(len(script)) if script.startswith(tag, at)]


def twin(script: bytes, tags: Sequence[Tag]) -> tuple[Tag | None, Tag | None]:
    """The tag that speaks and the one that contradicts it, by trying everything."""
    known = sorted(set(tags))
    all_of = [(-len(tag), at, n) for n, (tag, _) in enumerate(known) for at in places(script, tag)]
    if not all_of:
        return None, None
    size, start, best = min(all_of)
    others = [
        (minus, at, n)
        for minus, at, n in all_of
        if known[n][1] != known[best][1] and not (minus > size and at >= start and at - minus <= start - size)
    ]
    return known[best], known[min(others)[2]] if others else None


def found(script: bytes, tags: Sequence[Tag]) -> tuple[Tag | None, Tag | None]:
    """The same by the kernel."""
    packed = Tags.of(tags)
    one = find(Texts.of([b"before", script, b""]), packed)
    tag, other = ((packed.text(n), int(packed.pool[n])) if n >= 0 else None for n in (one.tag[1], one.other[1]))
    return tag, other


SHORT = st.binary(min_size=1, max_size=4).map(lambda b: bytes(x % 3 for x in b))


@given(
    st.binary(max_size=24).map(lambda b: bytes(x % 3 for x in b)),
    st.lists(st.tuples(SHORT, st.integers(0, 2)), max_size=6),
)
@example(b"\x00\x01\x00\x01", [(b"\x00\x01", 0), (b"\x01\x00", 1), (b"\x00\x01\x00", 1)])
@example(b"", [(b"\x00", 0)])
def test_kernel_agrees_with_its_twin(script: bytes, tags: list[Tag]) -> None:
    """The kernel finds what trying every tag at every place finds."""
    assert found(script, tags) == twin(script, tags)


VIABTC, TATMAS = (b"/ViaBTC/", 0), (b"/ViaBTC/TATMAS Pool/", 1)
ANTPOOL, F2POOL = (b"Mined by AntPool", 2), (b"Mined by F2Poolx", 3)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (b"\x03abc/ViaBTC/x", (VIABTC, None)),
        (b"/ViaBTC/TATMAS Pool/", (TATMAS, None)),
        (b"/ViaBTC/TATMAS Pool//ViaBTC/", (TATMAS, VIABTC)),
        (b"/ViaBTC/Mined by AntPool", (ANTPOOL, VIABTC)),
        (b"Mined by AntPoolMined by F2Poolx", (ANTPOOL, F2POOL)),
        (b"Mined by F2PoolxMined by AntPool", (F2POOL, ANTPOOL)),
        (b"mined by antpool", (None, None)),
        (b"Mined by AntPoo", (None, None)),
    ],
)
def test_the_longest_tag_speaks(script: bytes, said: tuple[Tag | None, Tag | None]) -> None:
    """The longest tag wins, of equally long ones the first; a tag inside it contradicts nothing; case counts."""
    assert found(script, [VIABTC, TATMAS, ANTPOOL, F2POOL]) == said


def test_one_tag_of_two_pools_is_contradicted() -> None:
    """The very same tag listed for two pools speaks for one and is contradicted by the other."""
    assert found(b"x/same/", [(b"/same/", 0), (b"/same/", 1)]) == ((b"/same/", 0), (b"/same/", 1))


def test_no_tags_find_nothing() -> None:
    """Without a list nothing is found, whatever the scripts say."""
    assert find(Texts.of([b"/ViaBTC/"]), Tags.of([])).tag.tolist() == [-1]


def learned(*blocks: tuple[bytes, int]) -> dict[bytes, int]:
    """Texts learned from blocks: scripts and codes of the pools that they pay."""
    return learn([script for script, _ in blocks], np.array([pool for _, pool in blocks], np.int32))


def test_a_text_that_one_pool_writes_is_learned() -> None:
    """A text in coinbases that pay one pool names that pool, also in blocks whose address nobody knows."""
    assert learned(*[(b"\x03\x01/our pool/\xff", 4)] * LEAST_BLOCKS, (b"/our pool/", -1)) == {b"/our pool/": 4}


@pytest.mark.parametrize(
    "blocks",
    [
        [(b"/our pool/", 4)] * (LEAST_BLOCKS - 1),
        [(b"/NYA/", 4)] * LEAST_BLOCKS,  # three letters are a signal
        [(b"/SEGWIT/", 4)] * LEAST_BLOCKS + [(b"/SEGWIT/", 5)],
        [(b"/SEGWIT/", 4)] * LEAST_BLOCKS + [(b"/SEGWIT/", -1)] * (3 * LEAST_BLOCKS),
        [(b"our pool", 4)] * LEAST_BLOCKS,
        [(b"/our\x00pool/", 4)] * LEAST_BLOCKS,
    ],
    ids=["few", "short", "shared", "mostly unknown", "no slashes", "binary"],
)
def test_other_texts_are_not_learned(blocks: list[tuple[bytes, int]]) -> None:
    """Texts that stand rarely, are many pools', or stand mostly where nobody knows the pool teach nothing."""
    assert learned(*blocks) == {}


REAL = {
    210000: "braiins", 227836: "braiins", 255018: "btcguildcom", 277647: "btcguildcom", 300025: "f2pool",
    333961: "f2pool", 363703: "antpoolcom", 367891: "f2pool", 370661: "braiins", 403200: "f2pool", 413567: "f2pool",
    426884: "bixin", 481815: "bitclubnetwork", 481829: "bixin", 482683: "antpoolcom", 574200: "btccom",
    702861: "binance",
}  # fmt: skip
"""Pool of every real block that we have and whose coinbase names one."""
POOLS = SHARED / "labels/mining_pools/pools-v2.json"


@pytest.mark.skipif(not POOLS.exists(), reason=f"{POOLS} is not here")
def test_real_blocks_name_their_pools() -> None:
    """Real blocks name the pools that mined them, no early one does, and every pool address that is paid agrees."""
    [given_list], *_ = gather([POOLS])
    published = read(given_list, "main")
    tags, pools = (published.coinbase_tags[name].to_pylist() for name in ("tag", "entity_id"))
    names = sorted(set(pools))
    packed = Tags.of((tag, names.index(pool)) for tag, pool in zip(tags, pools, strict=True))
    paid = {row["script"]: row["entity_id"] for row in published.tags.to_pylist()}
    blocks = {b.height: b for name in COLLECTIONS for b in collection(name) if b.network == "main" and b.height}
    said, agreed = {}, set()
    for height, block in blocks.items():
        coinbase = CBlock.deserialize(block.raw).vtx[0]
        one = find(Texts.of([bytes(coinbase.vin[0].scriptSig)]), packed)
        assert one.other[0] < 0, height
        if one.tag[0] >= 0:
            said[height] = names[packed.pool[one.tag[0]]]
        of = {paid[to] for out in coinbase.vout if (to := bytes(out.scriptPubKey)) in paid}
        assert of <= {said.get(height)}, height
        agreed |= {height} if of else set()
    assert said == REAL
    assert len(agreed) == 11
