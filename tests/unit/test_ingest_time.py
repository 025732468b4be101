"""When a backlog is drained, a gateway is lost, a change is a row, and a server is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.place_runtime import (
    LONGEST_REDELIVERY_S,
    LONGEST_REPLAY_S,
    CatchUp,
    Changes,
    GatewayWatch,
    PlaceRuntime,
)
from ingest.stores.forwarder import LONGEST_BREATHER_S, MAX_LINES, POLL_S, Forwarder, OutboxRow
from ingest.stores.sink import SinkRefused, SinkUnavailable
from ingest.transitions import TransitionLog
from workplace import policy
from workplace.events import GatewayHealth, GatewayStatus, PlaceState, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
ONLINE = GatewayStatus(site="klein", gateway="gw-1", status="online", at=NINE)
STATE = PlaceState(
    site="klein",
    floor="f1",
    zone="1-werken",
    place="1-W1",
    phase="in_use",
    occupancy="occupied",
    since=NINE,
    hold_id="h1",
    hold_since=NINE - timedelta(minutes=3),
    mode="shadow",
    as_of=NINE + timedelta(minutes=1),
    expires_at=NINE + timedelta(minutes=16),
)


# The backlog


def test_catching_up_ends_after_a_second_of_quiet() -> None:
    catch_up = CatchUp()
    assert not catch_up.ended(100.0, is_whole=True), "before the subscription stands nothing is known"
    catch_up.subscribed(100.0)
    catch_up.busy(100.8)
    assert not catch_up.ended(101.7, is_whole=True)
    assert catch_up.ended(101.8, is_whole=True)
    assert catch_up.is_live
    assert not catch_up.ended(102.0, is_whole=True), "it ends once"


def test_while_an_older_line_is_under_way_nothing_is_told_of_what_came_after_it() -> None:
    catch_up = CatchUp()
    catch_up.subscribed(0.0)
    assert not catch_up.ended(5.0, is_whole=False)
    assert catch_up.ended(5.1, is_whole=True)
    catch_up.subscribed(100.0)
    assert not catch_up.ended(100.0 + LONGEST_REDELIVERY_S - 0.1, is_whole=False)
    assert catch_up.ended(100.0 + LONGEST_REDELIVERY_S, is_whole=False), "what is lost holds up nobody"


def test_a_backlog_that_never_ends_is_cut_off_after_half_a_minute() -> None:
    catch_up = CatchUp()
    catch_up.subscribed(0.0)
    for tenths in range(299):
        catch_up.busy(tenths / 10)
        assert not catch_up.ended(tenths / 10, is_whole=True)
    assert catch_up.ended(30.0, is_whole=True)


def test_after_a_lost_connection_there_is_a_backlog_again() -> None:
    catch_up = CatchUp()
    catch_up.subscribed(0.0)
    assert catch_up.ended(1.0, is_whole=True)
    catch_up.subscribed(500.0)
    assert not catch_up.is_live
    assert catch_up.ended(501.0, is_whole=True)


# Gateways


def health(gateway: str = "gw-1", *, rows: int = 0, last_line: int = 0) -> GatewayHealth:
    return GatewayHealth(
        site="klein", gateway=gateway, at=NINE, uptime_s=1, outbox_rows=rows, outbox_oldest_s=0, clock_synced=True,
        spool="0a1b2c3d", first_line=1, last_line=last_line,
    )  # fmt: skip


def plugged_in(line: int) -> SensorEvent:
    return SensorEvent(
        id=f"event-{line}", site="klein", gateway="gw-1", device="dsp1-1", kind="link", channel="0", value=True,
        measured_at=NINE, clock="device", uncertainty_ms=5, received_at=NINE, spool="0a1b2c3d", line=line,
    )  # fmt: skip


def gone(at: float) -> GatewayWatch:
    watch = GatewayWatch(["gw-1"], 45.0)
    watch.begin(0.0)
    assert watch.said(msgspec.structs.replace(ONLINE, status="offline", at=None), at)
    return watch


def test_silence_of_three_health_messages_is_told_once() -> None:
    watch = GatewayWatch(["gw-1", "gw-2"], 45.0)
    assert watch.newly_silent(1000.0) == [], "nobody listened yet"
    watch.begin(1000.0)
    watch.heard(health("gw-2"), 1040.0, 0.0)
    assert watch.newly_silent(1044.9) == []
    assert watch.newly_silent(1045.0) == ["gw-1"]
    assert watch.newly_silent(1050.0) == []
    assert watch.offline == {"gw-1"}
    assert watch.heard(health(), 1051.0, 0.0) is True
    assert watch.heard(health(), 1052.0, 0.0) is False
    assert watch.offline == set()


def test_a_gateway_that_said_goodbye_is_not_silent() -> None:
    watch = gone(1.0)
    assert watch.newly_silent(99.0) == []
    watch.said(ONLINE, 100.0)
    watch.heard(health(), 100.0, 0.0)
    assert watch.newly_silent(145.0) == ["gw-1"]


def test_a_gateway_that_comes_back_is_gone_until_what_it_kept_is_here() -> None:
    watch = gone(1.0)
    assert watch.said(ONLINE, 60.0) is False, "it says so before its outbox is sent"
    assert watch.heard(health(rows=3, last_line=9), 60.1, 0.0) is False
    assert watch.heard(plugged_in(7), 60.2, 40.0) is False
    assert watch.heard(plugged_in(8), 60.2, 20.0) is False
    assert watch.offline == {"gw-1"}
    assert watch.heard(plugged_in(9), 60.2, 10.0) is True
    assert watch.offline == set()
    assert watch.said(ONLINE, 61.0) is True, "a greeting of one that was not gone counts at once"


def test_a_fresh_event_proves_that_everything_before_it_is_here() -> None:
    watch = gone(1.0)
    assert watch.heard(plugged_in(3), 60.0, 30.0) is False
    assert watch.heard(plugged_in(4), 60.0, 0.2) is True


def test_a_gateway_that_counts_no_lines_is_back_with_its_first_health() -> None:
    watch = gone(1.0)
    unnumbered = msgspec.structs.replace(health(rows=3), spool=None, last_line=None)
    assert watch.heard(unnumbered, 60.0, 0.0) is True


# The time of the core


@dataclass
class StillClock:
    at: datetime = NINE
    speed: float = 1.0

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds / self.speed


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def runtime(small_plan: FloorPlan, clock: StillClock) -> PlaceRuntime:
    rules = policy.default(small_plan.site)
    made = PlaceRuntime(lambda: SiteEngine(small_plan, rules), clock, small_plan.site)
    made.boot({}, None, Changes())
    return made


def test_a_gateway_whose_clock_runs_ahead_does_not_drag_the_site_along(
    runtime: PlaceRuntime, clock: StillClock
) -> None:
    runtime.apply(msgspec.structs.replace(ONLINE, at=NINE + timedelta(hours=5)), Changes())
    assert runtime.now == NINE
    clock.at = NINE + timedelta(minutes=1)
    runtime.apply(msgspec.structs.replace(ONLINE, at=NINE - timedelta(hours=5)), Changes())
    assert runtime.now == NINE, "and one that runs behind does not turn time back"


def test_a_will_without_a_time_counts_from_its_arrival(runtime: PlaceRuntime, clock: StillClock) -> None:
    clock.at = NINE + timedelta(minutes=2)
    runtime.apply(msgspec.structs.replace(ONLINE, status="offline", at=None), Changes())
    assert runtime.now == clock.at


def test_a_gateway_whose_clock_runs_behind_comes_back_after_its_will(
    runtime: PlaceRuntime, clock: StillClock, small_plan: FloorPlan
) -> None:
    dock = small_plan.place["1-W1"]

    def faults() -> set[str]:
        return set(runtime.engine.place_state(dock.id).reasons) & {"gateway_down"}

    runtime.apply(ONLINE, Changes())
    clock.at = NINE + timedelta(minutes=2)
    runtime.apply(msgspec.structs.replace(ONLINE, status="offline", at=None), Changes())
    assert faults()
    clock.at = NINE + timedelta(minutes=2, seconds=5)
    runtime.apply(msgspec.structs.replace(ONLINE, at=clock.at - timedelta(seconds=30)), Changes())
    assert not faults()
    clock.at = NINE + timedelta(minutes=3)
    runtime.gateway_is("gw-1", "offline", Changes())
    assert faults()
    runtime.apply(msgspec.structs.replace(ONLINE, at=clock.at - timedelta(seconds=25)), Changes())
    assert not faults()


@pytest.mark.parametrize(
    ("stopped_s", "resumes_at_s"),
    [
        pytest.param(60.0, 0.0, id="a short stop is lived through"),
        pytest.param(LONGEST_REPLAY_S + 1, LONGEST_REPLAY_S + 1, id="a long one is skipped"),
    ],
)
def test_where_a_restart_begins(
    runtime: PlaceRuntime, clock: StillClock, stopped_s: float, resumes_at_s: float
) -> None:
    records = runtime.engine.take_changes()
    clock.at = NINE + timedelta(seconds=stopped_s)
    runtime.boot(records, NINE, Changes())
    assert runtime.now == NINE + timedelta(seconds=resumes_at_s)


# Rows of history


def changed(**fields: Any) -> PlaceState:
    return msgspec.structs.replace(STATE, **fields)


def test_only_a_changed_phase_occupancy_or_hold_makes_a_row() -> None:
    log = TransitionLog(())
    later = STATE.as_of + timedelta(minutes=1)
    (first,) = log.follow([STATE, changed(as_of=later, notice="soft_note", reasons=("motion",))])
    assert (first.row.at, first.row.decided_at) == (NINE, STATE.as_of)
    assert (first.before, first.hold_since, first.ended_hold) == (None, STATE.hold_since, None)
    (second,) = log.follow([changed(phase="free", occupancy="free", hold_id=None, since=later, as_of=later)])
    assert (second.before, second.ended_hold, second.hold_since) == (first.row, "h1", None)
    assert TransitionLog([second.row]).follow([changed(phase="free", occupancy="free", hold_id=None)]) == []


@given(
    st.lists(
        st.tuples(st.integers(-600, 600), st.sampled_from(["in_use", "free", "unknown"]), st.integers(0, 3)),
        max_size=30,
    )
)
def test_times_of_one_place_always_increase(steps: list[tuple[int, str, int]]) -> None:
    occupancy = {"in_use": "occupied", "free": "free", "unknown": "unknown"}
    states = [
        changed(
            phase=phase,
            occupancy=occupancy[phase],
            hold_id=f"h{hold}" if hold else None,
            since=NINE + timedelta(seconds=offset),
            as_of=NINE + timedelta(seconds=max(offset, n)),
        )
        for n, (offset, phase, hold) in enumerate(steps)
    ]
    times = [change.row.at for change in TransitionLog(()).follow(states)]
    assert times == sorted(set(times))


# Asking again


class Sink:
    settle_s = 0.0

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)

    def prepare(self) -> str:
        return "1.8"

    def write(self, retention: str, lines: bytes) -> None:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer

    def boot_mark(self) -> str:
        return ""

    def close(self) -> None:
        pass


def forwarder(*answers: Exception | None) -> Forwarder:
    def rows(after: int, _limit: int) -> list[OutboxRow]:
        return [] if after else [(1, "raw", b"m f=1i 1")]

    return Forwarder(rows, Sink(*answers), lambda _progress: None)


@pytest.mark.parametrize(("took_s", "rest_s"), [(0.01, 0.12), (4.0, LONGEST_BREATHER_S)])
def test_while_a_backlog_is_written_what_people_wait_for_gets_the_machine_in_between(
    took_s: float, rest_s: float
) -> None:
    rows = [(number, "raw", b"m f=1i 1") for number in range(1, MAX_LINES + 1)]
    clock = [0.0]

    class Slow(Sink):
        def write(self, retention: str, lines: bytes) -> None:
            super().write(retention, lines)
            clock[0] += took_s

    def waiting(after: int, limit: int) -> list[OutboxRow]:
        return [row for row in rows if row[0] > after][:limit]

    made = Forwarder(waiting, Slow(None), lambda _progress: None, lambda: clock[0])
    assert made.step() == pytest.approx(rest_s)
    assert made.step() == POLL_S


def test_waits_grow_are_capped_and_start_again_after_a_success() -> None:
    made = forwarder(*[SinkUnavailable("away")] * 12, None)
    waits = [made.step() for _ in range(12)]
    assert waits[0] <= 0.4
    assert 15.0 <= waits[-1] <= 30.0
    assert made.step() == POLL_S
    assert made.status.state == "ok"


def test_a_server_that_names_a_time_is_obeyed() -> None:
    assert forwarder(SinkUnavailable("busy", 7.0)).step() == 7.0


def test_a_refusal_is_asked_again_slowly_and_shown() -> None:
    made = forwarder(SinkRefused("401"))
    assert made.step() >= 30.0
    assert made.status.state == "refused"
