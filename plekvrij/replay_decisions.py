"""`plekvrij replay decisions FILE`: what the rules decide on a recording, and one number for all of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from plekvrij.wiring import Site
from workplace.codec import decode
from workplace.errors import MessageRejected, SettingInvalid
from workplace.events import GatewayStatus, Message, Request, SensorEvent
from workplace.holds.engine import SiteEngine
from workplace.holds.settled import Fact, SettledSite, happened_at

#: A last will before everything else came at no time.
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a recording.

    Attributes:
        live_digest: of the decisions as they are made when each fact is decided upon as it comes, in the order of the
            file: what ingest calls its decision digest.
        settled_digest: of the same facts in the order in which they happened; any order of the file gives the same.
    """

    facts: int
    repeated: int
    unreadable: int
    decisions: int
    live_digest: str
    settled_digest: str
    policy_hash: str


def replay(site: Site, lines: Iterable[bytes]) -> Replayed:
    """Decide about a recording: sensor events, gateway statuses and requests, one JSON object a line."""
    live = SiteEngine(site.plan, site.policy)
    settled = SettledSite(site.plan, site.policy)
    seen: set[str] = set()
    facts = repeated = unreadable = decisions = 0
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
        decisions += len(live.apply(fact, now).decisions)
        settled.take(fact, now)
        settled.settle(now)
    if live.now is not None:
        settled.settle_until(live.now)
    return Replayed(
        facts, repeated, unreadable, decisions, live.digest, settled.digest, site.policy.hash
    )  # fmt: skip


def run_replay_decisions(site: Site, file: Path, *, as_json: bool) -> int:
    """Print what came of the recording to stdout; return 0.

    Raises:
        SettingInvalid: the file cannot be read, or nothing in it is a fact.
    """
    try:
        with file.open("rb") as lines:
            found = replay(site, lines)
    except OSError as error:
        raise SettingInvalid(f"cannot read {file}: {error}") from error
    if not found.facts:
        raise SettingInvalid(
            f"{file} holds no sensor event, gateway status or request, one JSON object a line"
        )
    if found.unreadable:
        print(f"{found.unreadable} lines are no fact and were left out", file=sys.stderr)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return 0
    print(f"policy         {found.policy_hash}")
    print(f"facts          {found.facts}, and {found.repeated} of them once more")
    print(f"decisions      {found.decisions}")
    print(f"as it came     {found.live_digest}")
    print(f"as it happened {found.settled_digest}")
    return 0


def _fact(line: bytes) -> Fact | None:
    try:
        message = decode(line.strip(), Message)
    except MessageRejected:
        return None
    return message if isinstance(message, SensorEvent | GatewayStatus | Request) else None


def _key(fact: Fact) -> str | None:
    """Return what makes a fact the same one when it comes again; a last will has no time and is always news."""
    if isinstance(fact, GatewayStatus):
        return None if fact.at is None else f"{fact.gateway} {fact.status} {fact.at.isoformat()}"
    return fact.id


def _came_at(fact: Fact, now: datetime | None) -> datetime:
    """Return when ingest had the fact."""
    if isinstance(fact, SensorEvent):
        return fact.received_at
    return happened_at(fact, now or _BEFORE_ALL)
