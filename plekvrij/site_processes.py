"""The processes of one site on one machine, as a demo, a replay and the tests start them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dashboard.accounts.directory import read_directory
from dashboard.themes import read_theme
from plekvrij import demo_radios, wiring
from plekvrij.broker_watch import ask_broker, keep_broker
from plekvrij.clocks import SiteClock
from plekvrij.credentials import Credential, read_credential, write_private
from plekvrij.demo_switches import DemoSwitch, gateway_tables, switches_of, write_switches
from plekvrij.embedded_broker import EmbeddedBroker
from plekvrij.exposition import parse_address
from plekvrij.hosts import is_loopback, names_of
from plekvrij.notifier_process import read_channels, read_secrets
from plekvrij.preflight import check_broker
from plekvrij.process_tree import Child
from simulators.ble_air import BleAir
from workplace.device_ids import PREFIXES
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan, Gateway
from workplace.ports import OpenLink
from workplace.sensor_kits import KITS
from workplace.topics import VERSION


@dataclass(frozen=True, slots=True)
class SiteProcessSettings:
    """What a site on one machine needs.

    Attributes:
        folder: everything that is written goes below it.
        broker: address of an outside broker, None for the embedded one.
        credential: JSON file with user and password for an outside broker, or the folder of `plekvrij broker-files`
            with one for each process.
        recording: a recording to play in place of the simulated people, None for people.
        ha_prefix: discovery prefix of Home Assistant, None to publish nothing for it.
        staff_password: file with the password of the staff pages, None to keep them on this machine.
        council_password: file with the password of the works council's stop switch, None for that of staff alone.
        channels: file of whom to tell outside the screens, None for nobody.
        metrics: first of the addresses for Prometheus, `[HOST:]PORT`: ingest, pages, notifier, and each gateway that is
            started here in the order of the plan; None for none.
        allowed_hosts: more names that browsers may reach the pages by, with commas.
        theme: file of design tokens or name of a theme, None for our own colours.
        screens_need_links: walls need a link on this machine too.
        directory: settings of the directory that people log in through, a TOML file, None for none.
        building: False starts no simulated devices at all.
    """

    site: wiring.Site
    folder: Path
    clock: SiteClock
    host: str = "127.0.0.1"
    port: int = 8050
    seed: int = 1
    broker: str | None = None
    credential: Path | None = None
    influx: str | None = None
    recording: Path | None = None
    building: bool = True
    gateways: bool = True
    ha_prefix: str | None = None
    staff_password: Path | None = None
    council_password: Path | None = None
    channels: Path | None = None
    metrics: str | None = None
    screens_need_links: bool = False
    theme: str | None = None
    allowed_hosts: str | None = None
    directory: Path | None = None

    @property
    def walls_need_links(self) -> bool:
        """Return whether a wall needs a link, either because it was asked or because others reach the pages."""
        return self.screens_need_links or not is_loopback(self.host)


class SiteProcesses:
    """`async with SiteProcesses(settings, tell) as processes:`; all children end with the context."""

    def __init__(self, settings: SiteProcessSettings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._exit = contextlib.AsyncExitStack()
        self._folders = self._exit.enter_context(contextlib.ExitStack())
        self._credentials: dict[str, Path] = {}
        self._switches: list[DemoSwitch] = []
        self._airs: list[BleAir] = []
        self.broker: EmbeddedBroker | None = None
        self.broker_url = settings.broker or ""
        self.children: dict[str, Child] = {}

    @property
    def database(self) -> Path:
        return self._settings.folder / "site.db"

    async def __aenter__(self) -> SiteProcesses:
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._exit.aclose()

    async def _start(self) -> None:
        settings = self._settings
        _check_port(settings.host, settings.port)
        _check_files(settings)
        settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if settings.building and settings.recording is None:
            settings = self._settings = self._prepare_devices(settings)
        await self._meet_broker(settings)
        await self._preflight()
        if self.broker is not None:
            self._keep_broker(self.broker)
        self._tell(f"broker ready at {self.broker_url}")
        # ingest first: a broker drops what it gets before the first subscriber has its session
        influx = {"PLEKVRIJ_INFLUX": settings.influx} if settings.influx else {}
        await self._add("ingest", self._ingest_arguments(), influx)
        async with asyncio.TaskGroup() as starting:
            starting.create_task(self._add("dashboard", self._dashboard_arguments()), name="start dashboard")
            if settings.channels is not None:
                starting.create_task(self._add("notifier", self._notifier_arguments()), name="start notifier")
            if settings.building:
                starting.create_task(self._add("building", self._building_arguments()), name="start building")
            for number, gateway in enumerate(settings.site.plan.gateways if settings.gateways else ()):
                arguments = [*self._gateway_arguments(gateway), *self._metrics(3 + number)]
                radio = demo_radios.environment(self._airs, gateway.id)
                starting.create_task(self._add(gateway.id, arguments, radio), name=f"start {gateway.id}")

    async def _meet_broker(self, settings: SiteProcessSettings) -> None:
        """Start the embedded broker, or find who we are at the one outside."""
        if settings.broker is None:
            self.broker = EmbeddedBroker(settings.folder / "broker", settings.site.plan, settings.ha_prefix)
            await self._exit.enter_async_context(self.broker)
            self.broker_url = self.broker.url
            self._credentials = _write_credentials(settings.folder / "credentials", self.broker.credentials)
        elif settings.credential is not None and settings.credential.is_dir():
            self._credentials = _found_credentials(settings.credential, settings)

    def _prepare_devices(self, settings: SiteProcessSettings) -> SiteProcessSettings:
        """Agree with the simulated devices on addresses and secrets; return the settings with what can be played."""
        if not demo_radios.is_available():
            self._tell("no Bluetooth sensors: they need dbus-daemon (Debian: apt install dbus)")
            plan, file = demo_radios.without_radios(settings.site.plan_file, settings.folder)
            settings = replace(settings, site=replace(settings.site, plan=plan, plan_file=file))
        self._switches = switches_of(settings.site.plan)
        write_switches(settings.folder, self._switches)
        self._airs = demo_radios.airs_of(settings.site.plan, self._folders)
        demo_radios.write_airs(settings.folder, self._airs)
        return settings

    async def _preflight(self) -> None:
        await check_broker(*self._broker_to_ask())

    def _broker_to_ask(self) -> tuple[OpenLink, str, str]:
        credential = self._credentials.get("preflight", self._settings.credential)
        broker = wiring.broker_of(self.broker_url, credential)
        base = f"plekvrij/{VERSION}/{self._settings.site.plan.site}"
        return wiring.link_opener(broker), self.broker_url, base

    def _keep_broker(self, broker: EmbeddedBroker) -> None:
        ask = partial(ask_broker, *self._broker_to_ask())
        watch = asyncio.create_task(keep_broker(broker, ask, self._tell), name="keep broker")

        async def end_watch() -> None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

        self._exit.push_async_callback(end_watch)

    async def _add(self, name: str, arguments: list[str], secrets: dict[str, str] | None = None) -> None:
        child = Child(name, arguments, self._settings.folder / "logs" / f"{name}.log", secrets)
        self.children[name] = child
        self._exit.push_async_callback(child.stop)
        await child.start()
        child.keep_running(self._tell)

    def _common(self, user: str) -> list[str]:
        settings = self._settings
        found = [
            "--plan", str(settings.site.plan_file), "--broker", self.broker_url,
            "--clock", settings.clock.to_text(), "--with-parent",
        ]  # fmt: skip
        if settings.site.policy_file is not None:
            found += ["--policy", str(settings.site.policy_file)]
        credential = self._credentials.get(user, settings.credential)
        if credential is not None:
            found += ["--credential", str(credential)]
        if "devices" in self._credentials:
            found += ["--device-credential", str(self._credentials["devices"])]
        return found

    def _ingest_arguments(self) -> list[str]:
        prefix = self._settings.ha_prefix
        extra = [] if prefix is None else ["--ha-discovery", "--ha-prefix", prefix]
        return [
            "ingest",
            *self._common("ingest"),
            "--data",
            str(self._settings.folder),
            *extra,
            *self._metrics(0),
        ]

    def _dashboard_arguments(self) -> list[str]:
        settings = self._settings
        files = {"staff": settings.staff_password, "council": settings.council_password}
        named = ((f"--{role}-password", str(file)) for role, file in files.items() if file is not None)
        extra = [part for option in named for part in option]
        if settings.screens_need_links:
            extra.append("--screens-need-links")
        if settings.allowed_hosts is not None:
            extra += ["--allowed-hosts", settings.allowed_hosts]
        if settings.theme is not None:
            extra += ["--theme", settings.theme]
        if settings.directory is not None:
            extra += ["--directory", str(settings.directory)]
        return [
            "dashboard", *self._common("dashboard"), "--data", str(settings.folder),
            "--host", settings.host, "--port", str(settings.port), *extra, *self._metrics(1),
        ]  # fmt: skip

    def _notifier_arguments(self) -> list[str]:
        folder, channels = str(self._settings.folder), str(self._settings.channels)
        extra = self._metrics(2)
        return ["notifier", *self._common("notifier"), "--data", folder, "--channels", channels, *extra]

    def _metrics(self, number: int) -> list[str]:
        if self._settings.metrics is None:
            return []
        host, port = parse_address(self._settings.metrics)
        return ["--metrics", f"{f'[{host}]' if ':' in host else host}:{port + number}"]

    def _building_arguments(self) -> list[str]:
        settings = self._settings
        extra = ["--recording", str(settings.recording)] if settings.recording else []
        return [
            "building", *self._common("devices"), "--seed", str(settings.seed),
            "--run-dir", str(settings.folder), *extra,
        ]  # fmt: skip

    def _gateway_arguments(self, gateway: Gateway) -> list[str]:
        config = self._settings.folder / "gateways" / f"{gateway.id}.toml"
        config.parent.mkdir(exist_ok=True)
        radio = demo_radios.radio_table(self._settings.folder, self._airs, gateway.id)
        text = gateway_config(self._settings, gateway, self._switches)
        config.write_text("\n".join([text, *radio, ""]), "utf-8")
        return ["gateway", *self._common(gateway.id), "--config", str(config)]


def gateway_config(
    settings: SiteProcessSettings, gateway: Gateway, switches: list[DemoSwitch] | None = None
) -> str:
    """Return the TOML of a gateway: wired nodes of the plan on pseudo-terminals, and its MQTT families."""
    plan = settings.site.plan
    nodes = sorted(
        device for device, home in plan.devices.items() if home == gateway.id and device.startswith("dsp1-")
    )
    lines = [
        f'site = "{plan.site}"',
        f'gateway = "{gateway.id}"',
        f'floor = "{gateway.floor}"',
        f"outbox = {json.dumps(str(settings.folder / 'gateways' / f'{gateway.id}.db'))}",
    ]
    speed = settings.clock.speed
    top, tables = gateway_tables(settings.folder, switches or [], gateway.id, speed)
    lines += top
    for format_name, base in gateway.mqtt.items():
        lines += ["", "[[mqtt]]", f'format = "{format_name}"', f'base = "{base}"']
        models = _models(plan, gateway, format_name)
        if models:
            named = ", ".join(f'"{name}" = "{model}"' for name, model in models.items())
            lines.append(f"models = {{ {named} }}")
    for node in nodes:
        lines += ["", "[[serial]]", f"port = {json.dumps(str(settings.folder / 'tty' / node))}"]
    return "\n".join([*lines, *tables]) + "\n"


def _models(plan: FloorPlan, gateway: Gateway, format_name: str) -> dict[str, str]:
    """Return hardware name -> model of the devices whose messages do not say what sent them."""
    prefix = PREFIXES[format_name] + "-"
    found: dict[str, str] = {}
    for place in plan.places_of_gateway(gateway.id):
        for sensor in place.sensors:
            model = KITS[sensor.kit].model
            if model is not None and sensor.gateway == gateway.id and sensor.device.startswith(prefix):
                found[sensor.device.removeprefix(prefix)] = model
    return found


def _check_files(settings: SiteProcessSettings) -> None:
    """Say what is wrong with a file of settings here, and not in the log of a child."""
    if settings.channels is not None:
        for channel in read_channels(settings.channels, settings.site.plan):
            read_secrets(channel)
    names_of(settings.allowed_hosts)
    if settings.theme is not None:
        read_theme(settings.theme)
    if settings.directory is not None:
        read_directory(settings.directory, os.environ.get("CREDENTIALS_DIRECTORY"))


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise SettingInvalid(
                f"cannot listen on {host}:{port}: {error}. Give another with --port"
            ) from error


def _found_credentials(folder: Path, settings: SiteProcessSettings) -> dict[str, Path]:
    """Return the credentials of a site's own processes in a folder.

    Raises:
        SettingInvalid: one is missing.
    """
    users = ["preflight", "ingest", "dashboard", *(["notifier"] if settings.channels is not None else [])]
    found = {user: folder / f"{user}.json" for user in users}
    for file in found.values():
        read_credential(file)
    return found


def _write_credentials(folder: Path, credentials: dict[str, Credential]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for user, credential in credentials.items():
        paths[user] = folder / f"{user}.json"
        write_private(
            paths[user], json.dumps({"user": credential.user, "password": credential.password}).encode()
        )
    return paths
