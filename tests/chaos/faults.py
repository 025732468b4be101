"""Faults by name: each begins, lasts, ends, and returns the moment from which recovery counts (monotonic s)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.members import Member
from tests.chaos.town_hall import TownHall
from tests.chaos.truth import HEADER_BYTES, ScreenWatch, ids_in_file_aside
from tests.chaos.wires import Mood, Wire

HOUR_S = 3600.0
#: So long a component may try to get ready before the next one starts, s.
HEAD_START_S = 5.0
RESTARTED = ("broker", "ingest", "gateway")


@dataclass
class Scene:
    """What a fault may touch.

    Attributes:
        aside_ids: link edges in stores that were moved aside.
        troubles: what went wrong beside lost edges.
        left_out: what this machine cannot play, and why.
    """

    hall: TownHall
    screens: ScreenWatch
    chance: random.Random
    aside_ids: set[str]
    troubles: list[str]
    left_out: set[str]
    #: So long a fault lasts, s: at least, at most.
    least_s: float
    most_s: float

    def lasts_s(self) -> float:
        return self.chance.uniform(self.least_s, self.most_s)

    def any_gateway(self) -> str:
        return self.chance.choice(sorted(self.hall.gateway_wires))


Fault = Callable[[Scene], Awaitable[float]]


async def kill_some(scene: Scene) -> float:
    """Kill -9 of two or three components at once; each comes back by itself."""
    members = sorted(scene.hall.members.values(), key=lambda member: member.name)
    kinds = sorted({member.kind for member in members})
    began_s = time.monotonic()
    for kind in scene.chance.sample(kinds, scene.chance.choice((2, 2, 3))):
        scene.chance.choice([member for member in members if member.kind == kind]).kill()
    return began_s


def kill_one(kind: str) -> Fault:
    """Kill -9 of one component of a kind."""

    async def kill(scene: Scene) -> float:
        began_s = time.monotonic()
        scene.chance.choice(sorted(scene.hall.of_kind(kind), key=lambda member: member.name)).kill()
        return began_s

    return kill


def restart_in_order(*kinds: str) -> Fault:
    """Kill all of `kinds` at once, and start them again in this order."""

    async def restart(scene: Scene) -> float:
        groups: list[list[Member]] = [scene.hall.of_kind(kind) for kind in kinds]
        for group in groups:
            for member in group:
                member.kill(hold=True)
        began_s = time.monotonic()
        await asyncio.sleep(scene.chance.uniform(0.5, 2.0))  # edges go on meanwhile
        releases = []
        for group in groups:
            release = asyncio.gather(*(member.release() for member in group))
            releases.append(release)
            # ingest is ready only when a broker is: so it is given a head start and no more
            await asyncio.wait({release}, timeout=HEAD_START_S)
        await asyncio.gather(*releases)
        return began_s

    return restart


def wire_is(mood: Mood, which: str) -> Fault:
    """A bad connection for a while: of one `gateway` to the broker, of `ingest` to it, or of ingest to `influxd`."""

    async def spoil(scene: Scene) -> float:
        hall = scene.hall
        wires: dict[str, Wire | None] = {
            "gateway": hall.gateway_wires[scene.any_gateway()], "ingest": hall.ingest_wire, "influxd": hall.influx_wire,
        }  # fmt: skip
        wire = wires[which]
        if wire is not None:
            wire.be(mood)
            try:
                await asyncio.sleep(scene.lasts_s())
            finally:
                wire.be("open")
        return time.monotonic()

    return spoil


def disk_full(which: str, victim: str | None = None) -> Fault:
    """No byte free where `broker`, `data` (site.db) or `gateways` (outboxes) write; the victim dies meanwhile."""

    async def fill(scene: Scene) -> float:
        disk = scene.hall.disks[which]
        if not disk.is_own:
            scene.left_out.add(f"disk of {which} not filled: a file system of its own needs root")
            return time.monotonic()
        disk.fill()
        try:
            await asyncio.sleep(scene.lasts_s())
            if victim is not None:
                scene.chance.choice(scene.hall.of_kind(victim)).kill()
                await asyncio.sleep(scene.lasts_s())
        finally:
            disk.free()
        return time.monotonic()

    return fill


async def store_read_only(scene: Scene) -> float:
    """`site.db` cannot be written when ingest starts; later it can."""
    hall, disk = scene.hall, scene.hall.disks["data"]
    ingest, pages = hall.members["ingest"], hall.members["dashboard"]
    for member in (ingest, pages):
        member.kill(hold=True)
    await asyncio.gather(_gone(ingest), _gone(pages))
    if not disk.is_own or not disk.set_read_only(True):
        scene.left_out.add("site.db not made read-only: a file system of its own needs root")
        await asyncio.gather(ingest.release(), pages.release())
        return time.monotonic()
    try:
        released = [asyncio.ensure_future(member.release()) for member in (ingest, pages)]
        await asyncio.sleep(scene.lasts_s() + 3)
    finally:
        while not disk.set_read_only(False):
            await asyncio.sleep(0.1)
    began_s = time.monotonic()
    await asyncio.gather(*released)
    return began_s


async def store_damaged(scene: Scene) -> float:
    """Bytes of `site.db` are overwritten while ingest is down: it must be moved aside, and the site goes on."""
    hall = scene.hall
    database = hall.view.database
    ingest, pages = hall.members["ingest"], hall.members["dashboard"]
    for member in (ingest, pages):  # nobody may hold the log, or the damage would lie under it unseen
        member.kill(hold=True)
    await asyncio.gather(_gone(ingest), _gone(pages))
    known = set(await asyncio.to_thread(_put_log_into, hall.view.database))
    with database.open("r+b") as file:
        header = file.read(HEADER_BYTES)
        file.seek(0)
        file.write(b"\xde\xad" * (HEADER_BYTES // 2))
    before = set(_damaged(database))
    began_s = time.monotonic()
    await asyncio.gather(ingest.release(), pages.release())
    while not (new := [path for path in _damaged(database) if path not in before]):
        await asyncio.sleep(0.1)
    work = hall.settings.folder / "aside"
    found = await asyncio.to_thread(ids_in_file_aside, new[0], header, work)
    if not known <= found:
        scene.troubles.append(f"{len(known - found)} edges are missing in {new[0].name}")
    scene.aside_ids |= found
    return began_s


def _damaged(database: Path) -> list[Path]:
    """Return the stores that were moved aside, without their logs."""
    return [
        path for path in database.parent.glob("site.db.damaged-*") if not path.name.endswith(("-wal", "-shm"))
    ]


async def _gone(member: Member) -> None:
    while member.pid is not None:
        await asyncio.sleep(0.02)


def _put_log_into(database: Path) -> list[str]:
    """Bring the write-ahead log into the file, and return the ids of the link edges in it."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        rows = connection.execute("SELECT id FROM event WHERE kind = 'link' AND seq IS NOT NULL").fetchall()
    return [id_ for (id_,) in rows]


def clock_steps(by_s: float) -> Fault:
    """The wall clock of one gateway is an hour wrong for a while, and is then set right."""

    async def step(scene: Scene) -> float:
        hall = scene.hall
        if not hall.clocks:
            scene.left_out.add("no clock was set: there is no C compiler")
            return time.monotonic()
        gateway = scene.any_gateway()
        scene.screens.doubted.add(gateway)
        hall.clocks[gateway].set(by_s)
        try:
            await asyncio.sleep(scene.lasts_s())
        finally:
            hall.clocks[gateway].set(0.0)
        return time.monotonic()

    return step
