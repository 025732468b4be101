"""From the record of decisions to the outbox: the engine itself decides, the listener tells what may be told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.channels.listener import Listener
from ingest.channels.outbox import Outbox
from ingest.stores.decision_log import DecisionLog
from ingest.stores.schema import TransitionRow
from ingest.stores.sqlite_store import SqliteStore
from workplace.channel_file import ChannelSettings
from workplace.channels import TELL_KINDS, Telling
from workplace.events import Decision, GatewayStatus, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import Outcome, SiteEngine
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, OccupancyFile, PolicyFile

NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)  # 09:00 in Amsterdam, a Tuesday


def agreed(mode: Any) -> Policy:
    wished = PolicyFile(site="klein", mode=mode, occupancy=OccupancyFile(model="hand_tuned"))
    digest = policy_hash(wished)
    consent = ConsentFile(body="Raad", role="voorzitter", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(wished, consent=consent), digest)


def channel(name: str, **changes: Any) -> ChannelSettings:
    made: dict[str, Any] = {
        "name": name, "kind": "webhook", "tells": frozenset(TELL_KINDS), "zones": frozenset(), "language": "nl",
        "digest": timedelta(0), "url": "", "secret_files": (), "timeout_s": 10.0, "allow_private": False,
    }  # fmt: skip
    return ChannelSettings(**(made | changes))


class Office:
    """One desk's day through the real engine and the real store, read by the real listener."""

    def __init__(self, folder: Path, plan: FloorPlan, mode: Any, *channels: ChannelSettings) -> None:
        self.plan, self.policy, self.folder = plan, agreed(mode), folder
        self.at = NINE
        self.real_s = 0.0
        self.speed = 1.0
        self.hears_beats = True
        self.channels = channels or (channel("c"),)
        self.store = SqliteStore(sqlite3.connect, folder / "site.db")
        self.store.open(NINE)
        self.engine = SiteEngine(plan, self.policy)
        self.numbers = 0
        self._write(self.engine.start(NINE))
        self.open_listener()
        for gateway in plan.gateways:
            self.gateway(gateway.id, "online")
        for device in plan.devices:
            self.say(device, "availability", None, value=True)
        self.look()

    def open_listener(self) -> None:
        self.outbox = Outbox(sqlite3.connect, self.folder / "channels.db")
        self.outbox.open()
        record = DecisionLog(sqlite3.connect, self.folder / "site.db")
        self.listener = Listener(
            record, self.outbox, self.channels, self.plan, self.policy, self, monotonic=lambda: self.real_s
        )

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds

    # What happens

    def say(self, device: str, kind: Any, channel_: str | None, *, value: Any) -> None:
        self.numbers += 1
        event = SensorEvent(
            id=f"event-{self.numbers:05d}", site="klein", gateway="gw-1", device=device, kind=kind, value=value,
            channel=channel_, measured_at=self.at, clock="device", uncertainty_ms=5, received_at=self.at,
        )  # fmt: skip
        self._write(self.engine.apply(event, self.at))

    def sense(self, place: str, kind: str, *, value: Any = True) -> None:
        sensor = self.plan.place[place].sensors_of(kind)[0]
        self.say(sensor.device, kind, sensor.channel, value=value)

    def gateway(self, gateway: str, status: Any) -> None:
        fact = GatewayStatus(site="klein", gateway=gateway, status=status, at=self.at)
        self.hears_beats = status == "online"
        self._write(self.engine.apply(fact, self.at))
        with self.store.transaction() as transaction:
            transaction.add_gateway_status(fact, self.at)

    def ask(self, action: Any, place: str | None = None) -> None:
        self.numbers += 1
        wish = Request(
            id=f"request-{self.numbers}", site="klein", place=place, action=action, role="staff",
            requested_at=self.at, reply_to="page",
        )  # fmt: skip
        self._write(self.engine.apply(wish, self.at))

    def sit(self, place: str, minutes: int) -> None:
        """Somebody with a laptop in the dock moves every two minutes."""
        self.sense(place, "link")
        for _ in range(0, minutes, 2):
            self.sense(place, "motion")
            self.at += timedelta(minutes=2)
        self.wait(0)

    def wait(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)
        for device in self.plan.devices:
            if device.startswith("z2m-") and self.hears_beats:
                self.say(device, "battery", None, value=90)
        self._write(self.engine.advance(self.at))
        self.look()

    def look(self) -> None:
        while self.listener.look():
            pass

    def _write(self, outcome: Outcome) -> None:
        rows = [
            TransitionRow(
                s.place, s.zone, s.as_of, s.phase, s.occupancy, s.hold_id, s.mode, s.reasons, s.as_of
            )
            for s in outcome.place_states
        ]
        with self.store.transaction() as transaction:
            transaction.add_transitions(rows)
            transaction.add_decisions(outcome.decisions)
            transaction.put_engine_records(self.engine.take_changes())
            transaction.set_meta("engine_now", self.at.isoformat())

    # What is told

    def told(self, name: str = "c") -> list[Telling]:
        return [row.telling for row in self.outbox.waiting(name, 1000)]

    def send_all(self, name: str = "c") -> None:
        """Let the channel have everything that waits."""
        self.outbox.finish(name, [t.id for t in self.told(name)], "sent", self.at, "x")

    def words(self, name: str = "c") -> list[tuple[str, str, str | None]]:
        return [(t.kind, t.cause, t.place) for t in self.told(name)]

    def close(self) -> None:
        self.outbox.close()
        self.store.close()


