"""Exposure added up: what each category and each jurisdiction has of everything a wallet received, and sent.

Direct, indirect and unsolicited value stand apart, and of one direction their shares sum to 1: exactly, because the
last millionths go to where the most was cut off. A party of several jurisdictions is counted once, under all of them
together. What is only passed through is left out, as it is counted in what lies behind it.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal

from heuristics.exposure.exposures import DIRECTIONS, Exposure
from service import answers
from service.answers import MILLION, Json


def totals(found: Iterable[Exposure]) -> Json:
    """Add exposures up by category and by jurisdiction, the largest first, received before sent."""
    dealt = [one for one in found if one.kind != "ownership" and not one.passes_through]
    return {
        "by_category": _sums(dealt, "category", lambda one: one.category),
        "by_jurisdiction": _sums(dealt, "jurisdictions", lambda one: tuple(sorted(one.jurisdictions))),
    }


def _sums(dealt: Sequence[Exposure], name: str, of: Callable[[Exposure], Hashable]) -> list[Json]:
    rows: list[Json] = []
    for direction in DIRECTIONS:
        groups: defaultdict[tuple[str, Hashable], list[Exposure]] = defaultdict(list)
        for one in dealt:
            if one.direction == direction:
                groups["unsolicited" if one.unsolicited else one.kind, of(one)].append(one)
        values = {key: sum(one.value for one in some) for key, some in groups.items()}
        shares = millionths(list(values.values()))
        told = sorted(zip(groups.items(), values.values(), shares, strict=True), key=lambda row: (-row[1], row[0][0]))
        for ((kind, group), some), value, share in told:
            written = list(group) if isinstance(group, tuple) else group
            rows.append(
                {
                    "direction": direction,
                    name: written,
                    "kind": kind,
                    "value": answers.btc(value),
                    "fiat": _fiat(some),
                    "share": answers.fraction(share),
                }
            )
    return rows


def _fiat(some: Sequence[Exposure]) -> Json | None:
    """Money of several exposures; None where a day of one has no price."""
    known = [one.fiat for one in some if one.fiat is not None]
    if len(known) < len(some):
        return None
    return {"value": f"{sum(known, Decimal(0)):f}", "currency": some[0].currency}


def millionths(values: Sequence[int]) -> list[int]:
    """Share a million out by values, whole and to the last; all 0 where there is no value."""
    whole = sum(values)
    if whole == 0:
        return [0] * len(values)
    shares = [value * MILLION // whole for value in values]
    by_rest = sorted(range(len(values)), key=lambda i: -(values[i] * MILLION % whole))
    for i in by_rest[: MILLION - sum(shares)]:
        shares[i] += 1
    return shares
