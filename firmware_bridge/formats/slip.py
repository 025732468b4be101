"""SLIP (RFC 1055): what stands between two END bytes."""

from __future__ import annotations

from workplace.errors import WorkplaceError

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
_UNESCAPED = {ESC_END: END, ESC_ESC: ESC}


class SlipInvalid(WorkplaceError):
    """An escape leads nowhere; count the frame as damaged and go on with the next."""


def slip_decode(encoded: bytes) -> bytes:
    """Return the frame in `encoded`, END bytes at the edges allowed.

    Raises:
        SlipInvalid: ESC is followed by anything but its two escapes, or END stands inside.
    """
    out = bytearray()
    rest = iter(encoded.strip(bytes([END])))
    for byte in rest:
        if byte == END:
            raise SlipInvalid("END inside a frame")
        if byte != ESC:
            out.append(byte)
            continue
        escaped = next(rest, None)
        if escaped not in _UNESCAPED:
            raise SlipInvalid(f"ESC followed by {escaped}")
        out.append(_UNESCAPED[escaped])
    return bytes(out)