@pytest.fixture
def office(memory_path: Path, small_plan: FloorPlan) -> Iterator[Any]:
    made: list[Office] = []

    def make(mode: Any, *channels: ChannelSettings) -> Office:
        made.append(Office(memory_path, small_plan, mode, *channels))
        return made[-1]

    yield make
    for one in made:
        one.close()


def leave(site: Office) -> None:
    """An hour at a desk, then away with the laptop left behind until it may be used by anybody."""
    site.sit("1-W1", 62)
    site.wait(30)
    site.wait(30)


def test_a_laptop_left_behind_is_noted_and_then_may_be_used(office: Any) -> None:
    site = office("active")
    leave(site)
    assert site.words() == [("note", "soft_note", "1-W1"), ("reclaimable", "reclaimable", "1-W1")]
    note, free = site.told()
    assert (note.rule, free.rule) == ("R15", "R7")
    assert note.due_at == free.at  # the moment that the note named is the moment at which it happens


def test_in_notes_mode_the_place_is_never_given_away(office: Any) -> None:
    site = office("notes")
    leave(site)
    assert site.words() == [("note", "soft_note", "1-W1")]


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_in_trial_nothing_reaches_the_outbox_whatever_happens(office: Any, mode: Any) -> None:
    site = office(mode)
    leave(site)
    site.gateway("gw-1", "offline")
    site.wait(60)
    site.gateway("gw-1", "online")
    site.ask("pause")
    site.wait(1)
    site.ask("resume")
    for action in ("extend", "release", "exempt", "unexempt", "remind"):
        site.ask(action, "1-W1")
    site.wait(60)
    decided = DecisionLog(sqlite3.connect, site.folder / "site.db").decisions(place=None, limit=100)
    if mode == "shadow":
        assert {"soft_note", "reclaimable"} <= {one.action for one in decided} or "reclaimable" in {
            one.action for one in decided
        }
    assert site.told() == []
    assert site.outbox.totals("c").numbers == {}
    assert not site.outbox.told()


def test_somebody_who_comes_back_takes_it_back(office: Any) -> None:
    site = office("active")
    leave(site)
    free = site.told()[1]
    site.send_all()
    site.sense("1-W1", "motion")
    site.wait(1)
    assert site.words() == [("taken_back", "in_use", "1-W1")]
    assert site.told()[0].takes_back == free.id


def test_a_place_that_is_lost_from_sight_is_taken_back_as_unknown(office: Any) -> None:
    site = office("active")
    leave(site)
    site.send_all()
    site.gateway("gw-1", "offline")
    site.wait(1)
    assert ("taken_back", "unknown", "1-W1") in site.words()


def test_the_stop_switch_takes_back_what_was_told_and_says_why(office: Any) -> None:
    site = office("active")
    leave(site)
    site.send_all()
    site.ask("pause")
    site.wait(1)
    assert site.words() == [("taken_back", "paused", "1-W1"), ("alarm", "paused", None)] or site.words() == [
        ("alarm", "paused", None),
        ("taken_back", "paused", "1-W1"),
    ]
    assert site.listener.permit.is_paused
    site.send_all()
    site.ask("resume")
    site.wait(1)
    assert ("taken_back", "paused", None) in site.words()


def test_enforcement_that_paused_itself_is_an_alarm_and_holds_back(office: Any) -> None:
    site = office("active")
    with site.store.transaction() as transaction:
        transaction.put_engine_records({"breaker": b'{"causes":["coverage","false_releases"],"hours":[]}'})
    site.look()
    assert site.listener.permit.is_paused
    assert [cause for _, cause, _ in site.words()] == ["paused_coverage", "paused_false_releases"]
    site.send_all()
    with site.store.transaction() as transaction:
        transaction.put_engine_records({"breaker": b'{"causes":[]}'})
    site.look()
    assert not site.listener.permit.is_paused
    assert [(kind, cause) for kind, cause, _ in site.words()] == [
        ("taken_back", "paused_coverage"),
        ("taken_back", "paused_false_releases"),
    ]


def test_a_busy_site_does_not_keep_from_looking_at_places(office: Any) -> None:
    site = office("active")
    leave(site)
    site.send_all()
    site.at += timedelta(seconds=1)
    site.ask("pause")
    busy = Decision(
        id="elsewhere", site="klein", zone="1-werken", place="1-W4", hold_id=None, at=site.at, rule="R3",
        action="just_left", mode="active", acted=True, policy_hash="p",
    )  # fmt: skip
    with site.store.transaction() as transaction:
        transaction.add_decisions([busy])
    assert site.listener.look() == 2  # that it was paused is a decision too
    assert ("taken_back", "paused", "1-W1") in site.words()


