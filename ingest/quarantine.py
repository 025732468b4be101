"""What could not be used: kept for a look, counted by reason, bounded, and never a reason to stop."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ingest.stores.schema import MAX_QUARANTINE_PAYLOAD_BYTES
from workplace.events import SensorEvent

#: Topics and details are cut to this: whoever sends rubbish also sends long rubbish.
_MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused message: why, in one word and in a sentence, and what it was."""

    reason: str
    detail: str
    topic: str
    payload: bytes
    stranger: SensorEvent | None = None
    """What it said, when only the plan does not know the device: it may be given a place."""

    @property
    def fingerprint(self) -> bytes:
        """The same rubbish from the same place is one row with a count."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.reason.encode(), self.topic.encode("utf-8", "replace"), self.payload):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def row(self, at_ms: int) -> tuple[bytes, str, str, str, bytes, int, int]:
        """Return fingerprint, reason, detail, topic, payload, first and last time, all cut to size."""
        return (
            self.fingerprint,
            self.reason,
            self.detail[:_MAX_TEXT],
            self.topic[:_MAX_TEXT],
            self.payload[:MAX_QUARANTINE_PAYLOAD_BYTES],
            at_ms,
            at_ms,
        )
