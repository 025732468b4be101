"""One serial port with a wired node behind it: the only file that knows pyserial.

A thread reads, because reading blocks and the time of arrival must be taken at once; all else happens on the
event loop. Liveness and retries run in real time, time stamps on the site's boot clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import serial
import structlog

from gateway.backoff import Backoff
from gateway.intake import Intake
from gateway.sources.port_inbox import Bytes, Command, Committed, Lost, PortInbox, Refresh
from gateway.sources.source import Source
from workplace import events
from workplace.events import SourceHealth
from workplace.ports import Clock, SessionStep, WireSession

log = structlog.get_logger(__name__)

#: How often to look whether an unplugged port is back, s, at first and at most.
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0
#: The reader wakes this often, s, to see whether it should end.
READ_S = 0.5
#: Steps between the port and the disk; when they stand in line, reading waits and the node keeps its events.
MOST_STEPS = 64
#: A node heartbeats every 10 s (DSP/1); a port silent for three of them is degraded.
QUIET_S = 30.0

_PORT_ERRORS = (serial.SerialException, OSError, termios.error)


class SerialSource(Source):
    """Keeps one port open and its session fed.

    Args:
        port: device path; may be missing, come back, or be a symlink whose target changes.
        new_session: called at each opening: a session never outlives its port.
    """

    def __init__(
        self, port: str, *, baud: int, new_session: Callable[[], WireSession], intake: Intake, clock: Clock
    ) -> None:
        self.port = port
        self.name = f"serial:{port}"
        self.counters = Counter()
        self._baud = baud
        self._new_session = new_session
        self._intake = intake
        self._clock = clock
        self._up: set[str] = set()
        self._inbox: PortInbox | None = None
        self._detail = "not opened yet"
        self._heard_s: float | None = None
        self._session_counters: dict[str, int] = {}

    async def run(self) -> None:
        """Serve the port until cancelled, through any number of unpluggings."""
        backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)
        said = False
        while True:
            try:
                await self._wait_for_path()
                port = await asyncio.to_thread(_open, self.port, self._baud)
            except _PORT_ERRORS as error:
                self._detail = str(error)
                if not said:
                    log.warning("port_not_opened", port=self.port, why=str(error))
                    said = True
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            said = False
            self.counters["opened"] += 1
            log.info("port_opened", port=self.port)
            why = await self._serve(port)
            log.warning("port_lost", port=self.port, why=why)
            self._detail = why
            await asyncio.sleep(backoff.next_s())

    def reaches(self, device: str) -> bool:
        """Whether `device` answers on this port now."""
        return device in self._up

    def command(self, command: events.Command) -> None:
        """Pass a command on; the session repeats it until the node confirms."""
        if self._inbox is not None:
            self._inbox.put(Command(command))

    def refresh(self) -> None:
        """Ask the node who it is and what holds now."""
        if self._inbox is not None:
            self._inbox.put(Refresh())

    def health(self) -> SourceHealth:
        age_s = None if self._heard_s is None else round(time.monotonic() - self._heard_s, 1)
        if self._inbox is None:
            return SourceHealth(name=self.name, status="down", detail=self._detail, last_data_age_s=age_s)
        is_quiet = age_s is None or age_s > QUIET_S
        return SourceHealth(
            name=self.name, status="degraded" if is_quiet else "ok", detail="", last_data_age_s=age_s
        )

    def all_counters(self) -> dict[str, int]:
        """Return what was counted here and by all sessions so far."""
        return dict(self.counters + Counter(self._session_counters))

    async def _wait_for_path(self) -> None:
        backoff = Backoff(FIRST_RETRY_S, FIRST_RETRY_S * 4)
        while not await asyncio.to_thread(Path(self.port).exists):
            self._detail = "no such port"
            await asyncio.sleep(backoff.next_s())

    async def _serve(self, port: serial.Serial) -> str:
        """Serve one opening; return why it ended."""
        loop = asyncio.get_running_loop()
        inbox = PortInbox()
        reader = _Reader(port, self._clock, lambda item: loop.call_soon_threadsafe(inbox.put, item))
        steps: asyncio.Queue[tuple[SessionStep, float]] = asyncio.Queue(MOST_STEPS)
        session = self._new_session()
        self._inbox = inbox
        reader.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                delivery = tasks.create_task(self._deliver(steps, inbox), name=f"{self.name} delivery")
                why = await self._talk(port, session, inbox, steps)
                await steps.join()
                delivery.cancel()
        finally:
            self._inbox = None
            self._up.clear()
            self.counters["bytes_dropped"] += inbox.bytes_dropped
            self.counters.update(session.counters)
            self._session_counters = {}
            await asyncio.shield(asyncio.to_thread(reader.stop))
        await self._intake.lose_source(self.name, "link_lost")
        return why

    async def _talk(
        self,
        port: serial.Serial,
        session: WireSession,
        inbox: PortInbox,
        steps: asyncio.Queue[tuple[SessionStep, float]],
    ) -> str:
        """Feed the session and do what it wants, until the port is lost."""
        boot_ms = self._clock.boot_ms()
        step = session.opened(_link_ms(), boot_ms)
        while True:
            wake_at_ms = step.wake_at_ms
            try:
                self._write(port, step.to_send)
            except _PORT_ERRORS as error:
                return f"cannot write: {error}"
            self._note(step, session)
            if step.readings or step.changes or step.samples:
                await steps.put((step, boot_ms))
            item = await inbox.get(None if wake_at_ms is None else (wake_at_ms - _link_ms()) / 1000)
            boot_ms = self._clock.boot_ms()
            match item:
                case Lost(why):
                    return why
                case Bytes(data, link_ms, heard_boot_ms):
                    self._heard_s = link_ms / 1000
                    boot_ms = heard_boot_ms
                    step = session.feed(data, link_ms, boot_ms)
                case Committed(tokens):
                    step = session.commit(tokens, _link_ms())
                case Command(command):
                    step = self._command(session, command, wake_at_ms)
                case Refresh():
                    step = session.opened(_link_ms(), boot_ms)
                case None:
                    step = session.tick(_link_ms(), boot_ms)

    def _command(
        self, session: WireSession, command: events.Command, wake_at_ms: float | None
    ) -> SessionStep:
        if command.valid_until <= self._clock.now():
            self.counters["commands_expired"] += 1
            return SessionStep(wake_at_ms=wake_at_ms)
        return session.command(command, _link_ms())

    def _note(self, step: SessionStep, session: WireSession) -> None:
        for code, device in step.changes:
            if code == "device_up":
                self._up.add(device)
            elif code in {"device_silent", "unsupported_firmware"}:
                self._up.discard(device)
        for command_id in step.done:
            self._intake.commands.confirmed(command_id)
        self._session_counters = session.counters

    def _write(self, port: serial.Serial, data: bytes) -> None:
        """Write without blocking: a node that takes no bytes misses a frame, and is asked again."""
        if data:
            with contextlib.suppress(BlockingIOError):
                written = os.write(port.fileno(), data)
                self.counters["bytes_sent"] += written
                data = data[written:]
            self.counters["bytes_not_taken"] += len(data)

    async def _deliver(self, steps: asyncio.Queue[tuple[SessionStep, float]], inbox: PortInbox) -> None:
        """Bring steps to disk, then tell the session. All that stand in line go into one commit."""
        while True:
            batch = [await steps.get()]
            while not steps.empty():
                batch.append(steps.get_nowait())
            tokens = await self._intake.take_wire(self.name, batch)
            if tokens:
                inbox.put(Committed(tuple(tokens)))
            for _ in batch:
                steps.task_done()


class _Reader:
    """The thread that reads one opened port."""

    def __init__(
        self, port: serial.Serial, clock: Clock, hand_over: Callable[[Bytes | Lost], object]
    ) -> None:
        self._port = port
        self._clock = clock
        self._hand_over = hand_over
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"serial-{port.name}")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the port; blocks for `READ_S` at most."""
        self._ending.set()
        with contextlib.suppress(*_PORT_ERRORS):
            self._port.cancel_read()
        self._thread.join()
        with contextlib.suppress(*_PORT_ERRORS):
            self._port.close()

    def _read(self) -> None:
        why = "closed"
        try:
            while not self._ending.is_set():
                # Asking for what is there keeps a failing read from throwing away bytes it already has.
                data = self._port.read(max(1, self._port.in_waiting))
                if data:
                    self._hand_over(Bytes(data, _link_ms(), self._clock.boot_ms()))
        except _PORT_ERRORS as error:
            why = str(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to care
            self._hand_over(Lost(why))


def _open(path: str, baud: int) -> serial.Serial:
    port = serial.Serial(baudrate=baud, timeout=READ_S, exclusive=True)
    port.port = path
    port.dtr = port.rts = False  # raising DTR resets many boards
    port.open()
    with contextlib.suppress(termios.error):
        modes = termios.tcgetattr(port.fileno())
        modes[2] &= ~termios.HUPCL  # nor may closing drop it
        termios.tcsetattr(port.fileno(), termios.TCSANOW, modes)
    return port


def _link_ms() -> float:
    return time.monotonic() * 1000
