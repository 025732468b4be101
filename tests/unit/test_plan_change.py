"""What facility and installers change in a plan: wiring stays what it was, and nothing else moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from workplace import floor_plan
from workplace.floor_plan import Place
from workplace.plan_change import (
    claimed,
    floor_of,
    inputs_of,
    kits_of,
    loosened,
    replaced,
    spelled_out,
    unclaimed,
    with_floor,
)
from workplace.plan_file import DeviceFile, PlanFile
from workplace.plan_text import plan_text, raw_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = raw_of((ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8"), "town_hall.plan.yaml")
NODE = "0000000000000002"


def expanded(plan: PlanFile) -> floor_plan.FloorPlan:
    return floor_plan.load(plan_text(plan), "plan.yaml")


def wiring(place: Place) -> tuple[object, ...]:
    return place.x_m, place.y_m, place.fixed, sorted(place.sensors, key=str), place.light


BEFORE = expanded(EXAMPLE)


@pytest.mark.parametrize("first", ["0-B01", "0-B07", "0-T13", "0-R01", "3-S01"])
def test_a_loosened_table_keeps_every_place_where_and_as_it_was(first: str) -> None:
    after = expanded(loosened(EXAMPLE, BEFORE.place[first].floor, first))
    assert set(after.place) == set(BEFORE.place)
    for id_, place in BEFORE.place.items():
        assert wiring(after.place[id_]) == wiring(place), id_
    mates = [p for p in after.place.values() if p.zone == after.place[first].zone]
    assert sum(mate.island == after.place[first].island for mate in mates) == 1, "it stands by itself"


def test_spelling_out_changes_nothing_that_is_sensed() -> None:
    after = expanded(spelled_out(EXAMPLE, "0-B07"))
    assert {id_: wiring(place) for id_, place in after.place.items()} == {
        id_: wiring(place) for id_, place in BEFORE.place.items()
    }


def test_a_new_node_takes_over_the_table_of_the_old_one() -> None:
    changed = replaced(EXAMPLE, f"dsp1-{NODE}", "dsp1-00000000000000ff")
    after = expanded(changed)
    assert f"dsp1-{NODE}" not in after.devices
    assert [p.id for p in after.places_of_device("dsp1-00000000000000ff")] == [
        p.id for p in BEFORE.places_of_device(f"dsp1-{NODE}")
    ]
    assert len(changed.devices) == len(EXAMPLE.devices), "the table stays a table"


def test_one_zigbee_sensor_of_a_table_is_replaced_by_itself() -> None:
    after = expanded(replaced(EXAMPLE, "z2m-pir-0-B08", "z2m-pir-spare"))
    assert [p.id for p in after.places_of_device("z2m-pir-spare")] == ["0-B08"]
    for id_, place in BEFORE.place.items():
        if id_ != "0-B08":
            assert wiring(after.place[id_]) == wiring(place)


def test_another_kind_of_sensor_on_another_gateway_can_follow() -> None:
    after = expanded(replaced(EXAMPLE, "z2m-pir-0-B08", "lora-1", kit="lora_seat", gateway="gw-0"))
    kinds = {(s.device, s.kind, s.gateway) for s in after.place["0-B08"].sensors}
    assert ("lora-1", "occupancy", "gw-0") in kinds


def test_a_device_that_is_taken_off_leaves_its_places() -> None:
    after = expanded(unclaimed(EXAMPLE, f"dsp1-{NODE}"))
    assert set(after.place) == set(BEFORE.place)
    assert f"dsp1-{NODE}" not in inputs_of(after)
    assert after.place["0-B07"].light is None
    assert [s.kit for s in after.place["0-B07"].sensors] == ["zigbee_pir"], "its PIR stays"


def test_claiming_twice_is_once() -> None:
    entry = DeviceFile(place="0-R01", sensor="lora_seat", device="lora-1", channel="0")
    once = claimed(EXAMPLE, [entry, entry])
    assert claimed(once, [entry]) == once
    assert once.devices[-1] == entry


def test_what_hung_on_places_that_are_gone_goes_with_them() -> None:
    floor = floor_of(EXAMPLE, "f4")
    emptied = with_floor(EXAMPLE, replace(floor, zones=floor.zones[:1]))
    expanded(emptied)  # the linter would refuse a device without its place
    assert len(emptied.devices) < len(EXAMPLE.devices)


@pytest.mark.parametrize(
    ("device", "kinds", "kits"),
    [
        ("switch-sw1", (), ["switch_port"]),
        ("lora-1", ("occupancy", "battery"), ["lora_seat", "lora_desk"]),
        ("z2m-1", ("motion",), ["zigbee_pir"]),
        ("nose-1", (), []),
    ],
)
def test_a_name_tells_what_a_device_can_be(device: str, kinds: tuple[str, ...], kits: list[str]) -> None:
    assert kits_of(device, kinds) == kits
