"""What pools pay out: transactions that hand out a pool's coins, and coinbases that divide the reward themselves."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from chains.kernels import kernel
from heuristics.attribution.ground import Ground
from heuristics.attribution.pools import SHARED_AMONG, Blocks
from heuristics.facts import Bytes, Longs
from heuristics.graph import Graph, Ints

Flags = npt.NDArray[np.bool_]
# A pool's own wallet pays a batch from three recipients on; whoever hands out a pool's coins without being known as
# that pool has to look more like one (reference D4: 20 outputs, three hops).
OWN_BATCH: Final = 3
BATCH: Final = 20
MOST_HOPS: Final = 3
# A transaction of more outputs hands coins out: they are the pool's no more.
PASSED_ON: Final = 2
UNNAMED_COINBASES: Final = 10


class Who(NamedTuple):
    """Per address: the code of the pool that holds it (-1 none), whether another service does, and its wallet."""

    pool: Ints
    service: Flags
    wallet: Ints


class Holders(NamedTuple):
    """Who holds each address, and the pools by their codes; None is a wallet that coinbases pay and nobody names."""

    who: Who
    entities: list[str | None]


class Sources(NamedTuple):
    """Per transaction: the pool whose coins alone it spends (-1 none), hops from that pool, whether it signs itself."""

    pool: Ints
    hops: Bytes
    own: Flags


class Rows(NamedTuple):
    """Payouts by output: places of the transactions and rows of the outputs."""

    place: Ints
    out: Longs


@kernel
def _n_paid(coins: Graph, t: int) -> int:
    """How many outputs of a transaction have a value."""
    n = 0
    for o in range(coins.out_start[t], coins.out_start[t + 1]):
        n += coins.out_value[o] > 0
    return n


@kernel
def _step(coins: Graph, who: Who, i: int) -> int:
    """Hops that a coin makes on its way to spend i: 0 back to whoever paid it, 1 on, -1 if it was handed out."""
    number, origin = coins.spend_number[i], coins.origin[i]
    if coins.in_start[origin] < coins.in_start[origin + 1]:
        payer = coins.spend_number[coins.in_start[origin]]
        if payer >= 0 and number >= 0 and who.wallet[payer] == who.wallet[number]:
            return 0
    return 1 if _n_paid(coins, origin) <= PASSED_ON else -1


@kernel
def _source(coins: Graph, who: Who, found: Sources, t: int) -> tuple[int, int, bool]:
    """Whose coins a transaction that is no coinbase spends, how far from that pool, and whether the pool signs."""
    pool, far, own = -1, 0, True
    for i in range(coins.in_start[t], coins.in_start[t + 1]):
        number, origin = coins.spend_number[i], coins.origin[i]
        here = who.pool[number] if number >= 0 else -1
        if here < 0:
            own = False
            if origin < 0 or found.pool[origin] < 0 or (number >= 0 and who.service[number]):
                return -1, 0, False
            step = _step(coins, who, i)
            far = max(far, found.hops[origin] + step)
            if step < 0 or far > MOST_HOPS:
                return -1, 0, False
            here = found.pool[origin]
        if pool >= 0 and here != pool:
            return -1, 0, False
        pool = here
    return pool, far, own


@kernel
def _sources(coins: Graph, who: Who, mined: Ints, joint: Flags, found: Sources) -> None:
    for b in range(len(coins.block_start) - 1):
        for t in range(coins.block_start[b], coins.block_start[b + 1]):
            if coins.in_start[t] == coins.in_start[t + 1]:
                found.pool[t] = mined[b]
            elif not joint[t]:
                found.pool[t], found.hops[t], found.own[t] = _source(coins, who, found, t)


def sources(coins: Graph, who: Who, mined: Ints, joint: Flags) -> Sources:
    """Follow the coins of pools through the chain.

    Parameters
    ----------
    mined
        Per block: code of its pool, -1 for none.
    joint
        Per transaction: said to be of several parties; nobody's coins are followed through these.
    """
    n = len(coins.in_start) - 1
    found = Sources(np.full(n, -1, np.int32), np.zeros(n, np.uint8), np.zeros(n, np.bool_))
    _sources(coins, who, mined, joint, found)
    return found


@kernel
def _is_payout(coins: Graph, who: Who, found: Sources, t: int) -> bool:
    """Whether a transaction that spends a pool's coins hands them out."""
    n = 0
    for o in range(coins.out_start[t], coins.out_start[t + 1]):
        n += _is_recipient(coins, who, found, (t, o))
    return n >= (OWN_BATCH if found.own[t] else BATCH)


@kernel
def _is_recipient(coins: Graph, who: Who, found: Sources, at: tuple[int, int]) -> bool:
    """Whether an output pays somebody else than the pool and whoever signs."""
    t, o = at
    number = coins.out_number[o]
    if coins.out_value[o] <= 0 or number < 0 or who.pool[number] == found.pool[t]:
        return False
    first = coins.spend_number[coins.in_start[t]]
    return bool(first < 0 or who.wallet[first] != who.wallet[number])


