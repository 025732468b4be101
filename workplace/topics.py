"""Message <-> MQTT topic, both ways. MQTT 3.1.1 is enough; every level matches `[A-Za-z0-9_-]+`."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

#: Fixed for ever: moving partitions between workers is cheap, re-hashing floors is not.
PARTITIONS = 16
VERSION = "v1"
_LEVEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")


def level(text: str) -> str:
    """Return `text` as one safe topic level; different texts may meet, so keep the original where it matters."""
    safe = _UNSAFE.sub("_", text)[:64]
    return safe or "_"


def partition(floor: str) -> int:
    """Return the partition of a floor: all signals of a place meet in one worker."""
    return zlib.crc32(floor.encode()) % PARTITIONS


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of one site.

    Filters name every level with `+`: on NATS a filter that ends in `#` takes two of the subscriptions that share
    a client's 65,535 unacknowledged messages, and the fourth of them is refused.
    """

    site: str
    root: str = "plekvrij"

    def _join(self, *levels: str | int) -> str:
        return "/".join((self.root, VERSION, self.site, *map(str, levels)))

    def event(self, floor: str, gateway: str, device: str) -> str:
        return self._join(partition(floor), "event", gateway, device)

    def events(self, partition_number: int | None = None) -> str:
        """Filter for the events of one partition, or of all."""
        return self._join("+" if partition_number is None else partition_number, "event", "+", "+")

    def place_state(self, place: str) -> str:
        return self._join("state", "place", place)

    def zone_state(self, zone: str) -> str:
        return self._join("state", "zone", zone)

    def states(self) -> str:
        return self._join("state", "+", "+")

    def gateway_status(self, gateway: str) -> str:
        return self._join("gateway", gateway, "status")

    def gateway_health(self, gateway: str) -> str:
        return self._join("gateway", gateway, "health")

    def gateway_config(self, gateway: str) -> str:
        """Retained: settings for a gateway from afar, signed."""
        return self._join("gateway", gateway, "config")

    def gateways(self) -> str:
        return self._join("gateway", "+", "+")

    def command(self, gateway: str, device: str) -> str:
        return self._join("command", gateway, device)

    def commands(self, gateway: str) -> str:
        return self._join("command", gateway, "+")

    def request(self, request_id: str) -> str:
        return self._join("request", request_id)

    def requests(self) -> str:
        return self._join("request", "+")

    def reply(self, reply_to: str) -> str:
        return self._join("reply", reply_to)

    def decision(self, zone: str) -> str:
        return self._join("decision", zone)

    def decisions(self) -> str:
        return self._join("decision", "+")

    def receipt(self, gateway: str) -> str:
        """What ingest has on disk of a gateway's outbox."""
        return self._join("receipt", gateway)

    def ingest_health(self, partition_number: int | str | None = None) -> str:
        """Of the one ingest of a site, or of the worker on one partition (`+` for the filter of all)."""
        if partition_number is None:
            return self._join("ingest", "health")
        return self._join("ingest", partition_number, "health")

    def ingest_status(self) -> str:
        """`online` or `offline` as plain text, retained, for programs that are not ours."""
        return self._join("ingest", "status")

    def notifier_health(self) -> str:
        """Retained: how the channels outside the screens are doing."""
        return self._join("notifier", "health")

    def kind_of(self, topic: str) -> str | None:
        """Return which family a topic of this site belongs to, None when it is none of ours.

        One of `event`, `place_state`, `zone_state`, `gateway_status`, `gateway_health`, `gateway_config`,
        `command`, `receipt`, `request`, `reply`, `decision`, `ingest_health`, `ingest_status`, `notifier_health`.
        """
        levels = topic.split("/")
        if levels[:3] != [self.root, VERSION, self.site] or not all(map(_LEVEL.fullmatch, levels)):
            return None
        return _family(levels[3:])


def _family(rest: list[str]) -> str | None:
    match rest:
        case [number, "event", _, _] if number.isdecimal() and int(number) < PARTITIONS:
            return "event"
        case ["state", ("place" | "zone") as what, _]:
            return f"{what}_state"
        case ["gateway", _, ("status" | "health" | "config") as what]:
            return f"gateway_{what}"
        case ["command", _, _]:
            return "command"
        case [("receipt" | "request" | "reply" | "decision") as what, _]:
            return what
        case ["ingest", ("health" | "status") as what]:
            return f"ingest_{what}"
        case ["ingest", number, "health"] if number.isdecimal() and int(number) < PARTITIONS:
            return "ingest_health"
        case ["notifier", "health"]:
            return "notifier_health"
        case _:
            return None
