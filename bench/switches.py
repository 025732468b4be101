"""The figure of switches: traps from the socket through decoding, merging and intake to the disk."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import ntfrcv

from bench.figure import Figure, compare
from firmware_bridge.formats.snmp_link import decode_trap, link_of_varbinds, response_to_inform
from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.settings import SnmpTraps
from gateway.sources.snmp_engine import TrapSender
from gateway.sources.snmp_traps import SnmpTrapSource
from gateway.sources.switch import SwitchSource
from gateway.sources.udp_socket import open_udp
from gateway.switch_credentials import SnmpAccess
from plekvrij import sqlite_driver
from plekvrij.clocks import wall_clock
from simulators import snmp_ber
from simulators.snmp_ber import Cell, oid
from workplace.ports import TrapCodec

_TRAPS = 500
COMMUNITY = "bench"


def trap_to_outbox() -> Figure:
    """CPU of a v2c linkUp from the socket to the disk, against the library that only receives it."""
    mine, ratio = compare(lambda: asyncio.run(_ours_us()), lambda: asyncio.run(_library_us()), rounds=5)
    return Figure("trap_to_outbox", mine, "CPU us", "pysnmp receiving, nothing kept", ratio, 2.0)


def traps_per_second() -> float:
    """Return traps per second of real time that are on disk, all of a burst of which nothing is lost."""
    return 1e6 / asyncio.run(_ours_us(time.perf_counter))


async def _ours_us(clock_s: Callable[[], float] = time.process_time) -> float:
    clock = wall_clock()
    with TemporaryDirectory(prefix="plekvrij-bench-") as folder:
        async with Outbox(
            Path(folder) / "outbox.db",
            connect=sqlite_driver.connect,
            now=lambda: datetime.now(UTC),
            gateway=("bench", "gw-1"),
        ) as outbox:
            intake = Intake(Origin("bench", "gw-1"), clock, outbox)
            switch = SwitchSource("sw-1", walker=None, interval_s=120, intake=intake, clock=clock)
            sender = TrapSender("127.0.0.1", SnmpAccess("v2c", community=COMMUNITY))
            codec = TrapCodec(decode_trap, response_to_inform, link_of_varbinds)
            traps = SnmpTrapSource(SnmpTraps(port=0), {sender: switch}, codec=codec, clock=clock)
            running = [asyncio.create_task(source.run()) for source in (switch, traps)]
            while traps.health().status != "ok":
                await asyncio.sleep(0.001)
            cost_us = await _cost_us(traps.port, lambda: intake.counters["events_stored"], clock_s)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    return cost_us


async def _library_us() -> float:
    received = 0

    def on_trap(*_arguments: Any) -> None:
        nonlocal received
        received += 1

    opened = open_udp("127.0.0.1", 0)
    port = opened.getsockname()[1]
    engine = SnmpEngine()
    config.add_transport(engine, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode(sock=opened))
    config.add_v1_system(engine, "bench", COMMUNITY)
    ntfrcv.NotificationReceiver(engine, on_trap)
    cost_us = await _cost_us(port, lambda: received, time.process_time)
    engine.close_dispatcher()
    return cost_us


async def _cost_us(port: int, done: Callable[[], int], clock_s: Callable[[], float]) -> float:
    """Return us of a clock per trap of one burst, sending left out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(_TRAPS):
            sender.sendto(_DATAGRAMS[number], ("127.0.0.1", port))
    began_s = clock_s()
    async with asyncio.timeout(60):
        while done() < _TRAPS:
            await asyncio.sleep(0.002)
    return (clock_s() - began_s) * 1e6 / _TRAPS


def link_up_trap(number: int) -> bytes:
    """Return the v2c trap of one port that comes up."""
    index = 1 + number
    return snmp_ber.message(
        COMMUNITY.encode(),
        snmp_ber.TRAP,
        number,
        [
            (oid("1.3.6.1.2.1.1.3.0"), Cell(snmp_ber.TIME_TICKS, 100 + number)),
            (oid("1.3.6.1.6.3.1.1.4.1.0"), Cell(snmp_ber.OID, oid("1.3.6.1.6.3.1.1.5.4"))),
            (oid(f"1.3.6.1.2.1.2.2.1.1.{index}"), Cell(snmp_ber.INTEGER, index)),
            (oid(f"1.3.6.1.2.1.2.2.1.2.{index}"), Cell(snmp_ber.OCTETS, f"Gi1/0/{number}".encode())),
            (oid(f"1.3.6.1.2.1.2.2.1.7.{index}"), Cell(snmp_ber.INTEGER, 1)),
            (oid(f"1.3.6.1.2.1.2.2.1.8.{index}"), Cell(snmp_ber.INTEGER, 1)),
        ],
    )


_DATAGRAMS = [link_up_trap(number) for number in range(_TRAPS)]
