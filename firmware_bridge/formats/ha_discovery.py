"""Reading Home Assistant's MQTT discovery: any binary sensor that announces itself becomes readings.

A config says which topic carries a claim and how. The decoder learns it, tells which topics it needs, and from then
on decodes them; an empty config forgets the entity.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from firmware_bridge.formats.ha_config import EntityConfig, components, entity, expand
from firmware_bridge.formats.json_values import MAX_DEVICE_MESSAGE_BYTES, parse_json
from workplace.readings import Decoded, Reading, Value

#: Device class of a binary sensor -> kind. `connectivity` says whether a device is reachable; `plug` that
#: something is plugged in.
CLAIMS: Final = {
    "occupancy": "occupancy",
    "motion": "motion",
    "presence": "presence",
    "connectivity": "availability",
    "plug": "link",
}
#: Entities that are learnt. More is somebody inventing configs.
MAX_ENTITIES = 5000


@dataclass(slots=True)
class _Known:
    """An entity that was learnt, and what its availability topics last said."""

    config: EntityConfig
    available: dict[str, bool] = field(default_factory=dict)


class HaDiscoveryDecoder:
    """`workplace.ports.MessageDecoder` for one discovery prefix and all topics that it leads to.

    Args:
        prefix: the discovery prefix, without a slash at the end.
    """

    def __init__(self, prefix: str = "homeassistant") -> None:
        self._prefix = prefix
        self._entities: dict[tuple[str, str], _Known] = {}
        self._by_topic: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)

    @property
    def wanted_topics(self) -> frozenset[str]:
        """Topics, besides the prefix, that must be subscribed to for what was learnt so far."""
        return frozenset(self._by_topic)

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one config, state or availability message says."""
        del retained, now
        levels = topic.split("/")
        if topic.startswith(f"{self._prefix}/") and levels[-1] == "config":
            words = topic[len(self._prefix) + 1 :].split("/")
            if len(words) in (3, 4):
                return self._decode_config(topic, words[0], words[-2], payload)
        keys = self._by_topic.get(topic)
        if not keys or not payload:
            return Decoded()
        if len(payload) > MAX_DEVICE_MESSAGE_BYTES:
            return Decoded(fault="oversize")
        text = payload.decode("utf-8", errors="replace")
        document, _ = parse_json(payload)
        return self._decode_told(topic, sorted(keys), text, document)

    def _decode_config(self, topic: str, component: str, object_id: str, payload: bytes) -> Decoded:
        if not payload:
            self._forget(topic)
            return Decoded()
        if len(payload) > MAX_DEVICE_MESSAGE_BYTES:
            return Decoded(fault="oversize")
        document, fault = parse_json(payload)
        if fault is not None or not isinstance(document, dict):
            return Decoded(fault=fault or "not_an_object")
        if component != "device":
            self._forget(topic)
            return self._learn({(topic, object_id): (component, object_id, expand(document))})
        found = {}
        for key, config in components(document).items():
            self._forget_one((topic, key))
            if config:
                found[topic, key] = (str(config.get("platform")), key, config)
        return self._learn(found)

    def _learn(self, configs: dict[tuple[str, str], tuple[str, str, dict[str, Any]]]) -> Decoded:
        readings, fault = [], None
        for key, (component, object_id, config) in configs.items():
            made = entity(config, component=component, object_id=object_id)
            if isinstance(made, str):
                fault = made
                continue
            readings.append(_discovery(made))
            if made.template is None:
                fault = "unsupported_template"
            elif (
                component == "binary_sensor" and made.device_class in CLAIMS and made.state_topic is not None
            ):
                if len(self._entities) >= MAX_ENTITIES:
                    return Decoded(tuple(readings), fault="too_many_entities")
                self._entities[key] = _Known(made)
                for topic in made.topics:
                    self._by_topic[topic].add(key)
        devices = {str(reading.device) for reading in readings}
        return Decoded(tuple(readings), fault=fault, device=devices.pop() if len(devices) == 1 else None)

    def _forget(self, config_topic: str) -> None:
        for key in [key for key in self._entities if key[0] == config_topic]:
            self._forget_one(key)

    def _forget_one(self, key: tuple[str, str]) -> None:
        known = self._entities.pop(key, None)
        for topic in () if known is None else known.config.topics:
            self._by_topic[topic].discard(key)
            if not self._by_topic[topic]:
                del self._by_topic[topic]

    def _decode_told(self, topic: str, keys: list[tuple[str, str]], text: str, document: Any) -> Decoded:
        readings: dict[tuple[str, str, Value], Reading] = {}
        fault = None
        for key in keys:
            known = self._entities[key]
            config = known.config
            if topic == config.state_topic and config.template is not None:
                told = config.template.render(text, document)
                claim = {config.payload_on: True, config.payload_off: False}.get(told or "")
                if claim is not None:
                    readings[key[0], key[1], claim] = _claim(config, claim)
                elif told is not None:
                    fault = "unknown_value"
            is_there = _availability(known, topic, text, document)
            if is_there is not None:  # one device with ten entities is still one device
                readings["", config.device, is_there] = Reading(
                    "availability", is_there, device=config.device, scope="device"
                )
        devices = {str(reading.device) for reading in readings.values()}
        return Decoded(
            tuple(readings.values()), fault=fault, device=devices.pop() if len(devices) == 1 else None
        )


def _claim(config: EntityConfig, claim: bool) -> Reading:
    kind = CLAIMS[config.device_class or ""]
    extra: dict[str, Value] = {}
    if config.off_delay is not None:  # a sensor that only says "on": nobody sends the end
        extra["off_delay"] = config.off_delay
    if config.expire_after is not None:
        extra["expires_s"] = config.expire_after
    if kind == "availability":
        return Reading(kind, claim, device=config.device, scope="device", extra=extra)
    return Reading(kind, claim, channel=config.object_id, device=config.device, extra=extra)


def _availability(known: _Known, topic: str, text: str, document: Any) -> bool | None:
    """Return whether the device is there after this message, None when that cannot be told yet."""
    news: bool | None = None
    for item in known.config.availability:
        if item.topic == topic:
            told = item.template.render(text, document)
            news = {item.payload_on: True, item.payload_off: False}.get(told or "", news)
    if news is None:
        return None
    known.available[topic] = news
    mode = known.config.availability_mode
    if mode == "latest" or news == (mode == "any"):
        return news
    topics = {item.topic for item in known.config.availability}
    values = [known.available.get(each) for each in topics]
    if (mode == "any") in values:  # another topic decides
        return mode == "any"
    return None if None in values else mode == "all"


def _discovery(config: EntityConfig) -> Reading:
    value: dict[str, int | float | str] = {
        "component": config.component,
        "object_id": config.object_id,
        **config.facts,
    }
    if config.component == "binary_sensor":
        value |= {"payload_on": config.payload_on, "payload_off": config.payload_off}
    optional: dict[str, int | float | str | None] = {
        "device_class": config.device_class,
        "state_topic": config.state_topic,
        "off_delay": config.off_delay,
        "expire_after": config.expire_after,
        "availability_topic": config.availability[0].topic if config.availability else None,
    }
    value |= {name: told for name, told in optional.items() if told is not None}
    return Reading("discovery", value, device=config.device)
