"""Why a radio does not scan: one word per cause, and what a person at the gateway can do about it."""

from __future__ import annotations

from typing import Final

NO_BUS, NO_BLUETOOTHD, NO_ADAPTER, ADAPTER_OFF = "no_bus", "no_bluetoothd", "no_adapter", "adapter_off"
BUSY, NO_RIGHTS, NO_PASSIVE, NO_ANSWER = "busy", "no_rights", "no_passive", "no_answer"
SILENT, OTHER = "silent", "other"

#: Cause -> what is wrong and what to try next.
ADVICE: Final[dict[str, str]] = {
    NO_BUS: "no D-Bus system bus; start dbus.service, in a container mount /run/dbus",
    NO_BLUETOOTHD: "bluetoothd is not running; install bluez, then systemctl enable --now bluetooth",
    NO_ADAPTER: "no such Bluetooth adapter; plug it in, compare `adapter` with bluetoothctl list",
    ADAPTER_OFF: "the Bluetooth adapter is off; rfkill unblock bluetooth, then bluetoothctl power on",
    BUSY: "BlueZ says InProgress; stop other programs that scan, else systemctl restart bluetooth",
    NO_RIGHTS: "not allowed to use Bluetooth; add this user to the group bluetooth",
    NO_PASSIVE: "BlueZ offers no passive scan; set mode to active, or start bluetoothd with --experimental",
    NO_ANSWER: "BlueZ does not answer; systemctl restart bluetooth, else unplug the adapter and plug it in again",
    SILENT: "nothing in the air for too long; move the adapter on an extension lead, else unplug it and plug it in",
    OTHER: "the scan does not start; the log has the reason",
}

#: D-Bus error -> cause.
OF_DBUS_ERROR: Final[dict[str, str]] = {
    "org.freedesktop.DBus.Error.ServiceUnknown": NO_BLUETOOTHD,
    "org.freedesktop.DBus.Error.NameHasNoOwner": NO_BLUETOOTHD,
    "org.freedesktop.DBus.Error.NoReply": NO_ANSWER,
    "org.freedesktop.DBus.Error.Timeout": NO_ANSWER,
    "org.freedesktop.DBus.Error.AccessDenied": NO_RIGHTS,
    "org.freedesktop.DBus.Error.UnknownObject": NO_ADAPTER,
    "org.freedesktop.DBus.Error.UnknownMethod": NO_ADAPTER,
    "org.bluez.Error.NotReady": ADAPTER_OFF,
    "org.bluez.Error.InProgress": BUSY,
    "org.bluez.Error.NotAuthorized": NO_RIGHTS,
    "org.bluez.Error.NotPermitted": NO_RIGHTS,
}
