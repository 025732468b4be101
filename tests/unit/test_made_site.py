"""A made site of any size: its plan is sound, and copies of a floor speak as that floor does, as themselves."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from plekvrij.cli import main
from simulators import made_site
from simulators.made_site import Shape, day_of, shape_of
from workplace.events import SensorEvent
from workplace.floor_plan import load


@pytest.mark.parametrize(
    ("places", "shape"),
    [(1, Shape(1)), (251, Shape(2)), (25_000, Shape(100)), (25_001, Shape(51, 2)), (100_000, Shape(100, 4))],
)
def test_a_site_has_at_least_the_places_that_were_asked_for(places: int, shape: Shape) -> None:
    assert shape_of(places) == shape
    assert shape.places >= places


def test_copies_of_a_floor_say_the_same_a_little_later_under_their_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_site, "SIMULATED", 1)
    assert main(["simulate", "--places", "500", "--made-minutes", "60", "--out", str(tmp_path)]) == 0
    plan = load((tmp_path / "site.plan.yaml").read_text("utf-8"), "site.plan.yaml")
    assert len(plan.place) == 500
    lines = (tmp_path / "events.ndjson").read_bytes().splitlines()
    events = [msgspec.json.decode(line, type=SensorEvent) for line in lines]
    start = day_of(10, 0, plan)
    end = start + timedelta(minutes=60)
    assert all(plan.devices[event.device] == event.gateway for event in events)
    assert len({event.id for event in events}) == len(events)
    assert [event.received_at for event in events] == sorted(event.received_at for event in events)
    assert all(start <= event.received_at < end for event in events)
    said = Counter(event.gateway for event in events)
    assert said.keys() == {"gw-0", "gw-1"}
    assert min(said.values()) > 0.8 * max(said.values())


def test_more_places_than_a_plan_can_hold_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--places", "1000000", "--out", str(tmp_path)]) == 2
    assert "--places is 1 to 125000" in capsys.readouterr().err
