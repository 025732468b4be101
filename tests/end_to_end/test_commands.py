"""The commands as a user types them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PLAN = ROOT / "examples" / "town_hall.plan.yaml"
POLICY = ROOT / "examples" / "town_hall.policy.yaml"


def plekvrij(*arguments: object, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "plekvrij", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own page on loopback
        return json.load(answer)


def test_check_finds_nothing_wrong_with_the_example() -> None:
    result = plekvrij("check", PLAN, POLICY)
    assert (result.returncode, result.stderr) == (0, "")
    assert "no mistakes" in result.stdout


def test_check_tells_all_mistakes_of_both_files_with_file_and_line(tmp_path: Path) -> None:
    plan, policy = tmp_path / "plan.yaml", tmp_path / "policy.yaml"
    plan.write_text(PLAN.read_text("utf-8").replace("kind: silence", "kind: stil", 1), "utf-8")
    policy.write_text(POLICY.read_text("utf-8") + "\nnonsense: 1\n", "utf-8")
    result = plekvrij("check", plan, policy)
    assert result.returncode == 2
    assert re.search(
        rf"^{re.escape(str(plan))}:\d+: 'kind' is 'stil'; write one of", result.stdout, re.MULTILINE
    )
    assert re.search(
        rf"^{re.escape(str(policy))}:\d+: unknown setting 'nonsense'", result.stdout, re.MULTILINE
    )


def test_decode_passes_every_vector() -> None:
    result = plekvrij("decode", "--vectors", ROOT / "tests" / "captures" / "vectors")
    assert result.returncode == 0, result.stdout
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed", result.stdout.splitlines()[-1])


def test_a_missing_file_is_an_error_with_exit_code_2() -> None:
    result = plekvrij("check", "nowhere.yaml")
    assert result.returncode == 2
    assert "nowhere.yaml" in result.stderr


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = plekvrij("demo", "--port", port, "--for", "1")
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.timeout(400)
def test_the_demo_comes_alive_within_30_seconds_and_ends_with_its_agreement(
    tmp_path: Path, free_port: int
) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "plekvrij", "demo", "--port", str(free_port), "--for", "25", "--speed", "60",
         "--data", str(tmp_path / "demo")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        started = time.monotonic()
        assert demo.stdout is not None
        first = demo.stdout.readline()
        assert f"http://127.0.0.1:{free_port}/wall/" in first
        assert time.monotonic() - started < 30
        base = f"http://127.0.0.1:{free_port}/api/v1"
        deadline = time.monotonic() + 20
        while not _is_alive(base):
            assert time.monotonic() < deadline, get(f"{base}/health")
        health = get(f"{base}/health")
        assert len(health["gateways"]) == 5
        output, errors = demo.communicate(timeout=80)
    finally:
        demo.kill()
    assert demo.returncode == 0, errors
    assert re.search(r"^all floors +\d+\.\d%", output, re.MULTILINE), output
    assert "Traceback" not in errors
    for log in (tmp_path / "demo" / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text("utf-8"), log


@pytest.mark.timeout(400)
def test_nothing_is_left_running_when_a_demo_is_killed(tmp_path: Path, free_port: int) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen(
        [sys.executable, "-m", "plekvrij", "demo", "--port", str(free_port), "--data", str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert demo.stdout is not None
    demo.stdout.readline()
    assert len(_processes_of(folder)) > 10
    demo.kill()
    demo.wait()
    deadline = time.monotonic() + 30
    while left := _processes_of(folder):
        assert time.monotonic() < deadline, left
        threading.Event().wait(0.2)


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes that have something to do with the folder."""
    found: list[str] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if str(folder) in line and str(os.getpid()) != file.parent.name:
            found.append(line)
    return found


def _is_alive(base: str) -> bool:
    zones = [zone for floor in get(f"{base}/floors") for zone in floor["zones"]]
    known = sum(zone["free"] + zone["in_use"] + zone["reclaimable"] for zone in zones)
    return known > 100 and sum(zone["in_use"] for zone in zones) > 10


@pytest.mark.timeout(400)
def test_a_real_recording_goes_through_the_whole_way(free_port: int) -> None:
    recording = ROOT / "examples" / "recordings" / "uci864_room_occupancy_estimation.csv"
    result = plekvrij(
        "replay", "uci864", recording, "--port", free_port, "--speed", 3600, "--for", 20, timeout_s=100
    )
    assert result.returncode == 0, result.stderr
    ours = re.search(r"^S6 +through Plekvrij +(\d+\.\d)%", result.stdout, re.MULTILINE)
    assert ours is not None, result.stdout
    assert float(ours[1]) > 80
