"""Syslog lines of switches over real sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from simulators.switch import SimulatedSwitch
from tests.adapters.switch_site import SwitchSite, switch_site

SWITCH = {"name": "sw-1", "address": "127.0.0.1", "transports": ["syslog"]}
UP = b"<187>sw-1: Mar  2 09:00:00.000: %LINK-3-UPDOWN: Interface GigabitEthernet1/0/7, changed state to up"
AGAIN = (
    b"<189>sw-1: Mar  2 09:00:01.000: %LINEPROTO-5-UPDOWN: Line protocol on Interface GigabitEthernet1/0/7, "
    b"changed state to up"
)


def port_of(site: SwitchSite) -> tuple[str, int]:
    assert site.syslog is not None
    return "127.0.0.1", site.syslog.port


def counted(site: SwitchSite, what: str) -> int:
    assert site.syslog is not None
    return site.syslog.counters[what]


def test_a_change_that_is_told_by_two_lines_is_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [SWITCH], {}) as site:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(UP, port_of(site))
                sender.sendto(AGAIN, port_of(site))
            await site.until(lambda: counted(site, "syslog_lines") == 2, "both lines are read")
            await site.until(lambda: site.links() == [("GigabitEthernet1/0/7", True)], "the link is up")

    asyncio.run(scenario())


def test_tcp_brings_lines_in_both_framings(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [SWITCH], {}) as site:
            for stream in (UP + b"\n", b"%d %s" % (len(UP), UP.replace(b"1/0/7", b"1/0/8"))):
                _, writer = await asyncio.open_connection(*port_of(site))
                writer.write(stream)
                await writer.drain()
                writer.close()
            both = [("GigabitEthernet1/0/7", True), ("GigabitEthernet1/0/8", True)]
            await site.until(lambda: sorted(site.links()) == both, "both links are up")

    asyncio.run(scenario())


def test_strangers_and_endless_lines_are_counted_and_nothing_of_them_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        elsewhere = SWITCH | {"address": "127.0.0.2"}
        async with switch_site(tmp_path, [elsewhere], {}) as site:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(UP, port_of(site))
                await site.until(lambda: counted(site, "syslog_refused.unknown_sender") == 1, "it is counted")
            reader, writer = await asyncio.open_connection(*port_of(site))
            assert await reader.read() == b"", "the connection is closed at once"
            writer.close()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind(("127.0.0.2", 0))
                sender.sendto(UP + b" " * 20_000, port_of(site))
                sender.sendto(b"\xff\x00%LINK-3-UPDOWN: Interface \xff", port_of(site))
            await site.until(lambda: counted(site, "syslog_refused.oversize") == 1, "it is counted")
            assert site.events == []

    asyncio.run(scenario())


def test_three_vendors_say_the_same(tmp_path: Path) -> None:
    async def scenario() -> None:
        switches = [
            SWITCH | {"name": vendor, "address": f"127.0.0.{number}"}
            for number, vendor in enumerate(("cisco", "comware", "procurve"), 2)
        ]
        async with switch_site(tmp_path, switches, {}) as site:
            for number, vendor in enumerate(("cisco", "comware", "procurve"), 2):
                async with SimulatedSwitch(
                    vendor,
                    ["Gi1/0/1", "Gi1/0/2"],
                    clock=site.clock,
                    vendor=vendor,  # type: ignore[arg-type]
                    host=f"127.0.0.{number}",
                    syslog_to=port_of(site),
                ) as switch:
                    switch.link("Gi1/0/1", is_up=True)
            await site.until(lambda: len(site.links()) == 3, "all three are heard")
            assert {
                (event.device, event.channel, event.value) for event in site.events if event.kind == "link"
            } == {
                ("switch-cisco", "GigabitEthernet1/0/1", True),
                ("switch-comware", "Gi1/0/1", True),
                ("switch-procurve", "Gi1/0/1", True),
            }

    asyncio.run(scenario())
