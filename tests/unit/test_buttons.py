"""Whose button it is, and what counts as a press (R18)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.buttons import Buttons

TEN = datetime(2026, 11, 24, 10, tzinfo=UTC)
NODE, SEAT = "dsp1-0001000000000001", "z2m-pir-1-O1"


def pressed(device: str, channel: str | None, value: Any = "press", minute: float = 0) -> SensorEvent:
    at = TEN + timedelta(minutes=minute)
    return SensorEvent(
        id=f"button-{minute}-{value}", site="klein", gateway="gw-1", device=device, kind="button", value=value,
        channel=channel, measured_at=at, clock="device", uncertainty_ms=5, received_at=at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("device", "channel", "value", "places"),
    [
        pytest.param(
            NODE, "2", "press", ["1-W3"], id="a button on a node speaks for the desk on its channel"
        ),
        pytest.param(NODE, None, "press", [], id="one for the whole node for nobody"),
        pytest.param(SEAT, None, "single", ["1-O1"], id="one on the sensor of a seat for that seat"),
        pytest.param(SEAT, "input:0", "press", ["1-O1"], id="whatever its channel is called"),
        pytest.param(NODE, "2", True, ["1-W3"], id="a wired contact that closes is a press"),
        pytest.param(NODE, "2", False, [], id="and one that opens is not"),
        pytest.param(NODE, "2", "long_press", [], id="a long press means something else"),
        pytest.param("stranger", None, "press", [], id="a device that has no place"),
    ],
)
def test_whose_button_it_is(
    small_plan: FloorPlan, device: str, channel: str | None, value: Any, places: list[str]
) -> None:
    assert Buttons(small_plan).press(pressed(device, channel, value)) == places


def test_a_press_that_is_told_twice_or_late_is_done_once(small_plan: FloorPlan) -> None:
    buttons = Buttons(small_plan)
    assert buttons.press(pressed(NODE, "0", minute=5)) == ["1-W1"]
    assert buttons.press(pressed(NODE, "0", minute=5)) == []
    assert buttons.press(pressed(NODE, "0", minute=4)) == []
    assert buttons.press(pressed(NODE, "0", minute=6)) == ["1-W1"]
