"""A gateway's settings: every mistake at once, each with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings import from_mapping
from gateway.settings_file import check, load
from plekvrij.cli import main
from workplace.errors import DocumentInvalid

SOUND = """\
# the gateway above the ceiling of the third floor
site = "raadhuis"
gateway = "gw-3"
floor = "f3"
outbox = "/var/lib/plekvrij/gw-3.db"

[beat_s]
"z2m-pir-1" = 3600

[[serial]]
port = "/dev/serial/by-id/a"

[[serial]]
port = "/dev/serial/by-id/b"
baud = 921600

[[mqtt]]
format = "tasmota"
base = "tasmota"
models = { sonoff-1 = "TH16" }
"""
INLINE = SOUND.partition("[[")[0].replace(
    "[beat_s]", 'serial = [ # ] "\n  { port = "a]" },\n  { prt = "b" },\n]\n[beat_s]'
)


def mistakes(text: str) -> list[str]:
    return [str(mistake) for mistake in check(text, "gw.toml")[1]]


def test_sound_settings_are_those_that_the_gateway_runs_with() -> None:
    assert load(SOUND, "gw.toml") == from_mapping(tomllib.loads(SOUND))


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        SOUND.replace('gateway = "gw-3"', 'gatway = "gw-3"')
        .replace("921600", "9600")
        .replace('"tasmota"\nbase = "tasmota"', '"tasmotta"\nbase = "a/#"')
    )
    assert [m.partition(";")[0] for m in mistakes(text)] == [
        "gw.toml:1: 'gateway' is missing",
        "gw.toml:3: unknown setting 'gatway'",
        "gw.toml:15: 'baud' is 9600",
        "gw.toml:18: 'format' is 'tasmotta'",
        "gw.toml:19: 'base' is 'a/#'",
    ]
    assert "did you mean 'gateway'?" in mistakes(text)[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            SOUND.replace("by-id/b", "by-id/a"),
            "gw.toml:14: two entries of [[serial]] have the same port '/dev/serial/by-id/a'",
            id="a port listed twice",
        ),
        pytest.param(
            SOUND + '[[mqtt]]\nbase = "tasmota"\nformat = "shelly"\n',
            "gw.toml:22: two entries of [[mqtt]] have the same base 'tasmota'",
            id="a base topic listed twice",
        ),
        pytest.param(
            SOUND + '[[switch]]\nname = "sw-1"\naddress = "10.0.0.1"\n',
            "gw.toml:21: switch sw-1 needs 'credential'",
            id="a switch without the name of its secret",
        ),
        pytest.param(
            SOUND.replace('id/b"\nbaud = 921600', 'id/b"\nformat = "ld2410"'),
            "gw.toml:13: /dev/serial/by-id/b speaks ld2410",
            id="a radar without a name",
        ),
        pytest.param(
            SOUND.replace('floor = "f3"', "floor = f3"), "gw.toml:4: this is not TOML", id="a value without quotes"
        ),
        pytest.param(SOUND + "[[serial]", "gw.toml:21: this is not TOML", id="an end in the middle"),
        pytest.param(
            SOUND.replace("3600", "-1"), "gw.toml:8: 'z2m-pir-1' is -1; write more than 0", id="a beat below zero"
        ),
        pytest.param(
            'outbox = """\n[[serial]]\n"""\n' + SOUND.replace("outbox = ", "#").replace('"f3"', "3"),
            "gw.toml:7: 'floor' is 3",
            id="a string over several lines shifts nothing",
        ),
        pytest.param(
            INLINE,
            "gw.toml:7: unknown setting 'prt'",
            id="entries on one line are told with the line of their list",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    assert any(mistake.startswith(told) for mistake in mistakes(text)), mistakes(text)


def test_a_gateway_does_not_start_with_mistakes() -> None:
    with pytest.raises(DocumentInvalid, match="did you mean 'floor'"):
        load(SOUND.replace("floor", "flor"), "gw.toml")


def test_the_command_says_all_and_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gw-3.toml"
    file.write_text(SOUND, "utf-8")
    assert main(["check", str(file)]) == 0
    assert "gateway gw-3 of floor f3, no mistakes" in capsys.readouterr().out
    file.write_text(SOUND.replace("baud", "bard").replace("outbox", "outbocks"), "utf-8")
    assert main(["check", str(file)]) == 2
    told = capsys.readouterr()
    assert "did you mean 'baud'?" in told.out
    assert "did you mean 'outbox'?" in told.out
    assert told.err == "3 mistakes found\n"


@settings(deadline=None)
@given(st.text(alphabet="[]{}\"'=#.,a1 \n", max_size=60))
def test_no_text_breaks_the_check(text: str) -> None:
    settings, found = check(text, "gw.toml")
    assert settings is None
    assert all(1 <= mistake.line <= text.count("\n") + 1 for mistake in found)
