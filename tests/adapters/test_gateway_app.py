"""A whole gateway between a real pty and a real Mosquitto: nothing is lost when the broker comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import shutil
import socket
import sqlite3
import subprocess
import time
import tty
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from firmware_bridge.adverts import SensorAdverts
from firmware_bridge.formats.ha_discovery import HaDiscoveryDecoder
from gateway.app import run_gateway
from gateway.mqtt_link import BrokerAddress, MqttLink
from gateway.settings import GatewaySettings, from_mapping
from gateway.sources.table import Tools
from workplace.codec import decode, encode
from workplace.errors import SettingInvalid
from workplace.events import Command, GatewayHealth, GatewayStatus, IngestHealth, SensorEvent
from workplace.message import Message
from workplace.ports import Received, SessionStep
from workplace.readings import ClockSample, Decoded, Reading, WireReading
from workplace.topics import Topics

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
NODE = "dsp1-0001000000000001"
TOPICS = Topics("klein")
NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
M = TypeVar("M", bound=Message)


@dataclass(slots=True)
class FastClock:
    """Site time at 60 times the speed of the wall."""

    speed: float = 60.0
    start_s: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return NINE + timedelta(milliseconds=self.boot_ms())

    def boot_ms(self) -> float:
        return (time.monotonic() - self.start_s) * 1000 * self.speed

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


@dataclass(slots=True)
class TextSession:
    """`E <number> <uptime ms>` and `L <0|1> <uptime ms>` lines in, `ok`, `hello` and `light` lines out."""

    counters: dict[str, int] = field(default_factory=lambda: {"bad_line": 0})
    _rest: bytes = b""

    def opened(self, link_ms: float, boot_ms: float) -> SessionStep:
        return SessionStep(to_send=b"hello\n")

    def feed(self, data: bytes, link_ms: float, boot_ms: float) -> SessionStep:
        *lines, self._rest = (self._rest + data).split(b"\n")
        readings: list[WireReading] = []
        changes: list[tuple[str, str]] = []
        samples: list[ClockSample] = []
        for line in lines:
            match line.split():
                case [b"up", uptime]:
                    changes.append(("device_up", NODE))
                    samples.append(ClockSample(NODE, 7, boot_ms - 2, boot_ms, int(uptime)))
                case [b"silent"]:
                    changes.append(("device_silent", NODE))
                case [b"gap", count]:
                    changes.append((f"gap:{count.decode()}", NODE))
                case [b"E", number, uptime]:
                    said = Reading("motion", value=True, channel=number.decode())
                    readings.append(WireReading(NODE, said, 7, int(uptime), int(number), int(number)))
                case [b"L", value, uptime]:
                    said = Reading("link", value=value == b"1", channel="0")
                    readings.append(WireReading(NODE, said, 7, int(uptime), None))
                case _:
                    self.counters["bad_line"] += 1
        return SessionStep(readings=tuple(readings), changes=tuple(changes), samples=tuple(samples))

    def tick(self, link_ms: float, boot_ms: float) -> SessionStep:
        return SessionStep()

    def commit(self, tokens: Sequence[int], link_ms: float) -> SessionStep:
        return SessionStep(to_send=b"".join(b"ok %d\n" % token for token in tokens))

    def command(self, command: Command, link_ms: float) -> SessionStep:
        return SessionStep(
            to_send=b"light %s %s\n" % ((command.channel or "").encode(), command.light.encode())
        )


class PirDecoder:
    """Just enough of Zigbee2MQTT for one PIR and its bridge."""

    def __init__(self, base: str) -> None:
        self.base = base

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        name = topic.removeprefix(self.base + "/")
        if name == "bridge/state":
            said = Reading("availability", value=payload == b"online", scope="bridge")
            return Decoded((said,), device=self.base)
        try:
            body = msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.DecodeError:
            return Decoded(fault="bad_frame", device=name)
        if body.get("boom"):
            raise RuntimeError("a bug in a decoder")
        return Decoded((Reading("motion", value=body["occupancy"]),), device=name)


def tools_of(broker: Broker) -> Tools:
    return Tools(
        open_device_link=broker.link,
        wire_session=lambda _port: TextSession(),
        mqtt_decoder=lambda bridge: (
            HaDiscoveryDecoder(bridge.base) if bridge.format == "ha_discovery" else PirDecoder(bridge.base)
        ),
        advert_decoder=lambda _radio: SensorAdverts({}),
    )


class Node:
    """A wired node on a pty; repeats nothing by itself."""

    def __init__(self, path: Path) -> None:
        self.near, self.far = pty.openpty()
        tty.setraw(self.far)
        os.set_blocking(self.near, False)
        path.symlink_to(os.ttyname(self.far))
        self.heard = b""

    def say(self, text: str) -> None:
        os.write(self.near, text.encode())

    def listen(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            self.heard += os.read(self.near, 65536)
        return self.heard

    def close(self) -> None:
        os.close(self.near)
        os.close(self.far)


class Broker:
    """Mosquitto on a free port, tuned as for a site: it keeps sessions over a restart."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 0\nset_tcp_nodelay true\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def link(self, client_id: str, **more: Any) -> MqttLink:
        return MqttLink(BrokerAddress(f"mqtt://127.0.0.1:{self.port}"), client_id, **more)


