"""The simulated building with real node processes: ports, lights, truth, and a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulators import dsp1_frames as wire
from simulators.building import run_building, scene_of
from simulators.faults import NO_FAULTS
from simulators.population import Population
from workplace.floor_plan import FloorPlan, zigbee_pir_name
from workplace.ports import MessageLink, Received

#: A Tuesday, local 11:00.
ELEVEN = datetime(2026, 9, 15, 9, 0, tzinfo=UTC)
NODE = "dsp1-0001000000000001"
PATIENCE_S = 30.0
SEED = 4


class WallClock:
    """Site time at `speed` times the wall, from `start` on."""

    def __init__(self, start: datetime, speed: float) -> None:
        self.speed = speed
        self._start, self._began = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(milliseconds=self.boot_ms())

    def boot_ms(self) -> float:
        return (time.monotonic() - self._began) * 1000 * self.speed

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


class MemoryBroker:
    """Keeps what is published, and tells each new link that it is connected."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.retained: dict[str, bytes] = {}
        self.wills: list[tuple[str, bytes]] = []
        self.open_links = 0

    @asynccontextmanager
    async def open_link(
        self, client_id: str, *, will: tuple[str, bytes] | None = None
    ) -> AsyncIterator[MessageLink]:
        if will is not None:
            self.wills.append(will)
        self.open_links += 1
        try:
            yield MemoryLink(self)
        finally:
            self.open_links -= 1


class MemoryLink:
    is_connected = False

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        self.publish_soon(topic, payload, qos=qos, retain=retain)

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        if retain:
            self._broker.retained[topic] = payload
        else:
            self._broker.sent.append((topic, payload))
        return True

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        raise NotImplementedError

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        asyncio.get_running_loop().call_soon(listener, True)  # noqa: FBT003 - connects a moment later


class Stage:
    """What a test sees of a running building."""

    def __init__(self, run_dir: Path, broker: MemoryBroker, clock: WallClock) -> None:
        self.run_dir, self.broker, self.clock = run_dir, broker, clock
        self.port = -1
        self._reader = wire.FrameReader()

    def lines(self, name: str) -> list[dict[str, str]]:
        text = (self.run_dir / name).read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    async def until(self, what: Callable[[], Any]) -> Any:
        """Wait until `what()` is true."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if found := what():
                    return found
                await asyncio.sleep(0.02)

    def open_port(self) -> None:
        path = self.run_dir / "tty" / NODE
        self.port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def read(self) -> list[tuple[int, int, bytes]]:
        with suppress(BlockingIOError):
            return self._reader.feed(os.read(self.port, 65536))
        return []

    def node_pids(self) -> set[int]:
        """Return the node processes that name this run's ports."""
        found = set()
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with suppress(OSError):
                    if str(self.run_dir).encode() in (process / "cmdline").read_bytes():
                        found.add(int(process.name))
        return found


def play(plan: FloorPlan, run_dir: Path, speed: float, scenario: Callable[[Stage], Awaitable[None]]) -> Stage:
    """Run the building around `scenario`, cancel it, and return what is left."""
    broker, clock = MemoryBroker(), WallClock(ELEVEN, speed)
    stage = Stage(run_dir, broker, clock)

    async def main() -> None:
        ready = asyncio.Event()
        building = asyncio.ensure_future(
            run_building(
                plan,
                seed=SEED,
                clock=clock,
                open_device_link=broker.open_link,
                run_dir=run_dir,
                start_at=ELEVEN,
                ready=ready.set,
            )
        )
        try:
            waiting = asyncio.ensure_future(ready.wait())
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait({building, waiting}, return_when=asyncio.FIRST_COMPLETED)
            assert not building.done(), building.exception()
            await scenario(stage)
        finally:
            building.cancel()
            with suppress(asyncio.CancelledError):
                await building
            if stage.port >= 0:
                os.close(stage.port)

    asyncio.run(main())
    return stage


@pytest.fixture(scope="module")
def expected(small_plan: FloorPlan) -> dict[str, str]:
    """What the small office looks like at eleven."""
    states = scene_of(Population(small_plan, SEED), ELEVEN.date(), NO_FAULTS).truth_before(ELEVEN)
    return {place: states.get(place, "free") for place in small_plan.place}


