"""`plekvrij simulate`: days of the simulated building as files, to evaluate models on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import msgspec

from plekvrij import wiring
from simulators.conditions import SCENARIOS
from simulators.faults import WORN
from simulators.feed import DayFeed, feed
from simulators.made_site import MOST_PLACES, day_of, made_events, made_plan_text, shape_of
from workplace import floor_plan
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan

PLAN, EVENTS, TRUTH = "site.plan.yaml", "events.ndjson", "truth.ndjson"


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


def run_simulate_places(places: int, out: Path, *, seed: int, minutes: int) -> int:
    """Write the plan of a made site with `places` places, and what it says on a Tuesday from 10:00 on; return 0.

    Raises:
        SettingInvalid: too many places, or no minutes, or the folder cannot be written.
    """
    if not 0 < places <= MOST_PLACES or minutes < 1:
        raise SettingInvalid(f"--places is 1 to {MOST_PLACES}, --made-minutes at least 1")
    shape = shape_of(places)
    text = made_plan_text(shape)
    plan = floor_plan.load(text, PLAN)
    start = day_of(10, 0, plan)
    count = 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / PLAN).write_text(text, "utf-8")
        with (out / EVENTS).open("wb") as events:
            for event in made_events(shape, seed, start, start + timedelta(minutes=minutes)):
                events.write(msgspec.json.encode(event) + b"\n")
                count += 1
    except OSError as error:
        raise SettingInvalid(f"cannot write into {out}: {error}") from error
    rate = count / minutes / 60
    print(
        f"{shape.places} places on {shape.floors} floors: {count} events, {rate:.0f}/s",
        file=sys.stderr,
    )
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
