"""`plekvrij serve`: one site on one machine; gateways run elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

from plekvrij import clocks
from plekvrij.demo import print_addresses, tell
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from plekvrij.wiring import Site


async def run_serve(
    site: Site,
    *,
    data: Path,
    broker: str | None,
    credential: Path | None,
    influx: str | None,
    ha_prefix: str | None,
    staff_password: Path | None,
    council_password: Path | None,
    channels: Path | None,
    host: str,
    port: int,
    metrics: str | None = None,
    screens_need_links: bool = False,
    theme: str | None = None,
    allowed_hosts: str | None = None,
    directory: Path | None = None,
) -> None:
    """Run broker (unless one is given), ingest and pages until cancelled; print the addresses."""
    settings = SiteProcessSettings(
        site=site, folder=data, clock=clocks.wall_clock(), host=host, port=port, broker=broker,
        credential=credential, influx=influx, building=False, gateways=False, ha_prefix=ha_prefix,
        staff_password=staff_password, council_password=council_password, channels=channels, metrics=metrics,
        screens_need_links=screens_need_links, theme=theme, allowed_hosts=allowed_hosts,
        directory=directory,
    )  # fmt: skip
    async with SiteProcesses(settings, tell) as processes:
        print_addresses(settings)
        tell(f"gateways connect to {processes.broker_url}")
        await asyncio.Event().wait()