def test_it_starts_with_everybody_in_place(
    small_plan: FloorPlan, tmp_path: Path, expected: dict[str, str]
) -> None:
    assert {"occupied", "free"} <= set(expected.values())
    scene = scene_of(Population(small_plan, SEED), ELEVEN.date(), NO_FAULTS)
    channels = [place.id for place in small_plan.place.values() if place.light is not None]
    linked = sum(1 << channels.index(place) for place in scene.links_up_before(ELEVEN))
    assert linked

    async def scenario(stage: Stage) -> None:
        truth = stage.lines("truth.ndjson")[: len(small_plan.place)]
        assert {line["place"]: line["state"] for line in truth} == expected
        assert {line["at"] for line in truth} == {"2026-09-15T09:00:00.000Z"}
        stage.open_port()

        def docked() -> bool:
            os.write(stage.port, wire.encode(wire.HELLO_REQ, 1))
            states = [body for kind, _, body in stage.read() if kind == wire.STATE]
            return any(struct.unpack("<IQIBHH", body)[4] == linked for body in states)

        await stage.until(docked)

    play(small_plan, tmp_path, 1, scenario)


def test_a_day_at_full_speed_is_heard_and_true(small_plan: FloorPlan, tmp_path: Path) -> None:
    """Two hours in twelve seconds: hits and docks come out, the truth follows the plan, lights are noted."""

    async def scenario(stage: Stage) -> None:
        stage.open_port()
        seen: Counter[int] = Counter()
        os.write(stage.port, wire.encode(wire.SET_LIGHT, 1, struct.pack("<BBH", 2, 4, 0)))

        def enough() -> bool:
            for kind, _, body in stage.read():
                if kind == wire.EVENT:
                    boot, seq, _, event_kind, _, _, _ = struct.unpack("<IIQBBhI", body)
                    seen[event_kind] += 1
                    os.write(stage.port, wire.encode(wire.EVENT_ACK, 2, struct.pack("<II", boot, seq)))
            late = stage.clock.now() - ELEVEN >= timedelta(hours=2)
            return late and seen[1] > 20 and seen[2] > 1

        await stage.until(enough)

    stage = play(small_plan, tmp_path, 600, scenario)
    told = stage.lines("truth.ndjson")[len(small_plan.place) :]
    day = Population(small_plan, SEED).day(ELEVEN.date())
    due = [(c.place, c.state) for c in day.truth if c.at >= ELEVEN]
    assert [(line["place"], line["state"]) for line in told] == due[: len(told)]
    assert len(told) > 5
    assert [(line["place"], line["code"]) for line in stage.lines("lights.ndjson")] == [
        ("1-W3", "reclaimable")
    ]
    pirs = {f"zigbee2mqtt-1/{zigbee_pir_name(place)}" for place in ("1-O1", "1-O2", "1-O3", "1-O4")}
    assert {topic for topic, _ in stage.broker.sent} <= pirs
    assert any(json.loads(payload).get("occupancy") for _, payload in stage.broker.sent)
    assert stage.broker.retained["zigbee2mqtt-1/bridge/state"] == b'{"state":"online"}'
    assert stage.broker.wills == [("zigbee2mqtt-1/bridge/state", b'{"state":"offline"}')]


def test_nothing_is_left_running_after_the_end(small_plan: FloorPlan, tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        assert len(stage.node_pids()) == 1

    stage = play(small_plan, tmp_path, 60, scenario)
    assert stage.node_pids() == set()
    assert stage.broker.open_links == 0
    assert list((tmp_path / "tty").iterdir()) == []


def test_a_node_that_dies_comes_back_with_its_docks(small_plan: FloorPlan, tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        [first] = stage.node_pids()
        os.kill(first, 9)
        await stage.until(lambda: stage.node_pids() - {first})
        scene = scene_of(Population(small_plan, SEED), ELEVEN.date(), NO_FAULTS)
        docks = len(scene.links_up_before(ELEVEN))
        boots: set[int] = set()
        plugged: set[int] = set()

        def is_back() -> bool:
            if stage.port < 0:
                with suppress(OSError):
                    stage.open_port()
                return False
            for kind, _, body in stage.read():
                if kind == wire.EVENT:
                    boot, _, _, event_kind, channel, value, _ = struct.unpack("<IIQBBhI", body)
                    boots.add(boot)
                    plugged.update({channel} if event_kind == 2 and value else ())
            return len(plugged) >= docks

        await stage.until(is_back)
        assert len(boots) == 1

    play(small_plan, tmp_path, 1, scenario)
