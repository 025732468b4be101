"""`plekvrij simulate`: days of the simulated building as files, to evaluate models on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from plekvrij import wiring
from simulators.conditions import SCENARIOS
from simulators.faults import WORN
from simulators.feed import DayFeed, feed
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan

EVENTS, TRUTH = "events.ndjson", "truth.ndjson"


def run_simulate(plan: Path, out: Path, *, seed: int, days: int, worn: bool, scenario: str = "normal") -> int:
    """Write `events.ndjson` and `truth.ndjson` into the folder `out`; return 0.

    Raises:
        DocumentInvalid, SettingInvalid: the plan is wrong, the scenario unknown, or the folder cannot be written.
    """
    site = wiring.read_site(plan, None)
    conditions = SCENARIOS.get(scenario)
    if conditions is None or conditions.kits is not None:
        names = ", ".join(name for name, one in SCENARIOS.items() if one.kits is None)
        raise SettingInvalid(f"--scenario is {scenario!r}; write one of {names} (other kits: another --plan)")
    faults = WORN if worn else conditions.faults
    try:
        write_days(site.plan, out, feed(site.plan, seed, days, faults, conditions))
    except OSError as error:
        raise SettingInvalid(f"cannot write into {out}: {error}") from error
    return 0


def write_days(plan: FloorPlan, out: Path, days: Iterable[DayFeed]) -> None:
    """Write what was received and the truth of the places of the plan."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / EVENTS).open("wb") as events, (out / TRUTH).open("wb") as truth:
        for number, day in enumerate(days, 1):
            events.writelines(msgspec.json.encode(event) + b"\n" for event in day.events)
            truth.writelines(
                msgspec.json.encode({"place": change.place, "at": change.at, "state": change.state}) + b"\n"
                for change in day.truth
                if change.place in plan.place
            )
            print(f"day {number}: {len(day.events)} events", file=sys.stderr)
