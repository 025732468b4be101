"""What systemd hears of a gateway, and that it hears nothing more once a loop hangs."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.notify import Notifier, keep_notified, notifier_of
from gateway.outbox import Outbox, OutboxStats
from gateway.publisher import Publisher
from gateway.pulse import Pulse
from gateway.sources.source import Source
from gateway.supervisor import Supervisor
from workplace.events import SourceHealth
from workplace.ports import Clock, MessageLink
from workplace.topics import Topics

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "plekvrij-gateway@.service"
LATE_S = 0.4
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")


class ServiceManager:
    """Listens where systemd would."""

    def __init__(self, path: str) -> None:
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind("\0" + path[1:] if path.startswith("@") else path)
        self.channel.settimeout(0)

    def heard(self) -> list[str]:
        found: list[str] = []
        while True:
            try:
                found += self.channel.recv(4096).decode().splitlines()
            except BlockingIOError:
                return found


async def heard_until(manager: ServiceManager, word: str) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(60):
        while not any(said.startswith(word) for said in found):
            await asyncio.sleep(0.01)
            found += manager.heard()
    return found


def test_a_word_goes_to_the_socket_that_systemd_names(tmp_path: Path) -> None:
    for path in (str(tmp_path / "notify"), f"@{tmp_path.name}-plekvrij-test"):
        manager = ServiceManager(path)
        notifier = notifier_of({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"})
        assert notifier.interval_s == 10.0
        notifier.send("READY=1", "STATUS=fine")
        assert manager.heard() == ["READY=1", "STATUS=fine"]
        manager.channel.close()


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({}, id="no service manager"),
        pytest.param({"NOTIFY_SOCKET": "/nowhere/at/all"}, id="a socket that is not there"),
        pytest.param({"WATCHDOG_USEC": "x", "NOTIFY_SOCKET": ""}, id="nonsense"),
        pytest.param({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, id="a watchdog for somebody else"),
    ],
)
def test_without_a_listener_nothing_happens(environment: dict[str, str]) -> None:
    notifier = notifier_of(environment)
    notifier.send("READY=1")
    assert notifier.watchdog_s is None


class Box:
    """An outbox that answers until its disk hangs."""

    def __init__(self) -> None:
        self.hangs = False

    async def take(self, limit: int, after: int = 0) -> list[Any]:
        if self.hangs:
            await asyncio.Event().wait()
        return []

    async def wait_for_rows(self) -> None:
        await asyncio.sleep(0.01)

    async def stats(self) -> OutboxStats:
        if self.hangs:
            await asyncio.Event().wait()
        return OutboxStats(0, 0, 0.0, 0, 0, "0a1b2c3d", 1, 0)


class Waiting(Source):
    """A source whose device never comes: patient, not hanging."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counters = Counter()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def health(self) -> SourceHealth:
        return SourceHealth(name=self.name, status="down")


async def live(box: Box, manager: ServiceManager, path: str, story: Any) -> None:
    pulse = Pulse(LATE_S)
    supervisor = Supervisor(pulse=pulse)
    publisher = Publisher(
        cast("Outbox", box),
        cast("MessageLink", None),
        Topics("klein"),
        floor="f1",
        gateway="gw-1",
        tick=lambda: pulse.tick("publisher"),
    )
    publisher.connection_changed(connected=True)
    publisher.ingest_said(is_subscribed=True)
    intake = Intake(Origin("klein", "gw-1"), cast("Clock", None), cast("Outbox", box))
    async with asyncio.TaskGroup() as tasks:
        supervisor.start_critical(tasks, "publisher", publisher.run)
        supervisor.start_critical(tasks, "intake", lambda: intake.watch_disk(lambda: pulse.tick("intake")))
        supervisor.start_source(tasks, "serial:/dev/x", Waiting("serial:/dev/x").run)
        notifier = Notifier(path, watchdog_s=0.15)
        telling = tasks.create_task(keep_notified(notifier, pulse, lambda: "fine"), name="notify")
        await story(supervisor, tasks)
        telling.cancel()
        raise asyncio.CancelledError


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gateway.supervisor.TICK_S", "gateway.publisher.TICK_S", "gateway.intake.WATCH_S"):
        monkeypatch.setattr(name, 0.02)


