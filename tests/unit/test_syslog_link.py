"""Syslog lines of switches: what each vendor's line means, what is told twice, and that no person's trace comes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.formats.link_reading import has_address, port_name, reason_words
from firmware_bridge.formats.syslog_link import MAX_LINE_BYTES, MAX_PORTS, SyslogLinkDecoder
from workplace.readings import Decoded

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SENDER = "192.0.2.7"


def said(line: str, *, sender: str | None = SENDER) -> Decoded:
    return SyslogLinkDecoder().decode(line.encode(), sender=sender, now=NOW)


def shape(decoded: Decoded) -> list[tuple[object, object, object]]:
    return [(item.value, item.channel, item.extra.get("admin_down")) for item in decoded.readings]


@pytest.mark.parametrize(
    ("line", "device", "is_up", "port", "admin_down"),
    [
        pytest.param(
            "<189>45: *Mar  1 18:46:11: %LINK-3-UPDOWN: Interface GigabitEthernet1/0/5, changed state to up",
            SENDER, True, "GigabitEthernet1/0/5", None, id="IOS without a name: the sender is the switch",
        ),
        pytest.param(
            "<189>45: 000123: sw1: .Mar  1 18:46:11.123 CET: %LINK-SP-3-UPDOWN: "
            "Interface Gi1/0/5, changed state to down",
            "sw1", False, "Gi1/0/5", None, id="IOS with two counters, a lost clock and a zone",
        ),
        pytest.param(
            "<189>12: sw1: 1w2d: %LINEPROTO-5-UPDOWN: Line protocol on Interface Gi0/1, changed state to up",
            "sw1", True, "Gi0/1", None, id="IOS that counts its uptime",
        ),
        pytest.param(
            "<189>12: sw1: Mar  1 18:46:11: %LINK-5-CHANGED: Interface Vlan3, changed state to administratively down",
            "sw1", False, "Vlan3", True, id="a person shut the port",
        ),
        pytest.param(
            "<187>9: LC/0/2/CPU0:Jul  7 20:16:14.834 : ifmgr[214]: %PKT_INFRA-LINK-5-CHANGED : "
            "Interface TenGigE0/2/0/4, changed state to Administratively Down",
            SENDER, False, "TenGigE0/2/0/4", True, id="IOS XR without a name",
        ),
        pytest.param(
            "<187>9: gw2.acy1 LC/0/2/CPU0:Jul  7 20:16:14.834 : ifmgr[214]: %PKT_INFRA-LINK-3-UPDOWN : "
            "Interface TenGigE0/2/0/4, changed state to Up",
            "gw2.acy1", True, "TenGigE0/2/0/4", None, id="IOS XR",
        ),
        pytest.param(
            "<189>: 2018 Apr 20 13:15:07 CET: %ETHPORT-5-IF_DOWN_ADMIN_DOWN: Interface Ethernet1/1 is down "
            "(Administratively down)",
            SENDER, False, "Ethernet1/1", True, id="NX-OS, shut by a person",
        ),
        pytest.param(
            "<190>2018 Apr 20 13:15:38 nexus %ETHPORT-5-IF_UP: Interface Ethernet1/33 is up in mode trunk",
            "nexus", True, "Ethernet1/33", None, id="NX-OS up",
        ),
        pytest.param(
            "<190>2018 Apr 20 13:15:07 nexus %ETH_PORT_CHANNEL-5-PORT_INDIVIDUAL_DOWN: "
            "individual port Ethernet1/3 is down",
            "nexus", False, "Ethernet1/3", None, id="NX-OS, member without a bundle",
        ),
        pytest.param(
            "<165>Feb  6 08:27:14 veos01 Ebra: %LINEPROTO-5-UPDOWN: Line protocol on Interface Ethernet28 "
            "(desk of somebody), changed state to up",
            "veos01", True, "Ethernet28", None, id="EOS with a description, which is not read",
        ),
        pytest.param(
            "<28>Jul 20 21:45:59 vmx01 mib2d[2424]: SNMP_TRAP_LINK_UP: ifIndex 502, ifAdminStatus up(1), "
            "ifOperStatus up(1), ifName xe-0/0/0",
            "vmx01", True, "xe-0/0/0", False, id="Junos",
        ),
        pytest.param(
            '<30>1 2026-11-23T08:59:58.230Z sw9 mib2d 1234 SNMP_TRAP_LINK_DOWN [junos@2636 x="y"] ifIndex 502, '
            "ifAdminStatus up(1), ifOperStatus down(2), ifName ge-0/0/1",
            "sw9", False, "ge-0/0/1", False, id="Junos with structured data",
        ),
        pytest.param(
            "<29>Jul 23 2018 01:00:34 hw1 %%01PHY/1/PHY(l)[7]:GigabitEthernet0/0/8: change status to down.",
            "hw1", False, "GigabitEthernet0/0/8", None, id="Huawei, physical",
        ),
        pytest.param(
            "<14> Nov  6 13:36:45 10.1.1.1 00076 ports:  port A21 is now on-line",
            "10.1.1.1", True, "A21", None, id="ArubaOS-Switch to a syslog server",
        ),
        pytest.param(
            "<14>Nov  6 13:36:45 sw3 00077 ports: ST1-CMDR: port 1/21 is now off-line",
            "sw3", False, "1/21", None, id="ArubaOS-Switch in a stack",
        ),
        pytest.param(
            "<190>1 2026-09-23T10:15:40.512004+07:00 cx1 intfd 1633 - - Event|403|LOG_INFO|AMM|1/1|"
            "Link status for interface 1/1/24 is down",
            "cx1", False, "1/1/24", None, id="AOS-CX",
        ),
        pytest.param(
            "#Apr 24 11:43:09:896 2015 Sysname IFNET/4/INTERFACE UPDOWN: Trap 1.3.6.1.6.3.1.1.5.3<linkDown>: "
            "Interface 983555 is Down, ifAdminStatus is 2, ifOperStatus is 2",
            "Sysname", False, None, True, id="Comware trap that gives a number only",
        ),
        pytest.param(
            "<189>Oct 9 14:59:04 2009 Sysname %%10IFNET/3/LINK_UPDOWN(l): GigabitEthernet1/0/1 link status is DOWN.",
            "Sysname", False, "GigabitEthernet1/0/1", None, id="Comware 5",
        ),
        pytest.param(
            "<189>Oct 9 14:59:04 2019 Sysname %%10IFNET/3/PHY_UPDOWN: Physical state on the interface "
            "GigabitEthernet1/0/1 changed to up.",
            "Sysname", True, "GigabitEthernet1/0/1", None, id="Comware 7",
        ),
        pytest.param(
            "<14>Nov  6 13:36:28 HOSTNAME System: Interface ethernet 3/8, state down - remote fault ",
            "HOSTNAME", False, "ethernet3/8", None, id="NetIron with a reason",
        ),
        pytest.param(
            "<13>1 2019-02-22T10:57:30.359427+00:00 ss12.00.lab orchagent - - -  :- setHostIntfsOperStatus: "
            "Set operation status DOWN to host interface Ethernet28",
            "ss12.00.lab", False, "Ethernet28", None, id="SONiC",
        ),
    ],
)  # fmt: skip
def test_what_the_vendors_write(
    line: str, device: str, is_up: bool, port: str | None, admin_down: bool | None
) -> None:
    decoded = said(line)
    assert (decoded.device, shape(decoded)) == (device, [(is_up, port, admin_down)])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("I 05/18/13 17:13:30 00898 ports: Loop Protect(62) has disabled port 22", "not_a_link", id="loop"),
        pytest.param("I 05/18/13 17:13:30 00435 ports: port 22 is Blocked by STP", "not_a_link", id="spanning tree"),
        pytest.param("<189>1: sw: Jun  1 12:50:26: %SYS-5-CONFIG_I: Configured from console", "not_a_link", id="other"),
        pytest.param(
            "<189>1: sw: Jun  1 12:50:26: %LINK-5-CHANGED: Interface Gi1/0/1, changed state to reset",
            "not_a_link", id="a port in reset is neither up nor down",
        ),
        pytest.param(
            "<189>1: sw: Jun  1 12:50:26: %ETHPORT-5-IF_ADMIN_UP: Interface Ethernet1/1 is admin up .",
            "not_a_link", id="permitted to come up is not up",
        ),
        pytest.param(
            "<175>2020-11-04T07:05:36+00:00 sw lacpd[1]: LACP_INTF_DOWN: ae105: Interface marked down due to lacp",
            "not_a_link", id="a bundle is no desk",
        ),
        pytest.param(
            "<189>1: %SW_MATM-4-MACFLAP_NOTIF: Host 0011.2233.4455 in vlan 1 is flapping between port Gi1/0/1",
            "personal_data", id="an address of a laptop",
        ),
        pytest.param(
            "#Apr 24 11:43:09:896 2015 S IFNET/4/INTERFACE UPDOWN: Trap 1.3.6.1.6.3.1.1.5.4<linkUp>: "
            "Interface 9 is Up, "
            "ifAdminStatus is 1, ifOperStatus is 1, ifDescr is Bridge-Aggregation1, ifType is 161",
            "not_a_port", id="Comware says that it is a bundle",
        ),
        pytest.param("", "not_a_link", id="nothing"),
    ],
)  # fmt: skip
def test_other_lines_say_nothing(line: str, reason: str) -> None:
    decoded = said(line)
    assert (decoded.readings, decoded.dropped, decoded.fault) == ((), reason, None)


def test_reasons_and_clock_marks_are_kept_as_facts() -> None:
    (reading,) = said(
        "<190>2018 Oct 31 08:12:52 sw01.test %ETHPORT-5-IF_DOWN_ERROR_DISABLED: Interface Ethernet1/3 is down "
        "(Error disabled. Reason:Received REINIT_NO_FLAP request)"
    ).readings
    assert reading.extra["reason"] == "Error disabled. Reason:Received REINIT_NO_FLAP request"
    (reading,) = said("*Nov 14 08:30:56.699: %LINK-3-UPDOWN: Interface Gi2, changed state to up").readings
    assert reading.extra["clock_unsynced"] is True


def test_only_a_time_with_year_and_zone_is_believed() -> None:
    line = "Event|404|LOG_INFO|AMM|1/1|Link status for interface 1/1/2 is up"
    (reading,) = said(f"<190>1 2026-11-23T09:59:30+01:00 cx1 intfd 9 - - {line}").readings
    assert reading.measured_at == NOW - timedelta(seconds=30)
    (reading,) = said(f"<190>1 2026-11-23T12:59:30+01:00 cx1 intfd 9 - - {line}").readings
    assert reading.measured_at is None


LINK = "<189>1: sw: Jun  1 12:50:26: %LINK-3-UPDOWN: Interface Gi1/0/5, changed state to {}"
PROTOCOL = "<189>2: sw: Jun  1 12:50:27: %LINEPROTO-5-UPDOWN: Line protocol on Interface Gi1/0/5, changed state to {}"
SHUT = (
    "<189>3: sw: Jun  1 12:50:27: %LINK-5-CHANGED: Interface Gi1/0/5, changed state to administratively down"
)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        pytest.param([(0, LINK.format("up")), (1, PROTOCOL.format("up"))], [True], id="one plug, told twice"),
        pytest.param([(0, PROTOCOL.format("down")), (1, LINK.format("down"))], [False], id="one unplug, told twice"),
        pytest.param(
            [(0, LINK.format("up")), (1, LINK.format("down")), (2, LINK.format("up"))],
            [True, False, True], id="a flap is three changes",
        ),
        pytest.param([(0, LINK.format("up")), (6, LINK.format("up"))], [True, True], id="later it is told again"),
        pytest.param(
            [(0, PROTOCOL.format("down")), (1, SHUT)], [False, False], id="that a person shut the port is news",
        ),
        pytest.param([(0, SHUT), (1, PROTOCOL.format("down"))], [False], id="after a shutdown nothing is added"),
    ],
)  # fmt: skip
def test_a_change_is_told_once(lines: list[tuple[int, str]], told: list[bool]) -> None:
    decoder = SyslogLinkDecoder()
    found = [decoder.decode(line.encode(), now=NOW + timedelta(seconds=at)) for at, line in lines]
    assert [reading.value for decoded in found for reading in decoded.readings] == told
    assert all(decoded.dropped == "duplicate" for decoded in found if not decoded.readings)


def test_memory_is_bounded() -> None:
    decoder = SyslogLinkDecoder()
    for number in range(MAX_PORTS + 5):
        line = f"sw: %LINK-3-UPDOWN: Interface Gi1/0/{number}, changed state to up"
        assert decoder.decode(line.encode(), now=NOW).readings
    assert len(decoder._recent) == MAX_PORTS


def test_a_line_that_is_too_long_is_refused_unread() -> None:
    assert said("x" * (MAX_LINE_BYTES + 1)).fault == "oversize"


@pytest.mark.parametrize(
    "text",
    [
        "00:11:22:33:44:55",
        "00-11-22-33-44-55",
        "0011.2233.4455",
        "001122-334455",
        "001122334455",
        "x AABBCCDDEEFF",
    ],
)
def test_hardware_addresses_are_recognised(text: str) -> None:
    assert has_address(text)
    assert port_name(text) is None
    assert said(f"sw: %LINK-3-UPDOWN: Interface {text}, changed state to up").readings == ()


def test_texts_pass_by_a_list_of_characters() -> None:
    assert port_name("GigabitEthernet1/0/5") == "GigabitEthernet1/0/5"
    assert port_name("Gi1/0/5; desk") is None
    assert reason_words("Lost Carrier") == "Lost Carrier"
    assert reason_words("by 10.0.0.1") is None


PERSON = "Janneke de Vries"


@pytest.mark.parametrize(
    "line",
    [
        f"sw: %LINEPROTO-5-UPDOWN: Line protocol on Interface Gi0/1 ({PERSON}), changed state to up",
        f"<190>2018 Apr 20 13:15:38 n1 %ETHPORT-5-IF_UP: Interface Ethernet1/3, description {PERSON}, is up",
        f"sw: %LINK-5-CHANGED: Interface Gi0/1, changed state to administratively down from {PERSON}",
        f"sw: %ILPOWER-7-DETECT: Interface Gi0/1: {PERSON}",
    ],
)
def test_what_people_wrote_never_comes_out(line: str) -> None:
    assert "Janneke" not in repr(said(line))


PIECES = st.sampled_from(
    [
        *(
            "<189>",
            "1432: ",
            "sw1: ",
            "Jun  1 12:50:26.172: ",
            "*",
            "2018 Apr 20 13:15:07 ",
            "1 2026-11-23T08:00:00Z h ",
        ),
        *("%LINK-3-UPDOWN: ", "%LINEPROTO-5-UPDOWN: Line protocol on ", "Interface ", "Gi1/0/5", " (", "), "),
        *("changed state to ", "up", "down", "administratively down", "SNMP_TRAP_LINK_DOWN: ", "ifIndex 5, "),
        *(
            "00077 ports: port ",
            " is now off-line",
            "%%01IFNET/4/IF_STATE(l)[1]:",
            "001122334455",
            " ",
            ":",
            "\0",
        ),
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=25))
def test_no_line_makes_the_decoder_stumble(pieces: list[str]) -> None:
    decoded = said("".join(pieces))
    assert len(decoded.readings) <= 1
    assert "001122334455" not in repr(decoded)


@given(st.binary(max_size=300))
def test_random_bytes_are_no_change(line: bytes) -> None:
    decoded = SyslogLinkDecoder().decode(line, sender=SENDER, now=NOW)
    assert (decoded.readings, decoded.device) == ((), SENDER)
