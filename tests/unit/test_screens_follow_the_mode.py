"""One desk's day in each mode: what its page, its laptop, the staff list and the interface say of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from dashboard.api.views import place_answer
from dashboard.desk_page.pages import describe
from dashboard.i18n import words
from dashboard.live_site import SiteSnapshot
from dashboard.staff.parts import chosen, hold_time, holds
from dashboard.view_models import hold_list
from workplace.events import GatewayStatus, PlaceState, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, OccupancyFile, PolicyFile, StayAppliesFile

NINE = datetime(2026, 11, 24, 8, tzinfo=UTC)  # 09:00 in Amsterdam, a Tuesday
NL = words("nl")


def agreed(mode: Any) -> Policy:
    stay = {"applies": StayAppliesFile(desk="always")}
    wished = msgspec.structs.replace(
        PolicyFile(site="klein", mode=mode, occupancy=OccupancyFile(model="hand_tuned")),
        stay=msgspec.structs.replace(PolicyFile(site="klein").stay, **stay),
    )
    digest = policy_hash(wished)
    consent = ConsentFile(body="Raad", role="voorzitter", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(wished, consent=consent), digest)


class Day:
    """Somebody at 1-W1; every few minutes the screens are read."""

    def __init__(self, plan: FloorPlan, mode: Any) -> None:
        self.plan, self.place = plan, plan.place["1-W1"]
        self.engine = SiteEngine(plan, agreed(mode))
        self.at = NINE
        self.numbers = 0
        self.engine.start(NINE)
        self.engine.apply(GatewayStatus(site="klein", gateway="gw-1", status="online", at=NINE), NINE)
        for device in plan.devices:
            self.say(device, "availability", None)
        self.read: list[dict[str, Any]] = []

    def say(self, device: str, kind: Any, channel: str | None, *, value: Any = True) -> None:
        self.numbers += 1
        event = SensorEvent(
            id=f"event-{self.numbers:05d}", site="klein", gateway="gw-1", device=device, kind=kind, value=value,
            channel=channel, measured_at=self.at, clock="device", uncertainty_ms=5, received_at=self.at,
        )  # fmt: skip
        self.engine.apply(event, self.at)

    def sense(self, kind: str) -> None:
        sensor = self.place.sensors_of(kind)[0]
        self.say(sensor.device, kind, sensor.channel)

    def sit(self, minutes: int) -> None:
        self.sense("link")
        for _ in range(0, minutes, 2):
            self.sense("motion")
            self.later(2)

    def away(self, minutes: int) -> None:
        for _ in range(0, minutes, 2):
            self.later(2)

    def later(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)
        if self.at.minute == 0:  # battery sensors give their beat
            for device in self.plan.devices:
                if device.startswith("z2m-"):
                    self.say(device, "battery", None, value=90)
        self.engine.advance(self.at)
        self.read.append(self.screens())

    def ask(self, action: Any) -> str:
        self.numbers += 1
        wish = Request(
            id=f"request-{self.numbers}", site="klein", place="1-W1", action=action, role="desk",
            requested_at=self.at, reply_to="page",
        )  # fmt: skip
        (reply,) = self.engine.apply(wish, self.at).replies
        return reply.reason

    @property
    def state(self) -> PlaceState:
        return self.engine.place_state("1-W1")

    def screens(self) -> dict[str, Any]:
        """What the screens say now, each through its own code."""
        state = self.state
        desk = describe(self.place, state, self.at, NL, self.clock)
        snapshot = SiteSnapshot({"1-W1": state}, {}, {}, 0.0)
        rows = [row for row in hold_list(self.plan.floors[0], snapshot, self.at) if row.place.id == "1-W1"]
        answer = place_answer(self.place, state, self.at)
        panel = str(chosen(self.place, state, [], self.at, NL, self.clock))
        return {
            "phase": desk.phase,
            "note": None if desk.note is None else desk.note.text,
            "left_min": desk.left_min,
            "can_extend": desk.can_extend,
            "sentences": " ".join(desk.sentences),
            "list": str(holds(rows, NL, self.clock)),
            "row": [str(hold_time(row, NL)) for row in rows],
            "panel": panel,
            "api": (answer.state, answer.limit, answer.notice),
        }

    def clock(self, at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(self.plan.tz):%H:%M}"


def long_day(plan: FloorPlan, mode: Any) -> Day:
    """Four and a half hours at the desk, then away over an hour with the laptop left behind."""
    day = Day(plan, mode)
    day.sit(270)
    day.away(64)
    return day


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_on_trial_no_screen_tells_anybody_anything(small_plan: FloorPlan, mode: Any) -> None:
    day = long_day(small_plan, mode)
    assert {read["phase"] for read in day.read} <= {"free", "in_use", "just_left"}
    for read in day.read:
        assert read["note"] is None
        assert read["left_min"] is None
        assert not read["can_extend"]
        assert read["api"][1:] == (None, "none")
        assert "mag gebruikt worden" not in read["list"] + read["panel"]
        assert "bericht" not in read["list"]
        assert "Herinner" not in read["list"] + read["panel"]
        assert not any("over" in row and "st-over" in row for row in read["row"])


def test_in_notes_mode_people_are_told_and_no_place_is_given_away(small_plan: FloorPlan) -> None:
    day = long_day(small_plan, "notes")
    assert {read["phase"] for read in day.read} <= {"free", "in_use", "just_left"}
    notes = list(dict.fromkeys(read["note"] for read in day.read if read["note"]))
    assert notes[0] == "Deze plek: nog 14 minuten."
    assert "De tijd van deze plek is om. Maak plaats als je kunt." in notes
    assert not any("een ander" in note for note in notes), notes
    for read in day.read:
        assert read["left_min"] is None
        assert read["api"][1] is None
        assert "mag gebruikt worden" not in read["list"]
        if read["note"]:
            assert read["can_extend"]
            assert "geen tijdslimiet" not in read["sentences"]
    assert any("herhaald" in read["list"] for read in day.read), "the staff list shows what was told"


def test_in_an_active_zone_every_screen_names_the_same_moment(small_plan: FloorPlan) -> None:
    day = long_day(small_plan, "active")
    phases = list(dict.fromkeys(read["phase"] for read in day.read))
    assert phases[-1] == "reclaimable"
    first = next(read for read in day.read if read["note"])
    assert first["note"] == "Deze plek: nog 34 minuten. Vanaf 13:20 mag een ander hier zitten."
    assert first["left_min"] == 34
    assert day.clock(first["api"][1]) == "13:20"
    last = day.read[-1]
    assert last["note"] == "Deze plek: een ander mag hier nu zitten."
    assert last["api"][0] == "reclaimable"


def test_the_same_note_keeps_its_id_while_its_minutes_run_down(small_plan: FloorPlan) -> None:
    day = Day(small_plan, "active")
    day.sit(226)
    seen = []
    for _ in range(4):
        desk = describe(day.place, day.state, day.at, NL, day.clock)
        assert desk.note is not None
        seen.append(desk.note)
        day.sense("motion")
        day.later(2)
    assert len({note.id for note in seen}) == 1
    assert len({note.text for note in seen}) == 4


def test_more_time_ends_the_note(small_plan: FloorPlan) -> None:
    day = Day(small_plan, "notes")
    day.sit(228)
    assert day.screens()["can_extend"]
    assert day.ask("extend") == "ok"
    assert day.screens()["note"] is None


def test_a_note_stops_showing_with_the_stop_switch(small_plan: FloorPlan) -> None:
    day = Day(small_plan, "active")
    day.sit(228)
    assert day.screens()["note"]
    pause = Request(
        id="request-pause",
        site="klein",
        action="pause",
        role="works_council",
        requested_at=day.at,
        reply_to="page",
    )
    day.engine.apply(pause, day.at)
    assert day.screens()["note"] is None