def test_the_end_of_the_day_takes_back_what_was_told(office: Any) -> None:
    site = office("active")
    leave(site)
    site.send_all()
    for _ in range(13):
        site.wait(30)
    assert [cause for kind, cause, _ in site.words() if kind == "taken_back"] == ["over"]


def test_a_place_that_its_user_leaves_in_time_needs_no_word(office: Any) -> None:
    site = office("active")
    site.sit("1-W1", 62)
    site.sense("1-W1", "link", value=False)
    site.wait(60)
    site.wait(60)
    assert site.told() == []


def test_a_lost_gateway_is_one_alarm_however_many_places_hang_on_it(office: Any) -> None:
    site = office("active")
    site.gateway("gw-1", "offline")
    for _ in range(6):
        site.wait(1)
    assert site.words() == [("alarm", "gateway_lost", None)]
    alarm = site.told()[0]
    assert (alarm.gateway, alarm.floor) == ("gw-1", "f1")
    site.send_all()
    site.gateway("gw-1", "online")
    site.wait(1)
    assert site.words() == [("taken_back", "gateway_lost", None)]
    assert site.told()[0].takes_back == alarm.id


def test_a_gateway_that_restarts_is_no_alarm(office: Any) -> None:
    site = office("active")
    site.gateway("gw-1", "offline")
    site.wait(2)
    site.gateway("gw-1", "online")
    site.wait(5)
    assert site.told() == []


def test_an_engine_that_stands_still_is_an_alarm(office: Any) -> None:
    site = office("active")
    site.look()
    site.real_s = 301.0
    site.look()
    assert site.words() == [("alarm", "engine_silent", None)]
    site.send_all()
    site.wait(1)
    assert site.words() == [("taken_back", "engine_silent", None)]


def test_many_links_lost_at_once_are_one_alarm_per_floor(office: Any) -> None:
    site = office("active")
    rows = [
        TransitionRow(
            place, "1-werken", site.at, "unknown", "unknown", None, "active", ("mass_event",), site.at
        )
        for place in ("1-W1", "1-W2", "1-W3")
    ]
    with site.store.transaction() as transaction:
        transaction.add_transitions(rows)
    site.look()
    site.look()
    assert site.words() == [("alarm", "mass_event", None)]
    site.send_all()
    site.wait(16)
    assert site.words() == [("taken_back", "mass_event", None)]


def test_a_channel_gets_its_kinds_and_zones_only(office: Any) -> None:
    site = office(
        "active",
        channel("all"),
        channel("free", tells=frozenset({"reclaimable", "taken_back"})),
        channel("once", tells=frozenset({"reclaimable"})),
        channel("other", zones=frozenset({"1-ontmoeten"})),
    )
    leave(site)
    site.send_all("all")
    site.send_all("free")
    site.send_all("once")
    site.sense("1-W1", "motion")
    site.wait(1)
    assert site.words("all") == site.words("free") == [("taken_back", "in_use", "1-W1")]
    assert site.words("once") == site.words("other") == []


def test_after_a_crash_before_writing_the_same_ids_come_again(office: Any, monkeypatch: Any) -> None:
    site = office("active")
    site.sit("1-W1", 62)
    site.at += timedelta(minutes=60)
    site._write(site.engine.advance(site.at))

    def power_cut(_page: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(site.outbox, "write", power_cut)
        with pytest.raises(KeyboardInterrupt):
            site.look()
    site.outbox.close()
    site.open_listener()
    site.look()
    first = [telling.id for telling in site.told()]
    assert len(first) == 2
    site.send_all()
    # A record that is read from its beginning again, as after a restored backup, tells nothing twice.
    lost = sqlite3.connect(site.folder / "channels.db")
    lost.execute("UPDATE meta SET value = 0 WHERE key = 'number'")
    lost.commit()
    lost.close()
    site.look()
    assert site.told() == []


def test_a_record_that_was_begun_anew_is_read_from_its_beginning(office: Any) -> None:
    site = office("active")
    leave(site)
    before = {telling.id for telling in site.told()}
    with site.store.transaction() as transaction:
        transaction._connection.execute("DELETE FROM decision")
    site.look()
    fresh = Decision(
        id="after-the-loss", site="klein", zone="1-werken", place="1-W2", hold_id=None, at=site.at, rule="R6",
        action="reclaimable", mode="active", acted=True, policy_hash="p",
    )  # fmt: skip
    with site.store.transaction() as transaction:
        transaction.add_decisions([fresh])
        row = TransitionRow("1-W2", "1-werken", site.at, "reclaimable", "held", "h", "active", (), site.at)
        transaction.add_transitions([row])
    site.look()
    assert {t.decision for t in site.told() if t.id not in before} == {"after-the-loss"}


def test_a_new_outbox_does_not_tell_what_was_decided_before_it(office: Any, memory_path: Path) -> None:
    site = office("active")
    leave(site)
    site.outbox.close()
    for file in memory_path.glob("channels.db*"):
        file.unlink()
    site.open_listener()
    site.look()
    assert site.told() == []
