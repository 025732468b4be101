"""What the forwarder promises whatever happens: nothing is lost, nothing good is set aside, memory stays small."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.inbox import SinkProgress
from ingest.stores.forwarder import Forwarder, OutboxRow
from ingest.stores.sink import LinesRefused, SinkRefused, SinkUnavailable

#: A line that the server took is on its disk this much later, s.
DURABLE_AFTER_S = 10.0


class World:
    """An outbox, a server that forgets what is not on its disk yet when it is killed, and a clock."""

    def __init__(self, *, settle_s: float, durable_after_s: float) -> None:
        self.settle_s = settle_s
        self._durable_after_s = durable_after_s
        self.now = 0.0
        self.outbox: dict[int, OutboxRow] = {}
        self.added = 0
        self.good: set[bytes] = set()
        self.poison: set[bytes] = set()
        self.dead: set[bytes] = set()
        self.on_disk: set[bytes] = set()
        self.in_memory: dict[bytes, float] = {}
        self.boots = 1
        self.trouble: Exception | None = None
        self.forwarder = Forwarder(self.read, self, self.progressed, lambda: self.now)

    # the outbox

    def read(self, after: int, limit: int) -> list[OutboxRow]:
        return [row for seq, row in sorted(self.outbox.items()) if seq > after][:limit]

    def progressed(self, progress: SinkProgress) -> None:
        for seq, _ in progress.dead:
            self.dead.add(self.outbox[seq][2])
        for seq in [seq for seq in self.outbox if seq <= progress.upto_seq]:
            del self.outbox[seq]

    # the server

    def prepare(self) -> str:
        if self.trouble is not None:
            raise self.trouble
        return "pretend"

    def boot_mark(self) -> str:
        if isinstance(self.trouble, SinkUnavailable):
            raise self.trouble
        return str(self.boots)

    def write(self, retention: str, lines: bytes) -> None:
        if self.trouble is not None:
            raise self.trouble
        found = lines.split(b"\n")
        if any(b"poison" in line for line in found):
            raise LinesRefused("400: unable to parse")
        for line in found:
            self.in_memory.setdefault(line, self.now)
        self._flush()

    def close(self) -> None:
        pass

    def _flush(self) -> None:
        done = [line for line, at in self.in_memory.items() if self.now - at >= self._durable_after_s]
        self.on_disk.update(done)
        for line in done:
            del self.in_memory[line]

    # what happens

    def add(self, *, poison: bool) -> None:
        self.added += 1
        line = b"%s %d" % (b"poison" if poison else b"good", self.added)
        (self.poison if poison else self.good).add(line)
        self.outbox[self.added] = (self.added, "agg" if self.added % 3 == 0 else "raw", line)

    def happen(self, what: str) -> None:
        troubles: dict[str, Exception | None] = {
            "away": SinkUnavailable("no route"),
            "fails": SinkUnavailable("500: disk full", is_fault=True),
            "refuses": SinkRefused("401"),
            "well": None,
        }
        if what in troubles:
            self.trouble = troubles[what]
        elif what in ("good", "poison"):
            self.add(poison=what == "poison")
        elif what == "kill":
            self._flush()
            self.in_memory.clear()
            self.boots += 1
        elif what == "time":
            self.now += 25
            self._flush()
        else:  # seven are as many as it takes to suspect the lines
            for _ in range(7 if what == "many steps" else 1):
                self.forwarder.step()


HAPPENINGS = ("good", "poison", "kill", "away", "fails", "refuses", "well", "time", "step", "many steps")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(HAPPENINGS), min_size=10, max_size=80), st.booleans())
def test_every_good_line_ends_on_the_disk_of_the_server(story: list[str], settles: bool) -> None:
    """`settles`: as VictoriaMetrics, whose yes comes before its disk has the points; else as InfluxDB."""
    world = World(settle_s=60.0 if settles else 0.0, durable_after_s=DURABLE_AFTER_S if settles else 0.0)
    for what in story:
        world.happen(what)
        waiting = {row[2] for row in world.outbox.values()}
        assert world.good <= waiting | world.on_disk, "what left the outbox is safe"
        assert world.dead <= world.poison, "nothing good is set aside"
    world.happen("well")
    for _ in range(12):
        world.happen("time")
        world.happen("step")
    assert world.outbox == {}
    assert world.good <= world.on_disk
    assert world.dead == world.poison
