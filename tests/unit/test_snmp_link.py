"""SNMP traps: what they mean, what is ignored, and that no address of a laptop and no name comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.ber import BerInvalid, fields, integer, object_id
from firmware_bridge.formats.snmp_link import (
    MAX_DATAGRAM_BYTES,
    MAX_VARBINDS,
    SYS_UPTIME,
    TRAP_OID,
    decode_trap,
    link_of_varbinds,
    response_to_inform,
)
from firmware_bridge.formats.snmptrapd_text import decode_snmptrapd
from firmware_bridge.registry import FORMATS
from firmware_bridge.vector_input import VectorInput
from workplace.readings import Decoded

LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
IF_INDEX, IF_DESCR, IF_TYPE, ADMIN, OPER = (f"1.3.6.1.2.1.2.2.1.{column}" for column in (1, 2, 3, 7, 8))
IF_NAME, IF_ALIAS = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.31.1.1.1.18"
REASON = "1.3.6.1.4.1.9.2.2.1.1.20"
MAC_TRAP, MAC_MESSAGE = "1.3.6.1.4.1.9.9.215.2.0.1", "1.3.6.1.4.1.9.9.215.1.1.8.1.2"
MAC_TUPLE = bytes.fromhex("0100010011223344550005")


def length(size: int) -> bytes:
    return bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")


def tlv(tag: int, contents: bytes) -> bytes:
    return bytes([tag]) + length(len(contents)) + contents


def number(value: int, tag: int = 0x02) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(text: str) -> bytes:
    first, second, *rest = (int(arc) for arc in text.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.append(arc & 0x7F | 0x80)
        out += bytes(reversed(octets))
    return tlv(0x06, bytes(out))


def value(told: Any) -> bytes:
    if isinstance(told, int):
        return number(told)
    return tlv(0x04, told) if isinstance(told, bytes) else oid(told)


def varbinds(told: dict[str, Any]) -> bytes:
    return tlv(0x30, b"".join(tlv(0x30, oid(name) + value(each)) for name, each in told.items()))


def v2c(told: dict[str, Any], *, tag: int = 0xA7, version: int = 1) -> bytes:
    pdu = tlv(tag, number(1) + number(0) + number(0) + varbinds({SYS_UPTIME: 500} | told))
    return tlv(0x30, number(version) + tlv(0x04, b"public") + pdu)


def v1(generic: int, told: dict[str, Any], *, specific: int = 0, agent: str = "c000020a") -> bytes:
    head = oid("1.3.6.1.4.1.9.9.215.2") + tlv(0x40, bytes.fromhex(agent))
    pdu = tlv(0xA4, head + number(generic) + number(specific) + number(500, 0x43) + varbinds(told))
    return tlv(0x30, number(0) + tlv(0x04, b"public") + pdu)


def shape(decoded: Decoded) -> list[tuple[object, object, object]]:
    return [(item.value, item.channel, item.extra.get("if_index")) for item in decoded.readings]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param({f"{IF_INDEX}.5": 5}, (True, None, 5), id="a number is enough"),
        pytest.param({f"{OPER}.5": 1}, (True, None, 5), id="a number out of another column"),
        pytest.param({f"{IF_INDEX}.5": 5, f"{IF_DESCR}.5": b"Gi1/0/5"}, (True, "Gi1/0/5", 5), id="its description"),
        pytest.param(
            {f"{IF_INDEX}.5": 5, f"{IF_DESCR}.5": b"GigabitEthernet1/0/5", f"{IF_NAME}.5": b"Gi1/0/5"},
            (True, "Gi1/0/5", 5), id="the name before the description",
        ),
        pytest.param({f"{IF_INDEX}.5": 5, f"{IF_TYPE}.5": 117}, (True, None, 5), id="gigabit of an older agent"),
        pytest.param({f"{IF_INDEX}.5": 5, f"{IF_DESCR}.5": b"\xff\xfe"}, (True, None, 5), id="a name that is none"),
    ],
)  # fmt: skip
def test_link_up(told: dict[str, Any], expected: tuple[object, ...]) -> None:
    assert shape(decode_trap(v2c({TRAP_OID: LINK_UP} | told))) == [expected]
    assert shape(decode_trap(v1(3, told))) == [expected]


def test_an_admin_shutdown_is_flagged() -> None:
    told = {f"{IF_INDEX}.5": 5, f"{ADMIN}.5": 2, f"{OPER}.5": 2, f"{REASON}.5": b"administratively down"}
    (reading,) = decode_trap(v2c({TRAP_OID: LINK_DOWN} | told)).readings
    assert reading.value is False
    assert reading.extra == {
        "if_index": 5, "admin_status": 2, "oper_status": 2, "admin_down": True,
        "reason": "administratively down", "uptime": 500,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        pytest.param(v2c({TRAP_OID: LINK_UP, f"{IF_INDEX}.5": 5, f"{IF_TYPE}.5": 161}), "not_a_port", id="a bundle"),
        pytest.param(v2c({TRAP_OID: LINK_UP, f"{IF_INDEX}.5": 5, f"{IF_TYPE}.5": 53}), "not_a_port", id="a VLAN"),
        pytest.param(v2c({TRAP_OID: "1.3.6.1.6.3.1.1.5.1"}), "switch_restarted", id="cold start"),
        pytest.param(v1(1, {}), "switch_restarted", id="warm start"),
        pytest.param(v2c({TRAP_OID: "1.3.6.1.6.3.1.1.5.5"}), "not_a_link", id="authentication failure"),
        pytest.param(v2c({TRAP_OID: MAC_TRAP, f"{MAC_MESSAGE}.1": MAC_TUPLE}), "personal_data", id="Cisco MAC trap"),
        pytest.param(v1(6, {f"{MAC_MESSAGE}.1": MAC_TUPLE}, specific=1), "personal_data", id="Cisco MAC trap, v1"),
        pytest.param(
            v2c({TRAP_OID: LINK_UP, f"{IF_INDEX}.5": 5, f"{MAC_MESSAGE}.1": MAC_TUPLE}),
            "personal_data", id="a link trap that brings an address",
        ),
        pytest.param(
            v2c({TRAP_OID: "1.3.6.1.4.1.11.2.14.11.5.1.66.0.1"}), "personal_data", id="ArubaOS-Switch MAC trap"
        ),
        pytest.param(tlv(0x30, number(1) + tlv(0x04, b"p") + tlv(0xA0, b"")), "not_a_trap", id="a request"),
    ],
)  # fmt: skip
def test_other_messages_say_nothing(datagram: bytes, reason: str) -> None:
    decoded = decode_trap(datagram, sender="192.0.2.7")
    assert (decoded.readings, decoded.dropped) == ((), reason)
    assert "1122" not in repr(decoded)
    assert "\\x11" not in repr(decoded)


def test_what_people_wrote_next_to_a_port_never_comes_out() -> None:
    told = {
        TRAP_OID: LINK_UP,
        f"{IF_INDEX}.5": 5,
        f"{IF_ALIAS}.5": b"desk of J de Vries",
        "1.3.6.1.4.1.1.5": b"Vries",
    }
    assert "Vries" not in repr(decode_trap(v2c(told)))
    mac = {
        TRAP_OID: LINK_UP,
        f"{IF_INDEX}.5": 5,
        f"{IF_DESCR}.5": b"0011.2233.4455",
        f"{REASON}.5": b"0011.2233.4455",
    }
    assert "2233" not in repr(decode_trap(v2c(mac)))


def test_the_agent_of_a_v1_trap_names_itself() -> None:
    told = {f"{IF_INDEX}.5": 5}
    assert decode_trap(v1(2, told), sender="192.0.2.99").device == "192.0.2.10"
    assert decode_trap(v1(2, told, agent="00000000"), sender="192.0.2.99").device == "192.0.2.99"


def test_an_inform_is_decoded_and_answered() -> None:
    told = {TRAP_OID: LINK_DOWN, f"{IF_INDEX}.5": 5, "1.3.6.1.4.1.1.1": b"\xa6" * 120}
    inform = v2c(told, tag=0xA6)
    assert shape(decode_trap(inform)) == [(False, None, 5)]
    assert response_to_inform(inform) == v2c(told, tag=0xA2)
    assert response_to_inform(v2c(told)) is None
    assert response_to_inform(b"\xa6") is None


def test_version_3_needs_a_library_first() -> None:
    assert decode_trap(v2c({TRAP_OID: LINK_UP}, version=3)).fault == "unsupported_version"


GOOD = v2c({TRAP_OID: LINK_UP, f"{IF_INDEX}.5": 5})


@pytest.mark.parametrize(
    ("datagram", "fault"),
    [
        pytest.param(b"", "bad_frame", id="nothing"),
        pytest.param(GOOD[:-1], "bad_frame", id="cut off"),
        pytest.param(GOOD + b"\0", "bad_frame", id="too long"),
        pytest.param(b"\x30\x80" + GOOD[2:], "bad_frame", id="a length that is not given"),
        pytest.param(b"\x30\x84\xff\xff\xff\xff" + GOOD[2:], "bad_frame", id="a length of 4 GB"),
        pytest.param(b"\x30" * 5000, "bad_frame", id="nested without end"),
        pytest.param(v2c({TRAP_OID: LINK_UP}), "port_missing", id="no port at all"),
        pytest.param(v2c({f"{IF_INDEX}.5": 5}), "trap_missing", id="no kind of trap"),
        pytest.param(
            v2c({TRAP_OID: LINK_UP} | {f"{IF_INDEX}.{index}": 1 for index in range(MAX_VARBINDS)}),
            "bad_frame", id="more varbinds than a switch sends",
        ),
        pytest.param(bytes(MAX_DATAGRAM_BYTES + 1), "oversize", id="larger than any trap"),
    ],
)  # fmt: skip
def test_damaged_messages_are_faults(datagram: bytes, fault: str) -> None:
    decoded = decode_trap(datagram)
    assert (decoded.readings, decoded.fault) == ((), fault)


@pytest.mark.parametrize("contents", ["", "80", "ff", "2b" + "ff" * 6 + "01", "2b" + "01" * 200])
def test_bad_object_identifiers(contents: str) -> None:
    with pytest.raises(BerInvalid):
        object_id(bytes.fromhex(contents))


def test_numbers_and_identifiers() -> None:
    assert (object_id(b"\x2b\x06\x01"), object_id(b"\x88\x37\x03")) == ("1.3.6.1", "2.999.3")
    assert (integer(b"\xff"), integer(b"\xff", signed=False)) == (-1, 255)
    for contents in (b"", bytes(10)):
        with pytest.raises(BerInvalid):
            integer(contents)
    with pytest.raises(BerInvalid):
        list(fields(b"\x02"))


def test_a_library_may_hand_over_its_varbinds() -> None:
    pairs = [
        (f".{TRAP_OID}", LINK_UP),
        (f"{IF_INDEX}.7", "7"),
        (f"{IF_NAME}.7", "Gi1/0/7"),
        (f"{ADMIN}.7", object()),
    ]
    decoded = link_of_varbinds(pairs, device="192.0.2.7")
    assert (decoded.device, shape(decoded)) == ("192.0.2.7", [(True, "Gi1/0/7", 7)])
    run = FORMATS["snmp.trap.varbinds"]()
    assert shape(run(VectorInput(json.dumps([[TRAP_OID, LINK_UP], [f"{IF_INDEX}.7", 7]]).encode()))) == [
        (True, None, 7)
    ]
    assert run(VectorInput(b"7")).fault == "not_an_object"
    assert run(VectorInput(b"{")).fault == "not_json"


LOG = (
    "2026-11-01 10:00:00 sw1 [UDP: [10.0.0.5]:49161->[10.0.0.1]:162]:\n"
    "DISMAN-EVENT-MIB::sysUpTimeInstance = Timeticks: (123456) 0:20:34.56\tSNMPv2-MIB::snmpTrapOID.0 = OID: {trap}\t"
    "IF-MIB::ifIndex.3 = INTEGER: 3\tIF-MIB::ifAdminStatus.3 = INTEGER: up(1)\tIF-MIB::ifType.3 = INTEGER: {kind}\t"
    "IF-MIB::ifName.3 = STRING: Gi1/0/3\tIF-MIB::ifAlias.3 = STRING: desk of J de Vries"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(LOG.format(trap="IF-MIB::linkUp", kind="ethernetCsmacd(6)"), (True, "Gi1/0/3", 3), id="a log"),
        pytest.param(LOG.format(trap="IF-MIB::linkDown", kind="ieee8023adLag(161)"), None, id="a bundle"),
        pytest.param(LOG.format(trap="IF-MIB::linkDown", kind="l3ipvlan"), None, id="a VLAN by its word"),
        pytest.param(
            f"sw1\nUDP: [10.0.0.5]:1->[10.0.0.1]:162\n.{SYS_UPTIME} 0:0:00:05.00\n.{TRAP_OID} .{LINK_DOWN}\n"
            f".{IF_INDEX}.9 9\n.{IF_DESCR}.9 \"Slot: 0 Port: 9\"\n",
            (False, "Slot: 0 Port: 9", 9), id="digits instead of names",
        ),
    ],
)  # fmt: skip
def test_snmptrapd_text(text: str, expected: tuple[object, ...] | None) -> None:
    decoded = decode_snmptrapd(text.encode())
    assert (decoded.device, shape(decoded)) == ("10.0.0.5", [] if expected is None else [expected])
    assert "Vries" not in repr(decoded)


def test_snmptrapd_mac_traps_are_dropped_by_name() -> None:
    text = LOG.format(trap="CISCO-MAC-NOTIFICATION-MIB::cmnMacChangedNotification", kind="6")
    text += (
        "\tCISCO-MAC-NOTIFICATION-MIB::cmnHistMacChangedMsg.0 = Hex-STRING: 01 00 01 00 11 22 33 44 55 00 05"
    )
    decoded = decode_snmptrapd(text.encode())
    assert (decoded.dropped, decoded.readings) == ("personal_data", ())
    assert "33 44" not in repr(decoded)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_trap(data: bytes) -> None:
    assert decode_trap(data).readings == ()
    assert decode_trap(b"\x30" + length(len(data)) + data).readings == ()
    assert decode_snmptrapd(data).readings == ()


@given(st.data())
def test_a_damaged_trap_is_never_raised(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for at in data.draw(st.lists(st.integers(0, len(GOOD) - 1), max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    assert len(decode_trap(bytes(damaged)).readings) <= 1
    response_to_inform(bytes(damaged))


NAMES = st.sampled_from(
    [TRAP_OID, SYS_UPTIME, f"{IF_INDEX}.5", f"{IF_TYPE}.x", f"{IF_DESCR}.", f"{ADMIN}.5", ".", ""]
)
VALUES = (
    st.none()
    | st.integers()
    | st.floats()
    | st.binary(max_size=5)
    | st.sampled_from([LINK_UP, LINK_DOWN, "5"])
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_no_varbinds_make_the_decoder_stumble(pairs: list[tuple[str, Any]]) -> None:
    link_of_varbinds(pairs)
