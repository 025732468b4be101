"""A plan that a program changed says what is wanted, and keeps the lines and remarks that people wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workplace import floor_plan
from workplace.errors import DocumentInvalid
from workplace.plan_file import DeviceFile, PlaceFile, PlanFile, Text, ZoneFile
from workplace.plan_text import plan_text, raw_of, rewritten

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8")
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
      # the quiet end
      - {id: z, kind: desk, name: {nl: W, en: W}, rect: [0, 0, 10, 12],
         islands: [{first: 1-W1, at: [2, 2], columns: 2, rows: 2}]}
      - id: y  # the other end
        kind: meet
        name: {nl: O, en: O}
        rect: [10, 0, 10, 12]
        places:
          - {id: O1, at: [12, 2]}  # at the window
          - {id: O2, at: [14, 2]}
devices: []  # none yet
"""


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def changed(raw: PlanFile, **zones: Any) -> PlanFile:
    """Return the plan with other values in the zones that are named."""
    floors = [
        msgspec.structs.replace(
            floor,
            zones=[
                msgspec.structs.replace(zone, **zones[zone.id.replace("-", "_")])
                if zone.id.replace("-", "_") in zones
                else zone
                for zone in floor.zones
            ],
        )
        for floor in raw.floors
    ]
    return msgspec.structs.replace(raw, floors=floors)


def test_a_moved_place_changes_its_own_line_only() -> None:
    raw = raw_of(BASE, "plan.yaml")
    moved = changed(raw, y={"places": [PlaceFile(id="O1", at=[13, 4.5]), PlaceFile(id="O2", at=[14, 2])]})
    text = rewritten(BASE, "plan.yaml", moved)
    assert raw_of(text, "plan.yaml") == moved
    assert set(lines_of(BASE)) - set(lines_of(text)) == {"- {id: O1, at: [12, 2]}  # at the window"}
    assert "- {id: O1, at: [13, 4.5]}  # at the window" in text


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_devices_come_into_an_empty_list_and_leave_it_again(ends: str) -> None:
    base = BASE.replace("\n", ends)
    raw = raw_of(base, "plan.yaml")
    pair = [DeviceFile(place=p, sensor="ble_pir", device=f"ble-{p}") for p in ("O1", "O2")]
    with_them = rewritten(base, "plan.yaml", msgspec.structs.replace(raw, devices=pair))
    assert {p.id for p in floor_plan.load(with_them, "p").place.values() if p.sensors} == {"O1", "O2"}
    assert with_them.count("# ") == base.count("# ")
    assert ("\r\n" in with_them) == (ends == "\r\n")
    assert "\r\r" not in with_them
    without = rewritten(with_them, "plan.yaml", raw)
    assert raw_of(without, "plan.yaml") == raw


def test_a_new_zone_and_one_that_goes_leave_the_rest_alone() -> None:
    raw = raw_of(EXAMPLE, "plan.yaml")
    floor = raw.floors[3]
    hexagon = [[1.0, 1.0], [3.0, 1.0], [4.0, 2.0], [3.0, 3.0], [1.0, 3.0], [0.5, 2.0]]
    new = ZoneFile(id="3-nis", kind="meet", name=Text(nl="Nis", en="Nook: 2"), corners=hexagon)
    wanted = msgspec.structs.replace(
        raw, floors=[*raw.floors[:3], msgspec.structs.replace(floor, zones=[*floor.zones[:-1], new]), *raw.floors[4:]]
    )  # fmt: skip
    gone = floor_plan.load(EXAMPLE, "p").zone[floor.zones[-1].id].places
    wanted = msgspec.structs.replace(
        wanted,
        devices=[d for d in wanted.devices if d.place not in {p.id for p in gone}],
        lights=[d for d in wanted.lights if d.place not in {p.id for p in gone}],
    )
    text = rewritten(EXAMPLE, "plan.yaml", wanted)
    assert raw_of(text, "plan.yaml") == wanted
    remarks = [line for line in EXAMPLE.splitlines() if line.startswith("#")]
    assert [line for line in text.splitlines() if line.startswith("#")] == remarks
    assert len(set(lines_of(text)) - set(lines_of(EXAMPLE))) <= 6
    assert floor_plan.load(text, "p").zone["3-nis"].corners_m[2] == (4.0, 2.0)


