"""Carries waiting lines from the outbox to the time-series server, in order, each at least once.

It reads, sends, and reports progress; the writer of the store deletes. A crash between sending and deleting
sends the same lines again, and the same points at the same milliseconds change nothing. A server whose yes is
not durable yet (VictoriaMetrics) gets its lines again when it started anew before they had settled.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
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
MAX_LINES = 2500
#: While a backlog is written, rest this many times as long as the last request took, and at most so long, s. Server and
#: site often share one small machine, and a state that somebody waits for goes before history. Lower: decisions come
#: later meanwhile. Higher: the backlog takes longer.
BREATHER, LONGEST_BREATHER_S = 12.0, 1.0
#: How often an empty outbox is looked at, s of real time.
POLL_S = 0.5
#: Back-off of a server that is away, s: first and longest.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 30.0
#: How often a server that refuses us is asked again: a person has to act first.
_REFUSED_WAIT_S = 60.0
#: After this many server errors on the same lines the lines are suspected: early 3.x answered 500 to a bad
#: line.
_SUSPECT_AFTER = 5
#: So many lines, each refused alone, and none taken: it is not the lines.
_SUSPECTS = 8
#: How much of an error goes into health; the commands of a set-up that was refused fit in.
_TOLD_CHARACTERS = 900


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
    """Runs in one thread of its own: `run` until `stop`. Its memory holds one chunk, however much waits."""

    def __init__(
        self,
        read_rows: Callable[[int, int], list[OutboxRow]],
        sink: PointSink,
        on_progress: Callable[[SinkProgress], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_rows = read_rows
        self._sink = sink
        self._on_progress = on_progress
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._cursor = 0
        self._settled_seq = 0
        self._unsettled: deque[tuple[float, SinkProgress]] = deque()
        self._boot_mark = ""
        self._failures = 0
        self._is_prepared = False
        self.status = SinkStatus()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._supervised_step())
        finally:
            self._sink.close()

    def _supervised_step(self) -> float:
        """Whatever a server makes of us, screens and decisions go on: log it, and begin anew after a pause."""
        try:
            return self.step()
        except Exception as error:
            log.exception("forwarder_failed")
            self._is_prepared = False
            return self._failed("failed", repr(error), None)

    def step(self) -> float:
        """Send one chunk; return how long to wait before the next, s."""
        try:
            if not self._is_prepared:
                version = self._sink.prepare()
                self._is_prepared = True
                self.status = replace(self.status, state="ok", version=version, last_error="")
            self._settle()
            began = self._monotonic()
            rows = self._read_rows(self._cursor, MAX_LINES)
            if rows:
                self._send(rows)
        except SinkRefused as error:
            self._is_prepared = False
            log.error("sink_refused", why=str(error))
            self.status = replace(self.status, state="refused", last_error=str(error)[:_TOLD_CHARACTERS])
            return _REFUSED_WAIT_S
        except SinkUnavailable as error:
            return self._failed("away", str(error), error.retry_after_s)
        except StoreUnavailable as error:
            return self._failed("store", str(error), None)
        if self._failures:
            log.info("sink_came_back", after_failures=self._failures)
        self._failures = 0
        if len(rows) < MAX_LINES:
            return POLL_S
        return min((self._monotonic() - began) * BREATHER, LONGEST_BREATHER_S)

    def _failed(self, state: str, why: str, retry_after_s: float | None) -> float:
        self._failures += 1
        if self._failures == 1:
            log.warning("sink_unavailable", why=why)
        self.status = replace(self.status, state=state, last_error=why[:_TOLD_CHARACTERS])
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
        self._taken(SinkProgress(self._cursor, done.dropped, done.dead))
        self.status = replace(
            self.status,
            state="ok",
            last_error="",
            sent_total=self.status.sent_total + done.sent,
            dropped_total=self.status.dropped_total + done.dropped + len(done.dead),
            last_sent_at=time.monotonic(),
        )

    def _taken(self, progress: SinkProgress) -> None:
        """Let the store forget rows now, or when the server can no longer lose them."""
        if self._sink.settle_s:
            if not self._boot_mark:
                self._boot_mark = self._sink.boot_mark()
            self._unsettled.append((self._monotonic() + self._sink.settle_s, progress))
        else:
            self._settled_seq = progress.upto_seq
            self._on_progress(progress)

    def _settle(self) -> None:
        """Report what has settled; send all of it again when the server started anew in between."""
        now = self._monotonic()
        if not self._unsettled or self._unsettled[0][0] > now:
            return
        mark = self._sink.boot_mark()
        if mark != self._boot_mark:
            log.warning("sink_started_anew", lines_from=self._settled_seq)
            self._boot_mark = mark
            self._unsettled.clear()
            self._cursor = self._settled_seq
            return
        while self._unsettled and self._unsettled[0][0] <= now:
            _, progress = self._unsettled.popleft()
            self._settled_seq = progress.upto_seq
            self._on_progress(progress)

    def _deliver(self, retention: str, rows: list[OutboxRow]) -> _Outcome:
        """Send rows; halve what the server can never take until the culprits stand alone."""
        try:
            self._sink.write(retention, _body(rows))
        except LinesDropped as error:
            log.warning("sink_dropped_points", dropped=error.dropped, why=str(error))
            return _Outcome(len(rows) - error.dropped, error.dropped)
        except LinesRefused as error:
            if len(rows) == 1:
                log.warning("sink_refused_line", why=str(error))
                return _Outcome(dead=((rows[0][0], str(error)),))
            middle = len(rows) // 2
            return self._deliver(retention, rows[:middle]).plus(self._deliver(retention, rows[middle:]))
        except SinkUnavailable as error:
            if error.is_fault and self._failures >= _SUSPECT_AFTER:
                return self._search(retention, rows)
            raise
        return _Outcome(len(rows))

    def _search(self, retention: str, rows: list[OutboxRow]) -> _Outcome:
        """Find the lines that make the server fail. Only a server that takes others of them is believed.

        Raises:
            SinkUnavailable: it takes none, so it is the server (a full disk, for instance) and not the lines.
        """
        done = _Outcome()
        waiting = [rows]
        while waiting:
            part = waiting.pop()
            try:
                done = done.plus(self._deliver_without_search(retention, part))
            except SinkUnavailable as error:
                middle = len(part) // 2
                if middle:
                    waiting += [part[middle:], part[:middle]]
                    continue
                done = done.plus(_Outcome(dead=((part[0][0], str(error)),)))
                if not done.sent and (len(done.dead) >= _SUSPECTS or not waiting):
                    raise
        return done

    def _deliver_without_search(self, retention: str, rows: list[OutboxRow]) -> _Outcome:
        failures, self._failures = self._failures, 0
        try:
            return self._deliver(retention, rows)
        finally:
            self._failures = failures


def _body(rows: list[OutboxRow]) -> bytes:
    return b"\n".join(line for _, _, line in rows)
