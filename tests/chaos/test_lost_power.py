"""Power that goes at any moment: what was promised is there, once, and the books are equal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from plekvrij.cli import main
from tests.chaos.lost_power import Disk, Fate, NoCompiler, Op, build_recorder, read_log, recorded
from tests.chaos.power_worker import BEGAN, NODE, STEP_S, StepClock, Way, book_in, event, outbox_in
from tests.conftest import ROOT, SMALL_PLAN

IS_LONG = bool(os.environ.get("PLEKVRIJ_LONG"))
STEPS, IMAGES = (1500, 2000) if IS_LONG else (150, 30)
SEED = int(os.environ.get("PLEKVRIJ_SEED", "1"))
#: Every so many images the product's own account is asked as well.
ACCOUNT_EVERY = 20
#: Fates of what the gateway and the site did not flush: the power of one goes, or that of both.
FATES: tuple[tuple[Fate, Fate], ...] = (
    ("lost", "kept"), ("torn", "kept"), ("kept", "lost"), ("kept", "torn"), ("lost", "lost"), ("torn", "torn"),
    ("torn", "torn"),
)  # fmt: skip
#: When power is back, all steps and their account are over.
LATER = BEGAN + timedelta(seconds=STEPS * STEP_S, hours=1)
DAYS = str(BEGAN.date()), str((LATER + timedelta(days=1)).date())


@dataclass
class Promises:
    """What was promised until a moment: ids of events."""

    node: set[str] = field(default_factory=set)
    site: set[str] = field(default_factory=set)
    _begun: bytes = b""

    def read(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            who, *ids = line.decode().split()
            (self.node if who == "node" else self.site).update(ids)


@pytest.fixture(scope="module")
def trace() -> Iterator[tuple[Path, list[Op]]]:
    """One run of the worker, written down; in memory, for what a flush is worth is played here."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        folder = Path(made)
        try:
            library = build_recorder(folder)
        except NoCompiler as error:
            pytest.skip(f"what a process writes cannot be recorded: {error}")
        root = folder / "root"
        root.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **recorded(library, root, folder / "log")}
        command = [sys.executable, "-m", "tests.chaos.power_worker", str(root), str(STEPS), str(SEED)]
        subprocess.run(command, env=environment, check=True, timeout=600)
        yield root, list(read_log(folder / "log"))


def moments(root: Path, ops: list[Op]) -> Iterator[tuple[Disk, Promises]]:
    """Yield the disk at moments by chance, with what was promised until then."""
    chance = random.Random(SEED)
    wanted = Counter(chance.randrange(len(ops)) for _ in range(IMAGES))
    disk, promises = Disk(root), Promises()
    for number, op in enumerate(ops):
        if op.path == str(root / "promises"):
            promises.read(op.data)
        else:
            disk.play(op)
        for _ in range(wanted[number]):
            yield disk, promises


@pytest.mark.timeout(3600 if IS_LONG else 300)
def test_no_power_cut_takes_or_doubles_what_was_promised(
    trace: tuple[Path, list[Op]], memory_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, ops = trace
    assert sum(op.op == "S" for op in ops) > STEPS, "the recorder saw no flushes"
    chance = random.Random(SEED)
    plan = memory_path / "plan.yaml"
    plan.write_text(SMALL_PLAN, "utf-8")
    seen = 0
    for number, (disk, promises) in enumerate(moments(root, ops)):
        gateway_fate, site_fate = FATES[number % len(FATES)]
        image = memory_path / f"image-{number}"
        disk.leave(image / "gateway", "gateway", gateway_fate, chance)
        disk.leave(image / "site", "site", site_fate, chance)
        where = f"image {number}: gateway {gateway_fate}, site {site_fate}"
        asyncio.run(go_on(image, promises, where))
        if number % ACCOUNT_EVERY == 0:
            code = main(["account", *DAYS, "--data", str(image / "site"), "--plan", str(plan)])
            assert code == 0, f"{where}: {capsys.readouterr()}"
        shutil.rmtree(image)
        seen += 1
    assert seen == IMAGES


async def go_on(image: Path, promises: Promises, where: str) -> None:
    """Start on what the power cut left, let nodes send again what they were not promised, and look for everything."""
    clock = StepClock(LATER)
    async with outbox_in(image / "gateway", clock) as outbox:
        assert outbox.moved_aside is None, f"{where}: the outbox is damaged"
        book = book_in(image / "site", clock)
        with contextlib.closing(book):
            book.open()
            assert not book.report("live").alarm, f"{where}: site.db is damaged"
            stored = ids_of(image)
            waiting = {row.body for row in await outbox.take(100_000)}
            kept = {id_ for id_ in promises.node if any(id_.encode() in body for body in waiting)}
            assert not promises.site - set(stored), f"{where}: acknowledged to the broker and gone"
            assert not promises.node - set(stored) - kept, f"{where}: acknowledged to a node and gone"
            made = len(promises.node) + 8  # what was under way to the gateway, and more
            await outbox.put(
                [event(number) for number in range(made) if event(number).id not in promises.node]
            )
            way = Way(outbox, book, clock)
            await way.report()
            clock.at += timedelta(minutes=10)
            while await way.carry():
                pass
            await way.let_go()
            clock.at += timedelta(minutes=10)
            await way.report()
            assert (await outbox.stats()).rows == 0, f"{where}: the outbox keeps what the site has"
            assert book.report("live").lines_missing == 0, f"{where}: lines are missing"
            assert ids_of(image) == Counter(event(number).id for number in range(made)), where


def ids_of(image: Path) -> Counter[str]:
    with contextlib.closing(
        sqlite3.connect(f"file:{image / 'site' / 'site.db'}?mode=ro", uri=True)
    ) as database:
        rows = database.execute("SELECT id FROM event WHERE device = ?", (NODE,)).fetchall()
    return Counter(id_ for (id_,) in rows)


def test_a_disk_keeps_what_was_flushed_and_any_part_of_the_rest(tmp_path: Path) -> None:
    """The tool itself: without it a promise that was kept by luck would count as kept."""
    file, chance = f"{tmp_path}/root/part/a", random.Random(1)
    disk = Disk(tmp_path / "root")
    for op in (Op("W", file, 0, b"x" * 1024), Op("S", file, 0, b""), Op("W", file, 512, b"y" * 1024)):
        disk.play(op)
    disk.leave(tmp_path / "unnamed", "part", "lost", chance)
    assert not (tmp_path / "unnamed" / "a").exists(), "its folder was never flushed"
    disk.play(Op("S", f"{tmp_path}/root/part", 0, b""))
    left = set()
    for number in range(50):
        disk.leave(tmp_path / str(number), "part", "torn", chance)
        left.add((tmp_path / str(number) / "a").read_bytes())
    disk.leave(tmp_path / "lost", "part", "lost", chance)
    assert (tmp_path / "lost" / "a").read_bytes() == b"x" * 1024
    assert b"x" * 512 + b"y" * 1024 in left
    assert b"x" * 1024 in left
    assert b"x" * 1024 + b"y" * 512 in left, "a torn write"
    assert all(content.startswith(b"x" * 512) for content in left), "what was flushed stays"
