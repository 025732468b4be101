"""A webhook is accepted when it was signed with our key, not long ago; everything else is not."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from workplace.errors import MessageRejected, SettingInvalid
from workplace.webhook_seal import check_signature, headers, key_of

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
NEW, OLD, OTHER = b"n" * 64, b"o" * 64, b"x" * 64
BODY = b'{"id":"1"}'


def test_the_signature_is_what_the_reference_says() -> None:
    made = headers("1", BODY, [NEW], NOW)
    stamp = "1795510800"
    wanted = hmac.new(NEW, stamp.encode() + b"." + BODY, hashlib.sha256).hexdigest()
    assert made == {"Plekvrij-Id": "1", "Plekvrij-Timestamp": stamp, "Plekvrij-Signature": f"v1={wanted}"}


@pytest.mark.parametrize(
    ("signing", "knowing"),
    [
        pytest.param([NEW], [NEW], id="one key on both sides"),
        pytest.param([NEW, OLD], [OLD], id="we have changed, the receiver not yet"),
        pytest.param([NEW, OLD], [NEW], id="the receiver has changed too"),
        pytest.param([OLD], [NEW, OLD], id="the receiver changed first"),
    ],
)
def test_keys_can_be_changed_without_a_gap(signing: list[bytes], knowing: list[bytes]) -> None:
    made = headers("1", BODY, signing, NOW)
    check_signature(BODY, made["Plekvrij-Timestamp"], made["Plekvrij-Signature"], knowing, NOW)


@pytest.mark.parametrize(
    ("body", "later_s", "keys", "signature", "reason"),
    [
        pytest.param(b'{"id":"2"}', 0, [NEW], None, "bad_signature", id="another body"),
        pytest.param(BODY, 0, [OTHER], None, "bad_signature", id="another key"),
        pytest.param(BODY, 301, [NEW], None, "bad_time", id="played back after five minutes"),
        pytest.param(BODY, -301, [NEW], None, "bad_time", id="from the future"),
        pytest.param(BODY, 0, [NEW], "", "bad_signature", id="no signature"),
        pytest.param(BODY, 0, [NEW], "v1=é", "bad_signature", id="nonsense"),
    ],
)
def test_what_is_not_ours_is_refused(
    body: bytes, later_s: int, keys: list[bytes], signature: str | None, reason: str
) -> None:
    made = headers("1", BODY, [NEW], NOW)
    given = made["Plekvrij-Signature"] if signature is None else signature
    with pytest.raises(MessageRejected) as refused:
        check_signature(body, made["Plekvrij-Timestamp"], given, keys, NOW + timedelta(seconds=later_s))
    assert refused.value.reason == reason


@pytest.mark.parametrize("stamp", ["", "now", "-5", "1e9", "²"])
def test_a_stamp_that_is_no_time_is_refused(stamp: str) -> None:
    with pytest.raises(MessageRejected, match="bad_time"):
        check_signature(BODY, stamp, "v1=00", [NEW], NOW)


def test_a_short_key_is_refused_without_being_quoted() -> None:
    with pytest.raises(SettingInvalid) as refused:
        key_of(b"geheim\n")
    assert "geheim" not in str(refused.value)
    assert key_of(b"  " + NEW + b"\r\nremark") == NEW
