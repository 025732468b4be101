"""One number for all decisions ever made: equal numbers, equal decisions. Pure.

Each decision is hashed by itself and the hashes are added up, so the number does not depend on the order in which
decisions of one instant were written down, and can be kept up with every decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from workplace.codec import encode
from workplace.events import Decision

#: Of no decision at all.
EMPTY = "0" * 64
_MODULUS = 1 << 256


def with_decisions(digest: str, decisions: Iterable[Decision]) -> str:
    """Return the digest, 64 hex digits, after more decisions."""
    total = int(digest, 16)
    for decision in decisions:
        total += int.from_bytes(blake2b(encode(decision), digest_size=32).digest())
    return f"{total % _MODULUS:064x}"
