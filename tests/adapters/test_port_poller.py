"""A whole switch: polls as the truth, traps and lines for speed, restarts, floods, silence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from simulators.switch import SimulatedSwitch
from tests.adapters.switch_site import SiteClock, SwitchSite, switch_site

PORTS = [f"Gi1/0/{number}" for number in range(1, 13)]
CREDENTIALS = {"open": {"community": "plekvrij-test"}}


def settings(switch: SimulatedSwitch, **extra: Any) -> dict[str, Any]:
    return {
        "name": switch.name, "address": "127.0.0.1", "port": switch.port, "version": "v2c", "credential": "open",
        "transports": ["poll", "traps", "syslog"], "uplinks": [PORTS[-1]], "poll_s": 600, **extra,
    }  # fmt: skip


def connect(switch: SimulatedSwitch, site: SwitchSite) -> None:
    assert site.traps is not None
    assert site.syslog is not None
    switch.traps_to, switch.syslog_to = ("127.0.0.1", site.traps.port), ("127.0.0.1", site.syslog.port)


def counters(site: SwitchSite) -> dict[str, int]:
    return site.switches["sw-1"].all_counters()


def test_the_first_poll_says_what_holds_and_that_the_switch_is_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = SiteClock()
        async with SimulatedSwitch("sw-1", PORTS, clock=clock) as switch:
            switch.link("Gi1/0/3", is_up=True)
            async with switch_site(tmp_path, [settings(switch)], CREDENTIALS, clock=clock) as site:
                await site.until(lambda: len(site.links()) == 11, "every desk port is told")
                assert dict(site.links()) == {port: port == "Gi1/0/3" for port in PORTS[:-1]}
                assert site.availability() == [], "each port speaks for itself"
                assert site.switches["sw-1"].health().status == "ok"

    asyncio.run(scenario())


def test_a_trap_and_its_lines_are_one_change_with_the_name_of_the_port(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = SiteClock(60)
        async with (
            SimulatedSwitch("sw-1", PORTS, clock=clock) as switch,
            switch_site(tmp_path, [settings(switch)], CREDENTIALS, clock=clock) as site,
        ):
            await site.until(lambda: len(site.links()) == 11, "the first poll is in")
            connect(switch, site)
            switch.link("Gi1/0/3", is_up=True)
            await site.until(lambda: site.links("Gi1/0/3")[1:] == [("Gi1/0/3", True)], "the link is up")
            switch.link("Gi1/0/3", is_up=False)
            await site.until(lambda: site.links("Gi1/0/3")[2:] == [("Gi1/0/3", False)], "the link is down")
            await site.until(lambda: counters(site).get("switch:sw-1.syslog", 0) == 4, "all lines are in")
            assert len(site.links("Gi1/0/3")) == 3

    asyncio.run(scenario())


def test_a_lost_trap_is_put_right_by_the_next_poll(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = SiteClock()
        async with (
            SimulatedSwitch("sw-1", PORTS, clock=clock) as switch,
            switch_site(tmp_path, [settings(switch, poll_s=1)], CREDENTIALS, clock=clock) as site,
        ):
            await site.until(lambda: len(site.links()) == 11, "the first poll is in")
            switch.link("Gi1/0/5", is_up=True, tell=False)
            await site.until(lambda: site.links("Gi1/0/5")[-1] == ("Gi1/0/5", True), "the poll sees it")

    asyncio.run(scenario())


def test_after_a_restart_with_other_numbers_a_trap_waits_for_a_new_walk(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = SiteClock()
        async with (
            SimulatedSwitch("sw-1", PORTS, clock=clock) as switch,
            switch_site(tmp_path, [settings(switch)], CREDENTIALS, clock=clock) as site,
        ):
            await site.until(lambda: len(site.links()) == 11, "the first poll is in")
            connect(switch, site)
            switch.syslog_to = None  # its lines would name the port
            switch.restart()
            switch.link("Gi1/0/5", is_up=True)
            await site.until(lambda: ("Gi1/0/5", True) in site.links(), "the right port is up")
            assert [port for port, is_up in site.links() if is_up] == ["Gi1/0/5"]
            assert counters(site)["switch:sw-1.polls"] >= 2

    asyncio.run(scenario())


def test_a_switch_that_restarts_frees_nobody_gives_one_alarm_and_is_believed_after_a_while(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        clock = SiteClock(60)
        async with SimulatedSwitch("sw-1", PORTS, clock=clock) as switch:
            for port in PORTS[:8]:
                switch.link(port, is_up=True)
            async with switch_site(tmp_path, [settings(switch)], CREDENTIALS, clock=clock) as site:
                await site.until(lambda: len(site.links()) == 11, "the first poll is in")
                connect(switch, site)
                before = len(site.links())
                for port in PORTS[:8]:
                    switch.link(port, is_up=False)
                await site.until(
                    lambda: (False, "mass_event") in site.availability(), "the places are unknown"
                )
                for port in PORTS[:6]:
                    switch.link(port, is_up=True)
                switch.restart()
                await site.until(lambda: len(site.links()) == before + 11, "every level is told again")
                assert dict(site.links()[before:]) == {port: port in PORTS[:6] for port in PORTS[:-1]}
                faults = [event.reason for event in site.events if event.kind == "fault"]
                assert faults == ["mass_event"]

    asyncio.run(scenario())


def test_a_switch_that_does_not_answer_is_unknown_and_comes_back_with_all_levels(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("gateway.sources.snmp_engine._WAIT_S", 0.5)
    monkeypatch.setattr("gateway.sources.switch.RETRY_S", 0.1)

    async def scenario() -> None:
        clock = SiteClock()
        async with (
            SimulatedSwitch("sw-1", PORTS, clock=clock) as switch,
            switch_site(tmp_path, [settings(switch, poll_s=1)], CREDENTIALS, clock=clock) as site,
        ):
            await site.until(lambda: len(site.links()) == 11, "the first poll is in")
            switch.faults.silent = True
            await site.until(lambda: site.availability() == [(False, "switch_down")], "it is unknown")
            assert site.switches["sw-1"].health().status == "down"
            switch.link("Gi1/0/1", is_up=True, tell=False)
            switch.faults.silent = False
            await site.until(lambda: site.switches["sw-1"].health().status == "ok", "it is back")
            await site.until(lambda: len(site.links()) == 22, "every level is told again")
            assert site.links("Gi1/0/1")[-1] == ("Gi1/0/1", True)

    asyncio.run(scenario())


def test_a_closed_port_is_unusable_and_nobody_has_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = SiteClock(60)
        async with SimulatedSwitch("sw-1", PORTS, clock=clock) as switch:
            switch.link("Gi1/0/2", is_up=True)
            async with switch_site(tmp_path, [settings(switch)], CREDENTIALS, clock=clock) as site:
                await site.until(lambda: len(site.links()) == 11, "the first poll is in")
                connect(switch, site)
                switch.close("Gi1/0/2", is_closed=True)
                await site.until(
                    lambda: site.availability("Gi1/0/2") == [(False, "admin_down")], "it is closed"
                )
                switch.close("Gi1/0/2", is_closed=False)
                await site.until(lambda: site.availability("Gi1/0/2")[-1] == (True, None), "it is open")
                assert site.links("Gi1/0/2") == [("Gi1/0/2", True)]

    asyncio.run(scenario())


def test_floods_and_any_order_change_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = SiteClock(60)
        async with (
            SimulatedSwitch("sw-1", PORTS, clock=clock) as switch,
            switch_site(tmp_path, [settings(switch)], CREDENTIALS, clock=clock) as site,
        ):
            await site.until(lambda: len(site.links()) == 11, "the first poll is in")
            connect(switch, site)
            switch.syslog_to = None
            switch.faults.copies, switch.faults.shuffles = 40, True
            for number in range(5):
                switch.link("Gi1/0/4", is_up=number % 2 == 0)
                await asyncio.sleep(0.01)  # 0.6 s of site time: the switch's own clock tells them apart
            switch.flush()
            await site.until(lambda: counters(site).get("switch:sw-1.traps", 0) == 200, "all are read")
            await site.until(lambda: site.links("Gi1/0/4")[-1] == ("Gi1/0/4", True), "the last one counts")
            assert len(site.links("Gi1/0/4")) <= 6

    asyncio.run(scenario())
