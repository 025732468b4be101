"""The form of a floor: shown and sent back unchanged it changes nothing; what is typed is what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import i18n
from dashboard.plan_editor import words as say
from dashboard.plan_editor.form import FloorForm, form_of, form_of_fields, wish_of, wished_plan
from workplace import floor_plan
from workplace.documents import Mistake
from workplace.plan_change import floor_of
from workplace.plan_text import plan_text, raw_of, rewritten

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8")
PLAN = raw_of(TEXT, "plan.yaml")


def fields_of(form: FloorForm) -> dict[str, str]:
    rows = {**form.zones, **form.tables, **form.places}
    return {f"{key}-{name}": value for key, row in rows.items() for name, value in row.items()}


@pytest.mark.parametrize("floor", [floor.id for floor in PLAN.floors])
def test_a_form_that_nobody_touched_changes_nothing(floor: str) -> None:
    found = floor_of(PLAN, floor)
    wish = wish_of(form_of_fields(fields_of(form_of(found))), found)
    assert wish.slips == ()
    assert wish.floor == found
    assert rewritten(TEXT, "plan.yaml", wished_plan(PLAN, wish)) == TEXT


def changed(**fields: str) -> tuple[floor_plan.FloorPlan | None, list[str]]:
    """Return the plan that floor 3 with some other fields makes, or the slips."""
    floor = floor_of(PLAN, "f3")
    told = fields_of(form_of(floor)) | {name.replace("_", "-", 1): value for name, value in fields.items()}
    form = form_of_fields(told)
    wish = wish_of(form, floor)
    if wish.slips:
        return None, [say.slip_text(slip, form, i18n.words("en")) for slip in wish.slips]
    return floor_plan.load(plan_text(wished_plan(PLAN, wish)), "plan.yaml"), []


def test_places_come_move_and_go() -> None:
    plan, _ = changed(p0_id="3-X1", p0_zone="z1", p0_x="19,5", p0_y="12", p0_fixed="on", t0_x="4.6")
    assert plan is not None
    new = plan.place["3-X1"]
    assert (new.zone, new.x_m, new.y_m, new.fixed) == ("3-ontmoeten", 19.5, 12.0, True)
    assert plan.place["3-S01"].x_m == 4.6
    plan, _ = changed(t0_gone="on")
    assert plan is not None
    assert "3-S01" not in plan.place
    assert "3-S09" in plan.place


def test_a_loosened_table_becomes_places() -> None:
    plan, _ = changed(t0_loosen="on")
    assert plan is not None
    floor = floor_of(raw_of(plan_text(PLAN), "p"), "f3")
    assert len(plan.place) == len(floor_plan.load(TEXT, "p").place)
    assert floor.zones[0].islands[0].first == "3-S01"
    assert len(plan.zone["3-samenwerken"].islands) == len(floor.zones[0].islands) - 1 + 8


def test_a_renamed_place_keeps_its_devices() -> None:
    whole = floor_of(PLAN, "f3")
    told = fields_of(form_of(whole)) | {"t0-loosen": "on"}
    loose = wished_plan(PLAN, wish_of(form_of_fields(told), whole))
    floor = floor_of(loose, "f3")
    form = form_of(floor)
    key = next(key for key, row in form.places.items() if row["id"] == "3-S01")
    wish = wish_of(form_of_fields(fields_of(form) | {f"{key}-id": "3-NEW"}), floor)
    plan = floor_plan.load(plan_text(wished_plan(loose, wish)), "p")
    before = floor_plan.load(TEXT, "p").place["3-S01"]
    assert set(plan.place["3-NEW"].sensors) == set(before.sensors)
    assert plan.place["3-NEW"].light == before.light


def test_a_new_zone_of_any_shape() -> None:
    told = {"z9_id": "3-nis", "z9_nl": "Nis", "z9_en": "Nook", "z9_kind": "meet"}
    for number, (x, y) in enumerate([(17, 10), (22, 10), (22, 11), (17, 12)]):
        told |= {f"z9_x{number}": str(x), f"z9_y{number}": str(y)}
    plan, slips = changed(**told)
    assert slips == []
    assert plan is not None
    assert plan.zone["3-nis"].corners_m == ((17, 10), (22, 10), (22, 11), (17, 12))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"p0_id": "a b", "p0_zone": "z0", "p0_x": "1", "p0_y": "1"}, "a b, name: 'a b' is no name"),
        ({"p0_id": "a", "p0_zone": "z0", "p0_x": "", "p0_y": "1"}, "a, x: '' is no number that fits here"),
        ({"p0_id": "a", "p0_zone": "z0", "p0_x": "-1", "p0_y": "1"}, "a, x: '-1' is no number"),
        ({"p0_id": "a", "p0_zone": "z7", "p0_x": "1", "p0_y": "1"}, "a, zone: choose a zone"),
        ({"z0_gone": "on"}, "3-S01 is in a zone that you take out"),
        ({"z0_nl": ""}, "3-samenwerken, name in Dutch: the name is missing"),
        ({"z0_x0": "", "z0_y0": "", "z0_x1": "", "z0_y1": ""}, "a zone needs 3 to 32 corners"),
        ({"z0_kind": "dance"}, "this zone cannot be read; check its kind"),
        ({"t8_first": "Table", "t8_zone": "z0", "t8_x": "1", "t8_y": "1"}, "is no first place of a table"),
        ({"t0_columns": "99"}, "3-S01, columns: '99' is no number that fits here"),
        ({f"z{n}_gone": "on" for n in range(3)}, "a floor needs at least one zone"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_its_row_and_field(fields: dict[str, str], why: str) -> None:
    plan, slips = changed(**fields)
    assert plan is None
    assert any(why in slip for slip in slips), slips


@given(
    fields=st.dictionaries(
        st.from_regex(r"\A[pzt][0-9]{1,3}-[a-z]{1,6}[0-9]{0,2}\Z"), st.text(max_size=20), max_size=20
    )
)
def test_no_fields_make_it_fail(fields: dict[str, str]) -> None:
    floor = floor_of(PLAN, "f3")
    form = form_of_fields(fields)
    wish = wish_of(form, floor)
    for language in i18n.LANGUAGES:
        for slip in wish.slips:
            assert say.slip_text(slip, form, i18n.words(language))


@pytest.mark.parametrize(
    ("mistake", "dutch"),
    [
        (
            Mistake("p", 1, "place 3-X lies outside zone 3-stilte", "keep x in 24-39 and y in 1-23 m"),
            "plek 3-X ligt buiten zone 3-stilte; houd x binnen 24-39 en y binnen 1-23 m",
        ),
        (
            Mistake("p", 1, "the plan has no place 'W09'", "did you mean W02? Else write zone, x and y to make it"),
            "de plattegrond heeft geen plek 'W09'; bedoel je W02? Schrijf anders zone, x en y om die plek te maken",
        ),
        (Mistake("p", 1, "something new", "do it"), "something new; do it"),
    ],
)  # fmt: skip
def test_what_the_linter_says_is_said_in_dutch(mistake: Mistake, dutch: str) -> None:
    assert say.mistake_text(mistake, i18n.words("nl")) == dutch
