"""Reads what the engine decided, in the order of writing, for those who pass it on. Never blocks ingest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from ingest.stores.history import SqliteHistory
from ingest.stores.schema import from_ms, to_ms
from workplace.codec import decode
from workplace.events import Decision, HoldPhase


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the record was read: number and id of a decision; number 0 is its beginning."""

    number: int
    id: str


class _Site(msgspec.Struct):
    """What is needed of the engine's own record (`workplace.holds.records.SiteRecord`)."""

    is_paused: bool = False


class _Breaker(msgspec.Struct):
    """What is needed of the circuit breaker's record (R28)."""

    causes: tuple[str, ...] = ()


class DecisionLog(SqliteHistory):
    """The record as a queue: numbers grow, and a mark tells whether it is still the same record."""

    def end(self) -> Mark:
        """Return the mark of the newest decision."""
        rows = self._ask("SELECT number, id FROM decision ORDER BY number DESC LIMIT 1")
        return Mark(*rows[0]) if rows else Mark(0, "")

    def is_at(self, mark: Mark) -> bool:
        """Return whether this record still holds the decision of a mark; the beginning always is there."""
        if mark.number == 0:
            return True
        return bool(self._ask("SELECT 1 FROM decision WHERE number = ? AND id = ?", mark.number, mark.id))

    def first_number(self) -> int:
        """Return the number of the oldest decision that is still kept, 0 when there is none."""
        rows = self._ask("SELECT min(number) FROM decision")
        return int(rows[0][0] or 0) if rows else 0

    def after(self, mark: Mark, limit: int) -> list[tuple[Mark, Decision]]:
        """Return up to `limit` decisions after a mark, in the order in which they were written."""
        rows = self._ask(
            "SELECT number, id, body FROM decision WHERE number > ? ORDER BY number LIMIT ?",
            mark.number,
            limit,
        )
        return [(Mark(number, id_), decode(bytes(body), Decision)) for number, id_, body in rows]

    def phase_of(self, place: str) -> HoldPhase | None:
        """Return the newest phase of a place."""
        rows = self._ask("SELECT phase FROM place_transition WHERE place = ? ORDER BY at DESC LIMIT 1", place)
        return cast("HoldPhase", rows[0][0]) if rows else None

    def lost_gateways(self) -> dict[str, datetime]:
        """Return the gateways whose newest word is that they are lost, with since when."""
        rows = self._ask(
            "SELECT gateway, max(at) FROM gateway_status g WHERE status = 'offline' AND at >"
            " (SELECT coalesce(max(at), 0) FROM gateway_status o"
            "  WHERE o.gateway = g.gateway AND o.status = 'online') GROUP BY gateway"
        )
        return {gateway: from_ms(at) for gateway, at in rows}

    def mass_events(self, since: datetime) -> dict[str, datetime]:
        """Return zone -> newest time at which a place there lost its link together with many others."""
        rows = self._ask(
            "SELECT zone, max(at) FROM place_transition WHERE at > ? AND ',' || reasons || ',' LIKE ?"
            " GROUP BY zone",
            to_ms(since),
            "%,mass_event,%",
        )
        return {zone: from_ms(at) for zone, at in rows}

    def pauses(self) -> tuple[str, ...]:
        """Return why nothing is enforced: `stop_switch`, `false_releases`, `coverage`; empty when it is."""
        rows = dict(self._ask("SELECT key, body FROM engine_state WHERE key IN ('site', 'breaker')"))
        site, breaker = rows.get("site"), rows.get("breaker")
        is_stopped = site is not None and msgspec.json.decode(bytes(site), type=_Site).is_paused
        own = () if breaker is None else msgspec.json.decode(bytes(breaker), type=_Breaker).causes
        return (*(("stop_switch",) if is_stopped else ()), *own)

    def engine_now(self) -> datetime | None:
        """Return the engine's own time; it stands still when the engine does."""
        rows = self._ask("SELECT value FROM meta WHERE key = 'engine_now'")
        return datetime.fromisoformat(rows[0][0]) if rows else None
