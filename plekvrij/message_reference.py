"""Everything that crosses the broker as an AsyncAPI document and as a page, made from the types that are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args, get_type_hints

import msgspec
import yaml

from plekvrij import __version__
from plekvrij.file_reference import Schema, meaning
from workplace.events import (
    Command,
    Decision,
    GatewayConfig,
    GatewayHealth,
    GatewayStatus,
    IngestHealth,
    NotifierHealth,
    PlaceState,
    Reply,
    Request,
    SensorEvent,
    ZoneState,
)
from workplace.loss_events import Canary, GapRecord, Receipt
from workplace.message import SCHEMA_VERSION, Message
from workplace.topics import PARTITIONS, Topics

_TOPICS = Topics("{site}")
_SCHEMAS = "#/components/schemas/"

#: Parts of topics that differ.
PARAMETERS = {
    "site": "name of the site, as in the floor plan",
    "partition": f"0 to {PARTITIONS - 1}: CRC-32 of the floor's id, modulo {PARTITIONS}; a place has one worker",
    "gateway": "id of the gateway",
    "device": "id that the gateway gives the device; the gateway's own id when it speaks for itself",
    "place": "place of the floor plan",
    "zone": "zone of the floor plan, or `_site` for decisions about all of it",
    "request": "id of the request",
    "reply": "`reply_to` of the request",
    "word": "which check it is",
    "prefix": "`--ha-prefix`, as a rule homeassistant",
    "component": "kind of entity",
    "entity": "id of the entity",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One family of topics.

    Attributes:
        messages: what is sent there; empty where it is no JSON of ours, which `payload` then describes.
        sender: which process sends.
    """

    name: str
    address: str
    meaning: str
    sender: str
    messages: tuple[type[Message], ...] = ()
    qos: int = 1
    retain: bool = False
    payload: Mapping[str, Any] = field(default_factory=dict)


#: Every topic that a site uses. The tests listen to a whole site and compare.
CHANNELS = (
    Channel(
        "event",
        _TOPICS.events().replace("+/event/+/+", "{partition}/event/{gateway}/{device}"),
        "What sensors said. Under its own name a gateway says what is missing, and once a minute that the way is open.",
        "gateway",
        (SensorEvent, GapRecord, Canary),
    ),
    Channel(
        "receipt",
        _TOPICS.receipt("{gateway}"),
        "What ingest has on disk of a gateway's outbox.",
        "ingest",
        (Receipt,),
        qos=0,
    ),
    Channel(
        "gateway_status",
        _TOPICS.gateway_status("{gateway}"),
        "Whether a gateway is there; the broker says `offline` as its last will.",
        "gateway",
        (GatewayStatus,),
        retain=True,
    ),
    Channel(
        "gateway_health",
        _TOPICS.gateway_health("{gateway}"),
        "How a gateway is doing.",
        "gateway",
        (GatewayHealth,),
    ),
    Channel(
        "gateway_config",
        _TOPICS.gateway_config("{gateway}"),
        "Settings for a gateway from afar, sealed.",
        "installer",
        (GatewayConfig,),
        retain=True,
    ),
    Channel(
        "place_state",
        _TOPICS.place_state("{place}"),
        "What a place is now.",
        "ingest",
        (PlaceState,),
        retain=True,
    ),
    Channel(
        "zone_state",
        _TOPICS.zone_state("{zone}"),
        "The numbers of a zone now.",
        "ingest",
        (ZoneState,),
        retain=True,
    ),
    Channel("decision", _TOPICS.decision("{zone}"), "Why a place changed.", "ingest", (Decision,)),
    Channel(
        "command",
        _TOPICS.command("{gateway}", "{device}"),
        "To a device behind a gateway: its light.",
        "ingest",
        (Command,),
    ),
    Channel(
        "request", _TOPICS.request("{request}"), "A wish from a page to the engine.", "dashboard", (Request,)
    ),
    Channel("reply", _TOPICS.reply("{reply}"), "The engine's answer to a wish.", "ingest", (Reply,)),
    Channel(
        "ingest_health",
        _TOPICS.ingest_health(),
        "How ingest is doing, every few seconds.",
        "ingest",
        (IngestHealth,),
        qos=0,
    ),
    Channel(
        "partition_health",
        _TOPICS.ingest_health("{partition}"),
        "The same of the worker that has a partition, where several workers share the floors.",
        "ingest",
        (IngestHealth,),
        qos=0,
    ),
    Channel(
        "ingest_status",
        _TOPICS.ingest_status(),
        "For Home Assistant: whether states are kept up.",
        "ingest",
        retain=True,
        payload={"type": "string", "enum": ["online", "offline"]},
    ),
    Channel(
        "notifier_health",
        _TOPICS.notifier_health(),
        "How the channels outside the screens are doing; taken away when nobody delivers.",
        "notifier",
        (NotifierHealth,),
        qos=0,
        retain=True,
    ),
    Channel(
        "preflight",
        "plekvrij/v1/{site}/preflight/{word}",
        "A check that the broker keeps what is retained; not to be read.",
        "preflight",
        retain=True,
        payload={"type": "string"},
    ),
    Channel(
        "ha_config",
        "{prefix}/{component}/plekvrij_{site}/{entity}/config",
        "An entity, as Home Assistant defines it (MQTT discovery).",
        "ingest",
        retain=True,
        payload={"type": "object"},
    ),
)

