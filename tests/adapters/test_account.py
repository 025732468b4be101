"""`plekvrij account` on a real store: every line to one end, and what has none makes it fail."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ingest.loss_book import LossBook
from ingest.quarantine import Rejected
from ingest.rollups import BIN_MS
from ingest.stores.schema import to_ms
from ingest.stores.sqlite_store import SqliteStore
from plekvrij import sqlite_driver
from plekvrij.cli import main
from plekvrij.sqlite_driver import connect
from workplace.codec import encode
from workplace.events import GatewayHealth, SensorEvent
from workplace.loss_events import Canary, GapRecord

NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)
SPOOL = "0a1b2c3d"
ORIGIN = {"site": "raadhuis", "gateway": "gw-1"}


class Clock:
    speed = 1.0

    def __init__(self) -> None:
        self.at = NINE

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0


class Site:
    """A store and its ledger, each step one transaction as in ingest."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = SqliteStore(connect, folder / "site.db")
        self.store.open(NINE)
        self.book = LossBook("raadhuis", self.clock)
        self.known: set[str] = set()

    def event(self, id_: str, line: int) -> SensorEvent:
        return SensorEvent(
            id=f"event-{id_:>04}", **ORIGIN, device="dsp1-1", kind="motion", value=True, measured_at=self.clock.at,
            clock="device", uncertainty_ms=5, received_at=self.clock.at, spool=SPOOL, line=line,
        )  # fmt: skip

    def take(self, *facts: object) -> None:
        events = []
        for fact in facts:
            match fact:
                case SensorEvent():
                    self.book.event(fact, is_known=fact.id in self.known)
                    events += [fact] if fact.id not in self.known else []
                    self.known.add(fact.id)
                case GapRecord():
                    self.book.gap(fact)
                case Canary():
                    self.book.canary(fact)
                case Rejected():
                    self.book.rejected(fact)
                case GatewayHealth():
                    self.book.heard(fact, to_ms(self.clock.at) // BIN_MS * BIN_MS)
        with self.store.transaction() as writing:
            writing.add_events(events, [self.clock.at] * len(events))
            self.book.write(writing)

    def health(self, first_line: int, last_line: int) -> GatewayHealth:
        return GatewayHealth(
            **ORIGIN, at=self.clock.at, uptime_s=1.0, outbox_rows=0, outbox_oldest_s=0.0, clock_synced=True,
            spool=SPOOL, first_line=first_line, last_line=last_line,
        )  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Iterable[Site]:
    """A gateway that gave out 13 lines, each of another fate."""
    site = Site(tmp_path)
    site.take(site.health(1, 0))
    site.clock.at += timedelta(minutes=5)
    stranger = msgspec.structs.replace(site.event("7", 7), device="nobody")
    site.take(*(site.event(str(line), line) for line in range(1, 6)))
    site.take(site.event("5", 6))
    site.take(
        Rejected("unknown_device", "", "plekvrij/v1/raadhuis/3/event/gw-1/nobody", encode(stranger)),
        Rejected("not_json", "", "plekvrij/v1/raadhuis/3/event/gw-1/nobody", b"{"),
    )
    lost = GapRecord(
        id="gap-0001", **ORIGIN, cause="outbox_full", count=2, from_at=NINE, to_at=site.clock.at, lost_of=SPOOL,
        lines=((9, 10),), spool=SPOOL, line=8,
    )  # fmt: skip
    site.take(
        lost, Canary(id="canary-1", **ORIGIN, at=site.clock.at - timedelta(seconds=2), spool=SPOOL, line=11)
    )
    site.take(site.health(12, 13))
    yield site
    site.store.close()


def account(
    capsys: pytest.CaptureFixture[str], folder: Path, *more: str
) -> tuple[int, list[dict[str, object]]]:
    code = main(["account", "2026-11-24", "2026-11-24", "--data", str(folder), "--json", *more])
    printed = capsys.readouterr().out.splitlines()  # the log of the test itself is in it too
    return code, [json.loads(line) for line in printed if line.startswith("{")]


def test_every_line_has_one_end(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (outbox, total) = account(capsys, tmp_path)
    assert (code, total["is_equal"], total["canary_longest_s"]) == (0, True, 2.0)
    assert outbox == {
        "gateway": "gw-1", "spool": SPOOL, "in": 13, "stored": 5, "duplicates": 1, "quarantined": 1, "records": 1,
        "canaries": 1, "in_ledger": 2, "waiting": 2, "deleted": 0, "missing": 0, "doubled": 0,
    }  # fmt: skip
    assert main(["account", "2026-11-24", "2026-11-24", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "outbox_full" in text
    assert text.splitlines()[-1].startswith("equal")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM event WHERE line = 3",
        "DELETE FROM gap",
        "DELETE FROM line_note WHERE what = 'duplicate'",
    ],
)
def test_what_left_no_trace_makes_it_fail(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    with sqlite_driver.connect(str(tmp_path / "site.db")) as database:
        database.execute(damage)
    database.close()
    code, (outbox, total) = account(capsys, tmp_path)
    assert (code, total["is_equal"]) == (1, False)
    assert outbox["missing"] == (2 if "gap" in damage else 1)


def test_a_line_that_neither_side_has_is_written_off_and_stands_in_the_ledger(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.take(site.health(14, 13))  # it let go of 12 and 13: another store had told it so
    code, (outbox, _) = account(capsys, tmp_path)
    assert (code, outbox["in_ledger"], outbox["waiting"]) == (0, 4, 0)
    causes = [gap["cause"] for gap in _gaps(tmp_path)]
    assert sorted(causes) == ["outbox_full", "store_lost"]


def test_events_that_lived_their_time_are_no_loss(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.store.transaction() as writing:
        writing.prune(NINE + timedelta(days=15), at_most=10)
    code, (outbox, _) = account(capsys, tmp_path)
    assert (code, outbox["stored"], outbox["deleted"], outbox["missing"]) == (0, 0, 5, 0)


def test_a_crash_between_two_steps_takes_nothing_back(site: Site, tmp_path: Path) -> None:
    before = [(one.id, one.base, one.told_line, list(one.settled)) for one in site.store.spools()]
    again = LossBook("raadhuis", site.clock)
    again.load(site.store)
    assert before == [(SPOOL, 0, 13, [(1, 11)])]
    (receipt,) = again.receipts(everything=True)
    assert (receipt.upto, receipt.missing) == (11, ())


def test_a_period_before_all_marks_is_refused(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["account", "2026-11-20", "2026-11-21", "--data", str(tmp_path)]) == 2
    assert "accounted for since 2026-11-24 08:00 UTC" in capsys.readouterr().err
    assert main(["account", "yesterday", "2026-11-21", "--data", str(tmp_path)]) == 2
    assert "write a day as" in capsys.readouterr().err


def _gaps(folder: Path) -> list[dict[str, object]]:
    with sqlite_driver.connect(str(folder / "site.db")) as database:
        found = [json.loads(bytes(body)) for (body,) in database.execute("SELECT body FROM gap").fetchall()]
    database.close()
    return found


def test_losses_are_counted_by_cause_and_one_that_is_told_twice_once(site: Site) -> None:
    told = GapRecord(
        id="gap-0002",
        **ORIGIN,
        cause="gateway_down",
        count=0,
        from_at=NINE,
        to_at=site.clock.at,
        spool=SPOOL,
        line=12,
    )
    site.take(told)
    site.take(told)
    site.take(site.health(14, 13))  # 13 is nowhere
    assert site.book.numbers() == {
        "lines_missing": 0,
        "lost_events": {"outbox_full": 2, "gateway_down": 0, "store_lost": 1},
        "loss_records": {"outbox_full": 1, "gateway_down": 1, "store_lost": 1},
    }
