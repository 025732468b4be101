"""What needs the SNMP library: v3 notifications in, walks of all versions out. The only file that knows pysnmp.

Two engines, because one that is fed notifications has no socket for walks.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import structlog
from pyasn1.type import univ
from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import ntfrcv
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    UdpTransportTarget,
    UsmUserData,
    bulk_cmd,
    get_cmd,
    next_cmd,
)
from pysnmp.proto.rfc1902 import OctetString
from pysnmp.proto.rfc1905 import EndOfMibView

from gateway.switch_credentials import SnmpAccess
from gateway.switch_ports import SwitchSilent

log = structlog.get_logger(__name__)

#: sysUpTime (RFC 3418).
_SYS_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
#: One question waits this long, s, and is asked this often again: a busy switch answers SNMP last of all.
_WAIT_S, _RETRIES = 2.0, 1
#: Rows per answer: with five columns about 1.2 kB, which fits into one packet.
_ROWS_PER_ANSWER: Final = 10
#: More interfaces than any stack has; ends a walk of an agent that goes round in circles.
_MOST_ROWS: Final = 4096
#: RFC 3416: error-status noSuchName, with which a v1 agent says that a column has ended.
_NO_SUCH_NAME: Final = 2

_AUTH: Final = {
    None: config.USM_AUTH_NONE,
    "MD5": config.USM_AUTH_HMAC96_MD5,
    "SHA": config.USM_AUTH_HMAC96_SHA,
    "SHA-224": config.USM_AUTH_HMAC128_SHA224,
    "SHA-256": config.USM_AUTH_HMAC192_SHA256,
    "SHA-384": config.USM_AUTH_HMAC256_SHA384,
    "SHA-512": config.USM_AUTH_HMAC384_SHA512,
}
_PRIV: Final = {
    None: config.USM_PRIV_NONE,
    "DES": config.USM_PRIV_CBC56_DES,
    "AES": config.USM_PRIV_CFB128_AES,
    "AES-192": config.USM_PRIV_CFB192_AES,
    "AES-256": config.USM_PRIV_CFB256_AES,
}
#: What the library calls a refused message -> what our counters call it.
_REFUSALS: Final = {
    "UnknownUserName": "unknown_user",
    "UnknownSecurityName": "unknown_user",
    "UnknownEngineID": "unknown_engine",  # also the first question of every v3 inform
    "AuthenticationFailure": "wrong_password",
    "WrongDigest": "wrong_password",
    "DecryptionError": "wrong_password",
    "NotInTimeWindow": "not_in_time",
    "UnsupportedSecurityLevel": "wrong_level",
}

Varbinds = list[tuple[str, int | str | bytes]]


@dataclass(frozen=True, slots=True)
class TrapSender:
    """A switch that may send: from which address, with what proof, and its own engine id (v3 traps need it)."""

    address: str
    access: SnmpAccess
    engine_id: bytes | None = None


class V3Receiver:
    """Opens v3 traps and informs, and lets through what their switch proved; a context manager.

    Args:
        on_trap: called on the event loop with the sender's address and the varbinds.
        counters: gets what was refused, by reason.
    """

    def __init__(
        self,
        senders: Iterable[TrapSender],
        *,
        on_trap: Callable[[str, Varbinds], None],
        counters: Counter[str],
    ) -> None:
        self._senders = {sender.address: sender for sender in senders}
        self._on_trap = on_trap
        self._counters = counters

    async def __aenter__(self) -> Self:
        self._engine = SnmpEngine()
        self._transport = _FedTransport()
        config.add_transport(self._engine, udp.DOMAIN_NAME, self._transport)
        for sender in self._senders.values():
            _add_user(self._engine, sender)
        self._engine.observer.register_observer(self._note_refusal, "rfc3412.prepareDataElements:sm-failure")
        _Receiver(self._engine, self._proof_fails, self._hand_over)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._transport.transport = None  # the socket is not ours to close
        self._engine.close_dispatcher()

    def feed(self, datagram: bytes, address: tuple[str, int], answers: asyncio.DatagramTransport) -> None:
        """Take one datagram of a known sender; answers go out through `answers`."""
        self._transport.transport = answers
        try:
            self._transport.feed(datagram, address)
        except Exception:  # supervisor of the library: whatever a switch sends, the next must be heard
            self._counters["traps_refused.library_failed"] += 1
            log.debug("trap_not_decoded", sender=address[0], exc_info=True)

    def _note_refusal(
        self, _engine: object, _point: object, variables: Mapping[str, Any], _context: object
    ) -> None:
        why = type(variables["statusInformation"].get("errorIndication")).__name__
        self._counters[f"traps_refused.{_REFUSALS.get(why, 'other')}"] += 1

    def _proof_fails(self, address: str, name: str, level: int) -> bool:
        """Check what the library does not: the user must be this very switch's, and the level at least its own."""
        access = self._senders[address].access
        if name != access.user:
            why = "not_its_credential"
        elif level < access.level:
            why = "wrong_level"  # pysnmp takes an unauthenticated message that names an authPriv user
        else:
            return False
        self._counters[f"traps_refused.{why}"] += 1
        return True

    def _hand_over(self, address: str, varbinds: Iterable[tuple[Any, Any]]) -> None:
        self._on_trap(address, [(str(name), _plain(value)) for name, value in varbinds])


