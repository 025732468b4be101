"""`plekvrij replay decisions FILE`: what the rules decide on a recording, and one number for all of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import msgspec

from ingest.night_settling import settle_night
from ingest.stores.night_history import NightHistory, NightKept
from ingest.stores.night_rows import NightOrder
from plekvrij import sqlite_driver
from plekvrij.wiring import Site
from workplace.codec import decode
from workplace.errors import MessageRejected, SettingInvalid
from workplace.events import GatewayStatus, Request, SensorEvent
from workplace.holds.engine import SiteEngine
from workplace.holds.nights import RecordedNights, SettledDay, SettledDays
from workplace.holds.settled import SettledSite, happened_at
from workplace.message import Message
from workplace.occupancy.night_times import bounds

RecordedFact = SensorEvent | GatewayStatus | Request
#: What a day of a site's own nights says to the same day of a replay.
Verdict = Literal["same", "differs", "other_policy", "not_kept"]
_SAYS: dict[Verdict, str] = {
    "same": "the same as the site decided",
    "differs": "NOT what the site decided",
    "other_policy": "the site ran another policy that night",
    "not_kept": "not checked: how the day before it ended is no longer kept",
}

#: A last will before everything else came at no time.
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_SQLITE = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a recording.

    Attributes:
        live_digest: of the decisions as they are made when each fact is decided upon as it comes, in the order of the
            file: what ingest calls its decision digest.
        settled_digest: of the same facts in the order in which they happened; any order of the file gives the same.
        nights: after how many days the model learned; days: the settled record of each local day that is over.
    """

    facts: int
    repeated: int
    unreadable: int
    decisions: int
    live_digest: str
    settled_digest: str
    policy_hash: str
    nights: int = 0
    days: tuple[SettledDay, ...] = ()


class Compared(msgspec.Struct, frozen=True):
    """One day of a site's nights, decided once more; `again` is None where that cannot be done."""

    day: date
    verdict: Verdict
    kept: str
    again: str | None


def replay(site: Site, lines: Iterable[bytes]) -> Replayed:
    """Decide about a recording: sensor events, gateway statuses and requests, one JSON object a line.

    Its nights are lived as a site lives them: what a day taught decides from the next morning on.
    """
    live, nights = SiteEngine(site.plan, site.policy), RecordedNights(site.plan, site.policy)
    settled = SettledDays(SettledSite(site.plan, site.policy), site.plan.tz)
    seen: set[str] = set()
    facts = repeated = unreadable = decisions = lived = 0
    for line in lines:
        fact = _fact(line)
        if fact is None:
            unreadable += 1
            continue
        key = _key(fact)
        if key in seen:
            repeated += 1
            continue
        if key is not None:
            seen.add(key)
        facts += 1
        at = _came_at(fact, live.now)
        if live.now is None:
            live.start(at)
        now = max(live.now or at, at)
        for begins, lessons in nights.due(now):
            decisions += len(live.apply(lessons, max(live.now or begins, begins)).decisions)
            settled.take(lessons, begins)
            lived += 1
        decisions += len(live.apply(fact, now).decisions)
        settled.take(fact, now)
        if isinstance(fact, SensorEvent):
            nights.take(fact)
    if live.now is not None:
        settled.settle_until(live.now)
    return Replayed(
        facts,
        repeated,
        unreadable,
        decisions,
        live.digest,
        settled.site.digest,
        site.policy.hash,
        lived,
        tuple(settled.closed),
    )


def compare(days: Sequence[SettledDay], nights: Sequence[NightKept], policy_hash: str) -> list[Compared]:
    """Return what the nights of a site say to the days of a recording, where both have the day."""
    kept = {night.day: night for night in nights}
    return [_compared(kept[day.day], day.digest, policy_hash) for day in days if day.day in kept]


