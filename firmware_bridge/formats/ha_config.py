"""Configs of Home Assistant's MQTT discovery: short keys, base topic, devices with several components, templates.

Source: home-assistant.io, pages MQTT and MQTT binary sensor. Of a config only what decoding needs is kept: names
and areas that people gave are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from firmware_bridge.formats.json_values import as_number

#: Short key -> key, of what is read here.
_SHORT: Final = {
    "stat_t": "state_topic",
    "dev_cla": "device_class",
    "val_tpl": "value_template",
    "stat_val_tpl": "value_template",
    "pl_on": "payload_on",
    "pl_off": "payload_off",
    "avty": "availability",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "avty_mode": "availability_mode",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "exp_aft": "expire_after",
    "off_dly": "off_delay",
    "uniq_id": "unique_id",
    "obj_id": "object_id",
    "dev": "device",
    "ids": "identifiers",
    "cmps": "components",
    "p": "platform",
    "t": "topic",
    "unit_of_meas": "unit_of_measurement",
}
#: Keys of a device config that hold for each of its components, unless the component says otherwise.
_SHARED: Final = (
    "~", "device", "state_topic", "availability", "availability_topic", "availability_template",
    "availability_mode", "payload_available", "payload_not_available",
)  # fmt: skip
#: Words of a config that reports may show.
_FACTS: Final = ("unique_id", "value_template", "unit_of_measurement")
MAX_COMPONENTS = 200
MAX_TOPIC = 512
_MODES: Final = ("latest", "any", "all")

#: The only templates that are understood: the text itself, or one path into a JSON object.
_TEMPLATE = re.compile(
    r"""\{\{-?\s*(?:value|value_json(?P<path>(?:\.[A-Za-z_]\w{0,63}|\[\s*(?:'[^'"\\]{1,64}'|"[^'"\\]{1,64}")\s*\])"""
    r"""{1,8}))\s*-?\}\}""",
    re.ASCII,
)
_STEP = re.compile(r"""\.(?P<name>\w+)|\[\s*['"](?P<quoted>[^'"]+)['"]\s*\]""", re.ASCII)


class TemplateUnsupported(ValueError):
    """The template needs a template engine; leave the entity alone."""


@dataclass(frozen=True, slots=True)
class Template:
    """How a message becomes the text that is compared: a path into JSON, None for the message as it is."""

    path: tuple[str, ...] | None = None

    @staticmethod
    def parse(text: str | None) -> Template:
        """Return the template in `text`.

        Raises:
            TemplateUnsupported: it is none of the two simple forms.
        """
        if text is None or not text.strip():
            return Template()
        match = _TEMPLATE.fullmatch(text.strip())
        if match is None:
            raise TemplateUnsupported(text)
        path = match["path"]
        return Template(
            tuple(step["name"] or step["quoted"] for step in _STEP.finditer(path)) if path else None
        )

    def render(self, text: str, document: Any) -> str | None:
        """Return the text to compare, None when the path leads nowhere.

        Args:
            text: the message.
            document: the message as JSON, None when it is none.
        """
        if self.path is None:
            return text
        for step in self.path:
            if not isinstance(document, dict) or step not in document:
                return None
            document = document[step]
        return plain(document)


@dataclass(frozen=True, slots=True)
class Availability:
    """One topic that tells whether the device is there."""

    topic: str
    payload_on: str
    payload_off: str
    template: Template


@dataclass(frozen=True, slots=True)
class EntityConfig:
    """One entity, with everything that decoding it needs.

    Attributes:
        template: None when the config asks for a template engine; then its states cannot be read.
        facts: further words of the config, for reports.
    """

    component: str
    object_id: str
    device: str
    device_class: str | None
    state_topic: str | None
    payload_on: str
    payload_off: str
    template: Template | None
    facts: dict[str, str]
    off_delay: int | float | None
    expire_after: int | float | None
    availability: tuple[Availability, ...]
    availability_mode: str

    @property
    def topics(self) -> set[str]:
        """All topics that tell something about the entity."""
        stated = set() if self.state_topic is None else {self.state_topic}
        return stated | {item.topic for item in self.availability}


def plain(value: Any) -> str | None:
    """Return a JSON value as a template engine would print it: payloads may be numbers and booleans."""
    if value is None or isinstance(value, dict | list):
        return None
    return value if isinstance(value, str) else str(value)


def expand(document: dict[str, Any]) -> dict[str, Any]:
    """Return the config with long keys and with `~` filled in."""
    config = _long(document)
    base = config.get("~")
    if isinstance(base, str):
        config = {
            key: _with_base(value, base) if key.endswith("topic") else value for key, value in config.items()
        }
        config["availability"] = [
            {key: _with_base(value, base) for key, value in _long(item).items()}
            for item in _objects(config.get("availability"))
        ]
    return config


def _long(config: dict[str, Any]) -> dict[str, Any]:
    return {_SHORT.get(key, key): value for key, value in config.items()}


def _with_base(value: Any, base: str) -> Any:
    if not isinstance(value, str):
        return value
    if value.startswith("~"):
        return base + value[1:]
    return value[:-1] + base if value.endswith("~") else value


def components(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the components of a device config by their keys, each with what the device says for all.

    A component of which only the platform is left is a request to remove it: it comes as an empty config.
    """
    top = expand(document)
    listed = top.get("components")
    if not isinstance(listed, dict):
        return {}
    shared = {key: value for key, value in top.items() if key in _SHARED}
    found: dict[str, dict[str, Any]] = {}
    for key, own in list(listed.items())[:MAX_COMPONENTS]:
        if isinstance(own, dict):
            long = _long(own)
            found[key] = expand(shared | long) if long.keys() - {"platform"} else {}
    return found


def is_topic(value: Any) -> bool:
    """True for a topic that may be subscribed to: no wildcard, so a config cannot ask for everything."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_TOPIC
        and not any(mark in value for mark in "+#\0")
        and not value.startswith("$")
    )


def entity(config: dict[str, Any], *, component: str, object_id: str) -> EntityConfig | str:
    """Return the entity that an expanded config describes, or the fault that is in it."""
    topic = config.get("state_topic")
    if topic is not None and not is_topic(topic):
        return "bad_topic"
    listed = availability(config)
    if isinstance(listed, str):
        return listed
    unique_id = _word(config.get("unique_id"))
    mode = config.get("availability_mode")
    return EntityConfig(
        component=component,
        object_id=object_id,
        device=_device(config.get("device")) or unique_id or object_id,
        device_class=_word(config.get("device_class")),
        state_topic=topic,
        payload_on=plain(config.get("payload_on")) or "ON",
        payload_off=plain(config.get("payload_off")) or "OFF",
        template=_template(config.get("value_template")),
        facts={name: config[name] for name in _FACTS if _word(config.get(name))},
        off_delay=as_number(config.get("off_delay")),
        expire_after=as_number(config.get("expire_after")),
        availability=listed,
        availability_mode=mode if isinstance(mode, str) and mode in _MODES else "latest",
    )


def availability(config: dict[str, Any]) -> tuple[Availability, ...] | str:
    """Return the availability topics of an expanded config, or the fault that is in them."""
    listed = config.get("availability")
    items = [_long(item) for item in _objects(listed)]
    if config.get("availability_topic") is not None:
        items.append(
            {
                "topic": config["availability_topic"],
                "value_template": config.get("availability_template"),
                "payload_available": config.get("payload_available"),
                "payload_not_available": config.get("payload_not_available"),
            }
        )
    found = []
    for item in items[:16]:
        if not is_topic(item.get("topic")):
            return "bad_topic"
        template = _template(item.get("value_template"))
        if template is None:
            continue
        online = plain(item.get("payload_available")) or "online"
        offline = plain(item.get("payload_not_available")) or "offline"
        found.append(Availability(item["topic"], online, offline, template))
    return tuple(found)


def _template(text: Any) -> Template | None:
    try:
        return Template.parse(text if isinstance(text, str) else None)
    except TemplateUnsupported:
        return None


def _objects(value: Any) -> list[dict[str, Any]]:
    items = [value] if isinstance(value, dict) else value
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_TOPIC else None


def _device(value: Any) -> str | None:
    """Return the first identifier of the device."""
    if not isinstance(value, dict):
        return None
    identifiers = value.get("identifiers", value.get("ids"))
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    return _word(first)
