"""Sets of lines as ranges behave like sets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from workplace.line_ranges import LineRanges, count_of

spans = st.tuples(st.integers(1, 40), st.integers(0, 8)).map(lambda s: (s[0], s[0] + s[1]))


def lines_of(some: object) -> set[int]:
    return {line for first, last in some for line in range(first, last + 1)}  # type: ignore[attr-defined]


@given(st.lists(spans, max_size=12), st.integers(1, 50), st.integers(0, 50))
def test_ranges_are_a_set(added: list[tuple[int, int]], first: int, last: int) -> None:
    ranges, model = LineRanges(), set[int]()
    for span in added:
        new = lines_of([span]) - model
        assert ranges.add(*span) == len(new)
        model |= new
        assert lines_of(ranges) == model
    kept = list(ranges)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(kept)), "neighbours are one range"
    assert (ranges.count, ranges.highest) == (len(model), max(model, default=0))
    assert [line in ranges for line in range(1, 60)] == [line in model for line in range(1, 60)]
    holes = list(ranges.missing(first, last))
    assert lines_of(holes) == set(range(first, last + 1)) - model
    assert count_of(holes) == len(lines_of(holes))
    assert list(LineRanges(kept)) == kept
