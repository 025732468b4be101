"""Buildings that are not as usual: each differs in what its name says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from plekvrij import cli
from simulators.conditions import NORMAL, SCENARIOS, furnished
from simulators.faults import Faults
from simulators.feed import feed
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan


def told(plan: FloorPlan, name: str) -> tuple[SensorEvent, ...]:
    conditions = SCENARIOS[name]
    (day,) = feed(furnished(plan, conditions), 3, 1, conditions.faults, conditions)
    return day.events


def count(events: tuple[SensorEvent, ...], kind: str) -> int:
    return sum(event.kind == kind for event in events)


@pytest.mark.parametrize(
    ("name", "kind", "less"),
    [
        pytest.param("no-heartbeats", "battery", True, id="without heartbeats batteries say nothing"),
        pytest.param("bad-radio", "motion", True, id="a bad radio loses hits"),
        pytest.param("poor-sensors", "motion", True, id="badly placed sensors hit less"),
        pytest.param("still-people", "motion", True, id="still people hit less"),
        pytest.param("busy-aisles", "motion", False, id="a busy aisle hits more"),
        pytest.param("pir-only", "link", True, id="without docks no link is told"),
        pytest.param("radar-everywhere", "occupancy", False, id="radars tell occupancy"),
    ],
)
def test_an_unusual_building_differs_in_what_its_name_says(
    small_plan: FloorPlan, name: str, kind: str, less: bool
) -> None:
    usual, unusual = count(told(small_plan, "normal"), kind), count(told(small_plan, name), kind)
    assert unusual < usual if less else unusual > usual


def test_a_wrong_clock_is_wrong_by_a_minute_and_a_half_at_most(small_plan: FloorPlan) -> None:
    off = [
        (event.measured_at - event.received_at).total_seconds()
        for event in told(small_plan, "wrong-clocks")
        if event.kind == "motion"
    ]
    assert max(off) <= 90
    assert max(off) - min(off) > 20


def test_after_an_outage_all_that_waited_comes_at_once(small_plan: FloorPlan) -> None:
    events = told(small_plan, "bad-radio")
    lost = [event for event in events if event.kind == "availability" and event.value is False]
    assert lost
    assert max((event.received_at - event.measured_at).total_seconds() for event in events) > 900


def test_a_bad_radio_brings_readings_minutes_after_newer_ones(small_plan: FloorPlan) -> None:
    newest: dict[str, datetime] = {}
    behind: list[float] = []
    readings = [event for event in told(small_plan, "bad-radio") if event.kind == "motion"]
    for event in readings:
        before = newest.get(event.device, event.measured_at)
        behind.append((before - event.measured_at).total_seconds())
        newest[event.device] = max(before, event.measured_at)
    assert sum(seconds > 60 for seconds in behind) > len(readings) / 20
    assert max(behind) > 600


def test_a_dead_sensor_says_nothing_and_a_blocked_one_only_that_it_lives(small_plan: FloorPlan) -> None:
    def kinds(faults: Faults) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {"node": set(), "battery": set()}
        for event in next(feed(small_plan, 3, 1, faults)).events:
            found["node" if event.device.startswith("dsp1-") else "battery"].add(event.kind)
        return found

    assert kinds(Faults()) == {
        "node": {"availability", "link", "motion"}, "battery": {"availability", "battery", "motion"},
    }  # fmt: skip
    assert kinds(Faults(dead_pir=1.0)) == {"node": {"availability", "link"}, "battery": set()}
    assert kinds(Faults(blocked_pir=1.0)) == {
        "node": {"availability", "link"},
        "battery": {"availability", "battery"},
    }


def test_the_usual_building_is_as_it_was(small_plan: FloorPlan) -> None:
    assert furnished(small_plan, NORMAL) is small_plan
    assert list(feed(small_plan, 3, 1)) == list(feed(small_plan, 3, 1, conditions=NORMAL))


@pytest.mark.parametrize("name", ["moon", "pir-only"])
def test_a_building_that_files_cannot_hold_is_refused_with_the_names(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "--scenario", name, "--out", str(tmp_path)]) == 2
    assert "bad-radio" in capsys.readouterr().err
