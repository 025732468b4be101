"""Sets of line numbers, kept as ranges: what came of an outbox is one range nearly all of the time. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

#: First and last line of a range, both in it.
Span = tuple[int, int]


class LineRanges:
    """A set of whole numbers from 1 on. Adding to the end is O(1), anything else O(ranges)."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in spans:
            self.add(first, last)

    def __iter__(self) -> Iterator[Span]:
        return zip(self._firsts, self._lasts, strict=True)

    def __len__(self) -> int:
        """Return how many ranges there are, not how many lines."""
        return len(self._firsts)

    def __contains__(self, line: int) -> bool:
        at = bisect_right(self._firsts, line) - 1
        return at >= 0 and line <= self._lasts[at]

    @property
    def highest(self) -> int:
        """The highest line, 0 when there is none."""
        return self._lasts[-1] if self._lasts else 0

    @property
    def count(self) -> int:
        """How many lines there are."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def add(self, first: int, last: int) -> int:
        """Add first <= line <= last; return how many of them are new."""
        if last < first:
            return 0
        firsts, lasts = self._firsts, self._lasts
        if lasts and first == lasts[-1] + 1:  # the way of nearly every line
            lasts[-1] = last
            return last - first + 1
        begin = bisect_left(lasts, first - 1)
        end = bisect_right(firsts, last + 1)
        if begin == end:
            firsts.insert(begin, first)
            lasts.insert(begin, last)
            return last - first + 1
        joined = min(first, firsts[begin]), max(last, lasts[end - 1])
        had = sum(lasts[begin:end]) - sum(firsts[begin:end]) + end - begin
        firsts[begin:end], lasts[begin:end] = [joined[0]], [joined[1]]
        return joined[1] - joined[0] + 1 - had

    def missing(self, first: int, last: int) -> Iterator[Span]:
        """Yield the ranges of first <= line <= last that are not here, in order."""
        at = bisect_left(self._lasts, first)
        while first <= last:
            if at == len(self._firsts) or self._firsts[at] > last:
                yield first, last
                return
            if self._firsts[at] > first:
                yield first, self._firsts[at] - 1
            first = self._lasts[at] + 1
            at += 1


def count_of(spans: Iterable[Span]) -> int:
    """Return how many lines ranges hold that do not overlap."""
    return sum(last - first + 1 for first, last in spans)
