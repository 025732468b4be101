"""Walks of a real agent, Net-SNMP's snmpd, in every version of SNMP."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sources.snmp_engine import PollTarget, SnmpPoller
from gateway.switch_credentials import SnmpAccess
from gateway.switch_ports import COLUMNS, SwitchSilent, rows_of

SNMPD = shutil.which("snmpd") or "/usr/sbin/snmpd"
pytestmark = pytest.mark.skipif(not Path(SNMPD).exists(), reason="needs Debian's package snmpd")

CONFIG = """
rocommunity correct-horse 127.0.0.1
createUser plekvrij SHA-256 "battery-staple" AES "staple-battery"
rouser plekvrij priv
"""
V3 = SnmpAccess(
    "v3", user="plekvrij", auth="SHA-256", auth_password="battery-staple", priv="AES", priv_password="staple-battery"
)  # fmt: skip


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a running agent."""
    folder = tmp_path_factory.mktemp("snmpd")
    (folder / "snmpd.conf").write_text(CONFIG, "utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [SNMPD, "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), f"udp:127.0.0.1:{port}"],
        env={"SNMP_PERSISTENT_DIR": str(folder), "PATH": "/usr/sbin:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 30
        while not asyncio.run(answers(port)):
            assert process.poll() is None, f"snmpd ended: {(process.stdout and process.stdout.read())!r}"
            assert time.monotonic() < deadline
        yield port
    finally:
        process.terminate()
        process.wait(30)


async def answers(port: int) -> bool:
    async with SnmpPoller() as poller:
        try:
            return (
                await poller.uptime(PollTarget("127.0.0.1", port, SnmpAccess("v2c", "correct-horse")))
                is not None
            )
        except SwitchSilent:
            return False


@pytest.mark.parametrize(
    "access",
    [
        pytest.param(SnmpAccess("v1", "correct-horse"), id="v1"),
        pytest.param(SnmpAccess("v2c", "correct-horse"), id="v2c"),
        pytest.param(V3, id="v3, signed and encrypted"),
    ],
)
def test_a_walk_brings_every_interface(agent: int, access: SnmpAccess) -> None:
    async def scenario() -> None:
        async with SnmpPoller() as poller:
            target = PollTarget("127.0.0.1", agent, access)
            rows = rows_of(await poller.walk(target, COLUMNS))
            uptime = await poller.uptime(target)
        assert {row.if_name for row in rows} == {name for _, name in socket.if_nameindex()}
        assert all(row.if_type is not None and row.oper is not None for row in rows)
        assert isinstance(uptime, int)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "access",
    [
        pytest.param(SnmpAccess("v2c", "wrong-horse"), id="a wrong community"),
        pytest.param(
            SnmpAccess("v3", user="plekvrij", auth="SHA-256", auth_password="battery-stable"),
            id="a wrong password",
        ),
        pytest.param(SnmpAccess("v3", user="nobody"), id="an unknown user"),
    ],
)  # fmt: skip
def test_who_cannot_prove_itself_hears_nothing_and_says_so(
    agent: int, access: SnmpAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sources.snmp_engine._WAIT_S", 0.5)

    async def scenario() -> None:
        async with SnmpPoller() as poller:
            with pytest.raises(SwitchSilent):
                await poller.walk(PollTarget("127.0.0.1", agent, access), COLUMNS)

    asyncio.run(scenario())
