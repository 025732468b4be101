"""Children of the front door: started, waited for, restarted when they fall, stopped with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from plekvrij.lifecycle import READY_LINE
from workplace.errors import WorkplaceError

STOP_LIMIT_S = 8.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0


class ChildFailed(WorkplaceError):
    """A child process did not become ready; show the message, which names its log."""

    def __init__(self, name: str, why: str, log: Path) -> None:
        super().__init__(f"{name} {why}; its log is {log}{_last_words(log)}")


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return f" and ends with: {lines[-1]}" if lines else ""


class Child:
    """One `plekvrij` command as a child process.

    Its stdin is a pipe that we hold: when this process ends, however it ends, the child sees the end and stops.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, secrets: Mapping[str, str] | None = None
    ) -> None:
        """Store what to start; `secrets` go into its environment, because everybody can read arguments."""
        self.name = name
        self.log = log
        self._secrets = dict(secrets or {})
        self.restarts = 0
        self._arguments = list(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int:
        """Process id of the running child.

        Raises:
            ChildFailed: it is not running.
        """
        if self._process is None:
            raise ChildFailed(self.name, "is not running", self.log)
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs at this moment, ready or not."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *, ready_limit_s: float = 30.0) -> None:
        """Start the child and return when it says that it is ready.

        Raises:
            ChildFailed: it ended or did not get ready in time.
        """
        self._stopping = False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "plekvrij",
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env=os.environ | self._secrets,
            )
        try:
            async with asyncio.timeout(ready_limit_s):
                await self._until_ready(self._process)
        except TimeoutError:
            await self.stop()
            raise ChildFailed(self.name, f"was not ready in {ready_limit_s:g} s", self.log) from None

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        output = process.stdout
        while output is not None and (line := await output.readline()):
            if line.decode().strip() == READY_LINE:
                return
        raise ChildFailed(self.name, f"ended with code {await process.wait()}", self.log)

    def keep_running(self, tell: Callable[[str], None]) -> None:
        """Start the child again, with growing pauses, whenever it ends without being asked to."""
        self._watch = asyncio.create_task(self._keep(tell), name=f"keep {self.name}")

    async def _keep(self, tell: Callable[[str], None]) -> None:
        pause_s = FIRST_PAUSE_S
        while self._process is not None:
            code = await self._process.wait()
            if self._stopping:
                return
            tell(f"{self.name} ended with code {code}, starting it again (log: {self.log})")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            try:
                await self.start()
            except ChildFailed as failure:
                tell(str(failure))
                continue
            self.restarts += 1
            pause_s = FIRST_PAUSE_S

    def kill(self) -> None:
        """Kill -9, as a power cut would; `keep_running` starts it again."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask the child to stop, wait, and kill it when it does not."""
        self._stopping = True
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
