"""The rig around a whole ingest: the real embedded broker, its real process, and all gateways of a made site."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import mqtt_wire, processes
from bench.sites import big_plan_text, greetings
from plekvrij import clocks, sqlite_driver, wiring
from plekvrij.clocks import SiteClock
from plekvrij.credentials import Credential
from plekvrij.embedded_broker import EmbeddedBroker
from plekvrij.process_tree import Child
from workplace.codec import encode
from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.message import Message
from workplace.topics import Topics

#: Events between two looks at whether the broker still takes them.
_CHUNK = 200
_MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)
#: The policy with the fixed rule instead of the filter; without a policy the filter is on.
FILTER_OFF = "site: groot\noccupancy: {model: hand_tuned}\n"


@asynccontextmanager
async def running(
    folder: Path,
    speed: float,
    *,
    policy: str | None = None,
    influx: str | None = None,
    start: datetime = _MORNING,
    plan_text: str | None = None,
    patience_s: float = 60.0,
) -> AsyncIterator[Site]:
    """Run the broker and ingest of 2,000 places; all gateways and devices have said that they are there.

    Args:
        speed: of the site's clock.
        policy: text of a policy file; without one ingest has the policy that it has by itself, with the filter on.
        influx: address of a time-series server, with the name of the database.
        start: what the clock shows at first.
        plan_text: of another site.
        patience_s: longest wait for ingest to start, and to store what was sent.
    """
    plan_file = folder / "plan.yaml"
    plan_file.write_text(plan_text or big_plan_text(), "utf-8")
    plan = wiring.read_site(plan_file, None).plan
    clock = clocks.scaled_clock(start, speed)
    async with AsyncExitStack() as exits:
        broker = await exits.enter_async_context(EmbeddedBroker(folder / "broker", plan))
        arguments = ["--plan", str(plan_file)]
        if policy is not None:
            policy_file = folder / "policy.yaml"
            policy_file.write_text(policy, "utf-8")
            arguments += ["--policy", str(policy_file)]
        if influx is not None:
            arguments += ["--influx", influx]
        ingest = _Ingest(folder, broker, arguments, patience_s)
        exits.push_async_callback(ingest.stop)
        await ingest.start(clock)
        pumps = {
            gateway.id: await exits.enter_async_context(_pump(broker.port, broker.credentials[gateway.id]))
            for gateway in plan.gateways
        }
        book = sqlite_driver.connect(f"file:{folder / 'site.db'}?mode=ro", uri=True, timeout=30.0)
        exits.callback(book.close)
        listener = await exits.enter_async_context(
            _listening(broker.port, broker.credentials["dashboard"], plan)
        )
        site = Site(plan, clock, ingest, pumps, book, broker, listener, patience_s)
        online, there = greetings(plan, clock.now())
        site.greet(online)
        await site.send(there)
        yield site


class _Ingest:
    """The real process; may be stopped and started again on the same data."""

    def __init__(self, folder: Path, broker: EmbeddedBroker, more: list[str], patience_s: float) -> None:
        self._patience_s = patience_s
        credential = folder / "ingest.json"
        known = broker.credentials["ingest"]
        credential.write_text(json.dumps({"user": known.user, "password": known.password}))
        self._log = folder / "ingest.log"
        self._arguments = [
            "ingest", "--broker", broker.url, "--credential", str(credential), "--data", str(folder),
            "--with-parent", *more,
        ]  # fmt: skip
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    async def start(self, clock: SiteClock) -> None:
        """Return when it is live."""
        self._child = Child("ingest", [*self._arguments, "--clock", clock.to_text()], self._log)
        await self._child.start(ready_limit_s=self._patience_s)

    async def stop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop()


class Site:
    """All gateways of a site as one sender, and the process that listens."""

    def __init__(
        self,
        plan: FloorPlan,
        clock: SiteClock,
        ingest: _Ingest,
        pumps: dict[str, asyncio.StreamWriter],
        book: Any,
        broker: EmbeddedBroker,
        listener: Listener,
        patience_s: float,
    ) -> None:
        self._patience_s = patience_s
        self.plan, self.clock = plan, clock
        self._ingest = ingest
        self.broker, self.listener = broker, listener
        self._topics = Topics(plan.site)
        self._floor = {gateway.id: gateway.floor for gateway in plan.gateways}
        self._pumps = pumps
        self._book = book
        self._mid = 0
        self._sent = 0

    @property
    def pid(self) -> int:
        """Of ingest."""
        return self._ingest.pid

    async def go_on_at(self, speed: float) -> None:
        """Start ingest again with a clock that goes on from now at another speed."""
        await self._ingest.stop()
        self.clock = clocks.scaled_clock(self.clock.now(), speed)
        await self._ingest.start(self.clock)

    def greet(self, online: list[GatewayStatus]) -> None:
        for status in online:
            self._queue(status.gateway, self._topics.gateway_status(status.gateway), status)

    def publish(self, events: list[SensorEvent]) -> None:
        for event in events:
            topic = self._topics.event(self._floor[event.gateway], event.gateway, event.device)
            self._queue(event.gateway, topic, event)
        self._sent += len(events)

    async def send(self, events: list[SensorEvent]) -> None:
        """Publish as fast as the broker takes it, and return when all is committed."""
        for start in range(0, len(events), _CHUNK):
            self.publish(events[start : start + _CHUNK])
            for pump in self._pumps.values():
                await pump.drain()
        await self.wait_stored()

    async def wait_stored(self, *, but: int = 0) -> None:
        """Return when everything that was published is committed, but for the last few."""
        async with asyncio.timeout(self._patience_s):
            while self._asked("SELECT value FROM meta WHERE key = 'count:events'") < self._sent - but:
                await asyncio.sleep(0.02)

    def waiting_lines(self) -> int:
        """Return how many lines wait for the time-series server."""
        return self._asked(
            "SELECT max(seq) - min(seq) + 1 FROM sink_outbox"
        )  # without a full look: none is missing

    def oldest_line(self) -> int:
        """Return the number of the line that waits longest, 0 when none does."""
        return self._asked("SELECT min(seq) FROM sink_outbox")

    def newest_line(self) -> int:
        return self._asked("SELECT max(seq) FROM sink_outbox")

    def _asked(self, question: str) -> int:
        row = self._book.execute(question).fetchone()
        return int(row[0] or 0) if row else 0

    async def wait_quiet(self) -> None:
        """Return when ingest has told the world of all that it stored, and rests."""
        async with asyncio.timeout(20):
            before_s = -1.0
            while processes.cpu_s(self.pid) - before_s > 0.01:
                before_s = processes.cpu_s(self.pid)
                await asyncio.sleep(0.5)

    def _queue(self, gateway: str, topic: str, message: Message) -> None:
        self._mid = self._mid % 65_535 + 1
        self._pumps[gateway].write(mqtt_wire.publish(topic, encode(message), self._mid))


class Listener(asyncio.Protocol):
    """Hears states and the health of ingest, as pages do; notes the moment and reads nothing until it is asked."""

    def __init__(self) -> None:
        self.is_on = False
        self.heard: list[tuple[float, str, bytes]] = []
        """`perf_counter` s, topic and payload of each state while `is_on`."""
        self.echoed: list[tuple[float, bytes]] = []
        """The same of events of the first gateway, as the broker handed them over."""
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_health = b""
        self._buffer = b""

    async def quiet(self) -> None:
        """Return when a quarter of a second has brought nothing new."""
        async with asyncio.timeout(60):
            before = -1
            while before != len(self.heard):
                before = len(self.heard)
                await asyncio.sleep(0.25)

    def data_received(self, data: bytes) -> None:
        at_s = time.perf_counter()
        self._buffer += data
        while (frame := mqtt_wire.split(self._buffer)) is not None:
            kind, body, self._buffer = frame
            if kind == mqtt_wire.SUBACK and not self.subscribed.done():
                self.subscribed.set_result(None)
            elif kind & 0xF0 == mqtt_wire.PUBLISH:
                topic, payload = mqtt_wire.topic_and_payload(body)
                if topic.endswith("/ingest/health"):
                    self.last_health = payload
                elif not self.is_on:
                    pass
                elif "/event/" in topic:
                    self.echoed.append((at_s, payload))
                else:
                    self.heard.append((at_s, topic, payload))


@asynccontextmanager
async def _listening(port: int, credential: Credential, plan: FloorPlan) -> AsyncIterator[Listener]:
    topics = Topics(plan.site)
    transport, listener = await asyncio.get_running_loop().create_connection(Listener, "127.0.0.1", port)
    transport.write(mqtt_wire.connect("bench-listener", credential.user, credential.password))
    echo = topics.event(plan.floors[0].id, plan.gateways[0].id, "+")  # a part is enough
    transport.write(mqtt_wire.subscribe([topics.place_state("+"), topics.ingest_health(), echo], 1))
    try:
        await asyncio.wait_for(listener.subscribed, 20)
        yield listener
    finally:
        transport.close()


@asynccontextmanager
async def _pump(port: int, credential: Credential) -> AsyncIterator[asyncio.StreamWriter]:
    """Connect as a gateway; what the broker answers is read and forgotten."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(mqtt_wire.connect(f"bench-{credential.user}", credential.user, credential.password))
    if await reader.readexactly(4) != mqtt_wire.CONNACK_OK:
        raise AssertionError(f"the broker refused {credential.user}")
    forgetting = asyncio.create_task(_forget(reader), name=f"answers to {credential.user}")
    try:
        yield writer
    finally:
        forgetting.cancel()
        writer.close()


async def _forget(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass
