"""The coin graph: its arrays against a retelling of the lake's rows in plain Python."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from chains.ids import tx_key
from heuristics.fingerprints import EARLIER, LATER, MIXED, OTHER, TIP, ZERO
from heuristics.generation import build
from heuristics.rules import SHOWS_WHO_PAYS
from store.errors import DamagedError
from store.index import Index
from store.lake import Lake
from tests import lakes
from tests.lakes import Claims, In, Out, Tx, World, pay

LATE = 5


def drawn(rnd: random.Random) -> World:
    """Blocks of several transactions, some spent within the block; coins from before; repeated coinbases; no inputs."""
    past, world = World(count=10_000), World(first_height=LATE)
    before = past.mint(*(pay(f"n{i % 7}", 1000 + i) for i in range(12)))
    coins = [In(before, vout, resolved=rnd.random() < 0.5) for vout in range(12)]
    for _ in range(rnd.randrange(2, 12)):
        minted = Tx([], [pay(f"n{rnd.randrange(9)}", 500) for _ in range(rnd.randrange(1, 3))])
        txs, here = [minted], _coins(minted, rnd)
        for _ in range(rnd.randrange(5)):
            some = here if rnd.random() < 0.3 and here else coins or here
            ins = [some.pop(rnd.randrange(len(some))) for _ in range(min(len(some), rnd.choice((1, 1, 2, 4))))]
            outs = [rnd.choice((Out(None, 0), pay(f"n{rnd.randrange(9)}", rnd.randrange(400)))) for _ in range(3)]
            if ins:
                txs.append(Tx(ins, outs[: rnd.randrange(1, 4)]))
                here += _coins(txs[-1], rnd)
        world.block(*txs)
        coins += here
    return world


def _coins(tx: Tx, rnd: random.Random) -> list[In]:
    return [In(tx, vout, resolved=rnd.random() < 0.8) for vout, out in enumerate(tx.outs) if out.to is not None]


class Twin:
    """The lake's own rows as lists."""

    def __init__(self, lake: Lake, number: dict[int, int], cluster: dict[int, int], pooled: dict[int, int]) -> None:
        rows = {table: [row for span in lake.spans() for row in lake.read(table, span).to_pylist()] for table in
                ("tx", "spend", "output", "block")}  # fmt: skip
        place = {row["tx_id"]: at for at, row in enumerate(rows["tx"])}
        by_key: dict[int, list[int]] = defaultdict(list)
        for row in rows["tx"]:
            by_key[row["tx_key"]].append(place[row["tx_id"]])
        outs: list[list[dict[str, Any]]] = [[] for _ in place]
        for row in rows["output"]:
            outs[place[row["tx_id"]]].append(row | {"spent_by": -1})
        spends: list[list[dict[str, Any]]] = [[] for _ in place]
        for row in rows["spend"]:
            t = place[row["tx_id"]]
            same = [at for at in by_key[row["prev_tx_key"]] if at < t]
            origin = max((at for at in same if self.fits(row, outs[at])), default=-1)
            coin = outs[origin][row["prev_vout"]] if origin >= 0 else row
            known = {name: coin[name] for name in ("value", "address_id", "script_type")}
            spends[t].append(row | {"origin": origin} | known)
            coin["spent_by"] = t
        ins, flat = [i for some in spends for i in some], [o for some in outs for o in some]
        n_tx = [row["n_tx"] for row in rows["block"]]

        def numbers(some: list[dict[str, Any]]) -> list[int]:
            return [number[row["address_id"]] if row["address_id"] is not None else -1 for row in some]

        self.arrays = {
            "in_start": [sum(map(len, spends[:t])) for t in range(len(place) + 1)],
            "out_start": [sum(map(len, outs[:t])) for t in range(len(place) + 1)],
            "looks": [self.look(rows["tx"][t], spends[t]) for t in range(len(place))],
            "weight": [row["weight"] for row in rows["tx"]],
            "origin": [i["origin"] for i in ins],
            "vout": [i["prev_vout"] for i in ins],
            "spend_value": [-1 if i["value"] is None else i["value"] for i in ins],
            "spend_number": numbers(ins),
            "spend_kind": [i["script_type"] for i in ins],
            "sighash": [i["sighash"] for i in ins],
            "spent_by": [o["spent_by"] for o in flat],
            "out_value": [o["value"] for o in flat],
            "out_number": numbers(flat),
            "out_kind": [o["script_type"] for o in flat],
            "pooled": [pooled.get(tx, 0) for tx in place],
            "block_start": [sum(n_tx[:b]) for b in range(len(n_tx) + 1)],
            "first_height": [rows["block"][0]["height"]],
            "cluster": [cluster[n] for n in range(len(number))],
        }

    @staticmethod
    def look(tx: dict[str, Any], spends: list[dict[str, Any]]) -> int:
        """The bit field of version, nLockTime and nSequence."""
        height, lock, sequences = tx["tx_id"] >> 20, tx["locktime"], {i["sequence"] for i in spends}
        version = tx["version"] if tx["version"] in {1, 2} else 0
        known = {0: ZERO, height - 1: TIP}
        locked = known.get(lock, EARLIER if lock < min(height, 500_000_000) else LATER) if lock else ZERO
        one = sequences.pop() if len(sequences) == 1 else None if sequences else 0xFFFFFFFF
        signal = MIXED if one is None else min(0xFFFFFFFF - one, OTHER)
        return int(version + 4 * locked + 16 * signal)

    @staticmethod
    def fits(spend: dict[str, Any], outs: list[dict[str, Any]]) -> bool:
        """Whether a spend is of one of these outputs, which nobody has spent."""
        if not 0 <= spend["prev_vout"] < len(outs) or outs[spend["prev_vout"]]["spent_by"] >= 0:
            return False
        coin = outs[spend["prev_vout"]]
        return spend["value"] is None or all(spend[name] == coin[name] for name in ("value", "address_id"))


