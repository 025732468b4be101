"""Two recorded days at speed through a real broker and a real ingest, with a kill -9 in the first night."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import paho.mqtt.client as mqtt
import pytest

from ingest.stores.night_history import NightHistory
from plekvrij.cli import main
from plekvrij.wiring import Site, read_site
from simulators.feed import feed
from workplace.codec import encode
from workplace.events import GatewayStatus, NightLessons, SensorEvent
from workplace.holds.learning import Lessons
from workplace.holds.nights import SettledDays
from workplace.holds.settled import SettledSite, happened_at
from workplace.occupancy.night_times import bounds, in_force_at, night_at
from workplace.topics import Topics

ROOT = Path(__file__).resolve().parents[2]
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
SITE, TZ = "klein", ZoneInfo("Europe/Amsterdam")
TOPICS = Topics(SITE)
Wait = Callable[..., None]
TUESDAY, WEDNESDAY = date(2026, 11, 24), date(2026, 11, 25)
#: The clock of the site stands still between two looks of this much, so that a slow machine changes nothing.
STEP = timedelta(minutes=30)

#: Ingest as `plekvrij ingest` runs it, but with a clock that the test moves: eight bytes that both have open.
INGEST = """
import asyncio, mmap, struct, sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from gateway.mqtt_link import BrokerAddress, MqttLink
from ingest.app import IngestSettings, run_ingest
from plekvrij import logs, sqlite_driver, wiring
from workplace.holds.engine import SiteEngine

plan_file, database, port, clock_file = sys.argv[1:]

class Clock:
    speed = 3600.0
    def __init__(self):
        self._file = open(clock_file, "rb")
        self._bytes = mmap.mmap(self._file.fileno(), 8, access=mmap.ACCESS_READ)
    def now(self):
        return datetime.fromtimestamp(struct.unpack("d", self._bytes[:8])[0], UTC)
    def boot_ms(self):
        return self.now().timestamp() * 1000
    def real_seconds(self, site_seconds):
        return site_seconds / self.speed

site = wiring.read_site(Path(plan_file), None)
settings = IngestSettings(site=site.plan.site, database=Path(database), broker_host="127.0.0.1",
    broker_port=int(port), version="test", gateway_silence_s=600.0)
logs.set_up("ingest")
asyncio.run(run_ingest(settings, plan=site.plan, policy=site.policy,
    engine_factory=lambda: SiteEngine(site.plan, site.policy), clock=Clock(),
    open_link=partial(MqttLink, BrokerAddress(f"mqtt://127.0.0.1:{port}")), connect=sqlite_driver.connect,
    ready=lambda: print("READY", flush=True)))
