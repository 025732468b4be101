"""A program adds devices to a plan; what people wrote in it stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workplace import floor_plan
from workplace.errors import DocumentInvalid
from workplace.plan_edit import with_devices
from workplace.plan_file import DeviceFile

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8")
RADAR = DeviceFile(place="4-O01", sensor="zigbee_radar", device="z2m-radar-1")
SEAT = DeviceFile(place="4-O02", sensor="lora_seat", device="lora-a81758fffe03", channel="0", gateway="gw-4")
BASE = """
# our office
site: klein
name: {nl: Klein, en: Small}
gateways: [{id: gw-1, floor: f1}]
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [20, 12]
    zones:
      - {id: z, kind: desk, name: {nl: W, en: W}, rect: [0, 0, 10, 12],
         islands: [{first: 1-W1, at: [2, 2], columns: 2, rows: 2}]}
"""
AT_THE_TOP = "devices:  # ours\n  - {place: 1-W3, sensor: ble_pir, device: ble-9}\n\n# next\n"
NOT_INDENTED = "devices:\n- place: 1-W3\n  sensor: ble_pir\n\n  device: ble-9\n"
DEEP = "devices:\n    - place: 1-W3\n      sensor: ble_pir\n      device: ble-9\n  # the end"
PIR = DeviceFile(place="1-W1", sensor="ble_pir", device="ble-1")
OTHER = DeviceFile(place="1-W2", sensor="ble_pir", device="ble-2", channel="on")


def devices(text: str) -> set[tuple[str, str, str | None]]:
    plan = floor_plan.load(text, "plan.yaml")
    return {(p.id, s.device, s.channel) for p in plan.place.values() for s in p.sensors}


def test_the_example_gains_its_devices_and_keeps_every_line() -> None:
    changed = with_devices(EXAMPLE, "plan.yaml", [RADAR, SEAT])
    added = [line for line in changed.splitlines() if line not in EXAMPLE.splitlines()]
    assert [line for line in changed.splitlines() if line not in added] == EXAMPLE.splitlines()
    assert len(added) == 2
    assert devices(changed) - devices(EXAMPLE) == {
        ("4-O01", "z2m-radar-1", None),
        ("4-O02", "lora-a81758fffe03", "0"),
    }
    assert with_devices(changed, "plan.yaml", [RADAR, SEAT]) == changed, "twice is once"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(BASE, id="no devices yet"),
        pytest.param(BASE.rstrip(), id="no end of line at the end"),
        pytest.param(BASE + "devices: []  # none yet\n", id="an empty list with a remark"),
        pytest.param(AT_THE_TOP + BASE, id="a list at the top"),
        pytest.param(NOT_INDENTED + BASE, id="a list without indentation"),
        pytest.param(BASE + DEEP, id="a remark at the end"),
        pytest.param(BASE.replace("\n", "\r\n"), id="ends of lines of another system"),
    ],
)  # fmt: skip
def test_what_stands_there_stays(start: str) -> None:
    changed = with_devices(start, "plan.yaml", [PIR, OTHER])
    assert devices(changed) == devices(start) | {("1-W1", "ble-1", None), ("1-W2", "ble-2", "on")}
    kept = [line for line in start.splitlines() if not line.startswith("devices:")]
    rest = iter(changed.splitlines())
    assert all(line in rest for line in kept), "every line is there, in its order"
    assert changed.count("# none yet") == start.count("# none yet")
    assert ("\r\n" in start) == ("\r\n" in changed)


@pytest.mark.parametrize(
    ("start", "entry", "why"),
    [
        pytest.param(
            BASE,
            DeviceFile(place="1-W9", sensor="ble_pir", device="ble-1"),
            "unknown place '1-W9'",
            id="a place that is not there",
        ),
        pytest.param(
            BASE,
            DeviceFile(place="1-W1", sensor="nose", device="ble-1"),
            "unknown sensor 'nose'",
            id="a sensor nobody knows",
        ),
        pytest.param(
            BASE,
            DeviceFile(place="1-W1", sensor="dock", device="ble-1"),
            "no device of kind dock",
            id="a device of another family",
        ),
        pytest.param(
            BASE + "devices: [{place: 1-W3, sensor: ble_pir, device: ble-9}]\n",
            PIR,
            "stand on one line",
            id="devices on one line",
        ),
        pytest.param(BASE + "colour: red\n", PIR, "colour", id="a plan that had a mistake before"),
    ],
)
def test_mistakes_change_nothing(start: str, entry: DeviceFile, why: str) -> None:
    with pytest.raises(DocumentInvalid, match=why):
        with_devices(start, "plan.yaml", [entry])


@settings(deadline=None, max_examples=40)  # each example checks three plans
@given(channel=st.text(min_size=1, max_size=64).filter(str.isprintable))
def test_any_channel_comes_back_as_it_was_given(channel: str) -> None:
    entry = DeviceFile(place="1-W1", sensor="ble_pir", device="ble-1", channel=channel)
    assert ("1-W1", "ble-1", channel) in devices(with_devices(BASE, "plan.yaml", [entry]))
