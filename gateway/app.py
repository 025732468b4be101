"""One gateway: sources on one side, the site's broker on the other, an outbox in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from gateway.command_desk import CommandDesk
from gateway.device_registry import DeviceRegistry
from gateway.device_table import DeviceTable
from gateway.health import HealthReporter
from gateway.intake import Intake
from gateway.loss_watch import LossWatch
from gateway.normalise import Origin
from gateway.notify import Notifier, keep_notified
from gateway.outbox import Outbox
from gateway.outbox_schema import Bounds
from gateway.presence import Presence, last_will
from gateway.publisher import Publisher
from gateway.remote_config import RemoteConfig
from gateway.settings import GatewaySettings
from gateway.silence_watch import watch_silence
from gateway.source_set import SourceSet
from gateway.sources.source import Source
from gateway.sources.table import Tools, build_sources
from gateway.supervisor import Supervisor
from gateway.wall_clock import WallClock
from workplace.config_seal import key_of
from workplace.errors import SettingInvalid
from workplace.events import GatewayHealth
from workplace.ports import Clock, ConnectSqlite, MessageLink, OpenLink
from workplace.topics import Topics


async def run_gateway(
    settings: GatewaySettings,
    *,
    clock: Clock,
    open_link: OpenLink,
    connect: ConnectSqlite,
    tools: Tools,
    ready: Callable[[], None] | None = None,
    notifier: Notifier | None = None,
    boot: str = "",
    told: Callable[[GatewayHealth], None] | None = None,
) -> None:
    """Run until cancelled, whatever happens to ports, brokers and disk.

    Args:
        open_link: to the site's broker.
        boot: id of this boot where `clock` is the machine's; empty where it is a demo's, which is never set.
        notifier: tells the service manager how we are.
        told: also hears each look at our health, with a broker or without.
        ready: called once the outbox is open and all sources are started; the broker may still be away.

    Raises:
        StoreUnavailable: the outbox cannot be opened at all.
        SettingInvalid: the key for settings from afar cannot be used.
    """
    origin = Origin(settings.site, settings.gateway)
    remote = _remote_config(settings)
    running = settings if remote is None else await remote.load()
    wall = WallClock(clock, boot=boot, wait_s=settings.clock_wait_s)
    async with AsyncExitStack() as stack:
        outbox = await stack.enter_async_context(
            Outbox(
                Path(settings.outbox),
                connect=connect,
                now=clock.now,
                gateway=(settings.site, settings.gateway),
                bounds=Bounds(settings.outbox_rows, settings.outbox_mib * 1024 * 1024),
                wall=wall.state,
            )
        )
        link = await stack.enter_async_context(
            open_link(f"gateway-{settings.gateway}", will=last_will(origin))
        )
        intake = Intake(origin, clock, outbox, DeviceTable(running.beat_s))
        registry = DeviceRegistry(
            _beside(settings, ".devices", Path(settings.outbox).suffix),
            intake.devices,
            connect=connect,
            clock=clock,
        )
        await registry.load()
        supervisor = Supervisor()
        build = partial(_build, tools, intake, clock)
        sources = SourceSet(build, supervisor, intake, apart=remote is not None)
        presence = Presence(origin, clock, wall, link)
        losses = LossWatch(
            origin,
            clock,
            outbox,
            is_clock_trusted=lambda: wall.state().is_trusted,
            flagged=lambda: wall.counters["times_flagged"],
        )
        await losses.begin()
        gateway = _Gateway(
            running,
            clock,
            Topics(settings.site),
            link,
            presence,
            outbox,
            intake,
            sources,
            registry,
            supervisor,
            remote,
            notifier or Notifier(None),
            wall,
            losses,
            told,
        )
        try:
            await gateway.run(ready)
        finally:
            gateway.notifier.send("STOPPING=1")
            await losses.end()
            await presence.say_goodbye()


async def _build(
    tools: Tools, intake: Intake, clock: Clock, settings: GatewaySettings, stack: AsyncExitStack
) -> list[Source]:
    return await build_sources(settings, tools, intake, clock, stack)


def _beside(settings: GatewaySettings, what: str, suffix: str) -> Path:
    """Return a file of this gateway beside its outbox."""
    outbox = Path(settings.outbox)
    return outbox.with_name(f"{outbox.stem}{what}{suffix}")


def _remote_config(settings: GatewaySettings) -> RemoteConfig | None:
    """Return what takes settings from afar; None when there is no key for them.

    Raises:
        SettingInvalid: the key file cannot be read, or the key is too short.
    """
    if settings.config_key is None:
        return None
    try:
        key = key_of(Path(settings.config_key).read_bytes())
    except OSError as error:
        raise SettingInvalid(f"cannot read the key in {settings.config_key}: {error}") from error
    return RemoteConfig(settings, key, _beside(settings, ".config", ".json"))


@dataclass(slots=True)
class _Gateway:
    settings: GatewaySettings
    clock: Clock
    topics: Topics
    link: MessageLink
    presence: Presence
    outbox: Outbox
    intake: Intake
    sources: SourceSet
    registry: DeviceRegistry
    supervisor: Supervisor
    remote: RemoteConfig | None
    notifier: Notifier
    wall: WallClock
    losses: LossWatch
    told: Callable[[GatewayHealth], None] | None

    async def run(self, ready: Callable[[], None] | None) -> None:
        supervisor, sources = self.supervisor, self.sources.sources
        publisher = Publisher(
            self.outbox,
            self.link,
            self.topics,
            floor=self.settings.floor,
            gateway=self.settings.gateway,
            tick=partial(supervisor.pulse.tick, "publisher"),
            settle=self.wall.settle,
        )
        desk = CommandDesk(self.intake.origin, self.clock, sources, self.intake.commands)
        health = self._health_reporter(publisher, desk)
        presence = self.presence

        def on_connection(is_connected: bool) -> None:
            publisher.connection_changed(is_connected)
            if is_connected:
                presence.due.set()

        self.link.on_connection(on_connection)
        on_connection(self.link.is_connected)
        async with asyncio.TaskGroup() as tasks:
            await self.sources.apply(self.settings, tasks)
            supervisor.start_critical(tasks, "publisher", publisher.run)
            supervisor.start(tasks, "receipts", publisher.let_go)
            supervisor.start(tasks, "canary", self.losses.run)
            tick = partial(supervisor.pulse.tick, "intake")
            supervisor.start_critical(tasks, "intake", lambda: self.intake.watch_disk(tick))
            supervisor.start(tasks, "clock", lambda: self.wall.run(self._after_clock_step))
            supervisor.start(tasks, "silence", lambda: watch_silence(self.intake, sources))
            supervisor.start(tasks, "registry", self.registry.run)
            supervisor.start(tasks, "command topic", lambda: self._read_commands(desk))
            supervisor.start(tasks, "commands", desk.run)
            # before the greeting, which ingest answers with its health
            supervisor.start(
                tasks, "ingest watch", lambda: presence.watch_ingest(publisher, self.settings.floor)
            )
            then = partial(self._after_greeting, health)
            supervisor.start(tasks, "greeting", lambda: presence.greet(self.remote, then))
            supervisor.start(tasks, "health", health.run)
            self._start_remote_config(tasks, health)
            status = partial(self._status, publisher)
            self.notifier.send("READY=1", f"STATUS={status()}")
            supervisor.start(tasks, "notify", lambda: keep_notified(self.notifier, supervisor.pulse, status))
            if ready is not None:
                ready()

    def _status(self, publisher: Publisher) -> str:
        """Return the line that `systemctl status` shows."""
        sources = [source.health().status for source in self.sources.sources]
        broker = "connected" if self.link.is_connected else "not connected"
        return (
            f"broker {broker}, {publisher.counters['published']} published, "
            f"{sources.count('ok')} of {len(sources)} sources ok"
        )

    def _health_reporter(self, publisher: Publisher, desk: CommandDesk) -> HealthReporter:
        return HealthReporter(
            self.intake,
            self.outbox,
            self.link,
            self.topics,
            sources=self.sources.sources,
            counters=lambda: {
                **(publisher.counters + self.supervisor.counters),
                **self.registry.counters,
                **self.wall.counters,
                **self.presence.counters,
                **self.losses.counters,
                **desk.all_counters(),
                **({} if self.remote is None else self.remote.counters),
                "waiting_for_ingest": int(publisher.is_waiting_for_ingest),
            },
            config=None if self.remote is None else self.remote.health,
            interval_s=self.settings.health_interval_s,
            told=self.told,
        )

    def _start_remote_config(self, tasks: asyncio.TaskGroup, health: HealthReporter) -> None:
        remote = self.remote
        if remote is None:
            return

        async def apply(settings: GatewaySettings) -> None:
            health.interval_s = settings.health_interval_s
            self.intake.devices.expect(settings.beat_s)
            await self.sources.apply(settings, tasks)

        async def listen() -> None:
            await self.link.subscribe(self.topics.gateway_config(self.settings.gateway), remote.take)
            await asyncio.Event().wait()  # the link subscribes again by itself

        self.supervisor.start(tasks, "config", lambda: remote.run(apply, self.presence.due.set))
        self.supervisor.start(tasks, "config topic", listen)

    async def _after_greeting(self, health: HealthReporter) -> None:
        """Say how we are, and what holds now."""
        await health.report()
        await self.intake.repeat_levels()
        for source in self.sources.sources:
            source.refresh()

    async def _after_clock_step(self, by: timedelta) -> None:
        """Say again what holds, with right times."""
        await self.intake.clock_stepped(by)
        for source in self.sources.sources:
            source.refresh()

    async def _read_commands(self, desk: CommandDesk) -> None:
        await self.link.subscribe(self.topics.commands(self.settings.gateway), desk.take)
        await asyncio.Event().wait()  # the link subscribes again by itself
