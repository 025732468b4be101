"""What staff see of sensors: causes of silence, and batteries that end soon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dashboard.i18n import words
from dashboard.live_site import GatewayView
from dashboard.staff import sensors
from workplace.events import DeviceHealth, GatewayHealth
from workplace.floor_plan import FloorPlan

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def shown(plan: FloorPlan, *devices: DeviceHealth) -> str:
    health = GatewayHealth(
        site="klein", gateway="gw-1", at=NINE, uptime_s=1, outbox_rows=0, outbox_oldest_s=0, clock_synced=True,
        devices=devices,
    )  # fmt: skip
    made: Any = sensors.gateways(plan, [GatewayView("gw-1", None, health, 1.0)], "f1", words("en"))
    return str(made.to_plotly_json())


def device(name: str, **more: Any) -> DeviceHealth:
    return DeviceHealth(device=name, available=True, **more)


def test_batteries_that_end_within_a_month_are_listed_and_others_not(small_plan: FloorPlan) -> None:
    text = shown(
        small_plan,
        device("z2m-pir-1-O11", battery_pct=20.0, battery_days_left=29.6),
        device("z2m-pir-1-O12", battery_pct=15.0, battery_days_left=3.2),
        device("z2m-pir-1-O13", battery_pct=90.0, battery_days_left=300.0),
        device("z2m-pir-1-O14", battery_pct=10.0),
    )
    assert "15 %, about 3 days left" in text
    assert text.index("z2m-pir-1-O12") < text.index("z2m-pir-1-O11"), "the first to end comes first"
    assert "z2m-pir-1-O13" not in text
    assert "z2m-pir-1-O14" not in text


def test_without_an_outlook_nothing_is_said_of_batteries(small_plan: FloorPlan) -> None:
    assert "Batteries" not in shown(small_plan, device("z2m-pir-1-O11", battery_pct=90.0))


def test_a_device_that_was_not_heard_since_the_gateway_started_is_no_silent_one(
    small_plan: FloorPlan,
) -> None:
    waiting = DeviceHealth(device="z2m-pir-1-O11", available=False, reason="unknown")
    lost = DeviceHealth(device="z2m-pir-1-O12", available=False, reason="silent")
    text = shown(small_plan, waiting, lost)
    assert "1 of 5 silent" in text
    assert "z2m-pir-1-O11" not in text
