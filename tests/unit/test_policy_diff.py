"""`plekvrij policy diff` names every changed setting in plain words; `policy text` says a whole policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from plekvrij.cli import main
from workplace.policy_diff import changes, name_of
from workplace.policy_file import (
    AwayFile,
    BreakerFile,
    CalendarFile,
    HoursFile,
    PolicyFile,
    StayFile,
    StayLimitsFile,
    ZoneSettingFile,
)

BEFORE = PolicyFile(site="klein")


def said(lang: str, **other: Any) -> list[str]:
    return [change.sentence(lang) for change in changes(BEFORE, PolicyFile(site="klein", **other))]


@pytest.mark.parametrize(
    ("other", "nl", "en"),
    [
        pytest.param(
            {"away": AwayFile(scarce_min=25)},
            "tijd weg als het druk is: was 30, wordt 25 minuten",
            "time away while places are short: was 30, becomes 25 minutes",
            id="a limit",
        ),
        pytest.param(
            {"stay": StayFile(limit_min=StayLimitsFile(silence=180))},
            "langste tijd bij stilte: was 240, wordt 180 minuten",
            "longest time in silence: was 240, becomes 180 minutes",
            id="a limit of one kind of zone",
        ),
        pytest.param(
            {"zones": {"3-stilte": ZoneSettingFile(stay_limit_min=120)}},
            "langste tijd in zone 3-stilte: was als de locatie, wordt 120 minuten",
            "longest time in zone 3-stilte: was as the site, becomes 120 minutes",
            id="a zone that leaves the rule of the site",
        ),
        pytest.param(
            {"breaker": BreakerFile(false_release_pct=2.5)},
            "pauze boven dit deel onterecht vrijgegeven: was 1.0, wordt 2.5 %",
            "pause above this share of false releases: was 1.0, becomes 2.5 %",
            id="a share",
        ),
        pytest.param(
            {"hours": HoursFile(holidays=["2026-12-28"])},
            "eigen vrije dagen: was geen, wordt [2026-12-28]",
            "own days off: was none, becomes [2026-12-28]",
            id="a list",
        ),
        pytest.param(
            {"calendar": [CalendarFile(zone="resto", from_="12:00", to="14:00")]},
            "dagindeling van zones: was geen, wordt [resto 12:00 14:00 lunch]",
            "parts of the day of zones: was none, becomes [resto 12:00 14:00 lunch]",
            id="a calendar",
        ),
    ],
)
def test_a_change_is_one_plain_sentence(other: dict[str, Any], nl: str, en: str) -> None:
    assert said("nl", **other) == [nl]
    assert said("en", **other) == [en]


def paths(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [
            found for key, inner in value.items() for found in paths(inner, f"{path}.{key}" if path else key)
        ]
    return [path]


def test_every_setting_has_a_name_in_both_languages() -> None:
    every = PolicyFile(
        site="klein", zones={"z": ZoneSettingFile(mode="off", stay_applies="always", stay_limit_min=60)}
    )
    for path in paths(msgspec.to_builtins(every)):
        if path != "consent":
            assert name_of(path, "nl") != path, path
            assert name_of(path, "en") != path, path


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("site: klein\n", "utf-8")
    other.write_text("site: klein\nmode: active\naway: {roomy_min: 60}\n", "utf-8")
    return str(one), str(other)


def test_the_exit_code_is_that_of_diff(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = files
    assert main(["policy", "diff", one, one]) == 0
    assert capsys.readouterr().out == ""
    assert main(["policy", "diff", one, other]) == 1  # also of a text that is not agreed yet
    assert capsys.readouterr().out.splitlines() == [
        "de stand van de regels: was shadow, wordt active",
        "tijd weg als er plek is: was 50, wordt 60 minuten",
    ]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("site: klein\naway: {roomy_min: 5}\n", "utf-8")
    assert main(["policy", "diff", one, str(wrong)]) == 2
    assert main(["policy", "diff", one]) == 2
    assert main(["policy", "diff", one, str(tmp_path / "nowhere.yaml")]) == 2


def test_json_names_path_values_and_both_languages(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "diff", *files, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["before"] != found["after"]
    assert [(c["path"], c["before"], c["after"]) for c in found["changes"]] == [
        ("mode", "shadow", "active"),
        ("away.roomy_min", 50, 60),
    ]
    assert "becomes 60 minutes" in found["changes"][1]["en"]


def test_text_says_the_policy_and_the_sum_that_consent_is_given_for(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "text", files[0]]) == 0
    dutch = capsys.readouterr().out
    assert "Wij kijken alleen mee." in dutch
    assert main(["policy", "text", files[0], "--lang", "en"]) == 0
    english = capsys.readouterr().out
    assert "We only watch along." in english
    assert dutch.splitlines()[-1] == english.splitlines()[-1]
    assert dutch.splitlines()[-1].startswith("sha256 ")
