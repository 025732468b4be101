"""Outlines of zones: boxes and shapes with any corners. Pure geometry, metres from the top left of the floor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from workplace.plan_file import ZoneFile

Corner = tuple[float, float]
Box = tuple[float, float, float, float]
#: Millimetres: what people type and what a pointer draws differ by less.
SLACK_M = 1e-6


def corners_of(zone: ZoneFile) -> tuple[Corner, ...]:
    """Return the outline of a zone as corners in their order; empty when the file gives none."""
    if zone.corners is not None:
        return tuple((corner[0], corner[1]) for corner in zone.corners)
    if zone.rect is None:
        return ()
    left, top, width, height = zone.rect
    return ((left, top), (left + width, top), (left + width, top + height), (left, top + height))


def box_of(corners: Sequence[Corner]) -> Box:
    """Return left, top, width and height of the box around the corners."""
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    return left, top, max(x for x, _ in corners) - left, max(y for _, y in corners) - top


def holds(corners: Sequence[Corner], x_m: float, y_m: float) -> bool:
    """Return whether a point lies inside the outline or on it."""
    inside = False
    for (ax, ay), (bx, by) in pairwise((*corners, corners[0])):
        if _is_on((ax, ay), (bx, by), (x_m, y_m)):
            return True
        if (ay > y_m) != (by > y_m) and x_m < ax + (y_m - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def crossing(corners: Sequence[Corner]) -> tuple[int, int] | None:
    """Return two sides that meet though they are not neighbours (first is 0), None when the outline is sound."""
    sides = list(pairwise((*corners, corners[0])))
    for first, (a, b) in enumerate(sides):
        for second in range(first + 1, len(sides)):
            c, d = sides[second]
            is_next = second == first + 1 or (first == 0 and second == len(sides) - 1)
            if not is_next and _meet(a, b, c, d):
                return first, second
    return None


def area_m2(corners: Sequence[Corner]) -> float:
    """Return the area inside the outline, m2."""
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairwise((*corners, corners[0])))) / 2


def _turn(a: Corner, b: Corner, c: Corner) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _is_on(a: Corner, b: Corner, point: Corner) -> bool:
    length = math.dist(a, b)
    if length <= SLACK_M:
        return math.dist(a, point) <= SLACK_M
    if abs(_turn(a, b, point)) / length > SLACK_M:
        return False
    along = ((point[0] - a[0]) * (b[0] - a[0]) + (point[1] - a[1]) * (b[1] - a[1])) / length
    return -SLACK_M <= along <= length + SLACK_M


def _meet(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    if any(_is_on(*side, point) for side, points in (((a, b), (c, d)), ((c, d), (a, b))) for point in points):
        return True
    return (_turn(a, b, c) > 0) != (_turn(a, b, d) > 0) and (_turn(c, d, a) > 0) != (_turn(c, d, b) > 0)


def widest_at(corners: Sequence[Corner], y_m: float) -> tuple[float, float] | None:
    """Return left end and width of the widest stretch inside the outline at a height, None when there is none."""
    crossed = sorted(
        ax + (y_m - ay) / (by - ay) * (bx - ax)
        for (ax, ay), (bx, by) in pairwise((*corners, corners[0]))
        if (ay > y_m) != (by > y_m)
    )
    stretches = [(left, right - left) for left, right in zip(crossed[::2], crossed[1::2], strict=True)]
    return max(stretches, key=lambda stretch: stretch[1], default=None)
