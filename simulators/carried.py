"""What the people of the building carry: laptops and telephones with addresses and names of their own.

A plain building needs none of it, since nothing of it may matter. It is played where somebody looks whether anything
of it is kept: switches and radios then say what real ones say. All of it is made up and drawn anew for each seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from simulators import snmp_ber
from simulators.bthome_adverts import FLAGS
from simulators.sensors import SensorInput
from simulators.snmp_ber import Cell, Oid, oid
from simulators.speaker import Input

if TYPE_CHECKING:
    from simulators.fake_bluez import FakeBluez
    from simulators.switch import SimulatedSwitch

#: CISCO-MAC-NOTIFICATION-MIB: cmnMacChangedNotification, and cmnHistMacChangedMsg: operation, VLAN, address, port.
_MAC_CHANGED, _MAC_MESSAGE = oid("1.3.6.1.4.1.9.9.215.2.0.1"), oid("1.3.6.1.4.1.9.9.215.1.1.8.1.2.1")
#: IF-MIB: linkUp, and columns that a switch may add to it; ifAlias holds what an administrator wrote.
_LINK_UP, _IF_ALIAS, _IF_PHYS = (
    oid("1.3.6.1.6.3.1.1.5.4"),
    oid("1.3.6.1.2.1.31.1.1.1.18"),
    oid("1.3.6.1.2.1.2.2.1.6"),
)
_IF_INDEX, _IF_OPER = oid("1.3.6.1.2.1.2.2.1.1"), oid("1.3.6.1.2.1.2.2.1.8")
#: LLDP-MIB: lldpRemTablesChange, and lldpRemSysName of what is plugged in.
_LLDP_CHANGE, _LLDP_NAME = oid("1.0.8802.1.1.2.0.0.1"), oid("1.0.8802.1.1.2.1.4.1.1.9.0.1.1")


#: Where a run keeps what is carried in it: the only file that may hold any of it.
CARRIED_FILE = "carried.json"
#: Every so often somebody is named by each switch and each radio, site time.
NAMED_EVERY = timedelta(seconds=20)


class Carried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One laptop and its owner; nothing of it may be found anywhere."""

    mac: str
    host: str
    user: str
    mail: str
    ip: str
    phone_mac: str


def carried_by(seed: int, people: int) -> tuple[Carried, ...]:
    """Return what so many people carry. Names are drawn letters, so that finding one is no chance."""
    found = []
    for number in range(people):
        rng = random.Random(f"{seed}:{number}:carried")
        name = "".join(rng.choices("bcdfghjklmnpqrstvwxz", k=9))
        macs = [":".join(f"{byte:02x}" for byte in (0xA4, *rng.randbytes(5))) for _ in range(2)]
        found.append(
            Carried(
                mac=macs[0],
                host=f"LT-{rng.getrandbits(28):07X}",
                user=f"u.{name}",
                mail=f"{name}@example.nl",
                ip=f"10.{rng.randrange(100, 255)}.{rng.randrange(100, 255)}.{rng.randrange(100, 255)}",
                phone_mac=macs[1],
            )
        )
    return tuple(found)


def read_carried(file: Path) -> tuple[Carried, ...]:
    """Return what is carried in this run; nothing where the file is missing."""
    return msgspec.json.decode(file.read_bytes(), type=tuple[Carried, ...]) if file.exists() else ()


Trap = tuple[Oid, list[tuple[Oid, Cell]]]


def traps_about(one: Carried, if_index: int) -> Iterator[Trap]:
    """Yield the traps of a switch that name a laptop or who uses it."""
    mac = bytes.fromhex(one.mac.replace(":", ""))
    message = b"\x01\x00\x0a" + mac + if_index.to_bytes(2, "big")[-2:] + b"\x00"
    yield _MAC_CHANGED, [(_MAC_MESSAGE, Cell(snmp_ber.OCTETS, message))]
    yield _LLDP_CHANGE, [(_LLDP_NAME, Cell(snmp_ber.OCTETS, one.host.encode()))]
    alias = f"{one.user} {one.mail} {one.ip}".encode()
    yield (
        _LINK_UP,
        [
            ((*_IF_INDEX, if_index), Cell(snmp_ber.INTEGER, if_index)),
            ((*_IF_OPER, if_index), Cell(snmp_ber.INTEGER, 1)),
            ((*_IF_ALIAS, if_index), Cell(snmp_ber.OCTETS, alias)),
            ((*_IF_PHYS, if_index), Cell(snmp_ber.OCTETS, mac)),
        ],
    )