class Site:
    """The reader of a site: keeps everything it hears, in a session that outlives the broker's restarts."""

    def __init__(self, link: MqttLink, *, listens: bool) -> None:
        self.link = link
        self.listens = listens
        self.heard: list[Received] = []

    async def speak_as_ingest(self) -> None:
        """Say again and again whether ingest listens."""
        while True:
            health = IngestHealth(
                site="klein",
                at=NINE,
                version="test",
                uptime_s=1.0,
                events_total=0,
                duplicates_total=0,
                late_total=0,
                quarantined={},
                last_event_at=None,
                last_event_age_s=None,
                store={},
                policy_hash="",
                is_subscribed=self.listens,
            )
            if self.link.is_connected:
                self.link.publish_soon(TOPICS.ingest_health(), encode(health), qos=0)
            await asyncio.sleep(0.05)

    def all(self, kind: str, wanted: type[M]) -> list[M]:
        found = [decode(m.payload, Message) for m in self.heard if TOPICS.kind_of(m.topic) == kind]
        return [message for message in found if isinstance(message, wanted)]

    def events(self) -> list[SensorEvent]:
        """Every event once: a greeting of ingest repeats levels under their own ids."""
        return list({e.id: e for e in reversed(self.all("event", SensorEvent))}.values())[::-1]

    def channels(self) -> list[int]:
        return [int(e.channel or "-1") for e in self.events() if e.kind == "motion"]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.02)


Story = Callable[[Node, Site, Broker], Awaitable[None]]


def run(
    tmp_path: Path,
    broker: Broker,
    story: Story,
    *,
    zigbee: tuple[str, ...] = (),
    listens: bool = True,
    ha: tuple[str, ...] = (),
) -> Site:
    """Run `story` beside a gateway, then stop the gateway; the site listens a little longer."""

    async def body() -> Site:
        node = Node(tmp_path / "port")
        settings = from_mapping(
            {
                "site": "klein",
                "gateway": "gw-1",
                "floor": "f1",
                "outbox": str(tmp_path / "outbox.sqlite"),
                "serial": [{"port": str(tmp_path / "port")}],
                "mqtt": [
                    *({"format": "zigbee2mqtt", "base": base} for base in zigbee),
                    *({"format": "ha_discovery", "base": base} for base in ha),
                ],
                "health_interval_s": 0.2,
            }
        )
        ready = asyncio.Event()
        await introduce_site(broker)
        async with asyncio.timeout(90), broker.link("site", clean_session=False) as link:
            site = Site(link, listens=listens)
            speaking = asyncio.ensure_future(site.speak_as_ingest())
            listening = asyncio.ensure_future(link.subscribe("plekvrij/v1/klein/#", site.heard.append))
            gateway = asyncio.ensure_future(
                run_gateway(
                    settings,
                    clock=FastClock(),
                    open_link=broker.link,
                    connect=sqlite3.connect,
                    tools=tools_of(broker),
                    ready=ready.set,
                )
            )
            try:
                await ready.wait()
                await until(lambda: b"hello\n" in node.listen(), "the port is served")
                await story(node, site, broker)
                gateway.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await gateway
                if broker.process is not None:
                    await until(lambda: statuses(site)[-1:] == ["offline"], "the goodbye")
            finally:
                gateway.cancel()
                listening.cancel()
                speaking.cancel()
                await asyncio.wait({gateway, listening, speaking})
                node.close()
        return site

    return asyncio.run(body())


