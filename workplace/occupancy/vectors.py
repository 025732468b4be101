"""Seven-state beliefs and matrices in plain floats: small enough that no library pays.

Only + - * / are used, so every machine gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

STATES: Final = 7
Vector = tuple[float, ...]
#: Columns of a 7 x 7 matrix: `columns[j][i]` takes state i to state j.
Columns = tuple[Vector, ...]
#: What stretches of silence do, as `powers_of` returns them.
Powers = tuple[tuple[Columns, ...], ...]

#: exp(G * v * 16^k s) is kept for v = 1..15 and k = 0..3: a stretch of up to 18 hours costs at most four products.
DIGITS: Final = 4
BASE: Final = 16
_TAYLOR: Final = 10
_HOUR_S: Final = 3600.0


def times(a: Vector, columns: Columns) -> Vector:
    """Return the row vector `a` times the matrix."""
    a0, a1, a2, a3, a4, a5, a6 = a
    return tuple(
        [
            a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
            for c0, c1, c2, c3, c4, c5, c6 in columns
        ]
    )


def led(a: Vector, columns: Columns) -> Vector:
    """Return `normal(times(a, columns))`: the step that every event takes, so it is written out."""
    a0, a1, a2, a3, a4, a5, a6 = a
    one, two, three, four, five, six, seven = columns
    c0, c1, c2, c3, c4, c5, c6 = one
    b0 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    c0, c1, c2, c3, c4, c5, c6 = two
    b1 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    c0, c1, c2, c3, c4, c5, c6 = three
    b2 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    c0, c1, c2, c3, c4, c5, c6 = four
    b3 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    c0, c1, c2, c3, c4, c5, c6 = five
    b4 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    c0, c1, c2, c3, c4, c5, c6 = six
    b5 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    c0, c1, c2, c3, c4, c5, c6 = seven
    b6 = a0 * c0 + a1 * c1 + a2 * c2 + a3 * c3 + a4 * c4 + a5 * c5 + a6 * c6
    total = b0 + b1 + b2 + b3 + b4 + b5 + b6
    return (b0 / total, b1 / total, b2 / total, b3 / total, b4 / total, b5 / total, b6 / total)


def led_back(columns: Columns, b: Vector) -> Vector:
    """Return the matrix times the column vector `b`, with sum 1; for the backward pass."""
    return led(b, tuple(zip(*columns, strict=True)))


def normal(a: Vector) -> Vector:
    """Return `a` with sum 1."""
    total = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6]
    return (
        a[0] / total,
        a[1] / total,
        a[2] / total,
        a[3] / total,
        a[4] / total,
        a[5] / total,
        a[6] / total,
    )


def columns_of(rows: Sequence[Sequence[float]]) -> Columns:
    return tuple(tuple(row[j] for row in rows) for j in range(STATES))


def powers_of(rows_per_h: Sequence[Sequence[float]]) -> Powers:
    """Return exp(G * v * 16^k s) as `[k][v - 1]`, `rows_per_h` being G in changes per hour."""
    step = [[rate / _HOUR_S for rate in row] for row in rows_per_h]
    # one second of rates up to some 300/h is a small step: the series ends far below the last bit
    base, term = _identity(), _identity()
    for n in range(1, _TAYLOR + 1):
        term = [[value / n for value in row] for row in _product(term, step)]
        base = [
            [x + y for x, y in zip(one, other, strict=True)] for one, other in zip(base, term, strict=True)
        ]
    found: list[tuple[Columns, ...]] = []
    for _ in range(DIGITS):
        multiples, product = [], base
        for _ in range(BASE - 1):
            multiples.append(columns_of(product))
            product = _product(product, base)
        found.append(tuple(multiples))
        base = product
    return tuple(found)


def _identity() -> list[list[float]]:
    return [[float(i == j) for j in range(STATES)] for i in range(STATES)]


def _product(one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
    columns = columns_of(other)
    return [list(times(tuple(row), columns)) for row in one]
