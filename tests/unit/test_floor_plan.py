"""The floor plan: the example is sound, and every mistake is found at once with its line."""

from __future__ import annotations

import pytest

from workplace import floor_plan
from workplace.errors import DocumentInvalid
from workplace.floor_plan import FloorPlan


def test_the_example_town_hall_is_as_large_as_promised(example_plan: FloorPlan) -> None:
    assert len(example_plan.floors) >= 4
    assert len(example_plan.zone) >= 12
    assert len(example_plan.place) >= 200
    assert any(zone.kind == "restaurant" for zone in example_plan.zone.values())
    assert any(place.fixed for place in example_plan.place.values())


def test_every_sensor_leads_back_to_its_place(example_plan: FloorPlan) -> None:
    for place in example_plan.place.values():
        for sensor in place.sensors:
            assert (place, sensor) in example_plan.wired[sensor.device, sensor.channel, sensor.kind]
            assert example_plan.gateway[sensor.gateway].floor == place.floor


SOUND = """
site: s
name: {nl: s, en: s}
gateways: [{id: g, floor: f, mqtt: {zigbee2mqtt: z}}]
floors:
  - id: f
    number: 1
    name: {nl: f, en: f}
    size: [10, 10]
    zones:
      - id: z1
        kind: desk
        name: {nl: z, en: z}
        rect: [0, 0, 10, 10]
        islands:
          - {first: A1, at: [2, 2], columns: 2, rows: 2, sensors: [dock, pir], node: "0000000000000001"}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        pytest.param("site: s", "site: a b", 2, "'site' is 'a b'", id="a blank in a name is refused"),
        pytest.param("number: 1", "number: one", 7, "'number' is 'one'", id="a word where a number belongs"),
        pytest.param("kind: desk", "kind: bureau", 12, "'kind' is 'bureau'", id="an unknown kind of zone"),
        pytest.param(
            "floor: f,", "floor: x,", 4, "unknown floor 'x'", id="a gateway on a floor that is not there"
        ),
        pytest.param(
            "rect: [0, 0, 10, 10]",
            "rect: [0, 0, 11, 10]",
            14,
            "sticks out",
            id="a zone larger than its floor",
        ),
        pytest.param("at: [2, 2]", "at: [9, 2]", 16, "lie outside zone", id="places outside their zone"),
        pytest.param('node: "0000000000000001"', "fixed: true", 16, "no node", id="a dock without a node"),
        pytest.param(
            "columns: 2, rows: 2", "columns: 5, rows: 4", 16, "at most 16", id="a node with too many channels"
        ),
        pytest.param("columns: 2", "colums: 2", 16, "unknown setting 'colums'", id="a misspelt setting"),
        pytest.param("[dock, pir]", "[pir, zigbee_pir]", 16, "one PIR", id="two PIRs on one place"),
        pytest.param(
            "size: [10, 10]",
            "size: [10, 10]\n    size: [9, 9]",
            10,
            "stands here twice",
            id="a key written twice",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, what: str) -> None:
    assert floor_plan.check(SOUND, "plan.yaml")[1] == []
    _, mistakes = floor_plan.check(SOUND.replace(old, new), "plan.yaml")
    assert any(mistake.line == line and what in mistake.what and mistake.instead for mistake in mistakes), (
        mistakes
    )


def test_all_mistakes_are_told_at_once() -> None:
    text = (
        SOUND.replace("site: s", "site: a b")
        .replace("kind: desk", "kind: bureau")
        .replace("number: 1", "number: x")
    )
    with pytest.raises(DocumentInvalid) as refused:
        floor_plan.load(text, "plan.yaml")
    assert len(refused.value.mistakes) == 3


def test_what_is_not_yaml_is_said_with_its_line() -> None:
    plan, mistakes = floor_plan.check("site: s\nfloors: [", "plan.yaml")
    assert plan is None
    assert "not YAML" in mistakes[0].what


LISTED = (
    SOUND
    + """
devices:
  - {place: A1, sensor: lora_seat, device: lora-24e124600c124993}
  - {place: A2, sensor: switch_port, device: switch-sw-1, channel: GigabitEthernet1/0/2, gateway: g}
"""
)


def test_devices_of_other_families_are_listed_per_place() -> None:
    plan = floor_plan.load(LISTED, "plan.yaml")
    seat = plan.place["A1"].sensors_of("occupancy")[0]
    assert (seat.device, seat.channel, seat.gateway, seat.kit) == (
        "lora-24e124600c124993",
        None,
        "g",
        "lora_seat",
    )
    port = [sensor for sensor in plan.place["A2"].sensors_of("link") if sensor.kit == "switch_port"]
    assert [(sensor.device, sensor.channel) for sensor in port] == [("switch-sw-1", "GigabitEthernet1/0/2")]
    assert plan.devices["switch-sw-1"] == "g"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        pytest.param("place: A1,", "place: A9,", "unknown place 'A9'", id="a place that no island has"),
        pytest.param(
            "lora_seat", "lora_chair", "unknown sensor 'lora_chair'", id="an unknown kind of sensor"
        ),
        pytest.param(
            "device: lora-", "device: z2m-", "is no device of kind", id="a device of another family"
        ),
        pytest.param("gateway: g}\n", "gateway: h}\n", "unknown gateway 'h'", id="an unknown gateway"),
    ],
)
def test_a_wrong_device_line_is_pointed_at(old: str, new: str, what: str) -> None:
    head, tail = LISTED.split("devices:")
    _, mistakes = floor_plan.check(head + "devices:" + tail.replace(old, new), "plan.yaml")
    assert len(mistakes) == 1
    assert what in str(mistakes[0])


LIT = (
    LISTED
    + """lights:
  - {place: A2, device: esphome-desks-a, channel: light_2}
"""
)


def test_a_light_of_another_device_is_listed_per_place() -> None:
    plan = floor_plan.load(LIT, "plan.yaml")
    light = plan.place["A2"].light
    assert light is not None
    assert (light.gateway, light.device, light.channel) == ("g", "esphome-desks-a", "light_2")
    before = floor_plan.load(LISTED, "plan.yaml")
    assert plan.place["A1"].light == before.place["A1"].light


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        pytest.param("place: A2", "place: A9", "unknown place 'A9'", id="a place that no island has"),
        pytest.param("esphome-desks", "z2m-lamp", "no gateway can set a light", id="a lamp of no known kind"),
        pytest.param("light_2}", "light_2, gateway: h}", "unknown gateway 'h'", id="an unknown gateway"),
        pytest.param(
            "light_2}",
            "light_2}\n  - {place: A2, device: esphome-desks-b}",
            "place A2 has two lights",
            id="two lights at one place",
        ),
    ],
)
def test_a_wrong_light_line_is_pointed_at(old: str, new: str, what: str) -> None:
    head, tail = LIT.split("lights:")
    _, mistakes = floor_plan.check(head + "lights:" + tail.replace(old, new), "plan.yaml")
    assert [what in str(mistake) for mistake in mistakes] == [True]


def test_the_same_input_twice_at_a_place_is_refused() -> None:
    line = "  - {place: A1, sensor: lora_seat, device: lora-24e124600c124993}\n"
    _, mistakes = floor_plan.check(LISTED + line, "plan.yaml")
    assert ["listed twice" in str(mistake) for mistake in mistakes] == [True]
