"""What every source of a gateway has in common. A new kind of source is one file beside this one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

from workplace.events import Command, SourceHealth


class Source(ABC):
    """One way in: a serial port, the devices of one MQTT bridge, a radio, a trap receiver.

    Attributes:
        name: unique in its gateway, `<kind>:<which>`; stands in health, logs and counters.
        counters: what was heard, dropped, refused, by reason.
    """

    name: str
    counters: Counter[str]

    @abstractmethod
    async def run(self) -> None:
        """Read until cancelled. An exception restarts this source alone, with back-off."""

    @abstractmethod
    def health(self) -> SourceHealth:
        """Say how this source is now."""

    def all_counters(self) -> dict[str, int]:
        return dict(self.counters)

    def refresh(self) -> None:  # noqa: B027 - only wired devices can be asked
        """Ask the devices what holds now, where they can be asked."""

    def reaches(self, device: str) -> bool:  # noqa: ARG002 - most sources only listen
        """Whether a command for `device` can go out here now."""
        return False

    def command(self, command: Command) -> None:  # noqa: B027 - see `reaches`
        """Pass a command on; called only for a device that `reaches` said yes to."""
