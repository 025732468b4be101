"""How switches say in a syslog line that a link went up or down: one row per vendor and message.

Sources: test messages of napalm-automation/napalm-logs (IOS, IOS XR, NX-OS, EOS, Junos, Huawei, NetIron, SONiC), the
system message guides of Cisco IOS and NX-OS, HPE 5120SI command reference (Comware), ArubaOS-Switch event log guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Any text that people wrote next to a port. It is matched to find its end and never read.
_DESCRIPTION = r".{0,256}"
_INTERFACE = r"(?P<port>[A-Za-z][\w./:-]{0,63})"


@dataclass(frozen=True, slots=True)
class SyslogRow:
    """One message of one vendor.

    Attributes:
        pattern: named groups `port` and `state`; further `index`, `admin`, `oper`, `type`, `reason`, `mode`.
        states: the words of `state` in lower case; a word that is not here says nothing about the link.
        admin_down: words of `state` that mean that a person shut the port.
    """

    pattern: re.Pattern[str]
    states: dict[str, bool]
    admin_down: frozenset[str] = frozenset()


def _row(pattern: str, states: dict[str, bool], *admin_down: str) -> SyslogRow:
    return SyslogRow(re.compile(pattern, re.ASCII | re.IGNORECASE), states, frozenset(admin_down))


_UP_DOWN: Final = {"up": True, "down": False}
_CISCO: Final = _UP_DOWN | {"administratively down": False}

ROWS: Final = (
    # Cisco IOS, IOS-XE, IOS XR and Arista EOS: physical link, then about 1 s later the line protocol.
    _row(
        rf"%(?:PKT_INFRA-)?LINK(?:-[A-Z0-9]{{1,8}})?-[0-7]-(?:UPDOWN|CHANGED) ?: Interface {_INTERFACE}"
        rf"(?: \({_DESCRIPTION}\))?, changed state to (?P<state>administratively down|up|down)\b",
        _CISCO,
        "administratively down",
    ),
    _row(
        rf"%(?:PKT_INFRA-)?LINEPROTO(?:-[A-Z0-9]{{1,8}})?-[0-7]-UPDOWN ?: Line protocol on Interface {_INTERFACE}"
        rf"(?: \({_DESCRIPTION}\))?, changed state to (?P<state>administratively down|up|down)\b",
        _CISCO,
        "administratively down",
    ),
    # Cisco NX-OS
    _row(
        rf"%ETHPORT-[0-7]-IF_(?P<state>DOWN_(?:PARENT_)?ADMIN_DOWN|DOWN)(?:_[A-Z_]{{1,40}})?: Interface {_INTERFACE}"
        rf"(?:,? ?\(?description{_DESCRIPTION})? is down ?(?:\((?P<reason>[^()]{{1,64}})\))?",
        {"down": False, "down_admin_down": False, "down_parent_admin_down": False},
        "down_admin_down",
        "down_parent_admin_down",
    ),
    _row(
        rf"%ETHPORT-[0-7]-IF_(?P<state>UP): Interface {_INTERFACE}"
        rf"(?:,? ?\(?description{_DESCRIPTION})? is up(?: in mode (?P<mode>[a-z]{{1,16}}))?",
        {"up": True},
    ),
    _row(
        rf"%ETH_PORT_CHANNEL-[0-7]-PORT_INDIVIDUAL_(?P<state>DOWN): individual port {_INTERFACE} is down",
        {"down": False},
    ),
    # Junos, plain and as the text of structured data
    _row(
        rf"SNMP_TRAP_LINK_(?P<state>UP|DOWN)\b.{{0,400}}?ifIndex (?P<index>\d{{1,10}}), ifAdminStatus \w{{1,16}}"
        rf"\((?P<admin>\d)\), ifOperStatus \w{{1,16}}\((?P<oper>\d)\), ifName {_INTERFACE}",
        _UP_DOWN,
    ),
    # Huawei VRP
    _row(
        rf"%%\d\dIFNET/\d/IF_STATE\(l\)(?:\[\d+\])?: ?Interface {_INTERFACE} has turned into (?P<state>UP|DOWN) state",
        _UP_DOWN,
    ),
    _row(
        rf"%%\d\dPHY/\d/PHY\(l\)(?:\[\d+\])?: ?{_INTERFACE}: change status to (?P<state>up|down)\b", _UP_DOWN
    ),
    # ArubaOS-Switch and ProCurve: event 00076 up, 00077 down
    _row(
        r"(?<!\d)0007[67] ports:\s{1,4}(?:[\w-]{1,16}:\s{1,4})?port (?P<port>[A-Za-z0-9][\w./-]{0,31})"
        r"(?: in Trk\d{1,3})? is now (?P<state>on-line|off-line)",
        {"on-line": True, "off-line": False},
    ),
    # AOS-CX: events 403 and 404, known from two public log samples and no document
    _row(
        r"Event\|\d{1,5}\|[^|]{0,32}\|[^|]{0,16}\|[^|]{0,16}\|Link status for interface "
        r"(?P<port>[A-Za-z0-9][\w./-]{0,31}) is (?P<state>up|down)\b",
        _UP_DOWN,
    ),
    # Comware (HPE, H3C): the trap as text, and the log of the interface module
    _row(
        r"Trap 1\.3\.6\.1\.6\.3\.1\.1\.5\.[34]<link(?P<state>Up|Down)>: ?Interface (?P<index>\d{1,10}) is (?:Up|Down), "
        r"ifAdminStatus is (?P<admin>\d), ifOperStatus is (?P<oper>\d)"
        rf"(?:, ifDescr is {_INTERFACE}, ifType is (?P<type>\d{{1,4}}))?",
        _UP_DOWN,
    ),
    _row(
        rf"IFNET/\d/LINK_UPDOWN(?:\(l\))?: ?{_INTERFACE}:? link status is (?P<state>UP|DOWN)\b",
        _UP_DOWN,
    ),
    _row(
        rf"IFNET/\d/PHY_UPDOWN(?:\(l\))?: ?Physical state on the interface {_INTERFACE} "
        r"changed to (?P<state>up|down)\b",
        _UP_DOWN,
    ),
    # Brocade NetIron and FastIron
    _row(
        r"System: Interface (?P<port>ethernet ?[A-Za-z0-9][\w./-]{0,31}), state (?P<state>up|down)"
        r"(?: - (?P<reason>[^()]{1,64}))?",
        _UP_DOWN,
    ),
    # SONiC
    _row(
        rf"setHostIntfsOperStatus: Set operation status (?P<state>UP|DOWN) to host interface {_INTERFACE}",
        _UP_DOWN,
    ),
)