@pytest.mark.parametrize("per_segment", [1, 2, 7])
@pytest.mark.parametrize("seed", range(8))
def test_arrays_are_the_lakes_rows(tmp_path: Path, seed: int, per_segment: int) -> None:
    """Every array is what the lake's rows say, whatever the segments."""
    lake, index = drawn(random.Random(seed)).write(tmp_path, per_segment), Index(tmp_path)  # noqa: S311 -- repeatable
    agree(lake, index)


def agree(lake: Lake, index: Index) -> dict[str, list[int]]:
    """Build and compare; the arrays."""
    build(lake, Claims(), index)
    with index.open() as reader:
        cur = reader.cursor()
        number = dict(cur.rows("SELECT address_id, number FROM address"))
        cluster = dict(cur.rows("SELECT number, coalesce(cluster, number) FROM address"))
        verdicts = cur.rows("SELECT tx_id, rule, confidence FROM coinjoin")
        shown = {rule.id for rule in SHOWS_WHO_PAYS}
        pooled = {tx: 2 if sure >= 60 else 1 for tx, rule, sure in verdicts if rule not in shown}
        found = {name: array.tolist() for name, array in cur.arrays["coins"].items()}
    twin = Twin(lake, number, cluster, pooled).arrays
    for name, array in twin.items():
        assert found[name] == array, name
    assert found.keys() == twin.keys()
    return found


def test_coinjoins_are_marked_and_swaps_are_not(tmp_path: Path) -> None:
    """Transactions that pool funds are marked 2, those that only look so 1; in a swap nothing is mixed."""
    world = World()
    coins = [world.mint(pay(f"i{i}", 10_100_000)) for i in range(36)]
    world.spend([In(coin) for coin in coins[:30]], *(pay(f"o{i}", 10_000_000) for i in range(30)))
    world.spend([In(coin) for coin in coins[30:34]], *(pay(f"p{i}", 9_000_000) for i in range(4)), pay("q", 7_000))
    world.spend([In(coins[34], sighash=64), In(coins[35])], pay("seller", 15_000_000), pay("buyer", 546))
    found = agree(world.write(tmp_path), Index(tmp_path))
    assert found["pooled"] == [0] * 36 + [2, 1, 0]
    with Index(tmp_path).open() as reader:
        assert reader.cursor().rows("SELECT count(*) FROM coinjoin") == [(3,)]


