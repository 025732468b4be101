"""Who read about single places: by role, day and kind of page. No address leaves here, for an address may name a place.

It is made from the log of accounts. A row of it is one account at one address within five minutes, so what is counted
is in how many five minutes of a day somebody with a role looked: a page that is left open counts as long as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dashboard.accounts.book import AccountBook, Read
from dashboard.accounts.roles import Role
from dashboard.i18n import N_

PERIOD_DAYS = 28
#: The same answer is given for so long, real s.
KEPT_S = 300.0
#: Beginning of an address -> kind of page; the first that fits. Other addresses say nothing about the use of a place.
_PAGES: tuple[tuple[str, str], ...] = (
    ("/staff/why/", N_("why something was decided about a place")),
    ("/api/v1/decisions", N_("why something was decided about a place")),
    ("/api/v1/places/", N_("decisions about a place")),
    ("/staff/history", N_("history, with means of single places")),
    ("/staff/report", ""),
    ("/staff/plan", ""),
    ("/staff/devices", ""),
    ("/staff/policy", ""),
    ("/staff/actions", ""),
    ("/staff", N_("staff page: places as they are now")),
    ("/map/", N_("staff page: places as they are now")),
    ("/live", N_("places as they are now, for a screen or a program")),
    ("/wall", N_("places as they are now, for a screen or a program")),
    ("/api/v1/floors", N_("places as they are now, for a screen or a program")),
    ("/walk", N_("walk test of sensors")),
)


@dataclass(frozen=True, slots=True)
class DayReads:
    """In how many five minutes of one day (site time) one role read one kind of page; `page` is to be translated."""

    day: date
    role: Role
    page: str
    times: int


@dataclass(frozen=True, slots=True)
class RoleReads:
    """The same over all days; `days` is on how many, `last` the newest of them."""

    role: Role
    page: str
    times: int
    days: int
    last: date


def kind_of(method: str, address: str) -> str:
    """Return the kind of page, empty where nothing is read about the use of a place: a wish is no reading."""
    if method != "GET" and not (method == "POST" and address in {"/staff/", "/staff/history"}):
        return ""
    return next((page for begin, page in _PAGES if address.startswith(begin)), "")


def by_day(reads: Iterable[Read], tz: ZoneInfo) -> list[DayReads]:
    """Return the counts, newest day first, then by role and page."""
    found: dict[tuple[date, Role, str], set[int]] = {}
    for read in reads:
        page = kind_of(read.what, read.address)
        if page:
            day = datetime.fromtimestamp(read.begin, tz).date()
            found.setdefault((day, read.role, page), set()).add(read.begin)
    rows = [DayReads(day, role, page, len(begins)) for (day, role, page), begins in found.items()]
    return sorted(rows, key=lambda row: (-row.day.toordinal(), row.role, row.page))


def by_role(rows: Iterable[DayReads]) -> list[RoleReads]:
    """Return the sums over all days, by role and page."""
    found: dict[tuple[Role, str], list[DayReads]] = {}
    for row in rows:
        found.setdefault((row.role, row.page), []).append(row)
    return [
        RoleReads(role, page, sum(one.times for one in of), len(of), max(one.day for one in of))
        for (role, page), of in sorted(found.items())
    ]


class ReadsReader:
    """Reads the log now and then. `monotonic` is real seconds."""

    def __init__(
        self, book: AccountBook | None, tz: ZoneInfo, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._book, self._tz, self._monotonic = book, tz, monotonic
        self._kept: tuple[float, list[DayReads]] | None = None
        self._one = asyncio.Lock()

    async def read(self) -> list[DayReads] | None:
        """Return the counts, None where no account is: then nobody is told apart and nothing is kept."""
        if self._book is None or not self._book.has_any:
            return None
        async with self._one:
            if self._kept is None or self._monotonic() - self._kept[0] >= KEPT_S:
                found = await asyncio.to_thread(self._book.reads, PERIOD_DAYS)
                self._kept = (self._monotonic(), by_day(found, self._tz))
            return self._kept[1]