@pytest.mark.usefixtures("quick")
def test_a_loop_that_hangs_stops_the_watchdog(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    manager, box = ServiceManager(path), Box()

    async def story(_supervisor: Supervisor, _tasks: object) -> None:
        assert "STATUS=fine" in await heard_until(manager, "WATCHDOG=1")
        for _ in range(5):
            await heard_until(manager, "WATCHDOG=1")
        box.hangs = True
        said = ""
        while said != "STATUS=hanging: intake, publisher":  # one of them may be noticed first
            said = (await heard_until(manager, "STATUS=hanging"))[-1]
        for _ in range(3):
            assert "WATCHDOG=1" not in await heard_until(manager, "STATUS=hanging")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(live(box, manager, path, story))


@pytest.mark.usefixtures("quick")
def test_a_source_that_fails_for_ever_stops_neither_another_nor_the_watchdog(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    manager = ServiceManager(path)
    rounds: Counter[str] = Counter()

    async def fails() -> None:
        rounds["broken"] += 1
        raise RuntimeError("a bug in a source")

    async def works() -> None:
        while True:
            rounds["sound"] += 1
            await asyncio.sleep(0.001)

    async def story(supervisor: Supervisor, tasks: asyncio.TaskGroup) -> None:
        supervisor._first_pause_s = 0.001
        supervisor.start_source(tasks, "broken", fails)
        supervisor.start_source(tasks, "sound", works)
        async with asyncio.timeout(60):
            while rounds["broken"] < 5 or rounds["sound"] < 100:
                await asyncio.sleep(0.01)
        assert supervisor.counters["restarted.broken"] >= 4
        assert supervisor.counters["restarted.sound"] == 0
        manager.heard()
        assert "STATUS=fine" in await heard_until(manager, "WATCHDOG=1")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(live(Box(), manager, path, story))


def test_the_pulse_forgets_a_source_that_was_taken_away() -> None:
    now = [0.0]
    pulse = Pulse(10.0, lambda: now[0])
    pulse.expect("a")
    pulse.expect("b")
    now[0] = 11.0
    pulse.tick("a")
    pulse.tick("never expected")
    assert pulse.late() == ["b"]
    pulse.forget("b")
    assert pulse.late() == []


@pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="no systemd here")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "plekvrij-gateway@gw-3.service"
    text = UNIT.read_text("utf-8").replace("/opt/plekvrij/bin/plekvrij", sys.executable)
    unit.write_text(text, "utf-8")
    done = subprocess.run(
        [SYSTEMD_ANALYZE or "", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    complaints = [line for line in done.stderr.splitlines() if "plekvrij" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "WatchdogSec=60",
        "Restart=always",
        "RestartSec=5",
        "StartLimitIntervalSec=0",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
    ],
)
def test_the_unit_promises(line: str) -> None:
    assert line in UNIT.read_text("utf-8").splitlines()


def test_a_gateway_of_its_own_says_that_it_is_ready_and_that_it_stops(tmp_path: Path) -> None:
    manager = ServiceManager(str(tmp_path / "notify"))
    settings = tmp_path / "gw-1.toml"
    outbox = tmp_path / "gw-1.db"
    settings.write_text(f'site = "klein"\ngateway = "gw-1"\nfloor = "f1"\noutbox = "{outbox}"\n', "utf-8")
    gateway = subprocess.Popen(
        [sys.executable, "-m", "plekvrij", "gateway", "--config", settings, "--broker", "mqtt://127.0.0.1:1"],
        env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        manager.channel.settimeout(60)
        assert manager.channel.recv(4096).decode().splitlines()[0] == "READY=1"
        assert manager.channel.recv(4096).decode().splitlines()[0] == "WATCHDOG=1"
        gateway.terminate()
        assert manager.channel.recv(4096).decode() == "STOPPING=1"
        assert gateway.wait(60) == 0
    finally:
        gateway.kill()
        gateway.wait()
