"""The serial source on real pseudo-terminals: unplugged, replugged elsewhere, garbage, acks after commits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import sqlite3
import time
import tty
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.sources.serial_port import SerialSource
from workplace.codec import decode
from workplace.errors import StoreUnavailable
from workplace.events import Command, SensorEvent
from workplace.ports import SessionStep
from workplace.readings import Reading, WireReading

DEVICE = "dsp1-0000000000000001"
NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class RealClock:
    """Site time that runs like the wall, from nine o'clock on."""

    speed = 1.0

    def __init__(self) -> None:
        self._start_s = time.monotonic()

    def now(self) -> datetime:
        return NINE + timedelta(seconds=time.monotonic() - self._start_s)

    def boot_ms(self) -> float:
        return time.monotonic() * 1000

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


@dataclass(slots=True)
class LineSession:
    """A toy protocol: `up`, `E <number>` and `X` lines in; `hello`, `ok <token>` and `light` lines out."""

    counters: dict[str, int] = field(default_factory=lambda: {"bad_line": 0})
    _rest: bytes = b""
    _greeted: bool = False

    def opened(self, link_ms: float, boot_ms: float) -> SessionStep:
        return SessionStep(to_send=b"hello\n", wake_at_ms=link_ms + 200)

    def feed(self, data: bytes, link_ms: float, boot_ms: float) -> SessionStep:
        *lines, self._rest = (self._rest + data).split(b"\n")
        readings, changes = [], []
        for line in lines:
            if line == b"up":
                changes.append(("device_up", DEVICE))
            elif line.startswith(b"E "):
                number = int(line[2:])
                reading = Reading("motion", value=number % 2 == 1, channel="0")
                readings.append(WireReading(DEVICE, reading, 7, number * 1000, number, token=number))
            else:
                self.counters["bad_line"] += 1
        return SessionStep(readings=tuple(readings), changes=tuple(changes), wake_at_ms=link_ms + 200)

    def tick(self, link_ms: float, boot_ms: float) -> SessionStep:
        return SessionStep(to_send=b"tick\n", wake_at_ms=link_ms + 200)

    def commit(self, tokens: Sequence[int], link_ms: float) -> SessionStep:
        return SessionStep(to_send=b"".join(b"ok %d\n" % t for t in tokens), wake_at_ms=link_ms + 200)

    def command(self, command: Command, link_ms: float) -> SessionStep:
        return SessionStep(to_send=b"light %s\n" % command.light.encode(), wake_at_ms=link_ms + 200)


