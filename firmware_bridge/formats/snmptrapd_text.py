"""What net-snmp's `snmptrapd` hands to a script or writes to a log, as lines of text.

Handed to a script: host, transport, then `name value` lines. In a log: `name = TYPE: value`, several on a line.
"""

from __future__ import annotations

import re
from typing import Any, Final

from firmware_bridge.formats.snmp_link import SYS_UPTIME, TRAP_OID, link_of_varbinds
from workplace.readings import Decoded

MAX_TEXT_BYTES = 65_536
#: As many lines as a trap can have varbinds, and some for heads.
MAX_LINES = 200

_SENDER = re.compile(r"(?:UDP|TCP)(?:/IPv6)?: \[(?P<address>[0-9A-Fa-f.:]{2,45})\]")
_LINE = re.compile(
    r"(?P<name>\.?[A-Za-z0-9][\w.:-]{2,255})\s+(?:= )?(?:(?P<type>[A-Z][A-Za-z0-9 -]{2,20}): )?(?P<value>.*)"
)
_TYPES: Final = frozenset(
    {"INTEGER", "OID", "STRING", "Timeticks", "Gauge32", "Counter32", "Hex-STRING", "IpAddress", "Counter64"}
)
_TICKS = re.compile(r"\((\d{1,10})\)")
_UPTIME = re.compile(r"(\d{1,5}):(\d{1,2}):(\d{1,2}):(\d{1,2})\.(\d{2})")
_ENUMERATED = re.compile(r"([A-Za-z0-9]{1,40})\((\d{1,10})\)")

#: Names that are read -> object identifier.
_NAMES: Final = {
    "ifIndex": "1.3.6.1.2.1.2.2.1.1",
    "ifDescr": "1.3.6.1.2.1.2.2.1.2",
    "ifType": "1.3.6.1.2.1.2.2.1.3",
    "ifAdminStatus": "1.3.6.1.2.1.2.2.1.7",
    "ifOperStatus": "1.3.6.1.2.1.2.2.1.8",
    "ifName": "1.3.6.1.2.1.31.1.1.1.1",
    "locIfReason": "1.3.6.1.4.1.9.2.2.1.1.20",
    "sysUpTimeInstance": SYS_UPTIME,
    "sysUpTime": SYS_UPTIME[:-2],
    "snmpTrapOID": TRAP_OID[:-2],
}
_TRAPS: Final = {
    "coldStart": "1.3.6.1.6.3.1.1.5.1",
    "warmStart": "1.3.6.1.6.3.1.1.5.2",
    "linkDown": "1.3.6.1.6.3.1.1.5.3",
    "linkUp": "1.3.6.1.6.3.1.1.5.4",
}
#: Traps about laptops' addresses, by the modules' names: told apart from other traps so that both can be counted.
_PERSONAL = re.compile(r"mac-?notif|mac-?information|MacNotify|MACInfo|cmnMac|mnMac", re.IGNORECASE)
_STATES: Final = {
    "up": 1, "down": 2, "testing": 3, "unknown": 4, "dormant": 5, "notPresent": 6, "lowerLayerDown": 7,
}  # fmt: skip
_IF_TYPES: Final = {"ethernetCsmacd": 6, "fastEther": 62, "fastEtherFX": 69, "gigabitEthernet": 117}
#: A type that has a name and is not Ethernet.
_OTHER_TYPE = 1


def decode_snmptrapd(text: bytes, *, sender: str | None = None) -> Decoded:
    """Return what one notification says; the sender in the text counts before `sender`."""
    if len(text) > MAX_TEXT_BYTES:
        return Decoded(fault="oversize", device=sender)
    lines = re.split(r"[\n\t]", text.decode("utf-8", errors="replace"), maxsplit=MAX_LINES)[:MAX_LINES]
    device, varbinds = sender, []
    for line in lines:
        address = _SENDER.search(line)
        if address:
            device = address["address"]
            continue
        found = _varbind(line.strip())
        if found is not None:
            varbinds.append(found)
    return link_of_varbinds(varbinds, device=device)


def _varbind(line: str) -> tuple[str, Any] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    value = match["value"].strip()
    if match["type"] is not None and match["type"] not in _TYPES:
        value = f"{match['type']}: {value}"
    oid = _oid(match["name"])
    return None if oid is None else (oid, _value(oid, value))


def _oid(name: str) -> str | None:
    if name.replace(".", "").isdecimal():
        return name.lstrip(".")
    word, _, index = name.rpartition("::")[2].partition(".")
    base = _NAMES.get(word)
    if base is None:
        return None
    return f"{base}.{index}" if index else base


def _value(oid: str, text: str) -> Any:
    if oid == TRAP_OID:
        return _trap(text)
    if oid == SYS_UPTIME:
        return _ticks(text)
    enumerated = _ENUMERATED.fullmatch(text)
    if enumerated:
        return int(enumerated[2])
    text = text.strip('"')
    if oid.startswith(f"{_NAMES['ifType']}."):
        return text if text.isdecimal() else _IF_TYPES.get(text, _OTHER_TYPE)
    if oid.startswith((f"{_NAMES['ifAdminStatus']}.", f"{_NAMES['ifOperStatus']}.")):
        return _STATES.get(text, text)
    return text


def _trap(text: str) -> str:
    if _PERSONAL.search(text):
        return "1.3.6.1.4.1.9.9.215.2.0.1"  # as if it came in digits: dropped for what it is
    return _TRAPS.get(text.rpartition("::")[2], text)


def _ticks(text: str) -> int | None:
    counted = _TICKS.search(text)
    if counted:
        return int(counted[1])
    spelled = _UPTIME.fullmatch(text)
    if spelled is None:
        return None
    days, hours, minutes, seconds, hundredths = (int(part) for part in spelled.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 100 + hundredths
