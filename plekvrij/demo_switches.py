"""The switches of a demo: addresses and a community that the simulated ones and their gateway agree on."""

from __future__ import annotations

import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import msgspec

from plekvrij.credentials import write_private
from simulators.switch_player import UPLINK, SwitchLine
from workplace.device_ids import PREFIXES
from workplace.floor_plan import FloorPlan

SWITCHES_FILE = "switches.json"
_PREFIX = PREFIXES["switch"] + "-"
#: Seconds of site time between two polls, as a gateway has it by default.
_POLL_S, _FASTEST_POLL_S = 120.0, 1.0


@dataclass(frozen=True, slots=True)
class DemoSwitch:
    """One switch and the gateway that hears it."""

    gateway: str
    line: SwitchLine


def switches_of(plan: FloorPlan) -> list[DemoSwitch]:
    """Return the switches of the plan, each with a loopback address and free ports of its own."""
    ports: dict[tuple[str, str], dict[str, str]] = {}
    for place in plan.place.values():
        for sensor in place.sensors:
            if sensor.device.startswith(_PREFIX) and sensor.channel is not None:
                name = sensor.device.removeprefix(_PREFIX)
                ports.setdefault((sensor.gateway, name), {})[sensor.channel] = place.id
    listeners = {gateway: (_free_udp_port(), _free_udp_port()) for gateway, _ in ports}
    return [
        DemoSwitch(
            gateway,
            SwitchLine(
                name=name,
                host=f"127.0.1.{number}",
                port=_free_udp_port(f"127.0.1.{number}"),
                community=secrets.token_hex(12),
                vendor="cisco",
                traps_port=listeners[gateway][0],
                syslog_port=listeners[gateway][1],
                places=places,
            ),
        )
        for number, ((gateway, name), places) in enumerate(sorted(ports.items()), 1)
    ]


def write_switches(folder: Path, switches: list[DemoSwitch]) -> None:
    """Leave word for the building and for the gateways; secrets are readable for this user alone."""
    if not switches:
        return
    lines = msgspec.json.encode([switch.line for switch in switches])
    write_private(folder / SWITCHES_FILE, lines)
    credentials = {switch.line.name: {"community": switch.line.community} for switch in switches}
    write_private(_credentials(folder), json.dumps(credentials).encode())


def gateway_tables(
    folder: Path, switches: list[DemoSwitch], gateway: str, speed: float
) -> tuple[list[str], list[str]]:
    """Return what stands in a gateway's TOML: settings at its top, and tables below."""
    mine = [switch.line for switch in switches if switch.gateway == gateway]
    if not mine:
        return [], []
    tables = [
        "",
        "[snmp_traps]",
        f"port = {mine[0].traps_port}",
        "",
        "[syslog]",
        f"port = {mine[0].syslog_port}",
    ]
    for line in mine:
        tables += [
            "", "[[switch]]", f'name = "{line.name}"', f'address = "{line.host}"', f"port = {line.port}",
            'version = "v2c"', f'credential = "{line.name}"', 'transports = ["poll", "traps", "syslog"]',
            f'uplinks = ["{UPLINK}"]', f"poll_s = {max(_FASTEST_POLL_S, _POLL_S / speed)}",
        ]  # fmt: skip
    return [f"switch_credentials = {json.dumps(str(_credentials(folder)))}"], tables


def _credentials(folder: Path) -> Path:
    return folder / "credentials" / "switches.json"


def _free_udp_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