class Node:
    """The far end of a pty behind a symlink, as `/dev/serial/by-id` has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard = b""
        self._fds: tuple[int, int] | None = None

    def plug_in(self) -> None:
        near, far = pty.openpty()
        tty.setraw(far)
        os.set_blocking(near, False)
        self._fds = (near, far)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(far))

    def pull_out(self) -> None:
        assert self._fds is not None
        for fd in self._fds:
            os.close(fd)
        self._fds = None
        self.path.unlink()

    def say(self, text: bytes) -> None:
        assert self._fds is not None
        os.write(self._fds[0], text)

    def listen(self) -> bytes:
        assert self._fds is not None
        with contextlib.suppress(BlockingIOError):
            self.heard += os.read(self._fds[0], 65536)
        return self.heard


async def until(condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


async def events(outbox: Outbox) -> list[SensorEvent]:
    return [decode(row.body, SensorEvent) for row in await outbox.take(1000)]


Story = Callable[[Node, SerialSource, Outbox], Awaitable[None]]


def run(tmp_path: Path, story: Story) -> None:
    async def body() -> None:
        node, clock = Node(tmp_path / "port"), RealClock()
        outbox = Outbox(
            tmp_path / "o.sqlite", connect=sqlite3.connect, now=clock.now, gateway=("raadhuis", "gw-1")
        )
        async with asyncio.timeout(60), outbox:
            intake = Intake(Origin("raadhuis", "gw-1"), clock, outbox)
            source = SerialSource(
                str(node.path), baud=115200, new_session=LineSession, intake=intake, clock=clock
            )
            serving = asyncio.ensure_future(source.run())
            try:
                await story(node, source, outbox)
            finally:
                serving.cancel()
                await asyncio.wait({serving})

    asyncio.run(body())


def test_events_are_acknowledged_after_they_are_on_disk(tmp_path: Path) -> None:
    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        assert source.health().status == "down"
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        node.say(b"up\nE 1\nE 2\n")
        await until(lambda: b"ok 1\nok 2\n" in node.listen(), "both acknowledgements")
        kinds = [(e.kind, e.value, e.seq) for e in await events(outbox)]
        assert kinds == [("availability", True, None), ("motion", True, 1), ("motion", False, 2)]
        assert source.health().status == "ok"
        await until(lambda: b"tick\n" in node.listen(), "the session is woken")

    run(tmp_path, story)


def test_a_resent_event_is_acknowledged_again_and_stored_once(tmp_path: Path) -> None:
    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        node.say(b"E 1\nE 1\n")
        await until(lambda: node.listen().count(b"ok 1\n") == 2, "two acknowledgements")
        assert [e.seq for e in await events(outbox) if e.kind == "motion"] == [1]

    run(tmp_path, story)


def test_unplugged_means_unknown_and_replugged_elsewhere_goes_on(tmp_path: Path) -> None:
    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        node.say(b"up\nE 1\n")
        await until(lambda: b"ok 1\n" in node.listen(), "the acknowledgement")
        assert source.reaches(DEVICE)
        node.pull_out()
        await until(lambda: source.health().status == "down", "the loss is noticed")
        await until(lambda: not source.reaches(DEVICE), "nothing is reached")
        node.heard = b""
        keep = pty.openpty()  # takes the freed number: the symlink will point to another pty
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting after replugging", within_s=60)
        node.say(b"up\nE 2\n")
        await until(lambda: b"ok 2\n" in node.listen(), "the next acknowledgement")
        for fd in keep:
            os.close(fd)
        told = [(e.kind, e.value, e.reason) for e in await events(outbox)]
        assert told == [
            ("availability", True, None),
            ("motion", True, None),
            ("availability", False, "link_lost"),
            ("availability", True, None),
            ("motion", False, None),
        ]

    run(tmp_path, story)


def test_garbage_is_counted_and_harms_nothing(tmp_path: Path) -> None:
    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        node.say(bytes(range(256)) * 8 + b"\nE 1\n")
        await until(lambda: b"ok 1\n" in node.listen(), "the acknowledgement")
        assert source.all_counters()["bad_line"] > 0

    run(tmp_path, story)


def test_nothing_is_acknowledged_while_the_disk_refuses(tmp_path: Path) -> None:
    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        working, refused = outbox.put, []

        async def refuse(batch: object) -> None:
            refused.append(batch)
            raise StoreUnavailable("disk full")

        outbox.put = refuse  # type: ignore[method-assign,assignment]
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        node.say(b"E 1\n")
        await until(lambda: len(refused) >= 2, "it tries again")
        node.say(b"E 1\n")
        await until(lambda: len(refused) >= 3, "and again")
        assert b"ok" not in node.listen()
        outbox.put = working  # type: ignore[method-assign]
        await until(lambda: node.listen().count(b"ok 1\n") == 2, "acknowledged once there is room")
        assert [e.seq for e in await events(outbox) if e.kind == "motion"] == [1]

    run(tmp_path, story)


def test_a_command_goes_out_unless_it_has_expired(tmp_path: Path) -> None:
    def light(code: str, valid_for_s: float) -> Command:
        return Command(
            id="c1",
            site="raadhuis",
            gateway="gw-1",
            device=DEVICE,
            light=code,  # type: ignore[arg-type]
            issued_at=NINE,
            valid_until=NINE + timedelta(seconds=valid_for_s),
        )

    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        source.command(light("note", -1))
        source.command(light("free", 60))
        await until(lambda: b"light free\n" in node.listen(), "the light command")
        assert b"light note\n" not in node.listen()
        assert source.all_counters()["commands_expired"] == 1

    run(tmp_path, story)


def test_refresh_asks_the_node_again(tmp_path: Path) -> None:
    async def story(node: Node, source: SerialSource, outbox: Outbox) -> None:
        node.plug_in()
        await until(lambda: b"hello\n" in node.listen(), "the greeting")
        source.refresh()
        await until(lambda: node.listen().count(b"hello\n") == 2, "a second greeting")

    run(tmp_path, story)
