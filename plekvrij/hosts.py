"""Which addresses only this machine reaches, and by which names the pages may be reached."""

from __future__ import annotations

import ipaddress
import re

from workplace.errors import SettingInvalid

_NAME = re.compile(r"[a-z0-9:._-]{1,253}")


def is_loopback(host: str) -> bool:
    """Return whether a server that listens on `host` is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_of(text: str | None, setting: str = "--allowed-hosts") -> tuple[str, ...]:
    """Return the names in `plekken.example.nl,10.0.0.8`, as browsers send them.

    Raises:
        SettingInvalid: one is no name of a host.
    """
    names = [name.strip().lower() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise SettingInvalid(
                f"{setting} {name!r}: write names without https:// and port, such as plekken.example.nl"
            )
    return tuple(names)
