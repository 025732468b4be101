"""Ids that come out the same for the same happening, so that a redelivery is recognised everywhere."""

from __future__ import annotations

from hashlib import blake2b


def stable_id(*parts: object) -> str:
    """Return 32 hex digits made of `parts`, in order; lengths count, so parts cannot run together."""
    digest = blake2b(digest_size=16)
    for part in parts:
        text = repr(part).encode()
        digest.update(len(text).to_bytes(4, "little") + text)
    return digest.hexdigest()