_HEAD = f"""# Messages

Made from [asyncapi.yaml](asyncapi.yaml) by `python -m plekvrij.reference docs/reference`. MQTT 3.1.1 is enough.
Messages are JSON objects with their kind in `type` and the version of their form in `v`, now {SCHEMA_VERSION}.
Times are UTC, as RFC 3339.

**What stays.** Within a version no field is taken away, none becomes necessary, and no word of a list loses its
meaning; fields and words may be added. Readers ignore fields that they do not know. Another `v` is refused and kept
in quarantine. The tests hold an earlier form of every message against the program of now ([decision
33](../decisions/0033-what-was-said-once-is-understood.md)).

**Who may.** Each process has a user of its own at the broker, and may only what is its own: `plekvrij broker-files`
writes these rights for Mosquitto ([run a broker](../how-to/run-a-broker.md)). A program of yours needs a user that
may read `plekvrij/v1/<site>/state/#`.
"""


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document of all topics and messages."""
    kinds = list(dict.fromkeys(kind for channel in CHANNELS for kind in channel.messages))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Plekvrij",
            "version": __version__,
            "description": "What gateways, ingest, pages and notifier of one site tell each other, by MQTT.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"send_{channel.name}": _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in kinds}
            | {
                channel.name: {"payload": dict(channel.payload)}
                for channel in CHANNELS
                if not channel.messages
            },
            "schemas": schemas(kinds),
        },
    }


def schemas(kinds: list[type[Message]]) -> dict[str, Any]:
    """Return the JSON Schema of each message and of what it consists of."""
    _, found = msgspec.json.schema_components(kinds, ref_template=_SCHEMAS + "{name}")
    parts = {kind.__name__: kind for kind in _structs(kinds)}
    messages = {kind.__name__ for kind in kinds}
    for name, schema in found.items():
        schema["description"] = _one_line(schema.get("description", ""))
        hints = get_type_hints(parts[name])
        if name in messages:
            schema["properties"]["v"] = {"const": SCHEMA_VERSION, "default": SCHEMA_VERSION}
        for part, allowed in schema.get("properties", {}).items():
            if datetime in (hints.get(part), *get_args(hints.get(part))):
                _mark_as_time(allowed)
    return dict(sorted(found.items()))


def _structs(kinds: list[type[Message]]) -> Iterator[type[msgspec.Struct]]:
    """Return the messages and every struct inside them."""
    waiting: list[Any] = list(kinds)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield kind
            waiting += get_type_hints(kind).values()
        else:
            waiting += get_args(kind)


def _mark_as_time(schema: dict[str, Any]) -> None:
    for one in schema.get("anyOf", [schema]):
        if one.get("type") == "string":
            one["format"] = "date-time"


def _channel(channel: Channel) -> dict[str, Any]:
    names = [kind.__name__ for kind in channel.messages] or [channel.name]
    return {
        "address": channel.address,
        "description": channel.meaning,
        "parameters": {
            name: {"description": said}
            for name, said in PARAMETERS.items()
            if f"{{{name}}}" in channel.address
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    names = [kind.__name__ for kind in channel.messages] or [channel.name]
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "title": f"by the {channel.sender}",
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in names],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain, "bindingVersion": "0.2.0"}},
    }


def _message(kind: type[Message]) -> dict[str, Any]:
    return {
        "name": kind.__struct_config__.tag,
        "title": kind.__name__,
        "summary": _one_line(kind.__doc__ or "").split(". ")[0].rstrip(".") + ".",
        "payload": {"$ref": _SCHEMAS + kind.__name__},
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return the document as YAML, in its own order, nothing by reference."""
    head = "# Made by `python -m plekvrij.reference docs/reference`; a test keeps it current.\n"
    plain = msgspec.json.decode(msgspec.json.encode(document))
    return head + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def messages_page(document: Mapping[str, Any]) -> str:
    """Return every topic and every field of every message."""
    lines = [
        _HEAD,
        "## Topics",
        "",
        "| topic | what | message | from | QoS | retained |",
        "|--|--|--|--|--|--|",
    ]
    for channel in CHANNELS:
        names = ", ".join(f"[{kind.__name__}](#{kind.__name__.lower()})" for kind in channel.messages)
        kept = "yes" if channel.retain else "no"
        lines.append(
            f"| `{channel.address}` | {channel.meaning} | {names or _cell(channel.payload)} | {channel.sender} "
            f"| {channel.qos} | {kept} |"
        )
    lines += ["", "| part of a topic | what stands there |", "|--|--|"]
    lines += [f"| `{{{name}}}` | {said} |" for name, said in PARAMETERS.items()]
    lines.append("")
    sent = document["components"]["messages"]
    inner = [name for name in document["components"]["schemas"] if name not in sent]
    for title, shown in (("## Kinds of messages", list(sent)), ("## Parts of messages", inner)):
        lines += [title, ""]
        for name in shown:
            if name in document["components"]["schemas"]:
                lines += _shape(name, document["components"]["schemas"][name])
    return "\n".join(lines)


def _shape(name: str, schema: Schema) -> Iterator[str]:
    yield from (f"### {name}", "", schema["description"], "")
    if "properties" not in schema:  # sent as a list, to save room
        yield from (meaning(schema).capitalize() + ".", "")
        return
    needed = set(schema.get("required", ()))
    yield from ("| field | what stands there | always |", "|--|--|--|")
    for part, allowed in schema["properties"].items():
        yield f"| `{part}` | {_cell(allowed)} | {'yes' if part in needed else 'no'} |"
    yield ""


def _cell(schema: Schema) -> str:
    return meaning(schema).replace("|", "\\|")
