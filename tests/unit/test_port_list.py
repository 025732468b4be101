"""The installer's list of switch ports, into the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from plekvrij.cli import main
from tests.conftest import SMALL_PLAN
from workplace import floor_plan
from workplace.port_list import add_ports, check_ports, read_ports

LIST = "Switch;Poort;Plek\nsw-1;Gi1/0/7;1-W1\nsw-1;Gi1/0/8;1-W2\n"


def mistakes_of(text: str, plan_text: str = SMALL_PLAN) -> list[str]:
    plan = floor_plan.load(plan_text, "plan.yaml")
    lines, mistakes = read_ports(text, "ports.csv")
    return [str(mistake) for mistake in mistakes + check_ports(lines, plan, "ports.csv")]


def run(tmp_path: Path, text: str | bytes, plan_text: str = SMALL_PLAN) -> tuple[int, Path, Path]:
    plan, ports = tmp_path / "plan.yaml", tmp_path / "ports.csv"
    plan.write_text(plan_text, "utf-8")
    ports.write_bytes(text if isinstance(text, bytes) else text.encode())
    return main(["ports", "import", str(ports), "--plan", str(plan), "--out", str(plan)]), plan, ports


def test_ports_become_devices_and_the_rest_keeps_every_letter(tmp_path: Path) -> None:
    commented = SMALL_PLAN.replace("floors:", "# two floors one day\nfloors:")
    code, plan, _ = run(tmp_path, LIST, commented)
    assert code == 0
    text = plan.read_text("utf-8")
    assert text.startswith(commented.rstrip("\n"))
    loaded = floor_plan.load(text, "plan.yaml")
    sensor = next(s for s in loaded.place["1-W1"].sensors if s.device == "switch-sw-1")
    assert (sensor.kind, sensor.channel, sensor.gateway) == ("link", "Gi1/0/7", "gw-1")


def test_the_second_import_changes_nothing(tmp_path: Path) -> None:
    _, plan, ports = run(tmp_path, LIST)
    once = plan.read_bytes()
    assert main(["ports", "import", str(ports), "--plan", str(plan), "--out", str(plan)]) == 0
    assert plan.read_bytes() == once


def test_more_ports_go_below_the_devices_that_are_there() -> None:
    plan_text = SMALL_PLAN.replace(
        "floors:",
        "devices:  # by hand\n    - {place: 1-W1, sensor: switch_port, device: switch-sw-1, channel: Gi1/0/7}\n"
        "    # spare\n\nfloors:",
    )
    lines, _ = read_ports(LIST, "ports.csv")
    imported = add_ports(plan_text, floor_plan.load(plan_text, "plan.yaml"), lines)
    assert (imported.added, imported.known) == (1, 1)
    old, new = plan_text.splitlines(), imported.text.splitlines()
    assert [line for line in new if line not in old] == [
        '    - {place: 1-W2, sensor: switch_port, device: switch-sw-1, channel: "Gi1/0/8"}'
    ]
    assert [line for line in new if line in old] == old
    assert floor_plan.load(imported.text, "plan.yaml").devices["switch-sw-1"] == "gw-1"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("switch,port,place\nsw-1,Gi1/0/7,1-W1\n", id="commas"),
        pytest.param("\ufeffswitch;interface;werkplek\r\nsw-1;Gi1/0/7;1-W1\r\n", id="as Excel saves it"),
        pytest.param("plek\tswitch\tpoort\n1-W1\tsw-1\tGi1/0/7\n\n", id="tabs, another order, an empty line"),
        pytest.param('switch,port,place,gateway\nsw-1,"Gi1/0/7",1-W1,gw-1\n', id="quotes and a gateway"),
    ],
)  # fmt: skip
def test_lists_that_are_understood(tmp_path: Path, text: str) -> None:
    code, plan, _ = run(tmp_path, text)
    assert code == 0
    assert 'channel: "Gi1/0/7"' in plan.read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("", 1, "the list is empty", id="an empty file"),
        pytest.param("sw-1;Gi1/0/7;1-W1\n", 1, "unknown column 'sw-1'", id="no heading"),
        pytest.param("switch;port\nsw-1;Gi1/0/7\n", 1, "'place' is missing", id="a column is missing"),
        pytest.param(LIST + "sw-1;;1-W3\n", 4, "port is missing", id="an empty cell"),
        pytest.param(LIST + "sw-1;Gi1/0/9;1-W9\n", 4, "did you mean 1-W", id="an unknown place"),
        pytest.param(LIST + "sw-1;Gi1/0/7;1-W3\n", 4, "Gi1/0/7 of sw-1 stands in line 2 too", id="a port twice"),
        pytest.param(LIST + "sw-1;Gi1/0/9;1-W1\n", 4, "place 1-W1 stands in line 2 too", id="a place twice"),
        pytest.param(LIST + "sw.1;Gi1/0/9;1-W3\nsw_1;Gi1/0/9;1-W4\n", 5, "one device", id="two names, one id"),
        pytest.param(LIST + 'sw-1;"Gi\\"1";1-W3\n', 4, "no name of a port", id="signs that no port has"),
        pytest.param(LIST + "sw-1;Gi1/0/9;1-W3;x\n", 4, "more cells", id="too many cells"),
        pytest.param(
            LIST.replace("Plek", "Plek;Gateway").replace("1-W1", "1-W1;gw-9"), 2, "no gateway 'gw-9'",
            id="an unknown gateway",
        ),
    ],
)  # fmt: skip
def test_mistakes_have_a_line_and_say_what_to_write(text: str, line: int, says: str) -> None:
    found = mistakes_of(text)
    assert any(mistake.startswith(f"ports.csv:{line}: ") and says in mistake for mistake in found), found


def test_all_mistakes_are_told_at_once_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, plan, _ = run(tmp_path, "switch;port;place\nsw-1;;1-W1\nsw-1;Gi1/0/8;nowhere\n")
    assert code == 2
    assert plan.read_text("utf-8") == SMALL_PLAN
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("switch;port;place;mac\nsw-1;Gi1/0/7;1-W1;\n", id="by its name"),
        pytest.param("switch;port;place;x\nsw-1;Gi1/0/7;1-W1;00:11:22:aa:bb:cc\n", id="with colons"),
        pytest.param("switch;port;place;x\nsw-1;Gi1/0/7;1-W1;0011.22aa.bbcc\n", id="with dots"),
        pytest.param("switch;port;place\nsw-1;001122aabbcc;1-W1\n", id="in place of a port"),
    ],
)
def test_a_column_of_hardware_addresses_is_refused(text: str) -> None:
    (only,) = mistakes_of(text)
    assert "hardware addresses" in only
    assert "delete that column" in only
    assert "aabbcc" not in only.replace(":", "").replace(".", "")


def test_what_the_plan_says_already_is_not_overruled() -> None:
    plan_text = (
        SMALL_PLAN
        + "devices:\n  - {place: 1-W3, sensor: switch_port, device: switch-sw-1, channel: Gi1/0/7}\n"
    )
    (only,) = mistakes_of("switch;port;place\nsw-1;Gi1/0/7;1-W1\n", plan_text)
    assert "leads to place 1-W3 in the plan" in only


def test_devices_in_one_line_are_not_torn_apart(tmp_path: Path) -> None:
    plan_text = (
        SMALL_PLAN + "devices: [{place: 1-W3, sensor: switch_port, device: switch-sw-9, channel: a}]\n"
    )
    code, plan, _ = run(tmp_path, LIST, plan_text)
    assert code == 2
    assert plan.read_text("utf-8") == plan_text
