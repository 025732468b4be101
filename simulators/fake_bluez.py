"""A bluetoothd without a radio, on a D-Bus of its own, whose faults can be ordered.

`async with FakeBluez() as bluez:` answers at `bluez.address`; a program with that address in
DBUS_SYSTEM_BUS_ADDRESS finds one adapter and hears what `bluez.advert` puts on the air. Behaviour as bluetoothd
5.66 showed it, and its source (research: edge, section 1).
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from simulators.bluez_devices import BluezDevice, Pattern, matches
from simulators.private_bus import PrivateBus

ADAPTER_PATH = "/org/bluez/hci0"
_BLUEZ, _ADAPTER, _DEVICE = "org.bluez", "org.bluez.Adapter1", "org.bluez.Device1"
_MANAGER, _MONITOR = "org.freedesktop.DBus.ObjectManager", "org.bluez.AdvertisementMonitor1"
_PROPERTIES, _DBUS = "org.freedesktop.DBus.Properties", "org.freedesktop.DBus"
_TREE = '<node name="/org/bluez"><node name="hci0"/></node>'
_EMPTY_TREE = '<node name="/org/bluez"></node>'
#: A client exports its monitor after we answered; this often, s, and this many times we look for it.
_LOOK_S, _LOOKS = 0.02, 250

#: Signals that wait for the bus; a site of 500 sensors never comes near.
MOST_SIGNALS = 20_000
#: Signals between two answers of the daemon. dbus_fast ends a connection whose socket is full, so it must never be:
#: 32 signals are 20 KiB of its 200.
AT_ONCE = 32

Stall = Literal["until_new_scan", "until_power_cycle"]


@dataclass(slots=True)
class _Air:
    """For how long somebody scanned."""

    began_s: float = field(default_factory=time.monotonic)
    on_since_s: float | None = None
    on_s: float = 0.0

    def note(self, is_on: bool) -> None:
        now_s = time.monotonic()
        if self.on_since_s is not None:
            self.on_s += now_s - self.on_since_s
        self.on_since_s = now_s if is_on else None

    def share_pct(self) -> float:
        self.note(self.on_since_s is not None)
        return 100.0 * self.on_s / (time.monotonic() - self.began_s)


class FakeBluez:
    """One adapter, any number of devices, any number of clients.

    Args:
        rssi_step_db: 0 as active scans of BlueZ up to 5.87 tell each signal strength, 8 as later ones do.
        folder: of the bus, with a short name; None for one that is gone with the service.

    Attributes:
        starts: scans and monitors that clients began.
        power_cycles: how often the adapter was switched on.
    """

    def __init__(self, *, rssi_step_db: int = 0, folder: Path | None = None) -> None:
        self.starts = 0
        self.power_cycles = 0
        self._rssi_step_db = rssi_step_db
        self._folder = folder
        self._resources = AsyncExitStack()
        self._daemon: PrivateBus | None = None
        self._bus: MessageBus | None = None
        self._devices: dict[str, BluezDevice] = {}
        self._scans: dict[str, bool] = {}
        self._filters: dict[str, bool] = {}
        self._monitors: dict[tuple[str, str], list[Pattern]] = {}
        self._is_plugged = self._is_on = True
        self._stall: Stall | None = None
        self._refused_starts = 0
        self._ignored_starts = 0
        self._air = _Air()
        self._signals: asyncio.Queue[Message] = asyncio.Queue(MOST_SIGNALS)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Of the bus, for DBUS_SYSTEM_BUS_ADDRESS."""
        assert self._daemon is not None, "not entered"  # noqa: S101 - a mistake of the programmer
        return self._daemon.address

    @property
    def is_scanning(self) -> bool:
        return bool(self._scans or self._monitors)

    async def __aenter__(self) -> Self:
        folder = self._folder or Path(
            self._resources.enter_context(tempfile.TemporaryDirectory(prefix="bluez-"))
        )
        self._daemon = await self._resources.enter_async_context(PrivateBus(folder))
        await self.start_bluetoothd()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_bluetoothd()
        await self._resources.aclose()

    # --- what is on the air ---

    def advert(self, address: str, data: bytes, rssi_dbm: int = -60) -> bool:
        """Put one advert on the air; return whether a scan was on to hear it."""
        is_heard = bool(self._scans) or any(matches(data, wanted) for wanted in self._monitors.values())
        if self._bus is None or self._stall is not None or not self._is_on or not is_heard:
            return False
        device = self._devices.get(address)
        if device is None:
            device = self._devices[address] = BluezDevice(address, ADAPTER_PATH)
            device.hear(data, rssi_dbm, rssi_step_db=0, tells_duplicates=True)
            added = [device.path, {_DEVICE: device.properties()}]
            self._signal("/", _MANAGER, "InterfacesAdded", "oa{sa{sv}}", added)
            return True
        changed = device.hear(
            data, rssi_dbm, rssi_step_db=self._rssi_step_db, tells_duplicates=any(self._scans.values())
        )
        if changed:
            self._signal(device.path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", [_DEVICE, changed, []])
        return True

    def scan_share_pct(self) -> float:
        """Return the share of the time with a scan on since the start or `measure`."""
        return self._air.share_pct()

    def measure(self) -> None:
        """Begin a new measurement of `scan_share_pct`."""
        self._air = _Air()
        self._air.note(self.is_scanning)

    # --- faults ---

    def stall(self, kind: Stall) -> None:
        """Hear nothing more while all seems well."""
        self._stall = kind

    def refuse_starts(self, count: int) -> None:
        """Answer the next starts with InProgress."""
        self._refused_starts = count

    def ignore_starts(self, count: int) -> None:
        """Never answer the next starts."""
        self._ignored_starts = count

    def unplug(self) -> None:
        """Pull the adapter out."""
        for device in self._devices.values():
            self._signal("/", _MANAGER, "InterfacesRemoved", "oas", [device.path, [_DEVICE]])
        self._signal("/", _MANAGER, "InterfacesRemoved", "oas", [ADAPTER_PATH, [_ADAPTER]])
        self._is_plugged = False
        self._forget()

    def replug(self) -> None:
        """Put it in again."""
        self._is_plugged, self._stall = True, None
        self._signal(
            "/", _MANAGER, "InterfacesAdded", "oa{sa{sv}}", [ADAPTER_PATH, {_ADAPTER: self._adapter()}]
        )

    def switch(self, *, is_on: bool) -> None:
        """Switch the adapter as a person would, or BlueZ for a client."""
        if is_on and not self._is_on:
            self.power_cycles += 1
            self._stall = None
        self._is_on = is_on
        if not is_on:
            self._end_scans()
        changed = {"Powered": Variant("b", is_on)}
        self._signal(ADAPTER_PATH, _PROPERTIES, "PropertiesChanged", "sa{sv}as", [_ADAPTER, changed, []])

    async def stop_bluetoothd(self) -> None:
        """End the service; its memory of devices and scans goes with it."""
        self._forget()
        if self._bus is not None:
            bus, self._bus = self._bus, None
            for task in self._tasks:
                task.cancel()
            while not self._signals.empty():
                self._signals.get_nowait()
            bus.disconnect()
            with contextlib.suppress(OSError, EOFError, DBusFastError):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def start_bluetoothd(self) -> None:
        bus = MessageBus(bus_address=self.address)
        await bus.connect()
        bus.add_message_handler(self._answer)
        watch = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        await bus.call(
            Message(
                destination=_DBUS, path="/", interface=_DBUS, member="AddMatch", signature="s", body=[watch]
            )
        )
        self._bus = bus
        self._begin(self._send_signals(bus), "fake bluez signals")
        await bus.request_name(_BLUEZ)

    async def restart_bus(self) -> None:
        """Restart the D-Bus daemon, and bluetoothd with it, as systemd does."""
        assert self._daemon is not None  # noqa: S101 - a mistake of the programmer
        await self.stop_bluetoothd()
        await self._daemon.stop()
        await self._daemon.start()
        await self.start_bluetoothd()

    # --- what clients ask ---

    def _answer(self, message: Message) -> Message | bool | None:
        if message.message_type == MessageType.SIGNAL:
            if message.member == "NameOwnerChanged" and message.body[2] == "":
                self._end_scans(message.body[0])
            return None
        if message.message_type != MessageType.METHOD_CALL:
            return None
        match message.member:
            case "GetManagedObjects" if message.path == "/":
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
            case "Introspect" if message.path == "/org/bluez":
                tree = _TREE if self._is_plugged else _EMPTY_TREE
                return Message.new_method_return(message, "s", [tree])
        if message.path == ADAPTER_PATH and self._is_plugged:
            return self._adapter_call(message)
        return None

    def _adapter_call(self, message: Message) -> Message | bool | None:
        sender = message.sender or ""
        match message.member:
            case "Get" if message.body[1] in self._adapter():
                return Message.new_method_return(message, "v", [self._adapter()[message.body[1]]])
            case "Set" if message.body[1] == "Powered":
                self.switch(is_on=message.body[2].value)
            case "SetDiscoveryFilter":
                asked = message.body[0].get("DuplicateData")
                self._filters[sender] = asked is not None and asked.value is True
            case "StartDiscovery" | "RegisterMonitor":
                return self._start(message, sender)
            case "StopDiscovery":
                if sender not in self._scans:
                    return Message.new_error(message, "org.bluez.Error.Failed", "No discovery started")
                del self._scans[sender]
                self._after_stop()
            case "UnregisterMonitor":
                self._monitors.pop((sender, message.body[0]), None)
                self._after_stop()
            case _:
                return None
        return Message.new_method_return(message)

    def _start(self, message: Message, sender: str) -> Message | bool:
        if self._ignored_starts:
            self._ignored_starts -= 1
            return True
        if self._refused_starts:
            self._refused_starts -= 1
            return Message.new_error(message, "org.bluez.Error.InProgress", "Operation already in progress")
        if not self._is_on:
            return Message.new_error(message, "org.bluez.Error.NotReady", "Resource Not Ready")
        self.starts += 1
        if not self.is_scanning and self._stall == "until_new_scan":
            self._stall = None
        if message.member == "StartDiscovery":
            self._scans[sender] = self._filters.get(sender, False)
        else:
            self._monitors[sender, message.body[0]] = []
            self._begin(self._read_monitor(sender, message.body[0]), "fake bluez monitor")
        self._air.note(is_on=True)
        return Message.new_method_return(message)

    async def _read_monitor(self, sender: str, path: str) -> None:
        """Ask the client for its patterns, as bluetoothd does, and say that they are in use."""
        for _ in range(_LOOKS):
            if self._bus is None or (sender, path) not in self._monitors:
                return
            reply = await self._bus.call(
                Message(destination=sender, path="/", interface=_MANAGER, member="GetManagedObjects")
            )
            found = reply.body[0].get(path, {}) if reply and reply.body else {}
            if _MONITOR in found:
                patterns = found[_MONITOR]["Patterns"].value
                if (sender, path) in self._monitors:
                    self._monitors[sender, path] = [tuple(pattern) for pattern in patterns]
                return
            await asyncio.sleep(_LOOK_S)

    # --- state ---

    def _adapter(self) -> dict[str, Variant]:
        return {
            "Address": Variant("s", "00:00:5E:00:53:00"),
            "Powered": Variant("b", self._is_on),
            "Discovering": Variant("b", bool(self._scans)),
            "Roles": Variant("as", ["central", "peripheral"]),
        }

    def _objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        if not self._is_plugged:
            return {}
        devices = {device.path: {_DEVICE: device.properties()} for device in self._devices.values()}
        return {ADAPTER_PATH: {_ADAPTER: self._adapter()}} | devices

    def _after_stop(self) -> None:
        """Without a scan no signal strength is valid."""
        self._air.note(self.is_scanning)
        if self.is_scanning:
            return
        for device in self._devices.values():
            if device.rssi_dbm is not None:
                device.rssi_dbm = None
                body = [_DEVICE, {}, ["RSSI"]]
                self._signal(device.path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", body)

    def _end_scans(self, sender: str | None = None) -> None:
        """End the scans of one client that is gone, or of all."""
        for key in [key for key in self._monitors if sender in (None, key[0])]:
            del self._monitors[key]
        for name in [name for name in self._scans if sender in (None, name)]:
            del self._scans[name]
        self._air.note(self.is_scanning)

    def _forget(self) -> None:
        self._devices.clear()
        self._end_scans()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if self._bus is not None:
            with contextlib.suppress(asyncio.QueueFull):  # as a radio that cannot keep up
                self._signals.put_nowait(Message.new_signal(path, interface, member, signature, body))

    async def _send_signals(self, bus: MessageBus) -> None:
        while True:
            bus.send(await self._signals.get())
            for _ in range(min(AT_ONCE - 1, self._signals.qsize())):
                bus.send(self._signals.get_nowait())
            await bus.call(Message(destination=_DBUS, path="/", interface=_DBUS, member="GetId"))
