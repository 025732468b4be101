"""The Bluetooth adapter itself, over D-Bus: is it there and on, and off and on again. Never its devices.

Each call has its own connection: what is looked for is often that an old connection is dead.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from gateway.scan_trouble import ADAPTER_OFF, NO_ADAPTER, NO_ANSWER, NO_BUS, OF_DBUS_ERROR, OTHER

_BLUEZ, _ADAPTER, _PROPERTIES = "org.bluez", "org.bluez.Adapter1", "org.freedesktop.DBus.Properties"
#: A local service that needs longer, s, hangs.
ANSWER_S = 3.0
#: Off and on takes an adapter about a second; one that hangs needs the kernel's own time-out of 10 s first.
POWER_S = 15.0

_BUS_ERRORS = (OSError, EOFError, DBusFastError)


class _Refused(Exception):
    """BlueZ said no; report `cause` and go on."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look found: a key of `scan_trouble.ADVICE` or None, and which bluetoothd answered."""

    trouble: str | None
    owner: str = ""


class BluezAdapter:
    """One adapter, `hci0` and the like; without a name the first that is on."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    async def look(self) -> Sight:
        """Say whether a scan can run now."""
        try:
            async with asyncio.timeout(ANSWER_S), _bus() as bus:
                owner = await _call(
                    bus, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s", [_BLUEZ]
                )
                names = await self._names(bus)
                is_on = [await _is_on(bus, name) for name in names]
        except _Refused as error:
            return Sight(error.cause)
        except TimeoutError:
            return Sight(NO_ANSWER)
        except _BUS_ERRORS:
            return Sight(NO_BUS)
        if not names:
            return Sight(NO_ADAPTER, str(owner))
        return Sight(None if any(is_on) else ADAPTER_OFF, str(owner))

    async def power_cycle(self) -> str | None:
        """Switch off and on what is on; return the cause when that did not work. What a person turned off stays off."""
        try:
            async with asyncio.timeout(POWER_S), _bus() as bus:
                for name in await self._names(bus):
                    if await _is_on(bus, name):
                        await _set_power(bus, name, is_on=False)
                        await _set_power(bus, name, is_on=True)
                        return None
        except _Refused as error:
            return error.cause
        except TimeoutError:
            return NO_ANSWER
        except _BUS_ERRORS:
            return NO_BUS
        return ADAPTER_OFF

    async def _names(self, bus: MessageBus) -> list[str]:
        if self._name is not None:
            return [self._name]
        tree = await _call(bus, _BLUEZ, "/org/bluez", "org.freedesktop.DBus.Introspectable", "Introspect")
        return sorted(re.findall(r'<node name="(hci\d+)"', str(tree)))


@asynccontextmanager
async def _bus() -> AsyncIterator[MessageBus]:
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        await bus.connect()
        yield bus
    finally:
        bus.disconnect()


async def _is_on(bus: MessageBus, name: str) -> bool:
    said = await _call(bus, _BLUEZ, f"/org/bluez/{name}", _PROPERTIES, "Get", "ss", [_ADAPTER, "Powered"])
    return said is not None and said.value is True


async def _set_power(bus: MessageBus, name: str, *, is_on: bool) -> None:
    body = [_ADAPTER, "Powered", Variant("b", is_on)]
    await _call(bus, _BLUEZ, f"/org/bluez/{name}", _PROPERTIES, "Set", "ssv", body)


async def _call(
    bus: MessageBus,
    to: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    body: list[Any] | None = None,
) -> Any:
    message = Message(
        destination=to, path=path, interface=interface, member=member, signature=signature, body=body or []
    )
    reply = await bus.call(message)
    if reply is None:
        return None
    if reply.message_type == MessageType.ERROR:
        raise _Refused(OF_DBUS_ERROR.get(reply.error_name or "", OTHER))
    return reply.body[0] if reply.body else None
