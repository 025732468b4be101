"""The dock of the machine itself: a dummy interface of the kernel, and the USB bus as far as there is one."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import pytest

from gateway.intake import Intake
from gateway.normalise import Origin
from gateway.outbox import Outbox
from gateway.settings import from_mapping
from gateway.sources.dock_hotplug import HotplugDockSource, models_of
from gateway.sources.dock_link import DockSource
from gateway.sources.link_netlink import NetlinkDockSource
from tests.adapters.switch_site import PATIENCE_S, ListOutbox, SiteClock
from workplace.errors import SettingInvalid
from workplace.events import SensorEvent

BASE = {"site": "klein", "gateway": "gw-1", "floor": "f1", "outbox": "o.db"}


IP = shutil.which("ip") or "ip"


@pytest.fixture
def dummy() -> Iterator[str]:
    """Return an interface that can be switched on and off."""
    name = f"pv{uuid.uuid4().hex[:8]}"
    if shutil.which("ip") is None:
        pytest.skip("needs Debian's package iproute2")
    for kind in ("dummy", "ifb"):  # a kernel without the one may have the other
        made = subprocess.run([IP, "link", "add", name, "type", kind], capture_output=True, check=False)
        if made.returncode == 0:
            break
    else:
        pytest.skip(f"no interface may be made here: {made.stderr.decode().strip()}")
    yield name
    subprocess.run([IP, "link", "del", name], capture_output=True, check=False)


def switch(name: str, how: str) -> None:
    subprocess.run([IP, "link", "set", name, how], check=True)


async def watched(
    make: Callable[[Intake, SiteClock], DockSource], script: Callable[[list[SensorEvent]], Awaitable[None]]
) -> list[SensorEvent]:
    outbox, clock = ListOutbox(), SiteClock()
    source = make(Intake(Origin("klein", "gw-1"), clock, cast("Outbox", outbox)), clock)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await script(outbox.events)
            assert source.health().status == "ok"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return outbox.events


def links(events: list[SensorEvent]) -> list[object]:
    return [event.value for event in events if event.kind == "link"]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_carrier_that_comes_and_goes_is_told_with_the_configured_name_only(dummy: str) -> None:
    async def script(events: list[SensorEvent]) -> None:
        await until(lambda: links(events) == [False])
        switch(dummy, "up")
        await until(lambda: links(events) == [False, True])
        switch(dummy, "down")
        await until(lambda: links(events) == [False, True, False])

    events = asyncio.run(
        watched(lambda i, c: NetlinkDockSource("3-S01", dummy[:6] + "*", intake=i, clock=c), script)
    )
    assert {event.device for event in events} == {"dock-3-S01"}
    assert dummy not in repr(events)


def test_a_dock_that_is_not_there_is_told_as_such() -> None:
    async def script(events: list[SensorEvent]) -> None:
        await until(lambda: links(events) == [False])

    asyncio.run(watched(lambda i, c: HotplugDockSource("3-S01", ["ffff:ffff"], intake=i, clock=c), script))


def test_the_models_on_the_bus_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [{"17ef:3082", "1d6b:0002"}]
    monkeypatch.setattr("gateway.sources.dock_hotplug.models_of", lambda _context: frozenset(there[0]))
    monkeypatch.setattr("gateway.sources.dock_hotplug.LOOK_S", 0.01)

    async def script(events: list[SensorEvent]) -> None:
        await until(lambda: links(events) == [True])
        there[0] = {"1d6b:0002"}
        await until(lambda: links(events) == [True, False])

    asyncio.run(watched(lambda i, c: HotplugDockSource("3-S01", ["17ef:3082"], intake=i, clock=c), script))


def test_the_bus_of_this_machine_can_be_read() -> None:
    import pyudev

    assert all(len(model) == 9 for model in models_of(pyudev.Context()))


@pytest.mark.parametrize(
    "dock",
    [
        pytest.param({"name": "a"}, id="neither way"),
        pytest.param({"name": "a", "interface": "enx*", "usb": ["17ef:3082"]}, id="both ways"),
        pytest.param({"name": "a", "usb": ["17EF-3082"]}, id="no model"),
        pytest.param({"name": "a", "interface": "enx*", "serial": "1"}, id="an unknown key"),
    ],
)
def test_settings_that_are_refused(dock: dict[str, object]) -> None:
    with pytest.raises(SettingInvalid):
        from_mapping(BASE | {"laptop_dock": dock})
