"""One ingest per data folder. The kernel holds the lease for the process, so it ends with it, however that ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from workplace.errors import SettingInvalid, StoreUnavailable

log = structlog.get_logger()

#: How long a new ingest waits for one that is just ending, s of real time. Lower: a restart of the service may fail
#: once. Higher: a mistake shows later.
PATIENCE_S = 10.0
_LOOK_S = 0.1


class LeaseTaken(SettingInvalid):
    """Another ingest works on this data; show the message and stop. The broker was not touched yet."""

    def __init__(self, database: Path, holder: str) -> None:
        super().__init__(
            f"another ingest already works on {database} ({holder}). Two would decide twice about every place. Stop"
            " that one first, or give this one a folder of its own with --data"
        )


@asynccontextmanager
async def lease_of(database: Path, *, patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Hold the lease of a database, `DATABASE.lease` beside it, until the block is left or the process dies.

    Raises:
        LeaseTaken: another process (or another ingest of this one) still holds it after `patience_s`.
        StoreUnavailable: the folder takes no file now.
    """
    path = database.with_name(f"{database.name}.lease")
    # Never deleted: a file that is taken away while somebody waits for its lock would be two leases.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"{path} cannot be written: {error.strerror}. Make its folder writable for this user, or make room"
        ) from error
    try:
        await _lock(descriptor, database, patience_s)
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, database: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    is_waiting = False
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() >= deadline:
            raise LeaseTaken(database, _holder(descriptor))
        if not is_waiting:
            is_waiting = True
            log.warning("lease_taken_waiting", database=str(database), holder=_holder(descriptor))
        await asyncio.sleep(_LOOK_S)


def _sign(descriptor: int) -> None:
    """Say who holds it, for the message of whoever comes next."""
    signature = {"process": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    with contextlib.suppress(OSError):  # a full disk takes no name; the lock is the lease
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(signature).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        signature = json.loads(os.pread(descriptor, 200, 0))
        return f"process {signature['process']} since {signature['since']}"
    except (ValueError, KeyError, TypeError):
        return "its process has not signed yet"
