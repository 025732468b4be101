"""A small town hall of real processes, every connection of it over a wire that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from plekvrij import clocks, wiring
from plekvrij.embedded_broker import EmbeddedBroker, free_port
from plekvrij.site_processes import SiteProcessSettings, _write_credentials, gateway_config
from simulators.native_node import ROOT, find_compiler
from tests.chaos.docks import CHANNELS, DockNode
from tests.chaos.machine import Disk, SteppedClock
from tests.chaos.members import Listening, Member, Nats, Process, TimeServer
from tests.chaos.site_view import SiteView
from tests.chaos.wires import Wire
from tests.time_servers import Influx
from workplace.floor_plan import FloorPlan
from workplace.topics import VERSION

BrokerKind = Literal["nats", "mosquitto"]
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
#: As shipped, Mosquitto writes its sessions every half hour and keeps 1,000 messages for who is away.
MOSQUITTO_CONFIG = """
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 100000
"""
SIZES_MIB = {"data": 96, "broker": 48, "gateways": 48}
_SITE = "chaosstad"
#: Links are believed within 5 s, the shortest that a policy may say, so that screens can be held against docks.
POLICY = f"site: {_SITE}\nmode: shadow\npresence: {{link_up_s: 5, link_down_s: 5}}\n"


@dataclass(frozen=True, slots=True)
class HallSettings:
    """What to build.

    Attributes:
        nodes: per gateway; each floor has one gateway.
        keep: leave all files behind.
        lasts_s: how long a fault lasts, at least and at most.
        with_disks: make file systems of their own where that is allowed, to be filled.
    """

    folder: Path
    broker: BrokerKind = "nats"
    gateways: int = 3
    nodes: int = 2
    seed: int = 1
    with_influx: bool = True
    keep: bool = False
    lasts_s: tuple[float, float] = (3.0, 8.0)
    with_disks: bool = True


def plan_text(settings: HallSettings) -> str:
    """Return a floor plan: one gateway per floor, its nodes of eight docks each, every second one with PIRs."""
    lines = [f"site: {_SITE}", "name: {nl: Chaosstad, en: Chaos town}", "gateways:"]
    floors = range(1, settings.gateways + 1)
    lines += [f"  - {{id: gw-{floor}, floor: f{floor}}}" for floor in floors]
    lines.append("floors:")
    for floor in floors:
        lines += [
            f"  - id: f{floor}", f"    number: {floor}", f"    name: {{nl: Verdieping {floor}, en: Floor {floor}}}",
            f"    size: [{10 * settings.nodes}, 12]", "    zones:",
        ]  # fmt: skip
        for node in range(settings.nodes):
            lines += [
                f"      - id: {floor}-zone-{node + 1}", "        kind: desk",
                f"        name: {{nl: Zone {floor}{node + 1}, en: Zone {floor}{node + 1}}}",
                f"        rect: [{10 * node}, 0, 10, 12]", "        islands:",
                f"          - {{first: {floor}-W{node * CHANNELS + 1}, at: [{10 * node + 2}, 2], columns: 2, rows: 4,",
                f'             sensors: [{"dock, pir" if node % 2 else "dock"}],',
                f'             node: "{floor:04x}00000000{node + 1:04x}"}}',
            ]  # fmt: skip
    return "\n".join(lines) + "\n"


@dataclass
class TownHall:
    """All of it, running."""

    settings: HallSettings
    members: dict[str, Member]
    nodes: list[DockNode]
    gateway_wires: dict[str, Wire]
    ingest_wire: Wire
    dashboard_wire: Wire
    influx_wire: Wire | None
    disks: dict[str, Disk]
    clocks: dict[str, SteppedClock]
    view: SiteView
    page_port: int
    plan: FloorPlan
    aside: list[Path] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Member]:
        return [member for member in self.members.values() if member.kind == kind]


@contextlib.asynccontextmanager
async def running(settings: HallSettings) -> AsyncIterator[TownHall]:
    """Build and start everything; end everything with the context."""
    async with contextlib.AsyncExitStack() as stack:
        hall = await _build(settings, stack)
        async with asyncio.TaskGroup() as keepers:
            kept = []
            try:
                for name in _in_order_of_start(hall):
                    member = hall.members[name]
                    kept.append(keepers.create_task(member.keep(), name=f"keep {name}"))
                    if member.kind in ("broker", "influxd", "ingest"):  # who comes next needs them
                        await asyncio.wait_for(member.is_ready.wait(), 120)
                for member in hall.members.values():
                    await asyncio.wait_for(member.is_ready.wait(), 120)
                yield hall
            finally:
                for keeper in kept:
                    keeper.cancel()
                await asyncio.gather(*kept, return_exceptions=True)
                for name in reversed(_in_order_of_start(hall)):
                    await hall.members[name].finish()


def _in_order_of_start(hall: TownHall) -> list[str]:
    rank = {"influxd": 0, "broker": 1, "ingest": 2, "dashboard": 3, "node": 4, "gateway": 5}
    return sorted(hall.members, key=lambda name: rank[hall.members[name].kind])


async def _build(settings: HallSettings, stack: contextlib.AsyncExitStack) -> TownHall:
    folder = settings.folder
    (folder / "logs").mkdir(parents=True)
    plan_file = folder / "hall.plan.yaml"
    plan_file.write_text(plan_text(settings), "utf-8")
    policy_file = folder / "hall.policy.yaml"
    policy_file.write_text(POLICY, "utf-8")
    site = wiring.read_site(plan_file, policy_file)
    disks = {
        name: Disk(
            folder / name,
            size if settings.with_disks else 0,
            folder / "kept" / name if settings.keep else None,
        )
        for name, size in SIZES_MIB.items()
    }
    for disk in disks.values():
        stack.callback(disk.give_back)
    broker, port, credentials = await _broker(settings, site, disks["broker"].folder)
    ingest_wire = await stack.enter_async_context(Wire(port))
    dashboard_wire = await stack.enter_async_context(Wire(port))
    gateway_wires = {
        gateway.id: await stack.enter_async_context(Wire(port)) for gateway in site.plan.gateways
    }
    members: dict[str, Member] = {"broker": broker}
    influx_wire, influx_url = None, None
    if settings.with_influx:
        server = Influx(folder / "influx", auth=False)
        members["influxd"] = TimeServer(server)
        influx_wire = await stack.enter_async_context(Wire(server.port))
        influx_url = f"http://127.0.0.1:{influx_wire.port}/chaos"

    def command(name: str, wire_port: int, *rest: str) -> list[str]:
        found = [
            sys.executable,
            "-m",
            "plekvrij",
            name,
            "--plan",
            str(plan_file),
            "--policy",
            str(policy_file),
        ]
        user = rest[1] if name == "gateway" else name
        user = Path(user).stem
        if user in credentials:
            found += ["--credential", str(credentials[user])]
        return [*found, "--with-parent", "--broker", f"mqtt://127.0.0.1:{wire_port}", *rest]

    def process(name: str, kind: str, line: list[str], extra: dict[str, str]) -> Process:
        return Process(name, kind, line, folder / "logs" / f"{name}.log", {"PYTHONPATH": str(ROOT)} | extra)

    data = str(disks["data"].folder)
    page_port = free_port()
    influx = {"PLEKVRIJ_INFLUX": influx_url} if influx_url else {}
    members["ingest"] = process(
        "ingest", "ingest", command("ingest", ingest_wire.port, "--data", data), influx
    )
    pages = command("dashboard", dashboard_wire.port, "--data", data, "--port", str(page_port))
    members["dashboard"] = process("dashboard", "dashboard", pages, {})
    stepped = _clocks(folder, [gateway.id for gateway in site.plan.gateways])
    plain = SiteProcessSettings(site=site, folder=folder, clock=clocks.wall_clock(), building=False)
    for gateway in site.plan.gateways:
        config = disks["gateways"].folder / f"{gateway.id}.toml"
        config.write_text(gateway_config(plain, gateway), "utf-8")
        line = command("gateway", gateway_wires[gateway.id].port, "--config", str(config))
        environment = stepped[gateway.id].environment if gateway.id in stepped else {}
        members[gateway.id] = process(gateway.id, "gateway", line, environment)
    nodes = _nodes(site, settings)
    members |= {node.device: node for node in nodes}
    view = SiteView(disks["data"].folder / "site.db")
    return TownHall(
        settings,
        members,
        nodes,
        gateway_wires,
        ingest_wire,
        dashboard_wire,
        influx_wire,
        disks,
        stepped,
        view,
        page_port,
        site.plan,
    )


def _clocks(folder: Path, gateways: list[str]) -> dict[str, SteppedClock]:
    if find_compiler() is None:
        return {}
    return {gateway: SteppedClock(folder, gateway) for gateway in gateways}


def _nodes(site: wiring.Site, settings: HallSettings) -> list[DockNode]:
    places: dict[str, dict[int, str]] = {}
    with_pir: set[str] = set()
    for place in site.plan.place.values():
        for sensor in place.sensors:
            places.setdefault(sensor.device, {})[int(sensor.channel or 0)] = place.id
            if sensor.kit == "pir":
                with_pir.add(sensor.device)
    return [
        DockNode(
            device,
            site.plan.devices[device],
            found,
            settings.folder,
            settings.seed,
            has_pir=device in with_pir,
        )
        for device, found in sorted(places.items())
    ]


async def _broker(
    settings: HallSettings, site: wiring.Site, folder: Path
) -> tuple[Member, int, dict[str, Path]]:
    """Return the broker, not yet started, its port, and the credential file of each user."""
    if settings.broker == "nats":
        nats = Nats(EmbeddedBroker(folder, site.plan), f"plekvrij/{VERSION}/{_SITE}")
        await nats.broker.__aenter__()  # it makes port and passwords; started again in its turn
        await nats.finish()
        return (
            nats,
            nats.broker.port,
            _write_credentials(settings.folder / "credentials", nats.broker.credentials),
        )
    port = free_port()
    config = settings.folder / "mosquitto.conf"
    config.write_text(MOSQUITTO_CONFIG.format(port=port, folder=folder))
    command = [MOSQUITTO, "-c", str(config)]
    return Listening("broker", "broker", command, port, settings.folder / "logs" / "mosquitto.log"), port, {}
