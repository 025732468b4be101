"""The processes of a site under fire: each is started, killed, held down, and comes back by itself as under systemd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plekvrij import wiring
from plekvrij.broker_watch import ask_broker, keep_broker
from plekvrij.credentials import BrokerUrl
from plekvrij.embedded_broker import EmbeddedBroker, _end_with_parent
from plekvrij.lifecycle import READY_LINE
from tests.time_servers import Influx

RESTART_AFTER_S = 0.5
READY_WITHIN_S = 180.0  # of a machine that others share


@dataclass(slots=True)
class Tally:
    """What befell one component. `falls`: ends that nobody asked for; times in s."""

    kills: int = 0
    starts: int = 0
    falls: int = 0
    recoveries_s: list[float] = field(default_factory=list)


class Member:
    """One component; subclasses say how it starts. `async with member:` keeps it running."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.tally = Tally()
        self.is_ready = asyncio.Event()
        self.ready_since_s = 0.0  # monotonic
        self._is_held = False
        self._is_wanted = True
        self._was_killed = False
        self._let_go = asyncio.Event()

    async def begin(self) -> None:
        """Start and return when it is ready, or raise when it cannot be."""
        raise NotImplementedError

    async def ended(self) -> None:
        """Return when the process is gone."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        raise NotImplementedError

    async def finish(self) -> None:
        """End it as an administrator would."""
        raise NotImplementedError

    def kill(self, *, hold: bool = False) -> bool:
        """Kill -9, as a power cut would; with `hold` it stays down until `release`. False: it was down already."""
        self._is_held = hold
        self._let_go.clear()
        pid = self.pid
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.is_ready.clear()
        self._was_killed = True
        self.tally.kills += 1
        return True

    def now_ready(self) -> None:
        self.tally.starts += 1
        self.ready_since_s = time.monotonic()
        self.is_ready.set()

    async def release(self) -> None:
        """Let it start again, and return when it is ready."""
        self._is_held = False
        self._let_go.set()
        await asyncio.wait_for(self.is_ready.wait(), READY_WITHIN_S)

    async def keep(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        while True:
            while self._is_held:
                await self._let_go.wait()
            try:
                await self.begin()
            except (OSError, RuntimeError) as error:
                print(f"{self.name} did not start: {error}", file=sys.stderr)
                await asyncio.sleep(RESTART_AFTER_S)
                continue
            self.now_ready()
            await self.ended()
            self.is_ready.clear()
            if not self._was_killed:
                self.tally.falls += 1
                print(f"{self.name} ended by itself", file=sys.stderr)
            self._was_killed = False
            await asyncio.sleep(RESTART_AFTER_S)


class Process(Member):
    """A command that prints a line when it is ready, and that ends when its standard input does."""

    def __init__(
        self, name: str, kind: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        super().__init__(name, kind)
        self._command, self._log, self._environment = command, log, environment
        self.process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    def says_ready(self, line: str) -> bool:
        return line == READY_LINE

    async def begin(self) -> None:
        with self._log.open("ab") as log:
            self.process = process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                start_new_session=True, env=os.environ | self._environment,
            )  # fmt: skip
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while line := await process.stdout.readline():
                    if self.says_ready(line.decode().strip()):
                        self._reading = asyncio.create_task(
                            _read_on(process.stdout), name=f"read {self.name}"
                        )
                        return
        except TimeoutError:
            process.kill()
        raise RuntimeError(f"it ended with code {await process.wait()}, its log is {self._log}")

    async def ended(self) -> None:
        assert self.process is not None
        await self.process.wait()

    @property
    def pid(self) -> int | None:
        process = self.process
        return None if process is None or process.returncode is not None else process.pid

    async def finish(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _read_on(stdout: asyncio.StreamReader) -> None:
    while await stdout.readline():
        pass


class Nats(Member):
    """The embedded broker, watched by the product itself: it starts what ended, and what serves nobody."""

    def __init__(self, broker: EmbeddedBroker, topic_base: str) -> None:
        super().__init__("broker", "broker")
        self.broker = broker
        self._topic_base = topic_base

    async def keep(self) -> None:
        await self.start()
        credential = self.broker.credentials["preflight"]
        address = BrokerUrl(self.broker.url, "127.0.0.1", self.broker.port, tls=False, credential=credential)
        open_link = wiring.link_opener(address)
        await keep_broker(
            self,
            lambda: ask_broker(open_link, self.broker.url, self._topic_base),
            self._note,
        )

    def _note(self, line: str) -> None:
        print(line, file=sys.stderr)

    async def start(self) -> None:
        while self._is_held:
            await self._let_go.wait()
        await self.broker.start()
        self._was_killed = False
        self.now_ready()

    async def stop(self) -> None:
        if self.pid is not None:
            self.tally.falls += 1
        await self.broker.stop()

    async def wait_ended(self) -> int:
        code = await self.broker.wait_ended()
        self.is_ready.clear()
        self.tally.falls += not self._was_killed
        return code

    @property
    def pid(self) -> int | None:
        process = self.broker._process
        return None if process is None or process.returncode is not None else process.pid

    async def finish(self) -> None:
        await self.broker.stop()


class Listening(Member):
    """A program that is ready when its port answers: Mosquitto."""

    def __init__(self, name: str, kind: str, command: Sequence[str], port: int, log: Path) -> None:
        super().__init__(name, kind)
        self._command, self._port, self._log = command, port, log
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, start_new_session=True, preexec_fn=_end_with_parent
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                if self._process.returncode is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not answer, its log is {self._log}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    async def ended(self) -> None:
        assert self._process is not None
        await self._process.wait()

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def finish(self) -> None:
        if self.pid is not None and self._process is not None:
            self._process.terminate()
            await self._process.wait()


class TimeServer(Member):
    """InfluxDB of the distribution."""

    def __init__(self, server: Influx) -> None:
        super().__init__("influxd", "influxd")
        self.server = server

    async def begin(self) -> None:
        try:
            await asyncio.to_thread(self.server.start)
        except AssertionError as error:  # killed while it was starting
            raise RuntimeError(str(error)) from error

    async def ended(self) -> None:
        while self.pid is not None:
            await asyncio.sleep(0.1)

    @property
    def pid(self) -> int | None:
        process = self.server._process
        return None if process is None or process.poll() is not None else process.pid

    async def finish(self) -> None:
        await asyncio.to_thread(self.server.stop)