"""


class Ingest:
    """The process of ingest, and the clock of its site."""

    def __init__(self, folder: Path, plan_file: Path, port: int) -> None:
        self.database = folder / "site.db"
        self._clock = folder / "clock"
        self._log = folder / "ingest.log"
        self._command = [
            sys.executable,
            "-c",
            INGEST,
            str(plan_file),
            str(self.database),
            str(port),
            str(self._clock),
        ]
        self._process: subprocess.Popen[str] | None = None

    def set_clock(self, at: datetime) -> None:
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(struct.pack("d", at.timestamp()))

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        stdout = self._process.stdout
        assert stdout is not None
        assert stdout.readline() == "READY\n", self._log.read_text()[-3000:]

    @property
    def children(self) -> list[int]:
        assert self._process is not None
        found: list[int] = []
        for task in Path(f"/proc/{self._process.pid}/task").iterdir():
            with suppress(OSError):  # a thread may end while we look
                found += map(int, (task / "children").read_text().split())
        return found

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def rows(self, statement: str) -> list[Any]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture
def broker_port(tmp_path: Path, free_port: int, eventually: Callable[..., None]) -> Iterator[int]:
    if not Path(MOSQUITTO).exists():
        pytest.skip("mosquitto is not installed")
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {free_port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\n"
        "max_inflight_messages 1000\nmax_queued_messages 0\nset_tcp_nodelay true\n"
    )
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _listens(free_port), what="mosquitto")
        yield free_port
    finally:
        process.terminate()
        process.wait(15)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def sender(port: int) -> Iterator[mqtt.Client]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "sender")
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def plan_file(tmp_path: Path, small_plan_text: str) -> Path:
    """Half of the small office: four desks with dock and PIR, two seats with a Zigbee PIR."""
    text = small_plan_text.replace("rows: 2, sensors: [zigbee_pir]", "rows: 1, sensors: [zigbee_pir]")
    file = tmp_path / "half.plan.yaml"
    file.write_text(text.replace("columns: 2, rows: 4", "columns: 2, rows: 2"), "utf-8")
    return file


@pytest.fixture
def events(plan_file: Path) -> list[SensorEvent]:
    return [event for day in feed(read_site(plan_file, None).plan, 10, 2) for event in day.events]


class Story:
    """What happens to the site: its time passes, with what was recorded of it."""

    def __init__(self, ingest: Ingest, client: mqtt.Client, events: list[SensorEvent], wait: Wait) -> None:
        self.now = events[0].received_at
        self.events = events
        self._ingest, self._client, self._wait = ingest, client, wait
        self._sent = 0

    def begin(self, topics: Topics, online: GatewayStatus) -> None:
        self._client.publish(topics.gateway_status("gw-1"), encode(online), qos=1, retain=True)
        self._wait(lambda: self._ingest.rows("SELECT count(*) FROM said") == [(1,)], what="the gateway")

    def until(self, at: datetime) -> None:
        while self.now < at:
            self.now = min(self.now + STEP, at)
            self._ingest.set_clock(self.now)
            due = [event for event in self.events[self._sent :] if event.received_at <= self.now]
            for event in due:
                topic = TOPICS.event("f1", event.gateway, event.device)
                self._client.publish(topic, encode(event), qos=1)
            self._sent += len(due)
            if due:
                self._wait(self._is_stored, what="all events in the store")

    def _is_stored(self) -> bool:
        return self._ingest.rows("SELECT count(*) FROM event") == [(self._sent,)]


@pytest.mark.timeout(240)
def test_the_second_day_uses_what_the_first_taught_over_a_kill_in_the_night_and_a_replay_is_equal(
    tmp_path: Path,
    plan_file: Path,
    broker_port: int,
    events: list[SensorEvent],
    eventually: Wait,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site, folder = read_site(plan_file, None), tmp_path / "site"
    folder.mkdir()
    ingest = Ingest(folder, plan_file, broker_port)
    history = NightHistory(sqlite3.connect, ingest.database)
    online = GatewayStatus(site=SITE, gateway="gw-1", status="online", at=events[0].received_at)
    ingest.set_clock(events[0].received_at)
    ingest.start()
    try:
        with sender(broker_port) as client:
            story = Story(ingest, client, events, eventually)
            story.begin(TOPICS, online)
            in_force = _live(story, ingest, history, eventually)
    finally:
        ingest.stop()
    second, first = history.nights()
    assert in_force == first.message, "on Wednesday it decides by what Tuesday taught"
    assert in_force.from_at == in_force_at(TUESDAY, TZ)
    _check_what_is_kept(site, history)

    facts: list[GatewayStatus | SensorEvent] = [online, *events]
    recording = tmp_path / "recording.ndjson"
    last = msgspec.structs.replace(online, at=story.now)  # time goes on until here
    recording.write_bytes(b"".join(encode(fact) + b"\n" for fact in [*facts, last]))
    _check_commands(tmp_path, plan_file, recording, capsys)
    plain = untaught(site, facts)
    assert plain[TUESDAY] == first.settled.digest
    assert plain[WEDNESDAY] != second.settled.digest, "without what Tuesday taught, Wednesday is another"


def _live(story: Story, ingest: Ingest, history: NightHistory, wait: Wait) -> NightLessons | None:
    """Live both days and nights; return what was in force on Wednesday morning."""
    minute = timedelta(minutes=1)
    story.until(night_at(TUESDAY, TZ) - minute)
    assert ingest.rows("SELECT count(*) FROM night") == [(0,)], "no night before half past three"
    story.until(night_at(TUESDAY, TZ) + minute)
    wait(history.open_night, what="the first night")
    wait(lambda: len(ingest.children) > 1, what="the process of the night")
    orphans = ingest.children
    ingest.kill()
    assert (history.nights(), history.lessons()) == ([], []), "never half a night"
    wait(lambda: not any(_runs(pid) for pid in orphans), what="the end of who was left alone")
    ingest.start()
    wait(history.nights, what="the first night, lived again")
    story.until(in_force_at(TUESDAY, TZ) + timedelta(hours=3))
    wait(lambda: _lessons(ingest).coming is None, what="what Tuesday taught")
    lessons = _lessons(ingest)
    story.until(night_at(WEDNESDAY, TZ) + minute)
    wait(lambda: len(history.nights()) == 2, what="the second night")
    return lessons.in_force


def _lessons(ingest: Ingest) -> Lessons:
    ((body,),) = ingest.rows("SELECT body FROM engine_state WHERE key = 'lessons'")
    return msgspec.json.decode(body, type=Lessons)


def untaught(site: Site, facts: list[GatewayStatus | SensorEvent]) -> dict[date, str]:
    """Return the settled digests of a site that never learns."""
    days, now = SettledDays(SettledSite(site.plan, site.policy), TZ), facts[1].received_at
    for fact in facts:
        now = max(now, happened_at(fact, now) if isinstance(fact, GatewayStatus) else fact.received_at)
        days.take(fact, now)
    days.settle_until(bounds(WEDNESDAY, TZ)[1])
    return {day.day: day.digest for day in days.closed}


def _check_what_is_kept(site: Site, history: NightHistory) -> None:
    assert {row.place for row in history.lessons()} == set(site.plan.place)
    assert {row.grade for row in history.lessons()} - {None} <= set("ABCDE")
    rows = history.timeline(*bounds(TUESDAY, TZ))
    assert {row[0] for row in rows} == set(site.plan.place)
    assert "occupied" in {row[2] for row in rows}
    assert all(abs(sum(row[3:]) - 1) < 0.001 for row in rows)


def _check_commands(folder: Path, plan_file: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A replay of the recording learns by itself; one of the store uses the nights as they were."""
    plan, data = ["--plan", str(plan_file)], ["--data", str(folder / "site")]
    capsys.readouterr()
    for recording in ([str(file), *data], [str(folder / "site" / "site.db")]):
        assert main(["replay", "decisions", *recording, *plan, "--json"]) == 0
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        verdicts = {one["day"]: one["verdict"] for one in said if "verdict" in one}
        assert verdicts == {str(TUESDAY): "same", str(WEDNESDAY): "same"}
    timeline = folder / "timeline.ndjson"
    assert main(["nights", *data, *plan, "--timeline", str(timeline)]) == 0
    assert f"day            {WEDNESDAY}" in capsys.readouterr().out
    assert timeline.read_bytes().count(b"\n") > 20


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0]
    except OSError:
        return False