def test_the_later_of_two_equal_txids_is_spent(tmp_path: Path) -> None:
    """Before BIP 30 coinbases were repeated: a spend is of the latest one before it."""
    world = World()
    first = world.mint(pay("a", 50))
    world.spend([In(first)], pay("b", 50))
    again = Tx([], [pay("a", 50), pay("c", 1)])
    world.block(again)
    again.txid = first.txid
    world.spend([In(again, 1)], pay("d", 1))
    third = Tx([], [pay("e", 7)])
    world.block(third)
    third.txid = first.txid
    world.spend([In(third, 0, resolved=False)], pay("f", 7))
    found = agree(world.write(tmp_path, 2), Index(tmp_path))
    assert found["origin"] == [0, 2, 4]
    assert found["spent_by"] == [1, -1, -1, 3, -1, 5, -1]


def test_a_repeated_txid_within_a_block(tmp_path: Path) -> None:
    """What is spent is the one before the spender, not one behind it."""
    world = World()
    first, second = Tx([], [pay("a", 5)]), Tx([], [pay("a", 5)])
    middle = Tx([In(first)], [pay("b", 5)])
    world.block(first, middle, second)
    second.txid = first.txid
    world.spend([In(second)], pay("c", 5))
    found = agree(world.write(tmp_path), Index(tmp_path))
    assert found["origin"] == [0, 2]


@pytest.mark.parametrize("keys", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_transactions_whose_keys_agree_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, keys: int
) -> None:
    """However many transactions have the same 64-bit key, each spend is of the coin it names."""
    rnd, world = random.Random(seed), World()  # noqa: S311 -- repeatable
    coins: list[In] = []
    for n in range(40):
        some = [coins.pop(rnd.randrange(len(coins))) for _ in range(min(len(coins), rnd.choice((0, 1, 1, 2))))]
        tx = Tx(some, [pay(f"n{rnd.randrange(5)}", 1000 + 10 * n + k) for k in range(rnd.randrange(1, 4))])
        world.block(tx)
        coins += [In(tx, vout) for vout in range(len(tx.outs))]
    plain = agree(world.write(tmp_path / "plain"), Index(tmp_path / "plain"))
    monkeypatch.setattr(lakes, "tx_key", lambda txid, secret: tx_key(txid, secret) % keys)
    place = tmp_path / "agreeing"
    assert agree(world.write(place), Index(place)) == plain


@pytest.mark.parametrize("case", ["no such output", "spent twice", "spent twice in one transaction"])
def test_what_can_not_be_is_said(tmp_path: Path, case: str) -> None:
    """A spend of an output that is not there, or was spent before, stops the build; nothing is published."""
    world = World()
    coin = world.mint(pay("a", 5), pay("b", 6))
    if case == "no such output":
        coin.outs.append(pay("x", 1))
        world.spend([In(coin, 2)], pay("c", 1))
    elif case == "spent twice":
        world.spend([In(coin)], pay("c", 5))
        world.spend([In(coin)], pay("d", 5))
    else:
        world.spend([In(coin), In(coin)], pay("c", 5))
    index = Index(tmp_path)
    lake = world.write(tmp_path)
    if case == "no such output":
        lake = _without_last_output(world, tmp_path / "other")
        index = Index(tmp_path / "other")
    with pytest.raises(DamagedError, match="spends an output"):
        build(lake, Claims(), index)
    assert index.current() is None
    assert not [path for path in index.dir.iterdir() if path.suffix in (".coins", ".duckdb")]


def _without_last_output(world: World, place: Path) -> Lake:
    """The same lake, but that the first transaction lacks an output that is spent."""

    class Short(World):
        """Rows as they are, less one output."""

        def _segment(self, start: int, blocks: list[list[Tx]]) -> Any:
            made = super()._segment(start, blocks)
            if start == 0:
                tables = dict(made.tables)
                keep = [not (t == 0 and v == 2) for t, v in zip(tables["output"]["tx_id"].to_pylist(),
                        tables["output"]["vout"].to_pylist(), strict=True)]  # fmt: skip
                tables["output"] = tables["output"].filter(keep)
                counts = tables["tx"]["n_out"].to_numpy().copy()
                counts[0] -= 1
                at = tables["tx"].schema.get_field_index("n_out")
                field = tables["tx"].schema.field(at)
                tables["tx"] = tables["tx"].set_column(at, field, [counts.astype(field.type.to_pandas_dtype())])
                made = type(made)(made.span, made.prev_hash, made.last_hash, tables, made.unresolved)
            return made

    return Short(world.blocks, world.first_height, world.count).write(place)