def test_a_plan_in_an_unusual_form_is_written_anew() -> None:
    odd = plan_text(raw_of(BASE, "p")).replace("devices", "devices")
    flow = f"{{{', '.join(line for line in ['site: k', 'name: {nl: K, en: K}'])}, gateways: [{{id: g, floor: f}}],"
    flow += " floors: [{id: f, number: 1, name: {nl: E, en: F}, size: [9, 9], zones:"
    flow += (
        " [{id: z, kind: desk, name: {nl: W, en: W}, rect: [0, 0, 9, 9], places: [{id: p, at: [1, 1]}]}]}]}\n"
    )
    raw = raw_of(flow, "plan.yaml")
    wanted = msgspec.structs.replace(raw, devices=[DeviceFile(place="p", sensor="ble_pir", device="ble-1")])
    assert raw_of(rewritten(flow, "plan.yaml", wanted), "plan.yaml") == wanted
    assert raw_of(odd, "p") == raw_of(BASE, "p")


def test_nothing_is_written_that_the_linter_refuses() -> None:
    raw = raw_of(BASE, "plan.yaml")
    outside = changed(raw, y={"places": [PlaceFile(id="O1", at=[1, 1])]})
    with pytest.raises(DocumentInvalid, match="place O1 lies outside zone y"):
        rewritten(BASE, "plan.yaml", outside)


@pytest.mark.parametrize(
    ("corners", "why"),
    [
        ([[1, 1], [5, 5], [5, 1], [1, 5]], "crosses itself"),
        ([[1, 1], [5, 1], [9, 1]], "crosses itself|no inside"),
        ([[1, 1], [25, 1], [5, 9]], "sticks out of its floor"),
    ],
)
def test_an_outline_that_is_none_is_refused(corners: list[list[float]], why: str) -> None:
    raw = raw_of(BASE, "plan.yaml")
    shape = changed(raw, y={"rect": None, "corners": corners, "places": []})
    with pytest.raises(DocumentInvalid, match=why):
        rewritten(BASE, "plan.yaml", shape)


def test_a_zone_has_one_outline() -> None:
    raw = raw_of(BASE, "plan.yaml")
    with pytest.raises(DocumentInvalid, match="needs one outline"):
        rewritten(BASE, "plan.yaml", changed(raw, y={"rect": None}))


_KINDS = ["move", "drop", "add", "device", "undevice", "fixed", "name"]
_EDITS = st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(0, 400)), min_size=1, max_size=6)


def edited(wanted: PlanFile, number: int, kind: str, dice: int) -> PlanFile:
    """Return the plan after one edit; each place that moves or comes gets a spot of its own."""
    zone = wanted.floors[0].zones[1]
    places, devices, name = {p.id: p for p in zone.places}, list(wanted.devices), zone.name
    if kind == "add" or not places:
        places[f"N{number}"] = PlaceFile(id=f"N{number}", at=[11 + number, 6 + dice % 20 / 10])
    chosen = list(places)[dice % len(places)]
    place = places[chosen]
    if kind == "move":
        places[chosen] = msgspec.structs.replace(place, at=[10 + dice % 90 / 10, 9 + number * 0.2])
    elif kind == "fixed":
        places[chosen] = msgspec.structs.replace(place, fixed=not place.fixed)
    elif kind == "drop":
        del places[chosen]
        devices = [device for device in devices if device.place != chosen]
    elif kind == "device":
        devices.append(DeviceFile(place=chosen, sensor="ble_pir", device=f"ble-{number}"))
    elif kind == "undevice":
        devices = devices[1:]
    elif kind == "name":
        name = Text(nl=f"Zaal: '{dice}'", en=f'Room "{dice}" # 1')
    changed_zone = changed(wanted, y={"places": list(places.values()), "name": name})
    return msgspec.structs.replace(changed_zone, devices=devices)


@settings(max_examples=25)
@given(edits=_EDITS, base=st.sampled_from([BASE, BASE.replace("\n", "\r\n"), plan_text(raw_of(BASE, "p"))]))
def test_any_row_of_edits_is_said_by_the_text_and_undone_by_its_opposite(
    edits: list[tuple[str, int]], base: str
) -> None:
    raw = raw_of(base, "plan.yaml")
    text, wanted = base, raw
    for number, (kind, dice) in enumerate(edits):
        wanted = edited(wanted, number, kind, dice)
        text = rewritten(text, "plan.yaml", wanted)
        assert raw_of(text, "plan.yaml") == wanted
    assert raw_of(rewritten(text, "plan.yaml", raw), "plan.yaml") == raw
