"""The running sources of a gateway: started together, replaced one by one when their settings change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec

from gateway.intake import Intake
from gateway.settings import GatewaySettings
from gateway.sources.source import Source
from gateway.supervisor import Supervisor
from workplace.errors import WorkplaceError

Build = Callable[[GatewaySettings, AsyncExitStack], Awaitable[list[Source]]]


@dataclass(slots=True)
class _Unit:
    """Sources that are built, run and stopped together."""

    task: asyncio.Task[None]
    sources: list[Source]


class SourceSet:
    """Owns the tasks of all sources.

    Args:
        build: settings -> their sources, not yet running; what they share is closed with the stack.
        apart: every entry of the settings is a unit of its own and may be replaced; else all are one.

    Attributes:
        sources: what runs now; the same list for ever, so whoever holds it sees changes.
    """

    def __init__(self, build: Build, supervisor: Supervisor, intake: Intake, *, apart: bool) -> None:
        self.sources: list[Source] = []
        self._build = build
        self._supervisor = supervisor
        self._intake = intake
        self._apart = apart
        self._units: dict[str, _Unit] = {}

    async def apply(self, settings: GatewaySettings, tasks: asyncio.TaskGroup) -> None:
        """Run the sources of `settings`: those whose settings are the same go on undisturbed.

        Raises:
            WorkplaceError: one cannot be built; what was started so far runs.
        """
        wanted = units(settings, apart=self._apart)
        gone = [key for key in self._units if key not in wanted]
        stopped = [source.name for key in gone for source in await self._stop(key)]
        for key, part in wanted.items():
            if key not in self._units:
                await self._start(key, part, tasks)
        still_there = {source.name for source in self.sources}
        for name in stopped:
            if name not in still_there:
                await self._intake.lose_source(name, "link_lost")

    async def _start(self, key: str, part: GatewaySettings, tasks: asyncio.TaskGroup) -> None:
        started: asyncio.Future[list[Source]] = asyncio.get_running_loop().create_future()
        task = tasks.create_task(self._live(part, started), name=f"sources {key}")
        found = await started
        self._units[key] = _Unit(task, found)
        self.sources += found

    async def _stop(self, key: str) -> list[Source]:
        unit = self._units.pop(key)
        for source in unit.sources:
            self.sources.remove(source)
        unit.task.cancel()
        await asyncio.wait({unit.task})
        return unit.sources

    async def _live(self, part: GatewaySettings, started: asyncio.Future[list[Source]]) -> None:
        async with AsyncExitStack() as stack:
            try:
                sources = await self._build(part, stack)
            except WorkplaceError as error:  # whoever waits for the start knows what to do about it
                started.set_exception(error)
                return
            async with asyncio.TaskGroup() as tasks:
                for source in sources:
                    self._supervisor.start_source(tasks, source.name, source.run)
                started.set_result(sources)


def units(settings: GatewaySettings, *, apart: bool) -> dict[str, GatewaySettings]:
    """Return key -> settings with the sources of one unit only; equal sources have equal keys.

    Serial ports and MQTT bridges stand alone; switches share their receivers, so they are one unit.
    """
    if not apart:
        return {"all": settings}
    bare = msgspec.structs.replace(settings, serial=(), mqtt=(), switch=(), laptop_dock=None, ble=None)
    parts: list[tuple[str, object, dict[str, object]]] = []
    parts += [("serial", port, {"serial": (port,)}) for port in settings.serial]
    parts += [("mqtt", bridge, {"mqtt": (bridge,)}) for bridge in settings.mqtt]
    if settings.switch:
        receivers = (settings.snmp_traps, settings.syslog, settings.switch_credentials)
        parts.append(("switch", (settings.switch, receivers), {"switch": settings.switch}))
    if settings.laptop_dock is not None:
        parts.append(("laptop_dock", settings.laptop_dock, {"laptop_dock": settings.laptop_dock}))
    if settings.ble is not None:
        parts.append(("ble", settings.ble, {"ble": settings.ble}))
    return {
        f"{name}:{msgspec.json.encode(entry).decode()}": msgspec.structs.replace(bare, **sources)
        for name, entry, sources in parts
    }
