"""Ingest as a whole between a real Mosquitto and a real database, with the real engine deciding."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from ingest import worker as worker_module
from ingest.app import IngestSettings, run_ingest
from ingest.lease import LeaseTaken
from ingest.stores.history import SqliteHistory
from ingest.stores.influx_store import InfluxStore
from tests.time_servers import Influx
from workplace import policy
from workplace.codec import decode, encode
from workplace.events import (
    Decision,
    GatewayHealth,
    GatewayStatus,
    IngestHealth,
    PlaceState,
    Reply,
    Request,
    SensorEvent,
    ZoneState,
)
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.ports import Received
from workplace.topics import Topics

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
NODE = "dsp1-0001000000000001"
TOPICS = Topics("klein")
EVENT_TOPIC = TOPICS.event("f1", "gw-1", NODE)
#: The office day begins at nine.
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@dataclass
class FastClock:
    """Site time that began at nine and runs `speed` times as fast as the wall."""

    speed: float = 60.0
    nine: datetime = NINE
    origin_s: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return self.nine + timedelta(seconds=(time.monotonic() - self.origin_s) * self.speed)

    def boot_ms(self) -> float:
        return (time.monotonic() - self.origin_s) * self.speed * 1000

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


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


class Office:
    """One small site: starts and stops ingest, sends as a gateway, and watches as a page."""

    def __init__(self, plan: FloorPlan, folder: Path, port: int) -> None:
        self.plan = plan
        self.policy = policy.default(plan.site)
        self.clock = FastClock()
        self.database = folder / "ingest.db"
        self.port = port
        self.seen: list[Received] = []
        self.numbers = 0
        self.link: MqttLink
        self.engine_factory: Callable[[], Any] = lambda: SiteEngine(self.plan, self.policy)

    def open_link(self, client_id: str, **more: Any) -> MqttLink:
        return MqttLink(BrokerAddress(f"mqtt://127.0.0.1:{self.port}"), client_id, **more)

    @asynccontextmanager
    async def page(self) -> AsyncIterator[None]:
        async with self.open_link("page") as self.link:
            for topic_filter in (
                TOPICS.states(),
                TOPICS.decisions(),
                TOPICS.reply("+"),
                TOPICS.commands("gw-1"),
                TOPICS.ingest_health(),
            ):
                await self.link.subscribe(topic_filter, self.seen.append)
            yield

    @asynccontextmanager
    async def ingest(self, *, wait_live: bool = True, **more: Any) -> AsyncIterator[None]:
        settings = IngestSettings(
            site="klein",
            database=self.database,
            broker_host="127.0.0.1",
            broker_port=self.port,
            version="test",
            busy_timeout_s=0.1,
            **more,
        )
        ready = asyncio.Event()
        running = asyncio.ensure_future(
            run_ingest(
                settings,
                plan=self.plan,
                policy=self.policy,
                engine_factory=self.engine_factory,
                clock=self.clock,
                open_link=self.open_link,
                connect=sqlite3.connect,
                ready=ready.set,
            )
        )
        try:
            if wait_live:
                await until(lambda: ready.is_set() or running.done(), "ingest being live")
            yield
        finally:
            if running.done():
                running.result()
            running.cancel()
            await asyncio.wait({running}, timeout=20)
            assert running.cancelled(), "ingest must stop when told"

    def event(self, *, value: bool = True, **more: Any) -> SensorEvent:
        self.numbers += 1
        now = self.clock.now()
        made = SensorEvent(
            id=f"event-{self.numbers:04d}",
            site="klein",
            gateway="gw-1",
            device=NODE,
            kind="link",
            channel="0",
            value=value,
            measured_at=now,
            clock="device",
            uncertainty_ms=5,
            received_at=now,
        )
        return msgspec.structs.replace(made, **more)

    async def send(self, *events: SensorEvent) -> None:
        for event in events:
            await self.link.publish(EVENT_TOPIC, encode(event))

    async def gateway_is_online(self) -> None:
        status = GatewayStatus(site="klein", gateway="gw-1", status="online", at=self.clock.now())
        await self.link.publish(TOPICS.gateway_status("gw-1"), encode(status), retain=True)

    async def ask(self, request_id: str, **more: Any) -> None:
        wish = Request(
            id=request_id,
            site="klein",
            role="staff",
            requested_at=self.clock.now(),
            reply_to="page-1",
            action="pause",
        )
        await self.link.publish(TOPICS.request(request_id), encode(msgspec.structs.replace(wish, **more)))

    def place(self, place: str = "1-W1") -> PlaceState | None:
        return self._last(TOPICS.place_state(place), PlaceState)

    def zone(self, zone: str = "1-werken") -> ZoneState | None:
        return self._last(TOPICS.zone_state(zone), ZoneState)

    def health(self) -> IngestHealth | None:
        return self._last(TOPICS.ingest_health(), IngestHealth)

    def replies(self) -> list[Reply]:
        return [decode(m.payload, Reply) for m in self.seen if m.topic == TOPICS.reply("page-1")]

    def _last(self, topic: str, kind: Any) -> Any:
        found = [m for m in self.seen if m.topic == topic and m.payload]
        return decode(found[-1].payload, kind) if found else None

    def counts(self) -> Counter[str]:
        return Counter(SqliteHistory(sqlite3.connect, self.database).counts())

    def waiting_lines(self) -> list[tuple[int, str, bytes]]:
        return SqliteHistory(sqlite3.connect, self.database).waiting_lines(0, 100_000)

    def quarantined(self) -> dict[str, int]:
        history = SqliteHistory(sqlite3.connect, self.database)
        return dict(history._ask("SELECT reason, total FROM quarantine_count"))


@pytest.fixture
def office(
    small_plan: FloorPlan, tmp_path: Path, broker_port: int, monkeypatch: pytest.MonkeyPatch
) -> Office:
    monkeypatch.setattr(worker_module, "TICK_S", 0.3)
    monkeypatch.setattr("ingest.app.HEALTH_S", 0.3)
    return Office(small_plan, tmp_path, broker_port)


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.02)


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(90):
            await story

    asyncio.run(bounded())


def test_an_event_becomes_a_retained_state_and_a_row_once(office: Office) -> None:
    async def story() -> None:
        async with office.ingest(), office.page():
            await office.gateway_is_online()
            plugged = office.event()
            await office.send(plugged, plugged, plugged)
            await until(lambda: (s := office.place()) and s.phase == "in_use", "the place in use")
            await until(lambda: office.counts()["count:duplicates"] == 2, "the duplicates")
            await until(lambda: (s := office.place()) and s.hold_id, "the hold")
            state = office.place()
            assert state is not None
            assert state.expires_at > office.clock.now()
            assert office.counts()["event"] == 1
        # A page that comes later finds the state at the broker, without ingest.
        office.seen.clear()
        async with office.page():
            await until(lambda: office.place(), "the retained state")
            assert office.seen[0].retained
        assert office.counts()["hold"] == 1
        assert office.counts()["decision"] >= 1

    run(story())


def test_zone_states_come_again_and_again_with_a_fresh_time(office: Office) -> None:
    async def story() -> None:
        async with office.ingest(), office.page():
            await until(lambda: office.zone(), "a zone state")
            first = office.zone()
            assert first is not None
            later = first.as_of + timedelta(minutes=1)
            await until(lambda: (z := office.zone()) and z.as_of > later, "a repeat")
            zone = office.zone()
            assert zone is not None
            assert zone.capacity == 8
            assert zone.free + zone.reclaimable + zone.in_use + zone.unknown + zone.exempt == 8
            # At sixty times speed a state must live long enough for a real person to read it.
            assert zone.expires_at - zone.as_of >= timedelta(seconds=30 * 60)
            await until(lambda: (h := office.health()) and h.store["state"] == "live", "health")

    run(story())


def test_a_greeting_is_answered_with_whether_ingest_listens(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.app.HEALTH_S", 60.0)

    async def story() -> None:
        async with office.page():
            async with office.ingest(wait_live=False):
                # Said when the broker confirms the subscription, not when the next health message is due.
                await until(lambda: (h := office.health()) and h.is_subscribed, "word of the subscription", 5)
                await asyncio.sleep(1)  # whatever the start still says
                office.seen.clear()
                await office.gateway_is_online()
                await until(lambda: (h := office.health()) and h.is_subscribed, "the answer", 5)
            assert not [m for m in office.seen if m.topic == TOPICS.ingest_health() and m.retained]

    run(story())


def test_nothing_is_acknowledged_before_it_is_durable(office: Office) -> None:
    async def story() -> None:
        async with office.page():
            async with office.ingest():
                await office.gateway_is_online()
                await office.send(office.event())
                await until(lambda: office.counts()["event"] == 1, "the first event")
            lock = sqlite3.connect(office.database, isolation_level=None)
            async with office.ingest(wait_live=False):
                await until(lambda: (h := office.health()) and h.uptime_s < 1, "the restart")
                office.seen.clear()
                lock.execute("BEGIN IMMEDIATE")
                await office.send(*(office.event(channel=str(n)) for n in range(1, 8)))
                await until(
                    lambda: (h := office.health()) and h.store["state"] == "store_unavailable", "the alarm"
                )
            lock.execute("ROLLBACK")
            lock.close()
            assert office.counts()["event"] == 1
            async with office.ingest():
                await until(lambda: office.counts()["event"] == 8, "the others, delivered again")
            # What was acknowledged after its commit does not come back.
            assert office.counts().get("count:duplicates", 0) == 0

    run(story())


def test_a_store_that_comes_back_is_used_again_without_loss(office: Office) -> None:
    async def story() -> None:
        async with office.ingest(), office.page():
            await office.gateway_is_online()
            await until(lambda: (h := office.health()) and h.store["commits_total"] > 1, "a commit")
            lock = sqlite3.connect(office.database, isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            await office.send(office.event())
            await until(
                lambda: (h := office.health()) and h.store["state"] == "store_unavailable", "the alarm"
            )
            assert (state := office.place()) is None or state.phase != "in_use"
            lock.execute("ROLLBACK")
            lock.close()
            await until(lambda: (s := office.place()) and s.phase == "in_use", "the place in use")
            assert office.counts()["event"] == 1
            await until(lambda: (h := office.health()) and h.store["alarm"] == "", "the end of the alarm")

    run(story())


def test_rubbish_on_every_topic_is_set_aside_by_reason_and_nothing_stops(office: Office) -> None:
    async def story() -> None:
        async with office.ingest(), office.page():
            rubbish = [b"\xff\xfe", b"{}", b"[]", b'"x"', b"0" * 70_000, encode(office.event(site="other"))]
            for topic in (
                EVENT_TOPIC,
                f"{TOPICS.root}/v1/klein/99/event/a/b",
                TOPICS.gateway_status("gw-1"),
                TOPICS.gateway_health("gw-7"),
                TOPICS.request("request-1"),
            ):
                for payload in rubbish:
                    await office.link.publish(topic, payload)
            await office.send(office.event(device="dsp1-ffff"), office.event(gateway="gw-2"))
            await office.gateway_is_online()
            await office.send(office.event())
            await until(lambda: (s := office.place()) and s.phase == "in_use", "the place in use")
            found = office.quarantined()
            assert sum(found.values()) == 5 * len(rubbish) + 2
            assert set(found) >= {"unknown_topic", "not_json", "schema", "oversize", "wrong_site"}
            assert set(found) >= {"topic_mismatch", "wrong_type"}
            assert office.counts()["event"] == 1
            await until(lambda: (h := office.health()) and h.quarantined == found, "health telling it")

    run(story())


def test_after_a_restart_the_hold_goes_on_with_what_came_meanwhile(office: Office) -> None:
    async def story() -> None:
        async with office.page():
            async with office.ingest():
                await office.gateway_is_online()
                await office.send(office.event())
                await until(lambda: (s := office.place()) and s.hold_id, "the hold")
            before = office.place()
            assert before is not None
            await office.send(
                office.event(kind="motion"), *(office.event(channel=str(n)) for n in range(1, 8))
            )
            office.seen.clear()
            async with office.ingest():
                await until(lambda: office.counts()["event"] == 9, "what came meanwhile")
                await until(lambda: office.place(), "the state again")
                after = office.place()
                assert after is not None
                assert (after.phase, after.hold_id, after.hold_since) == (
                    "in_use",
                    before.hold_id,
                    before.hold_since,
                )
                await until(lambda: (z := office.zone()) and z.in_use == 8, "all eight in use")
                await until(lambda: office.counts()["hold"] == 8, "eight holds")

    run(story())


def test_a_request_is_answered_once_and_again_when_asked_again(office: Office) -> None:
    async def story() -> None:
        async with office.ingest(), office.page():
            await office.ask("request-1")
            await until(lambda: len(office.replies()) == 1, "the reply")
            assert office.replies()[0].accepted
            await until(lambda: (z := office.zone()) and z.paused, "the stop on every screen")
            await office.ask("request-1")
            await until(lambda: len(office.replies()) == 2, "the same reply")
            first, second = office.replies()
            assert (second.request_id, second.accepted, second.reason) == (
                first.request_id,
                first.accepted,
                first.reason,
            )
            old = office.clock.now() - timedelta(hours=3)
            await office.ask("request-2", action="release", place="1-W1", requested_at=old)
            await until(lambda: len(office.replies()) == 3, "the refusal")
            assert (office.replies()[2].accepted, office.replies()[2].reason) == (False, "too_late")
            assert office.counts()["request"] == 2

    run(story())


def test_a_silent_gateway_makes_its_places_unknown_until_it_speaks_again(office: Office) -> None:
    async def story() -> None:
        async with office.ingest(gateway_silence_s=1.5), office.page():
            await office.gateway_is_online()
            await office.send(office.event())
            await until(lambda: (s := office.place()) and s.phase == "in_use", "the place in use")
            await until(lambda: (s := office.place()) and s.phase == "unknown", "unknown after silence")
            await until(
                lambda: (h := office.health()) and h.store["gateways_offline"] == 1, "health telling it"
            )
            await office.send(office.event())
            await until(lambda: (s := office.place()) and s.phase == "in_use", "in use again")

    run(story())


def test_a_gateway_that_comes_back_shows_nothing_until_what_it_kept_is_here(office: Office) -> None:
    """What its desk was before the gateway was cut off is no news."""

    def reports() -> int:
        return [message.topic for message in office.seen].count(TOPICS.ingest_health())

    async def story() -> None:
        async with office.ingest(), office.page():
            await office.gateway_is_online()
            await office.send(office.event())
            await until(lambda: (s := office.place()) and s.phase == "in_use", "the place in use")
            gone = GatewayStatus(site="klein", gateway="gw-1", status="offline")
            await office.link.publish(TOPICS.gateway_status("gw-1"), encode(gone), retain=True)
            await until(lambda: (s := office.place()) and s.phase == "unknown", "unknown without its gateway")
            await office.gateway_is_online()
            health = GatewayHealth(
                site="klein", gateway="gw-1", at=office.clock.now(), uptime_s=9, outbox_rows=2, outbox_oldest_s=5,
                clock_synced=True, spool="0a1b2c3d", first_line=8, last_line=9,
            )  # fmt: skip
            await office.link.publish(TOPICS.gateway_health("gw-1"), encode(health))
            old = office.clock.now() - timedelta(minutes=3)  # three seconds of the wall
            await office.send(office.event(spool="0a1b2c3d", line=8, measured_at=old, received_at=old))
            wanted = reports() + 3
            await until(lambda: reports() >= wanted, "three reports of ingest")
            state = office.place()
            assert state is not None
            assert state.phase == "unknown"
            await office.send(office.event(spool="0a1b2c3d", line=9, measured_at=old, received_at=old))
            await until(lambda: (s := office.place()) and s.phase == "in_use", "known again")

    run(story())


def test_a_fact_that_the_engine_cannot_digest_is_set_aside_and_the_others_count(office: Office) -> None:
    class Fragile(SiteEngine):
        def apply(self, fact: Any, now: datetime) -> Any:
            if getattr(fact, "channel", None) == "3":
                raise ZeroDivisionError("a mistake of ours")
            return super().apply(fact, now)

    office.engine_factory = lambda: Fragile(office.plan, office.policy)

    async def story() -> None:
        async with office.ingest(), office.page():
            await office.gateway_is_online()
            await office.send(*(office.event(channel=str(n)) for n in range(8)))
            await until(lambda: office.counts()["event"] == 7, "the seven others")
            assert office.quarantined() == {"engine_error": 1}
            await until(lambda: (z := office.zone()) and z.in_use == 7, "seven in use")

    run(story())


def test_an_hour_of_site_time_becomes_bins_of_every_zone(office: Office) -> None:
    office.clock = FastClock(speed=1800.0)

    async def story() -> None:
        async with office.ingest(gateway_silence_s=60.0), office.page():
            await office.gateway_is_online()
            await office.send(office.event())
            await until(lambda: office.counts()["zone_5m"] >= 24, "an hour of two zones")
        history = SqliteHistory(sqlite3.connect, office.database)
        bins = history.zone_bins(["1-werken", "1-ontmoeten"], NINE, NINE + timedelta(days=1))
        starts = [row.start for row in bins if row.zone == "1-werken"]
        assert starts == [starts[0] + n * timedelta(minutes=5) for n in range(len(starts))]
        assert max(row.in_use_max for row in bins if row.zone == "1-werken") == 1
        assert max(row.in_use_max for row in bins if row.zone == "1-ontmoeten") == 0
        assert {row.capacity for row in bins if row.zone == "1-werken"} == {8}

    run(story())


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Influx]:
    server = Influx(tmp_path / "influx", auth=False)
    server.start()
    yield server
    server.stop()


def test_a_server_that_is_away_holds_up_nobody_and_gets_everything_once(
    office: Office, influx: Influx
) -> None:
    # The server refuses points older than two weeks, so this day is the day before yesterday.
    office.clock = FastClock(speed=1200.0, nine=datetime.now(UTC) - timedelta(days=2))
    url = influx.url("occ")

    async def story() -> None:
        async with office.ingest(influx_url=url, gateway_silence_s=60.0), office.page():
            await office.gateway_is_online()
            await office.send(office.event())
            await until(
                lambda: (h := office.health()) and h.sink and h.sink["sent_total"], "the first points"
            )
            influx.kill()
            office.seen.clear()
            for number in range(1, 8):
                await office.send(
                    *(office.event(channel=str(number), value=on) for on in (True, False, True))
                )
                await until(
                    lambda n=number: (s := office.place(f"1-W{n + 1}")) and s.phase == "in_use",  # type: ignore[misc]
                    "the screens going on without the server",
                )
            await until(
                lambda: (
                    (h := office.health()) and h.sink and h.sink["state"] == "away" and h.sink["pending_rows"]
                ),
                "the backlog",
            )
            await until(lambda: office.counts()["zone_5m"] >= 40, "bins of more than an hour and a half")
            backlog = office.waiting_lines()
            assert len(backlog) > 60
            influx.start()
            await until(
                lambda: not (now := office.waiting_lines()) or now[0][0] > backlog[-1][0],
                "all that waited being sent",
            )
            await until(
                lambda: (h := office.health()) and h.sink and h.sink["state"] == "ok", "all being well"
            )
        sink = InfluxStore(url)
        stored = office.counts()
        waiting = office.waiting_lines()
        assert stored["event"] == 22
        events = sink.query("SELECT occ, src FROM sensor_event GROUP BY desk, sensor")
        assert len(events) == stored["event"]
        assert {event["sensor"] for event in events} == {f"{NODE}/{n}/link" for n in range(8)}
        # what was stored in the last moment before the end still waits
        (changes,) = sink.query("SELECT count(cause) AS n FROM desk_state")
        assert (
            changes["n"] + sum(b" cause=" in line or b",cause=" in line for _, _, line in waiting)
            == (stored["place_transition"])
        )
        (bins,) = sink.query("SELECT count(cap) AS n, max(occ_max) AS highest FROM zone_5m", "agg")
        assert bins["n"] + sum(line.startswith(b"zone_5m") for _, _, line in waiting) == stored["zone_5m"]
        assert bins["highest"] == 8
        starts = sink.query("SELECT cap FROM zone_5m WHERE zone = '1-werken'", "agg")
        gaps = {after["time"] - before["time"] for before, after in pairwise(starts)}
        assert gaps == {300_000}
        repeated = sink.query("SELECT count(state) AS n FROM desk_state GROUP BY desk")
        assert len(repeated) == 12, "every place is told once an hour, also those of which nothing is heard"
        (gateway,) = sink.query("SELECT sum(in_n) AS n FROM gw_health", "agg")
        assert gateway["n"] >= 22
        sink.close()

    run(story())


def test_a_second_ingest_on_the_same_data_refuses_and_disturbs_nobody(office: Office) -> None:
    async def story() -> None:
        async with office.page():
            async with office.ingest():
                await office.gateway_is_online()
                with pytest.raises(LeaseTaken, match=rf"process {os.getpid()} since .* --data"):
                    async with office.ingest(lease_patience_s=0.0):
                        pass
                await office.send(office.event())
                await until(lambda: (s := office.place()) and s.phase == "in_use", "the first one going on")
                assert (h := office.health())
                assert h.store["broker"] == "ok", "its session was not taken away"
            async with office.ingest():
                await until(lambda: (s := office.place()) and s.phase == "in_use", "the next one taking over")

    run(story())


def test_another_versions_database_stops_it_with_a_clear_sentence(office: Office) -> None:
    from workplace.errors import SettingInvalid

    connection = sqlite3.connect(office.database)
    connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
    connection.execute("INSERT INTO meta VALUES ('schema_version', 999), ('closed_well', 1)")
    connection.commit()
    connection.close()

    async def story() -> None:
        with pytest.raises(SettingInvalid, match="999"):
            async with office.ingest():
                pass

    run(story())


def test_a_new_site_decides_and_tells_nobody(office: Office) -> None:
    """Default policy, a laptop left until its place would be given away: recorded, and on no channel at all.

    Judged by the hand-tuned rule, which takes the first sign for somebody: the filter would wait for a second one.
    """
    office.policy = policy.load(f"site: {office.plan.site}\noccupancy: {{model: hand_tuned}}\n", "by hand")

    async def story() -> None:
        office.clock = FastClock(speed=900.0)
        heard: list[Received] = []
        async with office.ingest(), office.page(), office.open_link("ear") as ear:
            await ear.subscribe("#", heard.append)
            await office.gateway_is_online()
            for channel in ("0", "1"):
                await office.send(
                    office.event(kind="availability", channel=None),
                    office.event(kind="motion", channel=channel),
                    office.event(channel=channel),
                )
            await until(lambda: (s := office.place()) and s.phase == "in_use", "the place in use")
            await office.ask("ask-extend-1", action="extend", place="1-W2", role="desk")
            await until(lambda: office.replies(), "an answer to whoever asked")
            await until(lambda: "reclaimable" in recorded(office), "the decision in the store", within_s=40)
        said = [message for message in heard if message.topic not in asked(heard)]
        assert not [m.topic for m in said if "/command/" in m.topic]
        places = [decode(m.payload, PlaceState) for m in said if "/state/place/" in m.topic]
        zones = [decode(m.payload, ZoneState) for m in said if "/state/zone/" in m.topic]
        assert places
        assert zones
        assert {(p.notice, p.limit_at, p.mode) for p in places} == {("none", None, "shadow")}
        assert not [p.place for p in places if p.phase == "reclaimable"]
        assert not [z.zone for z in zones if z.reclaimable or z.enforced or z.paused]
        decisions = [decode(m.payload, Decision) for m in said if "/decision/" in m.topic]
        assert {d.action for d in decisions if d.acted} <= {"extended"}, (
            "only what somebody asked for was done"
        )
        known = ("/state/", "/decision/", "/reply/", "/ingest")
        assert not [m.topic for m in said if not any(part in m.topic for part in known)]

    run(story())


def recorded(office: Office) -> set[str]:
    history = SqliteHistory(sqlite3.connect, office.database)
    return {decision.action for decision in history.decisions(place="1-W1", limit=50)}


def asked(heard: list[Received]) -> set[str]:
    """The topics on which the test itself spoke."""
    return {m.topic for m in heard if any(part in m.topic for part in ("/event/", "/request/", "/gateway/"))}