async def introduce_site(broker: Broker) -> None:
    """Make the broker know the site's session, so that it keeps everything from the first event on."""
    was_running = broker.process is not None
    if not was_running:
        broker.start()
    async with broker.link("site", clean_session=False) as link:
        await link.subscribe("plekvrij/v1/klein/#", lambda _message: None)
    if not was_running:
        broker.stop()


def statuses(site: Site) -> list[str]:
    return [s.status for s in site.all("gateway_status", GatewayStatus)]


def source_status(site: Site) -> str | None:
    reports = site.all("gateway_health", GatewayHealth)
    return reports[-1].sources[0].status if reports else None


def test_events_reach_the_site_in_order_with_device_time(tmp_path: Path, broker: Broker) -> None:
    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting")
        node.say("up 5000\n" + "".join(f"E {n} {4000 + n}\n" for n in range(50)))
        await until(lambda: len(site.channels()) == 50, "all events")
        # the first report may be older than the opening of the port
        await until(lambda: source_status(site) in {"ok", "degraded"}, "a health message with the port open")

    broker.start()
    site = run(tmp_path, broker, story)
    assert site.channels() == list(range(50))
    events = site.events()
    assert events[0].kind == "availability"
    assert {e.clock for e in events if e.kind == "motion"} == {"device"}
    moved = [e for e in events if e.kind == "motion"]
    # 1 ms of uptime is 1 ms of site time, whatever the transport did.
    assert [(e.measured_at - moved[0].measured_at).total_seconds() for e in moved[:3]] == [0, 0.001, 0.002]
    assert all((e.received_at - e.measured_at).total_seconds() > 0.9 for e in moved)
    health = site.all("gateway_health", GatewayHealth)[-1]
    assert health.outbox_rows >= 0


def test_a_broker_that_starts_late_gets_everything(tmp_path: Path, broker: Broker) -> None:
    async def story(node: Node, site: Site, broker: Broker) -> None:
        node.say("up 5000\n" + "".join(f"E {n} {4000 + n}\n" for n in range(150)))
        await until(lambda: node.listen().count(b"ok ") == 150, "the node is told that all is safe")
        assert site.heard == []
        broker.start()
        await until(lambda: len(set(site.channels())) == 150, "all events")

    site = run(tmp_path, broker, story)
    assert sorted(set(site.channels())) == list(range(150))


def test_a_broker_restart_in_the_middle_loses_nothing(tmp_path: Path, broker: Broker) -> None:
    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting")
        node.say("up 5000\n")
        for n in range(300):
            node.say(f"E {n} {4000 + n}\n")
            if n == 100:
                broker.stop()
            if n == 200:
                broker.start()
            await asyncio.sleep(0.005)
        await until(lambda: len(set(site.channels())) == 300, "all events", within_s=60)
        await until(lambda: statuses(site).count("online") >= 2, "a second greeting")

    broker.start()
    site = run(tmp_path, broker, story)
    ids = [e.id for e in site.events() if e.kind == "motion"]
    assert len(set(ids)) == 300


def test_an_event_stays_in_the_outbox_until_ingest_listens(tmp_path: Path, broker: Broker) -> None:
    """A broker acknowledges, and drops, what comes before ingest has subscribed."""

    def waits(site: Site, *, since: int) -> bool:
        healths = site.all("gateway_health", GatewayHealth)[since:]
        return any(h.outbox_rows and h.counters["waiting_for_ingest"] for h in healths)

    async def kept(node: Node, site: Site, number: int) -> None:
        since = len(site.all("gateway_health", GatewayHealth))
        node.say(f"E {number} {4000 + number}\n")
        await until(lambda: b"ok %d\n" % number in node.listen(), "the event is safe")
        await until(lambda: waits(site, since=since + 2), "health tells that events wait for ingest")
        assert number not in site.channels()

    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting goes out without ingest")
        node.say("up 5000\n")
        await kept(node, site, 1)
        site.listens = True
        await until(lambda: site.channels() == [1], "the event that waited")
        site.listens = False
        await until(
            lambda: site.all("gateway_health", GatewayHealth)[-1].counters["waiting_for_ingest"], "the pause"
        )
        await kept(node, site, 2)
        broker.stop()
        greetings = statuses(site).count("online")
        broker.start()
        await until(lambda: statuses(site).count("online") > greetings, "a greeting of the new connection")
        await kept(node, site, 3)
        site.listens = True
        await until(lambda: site.channels() == [1, 2, 3], "all that waited")
        await until(
            lambda: not site.all("gateway_health", GatewayHealth)[-1].counters["waiting_for_ingest"],
            "the end of the pause",
        )

    broker.start()
    run(tmp_path, broker, story, listens=False)


