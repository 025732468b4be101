"""From the settings of switches to their sources: one per switch, one for all traps, one for all syslog lines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

from gateway.intake import Intake
from gateway.settings import GatewaySettings, Switch
from gateway.sources.snmp_engine import PollTarget, SnmpPoller, TrapSender
from gateway.sources.snmp_traps import SnmpTrapSource
from gateway.sources.source import Source
from gateway.sources.switch import SwitchSource
from gateway.sources.syslog_receiver import SyslogSource
from gateway.switch_credentials import SnmpAccess, access_of, check_users, read_credentials
from gateway.switch_ports import COLUMNS, SwitchSilent, Walk, rows_of
from workplace.ports import Clock, LineDecoder, TrapCodec


async def build_switches(
    settings: GatewaySettings,
    *,
    trap_codec: TrapCodec,
    syslog_decoder: Callable[[], LineDecoder],
    intake: Intake,
    clock: Clock,
    stack: AsyncExitStack,
) -> list[Source]:
    """Return the sources of all switches, not yet running.

    Raises:
        SettingInvalid: the credentials cannot be read, or a switch has none in them.
    """
    access = _accesses(settings)
    poller = await stack.enter_async_context(SnmpPoller()) if _with(settings, "poll") else None
    sources = {
        switch.name: SwitchSource(
            switch.name,
            walker=_Walker(poller, PollTarget(switch.address, switch.port, access[switch.name]))
            if poller is not None and "poll" in switch.transports
            else None,
            interval_s=switch.poll_s,
            intake=intake,
            clock=clock,
            only=switch.ports,
            uplinks=switch.uplinks,
        )
        for switch in settings.switch
    }
    found: list[Source] = list(sources.values())
    if trapping := _with(settings, "traps"):
        senders = {
            TrapSender(s.address, access[s.name], bytes.fromhex(s.engine_id or "")): sources[s.name]
            for s in trapping
        }
        found.append(SnmpTrapSource(settings.snmp_traps, senders, codec=trap_codec, clock=clock))
    if logging := _with(settings, "syslog"):
        by_address = {switch.address: sources[switch.name] for switch in logging}
        found.append(SyslogSource(settings.syslog, by_address, decoder=syslog_decoder(), clock=clock))
    return found


class _Walker:
    """Walks one switch. A restart while it is asked would mix two tables, so the uptime is asked twice."""

    def __init__(self, poller: SnmpPoller, target: PollTarget) -> None:
        self._poller = poller
        self._target = target

    async def walk(self, now: datetime) -> Walk:
        before = await self._poller.uptime(self._target)
        rows = rows_of(await self._poller.walk(self._target, COLUMNS))
        after = await self._poller.uptime(self._target)
        if before is not None and after is not None and after < before:
            raise SwitchSilent(self._target.address, "it restarted while it was asked")
        if not rows:
            raise SwitchSilent(
                self._target.address, "it shows no interfaces; does its SNMP view hold IF-MIB?"
            )
        return Walk(rows, now, before)


def _with(settings: GatewaySettings, transport: str) -> list[Switch]:
    return [switch for switch in settings.switch if transport in switch.transports]


def _accesses(settings: GatewaySettings) -> dict[str, SnmpAccess]:
    if settings.switch_credentials is None:
        return {}
    entries = read_credentials(Path(settings.switch_credentials))
    found = {
        switch.name: access_of(entries, switch.credential, switch.version)
        for switch in settings.switch
        if switch.credential is not None
    }
    check_users(found.values())
    return found
