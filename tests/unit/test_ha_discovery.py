"""Home Assistant discovery: which configs are learnt, which topics follow, and what their messages then mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats import ha_discovery
from firmware_bridge.formats.ha_config import Template, TemplateUnsupported
from firmware_bridge.formats.ha_discovery import HaDiscoveryDecoder
from workplace.ports import MessageDecoder
from workplace.readings import Decoded

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CONFIG = "homeassistant/binary_sensor/desk9/pir/config"
PIR = {"dev_cla": "motion", "stat_t": "desks/9/pir", "uniq_id": "desk9_pir", "dev": {"ids": ["desk9"]}}


class Broker:
    """A decoder and the messages that reach it."""

    def __init__(self) -> None:
        self.discovery = HaDiscoveryDecoder()
        self.decoder: MessageDecoder = self.discovery

    def says(self, topic: str, message: Any) -> Decoded:
        payload = message.encode() if isinstance(message, str) else json.dumps(message).encode()
        return self.decoder.decode(topic, payload, retained=True, now=NOW)


def shape(decoded: Decoded) -> list[tuple[object, object, object, object]]:
    return [(item.kind, item.value, item.channel, item.device) for item in decoded.readings]


@pytest.mark.parametrize(
    ("device_class", "kind"),
    [("motion", "motion"), ("occupancy", "occupancy"), ("presence", "presence"), ("plug", "link")],
)
def test_a_sensor_that_announces_itself_is_read(device_class: str, kind: str) -> None:
    broker = Broker()
    (config,) = broker.says(CONFIG, PIR | {"dev_cla": device_class}).readings
    assert (config.kind, config.device) == ("discovery", "desk9")
    assert broker.discovery.wanted_topics == {"desks/9/pir"}
    assert shape(broker.says("desks/9/pir", "ON")) == [(kind, True, "pir", "desk9")]
    assert shape(broker.says("desks/9/pir", "OFF")) == [(kind, False, "pir", "desk9")]


def test_connectivity_is_whether_the_device_is_there() -> None:
    broker = Broker()
    broker.says(CONFIG, PIR | {"dev_cla": "connectivity"})
    (reading,) = broker.says("desks/9/pir", "OFF").readings
    assert (reading.kind, reading.value, reading.scope) == ("availability", False, "device")


@pytest.mark.parametrize(
    ("config", "message", "claim"),
    [
        pytest.param({"pl_on": 1, "pl_off": 0}, "1", True, id="payloads that are numbers"),
        pytest.param({"pl_on": True, "pl_off": False, "val_tpl": "{{ value_json.occupancy }}"},
            {"occupancy": False}, False, id="payloads that are claims, as Zigbee2MQTT has them"),
        pytest.param({"val_tpl": "{{ value_json['a']['b c'] }}"}, {"a": {"b c": "ON"}}, True, id="a path in brackets"),
        pytest.param({"val_tpl": "{{value_json.a.b}}"}, {"a": {"b": "OFF"}}, False, id="a path with dots"),
        pytest.param({"val_tpl": "{{ value }}"}, "ON", True, id="the message itself"),
        pytest.param({"val_tpl": "{{ value_json.occupancy }}"}, {"battery": 9}, None, id="the key is absent: no news"),
        pytest.param({"val_tpl": "{{ value_json.occupancy }}"}, {"occupancy": None}, None, id="null: no news"),
        pytest.param({"val_tpl": "{{ value_json.occupancy }}"}, "not json", None, id="no JSON: no news"),
        pytest.param({}, "on", None, id="another word is no claim"),
        pytest.param({}, "", None, id="a deleted state"),
    ],
)  # fmt: skip
def test_what_a_state_means(config: dict[str, Any], message: Any, claim: bool | None) -> None:
    broker = Broker()
    assert broker.says(CONFIG, PIR | config).fault is None
    readings = broker.says("desks/9/pir", message).readings
    assert [reading.value for reading in readings] == ([] if claim is None else [claim])


def test_a_word_that_is_no_claim_is_a_fault() -> None:
    broker = Broker()
    broker.says(CONFIG, PIR)
    assert broker.says("desks/9/pir", "perhaps").fault == "unknown_value"


def test_sensors_that_only_say_on_keep_their_times() -> None:
    broker = Broker()
    broker.says(CONFIG, PIR | {"off_dly": 30, "exp_aft": 600})
    (reading,) = broker.says("desks/9/pir", "ON").readings
    assert reading.extra == {"off_delay": 30, "expires_s": 600}


def test_a_base_topic_is_filled_in() -> None:
    broker = Broker()
    broker.says(CONFIG, {"~": "desks/9", "dev_cla": "motion", "stat_t": "~/pir", "avty": [{"t": "~/here"}]})
    assert broker.discovery.wanted_topics == {"desks/9/pir", "desks/9/here"}
    broker.says(CONFIG, {"~": "9", "dev_cla": "motion", "stat_t": "pir/~"})
    assert broker.discovery.wanted_topics == {"pir/9"}


BOTH = [{"topic": "bridge", "value_template": "{{ value_json.state }}"}, {"topic": "own"}]


@pytest.mark.parametrize(
    ("mode", "messages", "told"),
    [
        pytest.param("latest", ["bridge", "own!", "bridge"], [True, False, True], id="the last word counts"),
        pytest.param("all", ["bridge", "own"], [None, True], id="all must be there, so one is not enough"),
        pytest.param(
            "all", ["own", "bridge", "bridge!"], [None, True, False], id="one that is away is enough"
        ),
        pytest.param("any", ["bridge!", "own"], [None, True], id="one that is there is enough"),
        pytest.param(
            "any", ["own!", "bridge!", "own"], [None, False, True], id="only all can say that it is away"
        ),
    ],
)
def test_availability(mode: str, messages: list[str], told: list[bool | None]) -> None:
    broker = Broker()
    broker.says(CONFIG, PIR | {"avty": BOTH, "avty_mode": mode})
    found = []
    for message in messages:
        word = "offline" if message.endswith("!") else "online"
        topic = message.removesuffix("!")
        readings = broker.says(topic, {"state": word} if topic == "bridge" else word).readings
        assert all(
            (item.kind, item.device, item.scope) == ("availability", "desk9", "device") for item in readings
        )
        found.append(readings[0].value if readings else None)
    assert found == told


def test_two_entities_of_one_device_are_there_once() -> None:
    broker = Broker()
    broker.says(CONFIG, PIR | {"avty_t": "own"})
    broker.says(CONFIG.replace("pir", "seat"), PIR | {"avty_t": "own", "stat_t": "desks/9/seat"})
    assert shape(broker.says("own", "offline")) == [("availability", False, None, "desk9")]


DEVICE = "homeassistant/device/desk9/config"
COMPONENTS = {
    "pir": {"p": "binary_sensor", "dev_cla": "motion", "stat_t": "~/pir"},
    "dock": {"platform": "binary_sensor", "device_class": "plug", "state_topic": "~/dock"},
    "heat": {"p": "sensor", "dev_cla": "temperature", "stat_t": "~/heat"},
}
DEVICE_CONFIG = {
    "~": "desks/9",
    "dev": {"ids": "desk9"},
    "o": {"name": "maker"},
    "avty_t": "~/here",
    "cmps": COMPONENTS,
}


def test_a_device_announces_all_its_parts_at_once() -> None:
    broker = Broker()
    assert len(broker.says(DEVICE, DEVICE_CONFIG).readings) == 3
    assert broker.discovery.wanted_topics == {"desks/9/pir", "desks/9/dock", "desks/9/here"}
    assert shape(broker.says("desks/9/dock", "ON")) == [("link", True, "dock", "desk9")]
    broker.says(DEVICE, DEVICE_CONFIG | {"cmps": {"dock": {"p": "binary_sensor"}}})
    assert broker.discovery.wanted_topics == {"desks/9/pir", "desks/9/here"}
    broker.says(DEVICE, "")
    assert broker.discovery.wanted_topics == frozenset()


def test_an_empty_config_forgets_the_entity() -> None:
    broker = Broker()
    broker.says(CONFIG, PIR)
    assert broker.says(CONFIG, "") == Decoded()
    assert broker.discovery.wanted_topics == frozenset()
    assert broker.says("desks/9/pir", "ON") == Decoded()


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        pytest.param({"stat_t": "#"}, "bad_topic", id="everything"),
        pytest.param({"stat_t": "desks/+/pir"}, "bad_topic", id="a wildcard"),
        pytest.param({"stat_t": "$SYS/broker"}, "bad_topic", id="the broker itself"),
        pytest.param({"stat_t": 7}, "bad_topic", id="no topic"),
        pytest.param({"avty_t": "+"}, "bad_topic", id="a wildcard for availability"),
    ],
)
def test_configs_that_are_not_learnt(config: dict[str, Any], fault: str) -> None:
    broker = Broker()
    broker.says(CONFIG, PIR)
    decoded = broker.says(CONFIG, PIR | config)
    assert (decoded.readings, decoded.fault) == ((), fault)
    assert broker.discovery.wanted_topics == frozenset()


@pytest.mark.parametrize(
    "template", ["{% if value %}ON{% endif %}", "{{ value_json.a | float }}", "{{ 1 + 1 }}"]
)
def test_templates_of_others_are_not_evaluated(template: str) -> None:
    broker = Broker()
    decoded = broker.says(CONFIG, PIR | {"val_tpl": template})
    assert ([item.kind for item in decoded.readings], decoded.fault) == (
        ["discovery"],
        "unsupported_template",
    )
    assert broker.says("desks/9/pir", "ON") == Decoded()
    broker.says(CONFIG, PIR | {"avty": [{"t": "a", "val_tpl": template}, {"t": "b"}]})
    assert broker.discovery.wanted_topics == {"desks/9/pir", "b"}


@pytest.mark.parametrize(
    ("topic", "config"),
    [
        pytest.param(
            "homeassistant/sensor/x/config", {"stat_t": "a", "dev_cla": "occupancy"}, id="another component"
        ),
        pytest.param(CONFIG, {"stat_t": "a", "dev_cla": "window"}, id="a window says nothing of people"),
        pytest.param(CONFIG, {"stat_t": "a"}, id="no class"),
        pytest.param(CONFIG, {"dev_cla": "motion"}, id="no topic"),
    ],
)
def test_configs_that_say_nothing_about_places(topic: str, config: dict[str, Any]) -> None:
    broker = Broker()
    decoded = broker.says(topic, config)
    assert (decoded.fault, [reading.kind for reading in decoded.readings]) == (None, ["discovery"])
    assert broker.discovery.wanted_topics == frozenset()


def test_names_of_people_are_not_read() -> None:
    config = PIR | {"name": "Desk of J de Vries", "dev": {"ids": ["d"], "name": "Vries", "sa": "Vries"}}
    assert "Vries" not in repr(Broker().says(CONFIG, config))


def test_other_messages_of_the_prefix() -> None:
    broker = Broker()
    assert broker.says("homeassistant/status", "online") == Decoded()
    assert broker.says("homeassistant/config", PIR) == Decoded()
    assert broker.says(CONFIG, "[]").fault == "not_an_object"
    assert broker.says(CONFIG, "{").fault == "not_json"
    assert broker.says(CONFIG, " " * 70_000).fault == "oversize"
    assert broker.says(DEVICE, {"cmps": 7}).readings == ()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ha_discovery, "MAX_ENTITIES", 2)
    broker = Broker()
    found = [broker.says(f"homeassistant/binary_sensor/n{number}/config", PIR).fault for number in range(3)]
    assert found == [None, None, "too_many_entities"]


def test_templates() -> None:
    assert Template.parse(None).render("x", None) == "x"
    assert Template.parse("{{ value_json.a }}").render("", {"a": 1.5}) == "1.5"
    with pytest.raises(TemplateUnsupported):
        Template.parse("{{ value_json }}")


KEYS = st.sampled_from(
    [
        "~",
        "stat_t",
        "dev_cla",
        "val_tpl",
        "pl_on",
        "avty",
        "avty_t",
        "avty_mode",
        "cmps",
        "dev",
        "ids",
        "p",
        "t",
        "x",
    ]
)
WORDS = st.sampled_from(["motion", "binary_sensor", "a/b", "~", "{{ value_json.x }}", "ON", "all", "#", ""])
CONFIGS = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=15,
)


@given(st.lists(st.tuples(st.sampled_from([CONFIG, DEVICE, "a/b", "desks/9/pir"]), CONFIGS), max_size=6))
def test_no_messages_make_the_decoder_stumble(messages: list[tuple[str, Any]]) -> None:
    broker = Broker()
    for topic, message in messages:
        broker.says(topic, message)
        assert not any(mark in wanted for wanted in broker.discovery.wanted_topics for mark in "+#")


@given(st.binary(max_size=60))
def test_random_states_are_no_claim(payload: bytes) -> None:
    broker = Broker()
    broker.says(CONFIG, PIR)
    decoded = broker.decoder.decode("desks/9/pir", payload, retained=False, now=NOW)
    assert not decoded.readings or payload in (b"ON", b"OFF")