def test_what_waited_when_the_gateway_stopped_is_sent_by_the_next_one(tmp_path: Path, broker: Broker) -> None:
    async def offline(node: Node, site: Site, broker: Broker) -> None:
        node.say("up 5000\nE 1 4001\nE 2 4002\n")
        await until(lambda: b"ok 2\n" in node.listen(), "both are safe")

    async def online(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: site.channels() == [1, 2], "the events of the first life")

    run(tmp_path, broker, offline)
    (tmp_path / "port").unlink()
    broker.start()
    run(tmp_path, broker, online)


def test_an_unchanged_level_is_sent_once_and_again_after_a_reconnect(tmp_path: Path, broker: Broker) -> None:
    def links(site: Site) -> list[SensorEvent]:
        return [e for e in site.all("event", SensorEvent) if e.kind == "link"]

    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting")
        node.say("up 5000\nL 1 5001\nL 1 5002\nL 1 5003\n")
        node.say("gap 3\n")
        await until(lambda: [e for e in site.events() if e.kind == "fault"], "the gap")
        assert len({e.id for e in links(site)}) == 1
        broker.stop()
        known, before = links(site)[0].id, len(links(site))
        node.listen()
        node.heard = b""
        broker.start()
        await until(
            lambda: known in {e.id for e in links(site)[before:]}, "the known level, under its own id"
        )
        await until(lambda: b"hello\n" in node.listen(), "the node is asked again")

        def fresh_level() -> bool:
            # a node repeats its level; what it says before the greeting is no news yet
            node.say("L 1 5004\n")
            return len({e.id for e in links(site)}) == 2

        await until(fresh_level, "the fresh level")
        node.say("silent\n")
        await until(lambda: "silent" in {e.reason for e in site.events()}, "the silence is told")

    broker.start()
    site = run(tmp_path, broker, story)
    fault = next(e for e in site.events() if e.kind == "fault")
    assert (fault.value, fault.reason, fault.device) == (3, "gap", NODE)
    assert len({e.id for e in links(site)}) == 2, "one for the known level, one for the fresh one"


def test_commands_reach_the_node_unless_late_or_for_others(tmp_path: Path, broker: Broker) -> None:
    def command(light: str, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "id": "c1",
            "site": "klein",
            "gateway": "gw-1",
            "device": NODE,
            "channel": "3",
            "light": light,
            "issued_at": NINE,
            "valid_until": NINE + timedelta(days=1),
        }
        return encode(Command(**(fields | changes)))

    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting")
        node.say("up 5000\n")
        await until(lambda: site.events(), "the node is up")
        topic = TOPICS.command("gw-1", NODE)
        await site.link.publish(topic, command("note", valid_until=NINE))
        await site.link.publish(topic, command("note", gateway="gw-2"))
        await site.link.publish(topic, b"no command at all")
        await site.link.publish(TOPICS.command("gw-1", "dsp1-other"), command("note", device="dsp1-other"))
        await site.link.publish(topic, command("reclaimable"))
        await until(lambda: b"light" in node.listen(), "the light")
        assert b"light 3 reclaimable\n" in node.listen()
        assert b"note" not in node.listen()

    broker.start()
    run(tmp_path, broker, story)


