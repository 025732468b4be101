"""A D-Bus daemon of our own, so that nothing is asked of the machine's."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

#: Everybody may own every name and talk to everybody: there is nobody else on this bus.
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/>
  </policy>
  <limit name="max_replies_per_connection">100000</limit>
</busconfig>
"""
#: Longest start of the daemon, s.
START_S = 10.0


def is_available() -> bool:
    """Whether this machine has a D-Bus daemon to start."""
    return shutil.which("dbus-daemon") is not None


def address_in(folder: Path) -> str:
    """Return the address of the daemon in a folder, for DBUS_SYSTEM_BUS_ADDRESS of who shall use it."""
    return f"unix:path={folder / 'bus'}"


class PrivateBus:
    """`async with PrivateBus(folder) as bus:` runs a daemon at `bus.address`, a folder of few letters: sockets have
    short names.
    """

    def __init__(self, folder: Path) -> None:
        self.address = address_in(folder)
        self._socket = folder / "bus"
        self._config = folder / "bus.conf"
        self._daemon: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the daemon, at the same address as before.

        Raises:
            TimeoutError: it does not answer.
        """
        self._config.write_text(_CONFIG.format(socket=self._socket), "utf-8")
        self._socket.unlink(missing_ok=True)
        command = ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--nopidfile", "--nosyslog"]
        if shutil.which("setpriv") is not None:  # util-linux: ends with us, even when we are killed
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        self._daemon = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(START_S):
            while not await self._answers():
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End the daemon; whoever is connected loses the connection."""
        if self._daemon is None:
            return
        daemon, self._daemon = self._daemon, None
        daemon.kill()
        await asyncio.to_thread(daemon.wait)
        self._socket.unlink(missing_ok=True)

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(str(self._socket))
            writer.close()
            return True
        return False
