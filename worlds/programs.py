"""Wallet programs: what each does the same way every time, and how many people run it.

The shares of the first table are chosen so that version, nSequence, nLockTime, round fees and the share of P2PKH in a
world's transactions, mixes and businesses included, come out within a few per cent of those of 105,546 uniformly drawn
mainnet transactions (decluster's survey). Transactions of several script kinds remain more common here than there,
those of P2SH alone rarer. Each world draws its own shares around these. Programs that are held out, of people and of
businesses, never run in the worlds that heuristics are tuned on.
"""

from dataclasses import dataclass

from worlds.ledger.keys import AddressKind
from worlds.wallet import ChangeAt, Fee, Habits, InputOrder, Locktime, Selection

P2PKH, NESTED, P2WPKH, P2TR = AddressKind.P2PKH, AddressKind.P2SH_P2WPKH, AddressKind.P2WPKH, AddressKind.P2TR
FINAL, NO_RBF, RBF = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


@dataclass(frozen=True, slots=True)
class Program:
    """A wallet program, and the percentage of people who run it."""

    habits: Habits
    share: float


def _table(*rows: tuple[float, Habits]) -> dict[str, Program]:
    return {habits.program: Program(habits, share) for share, habits in rows}


PROGRAMS = _table(
    (4, Habits(P2WPKH, 2, RBF, Locktime.BACKDATED, ChangeAt.RANDOM, selection=Selection.CLOSEST, fee=Fee.MARKET,
               change_like_payment=True, leaves=20_000, program="core")),
    (6, Habits(P2WPKH, 2, RBF, Locktime.TIP, ChangeAt.SORTED, selection=Selection.ADDRESS, fee=Fee.MARKET,
               inputs=InputOrder.SORTED, program="electrum")),
    (19, Habits(P2PKH, 1, NO_RBF, Locktime.TIP, ChangeAt.RANDOM, selection=Selection.LARGEST, fee=Fee.ROUND,
                fee_rate=12, program="desktop")),
    (18, Habits(P2PKH, 1, FINAL, change_at=ChangeAt.LAST, reuses_change=True, fee=Fee.ROUND, fee_rate=20,
                program="paper")),
    (23, Habits(P2PKH, 1, FINAL, change_at=ChangeAt.RANDOM, selection=Selection.CLOSEST, fee_rate=15, leaves=10_000,
                program="phone")),
    (17, Habits(P2PKH, 2, RBF, Locktime.TIP, ChangeAt.SORTED, selection=Selection.CLOSEST, fee=Fee.MARKET,
                inputs=InputOrder.SORTED, program="old electrum")),
    (4, Habits(NESTED, 1, FINAL, change_at=ChangeAt.LAST, selection=Selection.LARGEST, fee=Fee.MARKET,
               program="hardware")),
    (5, Habits(P2PKH, 2, NO_RBF, change_at=ChangeAt.FIRST, selection=Selection.RANDOM, change_kind=NESTED,
               program="multicoin")),
    (2, Habits(P2TR, 2, RBF, change_at=ChangeAt.SORTED, inputs=InputOrder.SORTED, fee_rate=5, program="taproot")),
)  # fmt: skip
HELD_OUT = _table(
    (10, Habits(P2WPKH, 1, RBF, change_at=ChangeAt.RANDOM, selection=Selection.LARGEST, fee=Fee.MARKET,
                inputs=InputOrder.RANDOM, program="watch")),
    (12, Habits(P2PKH, 2, NO_RBF, Locktime.BACKDATED, ChangeAt.SORTED, selection=Selection.CLOSEST, fee=Fee.MARKET,
                inputs=InputOrder.SORTED, leaves=15_000, program="sovereign")),
    (24, Habits(P2PKH, 2, FINAL, change_at=ChangeAt.FIRST, fee_rate=10, program="browser")),
    (18, Habits(P2PKH, 1, FINAL, change_at=ChangeAt.SORTED, selection=Selection.LARGEST, fee_rate=30,
                program="kiosk")),
    (10, Habits(NESTED, 1, NO_RBF, change_at=ChangeAt.RANDOM, reuses_change=True, fee=Fee.ROUND, fee_rate=25,
                program="messenger")),
    (6, Habits(P2TR, 2, FINAL, Locktime.ZERO, ChangeAt.RANDOM, selection=Selection.RANDOM,
               change_like_payment=True, program="vault")),
    (10, Habits(P2WPKH, 2, RBF, Locktime.TIP, ChangeAt.LAST, selection=Selection.SMALLEST, program="card")),
    (10, Habits(P2PKH, 1, RBF, Locktime.TIP, ChangeAt.RANDOM, selection=Selection.CLOSEST, change_kind=P2WPKH,
                program="upgraded")),
)  # fmt: skip

# Programs of businesses: run on servers, in batches, by fixed rules.
SERVERS = {
    "server": Habits(P2WPKH, 2, FINAL, change_at=ChangeAt.LAST, selection=Selection.LARGEST, fee_rate=10,
                     program="server"),
    "old server": Habits(P2PKH, 1, FINAL, change_at=ChangeAt.LAST, reuses_change=True, selection=Selection.LARGEST,
                         fee_rate=20, program="old server"),
    "nested server": Habits(NESTED, 1, NO_RBF, change_at=ChangeAt.FIRST, selection=Selection.LARGEST,
                            program="nested server"),
    "custody": Habits(P2PKH, 2, NO_RBF, change_at=ChangeAt.RANDOM, selection=Selection.OLDEST, fee=Fee.MARKET,
                      program="custody"),
}  # fmt: skip
HELD_OUT_SERVERS = {
    "server": Habits(P2WPKH, 2, NO_RBF, Locktime.TIP, ChangeAt.SORTED, selection=Selection.LARGEST, fee=Fee.MARKET,
                     inputs=InputOrder.SORTED, program="payout engine"),
    "old server": Habits(P2PKH, 1, FINAL, change_at=ChangeAt.FIRST, reuses_change=True, selection=Selection.OLDEST,
                         fee_rate=15, program="ledger daemon"),
    "nested server": Habits(NESTED, 2, RBF, change_at=ChangeAt.LAST, selection=Selection.LARGEST, fee=Fee.MARKET,
                            program="gateway"),
    "custody": Habits(P2PKH, 1, FINAL, change_at=ChangeAt.RANDOM, selection=Selection.LARGEST, fee_rate=6,
                      inputs=InputOrder.RANDOM, program="signing house"),
}  # fmt: skip
SERVER_SHARES = {"server": 14, "old server": 70, "nested server": 6, "custody": 10}
"""Percentage of businesses that run each of either table."""
