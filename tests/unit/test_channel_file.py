"""The channels file: what it may say, and which mistakes are found with their line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from plekvrij.cli import main
from workplace.channel_file import check, load
from workplace.floor_plan import FloorPlan

GOOD = """channels:
  facility:
    kind: apprise
    urls_file: facility.urls
  sign:
    kind: webhook
    url: https://example.org/hook
    key_files: [sign.key, sign.old.key]
    zones: [1-werken]
"""


def test_defaults_tell_people_less_than_programs(small_plan: FloorPlan) -> None:
    facility, sign = load(GOOD, "c.yaml", small_plan)
    assert facility.tells == {"repeat", "reclaimable", "taken_back", "alarm"}
    assert facility.digest == timedelta(minutes=10)
    assert sign.tells == {"note", "repeat", "reclaimable", "taken_back", "alarm"}
    assert sign.digest == timedelta(0)
    assert not sign.allow_private
    assert sign.secret_files == ("sign.key", "sign.old.key")


@pytest.mark.parametrize(
    ("change", "line", "what"),
    [
        pytest.param(
            ("urls_file: facility.urls", "digest_min: 5"), 2, "'urls_file' is missing", id="no addresses"
        ),
        pytest.param(("urls_file", "url_file"), 4, "unknown setting 'url_file'", id="a typing mistake"),
        pytest.param(("[1-werken]", "[1-werkn]"), 9, "unknown zone '1-werkn'", id="a zone that is not there"),
        pytest.param(
            ("https://example.org", "http://example.org"), 7, "not encrypted", id="http to the outside"
        ),
        pytest.param(("example.org", "10.1.2.3"), 7, "private", id="an address inside, not asked for"),
        pytest.param(("example.org", "localhost"), 7, "private", id="this machine, not asked for"),
        pytest.param(("https://example.org", "ftp://example.org"), 7, "no web address", id="not the web"),
        pytest.param(
            ("https://", "https://me:secret@"), 7, "a user, a password", id="a password in the address"
        ),
        pytest.param(
            ("org/hook", "org/höok"), 7, "addresses do not have", id="a sign that addresses do not have"
        ),
        pytest.param(("sign.old.key", "sign.key"), 8, "the same file", id="twice the same key"),
        pytest.param(("sign.key, sign.old.key", "a, b, c"), 8, "write at most 2 entries", id="three keys"),
        pytest.param(
            ("zones: [1-werken]", "digest_min: 3"), 9, "has no setting 'digest_min'", id="a foreign setting"
        ),
        pytest.param(
            ("zones: [1-werken]", "timeout_s: 900"), 9, "write at most 60", id="a time-out of a quarter"
        ),
        pytest.param(
            ("urls_file: facility.urls", "urls_file: f\n    digest_min: 15"),
            5,
            "would go stale",
            id="a slow digest",
        ),
        pytest.param(
            ("  sign:", "  Sign Board:"), 1, "write something that matches", id="a name that is no name"
        ),
    ],
)
def test_mistakes_are_found_with_their_line(
    small_plan: FloorPlan, change: tuple[str, str], line: int, what: str
) -> None:
    channels, mistakes = check(GOOD.replace(*change), "c.yaml", small_plan)
    assert channels == ()
    assert any(
        mistake.line == line and what in f"{mistake.what}; {mistake.instead}" for mistake in mistakes
    ), mistakes


@pytest.fixture
def files(tmp_path: Path, small_plan_file: Path) -> Path:
    file = tmp_path / "channels.yaml"
    file.write_text(GOOD)
    for name, text in (
        ("facility.urls", "json://127.0.0.1:1/x"),
        ("sign.key", "a" * 64),
        ("sign.old.key", "b" * 64),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return file


def test_check_reads_the_secrets_and_shows_none(
    files: Path, small_plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(small_plan_file), "--channels", str(files)]) == 0
    said = capsys.readouterr().out
    assert "2 channels, no mistakes" in said
    assert "nobody is told anything" in said, "without a policy a site is on trial"
    (files.parent / "sign.key").write_text("a" * 20)
    assert main(["check", str(small_plan_file), "--channels", str(files)]) == 2
    shown = capsys.readouterr()
    assert "at least 32 are needed" in shown.err
    assert "aaaa" not in shown.err + shown.out


def test_a_secret_that_everybody_can_read_is_refused(
    files: Path, small_plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files.parent / "facility.urls").chmod(0o644)
    assert main(["check", str(small_plan_file), "--channels", str(files)]) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(
    files: Path, small_plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files.parent / "facility.urls").write_text("# who\nnonsense://user:geheim@host")
    assert main(["check", str(small_plan_file), "--channels", str(files)]) == 2
    shown = capsys.readouterr()
    assert "does not understand" in shown.err
    assert "geheim" not in shown.err + shown.out
