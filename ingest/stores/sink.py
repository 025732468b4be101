"""What the forwarder asks of a time-series server, and the four ways in which it can say no."""

from __future__ import annotations

from typing import Protocol

from workplace.errors import StoreUnavailable, WorkplaceError


class SinkUnavailable(StoreUnavailable):
    """No answer, overload or a fault of the server's own; send the same again after `retry_after_s`."""

    def __init__(self, why: str, retry_after_s: float | None = None, *, is_fault: bool = False) -> None:
        """`is_fault`: the server says that it failed itself (500), which lines may have caused."""
        super().__init__(f"the time-series server cannot take points now: {why}")
        self.retry_after_s = retry_after_s
        self.is_fault = is_fault


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

    @property
    def settle_s(self) -> float:
        """How long after its yes a server that is killed may still lose points, s; 0 where yes means durable."""

    def boot_mark(self) -> str:
        """Return a word that changes when the server starts anew; asked only where points must settle.

        Raises:
            SinkUnavailable: as it says.
        """

    def prepare(self) -> str:
        """Find out what the server is, make databases and retention; return its version. May be repeated.

        Raises:
            SinkUnavailable, SinkRefused: as they say.
        """

    def write(self, retention: str, lines: bytes) -> None:
        """Return when the server has taken all lines (newline between them); durably but for `settle_s`.

        Raises:
            SinkUnavailable, SinkRefused, LinesRefused, LinesDropped: as they say.
        """

    def close(self) -> None: ...
