"""`plekvrij devices unclaimed|claim`: from a device that is heard to a line in the floor plan."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from ingest.stores.history import SqliteHistory
from plekvrij import sqlite_driver
from plekvrij.check_command import read
from workplace.errors import SettingInvalid
from workplace.plan_edit import device_line, with_devices
from workplace.plan_file import DeviceFile
from workplace.ports import UnclaimedDevice


def unclaimed(database: Path, *, as_json: bool) -> int:
    """Print the devices that wait for a place, last heard first."""
    found = SqliteHistory(sqlite_driver.connect, database).unclaimed()
    for device in found:
        print(msgspec.json.encode(device).decode() if as_json else _line(device))
    if not found:
        print("every device that was heard has a place", file=sys.stderr)
    return 0


def _line(device: UnclaimedDevice) -> str:
    channels = f" channels {', '.join(device.channels)}" if device.channels else ""
    return (
        f"{device.device} at {device.gateway}: {', '.join(device.kinds)}{channels}; {device.count} messages,"
        f" last {device.last_seen:%Y-%m-%d %H:%M:%S}"
    )


def entry_of(device: str, place: str, sensor: str, channel: str | None, gateway: str | None) -> DeviceFile:
    """Return the entry for the plan.

    Raises:
        SettingInvalid: a name that no plan can hold.
    """
    told = {"place": place, "sensor": sensor, "device": device, "channel": channel, "gateway": gateway}
    try:
        return msgspec.convert(told, DeviceFile)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"this is no line of a floor plan ({json.dumps(told)}): {error}") from error


def claim(plan_file: Path, entry: DeviceFile) -> int:
    """Write the entry into the plan file, whole or not at all, and say so.

    Raises:
        DocumentInvalid: the plan would have a mistake; the file stays as it is.
        SettingInvalid: the file cannot be read or written.
    """
    text = read(plan_file)
    changed = with_devices(text, str(plan_file), [entry])
    if changed == text:
        print(f"{plan_file}: {entry.device} stands there already")
        return 0
    replace_file(plan_file, changed)
    print(f"{plan_file}: added {device_line(entry)}")
    print("a running site reads the plan again within seconds", file=sys.stderr)
    return 0


def replace_file(file: Path, text: str) -> None:
    """Put a new text in the place of a file; a reader sees the old or the new one, never half.

    Raises:
        SettingInvalid: the folder cannot be written.
    """
    target = file.resolve()
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as new:
            new.write(text)
            os.fchmod(new.fileno(), target.stat().st_mode & 0o777)
            os.fsync(new.fileno())
        Path(name).replace(target)
    except OSError as error:
        raise SettingInvalid(f"cannot write {file}: {error}") from error
