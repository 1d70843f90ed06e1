"""Measures of transactions that could be CoinJoins: two or more inputs, three or more outputs, two of them equal."""

from typing import Final, NamedTuple

import numpy as np

from chains.kernels import kernel
from heuristics.facts import Longs
from heuristics.graph import Graph
from heuristics.numbers import Numbers

LEAST_INPUTS, LEAST_OUTPUTS = 2, 3
_COLUMNS: Final = 17


class Shape(NamedTuple):
    """One row per candidate, in chain order; values in satoshi.

    `mode` is the most frequent output value (the largest of several), `n_mode` how often; `levels` counts the outputs
    worth the mode or a power of two times as much; `tiers` the values seen at least twice, `repeated` the outputs that
    have one; `in_top` is the number of inputs of the busiest input address; `entrants` counts the inputs worth 100 to
    110,000 more than the mode. OP_RETURN outputs do not count. Of the inputs whose origin is unresolved (`unknown`
    many) each may be another party's: they count as different addresses, and for no value.
    """

    t: Longs
    n_in: Longs
    n_out: Longs
    in_addresses: Longs
    out_addresses: Longs
    in_top: Longs
    in_least: Longs
    in_most: Longs
    out_least: Longs
    out_sum: Longs
    mode: Longs
    n_mode: Longs
    tiers: Longs
    repeated: Longs
    entrants: Longs
    unknown: Longs
    levels: Longs


@kernel
def _candidates(graph: Graph) -> Longs:
    """Transactions with enough inputs, enough outputs and two outputs of one value; the cheap sieve."""
    out = np.empty(len(graph.in_start) - 1, np.int64)
    n = 0
    for t in range(len(out)):
        first, last = graph.out_start[t], graph.out_start[t + 1]
        if graph.in_start[t + 1] - graph.in_start[t] < LEAST_INPUTS or last - first < LEAST_OUTPUTS:
            continue
        values = np.sort(graph.out_value[first:last])
        for i in range(1, len(values)):
            if values[i] == values[i - 1]:
                out[n] = t
                n += 1
                break
    return out[:n].copy()


@kernel
def _distinct(values: Numbers) -> tuple[int, int]:
    """How many different values a sorted array has, and how often the most frequent one stands there."""
    count, top, run = 0, 0, 0
    for i in range(len(values)):
        run = run + 1 if i > 0 and values[i] == values[i - 1] else 1
        count += run == 1
        top = max(top, run)
    return count, top


@kernel
def _measure_values(values: Longs, row: Longs) -> None:
    """Fill mode, n_mode, tiers, repeated and levels from the sorted output values."""
    i = 0
    while i < len(values):
        j = i
        while j < len(values) and values[j] == values[i]:
            j += 1
        if j - i >= row[11]:
            row[10], row[11] = values[i], j - i
        if j - i > 1:
            row[12] += 1
            row[13] += j - i
        i = j
    level = row[10]
    for i in range(len(values)):
        while 0 < level < values[i]:
            level *= 2
        row[16] += level > 0 and values[i] == level


@kernel
def _measure(graph: Graph, which: Longs) -> Longs:
    """One row of measures per candidate, in the order of Shape."""
    out = np.zeros((len(which), _COLUMNS), np.int64)
    for k in range(len(which)):
        t, row = which[k], out[k]
        i0, i1, o0, o1 = graph.in_start[t], graph.in_start[t + 1], graph.out_start[t], graph.out_start[t + 1]
        paid = graph.out_number[o0:o1] >= 0
        values = np.sort(graph.out_value[o0:o1][paid])
        known = graph.spend_number[i0:i1] >= 0
        spent = graph.spend_value[i0:i1][known]
        row[0], row[1], row[2] = t, i1 - i0, len(values)
        row[15] = i1 - i0 - len(spent)
        row[3], row[5] = _distinct(np.sort(graph.spend_number[i0:i1][known]))
        row[3] += row[15]
        row[4] = _distinct(np.sort(graph.out_number[o0:o1][paid]))[0]
        if len(values) > 0:
            row[8], row[9] = values[0], values.sum()
        _measure_values(values, row)
        row[6], row[7] = (spent.min(), spent.max()) if len(spent) > 0 else (row[10], row[10])
        row[14] = ((spent >= row[10] + 100) & (spent <= row[10] + 110_000)).sum()
    return out


def shapes(graph: Graph) -> Shape:
    """Measure the candidates of the whole history."""
    rows = _measure(graph, _candidates(graph))
    return Shape(*(np.ascontiguousarray(rows[:, i]) for i in range(rows.shape[1])))