def lines_about(one: Carried, port: str, switch: str, at: datetime) -> Iterator[str]:
    """Yield syslog lines that name a laptop or its user, in words of the guides of Cisco and ArubaOS-Switch."""
    dotted = one.mac.replace(":", "")
    dotted = f"{dotted[:4]}.{dotted[4:8]}.{dotted[8:]}"
    said = (
        f"%DOT1X-5-SUCCESS: Authentication successful for client ({dotted}) on Interface {port} AuditSessionID 0A",
        f"%AUTHMGR-5-START: Starting 'dot1x' for client ({dotted}) on Interface {port}",
        f"%SW_MATM-4-MACFLAP_NOTIF: Host {dotted} in vlan 10 is flapping between port {port} and port Gi1/0/48",
        f"%SEC_LOGIN-5-LOGIN_SUCCESS: Login Success [user: {one.user}] [Source: {one.ip}] [localport: 22]",
        f"%DHCP_SNOOPING-5-DHCP_SNOOPING_MATCH_MAC_FAIL: {one.host} {one.mail} chaddr {one.mac.upper()} on {port}",
        f"%LINK-3-UPDOWN: Interface {port}, changed state to up, description {one.user} {one.mac} {one.ip}",
        f"00076 ports: port {port} is now on-line for {one.user} ({one.mac.replace(':', '-')})",
    )
    for text in said:
        yield f"<189>{switch}: {at:%b} {at.day:2d} {at:%H:%M:%S}.000: {text}"


def adverts_about(one: Carried) -> Iterator[tuple[str, bytes]]:
    """Yield (address, data) of what a laptop and a telephone say on the air; a tag in a bag may speak BTHome."""
    name = f"{one.host} {one.user[2:]}".encode()[:26]
    yield one.mac.upper(), FLAGS + bytes([len(name) + 1, 0x09]) + name
    yield one.phone_mac.upper(), FLAGS + b"\x07\xff\x4c\x00\x10\x02\x0b\x00"
    yield one.phone_mac.upper(), FLAGS + b"\x07\x16\xd2\xfc\x44\x21\x01\x00"


class _Teller:
    """Lets one after the other be named, at every turn."""

    hears: tuple[Input, ...] = ()

    def __init__(self, carried: Sequence[Carried], started_at: datetime, every: timedelta) -> None:
        self._carried = carried
        self._every = every
        self._turn = 0
        self.wake_at = started_at

    def show(self, entry: SensorInput, now: datetime) -> None:
        """Nothing leads here."""

    def due(self, now: datetime) -> None:
        if now >= self.wake_at:
            self.wake_at = now + self._every
            self.tell(self._carried[self._turn % len(self._carried)], now)
            self._turn += 1

    def tell(self, one: Carried, now: datetime) -> None:
        raise NotImplementedError


class TalkingSwitch(_Teller):
    """A switch that names who is plugged in, as its administrator may have set it up."""

    def __init__(
        self, switch: SimulatedSwitch, carried: Sequence[Carried], started_at: datetime, every: timedelta
    ) -> None:
        super().__init__(carried, started_at, every)
        self._switch = switch

    def tell(self, one: Carried, now: datetime) -> None:
        port = self._switch.table[self._switch.ports[self._turn % len(self._switch.ports)]]
        for trap, varbinds in traps_about(one, port.index):
            self._switch.announce(trap, varbinds)
        for line in lines_about(one, port.name, self._switch.name, now):
            self._switch.say(line)


class TalkingAir(_Teller):
    """Laptops, telephones and tags in reach of an adapter."""

    def __init__(
        self, bluez: FakeBluez, carried: Sequence[Carried], started_at: datetime, every: timedelta
    ) -> None:
        super().__init__(carried, started_at, every)
        self._bluez = bluez

    def tell(self, one: Carried, now: datetime) -> None:
        del now
        for address, data in adverts_about(one):
            self._bluez.advert(address, data)
