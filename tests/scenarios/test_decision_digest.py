"""One number for all decisions of a recorded day: the same live, after a crash, in a replay and in any order.

PLEKVRIJ_LONG=1 looks at a month of workdays instead of one.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest

from plekvrij.cli import main
from simulators.feed import feed
from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.holds.settled import HORIZON, Fact, SettledSite, happened_at, settled_digest
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, OccupancyFile, OccupancyModelName, PolicyFile

Came = list[tuple[datetime, Fact]]
DAYS = 21 if os.environ.get("PLEKVRIJ_LONG") else 1


@cache
def policy_of(model: OccupancyModelName) -> Policy:
    settings = PolicyFile(site="klein", mode="active", occupancy=OccupancyFile(model=model))
    digest = policy_hash(settings)
    consent = ConsentFile(body="Raad", role="lid", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(settings, consent=consent), digest)


@pytest.fixture(scope="module")
def day(small_plan: FloorPlan) -> Came:
    """Everything that the sensors of a small office said on one day, and a gateway that was away for 20 minutes."""
    events: Came = [(event.received_at, event) for one in feed(small_plan, 4, DAYS) for event in one.events]
    start = events[0][0]
    statuses: Came = []
    for word, minutes in (("online", 0), ("offline", 780), ("online", 800)):
        at = start + timedelta(minutes=minutes)
        statuses.append((at, GatewayStatus(site="klein", gateway="gw-1", status=word, at=at)))  # type: ignore[arg-type]
    return sorted([*events, *statuses], key=lambda item: item[0])


@pytest.fixture(params=["hand_tuned", "filter"])
def policy(request: pytest.FixtureRequest) -> Policy:
    return policy_of(request.param)


def end(day: Came) -> datetime:
    return day[-1][0] + timedelta(hours=2)


def shaken(day: Came, seed: int) -> Came:
    """The same facts, a third of them up to 50 minutes after they happened, a third of them twice."""
    dice = random.Random(seed)
    late = []
    for at, fact in day:
        latest = max(at, happened_at(fact, at) + HORIZON - timedelta(seconds=1))
        late.append((at + dice.random() * (latest - at) * (dice.random() < 0.3), fact))
    again = [(at + timedelta(seconds=dice.uniform(0, 600)), fact) for at, fact in late if dice.random() < 0.3]
    return sorted([*late, *again], key=lambda item: item[0])


def live(
    plan: FloorPlan, policy: Policy, facts: Iterable[tuple[datetime, Fact]], crash_after: int = -1
) -> str:
    engine = SiteEngine(plan, policy)
    stored: dict[str, bytes] = {}
    for number, (at, fact) in enumerate(facts):
        if engine.now is None:
            engine.start(at)
        engine.apply(fact, at)
        stored |= engine.take_changes()
        if number == crash_after:
            engine = SiteEngine(plan, policy)
            engine.restore(stored, at)
    return engine.digest


def test_live_a_crash_and_repeats_change_no_decision(
    small_plan: FloorPlan, policy: Policy, day: Came
) -> None:
    plain = live(small_plan, policy, day)
    assert live(small_plan, policy, day, crash_after=len(day) // 2) == plain
    assert live(small_plan, policy, [item for item in day for _ in range(2)]) == plain


def test_settled_any_order_within_50_minutes_with_repeats_and_a_crash_gives_the_same(
    small_plan: FloorPlan, policy: Policy, day: Came
) -> None:
    plain = settled_digest(SettledSite(small_plan, policy), day, end(day))
    assert int(plain, 16) != 0
    facts = shaken(day, 1)
    half = len(facts) // 2
    first = SettledSite(small_plan, policy)
    for at, fact in facts[:half]:
        first.take(fact, at)
        first.settle(at)
    again = SettledSite(small_plan, policy)
    again.restore(first.take_changes())
    assert settled_digest(again, facts[half:], end(day)) == plain


def test_the_digest_tells_one_decision_more_and_not_what_comes_too_late(
    small_plan: FloorPlan, day: Came
) -> None:
    policy = policy_of("hand_tuned")
    settled = SettledSite(small_plan, policy)
    plain = settled_digest(settled, day, end(day))
    for _, fact in day[:50]:
        settled.take(fact, end(day))
    settled.settle_until(end(day))
    assert (settled.too_late, settled.digest) == (50, plain)
    without = [
        (at, f) for at, f in day if not (isinstance(f, SensorEvent) and f.kind == "link" and f.channel == "0")
    ]
    assert settled_digest(SettledSite(small_plan, policy), without, end(day)) != plain


def test_the_command_prints_both_numbers_and_the_order_of_the_file_matters_to_one_of_them(
    small_plan_file: Path,
    small_plan: FloorPlan,
    day: Came,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = []
    for number, facts in enumerate((day, shaken(day, 3))):
        file = tmp_path / f"{number}.ndjson"
        file.write_bytes(b"".join(msgspec.json.encode(fact) + b"\n" for _, fact in facts))
        assert main(["replay", "decisions", str(file), "--plan", str(small_plan_file), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["settled_digest"] == found[1]["settled_digest"]
    assert found[0]["facts"] == found[1]["facts"] == len(day)
    assert found[1]["repeated"] > 0
    assert len(found[0]["live_digest"]) == 64
