"""A TCP line between two processes whose mood can be changed: what networks do, without touching the machine's."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Literal, Self

#: `silent`: connections stand, nothing passes, and all of it comes when it is over. `cut`: connections are reset and
#: refused. `slow`: every chunk is late. `failing`: an HTTP server that answers 500 to everything.
Mood = Literal["open", "silent", "cut", "slow", "failing"]

SLOW_S = 0.4
_ANSWER_500 = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Wire:
    """`async with Wire(target_port) as wire:` listens at `wire.port` of the loopback interface."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._ends: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._mood: Mood = "open"

    async def __aenter__(self) -> Self:
        self._passes.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._abort()

    @property
    def mood(self) -> Mood:
        return self._mood

    def be(self, mood: Mood) -> None:
        """Change the mood, also of connections that stand."""
        self._mood = mood
        if mood == "silent":
            self._passes.clear()
        else:
            self._passes.set()
        if mood in ("cut", "failing"):
            self._abort()

    def _abort(self) -> None:
        for end in list(self._ends):
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._carry(reader, writer)
        finally:
            self._ends.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mood == "cut":
            writer.transport.abort()
            return
        if self._mood == "failing":
            await reader.read(65536)
            writer.write(_ANSWER_500)
            await writer.drain()
            return
        await self._passes.wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._ends.add(far_writer)
        ways = {
            asyncio.create_task(self._pump(reader, far_writer), name="there"),
            asyncio.create_task(self._pump(far_reader, writer), name="back"),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._ends.discard(far_writer)
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._passes.wait()
            if self._mood == "slow":
                await asyncio.sleep(SLOW_S)
            writer.write(data)
            await writer.drain()
