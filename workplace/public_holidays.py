"""Public holidays of a country, from the library `holidays`; this is the only file that knows it.

Which days they are is fixed by the library's version in requirements.lock; a replay with the same versions has the
same days.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import holidays

from workplace.policy_file import PublicHolidays

_COUNTRY: dict[PublicHolidays, str] = {"nl": "NL"}


def is_public_holiday(day: date, whose: PublicHolidays) -> bool:
    """Whether nobody is expected at work on this day."""
    country = _COUNTRY.get(whose)
    return country is not None and day in _days(country, day.year)


@cache
def _days(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))
