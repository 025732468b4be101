"""What others were told once still holds: messages, topics and addresses of an earlier version against those of now."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.docs.compatibility import broken_addresses, broken_messages
from tests.docs.contracts import channel_of, complaints, document
from tests.docs.freeze import CONTRACTS, messages
from workplace.codec import decode, encode
from workplace.events import PlaceState
from workplace.message import Message
from workplace.topics import Topics

TOLD = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))
TOLD_HTTP = json.loads((CONTRACTS / "openapi.json").read_text("utf-8"))
KEPT = (CONTRACTS / "messages.ndjson").read_bytes().splitlines()
CHANNEL_OF_KIND = {
    TOLD["components"]["messages"][name].get("name"): channel
    for channel, told in TOLD["channels"].items()
    for name in told["messages"]
}


def test_every_kept_message_is_read_and_said_again_as_told() -> None:
    kinds = set()
    for line in KEPT:
        message = decode(line, Message)
        kinds.add(json.loads(line)["type"])
        channel = CHANNEL_OF_KIND[json.loads(line)["type"]]
        assert complaints(channel, json.loads(encode(message))) == [], line
    assert kinds == set(CHANNEL_OF_KIND) - {None}


def test_a_field_of_tomorrow_is_no_reason_to_refuse() -> None:
    for line in KEPT:
        decode(json.dumps(json.loads(line) | {"of_tomorrow": [1]}).encode(), Message)


def test_messages_and_topics_of_now_are_those_that_were_told() -> None:
    assert broken_messages(TOLD, document()) == []


def test_addresses_of_now_are_those_that_were_told() -> None:
    now = json.loads((CONTRACTS.parents[2] / "docs" / "reference" / "openapi.json").read_text("utf-8"))
    assert broken_addresses(TOLD_HTTP, now) == []


def test_all_words_and_fields_of_now_can_be_read() -> None:
    for message in messages(document()):
        decode(json.dumps(message).encode(), Message)


def change(*path: str, to: Any = None) -> Callable[[Any], None]:
    """Return what takes out, or changes, one thing of a document."""

    def do(told: Any) -> None:
        for part in path[:-1]:
            told = told[part]
        if to is None:
            del told[path[-1]]
        else:
            told[path[-1]] = to

    return do


EVENT = ("components", "schemas", "SensorEvent")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(change(*EVENT, "properties", "seq"), id="a field goes"),
        pytest.param(change(*EVENT, "properties", "uncertainty_ms", "type", to="string"), id="a number becomes a text"),
        pytest.param(change(*EVENT, "properties", "kind", "enum", to=["motion"]), id="words go"),
        pytest.param(change(*EVENT, "required", to=["type"]), id="fields are not always there"),
        pytest.param(change(*EVENT, "properties", "seq", "anyOf", to=[{"type": "null"}]), id="a choice goes"),
        pytest.param(change(*EVENT, "properties", "id", "maxLength", to=32), id="less room"),
        pytest.param(change("components", "schemas", "Signal", "properties", "age_s"), id="a field of a part goes"),
        pytest.param(change("channels", "decision"), id="a topic goes"),
        pytest.param(change("channels", "event", "address", to="other/{device}"), id="a topic is another"),
        pytest.param(change("channels", "event", "messages", "GapRecord"), id="a message goes"),
        pytest.param(
            change("operations", "send_zone_state", "bindings", "mqtt", "retain", to=False), id="no longer retained"
        ),
    ],
)  # fmt: skip
def test_what_breaks_a_reader_of_messages_is_seen(broken: Callable[[Any], None]) -> None:
    now = copy.deepcopy(TOLD)
    broken(now)
    assert broken_messages(TOLD, now)


WISH = ("paths", "/api/v1/places/{place}/requests", "post")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(change("paths", "/api/v1/health"), id="an address goes"),
        pytest.param(change(*WISH), id="a method goes"),
        pytest.param(
            change("components", "schemas", "PlaceAnswer", "properties", "state"), id="a field goes"
        ),
        pytest.param(
            change("components", "schemas", "Wish", "required", to=["action", "minutes"]),
            id="one more to send",
        ),
        pytest.param(change(*WISH, "responses", "200"), id="an answer goes"),
        pytest.param(change(*WISH, "parameters", to=[]), id="a part of the address goes"),
    ],
)
def test_what_breaks_a_caller_is_seen(broken: Callable[[Any], None]) -> None:
    now = copy.deepcopy(TOLD_HTTP)
    broken(now)
    assert broken_addresses(TOLD_HTTP, now)


def test_more_in_an_answer_breaks_nobody() -> None:
    now = copy.deepcopy(TOLD_HTTP)
    answer = now["components"]["schemas"]["WishAnswer"]
    answer["properties"]["tomorrow"] = {"type": "string"}
    answer["required"].append("tomorrow")
    assert broken_addresses(TOLD_HTTP, now) == []


def test_more_breaks_nobody() -> None:
    now = copy.deepcopy(TOLD)
    now["components"]["schemas"]["SensorEvent"]["properties"]["tomorrow"] = {"type": "string"}
    now["components"]["schemas"]["SensorEvent"]["properties"]["kind"]["enum"].append("smell")
    now["channels"]["tomorrow"] = {"address": "x", "messages": {}}
    assert broken_messages(TOLD, now) == []


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                place: Any = document()
                for name in part["$ref"].removeprefix("#/").split("/"):
                    place = place[name]
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document())


@pytest.mark.parametrize(
    ("topic", "channel"),
    [
        (Topics("s").event("f3", "gw-3", "d-1"), "event"),
        (Topics("s").place_state("p"), "place_state"),
        (Topics("s").zone_state("z"), "zone_state"),
        (Topics("s").gateway_config("gw-3"), "gateway_config"),
        (Topics("s").command("gw-3", "d"), "command"),
        (Topics("s").receipt("gw-3"), "receipt"),
        (Topics("s").notifier_health(), "notifier_health"),
        (Topics("s").ingest_status(), "ingest_status"),
        ("plekvrij/v1/s/nothing", None),
    ],
)
def test_a_topic_has_its_channel(topic: str, channel: str | None) -> None:
    assert channel_of(topic) == channel
    assert channel is None or Topics("s").kind_of(topic) == channel


def test_a_wrong_message_is_not_as_told() -> None:
    state = next(json.loads(line) for line in KEPT if json.loads(line)["type"] == "place_state")
    assert isinstance(decode(json.dumps(state).encode(), PlaceState), PlaceState)
    assert complaints("place_state", state) == []
    assert complaints("zone_state", state)
    assert complaints("place_state", state | {"phase": "mine"})
    assert complaints("place_state", state | {"as_of": "yesterday"})
    assert complaints("place_state", {name: value for name, value in state.items() if name != "zone"})
