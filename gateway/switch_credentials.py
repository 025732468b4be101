"""The secrets of switches: one JSON file beside the gateway's settings, never the settings themselves.

{"access": {"community": "..."},
 "core":   {"user": "plekvrij", "auth": "SHA-256", "auth_password": "...", "priv": "AES", "priv_password": "..."}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from workplace.errors import SettingInvalid

SnmpVersion = Literal["v1", "v2c", "v3"]
AuthProtocol = Literal["MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"]
PrivProtocol = Literal["DES", "AES", "AES-192", "AES-256"]
#: RFC 3414, section 11.2: pass phrases have at least 8 characters; agents refuse shorter ones.
_Password = Annotated[str, msgspec.Meta(min_length=8)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    community: _Text | None = None
    user: _Text | None = None
    auth: AuthProtocol | None = None
    auth_password: _Password | None = None
    priv: PrivProtocol | None = None
    priv_password: _Password | None = None


@dataclass(frozen=True, slots=True)
class SnmpAccess:
    """How to talk with one switch; the secrets are never printed.

    Attributes:
        level: the least security of a v3 message: 1 none, 2 authenticated, 3 and encrypted (RFC 3411, section 3.4.3).
    """

    version: SnmpVersion
    community: str = field(default="", repr=False)
    user: str = ""
    auth: AuthProtocol | None = None
    auth_password: str = field(default="", repr=False)
    priv: PrivProtocol | None = None
    priv_password: str = field(default="", repr=False)

    @property
    def level(self) -> int:
        return 1 + (self.auth is not None) + (self.priv is not None)


def read_credentials(file: Path) -> Mapping[str, _Entry]:
    """Return what stands in the credentials file, by name.

    Raises:
        SettingInvalid: not readable, or not of this shape. The message never quotes the file.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, _Entry])
    except OSError as error:
        raise SettingInvalid(f"cannot read the switch credentials: {error}") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise SettingInvalid(f"switch credentials {file}: {error}") from error


def access_of(entries: Mapping[str, _Entry], name: str, version: SnmpVersion) -> SnmpAccess:
    """Return the access under `name` for one SNMP version.

    Raises:
        SettingInvalid: there is none, or it lacks something.
    """
    entry = entries.get(name)
    if entry is None:
        raise SettingInvalid(f"switch credential '{name}' is not in the credentials file")
    if version != "v3":
        if entry.community is None:
            raise SettingInvalid(f"switch credential '{name}' needs a community for {version}")
        return SnmpAccess(version, community=entry.community)
    lacks = [
        what
        for what, is_missing in (
            ("user", entry.user is None),
            ("auth_password", entry.auth is not None and entry.auth_password is None),
            ("priv_password", entry.priv is not None and entry.priv_password is None),
            ("auth (there is no encryption without it)", entry.priv is not None and entry.auth is None),
        )
        if is_missing
    ]
    if lacks:
        raise SettingInvalid(f"switch credential '{name}' needs {', '.join(lacks)} for v3")
    return SnmpAccess(
        "v3",
        user=entry.user or "",
        auth=entry.auth,
        auth_password=entry.auth_password or "",
        priv=entry.priv,
        priv_password=entry.priv_password or "",
    )


def check_users(accesses: Iterable[SnmpAccess]) -> None:
    """Refuse a v3 user with two sets of secrets: the library knows one per user name.

    Raises:
        SettingInvalid: names the user.
    """
    known: dict[str, SnmpAccess] = {}
    for access in accesses:
        if access.version == "v3" and known.setdefault(access.user, access) != access:
            raise SettingInvalid(
                f"the SNMP user '{access.user}' has different passwords on two switches; give it two names"
            )
