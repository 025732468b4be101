"""Root of what crosses a wire or a file between processes."""

from __future__ import annotations

from typing import Annotated

import msgspec

SCHEMA_VERSION = 1

#: A topic level, a client id, a place: safe on every broker and in every file name (`research`: NATS refuses
#: blanks and dots in client ids and carries a dot in a topic as two slashes).
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower):
    """Root of all messages; `v` is the schema version, refused when it is not ours."""

    v: int = SCHEMA_VERSION
