"""SNMP traps of switches: linkUp and linkDown of IF-MIB, v1 (RFC 1157) and v2c (RFC 3416), decoded from the bytes.

Everything else is ignored, and above all what switches tell about the addresses of laptops: such a trap is dropped
whole, and no octet of a varbind that is not in the table below leaves this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any, Final

from firmware_bridge.formats import ber
from firmware_bridge.formats.link_reading import link_reading, port_name, reason_words
from workplace.readings import Decoded, Value

#: Traps fit into one packet on the wire; this leaves room for switches that fill jumbo frames.
MAX_DATAGRAM_BYTES = 9216
#: IF-MIB and the vendors add fewer than ten.
MAX_VARBINDS = 64

_VERSION_1, _VERSION_2C = 0, 1
_TRAP_V1, _TRAP_V2, _INFORM, _RESPONSE = 0xA4, 0xA7, 0xA6, 0xA2
_ENTERPRISE_SPECIFIC = 6

SYS_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
TRAP_OID: Final = "1.3.6.1.6.3.1.1.4.1.0"
#: snmpTraps (RFC 3418); a v1 generic trap n is number n + 1 of these (RFC 3584, section 3.1).
_STANDARD_TRAPS: Final = "1.3.6.1.6.3.1.1.5"
_LINKS: Final = {f"{_STANDARD_TRAPS}.3": False, f"{_STANDARD_TRAPS}.4": True}
#: coldStart, warmStart: interface numbers may have changed.
_RESTARTS: Final = frozenset({f"{_STANDARD_TRAPS}.1", f"{_STANDARD_TRAPS}.2"})

#: Columns that are read; the last arc of the varbind is the interface number. ifAlias is missing on purpose: people
#: write names into it.
_COLUMNS: Final = {
    "1.3.6.1.2.1.2.2.1.1": "if_index",
    "1.3.6.1.2.1.2.2.1.2": "if_descr",
    "1.3.6.1.2.1.2.2.1.3": "if_type",
    "1.3.6.1.2.1.2.2.1.7": "admin_status",
    "1.3.6.1.2.1.2.2.1.8": "oper_status",
    "1.3.6.1.2.1.31.1.1.1.1": "if_name",
    "1.3.6.1.4.1.9.2.2.1.1.20": "reason",  # locIfReason of OLD-CISCO-INTERFACES-MIB
}
_NUMBERS: Final = frozenset({"if_index", "if_type", "admin_status", "oper_status"})
#: ifType 6, and the three that older agents use for faster Ethernet (RFC 3635 deprecates them).
_ETHERNET: Final = frozenset({6, 62, 69, 117})
_ADMIN_DOWN = 2

#: Modules whose traps tell which network card came or left: which person.
_PERSONAL: Final = (
    "1.3.6.1.4.1.9.9.215.",  # CISCO-MAC-NOTIFICATION-MIB
    "1.3.6.1.4.1.11.2.14.11.5.1.66.",  # HP-ICF-MACNOTIFY-MIB
    "1.3.6.1.4.1.11.2.14.11.15.2.87.",  # HPN-ICF-MAC-INFORMATION-MIB
    "1.3.6.1.4.1.25506.2.87.",  # the same from H3C
    "1.3.6.1.4.1.13464.1.2.3.3.1.",  # MAC-NOTIFICATION-MIB
)

Varbinds = Mapping[str, Any] | Iterable[tuple[str, Any]]


def decode_trap(datagram: bytes, *, sender: str | None = None) -> Decoded:
    """Return what one trap or inform says.

    Args:
        datagram: the message as it came over UDP. Version 3 is `unsupported_version`: it needs keys, so a library
            opens it and hands the varbinds to `link_of_varbinds`.
        sender: address of the switch; a v1 trap names its agent itself.
    """
    if len(datagram) > MAX_DATAGRAM_BYTES:
        return Decoded(fault="oversize", device=sender)
    try:
        message = list(ber.fields(ber.only(datagram, ber.SEQUENCE)))
        if not message or message[0][0] != ber.INTEGER:
            raise ber.BerInvalid("no version")
        version = ber.integer(message[0][1])
        if version not in (_VERSION_1, _VERSION_2C):
            return Decoded(fault="unsupported_version", device=sender)
        if len(message) != 3 or message[1][0] != ber.OCTET_STRING:
            raise ber.BerInvalid("no community")
        tag, contents = message[2]
        if tag == _TRAP_V1 and version == _VERSION_1:
            return _version_1(contents, sender)
        if tag in (_TRAP_V2, _INFORM) and version == _VERSION_2C:
            return link_of_varbinds(_version_2(contents), device=sender)
    except ber.BerInvalid:
        return Decoded(fault="bad_frame", device=sender)
    return Decoded(dropped="not_a_trap", device=sender)


def response_to_inform(datagram: bytes) -> bytes | None:
    """Return the answer that an inform waits for, None when the message is none. Without it the switch repeats.

    The answer is the same message as a Response-PDU (RFC 3416, section 4.2.7): only the tag of the PDU differs.
    """
    try:
        parts = list(ber.fields(ber.only(datagram, ber.SEQUENCE)))
    except ber.BerInvalid:
        return None
    if len(parts) != 3 or parts[2][0] != _INFORM:
        return None
    # The head of the PDU is its tag and two to five octets of length, right before its contents at the end.
    end = len(datagram) - len(parts[2][1])
    for at in range(max(0, end - 6), end - 1):
        if datagram[at] == _INFORM and _is_head(datagram[at:], parts[2]):
            return datagram[:at] + bytes([_RESPONSE]) + datagram[at + 1 :]
    return None


def _is_head(rest: bytes, pdu: tuple[int, bytes]) -> bool:
    try:
        return list(ber.fields(rest)) == [pdu]
    except ber.BerInvalid:
        return False


def link_of_varbinds(varbinds: Varbinds, *, device: str | None = None) -> Decoded:
    """Return what the varbinds of a notification say, for messages that a library has opened.

    Args:
        varbinds: (object identifier in dotted digits, value) in any order; values are int, str or bytes.
        device: the switch.
    """
    told: dict[str, Any] = {}
    trap, uptime, is_personal = None, None, False
    for name, value in varbinds.items() if isinstance(varbinds, Mapping) else varbinds:
        oid = name.lstrip(".")
        if oid == TRAP_OID:
            trap = _text(value).lstrip(".")
        elif oid == SYS_UPTIME:
            uptime = _number(value)
        is_personal = is_personal or oid.startswith(_PERSONAL)
        column, _, index = oid.rpartition(".")
        word = _COLUMNS.get(column)
        if word is not None:
            told[word] = _number(value) if word in _NUMBERS else _text(value).strip()
            told.setdefault("if_index", int(index) if index.isascii() and index.isdecimal() else None)
    if trap is None:
        return Decoded(fault="trap_missing", device=device)
    if is_personal or trap.startswith(_PERSONAL):
        return Decoded(dropped="personal_data", device=device)
    if trap not in _LINKS:
        return Decoded(dropped="switch_restarted" if trap in _RESTARTS else "not_a_link", device=device)
    return _link(_LINKS[trap], told, uptime, device)


def _link(is_up: bool, told: dict[str, Any], uptime: int | None, device: str | None) -> Decoded:
    kind, admin, index = told.get("if_type"), told.get("admin_status"), told.get("if_index")
    if kind is not None and kind not in _ETHERNET:
        return Decoded(dropped="not_a_port", device=device)
    port = port_name(told.get("if_name")) or port_name(told.get("if_descr"))
    if port is None and index is None:
        return Decoded(fault="port_missing", device=device)
    facts: dict[str, Value] = {
        "if_index": index,
        "if_type": kind,
        "admin_status": admin,
        "oper_status": told.get("oper_status"),
        "admin_down": None if admin is None else admin == _ADMIN_DOWN,
        "reason": reason_words(told.get("reason")),
        "uptime": uptime,  # hundredths of a second since the agent started
    }
    return Decoded((link_reading(is_up=is_up, port=port, facts=facts),), device=device)


def _version_1(contents: bytes, sender: str | None) -> Decoded:
    parts = list(ber.fields(contents))
    wanted = [ber.OBJECT_ID, ber.IP_ADDRESS, ber.INTEGER, ber.INTEGER, 0x43, ber.SEQUENCE]
    if [tag for tag, _ in parts] != wanted or len(parts[1][1]) != 4:
        raise ber.BerInvalid("not the parts of a v1 trap")
    enterprise, generic = ber.object_id(parts[0][1]), ber.integer(parts[2][1])
    trap = f"{_STANDARD_TRAPS}.{generic + 1}"
    if generic == _ENTERPRISE_SPECIFIC:  # RFC 3584, section 3.1: enterprise, 0, number
        trap = f"{enterprise}.0.{ber.integer(parts[3][1])}"
    agent = IPv4Address(parts[1][1])
    uptime = ber.integer(parts[4][1], signed=False)
    return link_of_varbinds(
        [*_varbinds(parts[5][1]), (TRAP_OID, trap), (SYS_UPTIME, uptime)],
        device=sender if agent.is_unspecified else str(agent),
    )


def _version_2(contents: bytes) -> list[tuple[str, Any]]:
    parts = list(ber.fields(contents))
    if [tag for tag, _ in parts] != [ber.INTEGER, ber.INTEGER, ber.INTEGER, ber.SEQUENCE]:
        raise ber.BerInvalid("not the parts of a v2 trap")
    return _varbinds(parts[3][1])


def _varbinds(contents: bytes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for tag, pair in ber.fields(contents):
        parts = list(ber.fields(pair)) if tag == ber.SEQUENCE else []
        if len(parts) != 2 or parts[0][0] != ber.OBJECT_ID or len(found) >= MAX_VARBINDS:
            raise ber.BerInvalid("not a list of varbinds")
        found.append((ber.object_id(parts[0][1]), _value(*parts[1])))
    return found


def _value(tag: int, contents: bytes) -> Any:
    if tag == ber.INTEGER:
        return ber.integer(contents)
    if tag in ber.UNSIGNED:
        return ber.integer(contents, signed=False)
    return ber.object_id(contents) if tag == ber.OBJECT_ID else contents


def _number(value: Any) -> int | None:
    """Return a number of 32 bits, else None."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 2**32 else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").rstrip("\0")
    return value if isinstance(value, str) else ""
