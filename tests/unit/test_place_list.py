"""A spreadsheet of places: every mistake by its line, and exactly what the list says when there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workplace import floor_plan
from workplace.place_list import Imported, import_places, read_places
from workplace.plan_text import plan_text, raw_of

PLAN = """
site: klein
name: {nl: Klein, en: Small}
gateways: [{id: gw-1, floor: f1}, {id: gw-2, floor: f1}]
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [40, 24]
    zones:
      - {id: werken, kind: desk, name: {nl: W, en: W}, rect: [0, 0, 30, 24],
         islands: [{first: W01, at: [2, 2], columns: 2, rows: 2}]}
      - {id: hoek, kind: meet, name: {nl: H, en: H},
         corners: [[30, 0], [40, 0], [40, 10], [35, 10], [35, 20], [30, 20]],
         places: [{id: H1, at: [32, 2], fixed: true}]}
devices:
  - {place: W01, sensor: switch_port, device: switch-sw1, channel: Gi1/0/1}
"""
RAW = raw_of(PLAN, "plan.yaml")


def imported(text: str) -> tuple[Imported, list[str]]:
    lines, mistakes = read_places(text, "list.csv")
    found, more = import_places(RAW, lines, "list.csv")
    return found, [str(one) for one in sorted([*mistakes, *more], key=lambda one: one.line)]


def test_places_are_made_moved_and_mapped() -> None:
    found, mistakes = imported(
        "\ufeffplek;zone;x;y;vast;sensor;apparaat;kanaal;gateway\r\n"
        "N01;werken;10,5;4;nee;;switch-sw1;Gi1/0/2;\r\n"
        "N01;werken;10,5;4;;ble_pir;ble-1;;gw-2\r\n"
        "\r\n"
        "# remark\r\n"
        "H1;;33;3,25;;;;;\r\n"
        "W02;;;;;lora_seat;lora-9;;\r\n"
    )
    assert mistakes == []
    assert (found.new, found.moved) == (("N01",), ("H1",))
    plan = floor_plan.load(plan_text(found.plan), "plan.yaml")
    assert (plan.place["N01"].x_m, plan.place["N01"].y_m, plan.place["N01"].zone) == (10.5, 4.0, "werken")
    assert [(s.kit, s.device, s.channel, s.gateway) for s in plan.place["N01"].sensors] == [
        ("switch_port", "switch-sw1", "Gi1/0/2", "gw-1"),
        ("ble_pir", "ble-1", None, "gw-2"),
    ]
    assert plan.place["H1"].fixed, "an empty answer changes nothing"
    assert plan.place["H1"].y_m == 3.25
    assert [s.kit for s in plan.place["W02"].sensors] == ["lora_seat"]


def test_the_list_of_ports_is_a_list_of_places() -> None:
    found, mistakes = imported("switch,port,place\nsw2,Gi1/0/7,W03\n")
    assert mistakes == []
    assert [(d.device, d.channel, d.place) for d in found.mapped] == [("switch-sw2", "Gi1/0/7", "W03")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("N 1,werken,1,1,,,,,", "2: 'N 1' is no name of a place"),
        ("N1,werkn,1,1,,,,,", "2: the plan has no zone 'werkn'; did you mean werken?"),
        ("N1,,1,1,,,,,", "2: place N1 is new and has no zone"),
        ("N1,hoek,38,15,,,,,", "2: place N1 would lie outside zone hoek"),
        ("N1,werken,1,,,,,,", "2: x and y belong together"),
        ("N1,werken,een,1,,,,,", "2: x is 'een'"),
        ("N1,werken,nan,1,,,,,", "2: x is 'nan'"),
        ("N1,werken,1,1,misschien,,,,", "2: 'misschien' is no answer to 'fixed'"),
        ("W09,,,,,,switch-a,Gi1,", "2: the plan has no place 'W09'; did you mean W0"),
        ("W01,werken,9,9,,,,,", "2: place W01 belongs to a table"),
        ("W02,,,,,,lora-1,,", "2: what kind of sensor is 'lora-1'?; write one of: lora_seat, lora_desk, lora_pir"),
        ("W02,,,,,ble_pir,lora-1,,", "2: 'lora-1' is no device of kind ble_pir"),
        ("W02,,,,,nose,lora-1,,", "2: unknown sensor 'nose'"),
        ("W02,,,,,lora_pir,,,", "2: this line has a sensor but no device"),
        ("W02,,,,,,switch-sw1,Gi1/0/1,", "2: switch-sw1/Gi1/0/1 hangs at place W01 in the plan"),
        ("W02,,,,,,switch-s w,Gi1/0/9,", "2: 'switch-s w' is no name of a device"),
        ("W02,,,,,,,,,,", "2: this line has more cells than the heading"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(line: str, why: str) -> None:
    _, mistakes = imported(f"place,zone,x,y,fixed,sensor,device,channel,gateway\n{line}\n")
    assert len(mistakes) == 1
    assert mistakes[0].startswith(f"list.csv:{why}")


def test_all_mistakes_are_told_at_once() -> None:
    _, mistakes = imported(
        "place,zone,x,y,device,channel\nN1,werken,1,1,,\nN1,werken,2,2,,\nN2,werken,1,1,switch-a,1\n"
        "N3,werken,4,4,switch-a,1\nN4,nergens,1,1,,\n"
    )
    assert [one.split(";")[0] for one in mistakes] == [
        "list.csv:3: place N1 stands in line 2 too, at another spot",
        "list.csv:4: place N1 in line 2 has the same spot",
        "list.csv:5: switch-a/1 stands in line 4 too, at place N2",
        "list.csv:6: the plan has no zone 'nergens'",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the list is empty"),
        ("zone,x,y\nwerken,1,1\n", "the column 'place' is missing"),
        ("place,x\nN1,1\n", "the column 'y' is missing"),
        ("place,colour\nN1,red\n", "unknown column 'colour'"),
        ("place,place\nN1,N1\n", "the column 'place' stands here twice"),
        ("place,device\nN1,aa:bb:cc:dd:ee:ff\n", "hardware addresses"),
    ],
)
def test_a_list_of_another_kind_is_refused(text: str, why: str) -> None:
    found, mistakes = imported(text)
    assert any(why in one for one in mistakes)
    assert found.is_empty


def test_importing_twice_changes_nothing() -> None:
    text = "place,zone,x,y,device,channel\nN1,werken,10,10,switch-sw1,Gi1/0/5\nH1,hoek,32,2,,\n"
    first, _ = imported(text)
    lines, _ = read_places(text, "list.csv")
    again, mistakes = import_places(first.plan, lines, "list.csv")
    assert mistakes == []
    assert again.is_empty
    assert again.plan == first.plan


@given(text=st.text(max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    lines, mistakes = read_places("place,zone,x,y,device,channel\n" + text, "list.csv")
    import_places(RAW, lines, "list.csv")
    assert all(mistake.line >= 1 and mistake.instead for mistake in mistakes)
