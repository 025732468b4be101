"""What a gateway with switches must be told, and what it is told when that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import from_mapping
from gateway.switch_credentials import SnmpAccess, access_of, check_users, read_credentials
from workplace.errors import SettingInvalid

BASE = {"site": "klein", "gateway": "gw-1", "floor": "f1", "outbox": "o.db", "switch_credentials": "s.json"}
SWITCH = {"name": "sw-1", "address": "10.0.0.1", "credential": "access", "version": "v2c"}


def settings_with(*switches: dict[str, Any], **extra: Any) -> Any:
    return from_mapping(BASE | {"switch": list(switches)} | extra)


def test_receivers_listen_on_this_machine_only_unless_told_otherwise() -> None:
    settings = settings_with(SWITCH)
    assert (settings.snmp_traps.host, settings.snmp_traps.port) == ("127.0.0.1", 1162)
    assert (settings.syslog.host, settings.syslog.port) == ("127.0.0.1", 1514)


@pytest.mark.parametrize(
    ("switches", "says"),
    [
        pytest.param([SWITCH | {"comunity": "x"}], "comunity", id="an unknown key"),
        pytest.param([SWITCH | {"community": "secret"}], "community", id="a secret in the settings"),
        pytest.param([SWITCH | {"address": "switch.example"}], "address", id="a host name for an address"),
        pytest.param([SWITCH | {"address": "10.0.0.256"}], "address", id="an impossible address"),
        pytest.param(
            [SWITCH, SWITCH | {"address": "10.0.0.2"}], "same name", id="two switches with one name"
        ),
        pytest.param([SWITCH, SWITCH | {"name": "sw-2"}], "same address", id="two switches with one address"),
        pytest.param([SWITCH | {"credential": None}], "credential", id="polls without a credential"),
        pytest.param(
            [SWITCH | {"version": "v3", "transports": ["traps"]}], "engine_id", id="v3 traps unsigned"
        ),
    ],
)
def test_settings_that_are_refused(switches: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(SettingInvalid, match=says):
        settings_with(*switches)


def test_syslog_alone_needs_no_credential() -> None:
    assert settings_with({"name": "sw-1", "address": "10.0.0.1", "transports": ["syslog"]}).switch


@pytest.mark.parametrize(
    ("entry", "version", "says"),
    [
        pytest.param({"user": "a"}, "v2c", "community", id="no community"),
        pytest.param({"community": "a"}, "v3", "user", id="no user"),
        pytest.param({"user": "a", "auth": "SHA"}, "v3", "auth_password", id="no pass phrase"),
        pytest.param(
            {"user": "a", "priv": "AES", "priv_password": "12345678"}, "v3", "without it", id="encrypted unsigned"
        ),
    ],
)  # fmt: skip
def test_credentials_that_lack_something(
    tmp_path: Path, entry: dict[str, str], version: Any, says: str
) -> None:
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"access": entry}))
    with pytest.raises(SettingInvalid, match=says):
        access_of(read_credentials(file), "access", version)


def test_secrets_are_neither_quoted_nor_printed(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"access": {"community": "hush-hush", "pasword": "hush-hush"}}')
    with pytest.raises(SettingInvalid) as caught:
        read_credentials(file)
    assert "hush-hush" not in str(caught.value)
    assert "hush-hush" not in repr(SnmpAccess("v2c", community="hush-hush", auth_password="hush-hush"))


def test_the_level_is_what_the_credential_can_do() -> None:
    assert SnmpAccess("v3", user="a").level == 1
    assert SnmpAccess("v3", user="a", auth="SHA").level == 2
    assert SnmpAccess("v3", user="a", auth="SHA", priv="AES").level == 3


def test_one_user_with_two_pass_phrases_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="two names"):
        check_users(
            [SnmpAccess("v3", user="a", auth_password="1"), SnmpAccess("v3", user="a", auth_password="2")]
        )
