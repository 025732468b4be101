"""How a process of ours lives: signals end it cleanly, the parent's end ends it too."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from workplace.errors import WorkplaceError

#: What a parent waits for on a child's stdout.
READY_LINE = "READY"


def announce_ready() -> None:
    """Tell the parent process that this one does its work now."""
    print(READY_LINE, flush=True)


def run(main: Callable[[], Awaitable[None]], *, until_stdin_ends: bool = False) -> int:
    """Run `main` until it returns, SIGINT or SIGTERM; return the exit code.

    Args:
        until_stdin_ends: also stop when stdin ends; a child lives as long as its parent holds the pipe.
    """
    return asyncio.run(_guarded(main, until_stdin_ends))


async def _guarded(main: Callable[[], Awaitable[None]], until_stdin_ends: bool) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.ensure_future(main())
    watches: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait(), name="signals")]
    if until_stdin_ends:
        watches.append(asyncio.create_task(_stdin_end(), name="parent"))
    await asyncio.wait({work, *watches}, return_when=asyncio.FIRST_COMPLETED)
    for watch in watches:
        watch.cancel()
    if not work.done():
        work.cancel()
    try:
        with suppress(asyncio.CancelledError):
            await work
    except BaseExceptionGroup as group:
        # a task group wraps what went wrong; one error on purpose is what the user should read
        expected, others = group.split(WorkplaceError)
        if expected is None or others is not None:
            raise
        raise _first(expected) from None
    return 0


def _first(group: BaseExceptionGroup[WorkplaceError]) -> WorkplaceError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def _stdin_end() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.read(1024):
        pass
