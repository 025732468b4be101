"""A gateway between devices and the real embedded broker, and the devices that flood it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import mqtt_wire
from bench.switches import COMMUNITY, link_up_trap
from plekvrij import clocks, wiring
from plekvrij.credentials import BrokerUrl, Credential
from plekvrij.embedded_broker import EmbeddedBroker
from plekvrij.process_tree import Child
from simulators.desk_node import Port
from simulators.dsp1_device import Device
from workplace.codec import encode
from workplace.events import IngestHealth
from workplace.floor_plan import FloorPlan, load
from workplace.ports import MessageLink, Received
from workplace.topics import Topics

#: Site time runs so fast that the same PIR may be hit again at once; see `gateway.duplicate_filter.MOTION_BURST`.
_SPEED = 60.0
ROUNDS = 3
DEVICES = 500
MESSAGES = 10_000
NODES = 6
EVENTS_PER_NODE = 1_000
#: Events on the wire without an answer: half of what a node can keep.
_ON_THE_WIRE = 16
#: Access switches; each round takes others, so that every trap is news.
SWITCHES_PER_ROUND = 10
PORTS = 500
_BASE = "zigbee2mqtt-0"
_PLAN = f"""
site: bank
name: {{nl: Bank, en: Bench}}
gateways: [{{id: gw-0, floor: f0, mqtt: {{zigbee2mqtt: {_BASE}}}}}]
floors:
  - id: f0
    number: 0
    name: {{nl: Laag, en: Floor}}
    size: [10, 10]
    zones: [{{id: z0, kind: desk, name: {{nl: Zone, en: Zone}}, rect: [0, 0, 10, 10]}}]
"""


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Rig]:
    """Run the broker, a gateway, and somebody who listens as ingest does."""
    plan = load(_PLAN, "bench plan")
    clock = clocks.scaled_clock(datetime(2026, 11, 24, 9, tzinfo=UTC), _SPEED)
    (folder / "plan.yaml").write_text(_PLAN, "utf-8")
    async with AsyncExitStack() as exits:
        broker = await exits.enter_async_context(EmbeddedBroker(folder / "broker", plan))
        nodes = [_Node(folder, number) for number in range(NODES)]
        for node in nodes:
            exits.callback(node.port.unplug)
        trap_port = _free_udp_port()
        child = await _start_gateway(exits, folder, plan, broker, clock, nodes, trap_port)
        ingest = wiring.link_opener(_as(broker, "ingest", folder))
        link = await exits.enter_async_context(ingest("ingest-bench"))
        rig = Rig(plan, child.pid, link, broker, nodes, trap_port)
        await link.subscribe(rig.topics.events(), rig.note)
        speaking = asyncio.create_task(rig.speak_as_ingest(), name="speak as ingest")
        exits.callback(speaking.cancel)
        yield rig


def _as(broker: EmbeddedBroker, user: str, folder: Path) -> BrokerUrl:
    file = folder / f"{user}.json"
    known: Credential = broker.credentials[user]
    file.write_text(json.dumps({"user": known.user, "password": known.password}))
    return wiring.broker_of(broker.url, file)


async def _start_gateway(
    exits: AsyncExitStack,
    folder: Path,
    plan: FloorPlan,
    broker: EmbeddedBroker,
    clock: clocks.SiteClock,
    nodes: list[_Node],
    trap_port: int,
) -> Child:
    for user in ("gw-0", "devices"):
        _as(broker, user, folder)
    lines = [f'site = "{plan.site}"', 'gateway = "gw-0"', 'floor = "f0"', f'outbox = "{folder}/outbox.db"']
    lines += ["[[mqtt]]", 'format = "zigbee2mqtt"', f'base = "{_BASE}"']
    for node in nodes:
        lines += ["[[serial]]", f'port = "{node.port.path}"']
    secrets = folder / "switches.json"
    secrets.write_text(json.dumps({"bench": {"community": COMMUNITY}}))
    lines.insert(4, f'switch_credentials = "{secrets}"')
    for number in range(ROUNDS * SWITCHES_PER_ROUND):
        lines += ["[[switch]]", f'name = "sw-{number}"', f'address = "{_switch_address(number)}"']
        lines += ['transports = ["traps"]', 'version = "v2c"', 'credential = "bench"']
    lines += ["[snmp_traps]", f"port = {trap_port}"]
    config = folder / "gw-0.toml"
    config.write_text("\n".join(lines) + "\n", "utf-8")
    arguments = [
        "gateway", "--config", str(config), "--broker", broker.url, "--credential", str(folder / "gw-0.json"),
        "--device-credential", str(folder / "devices.json"), "--clock", clock.to_text(), "--with-parent",
    ]  # fmt: skip
    child = Child("gateway", arguments, folder / "gateway.log")
    exits.push_async_callback(child.stop)
    await child.start()
    return child


def _switch_address(number: int) -> str:
    """Of a switch on the loopback network: the sender's address tells switches apart."""
    return f"127.0.1.{number + 1}"


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Node:
    """A wired node: the twin of the firmware on a pseudo-terminal of our own."""

    def __init__(self, folder: Path, number: int) -> None:
        uid = f"{number + 1:016x}"
        self.port = Port(str(folder / f"dsp1-{uid}"))
        self.port.plug()
        self._device = Device(bytes.fromhex(uid), 16, int.from_bytes(os.urandom(4), "little"))
        self._acknowledged = 0
        self._began = time.monotonic()

    def _now(self) -> tuple[int, int]:
        elapsed_ms = int((time.monotonic() - self._began) * 1000)
        return elapsed_ms, int(elapsed_ms * _SPEED)

    async def tell(self, count: int) -> None:
        """Press buttons until `count` more are acknowledged, never more than `_ON_THE_WIRE` at once."""
        until = self._device.last_event_seq + count
        while self._device.last_event_seq < until or self._device._queue:  # noqa: SLF001 - ours to look at
            self._device.feed(self.port.read(), *self._now())
            room = _ON_THE_WIRE - len(self._device._queue)  # noqa: SLF001
            for _ in range(min(room, until - self._device.last_event_seq)):
                self._device.button(self._device.last_event_seq % 16, *self._now())
            self.port.write(self._device.take_output())
            await asyncio.sleep(0.001)


