"""What a gateway must be told; read from TOML, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from gateway.settings_sense import nonsense
from gateway.switch_credentials import SnmpVersion
from workplace.errors import SettingInvalid
from workplace.message import Name
from workplace.plan_file import BaseTopic, MqttFormat

#: IPv4 in dotted digits: a name would be looked up at another time than the packets come.
IPv4 = Annotated[str, msgspec.Meta(pattern=r"^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$")]


class SerialPort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One serial port; prefer /dev/serial/by-id/..., because ttyUSB numbers move.

    Attributes:
        format: what is spoken on it. Radars (LD2410, LD2450) want 256000 baud.
        device: name of what hangs on it, part of the device id; DSP/1 nodes say it themselves.
    """

    port: Annotated[str, msgspec.Meta(min_length=1)]
    format: Literal["dsp1", "mysensors", "ld2410", "ld2450"] = "dsp1"
    baud: Literal[115200, 256000, 921600] = 115200
    device: Name | None = None


class MqttBridge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices that speak MQTT on the device broker, all below one base topic.

    `models` is device id or profile name -> model, for formats whose messages do not say what sent them.
    """

    format: MqttFormat
    base: BaseTopic
    models: dict[str, str] = {}


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where something is awaited. On this machine only, unless told otherwise; switches send to the gateway's own
    address. Ports below 1024 need root: let the firewall redirect 162 and 514 instead.
    """

    host: IPv4 = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)]


class SnmpTraps(Listen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traps and informs of all switches; 162 belongs to root."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 1162


class Syslog(Listen, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Syslog lines of all switches, UDP and TCP; 514 belongs to root."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 1514


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One access switch; its device is `switch-<name>`, its ports are the channels.

    Attributes:
        transports: how it is heard. Without `poll` lost messages stay lost.
        port: where it answers SNMP.
        version: of SNMP, for polls and for traps; nothing else is taken from this switch.
        credential: name in the file of `switch_credentials`; not needed for syslog alone.
        engine_id: hex digits of its SNMP engine id; v3 traps are signed for it.
        uplinks: ports that lead to other switches; they are nobody's desk.
        ports: only these, when given; what no place is mapped to need not leave the gateway.
        poll_s: real seconds between polls.
    """

    name: Name
    address: IPv4
    transports: Annotated[tuple[Literal["poll", "traps", "syslog"], ...], msgspec.Meta(min_length=1)] = (
        "poll",
    )
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 161
    version: SnmpVersion = "v3"
    credential: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    engine_id: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-fA-F]{2}){5,32}$")] | None = None
    uplinks: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    poll_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 120.0


class LaptopDock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dock of the machine that this gateway runs on; its device is `dock-<name>`. Give one of the two ways.

    Attributes:
        interface: name of the dock's network interface, with `*` and `?` as in a shell.
        usb: models of the dock, vendor and product id, as in `17ef:3082`.
    """

    name: Name
    interface: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    usb: tuple[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")], ...] = ()


#: As BlueZ shows it; on other systems the scanner gives no such addresses.
BleAddress = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$")]


class BleDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One listed Bluetooth sensor; nothing to say about it yet."""


class BleRadio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Bluetooth adapter that listens for sensors.

    Attributes:
        adapter: `hci0` and the like; without it the first that is on.
        mode: `active` hears every advert; `passive` sends nothing itself, but BlueZ then holds unchanged adverts back.
        quiet_s: silence, real s, after which the scan is started again. Lower restarts where little is in the air,
            higher misses a dead radio for longer.
        devices: address -> nothing yet; sensors that are listed are expected to be heard, all others are dropped.
        find_new: also hear sensors that are not listed, to give them a place. Only while sensors are being mounted: a
            tag or watch that somebody carries may speak like a sensor, and its address would be kept.
        bindkeys: JSON file {address: 32 hex digits} with the keys of sensors that encrypt; never in this file.
    """

    adapter: Annotated[str, msgspec.Meta(pattern=r"^hci[0-9]+$")] | None = None
    mode: Literal["active", "passive"] = "active"
    quiet_s: Annotated[float, msgspec.Meta(ge=0.5, le=3600)] = 90.0
    devices: dict[BleAddress, BleDevice] = {}
    find_new: bool = False
    bindkeys: str | None = None


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gateway.

    Attributes:
        outbox: file of the outbox; its folder must exist.
        serial: ports with wired nodes.
        mqtt: bridges and devices on the device broker.
        switch: access switches with docking stations on their ports.
        switch_credentials: JSON file with the secrets of the switches.
        laptop_dock: only on a machine that stands at one desk.
        snmp_traps, syslog: where traps and lines of switches are awaited.
        ble: the Bluetooth adapter, None to leave Bluetooth alone.
        health_interval_s: real seconds between health messages; three missing make the gateway lost.
        config_key: file with the key that signs settings from afar; None takes none.
        config_confirm_s: real seconds within which new settings must lead to a greeting, else the old ones return.
        beat_s: device id -> its longest normal silence, s, where the gateway should not learn it.
        clock_wait_s: real seconds after a boot for which events wait for the first answer of a time server; after it
            they go out with a time that nobody vouches for. Lower sends wrong times, higher keeps screens dark.
        outbox_rows: events kept in an outage before the least important go.
        outbox_mib: the same in MiB of payload.
    """

    site: Name
    gateway: Name
    floor: Name
    outbox: Annotated[str, msgspec.Meta(min_length=1)]
    serial: tuple[SerialPort, ...] = ()
    mqtt: tuple[MqttBridge, ...] = ()
    switch: tuple[Switch, ...] = ()
    switch_credentials: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    laptop_dock: LaptopDock | None = None
    snmp_traps: SnmpTraps = SnmpTraps()
    syslog: Syslog = Syslog()
    ble: BleRadio | None = None
    health_interval_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 15.0
    config_key: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    config_confirm_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 300.0
    beat_s: dict[Name, Annotated[float, msgspec.Meta(gt=0)]] = {}
    clock_wait_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 600.0
    outbox_rows: Annotated[int, msgspec.Meta(ge=1000)] = 500_000
    outbox_mib: Annotated[int, msgspec.Meta(ge=1)] = 192


#: What a gateway lets itself be told from afar. Names, files, brokers and keys are not among it, and never will be:
#: whoever holds the signing key must not be able to read files or move the gateway to a broker of his own.
REMOTE: Final = frozenset({"serial", "mqtt", "beat_s", "health_interval_s"})


def from_mapping(data: Mapping[str, Any]) -> GatewaySettings:
    """Return the settings in a parsed TOML table.

    Raises:
        SettingInvalid: names the setting and what is wrong with it.
    """
    try:
        settings = msgspec.convert(dict(data), GatewaySettings)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"gateway settings: {error}") from error
    for mistake in nonsense(settings):
        raise SettingInvalid(f"gateway settings: {mistake.what}; {mistake.instead}")
    return settings
