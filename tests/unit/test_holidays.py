"""Holidays (R22): the country's and the site's own; on them the clocks rest."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from workplace.holds.timetable import Timetable
from workplace.policy import Policy, policy_hash
from workplace.policy_file import HoursFile, PolicyFile


def policy(hours: HoursFile) -> Policy:
    settings = PolicyFile(site="klein", hours=hours)
    return Policy(settings, policy_hash(settings))


@pytest.mark.parametrize(
    ("day", "is_holiday"),
    [
        pytest.param(date(2026, 12, 25), True, id="Christmas Day"),
        pytest.param(date(2027, 4, 27), True, id="King's Day"),
        pytest.param(date(2025, 4, 26), True, id="King's Day is on Saturday when the 27th is a Sunday"),
        pytest.param(date(2027, 5, 6), True, id="Ascension Day moves with Easter"),
        pytest.param(date(2025, 5, 5), True, id="Liberation Day is a day off every fifth year"),
        pytest.param(date(2027, 5, 5), False, id="and not in between"),
        pytest.param(date(2026, 12, 24), False, id="Christmas Eve"),
    ],
)
def test_the_public_holidays_of_the_netherlands(day: date, *, is_holiday: bool) -> None:
    assert policy(HoursFile()).is_holiday(day) is is_holiday


def test_a_site_may_have_days_of_its_own_and_leave_those_of_the_country() -> None:
    own = policy(HoursFile(public_holidays="none", holidays=["2026-12-28"]))
    assert own.is_holiday(date(2026, 12, 28))
    assert not own.is_holiday(date(2026, 12, 25))


def test_on_a_holiday_no_clock_runs() -> None:
    hours = Timetable(policy(HoursFile()), ZoneInfo("Europe/Amsterdam"))
    assert not hours.of("zone", datetime(2026, 12, 25, 10, tzinfo=UTC)).in_force  # a Friday
    assert hours.of("zone", datetime(2026, 12, 24, 10, tzinfo=UTC)).in_force
