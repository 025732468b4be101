"""One port that cannot be used, and a switch that fails: what the places make of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.conftest import SMALL_PLAN
from workplace import floor_plan, policy
from workplace.events import GatewayStatus, SensorEvent, SensorKind
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine

NINE = datetime.fromisoformat("2026-03-03T09:00:00+01:00")
SWITCH = "switch-sw-1"
DEVICES = """devices:
  - {place: 1-O1, sensor: switch_port, device: switch-sw-1, channel: Gi1/0/1}
  - {place: 1-O2, sensor: switch_port, device: switch-sw-1, channel: Gi1/0/2}
  - {place: 1-O3, sensor: switch_port, device: switch-sw-1, channel: Gi1/0/33}
"""


@pytest.fixture
def plan() -> FloorPlan:
    return floor_plan.load(SMALL_PLAN.replace(", sensors: [zigbee_pir]", "") + DEVICES, "plan.yaml")


def event(
    number: int,
    seconds: float,
    kind: SensorKind,
    *,
    value: bool,
    channel: str | None = None,
    reason: str | None = None,
) -> SensorEvent:
    at = NINE + timedelta(seconds=seconds)
    return SensorEvent(
        id=f"event-{number:04d}", site="klein", gateway="gw-1", device=SWITCH, kind=kind, value=value,
        channel=channel, measured_at=at, clock="network", uncertainty_ms=0, received_at=at, reason=reason,
    )  # fmt: skip


@pytest.fixture
def engine(plan: FloorPlan) -> SiteEngine:
    """Return an engine in which both places have a laptop on their dock since nine."""
    engine = SiteEngine(plan, policy.default("klein"))
    engine.start(NINE)
    engine.apply(GatewayStatus(site="klein", gateway="gw-1", status="online", at=NINE), NINE)
    for number, told in enumerate(
        (
            event(2, 1, "link", value=True, channel="Gi1/0/1"),
            event(3, 1, "link", value=True, channel="Gi1/0/2"),
        )
    ):
        engine.apply(told, NINE + timedelta(seconds=number + 1))
    engine.advance(NINE + timedelta(minutes=30))
    return engine


def state(engine: SiteEngine, place: str) -> str:
    return engine.place_state(place).occupancy


def test_a_port_that_the_switch_does_not_have_is_no_empty_desk(engine: SiteEngine) -> None:
    assert state(engine, "1-O3") == "unknown"


def test_a_closed_port_makes_its_own_place_unknown_and_no_other(engine: SiteEngine) -> None:
    closed = event(4, 1800, "availability", value=False, channel="Gi1/0/1", reason="admin_down")
    engine.apply(closed, closed.received_at)
    engine.advance(NINE + timedelta(minutes=50))
    assert state(engine, "1-O1") == "unknown"
    assert state(engine, "1-O2") == "occupied"


def test_an_opened_port_counts_again(engine: SiteEngine) -> None:
    for told in (
        event(4, 1800, "availability", value=False, channel="Gi1/0/1", reason="admin_down"),
        event(5, 1900, "availability", value=True, channel="Gi1/0/1"),
        event(6, 1901, "link", value=True, channel="Gi1/0/1"),
    ):
        engine.apply(told, told.received_at)
    engine.advance(NINE + timedelta(minutes=40))
    assert state(engine, "1-O1") == "occupied"


def test_a_switch_that_fails_makes_every_place_unknown_and_frees_none(engine: SiteEngine) -> None:
    lost = event(4, 1800, "availability", value=False, reason="mass_event")
    engine.apply(lost, lost.received_at)
    engine.advance(NINE + timedelta(minutes=45))
    assert {state(engine, place) for place in ("1-O1", "1-O2")} == {"unknown"}
    for told in (
        event(6, 2701, "link", value=True, channel="Gi1/0/1"),
        event(7, 2701, "link", value=True, channel="Gi1/0/2"),
    ):
        engine.apply(told, told.received_at)
    engine.advance(NINE + timedelta(minutes=50))
    assert {state(engine, place) for place in ("1-O1", "1-O2")} == {"occupied"}
