"""The worked example of docs/exposure.md, read from the page: its tables, its transactions, its arithmetic."""

import ast
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from tests.naive_provenance import In, Out, Tx

PAGE = (Path(__file__).parents[1] / "docs" / "exposure.md").read_text(encoding="utf-8")
START, END = "## A worked example\n", "## What a policy should do"
TIMES, OVER, MINUS = "\N{MULTIPLICATION SIGN}", "\N{DIVISION SIGN}", "\N{MINUS SIGN}"
SATOSHI = 100_000_000
NAMES = ("G", "K", "A", "B", "W")
G, K, A, B, W = range(5)

Rows = list[list[str]]
Line = Sequence[str | int | Fraction]


def tables(page: str) -> dict[str, Rows]:
    """Tables of the example by their first row: cells of the rows below it."""
    assert page.count(START) == page.count(END) == 1
    found = {}
    for block in re.findall(r"(?:^\|.*\n)+", page.split(START)[1].split(END, maxsplit=1)[0], re.MULTILINE):
        head, ruler, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()]
        assert set(ruler) == {"---"}
        assert "|".join(head) not in found
        found["|".join(head)] = rows
    return found


def figure(cell: str) -> Fraction:
    """The number in a cell; of a calculation its result, which has to be right."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", cell).translate(str.maketrans(TIMES + OVER + MINUS, "*/-"))
    assert re.fullmatch(r"[-+*/=(),. \dmin]+", plain), f"no figure: {cell}"
    values = [_value(ast.parse(side.strip(), mode="eval").body) for side in plain.split("=")]
    assert len(values) <= 2
    assert values[0] == values[-1], cell
    return values[-1]


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(repr(node.value))
    if isinstance(node, ast.Call):
        return min(map(_value, node.args))
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left), _value(node.right)
    match node.op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
    assert isinstance(node.op, ast.Div)
    return left / right


def satoshi(text: str) -> int:
    """Turn a number of BTC into satoshi."""
    value = figure(text) * SATOSHI
    assert value.denominator == 1
    return int(value)


def history(rows: Rows) -> list[Tx]:
    """Read the page's transactions: everything spent is there, nobody spends it twice, and the fees are right."""
    txs: list[Tx] = []
    for row in rows:
        number, ins, outs, fee = row
        assert number == str(len(txs) + 1)
        spends = [] if ins == "coinbase" else [_spend(text, txs) for text in ins.split(" · ")]
        pays = [text.split(" ") for text in outs.split(" · ")]
        txs.append(Tx(spends, [Out(satoshi(value), NAMES.index(name)) for name, value in pays]))
        spent = sum(one.value or 0 for one in spends) if spends else txs[-1].paid
        assert spent - txs[-1].paid == satoshi(fee), f"transaction {number}"
    return txs


def _spend(text: str, txs: Sequence[Tx]) -> In:
    found = re.fullmatch(r"(\w) ([\d.]+) \((?:its own|of (\d+))\)", text)
    assert found, text
    owner, value = NAMES.index(found[1]), satoshi(found[2])
    if found[3] is None:
        return In(None, 0, value, owner)
    place = int(found[3]) - 1
    assert 0 <= place < len(txs), text
    fits = [o for o in txs[place].outs if (o.owner, o.value, o.spent_by) == (owner, value, None)]
    assert len(fits) == 1, text
    fits[0].spent_by = len(txs)
    return In(place, txs[place].outs.index(fits[0]), value, owner)


def agree(rows: Rows, expected: Sequence[Line]) -> None:
    """Compare a table with what it has to say: words as they stand, figures by value."""
    assert len(rows) == len(expected)
    for row, line in zip(rows, expected, strict=True):
        assert len(row) == len(line), row
        for cell, true in zip(row, line, strict=True):
            assert (cell if isinstance(true, str) else figure(cell)) == true, (row, true)


def text(value: Fraction) -> str:
    """Write a figure as the page does."""
    return f"{float(value):g}"
