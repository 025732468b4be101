"""Every floor becomes one strict SVG: one path per place, its shape tells the state."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dashboard.floor_svg import PlanWords, draw_floor, places_in_order
from dashboard.glyphs import LETTER, PHASE, PLACE_PATH, ZONE_PATH, StateLetter, icon_svg, mask_css, place_svg
from workplace import floor_plan

PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
SVG = "{http://www.w3.org/2000/svg}"
WORDS = PlanWords("Verdieping 3: 5 < 6 vrij", "U bent hier", lambda zone: zone.name.nl)


def _read(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - our own drawing


def _drawn(floor_id: str, letter: StateLetter = "f", words: PlanWords = WORDS) -> ElementTree.Element:
    floor = PLAN.floor[floor_id]
    return _read(draw_floor(floor, [letter] * len(places_in_order(floor)), words))


def _places(svg: ElementTree.Element) -> list[ElementTree.Element]:
    group = next(g for g in svg.iter(f"{SVG}g") if g.get("class") == "places")
    return list(group)


@pytest.mark.parametrize("floor", [floor.id for floor in PLAN.floors])
def test_each_place_is_one_path_within_the_walls(floor: str) -> None:
    paths = _places(_drawn(floor))
    assert len(paths) == len(places_in_order(PLAN.floor[floor]))
    width, height = PLAN.floor[floor].size_m
    for path in paths:
        x, y = map(float, re.findall(r"[\d.]+", path.get("transform", "")))
        assert 12 <= x <= width * 20 - 12
        assert 12 <= y <= height * 20 - 12


@pytest.mark.parametrize("floor", [floor.id for floor in PLAN.floors])
def test_a_strict_content_policy_finds_nothing_to_forbid(floor: str) -> None:
    for element in _drawn(floor).iter():
        assert "style" not in element.attrib
        assert not [name for name in element.attrib if name.startswith("on")]
        assert element.tag not in {f"{SVG}style", f"{SVG}script"}


def test_every_state_has_its_own_shape() -> None:
    assert len(set(PLACE_PATH.values())) == len(PLACE_PATH)
    assert set(LETTER.values()) | {"l"} == set(PLACE_PATH)
    assert {PHASE[letter]: letter for letter in PHASE} == LETTER
    for letter in PLACE_PATH:
        path = _places(_drawn("f3", letter))[0]
        assert path.get("class") == f"p p-{letter}"
        assert path.get("d") == PLACE_PATH[letter]


def test_places_of_one_floor_do_not_touch() -> None:
    for floor in PLAN.floors:
        spots = [(place.x_m, place.y_m) for place in places_in_order(floor)]
        for i, (x, y) in enumerate(spots):
            for other_x, other_y in spots[i + 1 :]:
                assert max(abs(x - other_x), abs(y - other_y)) > 1.2, f"two places overlap on {floor.id}"


def test_a_wall_drawing_is_one_picture_with_a_title() -> None:
    svg = _drawn("f3")
    assert svg.get("role") == "img"
    title = svg.find(f"{SVG}title")
    assert title is not None
    assert title.text == "Verdieping 3: 5 < 6 vrij"
    assert title.get("id") == svg.get("aria-labelledby")
    assert all(path.get("tabindex") is None for path in _places(svg))


def test_on_a_staff_drawing_every_place_is_a_labelled_button_and_one_is_in_the_tab_order() -> None:
    words = PlanWords(
        "Kaart", "U bent hier", lambda zone: zone.name.nl, lambda place, _: f"{place.label}, vrij"
    )
    svg = _drawn("f3", "f", words)
    assert svg.get("role") == "group"
    paths = _places(svg)
    assert all(path.get("role") == "button" for path in paths)
    assert [path.get("tabindex") for path in paths].count("0") == 1
    assert paths[0].get("aria-label") == "3.S01, vrij"
    assert paths[0].get("data-place") == "3-S01"


def test_names_from_the_plan_cannot_break_out_of_the_drawing() -> None:
    words = PlanWords('"><script>', "<b>", lambda _: "<i>&")
    svg = _drawn("f3", "f", words)
    assert not list(svg.iter(f"{SVG}script"))
    assert {"<i>&", "<b>"} <= {text.text for text in svg.iter(f"{SVG}text")}


def test_a_wrong_number_of_states_is_refused() -> None:
    with pytest.raises(ValueError, match="65 places, got 1"):
        draw_floor(PLAN.floor["f3"], ["f"], WORDS)


def test_every_zone_kind_has_an_icon_and_stand_alone_glyphs_are_hidden_from_screen_readers() -> None:
    assert {zone.kind for zone in PLAN.zone.values()} <= set(ZONE_PATH)
    for drawing in (*map(icon_svg, ZONE_PATH), *map(place_svg, PLACE_PATH)):
        assert _read(drawing).get("aria-hidden") == "true"
    assert all(f".st-{letter}{{" in mask_css() for letter in PLACE_PATH)
