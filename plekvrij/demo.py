"""`plekvrij demo`: a whole town hall on a laptop, and at the end how well it was seen."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plekvrij import clocks, wiring
from plekvrij.agreement import print_agreement
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from workplace.errors import SettingInvalid

#: People are most alike to the published figures on a Tuesday (Colliers 2024, Menzis 2022).
TUESDAY = 1
#: Real seconds that the processes take to start on two cores; the site's clock shows `--start` about then.
START_UP_S = 8.0
#: Real seconds for the last events to reach the store once the building stands still.
DRAIN_S = 3.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Options of `plekvrij demo`; units as in `plekvrij.options`."""

    site: wiring.Site
    data: Path | None
    broker: str | None
    influx: str | None
    ha_prefix: str | None
    host: str
    port: int
    speed: float
    seed: int
    start: str
    for_s: float | None
    channels: Path | None = None
    screens_need_links: bool = False
    theme: str | None = None
    metrics: str | None = None


def tell(text: str) -> None:
    """Progress goes to stderr; results go to stdout."""
    print(text, file=sys.stderr, flush=True)


async def run_demo(settings: DemoSettings) -> None:
    """Run the demo until its time is over or it is cancelled; then print the agreement with the truth."""
    site = settings.site
    start_at = demo_start(settings.start, datetime.now(UTC), site)
    with folder_of(settings.data) as folder:
        site = own_copy(site, folder)
        tell(f"starting {site.plan.name.nl}: {len(site.plan.floors)} floors, {len(site.plan.place)} places")
        clock = clocks.scaled_clock(start_at - timedelta(seconds=START_UP_S * settings.speed), settings.speed)
        process_settings = SiteProcessSettings(
            site=site,
            folder=folder,
            clock=clock,
            host=settings.host,
            port=settings.port,
            seed=settings.seed,
            broker=settings.broker,
            influx=settings.influx,
            ha_prefix=settings.ha_prefix,
            channels=settings.channels,
            screens_need_links=settings.screens_need_links,
            theme=settings.theme,
            metrics=settings.metrics,
        )
        processes = SiteProcesses(process_settings, tell)
        try:
            async with processes:
                print_addresses(process_settings)
                await run_for(settings.for_s, clock, site)
                await processes.children["building"].stop()
                await asyncio.sleep(DRAIN_S)
        finally:
            print_agreement(site.plan, folder / "truth.ndjson", processes.database)


def own_copy(site: wiring.Site, folder: Path) -> wiring.Site:
    """Return the site with a plan file of its own when it runs on the shipped one, because pages change the file."""
    if site.plan_file != wiring.DEMO_PLAN:
        return site
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    copy = folder / site.plan_file.name
    if not copy.exists():
        copy.write_bytes(site.plan_file.read_bytes())
    return wiring.read_site(copy, site.policy_file)


def demo_start(text: str, today: datetime, site: wiring.Site) -> datetime:
    """Return HH:MM on the Tuesday of this week, site time zone.

    Raises:
        SettingInvalid: not HH:MM.
    """
    try:
        at = datetime.strptime(text, "%H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise SettingInvalid(f"--start is {text!r}; write a time such as 10:00") from None
    local = today.astimezone(site.plan.tz)
    day = local + timedelta(days=TUESDAY - local.weekday())
    return day.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)


@contextlib.contextmanager
def folder_of(data: Path | None) -> Iterator[Path]:
    """Yield the folder that the user named, or a temporary one that goes away with the demo."""
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="plekvrij-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def print_addresses(settings: SiteProcessSettings) -> None:
    """Print where to look."""
    site, base = settings.site, f"http://{settings.host}:{settings.port}"
    busiest = max(site.plan.floors, key=lambda floor: sum(len(zone.places) for zone in floor.zones))
    places = [place for zone in busiest.zones for place in zone.places]
    desk = next((place for place in places if place.light is not None), places[0])
    if settings.walls_need_links:
        print(
            f"Wall screen   plekvrij screens add NAME --floor {busiest.id} --data {settings.folder} --url {base}"
        )
    else:
        print(f"Wall screen   {base}/wall/{busiest.id}")
    print(f"Staff page    {base}/staff/")
    print(f"Works council {base}/council")
    print(f"Desk page     {base}/desk/{desk.id}")
    print(f"Health        {base}/api/v1/health", flush=True)


async def run_for(for_s: float | None, clock: clocks.SiteClock, site: wiring.Site) -> None:
    """Wait `for_s` real seconds, or for ever; tell the site's time now and then."""
    tell(
        f"site time {clock.now().astimezone(site.plan.tz):%A %H:%M}, {clock.speed:g} times as fast as the wall"
    )
    try:
        async with asyncio.timeout(for_s):
            while True:
                await asyncio.sleep(30)
                tell(f"site time {clock.now().astimezone(site.plan.tz):%A %H:%M}")
    except TimeoutError:
        return
