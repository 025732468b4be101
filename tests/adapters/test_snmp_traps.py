"""The trap receiver against Debian's own snmptrap and snmpinform."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest

from simulators import snmp_ber
from simulators.snmp_ber import Cell, oid
from simulators.snmp_v3 import V3User
from simulators.switch import SimulatedSwitch
from tests.adapters.switch_site import SwitchSite, switch_site

pytestmark = pytest.mark.skipif(shutil.which("snmptrap") is None, reason="needs Debian's package snmp")

ENGINE = "8000000001020304"
LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
V2C = {
    "name": "sw-2c",
    "address": "127.0.0.1",
    "transports": ["traps"],
    "version": "v2c",
    "credential": "open",
}
V3 = {
    "name": "sw-3", "address": "127.0.0.1", "transports": ["traps"], "version": "v3", "credential": "closed",
    "engine_id": ENGINE,
}  # fmt: skip
CREDENTIALS = {
    "open": {"community": "correct-horse"},
    "closed": {
        "user": "plekvrij", "auth": "SHA-256", "auth_password": "battery-staple",
        "priv": "AES", "priv_password": "staple-battery",
    },
}  # fmt: skip
AUTH = ["-a", "SHA-256", "-A", "battery-staple"]
PRIV = ["-x", "AES", "-X", "staple-battery"]


def varbinds(port: str, *, is_up: bool, index: int = 7) -> list[str]:
    return [
        f"1.3.6.1.2.1.2.2.1.1.{index}", "i", str(index),
        f"1.3.6.1.2.1.2.2.1.7.{index}", "i", "1",
        f"1.3.6.1.2.1.2.2.1.8.{index}", "i", "1" if is_up else "2",
        f"1.3.6.1.2.1.2.2.1.2.{index}", "s", port,
    ]  # fmt: skip


async def send(site: SwitchSite, program: str, how: list[str], port: str, *, is_up: bool = True) -> int:
    """Send one notification; return the exit code."""
    assert site.traps is not None
    arguments = [
        "-r", "1", "-t", "3", *how, f"127.0.0.1:{site.traps.port}", "", LINK_UP if is_up else LINK_DOWN,
        *varbinds(port, is_up=is_up),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


def refused(site: SwitchSite, why: str) -> int:
    assert site.traps is not None
    return site.traps.counters[f"traps_refused.{why}"]


def test_a_v2c_trap_with_the_right_community_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C], CREDENTIALS) as site:
            await send(site, "snmptrap", ["-v", "2c", "-c", "correct-horse"], "Gi1/0/7")
            await site.until(lambda: site.links() == [("Gi1/0/7", True)], "the link is up")
            assert site.events[-1].device == "switch-sw-2c"

    asyncio.run(scenario())


def test_a_v2c_inform_is_answered_and_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C], CREDENTIALS) as site:
            code = await send(site, "snmpinform", ["-v", "2c", "-c", "correct-horse"], "Gi1/0/7")
            assert code == 0, "snmpinform waits for the answer"
            await site.until(lambda: site.links() == [("Gi1/0/7", True)], "the link is up")

    asyncio.run(scenario())


def test_a_v1_trap_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C | {"version": "v1"}], CREDENTIALS) as site:
            assert site.traps is not None
            process = await asyncio.create_subprocess_exec(
                "snmptrap", "-v", "1", "-c", "correct-horse", f"127.0.0.1:{site.traps.port}",
                "1.3.6.1.4.1.9.1.1", "127.0.0.1", "3", "0", "", *varbinds("Gi1/0/7", is_up=True),
            )  # fmt: skip
            await process.wait()
            await site.until(lambda: site.links() == [("Gi1/0/7", True)], "the link is up")

    asyncio.run(scenario())


def test_a_wrong_community_is_refused_and_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C], CREDENTIALS) as site:
            await send(site, "snmptrap", ["-v", "2c", "-c", "wrong-horse"], "Gi1/0/7")
            await site.until(lambda: refused(site, "wrong_community") == 1, "the refusal is counted")
            assert site.events == []

    asyncio.run(scenario())


def test_a_v3_trap_that_is_signed_and_encrypted_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V3], CREDENTIALS) as site:
            how = ["-v", "3", "-e", ENGINE, "-u", "plekvrij", "-l", "authPriv", *AUTH, *PRIV]
            await send(site, "snmptrap", how, "Gi1/0/7")
            await site.until(lambda: site.links() == [("Gi1/0/7", True)], "the link is up")

    asyncio.run(scenario())


def test_a_v3_inform_is_answered_and_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V3], CREDENTIALS) as site:
            how = ["-v", "3", "-u", "plekvrij", "-l", "authPriv", *AUTH, *PRIV]
            assert await send(site, "snmpinform", how, "Gi1/0/7") == 0
            await site.until(lambda: site.links() == [("Gi1/0/7", True)], "the link is up")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("how", "why"),
    [
        pytest.param(["-l", "noAuthNoPriv"], "wrong_level", id="without signature"),
        pytest.param(["-l", "authNoPriv", *AUTH], "wrong_level", id="signed but not encrypted"),
        pytest.param(
            ["-l", "authPriv", "-a", "SHA-256", "-A", "battery-stable", *PRIV], "wrong_password",
            id="with another password",
        ),
        pytest.param(["-l", "authPriv", *AUTH, *PRIV, "-u", "somebody"], "unknown_user", id="of another user"),
    ],
)  # fmt: skip
def test_a_v3_trap_is_refused(tmp_path: Path, how: list[str], why: str) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V3], CREDENTIALS) as site:
            await send(site, "snmptrap", ["-v", "3", "-e", ENGINE, "-u", "plekvrij", *how], "Gi1/0/7")
            await site.until(lambda: refused(site, why) == 1, "the refusal is counted")
            assert site.events == []

    asyncio.run(scenario())


def test_a_switch_with_v3_may_not_fall_back_to_the_community_of_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        other = V2C | {"address": "127.0.0.2"}
        async with switch_site(tmp_path, [V3, other], CREDENTIALS) as site:
            await send(site, "snmptrap", ["-v", "2c", "-c", "correct-horse"], "Gi1/0/7")
            await site.until(lambda: refused(site, "not_its_credential") == 1, "the refusal is counted")
            assert site.events == []

    asyncio.run(scenario())


def test_a_stranger_is_dropped_before_anything_is_decoded(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C | {"address": "127.0.0.2"}], CREDENTIALS) as site:
            assert site.traps is not None
            await send(site, "snmptrap", ["-v", "2c", "-c", "correct-horse"], "Gi1/0/7")
            await site.until(lambda: refused(site, "unknown_sender") == 1, "the refusal is counted")
            assert site.traps.counters["traps"] == 0
            assert site.events == []

    asyncio.run(scenario())


def test_a_simulated_switch_signs_as_a_real_one_does_over_a_restart_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V3], CREDENTIALS) as site:
            assert site.traps is not None
            user = V3User.of("plekvrij", bytes.fromhex(ENGINE), "battery-staple", "staple-battery")
            async with SimulatedSwitch(
                "sw-3", ["Gi1/0/1", "Gi1/0/2"], clock=site.clock, user=user, names_ports=True,
                traps_to=("127.0.0.1", site.traps.port),
            ) as switch:  # fmt: skip
                switch.link("Gi1/0/1", is_up=True)
                name = "GigabitEthernet1/0/1"
                await site.until(lambda: site.links() == [(name, True)], "the link is up")
                switch.restart()
                await site.until(
                    lambda: site.switches["sw-3"].counters["restarts"] == 1, "the restart is heard"
                )

    asyncio.run(scenario())


def test_garbage_is_counted_and_the_next_trap_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C], CREDENTIALS) as site:
            assert site.traps is not None
            good = trap(0, is_up=True)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for bad in (
                    b"",
                    b"\x30",
                    b"\x30\x84\xff\xff\xff\xff",
                    bytes(range(256)),
                    b"\0" * 60_000,
                    good[:-9],
                ):
                    sender.sendto(bad, ("127.0.0.1", site.traps.port))
                sender.sendto(good, ("127.0.0.1", site.traps.port))
            await site.until(lambda: site.links() == [("Gi1/0/0", True)], "the link is up")

    asyncio.run(scenario())


def test_a_burst_of_a_thousand_traps_is_heard_whole(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with switch_site(tmp_path, [V2C], CREDENTIALS) as site:
            assert site.traps is not None
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for number in range(1000):  # nobody reads meanwhile: all of it must lie in the kernel
                    sender.sendto(trap(number, is_up=True), ("127.0.0.1", site.traps.port))
            await site.until(lambda: len(site.links()) == 1000, "all thousand are heard")
            assert sorted(site.links()) == sorted((f"Gi1/0/{number}", True) for number in range(1000))

    asyncio.run(scenario())


def trap(number: int, *, is_up: bool) -> bytes:
    """Return linkUp or linkDown of one of many ports."""
    index = 1000 + number
    return snmp_ber.message(
        b"correct-horse",
        snmp_ber.TRAP,
        number,
        [
            (oid("1.3.6.1.2.1.1.3.0"), Cell(snmp_ber.TIME_TICKS, 100)),
            (oid("1.3.6.1.6.3.1.1.4.1.0"), Cell(snmp_ber.OID, oid(LINK_UP if is_up else LINK_DOWN))),
            (oid(f"1.3.6.1.2.1.2.2.1.1.{index}"), Cell(snmp_ber.INTEGER, index)),
            (oid(f"1.3.6.1.2.1.2.2.1.2.{index}"), Cell(snmp_ber.OCTETS, f"Gi1/0/{number}".encode())),
        ],
    )