def replay_store(site: Site, history: NightHistory) -> list[Compared]:
    """Decide once more about the days of a site's nights, from the facts that it stored; oldest first."""
    nights = history.nights()[::-1]
    found: list[Compared] = []
    for number, night in enumerate(nights):
        before = nights[number - 1] if number else None
        is_kept = _has_all(history) if before is None else bool(history.settled_records(before.day))
        if night.policy_hash != site.policy.hash or not is_kept:
            found.append(_compared(night, None, site.policy.hash))
            continue
        begin, end = bounds(night.day, site.plan.tz)
        order = NightOrder(night.day, begin, end, night.opened_at, night.upto_event, night.upto_said)
        again = settle_night(history, site.plan, site.policy, order)
        found.append(_compared(night, again.day.digest, site.policy.hash))
    return found


def _has_all(history: NightHistory) -> bool:
    """Whether nothing of the recording was deleted yet."""
    return history.oldest_rows() in {(1, 0), (1, 1)}


def _compared(night: NightKept, again: str | None, policy_hash: str) -> Compared:
    verdict: Verdict = "not_kept" if again is None else "same" if again == night.settled.digest else "differs"
    if night.policy_hash != policy_hash:
        verdict = "other_policy"
    return Compared(night.day, verdict, night.settled.digest, again)


def run_replay_decisions(site: Site, file: Path, data: Path | None, *, as_json: bool) -> int:
    """Print what came of the recording to stdout; return 1 when a site decided otherwise, else 0.

    Args:
        file: events as JSON lines, or the database of a site.
        data: folder of a site whose nights are compared with the days of the recording; None compares nothing.

    Raises:
        SettingInvalid: the file cannot be read, or nothing in it is a fact.
    """
    try:
        with file.open("rb") as lines:
            is_store = lines.read(len(_SQLITE)) == _SQLITE
            lines.seek(0)
            found = None if is_store else replay(site, lines)
    except OSError as error:
        raise SettingInvalid(f"cannot read {file}: {error}") from error
    if found is None:
        compared = replay_store(site, NightHistory(sqlite_driver.connect, file))
        if not compared:
            raise SettingInvalid(
                f"{file} holds no night yet; the first one begins at 03:30 after its first day"
            )
    else:
        if not found.facts:
            raise SettingInvalid(
                f"{file} holds no sensor event, gateway status or request, one JSON object a line"
            )
        kept = [] if data is None else NightHistory(sqlite_driver.connect, data / "site.db").nights()
        compared = compare(found.days, kept, site.policy.hash)
        _print(found, as_json=as_json)
    for one in compared:
        print(msgspec.json.encode(one).decode() if as_json else _line(one))
    return int(any(one.verdict == "differs" for one in compared))


def _print(found: Replayed, *, as_json: bool) -> None:
    if found.unreadable:
        print(f"{found.unreadable} lines are no fact and were left out", file=sys.stderr)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    print(f"policy         {found.policy_hash}")
    print(f"facts          {found.facts}, and {found.repeated} of them once more")
    print(f"decisions      {found.decisions}")
    print(f"nights         {found.nights}")
    print(f"as it came     {found.live_digest}")
    print(f"as it happened {found.settled_digest}")
    for day in found.days:
        print(f"  {day.day}   {day.digest}")


def _line(one: Compared) -> str:
    digests = one.kept if one.again in (None, one.kept) else f"{one.kept}, now {one.again}"
    return f"night of {one.day}: {digests}: {_SAYS[one.verdict]}"


def _fact(line: bytes) -> RecordedFact | None:
    try:
        message = decode(line.strip(), Message)
    except MessageRejected:
        return None
    return message if isinstance(message, SensorEvent | GatewayStatus | Request) else None


def _key(fact: RecordedFact) -> str | None:
    """Return what makes a fact the same one when it comes again; a last will has no time and is always news."""
    if isinstance(fact, GatewayStatus):
        return None if fact.at is None else f"{fact.gateway} {fact.status} {fact.at.isoformat()}"
    return fact.id


def _came_at(fact: RecordedFact, now: datetime | None) -> datetime:
    """Return when ingest had the fact."""
    if isinstance(fact, SensorEvent):
        return fact.received_at
    return happened_at(fact, now or _BEFORE_ALL)
