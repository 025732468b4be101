"""Which hours of which days a building is judged by, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workplace import policy
from workplace.working_time import Span, WorkingTime, of_policy, spans, workdays

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ALWAYS = WorkingTime(0, 24, lambda _: True)
LATER = datetime(2040, 1, 1, tzinfo=UTC)


def hours_of(day: date) -> list[Span]:
    return spans(ALWAYS, AMSTERDAM, day, 1, LATER)


def test_the_hours_of_the_policy_are_widened_to_whole_ones_and_its_holidays_left_out() -> None:
    working = of_policy(policy.default("hq"))
    assert (working.first_hour, working.end_hour) == (8, 17)  # 08:30 to 17:00
    last = date(2027, 4, 28)  # a Wednesday; the day before is King's Day
    assert workdays(working, last, 7) == [date(2027, 4, day) for day in (22, 23, 26, 28)]


def test_a_working_hour_is_the_same_on_the_clock_in_summer_and_winter() -> None:
    working = WorkingTime(9, 10, lambda _: True)
    summer, winter = (spans(working, AMSTERDAM, date(2026, month, 20), 1, LATER)[0] for month in (7, 11))
    assert (summer.start.hour, winter.start.hour) == (7, 8)


@pytest.mark.parametrize(
    ("day", "hours", "odd", "length"),
    [
        pytest.param(date(2026, 3, 29), 23, 2, 0, id="in March the clock has no hour two"),
        pytest.param(date(2026, 10, 25), 24, 2, 2, id="in October hour two lasts two hours"),
        pytest.param(date(2026, 11, 24), 24, 2, 1, id="any other day has 24 of one hour"),
    ],
)
def test_days_on_which_the_clocks_change(day: date, hours: int, odd: int, length: int) -> None:
    found = hours_of(day)
    assert len(found) == hours
    assert sum((span.end - span.start).total_seconds() / 3600 for span in found if span.hour == odd) == length


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_hours_follow_each_other_without_gap_from_midnight_to_midnight(day: date) -> None:
    found = hours_of(day)
    assert [span.start for span in found[1:]] == [span.end for span in found[:-1]]
    midnights = [
        datetime.combine(at, datetime.min.time(), AMSTERDAM) for at in (day, day + timedelta(days=1))
    ]
    assert [found[0].start, found[-1].end] == midnights


def test_what_has_not_happened_yet_is_not_missing() -> None:
    working = WorkingTime(8, 17, lambda _: True)
    until = datetime(2026, 11, 24, 9, 40, tzinfo=UTC)  # 10:40
    found = spans(working, AMSTERDAM, date(2026, 11, 24), 1, until)
    assert [span.hour for span in found] == [8, 9, 10]
    assert found[-1].end == until
    assert spans(working, AMSTERDAM, date(2026, 11, 24), 1, until - timedelta(hours=9)) == []
