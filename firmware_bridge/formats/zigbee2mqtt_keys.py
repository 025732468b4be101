"""What the keys of a Zigbee2MQTT device message mean, as tables, and which devices are radars.

Source: the device pages and the message description of zigbee2mqtt.io.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

#: Plain numbers: key -> (kind, unit).
NUMBERS: Final[dict[str, tuple[str, str | None]]] = {
    "battery": ("battery", "%"),
    "temperature": ("temperature", "C"),
    "device_temperature": ("device_temperature", "C"),
    "humidity": ("humidity", "%"),
    "soil_moisture": ("moisture", "%"),
    "pressure": ("pressure", "hPa"),
    "co2": ("co2", "ppm"),
    "voc": ("tvoc", "ug/m3"),
    "pm25": ("pm25", "ug/m3"),
    "distance": ("distance", "m"),
    "target_distance": ("distance", "m"),
    "linkquality": ("linkquality", None),
    "power": ("power", "W"),
}

#: Claims that are passed on as they are: key -> kind.
CLAIMS: Final[dict[str, str]] = {
    "battery_low": "battery_low",
    "tamper": "tamper",
    "vibration": "vibration",
    "moving": "moving",
    "pir_detection": "motion",
}

#: Words that are passed on: key -> kind.
WORDS: Final[dict[str, str]] = {
    "presence_event": "presence_event",
    "illumination": "illumination",
    "motion_state": "radar_state",
}

#: A radar writes one of these under `state`, where lamps write ON and OFF.
RADAR_STATES: Final = frozenset({"none", "presence", "move", "moving", "still", "motion", "static"})

#: Keys that change with every radio packet and say nothing about the sensor.
UNTELLING: Final = frozenset({"linkquality", "last_seen", "update", "update_available", "elapsed"})

#: Battery sensors give millivolts, mains devices volts: no battery of a sensor reaches this many volts.
LOWEST_MILLIVOLTS: Final = 500

_RADAR_PROPERTIES = frozenset(
    {"presence", "distance", "target_distance", "motion_state", "radar_sensitivity", "occupancy_sensitivity"}
)
_RADAR_WORDS = ("radar", "mmwave", "human presence")
_OCCUPANCY_RADARS = frozenset({"SNZB-06P"})


def is_radar(definition: Any) -> bool:
    """True when a device senses a still person, so that its `occupancy` is a state and not a hit of a PIR."""
    if not isinstance(definition, dict):
        return False
    if str(definition.get("model")) in _OCCUPANCY_RADARS:
        return True
    description = str(definition.get("description", "")).lower()
    if any(word in description for word in _RADAR_WORDS):
        return True
    return not _RADAR_PROPERTIES.isdisjoint(_properties(definition.get("exposes")))


def has_radar_keys(message: dict[str, Any]) -> bool:
    """True when a message of a device that the bridge has not described has what only radars tell."""
    return not _RADAR_PROPERTIES.isdisjoint(message)


def _properties(exposes: Any) -> Iterable[str]:
    if not isinstance(exposes, list):
        return
    for item in exposes:
        if isinstance(item, dict):
            for name in (item.get("property"), item.get("name")):
                if isinstance(name, str):
                    yield name
