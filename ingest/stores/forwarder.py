"""Carries waiting lines from the outbox to the time-series server, in order, each at least once.

It reads, sends, and reports progress; the writer of the store deletes. A crash between sending and deleting
sends the same lines again, and the same points at the same milliseconds change nothing.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from ingest.inbox import SinkProgress
from ingest.stores.sink import LinesDropped, LinesRefused, PointSink, SinkRefused, SinkUnavailable
from workplace.errors import StoreUnavailable

log = structlog.get_logger()

#: seq, retention, line.
OutboxRow = tuple[int, str, bytes]

#: Points per request. Lower: more round trips. Higher: longer requests, more to repeat after a failure.
MAX_LINES = 5000
#: How often an empty outbox is looked at, s of real time.
POLL_S = 0.5
#: Back-off of a server that is away, s: first and longest.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 30.0
#: How often a server that refuses us is asked again: a person has to act first.
_REFUSED_WAIT_S = 60.0
#: After this many server errors on the same lines the lines are suspected: early 3.x answered 500 to a bad
#: line.
_SUSPECT_AFTER = 5


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """What health tells of the sink."""

    state: str = "starting"
    version: str = "unknown"
    sent_total: int = 0
    dropped_total: int = 0
    last_error: str = ""
    last_sent_at: float | None = None
    """Real time (`time.monotonic`) of the last accepted request."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of some rows that the server has dealt with."""

    sent: int = 0
    dropped: int = 0
    dead: tuple[tuple[int, str], ...] = ()

    def plus(self, other: _Outcome) -> _Outcome:
        return _Outcome(self.sent + other.sent, self.dropped + other.dropped, self.dead + other.dead)


class Forwarder:
    """Runs in one thread of its own: `run` until `stop`."""

    def __init__(
        self,
        read_rows: Callable[[int, int], list[OutboxRow]],
        sink: PointSink,
        on_progress: Callable[[SinkProgress], None],
    ) -> None:
        self._read_rows = read_rows
        self._sink = sink
        self._on_progress = on_progress
        self._stop = threading.Event()
        self._cursor = 0
        self._failures = 0
        self._is_prepared = False
        self.status = SinkStatus()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self.step())
        finally:
            self._sink.close()

    def step(self) -> float:
        """Send one chunk; return how long to wait before the next, s."""
        try:
            if not self._is_prepared:
                version = self._sink.prepare()
                self._is_prepared = True
                self.status = replace(self.status, state="ok", version=version, last_error="")
            rows = self._read_rows(self._cursor, MAX_LINES)
            if not rows:
                return POLL_S
            self._send(rows)
        except StoreUnavailable as error:
            return self._failed("store", str(error), None)
        except SinkRefused as error:
            self._is_prepared = False
            log.error("sink_refused", why=str(error))
            self.status = replace(self.status, state="refused", last_error=str(error)[:300])
            return _REFUSED_WAIT_S
        except SinkUnavailable as error:
            return self._failed("away", str(error), error.retry_after_s)
        if self._failures:
            log.info("sink_came_back", after_failures=self._failures)
        self._failures = 0
        return 0.0 if len(rows) == MAX_LINES else POLL_S

    def _failed(self, state: str, why: str, retry_after_s: float | None) -> float:
        self._failures += 1
        if self._failures == 1:
            log.warning("sink_unavailable", why=why)
        self.status = replace(self.status, state=state, last_error=why[:300])
        if retry_after_s is not None:
            return min(retry_after_s, _LONGEST_WAIT_S * 10)
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self._failures, 10))
        return random.uniform(longest / 2, longest)

    def _send(self, rows: list[OutboxRow]) -> None:
        """Send the rows, one request per retention, then report them as one: progress is a single number."""
        done = _Outcome()
        for retention in sorted({row[1] for row in rows}):
            done = done.plus(self._deliver(retention, [row for row in rows if row[1] == retention]))
        self._cursor = rows[-1][0]
        self._on_progress(SinkProgress(self._cursor, done.dropped, done.dead))
        self.status = replace(
            self.status,
            state="ok",
            last_error="",
            sent_total=self.status.sent_total + done.sent,
            dropped_total=self.status.dropped_total + done.dropped + len(done.dead),
            last_sent_at=time.monotonic(),
        )

    def _deliver(self, retention: str, rows: list[OutboxRow]) -> _Outcome:
        """Send rows; halve what the server can never take until the culprits stand alone."""
        try:
            self._write(retention, rows)
        except LinesDropped as error:
            log.warning("sink_dropped_points", dropped=error.dropped, why=str(error))
            return _Outcome(len(rows) - error.dropped, error.dropped)
        except LinesRefused as error:
            if len(rows) == 1:
                log.warning("sink_refused_line", why=str(error))
                return _Outcome(dead=((rows[0][0], str(error)),))
            middle = len(rows) // 2
            return self._deliver(retention, rows[:middle]).plus(self._deliver(retention, rows[middle:]))
        return _Outcome(len(rows))

    def _write(self, retention: str, rows: list[OutboxRow]) -> None:
        try:
            self._sink.write(retention, b"\n".join(line for _, _, line in rows))
        except SinkUnavailable as error:
            is_suspect = self._failures >= _SUSPECT_AFTER and "500" in str(error)[:60]
            if is_suspect and self._server_is_fine():
                raise LinesRefused(str(error)) from error
            raise

    def _server_is_fine(self) -> bool:
        try:
            self._sink.prepare()
        except (SinkUnavailable, SinkRefused):
            return False
        return True
