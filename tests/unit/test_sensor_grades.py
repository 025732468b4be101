"""How well sensors see, in words: where a page or a program asks for a place."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.api.views import place_answer
from dashboard.grades import Grades
from dashboard.i18n import Language, words
from dashboard.staff.parts import chosen
from workplace.errors import StoreUnavailable
from workplace.floor_plan import FloorPlan
from workplace.occupancy.interface import wiring_of
from workplace.occupancy.rates import GRADES
from workplace.sensor_grades import QUALITY_MEANS, QUALITY_OF, QUALITY_WORDS, GradeName, SensorGrade

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def grade_of(plan: FloorPlan, place: str, grade: GradeName) -> SensorGrade:
    return SensorGrade(grade, NINE, wiring_of(plan.place[place]))


def test_every_grade_of_the_model_means_something_in_both_languages() -> None:
    assert {grade.name for grade in GRADES} == set(QUALITY_OF)
    for quality in QUALITY_OF.values():
        assert all([QUALITY_WORDS[quality].nl, QUALITY_WORDS[quality].en, QUALITY_MEANS[quality].nl])


@pytest.mark.parametrize(
    ("language", "grade", "text"),
    [
        pytest.param("nl", "B", "goed (B), ook wie stilzit wordt meestal gezien", id="good, in Dutch"),
        pytest.param("nl", "C", "matig (C), wie lang stilzit wordt soms niet gezien", id="fair, in Dutch"),
        pytest.param("en", "E", "weak (E), who sits still is often not seen", id="weak, in English"),
    ],
)
def test_the_panel_of_a_place_says_how_well_its_sensors_see(
    small_plan: FloorPlan, language: Language, grade: GradeName, text: str
) -> None:
    place = small_plan.place["1-W1"]
    panel = chosen(place, None, [], NINE, words(language), str, grade_of(small_plan, "1-W1", grade))
    assert text in str(panel)
    assert "(" + grade not in str(chosen(place, None, [], NINE, words(language), str))


def test_a_program_gets_the_grade_and_what_it_means(small_plan: FloorPlan) -> None:
    place = small_plan.place["1-W1"]
    answer = place_answer(place, None, NINE, grade_of(small_plan, "1-W1", "D"))
    assert (answer.sensor_grade, answer.sensor_quality) == ("D", "poor")
    answer = place_answer(place, None, NINE)
    assert (answer.sensor_grade, answer.sensor_quality) == (None, None)


class History:
    """Answers once, then its database cannot be read."""

    def __init__(self, found: dict[str, SensorGrade]) -> None:
        self.found, self.asked = found, 0

    def sensor_grades(self) -> dict[str, SensorGrade]:
        self.asked += 1
        if self.asked > 1:
            raise StoreUnavailable("locked")
        return self.found


def test_grades_are_read_seldom_and_those_of_other_sensors_are_left_out(
    small_plan: FloorPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = grade_of(small_plan, "1-W1", "B")
    history: Any = History({"1-W1": right, "1-W2": right, "gone": right})
    grades = Grades(history, small_plan)
    for _ in range(2):
        assert asyncio.run(grades.read()) == {"1-W1": right}
    assert history.asked == 1
    monkeypatch.setattr("dashboard.grades._KEEP_S", 0.0)
    assert asyncio.run(grades.read()) == {"1-W1": right}, "what was known stays while history cannot be read"
    assert history.asked == 2
    assert asyncio.run(Grades(None, small_plan).read()) == {}
