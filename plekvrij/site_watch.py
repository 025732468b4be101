"""A site's plan and policy are files that people change: who runs on them starts again with the new ones.

A file with mistakes changes nothing: the old plan and policy stay in force, and the log says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from plekvrij import wiring
from plekvrij.wiring import Site
from workplace.errors import DocumentInvalid, SettingInvalid

log = structlog.get_logger(__name__)

#: Real seconds between two looks at the files. Lower costs nothing much, higher lets the installer wait.
LOOK_S = 1.0
_Stamp = tuple[int, int, int] | None


async def run_with_newest(site: Site, run: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    """Run `run(site)`, and again from its start whenever the files say something else that is sound.

    Raises:
        WorkplaceError: what `run` raises.
    """
    while True:
        work = asyncio.create_task(run(site), name=f"site {site.plan.site}")
        watch = asyncio.create_task(changed(site), name="site files")
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await work
        finally:
            await _end(watch)
            await _end(work)
        new = watch.result()
        log.info("site_files_changed", plan=str(new.plan_file), policy_hash=new.policy.hash[:12])
        site = new


async def changed(site: Site, look_s: float = LOOK_S) -> Site:
    """Return the site that its files describe, once they are sound and not the same as before."""
    files = [file for file in (site.plan_file, site.policy_file) if file is not None]
    last: list[_Stamp] = []
    read: list[_Stamp] = []  # the first look reads too: the files may have changed since the site was read
    while True:
        await asyncio.sleep(look_s)
        before, last = last, [_stamp(file) for file in files]
        if last == read or last != before:  # known, or somebody is writing
            continue
        read = last
        try:
            new = await asyncio.to_thread(wiring.read_site, site.plan_file, site.policy_file)
        except (DocumentInvalid, SettingInvalid) as error:
            log.error("site_files_refused", why=str(error), advice="mend the file; the old rules stay")
            continue
        if (new.plan, new.policy) != (site.plan, site.policy):
            return new


def _stamp(file: Path) -> _Stamp:
    """Return what changes with every way of writing a file; None while it is away."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


async def _end(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
