"""A floor plan -> the discovery messages of Home Assistant: which entities a site has and where their state stands.

Facts: home-assistant.io, integrations `mqtt` (discovery), `binary_sensor.mqtt`, `sensor.mqtt`. A config message is
retained under `<prefix>/<component>/<node>/<object>/config`; an empty one removes the entity. States are read from
our own retained topics. What we do not know becomes `None`, which Home Assistant shows as unknown, never `OFF` or 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from workplace.floor_plan import Floor, FloorPlan, Place, Zone
from workplace.holds.views import STATE_LASTS
from workplace.topics import Topics

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"
#: Phases as automations see them; `unknown` is no phase but the absence of one.
PHASES: Final = ("free", "in_use", "just_left", "reclaimable", "exempt")

#: The state has outlived itself: whoever should have renewed it is gone (`PlaceState.expires_at`).
_EXPIRED: Final = "as_timestamp(value_json.expires_at) < as_timestamp(now())"
#: A place is taken while somebody is there or keeps it; only a place that is known to be free is off.
_TAKEN: Final = (
    "{% if " + _EXPIRED + " %}None"
    "{% elif value_json.occupancy in ['occupied', 'held'] %}ON"
    "{% elif value_json.occupancy == 'free' %}OFF"
    "{% else %}None{% endif %}"
)
_PHASE: Final = (
    "{% if "
    + _EXPIRED
    + " or value_json.phase == 'unknown' %}None{% else %}{{ value_json.phase }}{% endif %}"
)
#: A count of a zone of which nothing is known is no 0.
_COUNT: Final = (
    "{% if " + _EXPIRED + " or (value_json.unknown > 0 and "
    "value_json.unknown + value_json.exempt >= value_json.capacity) %}None{% else %}{{ value_json.FIELD }}{% endif %}"
)
_ZONE_DETAILS: Final = (
    "{{ {'capacity': value_json.capacity, 'unknown': value_json.unknown, 'fixed': value_json.exempt, "
    "'mode': value_json.mode} | tojson }}"
)
#: Field of a zone -> Dutch name and icon: a town hall's Home Assistant speaks Dutch.
_ZONE_COUNTS: Final[dict[str, tuple[str, str]]] = {
    "free": ("Vrij", "mdi:desk"),
    "reclaimable": ("Mag gebruikt worden", "mdi:timer-alert-outline"),
    "in_use": ("In gebruik", "mdi:account"),
}


@dataclass(frozen=True, slots=True)
class Discovery:
    """What is published: config topic -> payload, and the filter under which all that was ever published stands."""

    configs: dict[str, bytes]
    filter: str


def node_of(site: str) -> str:
    """Return the topic level that marks our own configs of a site."""
    return f"plekvrij_{site}"


def discovery(
    plan: FloorPlan, topics: Topics, prefix: str, version: str, *, is_real_time: bool = True
) -> Discovery:
    """Return the entities of a site: per place taken and phase, per zone three counts, and ingest itself.

    Args:
        is_real_time: False for a site whose clock is not the wall's: Home Assistant then cannot tell by its own
            clock that a state is too old, only by the silence.
    """
    node = node_of(plan.site)
    configs: dict[str, bytes] = {}

    def add(component: str, name: str, config: dict[str, Any]) -> None:
        unique = f"{node}_{name}"
        whole = config | {
            "unique_id": unique,
            "origin": {"name": "Plekvrij", "sw_version": version},
        }
        if not is_real_time and "value_template" in whole:
            whole["value_template"] = whole["value_template"].replace(_EXPIRED, "false")
        configs[f"{prefix}/{component}/{node}/{name}/config"] = msgspec.json.encode(whole)

    add("binary_sensor", "ingest", _ingest(plan, topics, node))
    for floor in plan.floors:
        for zone in floor.zones:
            common = _common(plan, topics, floor, zone, node)
            for field, (text, icon) in _ZONE_COUNTS.items():
                add(
                    "sensor", f"zone_{zone.id}_{field}", common | _zone_count(zone, topics, field, text, icon)
                )
            for place in zone.places:
                add("binary_sensor", f"place_{place.id}", common | _place_taken(place, topics))
                add("sensor", f"place_{place.id}_phase", common | _place_phase(place, topics))
    return Discovery(configs, f"{prefix}/+/{node}/+/config")


def _ingest(plan: FloorPlan, topics: Topics, node: str) -> dict[str, Any]:
    return {
        "name": "Verbinding",
        "state_topic": topics.ingest_status(),
        "payload_on": ONLINE.decode(),
        "payload_off": OFFLINE.decode(),
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "device": {"identifiers": [node], "name": plan.name.nl, "manufacturer": "Plekvrij"},
    }


def _common(plan: FloorPlan, topics: Topics, floor: Floor, zone: Zone, node: str) -> dict[str, Any]:
    """Return what the entities of a zone share: one device per zone, all unavailable while ingest is away."""
    return {
        "availability_topic": topics.ingest_status(),
        "payload_available": ONLINE.decode(),
        "payload_not_available": OFFLINE.decode(),
        "expire_after": round(STATE_LASTS.total_seconds()),
        "device": {
            "identifiers": [f"{node}_{zone.id}"],
            "name": f"{floor.number} {zone.name.nl}",
            "manufacturer": "Plekvrij",
            "model": f"{plan.name.nl}, {floor.name.nl}",
            "suggested_area": floor.name.nl,
            "via_device": node,
        },
    }


def _zone_count(zone: Zone, topics: Topics, field: str, text: str, icon: str) -> dict[str, Any]:
    return {
        "name": text,
        "state_topic": topics.zone_state(zone.id),
        "value_template": _COUNT.replace("FIELD", field),
        "json_attributes_topic": topics.zone_state(zone.id),
        "json_attributes_template": _ZONE_DETAILS,
        "state_class": "measurement",
        "icon": icon,
    }


def _place_taken(place: Place, topics: Topics) -> dict[str, Any]:
    return {
        "name": place.label,
        "state_topic": topics.place_state(place.id),
        "value_template": _TAKEN,
        "device_class": "occupancy",
    }


def _place_phase(place: Place, topics: Topics) -> dict[str, Any]:
    return {
        "name": f"{place.label} fase",
        "state_topic": topics.place_state(place.id),
        "value_template": _PHASE,
        "device_class": "enum",
        "options": list(PHASES),
    }