class _FedTransport(udp.UdpAsyncioTransport):  # type: ignore[misc]
    """Has no socket of its own: datagrams are handed in once their sender is known."""

    def feed(self, datagram: bytes, address: tuple[str, int]) -> None:
        self._callback_function(self, udp.UdpTransportAddress(address), datagram)


class _Receiver(ntfrcv.NotificationReceiver):  # type: ignore[misc]
    """Answers informs and hands traps on, when their proof holds; an inform without proof gets no answer."""

    def __init__(
        self,
        engine: SnmpEngine,
        proof_fails: Callable[[str, str, int], bool],
        hand_over: Callable[[str, Iterable[tuple[Any, Any]]], None],
    ) -> None:
        self._proof_fails = proof_fails
        self._hand_over = hand_over
        self._sender = ""
        super().__init__(engine, self._take)

    def process_pdu(self, engine: SnmpEngine, *arguments: Any) -> None:
        _, _, name, level, *_, reference = arguments
        _, (self._sender, *_) = engine.message_dispatcher.get_transport_info(reference)
        if not self._proof_fails(self._sender, str(name), int(level)):
            super().process_pdu(engine, *arguments)

    def _take(
        self, _engine: object, _reference: object, _id: object, _name: object, varbinds: Any, _: object
    ) -> None:
        self._hand_over(self._sender, varbinds)


def _add_user(engine: SnmpEngine, sender: TrapSender) -> None:
    # a trap is signed for the engine of the switch, an inform for ours
    for engine_id in (sender.engine_id, None) if sender.engine_id else (None,):
        config.add_v3_user(
            engine,
            sender.access.user,
            _AUTH[sender.access.auth],
            sender.access.auth_password or None,
            _PRIV[sender.access.priv],
            sender.access.priv_password or None,
            securityEngineId=None if engine_id is None else OctetString(engine_id),
        )


@dataclass(frozen=True, slots=True)
class PollTarget:
    """Where to ask, and as whom."""

    address: str
    port: int
    access: SnmpAccess


