"""Names of devices: family and hardware name -> one topic-safe id, the same in the plan, on topics and in tables."""

from __future__ import annotations

from typing import Final

from workplace.topics import level

#: Family of devices -> prefix of their ids. A name that has the prefix already is an id and stays one.
PREFIXES: Final = {
    "dsp1": "dsp1",
    "mysensors": "mys",
    "ld2410": "ld2410",
    "ld2450": "ld2450",
    "zigbee2mqtt": "z2m",
    "chirpstack": "lora",
    "things_stack": "lora",
    "esphome": "esphome",
    "tasmota": "tasmota",
    "shelly": "shelly",
    "ha_discovery": "ha",
    "pressac": "pressac",
    "ble": "ble",
    "switch": "switch",
    "laptop_dock": "dock",
}


#: Families whose devices can have the light of a place.
LIT_FAMILIES: Final = ("dsp1", "esphome")


def device_id(family: str, name: str) -> str:
    """Return the id of a device of one family (a key of `PREFIXES`) from the name that the hardware gives.

    Different names may meet in one id when they differ only in signs that topics cannot carry.
    """
    prefix = PREFIXES[family] + "-"
    return level(name if name.startswith(prefix) else prefix + name)


#: Topic filters of a family below its base topic; the default is everything below the base itself.
_FILTERS: Final = {"tasmota": ("tele/{base}/#", "stat/{base}/#")}


def device_topics(family: str, base: str) -> tuple[str, ...]:
    """Return the topic filters under which the MQTT devices of a family publish."""
    return tuple(pattern.format(base=base) for pattern in _FILTERS.get(family, ("{base}/#",)))
