"""One input of a test vector, in the shape that every format can be tried with."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from workplace.readings import Decoded

#: Vectors count seconds from an unstated start. It only has to be after every time that a vector mentions.
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VectorInput:
    """What a device sent, and when.

    Attributes:
        payload: the bytes; JSON payloads are written out again.
        t_s: seconds since the start of the sequence.
        meta: what the transport knows besides (address, bind key, port).
    """

    payload: bytes
    topic: str = ""
    retained: bool = False
    port: int | None = None
    t_s: float = 0.0
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """Site time of the message."""
        return START + timedelta(seconds=self.t_s)


#: Tries one input; a fresh one is made for each vector and each sequence, as formats remember devices.
Runner = Callable[[VectorInput], Decoded]


def parse_input(raw: dict[str, Any], t_s: float = 0.0) -> VectorInput:
    """Return the input written in a vector file.

    Raises:
        KeyError, ValueError: the file is not written as its README says.
    """
    return VectorInput(
        payload=_ENCODINGS[raw["encoding"]](raw["payload"]),
        topic=raw.get("topic", ""),
        retained=raw.get("retained", False),
        port=raw.get("port"),
        t_s=t_s,
        meta=raw.get("meta", {}),
    )


_ENCODINGS: dict[str, Callable[[Any], bytes]] = {
    "hex": bytes.fromhex,
    "text": lambda text: text.encode(),
    "base64": base64.b64decode,
    "json": lambda document: (
        document.encode() if isinstance(document, str) else json.dumps(document).encode()
    ),
}