class Rig:
    """The devices, the listener and the gateway between them."""

    def __init__(
        self,
        plan: FloorPlan,
        pid: int,
        link: MessageLink,
        broker: EmbeddedBroker,
        nodes: list[_Node],
        trap_port: int,
    ) -> None:
        self.topics = Topics(plan.site)
        self.pid = pid
        self.heard = 0
        self._link = link
        self._broker = broker
        self._nodes = nodes
        self._trap_port = trap_port
        self._hits = 0
        self._switches = 0

    def note(self, message: Received) -> None:
        # availability, battery and the levels of nodes are news once; the rounds count what they cause
        device = message.topic.rpartition("/")[2]
        is_hit = device.startswith("z2m-") and b'"kind":"motion"' in message.payload
        is_link = device.startswith("switch-") and b'"kind":"link"' in message.payload
        self.heard += is_hit or is_link or b'"kind":"button"' in message.payload

    async def speak_as_ingest(self) -> None:
        started_s = time.monotonic()
        while True:
            health = IngestHealth(
                site=self.topics.site, at=datetime.now(UTC), version="bench",
                uptime_s=time.monotonic() - started_s, events_total=0, duplicates_total=0, late_total=0,
                quarantined={}, last_event_at=None, last_event_age_s=None, store={}, policy_hash="",
                is_subscribed=True,
            )  # fmt: skip
            self._link.publish_soon(self.topics.ingest_health(), encode(health), qos=0)
            await asyncio.sleep(1.0)

    async def until_heard(self, wanted: int) -> None:
        async with asyncio.timeout(120):
            while self.heard < wanted:
                await asyncio.sleep(0.01)

    async def flood_mqtt(self) -> None:
        """Let the devices speak in turn, as fast as the broker takes it."""
        known = self._broker.credentials["devices"]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        writer.write(mqtt_wire.connect("bench-devices", known.user, known.password))
        await reader.readexactly(4)
        forgetting = asyncio.create_task(_forget(reader), name="answers to devices")
        wanted = self.heard + MESSAGES
        try:
            for number in range(1, MESSAGES + 1):
                writer.write(mqtt_wire.publish(*self._hit(), number))
                if number % 100 == 0:
                    await writer.drain()
                    await self.until_heard(self._hits - 1500)  # what a source keeps waiting at most is 2,000
            await self.until_heard(wanted)  # closing with answers unread would throw away what is under way
        finally:
            forgetting.cancel()
            writer.close()

    def _hit(self) -> tuple[str, bytes]:
        self._hits += 1
        device, turn = self._hits % DEVICES, self._hits // DEVICES
        at = datetime.now(UTC) + timedelta(milliseconds=self._hits % 1000)
        body = {"occupancy": turn % 2 == 0, "battery": 97, "voltage": 3000, "linkquality": 120,
                "last_seen": at.isoformat()}  # fmt: skip
        return f"{_BASE}/pir-{device:03d}", json.dumps(body).encode()

    async def flood_serial(self) -> None:
        await asyncio.gather(*(node.tell(EVENTS_PER_NODE) for node in self._nodes))

    async def flood_snmp(self) -> None:
        """Bring up every port of ten switches, each from its own address, as fast as the gateway passes it on."""
        sent, already = 0, self.heard
        for number in range(self._switches, self._switches + SWITCHES_PER_ROUND):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((_switch_address(number), 0))
                for port in range(PORTS):
                    sender.sendto(link_up_trap(port), ("127.0.0.1", self._trap_port))
                    sent += 1
                    if sent % 50 == 0:
                        await self.until_heard(already + sent - 500)  # what a receive buffer holds for sure
        self._switches += SWITCHES_PER_ROUND


async def _forget(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass
