"""What the forwarder asks of a time-series server, and the four ways in which it can say no."""

from __future__ import annotations

from typing import Protocol

from workplace.errors import WorkplaceError


class SinkUnavailable(WorkplaceError):
    """No answer, overload or a fault of the server's own; send the same again after `retry_after_s`."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"the time-series server cannot take points now: {why}")
        self.retry_after_s = retry_after_s


class SinkRefused(WorkplaceError):
    """Password, rights or the database are wrong; keep everything, raise an alarm, a person must act."""


class LinesRefused(WorkplaceError):
    """Something in this request can never be stored; halve it until the culprits are alone."""


class LinesDropped(WorkplaceError):
    """The server stored the good points and dropped the others; never send them again, count them."""

    def __init__(self, why: str, dropped: int) -> None:
        super().__init__(why)
        self.dropped = dropped


class PointSink(Protocol):
    """A time-series server. One request at a time, from one thread."""

    def prepare(self) -> str:
        """Find out what the server is, make databases and retention; return its version. May be repeated.

        Raises:
            SinkUnavailable, SinkRefused: as they say.
        """

    def write(self, retention: str, lines: bytes) -> None:
        """Return when the server has durably taken all lines (newline between them).

        Raises:
            SinkUnavailable, SinkRefused, LinesRefused, LinesDropped: as they say.
        """

    def close(self) -> None: ...