class SnmpPoller:
    """Asks switches; all walks of a gateway share one engine. A context manager."""

    async def __aenter__(self) -> Self:
        self._engine = SnmpEngine()
        self._targets: dict[PollTarget, UdpTransportTarget] = {}
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._engine.close_dispatcher()

    async def uptime(self, target: PollTarget) -> int | None:
        """Return hundredths of a second since the switch started.

        Raises:
            SwitchSilent: no answer, or a refusal.
        """
        found = await self._ask(get_cmd, target, [_SYS_UPTIME])
        value = _plain(found[0][1]) if found else None
        return value if isinstance(value, int) else None

    async def walk(self, target: PollTarget, columns: Mapping[str, str]) -> dict[str, dict[int, int | bytes]]:
        """Return name of a column -> row number -> value.

        Args:
            columns: name -> object identifier of the column; its rows have one number.

        Raises:
            SwitchSilent: no answer, or a refusal. What came before is lost: half a table is no truth.
        """
        if target.access.version != "v1":
            return await self._walk(target, columns)
        found: dict[str, dict[int, int | bytes]] = {}
        for name, oid in columns.items():  # a v1 agent refuses a whole question when one of its columns ends
            found |= await self._walk(target, {name: oid})
        return found

    async def _walk(
        self, target: PollTarget, columns: Mapping[str, str]
    ) -> dict[str, dict[int, int | bytes]]:
        found: dict[str, dict[int, int | bytes]] = {name: {} for name in columns}
        at = dict(columns)
        for _ in range(_MOST_ROWS):
            names = list(at)
            answer = await self._rows(target, [at[name] for name in names]) if at else []
            if not answer:
                break
            for position, (oid, value) in enumerate(answer):
                name = names[position % len(names)]
                if name in at and not _take_cell(columns[name], at[name], str(oid), value, found[name]):
                    del at[name]
                elif name in at:
                    at[name] = str(oid)
        return found

    async def _rows(self, target: PollTarget, oids: Sequence[str]) -> Sequence[tuple[Any, Any]]:
        if target.access.version == "v1":
            return await self._ask(next_cmd, target, oids)
        return await self._ask(bulk_cmd, target, oids, 0, _ROWS_PER_ANSWER)

    async def _ask(
        self, command: Callable[..., Any], target: PollTarget, oids: Sequence[str], *numbers: int
    ) -> Sequence[tuple[Any, Any]]:
        try:
            transport = self._targets.get(target)
            if transport is None:
                transport = await UdpTransportTarget.create(
                    (target.address, target.port), timeout=_WAIT_S, retries=_RETRIES
                )
                self._targets[target] = transport
            failure, status, _, found = await command(
                self._engine,
                _credentials(target.access),
                transport,
                ContextData(),
                *numbers,
                *(ObjectType(ObjectIdentity(oid)) for oid in oids),
                lookupMib=False,
            )
        except (PySnmpError, OSError) as error:
            raise SwitchSilent(target.address, str(error)) from error
        if failure:
            raise SwitchSilent(target.address, str(failure))
        if int(status) == _NO_SUCH_NAME:
            return []
        if int(status):
            raise SwitchSilent(target.address, f"it refuses the question ({status.prettyPrint()})")
        return [(name, value) for name, value in found]


def _take_cell(column: str, last: str, oid: str, value: Any, cells: dict[int, int | bytes]) -> bool:
    """Note one cell; False when the column has ended."""
    index = oid.removeprefix(column + ".")
    if index == oid or not index.isdecimal() or isinstance(value, EndOfMibView):
        return False
    before = last.removeprefix(column).lstrip(".")
    if before and int(index) <= int(before):
        return False  # an agent that does not move on would be asked for ever
    plain = _plain(value)
    if isinstance(plain, int | bytes):
        cells[int(index)] = plain
    return True


def _credentials(access: SnmpAccess) -> CommunityData | UsmUserData:
    if access.version != "v3":
        return CommunityData(access.community, mpModel=0 if access.version == "v1" else 1)
    return UsmUserData(
        access.user,
        access.auth_password or None,
        access.priv_password or None,
        authProtocol=_AUTH[access.auth],
        privProtocol=_PRIV[access.priv],
    )


def _plain(value: Any) -> int | str | bytes:
    if isinstance(value, univ.Integer):
        return int(value)
    if isinstance(value, univ.OctetString):
        return bytes(value)
    return str(value) if isinstance(value, univ.ObjectIdentifier) else b""
