"""The account of a period: every line that a gateway gave out is stored, set aside, on record as lost, or waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ingest.stores.loss_history import Account, SpoolAccount
from workplace.errors import SettingInvalid

#: Lines of records and of missing lines that are printed of one kind at most.
MOST_PRINTED = 40


def parse_moment(text: str, tz: ZoneInfo, *, is_end: bool) -> datetime:
    """Return a moment of site time; a day alone is its beginning, as the end of a period its end.

    Raises:
        SettingInvalid: it is neither a day nor a time.
    """
    try:
        if len(text) == len("2026-11-01"):
            day = date.fromisoformat(text) + timedelta(days=int(is_end))
            return datetime.combine(day, time(), tz)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingInvalid(f"{text!r}: write a day as 2026-11-01 or a time as 2026-11-01T09:30") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=tz)


def check_period(account: Account, from_at: datetime) -> None:
    """Refuse a period of which this store cannot know.

    Raises:
        SettingInvalid: no gateway has told of lines, or it begins before that.
    """
    if account.begins_at is None:
        raise SettingInvalid("no gateway has told of its outbox yet; ask again when one has run for a minute")
    if not account.outboxes and from_at < account.begins_at:
        raise SettingInvalid(f"lines are accounted for since {account.begins_at:%Y-%m-%d %H:%M} UTC")


def rows_of(account: Account) -> Iterator[dict[str, object]]:
    """Yield one row per outbox, and their sum, for programs."""
    for outbox in account.outboxes:
        yield {"gateway": outbox.gateway, "spool": outbox.spool, **_numbers(outbox)}
    total: dict[str, int] = {}
    for outbox in account.outboxes:
        for name, number in _numbers(outbox).items():
            total[name] = total.get(name, 0) + number
    delays = account.canary_delays_s
    yield {
        "total": True,
        **total,
        "is_equal": account.is_equal,
        "canary_longest_s": round(delays[-1], 3) if delays else None,
    }


def _numbers(outbox: SpoolAccount) -> dict[str, int]:
    return {
        "in": outbox.lines,
        "stored": outbox.stored,
        "duplicates": outbox.noted.get("duplicate", 0),
        "quarantined": outbox.noted.get("quarantined", 0),
        "records": outbox.noted.get("gap", 0),
        "canaries": outbox.noted.get("canary", 0),
        "in_ledger": sum(outbox.in_ledger.values()),
        "waiting": outbox.waiting,
        "deleted": outbox.deleted,
        "missing": outbox.missing_lines,
        "doubled": outbox.doubled,
    }


def lines_of(account: Account, tz: ZoneInfo) -> Iterator[str]:
    """Yield the account as text for people."""
    rows = list(rows_of(account))
    names = [name for name in rows[-1] if name not in {"total", "is_equal", "canary_longest_s"}] or ["in"]
    yield f"{'gateway':<16}{'outbox':<10}" + "".join(f"{name:>12}" for name in names)
    for row in rows:
        who = f"{row.get('gateway', 'all'):<16}{row.get('spool', ''):<10}"
        yield who + "".join(f"{row.get(name, 0):>12}" for name in names)
    delays = account.canary_delays_s
    if delays:
        middle_s = delays[len(delays) // 2]
        yield f"{len(delays)} canaries, half of them within {middle_s:.1f} s, the slowest took {delays[-1]:.1f} s"
    for gap in account.gaps[:MOST_PRINTED]:
        begin, end = gap.from_at.astimezone(tz), gap.to_at.astimezone(tz)
        many = f"{gap.count} events" if gap.count else "nobody listened"
        who = gap.gateway if gap.device is None else f"{gap.gateway}/{gap.device}"
        yield f"  {begin:%Y-%m-%d %H:%M:%S} - {end:%H:%M:%S}  {gap.cause:<14}  {many:<16}  {who}"
    if len(account.gaps) > MOST_PRINTED:
        yield f"  and {len(account.gaps) - MOST_PRINTED} records more; --json has all numbers"
    for outbox in account.outboxes:
        for first, last in outbox.missing[:MOST_PRINTED]:
            yield f"  NO TRACE of lines {first} to {last} of {outbox.gateway}, outbox {outbox.spool}"
    if account.is_equal:
        yield "equal: in = stored + duplicates + quarantined + records + canaries + in ledger + waiting (+ deleted)"
    else:
        yield "NOT EQUAL: look for the outbox files of these gateways before anything else"
