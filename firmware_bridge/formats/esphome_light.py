"""The light of an ESPHome node: a command to one MQTT message, and its answer back.

The node's package gives the light an effect per code, under the code's own name.
"""

from __future__ import annotations

from typing import Final

import msgspec

from workplace.events import LightCode

#: Object id of the light in the package for desk nodes; a command without a channel means this one.
LIGHT: Final = "place"
_EFFECTS: Final[frozenset[str]] = frozenset({"free", "in_use", "note", "reclaimable", "unknown"})


class _State(msgspec.Struct, frozen=True):
    state: str
    effect: str = "None"


class EsphomeLights:
    """`workplace.ports.LightEncoder`."""

    def order(self, node: str, channel: str | None, light: LightCode) -> tuple[str, bytes]:
        """Return topic and payload that make the light of `node` (its topic prefix) show a code."""
        wish = {"state": "OFF"} if light == "off" else {"state": "ON", "effect": light}
        return f"{node}/light/{channel or LIGHT}/command", msgspec.json.encode(wish)

    def shown(self, topic: str, payload: bytes) -> tuple[str, str | None, str] | None:
        """Return node, channel and code that a state message tells; None when it tells nothing of the kind."""
        levels = topic.rsplit("/", 3)
        if len(levels) != 4 or levels[1] != "light" or levels[3] != "state":
            return None
        try:
            told = msgspec.json.decode(payload, type=_State)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        code = "off" if told.state == "OFF" else told.effect
        if told.state not in {"ON", "OFF"} or (code != "off" and code not in _EFFECTS):
            return None
        return levels[0], None if levels[2] == LIGHT else levels[2], code
