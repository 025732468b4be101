"""An access switch: sends traps and syslog lines, answers polls, restarts with other numbers, misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self, cast

from simulators import snmp_ber, snmp_v3
from simulators.snmp_ber import Cell, Oid, oid
from simulators.snmp_v3 import V3User
from workplace.ports import Clock

Vendor = Literal["cisco", "comware", "procurve"]
_SYS_UPTIME: Final = oid("1.3.6.1.2.1.1.3.0")
_TRAP_OID: Final = oid("1.3.6.1.6.3.1.1.4.1.0")
_TRAPS: Final = oid("1.3.6.1.6.3.1.1.5")
_COLD_START, _LINK_DOWN, _LINK_UP = 1, 3, 4
_IF_INDEX, _IF_DESCR, _IF_TYPE, _IF_ADMIN, _IF_OPER = (oid(f"1.3.6.1.2.1.2.2.1.{n}") for n in (1, 2, 3, 7, 8))
_IF_NAME: Final = oid("1.3.6.1.2.1.31.1.1.1.1")
_ETHERNET, _LAG = 6, 161
#: As many rows as an agent puts into one answer at most, whatever a GETBULK asks.
_MOST_ROWS: Final = 25


@dataclass(slots=True)
class Port:
    """One port; `index` changes when the switch restarts."""

    name: str
    description: str
    index: int
    is_up: bool = False
    is_closed: bool = False
    if_type: int = _ETHERNET


@dataclass(slots=True)
class Faults:
    """How this switch misbehaves.

    Attributes:
        lose: share of traps and lines that never leave.
        copies: how often each trap and line is sent.
        shuffles: keep messages until `flush`, and send them in any order.
        silent: no answer to polls.
    """

    lose: float = 0.0
    copies: int = 1
    shuffles: bool = False
    silent: bool = False


@dataclass(slots=True)
class SimulatedSwitch:
    """`async with SimulatedSwitch("sw-3a", ["Gi1/0/1", ...], clock=clock) as switch:`; then `switch.link(...)`.

    Args:
        ports: names; the last one is an uplink that is always up, and a LAG is there too.
        vendor: whose words the syslog lines have.
        host: the address that it has; traps and lines come from here.
        user: who signs its traps; None sends them as v2c.
        traps_to, syslog_to: where it sends, None for nowhere.
        names_ports: Cisco adds ifDescr to its traps, others send the number alone.
    """

    name: str
    ports: Sequence[str]
    clock: Clock
    seed: int = 1
    vendor: Vendor = "cisco"
    community: bytes = b"plekvrij-test"
    user: V3User | None = None
    host: str = "127.0.0.1"
    traps_to: tuple[str, int] | None = None
    syslog_to: tuple[str, int] | None = None
    names_ports: bool = False
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    table: dict[str, Port] = field(default_factory=dict)
    sent: int = 0
    _rows: list[tuple[Oid, Cell]] = field(default_factory=list)
    _booted_ms: float = 0.0
    _request_id: int = 0
    _boots: int = 1
    _random: random.Random = field(default_factory=random.Random)
    _waiting: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)
    _exit: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _out: socket.socket | None = None

    async def __aenter__(self) -> Self:
        self._random.seed(f"{self.seed}/{self.name}")
        self._booted_ms = self.clock.boot_ms()
        for number, name in enumerate(self.ports, 1):
            self.table[name] = Port(name, _long_name(name), 10_100 + number)
        self.table[self.ports[-1]].is_up = True
        self.table["Po1"] = Port("Po1", "Port-channel1", 5_001, is_up=True, if_type=_LAG)
        self._make_rows()
        self._out = self._exit.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._out.bind((self.host, 0))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Agent(self), local_addr=(self.host, self.port)
        )
        self._exit.callback(transport.close)
        self.port = transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._exit.aclose()

    # --- what happens to it ---

    def link(self, name: str, *, is_up: bool, tell: bool = True) -> None:
        """Plug a laptop in or out; with `tell` False the switch sends nothing (its messages are lost)."""
        port = self.table[name]
        if port.is_up == is_up:
            return
        port.is_up = is_up
        self._make_rows()
        if tell and not port.is_closed:
            self._tell_link(port)

    def close(self, name: str, *, is_closed: bool) -> None:
        """Let an administrator shut the port, or open it again."""
        port = self.table[name]
        port.is_closed = is_closed
        self._make_rows()
        if port.is_up:
            self._tell_link(port)

    def restart(self, *, renumbers: bool = True, tell: bool = True) -> None:
        """Begin anew, as after a power cut: other numbers, uptime from zero, coldStart, a linkUp for each link."""
        self._booted_ms = self.clock.boot_ms()
        self._boots += 1
        if renumbers:
            ethernet = [port for port in self.table.values() if port.if_type == _ETHERNET]
            numbers = [port.index for port in ethernet]
            numbers = numbers[1:] + numbers[:1] if len(numbers) > 1 else numbers
            for port, number in zip(ethernet, numbers, strict=True):
                port.index = number
        self._make_rows()
        if tell:
            self._trap(_COLD_START, [])
            for port in self.table.values():
                if port.is_up and port.if_type == _ETHERNET:
                    self._tell_link(port)

    def flush(self) -> None:
        """Send what `shuffles` kept back."""
        self._random.shuffle(self._waiting)
        for datagram, to in self._waiting:
            self._send_now(datagram, to)
        self._waiting.clear()

    # --- what it sends ---

    @property
    def uptime(self) -> int:
        """Hundredths of a second since it started."""
        return int((self.clock.boot_ms() - self._booted_ms) / 10)

    def _tell_link(self, port: Port) -> None:
        is_up = port.is_up and not port.is_closed
        varbinds: list[tuple[Oid, Cell]] = [
            ((*_IF_INDEX, port.index), Cell(snmp_ber.INTEGER, port.index)),
            ((*_IF_ADMIN, port.index), Cell(snmp_ber.INTEGER, 2 if port.is_closed else 1)),
            ((*_IF_OPER, port.index), Cell(snmp_ber.INTEGER, 1 if is_up else 2)),
        ]
        if self.names_ports:
            varbinds.append(((*_IF_DESCR, port.index), Cell(snmp_ber.OCTETS, port.description.encode())))
        self._trap(_LINK_UP if is_up else _LINK_DOWN, varbinds)
        if self.syslog_to is not None:
            for line in syslog_lines(self.vendor, self.name, port, self.clock.now(), is_up=is_up):
                self._send(line.encode(), self.syslog_to)

    def say(self, line: str) -> None:
        """Send a syslog line of any content."""
        if self.syslog_to is not None:
            self._send(line.encode(), self.syslog_to)

    def _trap(self, number: int, varbinds: list[tuple[Oid, Cell]]) -> None:
        self.announce((*_TRAPS, number), varbinds)

    def announce(self, trap: Oid, varbinds: list[tuple[Oid, Cell]]) -> None:
        """Send a trap of any kind."""
        if self.traps_to is None:
            return
        self._request_id += 1
        first = [
            (_SYS_UPTIME, Cell(snmp_ber.TIME_TICKS, self.uptime)),
            (_TRAP_OID, Cell(snmp_ber.OID, trap)),
        ]
        if self.user is None:
            datagram = snmp_ber.message(self.community, snmp_ber.TRAP, self._request_id, [*first, *varbinds])
        else:
            datagram = snmp_v3.trap(
                self.user,
                self._request_id,
                [*first, *varbinds],
                boots=self._boots,
                engine_time=self.uptime // 100,
            )
        self._send(datagram, self.traps_to)

    def _send(self, datagram: bytes, to: tuple[str, int]) -> None:
        if self._random.random() < self.faults.lose:
            return
        for _ in range(self.faults.copies):
            if self.faults.shuffles:
                self._waiting.append((datagram, to))
            else:
                self._send_now(datagram, to)

    def _send_now(self, datagram: bytes, to: tuple[str, int]) -> None:
        if self._out is not None:
            self._out.sendto(datagram, to)
            self.sent += 1

    # --- what it answers ---

    def answer(self, datagram: bytes) -> bytes | None:
        """Return the answer to a question, None for a wrong community or what is no question."""
        request = snmp_ber.read_request(datagram)
        if self.faults.silent or request is None or request.community != self.community:
            return None
        match request.kind:
            case snmp_ber.GET:
                found = [(name, self._value(name)) for name in request.oids]
            case snmp_ber.GET_NEXT:
                found = [self._after(name) for name in request.oids]
            case snmp_ber.GET_BULK:
                found = list(self._bulk(request.oids, *request.numbers))
            case _:
                return None
        return snmp_ber.message(self.community, snmp_ber.RESPONSE, request.request_id, found)

    def _value(self, name: Oid) -> Cell:
        if name == _SYS_UPTIME:
            return Cell(snmp_ber.TIME_TICKS, self.uptime)
        return dict(self._rows).get(name, Cell(snmp_ber.NO_SUCH_OBJECT, None))

    def _after(self, name: Oid) -> tuple[Oid, Cell]:
        position = bisect_right(self._rows, name, key=lambda row: row[0])
        return self._rows[position] if position < len(self._rows) else (name, Cell(snmp_ber.END_OF_MIB, None))

    def _bulk(self, names: Sequence[Oid], singles: int, rows: int) -> Iterator[tuple[Oid, Cell]]:
        yield from (self._after(name) for name in names[:singles])
        at = list(names[singles:])
        for _ in range(min(rows, _MOST_ROWS)):
            for column, name in enumerate(at):
                found = self._after(name)
                at[column] = found[0]
                yield found

    def _make_rows(self) -> None:
        cells: list[tuple[Oid, Cell]] = []
        for port in self.table.values():
            is_up = port.is_up and not port.is_closed
            cells += [
                ((*_IF_INDEX, port.index), Cell(snmp_ber.INTEGER, port.index)),
                ((*_IF_DESCR, port.index), Cell(snmp_ber.OCTETS, port.description.encode())),
                ((*_IF_TYPE, port.index), Cell(snmp_ber.INTEGER, port.if_type)),
                ((*_IF_ADMIN, port.index), Cell(snmp_ber.INTEGER, 2 if port.is_closed else 1)),
                ((*_IF_OPER, port.index), Cell(snmp_ber.INTEGER, 1 if is_up else 2)),
                ((*_IF_NAME, port.index), Cell(snmp_ber.OCTETS, port.name.encode())),
            ]
        self._rows = sorted(cells, key=lambda row: row[0])


class _Agent(asyncio.DatagramProtocol):
    """The socket that polls come to."""

    def __init__(self, switch: SimulatedSwitch) -> None:
        self._switch = switch

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._switch.answer(data)
        if answer is not None:
            self._transport.sendto(answer, addr)


def syslog_lines(vendor: Vendor, switch: str, port: Port, at: datetime, *, is_up: bool) -> list[str]:
    """Return the lines that a vendor's switch writes for one change of a link.

    The wording follows the vendors' own message references: Cisco IOS system messages (two lines per change),
    HPE Comware trap log, ArubaOS-Switch event log 00076 and 00077.
    """
    time = f"{at:%b} {at.day:2d} {at:%H:%M:%S}"
    if vendor == "comware":
        which, word, status = (4, "linkUp", 1) if is_up else (3, "linkDown", 2)
        admin = 2 if port.is_closed else 1
        line = (
            f"<189>{time} {at:%Y} {switch} %%10IFNET/5/LINK_UPDOWN: Trap 1.3.6.1.6.3.1.1.5.{which}<{word}>: "
            f"Interface {port.index} is {'Up' if is_up else 'Down'}, ifAdminStatus is {admin}, "
            f"ifOperStatus is {status}, ifDescr is {port.name}, ifType is {port.if_type}"
        )
        return [line]
    if vendor == "procurve":
        event, word = ("00076", "on-line") if is_up else ("00077", "off-line")
        return [f"<14>{time} {switch} {event} ports: port {port.name} is now {word}"]
    state = "up" if is_up else "down"
    if port.is_closed:
        first = f"%LINK-5-CHANGED: Interface {port.description}, changed state to administratively down"
    else:
        first = f"%LINK-3-UPDOWN: Interface {port.description}, changed state to {state}"
    second = f"%LINEPROTO-5-UPDOWN: Line protocol on Interface {port.description}, changed state to {state}"
    return [f"<187>{switch}: {time}.000: {first}", f"<189>{switch}: {time}.000: {second}"]


def _long_name(name: str) -> str:
    return name.replace("Gi", "GigabitEthernet", 1) if name.startswith("Gi") and name[2:3].isdigit() else name
