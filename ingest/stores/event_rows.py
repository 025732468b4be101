"""An event as a row of the store, and back: what comes back decides as what came. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ingest.stores.schema import from_ms, to_ms
from workplace.codec import BOOLEAN_KINDS, decode, encode
from workplace.events import SensorEvent

#: In the order that `event_of` reads, after what a query puts before.
EVENT_COLUMNS: Final = (
    "id, gateway, device, kind, channel, value, measured_at, received_at, clock, uncertainty_ms, seq, historical,"
    " rest_us, body"
)


def event_row(event: SensorEvent, taken_at: datetime | None) -> tuple[object, ...]:
    """Return the row; the whole message is kept with it only where the columns would lose something that decides."""
    value, measured, received = event.value, event.measured_at, event.received_at
    is_bool = isinstance(value, bool)
    is_whole = (
        event.reason is None
        and event.expires_s is None
        and not event.retained
        and is_bool == (event.kind in BOOLEAN_KINDS)
        and measured.tzinfo is UTC
        and received.tzinfo is UTC
    )
    return (
        event.id,
        event.gateway,
        event.device,
        event.kind,
        event.channel,
        int(value) if is_bool else value,
        to_ms(measured),
        to_ms(received),
        event.clock,
        event.uncertainty_ms,
        event.seq,
        int(event.historical or event.retained),
        None if taken_at is None else to_ms(taken_at),
        measured.microsecond % 1000 * 1000 + received.microsecond % 1000,
        None if is_whole else encode(event),
        event.spool,
        event.line,
    )


def event_of(site: str, row: tuple[Any, ...]) -> SensorEvent:
    """Return the event in one row of `EVENT_COLUMNS`; battery, radio strength and line decide nothing."""
    (
        id_,
        gateway,
        device,
        kind,
        channel,
        value,
        measured_ms,
        received_ms,
        clock,
        uncertainty_ms,
        seq,
        historical,
        rest_us,
        body,
    ) = row
    if body is not None:
        return decode(bytes(body), SensorEvent)
    rest = divmod(rest_us or 0, 1000)
    return SensorEvent(
        id=id_,
        site=site,
        gateway=gateway,
        device=device,
        kind=kind,
        value=bool(value) if kind in BOOLEAN_KINDS else value,
        channel=channel,
        measured_at=from_ms(measured_ms) + timedelta(microseconds=rest[0]),
        clock=clock,
        uncertainty_ms=uncertainty_ms,
        received_at=from_ms(received_ms) + timedelta(microseconds=rest[1]),
        seq=seq,
        historical=bool(historical),
    )
