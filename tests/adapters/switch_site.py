"""A gateway's switch sources with a real intake behind them, and an outbox that only remembers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from firmware_bridge.formats.snmp_link import decode_trap, link_of_varbinds, response_to_inform
from firmware_bridge.formats.syslog_link import SyslogLinkDecoder
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.settings import from_mapping
from gateway.sources.snmp_traps import SnmpTrapSource
from gateway.sources.switch import SwitchSource
from gateway.sources.switches import build_switches
from gateway.sources.syslog_receiver import SyslogSource
from workplace.events import SensorEvent
from workplace.ports import TrapCodec

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
#: Polls and pauses of a busy test machine.
PATIENCE_S = 30.0


@dataclass(slots=True)
class SiteClock:
    """Site time at `speed` times the wall's."""

    speed: float = 1.0
    start_s: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return NINE + timedelta(milliseconds=self.boot_ms())

    def boot_ms(self) -> float:
        return (time.monotonic() - self.start_s) * 1000 * self.speed

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


class ListOutbox:
    """Keeps what was stored, oldest first."""

    def __init__(self) -> None:
        self.events: list[SensorEvent] = []

    async def put(self, events: Sequence[SensorEvent]) -> None:
        self.events += events


@dataclass(slots=True)
class SwitchSite:
    """What a test looks at."""

    clock: SiteClock
    intake: Intake
    events: list[SensorEvent]
    switches: dict[str, SwitchSource]
    traps: SnmpTrapSource | None
    syslog: SyslogSource | None

    def links(self, port: str | None = None) -> list[tuple[str | None, object]]:
        """Return channel and value of every link event, or of one port's."""
        return [
            (event.channel, event.value)
            for event in self.events
            if event.kind == "link" and port in (None, event.channel)
        ]

    def availability(self, channel: str | None = None) -> list[tuple[object, str | None]]:
        return [
            (event.value, event.reason)
            for event in self.events
            if event.kind == "availability" and event.channel == channel
        ]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            counters = {
                s.name: s.all_counters() for s in (*self.switches.values(), self.traps, self.syslog) if s
            }
            raise AssertionError(f"{what} did not come true; {counters}; {self.events[-8:]}") from error


@contextlib.asynccontextmanager
async def switch_site(
    tmp_path: Path,
    switches: Sequence[dict[str, Any]],
    credentials: dict[str, dict[str, str]],
    *,
    speed: float = 1.0,
    clock: SiteClock | None = None,
) -> AsyncIterator[SwitchSite]:
    """Run the sources of these switches; receivers take free ports."""
    file = tmp_path / "switches.json"
    file.write_text(json.dumps(credentials), "utf-8")
    clock = clock or SiteClock(speed)
    settings = from_mapping(
        {
            "site": "klein", "gateway": "gw-1", "floor": "f1", "outbox": "unused",
            "switch": switches, "switch_credentials": str(file),
            "snmp_traps": {"port": 0}, "syslog": {"port": 0},
        }
    )  # fmt: skip
    outbox = ListOutbox()
    intake = Intake(Origin("klein", "gw-1"), clock, cast("Outbox", outbox))
    async with contextlib.AsyncExitStack() as stack:
        sources = await build_switches(
            settings,
            trap_codec=TrapCodec(decode_trap, response_to_inform, link_of_varbinds),
            syslog_decoder=SyslogLinkDecoder,
            intake=intake,
            clock=clock,
            stack=stack,
        )
        site = SwitchSite(
            clock,
            intake,
            outbox.events,
            {source.name.partition(":")[2]: source for source in sources if isinstance(source, SwitchSource)},
            next((source for source in sources if isinstance(source, SnmpTrapSource)), None),
            next((source for source in sources if isinstance(source, SyslogSource)), None),
        )
        tasks = [asyncio.create_task(source.run(), name=source.name) for source in sources]
        try:
            for receiver in filter(None, (site.traps, site.syslog)):
                await site.until(lambda receiver=receiver: receiver.health().status == "ok", receiver.name)  # type: ignore[misc]
            yield site
        finally:
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
