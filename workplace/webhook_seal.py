"""How a webhook proves that it comes from us: HMAC-SHA256 over time stamp and body. Pure.

Both ends are here: we sign, and a receiver in Python may use `check_signature` as it stands.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime

from workplace.errors import MessageRejected, SettingInvalid

ID_HEADER = "Plekvrij-Id"
TIME_HEADER = "Plekvrij-Timestamp"
SIGNATURE_HEADER = "Plekvrij-Signature"

#: A shorter key can be guessed; `openssl rand -hex 32` makes a good one.
LEAST_KEY_BYTES = 32
#: How far the time stamp may be from the receiver's clock, s. Lower: a slow clock refuses us. Higher: a recorded
#: message can be played back for longer.
TOLERANCE_S = 300


def key_of(content: bytes) -> bytes:
    """Return the key in the content of a key file: its first line.

    Raises:
        SettingInvalid: it is too short to keep anybody out; the message does not quote it.
    """
    key = content.partition(b"\n")[0].strip()
    if len(key) < LEAST_KEY_BYTES:
        raise SettingInvalid(
            f"the key has {len(key)} characters, at least {LEAST_KEY_BYTES} are needed; "
            "make one with: openssl rand -hex 32"
        )
    return key


def headers(message_id: str, body: bytes, keys: Sequence[bytes], sent_at: datetime) -> dict[str, str]:
    """Return the headers of one request; with two keys it is signed twice, so that a receiver may change over."""
    stamp = str(int(sent_at.timestamp()))
    signatures = ",".join(f"v1={_sign(stamp, body, key)}" for key in keys)
    return {ID_HEADER: message_id, TIME_HEADER: stamp, SIGNATURE_HEADER: signatures}


def check_signature(
    body: bytes,
    stamp: str,
    signatures: str,
    keys: Iterable[bytes],
    now: datetime,
    tolerance_s: int = TOLERANCE_S,
) -> None:
    """Accept a request that was signed with one of the keys, not long ago.

    Raises:
        MessageRejected: `bad_time` or `bad_signature`; answer 401 and do nothing.
    """
    if not stamp.isascii() or not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > tolerance_s:
        raise MessageRejected("bad_time", "the time stamp is not of now")
    given = [part.strip().removeprefix("v1=") for part in signatures.split(",")]
    wanted = [_sign(stamp, body, key) for key in keys]
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in given for other in wanted):
        raise MessageRejected("bad_signature", "no signature was made with our key")


def _sign(stamp: str, body: bytes, key: bytes) -> str:
    return hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
