"""The page of accuracy figures: whole areas, goals that can be missed, and runs that go on where they ended."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import accuracy
from bench.accuracy import Building
from plekvrij.evaluation import areas_of
from workplace.floor_plan import FloorPlan

FIGURES = {
    "accuracy": 0.93,
    "f1_occupied": 0.87,
    "false_releases_per_1000_h": 30.0,
    "long_hold_f1": 0.84,
    "clock_error_s": 1.0,
    "calibration_error": 0.013,
    "zone_error": 0.75,
    "coverage": 1.0,
}


def building(scenario: str = "normal", seed: int = 1, **other: float) -> Building:
    methods = dict.fromkeys(accuracy.METHODS, FIGURES | other)
    return Building(scenario, seed, 2, 2, 80, 300.0, methods)


@pytest.mark.parametrize(
    ("scenario", "other", "word"),
    [
        pytest.param("normal", {}, "met", id="the usual building as it should be"),
        pytest.param("normal", {"zone_error": 0.91}, "**missed**", id="people are counted less well"),
        pytest.param(
            "normal", {"accuracy": 0.9}, "**missed**", id="the usual building must be right more often"
        ),
        pytest.param("faults", {"accuracy": 0.9, "zone_error": 2.0}, "met", id="than an unusual one"),
        pytest.param(
            "faults", {"false_releases_per_1000_h": 61.0}, "**missed**", id="too many are sent away"
        ),
        pytest.param(
            "pir-only",
            {"accuracy": 0.87, "false_releases_per_1000_h": 130.0},
            "met",
            id="without docks less is asked",
        ),
    ],
)
def test_the_page_says_which_goal_is_met(scenario: str, other: dict[str, float], word: str) -> None:
    page = accuracy.page([building(scenario, seed, **other) for seed in (1, 2)])
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {scenario} | 2 | 2 | 160 |"))
    assert line.endswith(f"| {word} |")


def test_the_table_gives_mean_and_spread() -> None:
    rows = list(accuracy.table([building(accuracy=0.9), building(seed=2, accuracy=0.94)]))
    assert "| normal | filter | 0.920 ± 0.028 |" in rows[0]
    assert "| - |" in rows[1]  # afterwards nothing is released


def test_a_building_that_was_measured_is_not_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (1, 2):
        kept = tmp_path / f"normal-{seed}-2-2.json"
        kept.write_bytes(msgspec.json.encode(building(seed=seed)))
    page = tmp_path / "page.md"
    asked = [
        "--scenarios",
        "normal",
        "--seeds",
        "1,2",
        "--areas",
        "2",
        "--keep",
        str(tmp_path),
        "--page",
        str(page),
    ]
    assert accuracy.main(asked) == 0
    assert "| normal | filter | 0.930" in capsys.readouterr().out
    assert "# How right the occupancy filter is" in page.read_text("utf-8")


def test_areas_are_whole_and_of_real_size(example_plan: FloorPlan) -> None:
    areas = areas_of(example_plan, set(example_plan.place))
    assert sorted(name for area in areas for name in area) == sorted(example_plan.place)
    assert all(20 <= len(area) <= 45 for area in areas)