def test_zigbee_devices_become_unknown_with_their_bridge(tmp_path: Path, broker: Broker) -> None:
    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting")
        say = site.link.publish
        await until(lambda: "mqtt:z2m" in sources(site, "ok"), "the bridge is read")
        await say("z2m/pir-1-O11", b'{"occupancy":true}')
        await say("z2m/pir-1-O11", b"not json")
        await say("z2m/pir-1-O11", b'{"boom":1}')
        await say("z2m/bridge/state", b"offline", retain=True)
        await say("z2m/bridge/state", b"online", retain=True)
        await until(lambda: len(site.events()) >= 4, "four events")

    def sources(site: Site, status: str) -> list[str]:
        healths = site.all("gateway_health", GatewayHealth)
        return [s.name for h in healths for s in h.sources if s.status == status]

    broker.start()
    site = run(tmp_path, broker, story, zigbee=("z2m",))
    told = [(e.device, e.kind, e.value, e.reason) for e in site.events()]
    assert told == [
        ("z2m-pir-1-O11", "availability", True, None),
        ("z2m-pir-1-O11", "motion", True, None),
        ("z2m-pir-1-O11", "availability", False, "bridge_down"),
        ("z2m-pir-1-O11", "availability", True, None),
    ]


def test_what_home_assistant_discovery_announces_is_followed(tmp_path: Path, broker: Broker) -> None:
    config = {
        "name": "Bureau 7",
        "unique_id": "desk7",
        "state_topic": "elsewhere/desk7",
        "device_class": "occupancy",
        "payload_on": "bezet",
        "payload_off": "vrij",
    }
    greedy = config | {"unique_id": "all", "state_topic": "plekvrij/v1/klein/ingest/health"}

    async def story(node: Node, site: Site, broker: Broker) -> None:
        await until(lambda: "online" in statuses(site), "the greeting")
        say = site.link.publish
        base = "homeassistant/binary_sensor"
        await say(f"{base}/all/config", msgspec.json.encode(greedy), retain=True)
        await say(f"{base}/desk7/config", msgspec.json.encode(config), retain=True)
        while not [e for e in site.events() if e.kind == "occupancy"]:
            # until the gateway has followed the announcement, nobody hears the device
            await say("elsewhere/desk7", b"bezet")
            await asyncio.sleep(0.05)
        refused = "topics_refused"
        await until(
            lambda: site.all("gateway_health", GatewayHealth)[-1].counters.get(refused) == 1, "the refusal"
        )

    broker.start()
    site = run(tmp_path, broker, story, ha=("homeassistant",))
    event = next(e for e in site.events() if e.kind == "occupancy")
    assert (event.device, event.value) == ("ha-desk7", True)


def test_a_crash_leaves_the_last_will(tmp_path: Path, broker: Broker) -> None:
    broker.start()

    async def body() -> None:
        async with broker.link("site") as site:
            got: list[GatewayStatus] = []
            await site.subscribe(
                TOPICS.gateway_status("gw-1"), lambda m: got.append(decode(m.payload, GatewayStatus))
            )
            opened: list[MqttLink] = []

            def open_link(client_id: str, **more: Any) -> MqttLink:
                opened.append(broker.link(client_id, **more))
                return opened[-1]

            gateway = asyncio.ensure_future(
                run_gateway(
                    GatewaySettings(
                        site="klein", gateway="gw-1", floor="f1", outbox=str(tmp_path / "o.sqlite")
                    ),
                    clock=FastClock(),
                    open_link=open_link,
                    connect=sqlite3.connect,
                    tools=tools_of(broker),
                )
            )
            await until(lambda: [s.status for s in got] == ["online"], "the greeting")
            session = opened[0]._session
            assert session is not None
            session.wire.cut()
            await until(
                lambda: [s.status for s in got][:3] == ["online", "offline", "online"], "will and return"
            )
            assert got[1].at is None
            gateway.cancel()
            await asyncio.wait({gateway})

    asyncio.run(body())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"colour": "red"}, id="an unknown setting is refused"),
        pytest.param({"gateway": "gw 1"}, id="a gateway id with a blank is refused"),
        pytest.param({"serial": [{"port": "/dev/a", "format": "ndjson"}]}, id="an unknown format is refused"),
        pytest.param({"zigbee": ["a/#"]}, id="a wildcard as base topic is refused"),
        pytest.param({"zigbee": ["a", "a"]}, id="a base topic listed twice is refused"),
    ],
)
def test_impossible_settings(change: dict[str, Any]) -> None:
    with pytest.raises(SettingInvalid, match="gateway settings"):
        from_mapping({"site": "s", "gateway": "g", "floor": "f", "outbox": "o.sqlite"} | change)
