"""What a device said, before anybody decides what it means.

Decoders turn bytes into `Reading` values and never invent one: a key that is absent is no news, and a
negative is reported only when the device itself said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Value = bool | int | float | str | tuple[int, ...] | Mapping[str, int | float | str | None] | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity that one message carried.

    Attributes:
        kind: what was measured, a word such as `motion`, `occupancy`, `presence`, `count`, `link`, `button`,
            `battery`, `availability`, `illuminance`, `temperature`.
        value: bool for claims, number in `unit` for quantities, text for enumerations.
        unit: `%`, `lx`, `C`, `mm`, `V`, ...; None where the kind has none.
        channel: which of several equal inputs of the device, None for the only one.
        zone: the device's own sub-area (radar region), not one of ours.
        device: set when the message speaks of another device than its sender.
        scope: `device`, `bridge` or `port` (one input of a device, named by `channel`) for availability.
        measured_at: what the message itself says, aware UTC; None when it says nothing.
        historical: a stored record sent late; it must never move live state.
        extra: further facts by name (`state`, `mode`, `admin_down`, `direction`), kept for reports.
    """

    kind: str
    value: Value
    unit: str | None = None
    channel: str | int | None = None
    zone: str | None = None
    device: str | None = None
    scope: str | None = None
    measured_at: datetime | None = None
    historical: bool = False
    extra: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Everything a decoder could read from one message.

    A decoder returns what it could read plus the fault that stopped it; it does not raise for bad input.

    Attributes:
        readings: zero to many readings, in the order of the message.
        fault: class of the fault (`bad_frame`, `key_missing`, `unsupported_version`, ...) or None.
        dropped: why a well-formed message was ignored (`duplicate`, `older_packet`,
            `unencrypted_after_encrypted`, `personal_data`, ...) or None.
        device: the sending device as named by the message, if it names one.
        sleepy: the device says that silence is normal for it.
        seq: the message's own counter, for removing duplicates.
    """

    readings: tuple[Reading, ...] = ()
    fault: str | None = None
    dropped: str | None = None
    device: str | None = None
    sleepy: bool = False
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class WireReading:
    """A reading from a wired node, with the node's own clock and the key that makes it unique.

    Attributes:
        device: topic-safe device id, for DSP/1 `dsp1-<uid as 16 hex digits>`.
        boot_id: changes at each restart of the node; a new boot starts a new time line.
        uptime_ms: the node's uptime at detection, ms.
        seq: event number within the boot; None for level reports, which are not unique events.
        token: hand back to the session once the reading is durable; None needs no acknowledgement.
    """

    device: str
    reading: Reading
    boot_id: int
    uptime_ms: int
    seq: int | None
    token: int | None = None


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One ping round trip: gateway times in boot-clock ms, the device's uptime in ms at the answer."""

    device: str
    boot_id: int
    sent_ms: float
    received_ms: float
    uptime_ms: int