@kernel
def _fill(coins: Graph, who: Who, found: Sources, rows: Rows) -> int:
    """Write the rows of payouts as far as there is room, and count them."""
    n = 0
    for t in range(len(coins.in_start) - 1):
        coinbase = coins.in_start[t] == coins.in_start[t + 1]
        if coinbase or found.pool[t] < 0 or not _is_payout(coins, who, found, t):
            continue
        for o in range(coins.out_start[t], coins.out_start[t + 1]):
            if _is_recipient(coins, who, found, (t, o)):
                if n < len(rows.place):
                    rows.place[n], rows.out[n] = t, o
                n += 1
    return n


def rows_of(coins: Graph, who: Who, found: Sources) -> Rows:
    """List the outputs of payouts."""
    n = _fill(coins, who, found, Rows(np.zeros(0, np.int32), np.zeros(0, np.int64)))
    rows = Rows(np.zeros(n, np.int32), np.zeros(n, np.int64))
    _fill(coins, who, found, rows)
    return rows


def holders(ground: Ground, found: Blocks, wallets: pa.Table, services: pa.Table) -> Holders:
    """Say per address who holds it.

    Parameters
    ----------
    found, wallets
        The pools of blocks, and the claims of `pools.pool_wallets`.
    services
        Wallets of services, with the entity that each is, if any is named: a pool that nobody names may be among them.
    """
    code = {name: n for n, name in enumerate(found.pools.entities)}
    entities: list[str | None] = list(found.pools.entities)
    pool = found.pools.of.copy()
    whole = np.full(len(pool), -1, np.int32)
    whole[wallets["wallet"].to_numpy()] = [code[name] for name in wallets["entity_id"].to_pylist()]
    service, named = (np.zeros(len(pool), np.bool_) for _ in range(2))
    service[services["wallet"].to_numpy()] = True
    named[services["wallet"].to_numpy()] = services["entity_id"].is_valid().to_numpy()
    paid = found.rewards
    alone = (paid.main >= 0) & (paid.n_paid < SHARED_AMONG) & (found.pool < 0)
    open_to_all = alone & (pool[paid.main] < 0) & ~named[ground.wallet[paid.main]]
    often, n = np.unique(ground.wallet[paid.main[open_to_all]], return_counts=True)
    often = often[(n >= UNNAMED_COINBASES) & (whole[often] < 0)]
    whole[often] = len(entities) + np.arange(len(often))
    entities += [None] * len(often)
    pool = np.where(pool < 0, whole[ground.wallet], pool).astype(np.int32)
    return Holders(Who(pool, service[ground.wallet] & (pool < 0), ground.wallet), entities)


def mined_by(found: Blocks, held: Holders) -> Ints:
    """Per block: the code of its pool, of wallets that nobody names too; -1 for none."""
    main = found.rewards.main
    paid = np.where(main >= 0, held.who.pool[main], -1)
    return np.where(found.pool >= 0, found.pool, paid).astype(np.int32)


def payouts(ground: Ground, found: Blocks, held: Holders) -> pa.Table:
    """List what pools hand out, one row per output.

    Columns: pool (code), entity, number and wallet of the recipient, service (whether one holds it), tx_id, time
    (seconds since 1970), value (satoshi), payer (wallet), own (whether the pool's wallet signs).
    """
    coins = ground.graph
    followed = sources(coins, held.who, mined_by(found, held), ground.joint)
    place, out = rows_of(coins, held.who, followed)
    signer = coins.spend_number[coins.in_start[place]]
    pool = followed.pool[place]
    return (
        _table(ground, held, (place, out))
        .append_column("pool", pa.array(pool))
        .append_column("entity", pa.array([held.entities[p] for p in pool.tolist()], pa.string()))
        .append_column("payer", pa.array(np.where(signer >= 0, held.who.wallet[signer], -1)))
        .append_column("own", pa.array(followed.own[place]))
    )


def divided(ground: Ground, found: Blocks, held: Holders) -> pa.Table:
    """List what coinbases pay that divide the reward among many; columns as of `payouts`, without the payer's."""
    coins = ground.graph
    place = coins.block_start[:-1][found.rewards.n_paid >= SHARED_AMONG]
    first, size = coins.out_start[place], coins.out_start[place + 1] - coins.out_start[place]
    out = np.repeat(first - np.cumsum(size) + size, size) + np.arange(size.sum())
    place = np.repeat(place, size)
    number = coins.out_number[out]
    some = (coins.out_value[out] > 0) & (number >= 0) & (held.who.pool[number] < 0)
    return _table(ground, held, (place[some], out[some]))


def _table(ground: Ground, held: Holders, rows: tuple[Ints | Longs, Longs]) -> pa.Table:
    """Recipients, times and values of outputs."""
    place, out = rows
    coins = ground.graph
    number = coins.out_number[out]
    block = np.searchsorted(coins.block_start, place, "right") - 1
    columns = {
        "number": number,
        "wallet": held.who.wallet[number],
        "service": held.who.service[number],
        "tx_id": coins.tx_id(place),
        "time": ground.times[block],
        "value": coins.out_value[out],
    }
    return pa.table(columns)
