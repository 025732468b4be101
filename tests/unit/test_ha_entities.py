"""What Home Assistant shows of a site: its templates are rendered here as it renders them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from jinja2 import Environment, StrictUndefined

from workplace.codec import encode
from workplace.events import PlaceState, ZoneState
from workplace.floor_plan import FloorPlan
from workplace.ha_entities import discovery
from workplace.topics import Topics

NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)
TOPICS = Topics("klein")
LATER = NINE + timedelta(minutes=15)


def configs(plan: FloorPlan) -> dict[str, dict[str, Any]]:
    """Return object -> config."""
    found = discovery(plan, TOPICS, "homeassistant", "1.2.3").configs
    return {topic.split("/")[3]: json.loads(payload) for topic, payload in found.items()}


def shown(template: str, message: PlaceState | ZoneState, now: datetime = NINE) -> str:
    """Render a value template with what Home Assistant gives it."""
    environment = Environment(undefined=StrictUndefined, autoescape=True)
    environment.globals["now"] = lambda: now
    environment.globals["as_timestamp"] = lambda at: (
        at if isinstance(at, datetime) else datetime.fromisoformat(at)
    ).timestamp()
    return environment.from_string(template).render(value_json=json.loads(encode(message)))


PLACE = PlaceState(
    site="klein", floor="f1", zone="1-werken", place="1-W1", phase="free", occupancy="free", since=NINE,
    mode="shadow", as_of=NINE, expires_at=LATER,
)  # fmt: skip
ZONE = ZoneState(
    site="klein", floor="f1", zone="1-werken", free=3, reclaimable=1, in_use=3, unknown=1, exempt=0, capacity=8,
    scarce=False, calendar="work", mode="active", coverage_pct=90.0, as_of=NINE, expires_at=LATER,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "taken", "phase"),
    [
        pytest.param({}, "OFF", "free", id="a free place is off"),
        pytest.param(
            {"phase": "in_use", "occupancy": "occupied"}, "ON", "in_use", id="somebody there: on"
        ),
        pytest.param(
            {"phase": "just_left", "occupancy": "held"}, "ON", "just_left", id="things left behind: still taken"
        ),
        pytest.param(
            {"phase": "unknown", "occupancy": "unknown"}, "None", "None", id="unknown is unknown, never off"
        ),
        pytest.param(
            {"expires_at": NINE - timedelta(seconds=1)}, "None", "None", id="what nobody renewed is unknown"
        ),
        pytest.param(
            {"phase": "in_use", "occupancy": "held", "mode": "shadow"}, "ON", "in_use",
            id="in shadow mode the phase is what the site itself shows",
        ),
        pytest.param(
            {"phase": "reclaimable", "occupancy": "held", "mode": "active"}, "ON", "reclaimable",
            id="what may be used by others still has somebody's things",
        ),
    ],
)  # fmt: skip
def test_a_place(small_plan: FloorPlan, changed: dict[str, Any], taken: str, phase: str) -> None:
    state = msgspec.structs.replace(PLACE, **changed)
    found = configs(small_plan)
    assert shown(found["place_1-W1"]["value_template"], state) == taken
    assert shown(found["place_1-W1_phase"]["value_template"], state) == phase
    assert phase in {*found["place_1-W1_phase"]["options"], "None"}


@pytest.mark.parametrize(
    ("changed", "then"),
    [
        pytest.param({}, ["3", "1", "3"], id="the three counts of a zone"),
        pytest.param(
            {"free": 0, "reclaimable": 0, "in_use": 0, "unknown": 8}, ["None"] * 3,
            id="a zone of which nothing is known has no counts",
        ),
        pytest.param(
            {"free": 0, "reclaimable": 0, "in_use": 0, "unknown": 5, "exempt": 3}, ["None"] * 3,
            id="fixed places do not make it known",
        ),
        pytest.param(
            {"free": 0, "reclaimable": 0, "in_use": 8, "unknown": 0}, ["0", "0", "8"], id="a full zone is a real 0"
        ),
        pytest.param({"expires_at": NINE - timedelta(seconds=1)}, ["None"] * 3, id="old counts are no counts"),
    ],
)  # fmt: skip
def test_a_zone(small_plan: FloorPlan, changed: dict[str, Any], then: list[str]) -> None:
    state = msgspec.structs.replace(ZONE, **changed)
    found = configs(small_plan)
    names = [f"zone_1-werken_{field}" for field in ("free", "reclaimable", "in_use")]
    assert [shown(found[name]["value_template"], state) for name in names] == then
    details = json.loads(shown(found[names[0]]["json_attributes_template"], state))
    assert (details["capacity"], details["mode"]) == (8, "active")


def test_every_entity_is_its_own_and_leads_to_a_retained_topic_of_ours(example_plan: FloorPlan) -> None:
    topics = Topics(example_plan.site)
    found = discovery(example_plan, topics, "ha/test", "1.2.3")
    bodies = [json.loads(payload) for payload in found.configs.values()]
    places, zones = len(example_plan.place), len(example_plan.zone)
    assert len(found.configs) == 1 + 2 * places + 3 * zones
    assert len({body["unique_id"] for body in bodies}) == len(bodies)
    assert {topics.kind_of(body["state_topic"]) for body in bodies} == {
        "place_state",
        "zone_state",
        "ingest_status",
    }
    assert all(topic.startswith("ha/test/") and topic.endswith("/config") for topic in found.configs)
    without = [body for body in bodies if body.get("availability_topic") != topics.ingest_status()]
    assert [body["device_class"] for body in without] == ["connectivity"]
    devices = {body["device"]["identifiers"][0] for body in bodies}
    assert len(devices) == zones + 1
    assert {body["device"].get("via_device") for body in bodies} <= devices | {None}


def test_a_site_with_a_clock_of_its_own_is_not_measured_by_the_wall(small_plan: FloorPlan) -> None:
    found = discovery(small_plan, TOPICS, "homeassistant", "1.2.3", is_real_time=False).configs
    config = json.loads(found["homeassistant/binary_sensor/plekvrij_klein/place_1-W1/config"])
    assert shown(config["value_template"], PLACE, now=NINE + timedelta(days=400)) == "OFF"
    assert config["expire_after"] == 900
