"""Days at the office, told as given / when / then.

Every story is also played with every message twice, with messages out of order, and with restarts in the
middle.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from workplace import floor_plan
from workplace.events import Command, Decision, GatewayStatus, PlaceState, Request, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import Outcome, SiteEngine
from workplace.occupancy.models import MODELS
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, HoursFile, OccupancyModelName, PolicyFile

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
TUESDAY = date(2026, 11, 24)
Fact = SensorEvent | GatewayStatus | Request

#: Desks with dock and wired PIR (D), with dock and battery PIR (B), seats to meet with a battery PIR (O).
PLAN = floor_plan.load(
    """
site: klein
name: {nl: Klein, en: Small}
gateways: [{id: gw-1, floor: f1, mqtt: {zigbee2mqtt: z}}]
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [30, 12]
    zones:
      - id: werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands:
          - {first: D1, at: [2, 2], columns: 2, rows: 4, sensors: [dock, pir], node: "0000000000000001"}
      - id: stilte
        kind: silence
        name: {nl: Stilte, en: Silence}
        rect: [10, 0, 10, 12]
        islands:
          - {first: B1, at: [12, 2], columns: 2, rows: 2, sensors: [dock, zigbee_pir],
             node: "000000000000000b"}
      - id: ontmoeten
        kind: meet
        name: {nl: Ontmoeten, en: Meet}
        rect: [20, 0, 10, 12]
        islands: [{first: O1, at: [22, 2], columns: 2, rows: 2, sensors: [zigbee_pir]}]
""",
    "story.plan.yaml",
)


def of_a_switch(ports: int) -> FloorPlan:
    """Desks on the ports of one switch, each with a PIR of its own."""
    listed = "".join(
        f"  - {{place: S{n}, sensor: switch_port, device: switch-sw-1, channel: Gi1/0/{n}}}\n"
        f"  - {{place: S{n}, sensor: esphome_pir, device: esphome-pir-{n}, channel: occ}}\n"
        for n in range(1, ports + 1)
    )
    return floor_plan.load(
        f"""
site: klein
name: {{nl: Klein, en: Small}}
gateways: [{{id: gw-1, floor: f1, mqtt: {{esphome: e}}}}]
floors:
  - id: f1
    number: 1
    name: {{nl: Eerste, en: First}}
    size: [60, 12]
    zones:
      - id: werken
        kind: desk
        name: {{nl: Werken, en: Work}}
        rect: [0, 0, 60, 12]
        islands: [{{first: S1, at: [2, 2], columns: {ports // 2}, rows: 2}}]
devices:
{listed}""",
        "switch.plan.yaml",
    )


SWITCH = of_a_switch(48)


def signed(settings: PolicyFile) -> Policy:
    """Consent to exactly these settings."""
    digest = policy_hash(settings)
    consent = ConsentFile(body="Ondernemingsraad", role="voorzitter", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(settings, consent=consent), digest)


ACTIVE = signed(PolicyFile(site="klein", mode="active"))


@dataclass
class Story:
    """What happens, in local time; days after the first as `+1 08:30`."""

    start: str = "06:00"
    first_day: date = TUESDAY
    policy: Policy = ACTIVE
    told: list[tuple[datetime, Fact]] = field(default_factory=list)
    silent: tuple[str, ...] = ()
    model: OccupancyModelName = "hand_tuned"
    plan: FloorPlan = PLAN

    def __post_init__(self) -> None:
        self.gateway("online", self.start)
        for device in self.plan.devices:
            self.device(device, "available", self.start)
        for device in self.plan.devices.keys() - set(self.silent):
            for hour in range(1, 40):
                at = self.time(self.start) + timedelta(hours=hour)
                if device.startswith("z2m-"):
                    self._say(device, "battery", 90, None, at)

    def time(self, text: str) -> datetime:
        days, _, clock = text.rpartition(" ")
        hour, minute, *second = map(int, clock.split(":"))
        day = self.first_day + timedelta(days=int(days or 0))
        local = datetime(day.year, day.month, day.day, hour, minute, *second, tzinfo=AMSTERDAM)
        return local.astimezone(UTC)

    def gateway(self, status: Any, at: str) -> None:
        moment = None if status == "offline" else self.time(at)
        self.told.append(
            (self.time(at), GatewayStatus(site="klein", gateway="gw-1", status=status, at=moment))
        )

    def device(self, device: str, word: str, at: str) -> None:
        self._say(device, "availability", word == "available", None, self.time(at))

    def link(self, place: str, word: str, at: str) -> None:
        sensor = self.plan.place[place].sensors_of("link")[0]
        self._say(sensor.device, "link", word == "up", sensor.channel, self.time(at))

    def moves(self, place: str, at: datetime | str, arrives: str | None = None) -> None:
        """One hit of the PIR, and its end; `arrives` when it comes late."""
        moment = self.time(at) if isinstance(at, str) else at
        sensor = self.plan.place[place].sensors_of("motion")[0]
        come = None if arrives is None else self.time(arrives)
        self._say(sensor.device, "motion", value=True, channel=sensor.channel, at=moment, come=come)
        ends = moment + timedelta(seconds=max(sensor.blind_s, 5))
        self._say(sensor.device, "motion", value=False, channel=sensor.channel, at=ends, come=come)

    def sits(self, place: str, start: str, end: str, every_min: float = 2) -> None:
        """Somebody sits there and moves now and then."""
        at = self.time(start)
        while at <= self.time(end):
            self.moves(place, at)
            at += timedelta(minutes=every_min)

    def works(self, place: str, start: str, end: str) -> None:
        """Somebody plugs in and sits."""
        self.link(place, "up", start)
        self.sits(place, start, end)

    def asks(self, action: Any, at: str, *, place: str | None = None, role: Any = "staff") -> None:
        request = Request(
            id=f"r-{action}-{at}".replace(" ", "").replace(":", ""),
            site="klein",
            place=place,
            action=action,
            role=role,
            requested_at=self.time(at),
            reply_to="page",
        )
        self.told.append((self.time(at), request))

    def _say(
        self,
        device: str,
        kind: Any,
        value: bool,
        channel: str | None,
        at: datetime,
        come: datetime | None = None,
    ) -> None:
        event = SensorEvent(
            id=f"{device}-{kind}-{channel}-{len(self.told):08d}"[-64:],
            site="klein",
            gateway="gw-1",
            device=device,
            kind=kind,
            value=value,
            channel=channel,
            measured_at=at,
            clock="device",
            uncertainty_ms=5,
            received_at=at,
        )
        self.told.append((at if come is None else come, event))


@dataclass
class Seen:
    """Everything the engine said."""

    story: Story
    engine: SiteEngine
    states: list[PlaceState]
    decisions: list[Decision]
    commands: list[Command]

    def at(self, place: str, when: str) -> PlaceState:
        """The newest state of a place at a time of the story."""
        moment = self.story.time(when)
        return [s for s in self.states if s.place == place and s.as_of <= moment][-1]

    def phases(self, place: str, start: str, end: str) -> set[str]:
        """All phases shown in a stretch of time."""
        first, last = self.story.time(start), self.story.time(end)
        during = {s.phase for s in self.states if s.place == place and first < s.as_of <= last}
        return during | {self.at(place, start).phase}

    def paused(self) -> list[tuple[str, str]]:
        """When enforcement was paused and why, local time; an empty cause when it went on."""
        found: list[tuple[str, str]] = []
        for decision in self.decisions:
            if decision.rule == "R28":
                cause = str(decision.signals[0].value) if decision.action == "paused" else ""
                found.append((f"{decision.at.astimezone(AMSTERDAM):%H:%M}", cause))
        return found

    def actions(self, place: str, start: str = "06:00", end: str = "+9 00:00") -> list[str]:
        first, last = self.story.time(start), self.story.time(end)
        return [d.action for d in self.decisions if d.place == place and first <= d.at <= last]


Play = Callable[[Story, str], Seen]


def run(
    story: Story,
    until: str,
    told: list[tuple[datetime, Fact]] | None = None,
    restarts: Sequence[datetime] = (),
) -> Seen:
    engine = SiteEngine(story.plan, story.policy, MODELS[story.model](story.policy, story.plan))
    seen = Seen(story, engine, [], [], [])
    stored: dict[str, bytes] = {}
    coming = list(restarts)

    def note(outcome: Outcome) -> None:
        seen.states += outcome.place_states
        seen.decisions += outcome.decisions
        seen.commands += outcome.commands
        stored.update(engine.take_changes())

    note(engine.start(story.time(story.start)))
    for at, fact in sorted(story.told if told is None else told, key=lambda item: item[0]):
        if at > story.time(until):
            break
        while coming and at >= coming[0]:
            restart_at = coming.pop(0)
            note(engine.advance(restart_at))
            engine = SiteEngine(story.plan, story.policy, MODELS[story.model](story.policy, story.plan))
            engine.restore(stored, restart_at)
        note(engine.apply(fact, at))
    note(engine.advance(story.time(until)))
    seen.engine = engine
    return seen


@pytest.fixture(params=["hand_tuned", "filter"])
def model(request: pytest.FixtureRequest) -> OccupancyModelName:
    name: OccupancyModelName = request.param
    return name


@pytest.fixture(params=["as it is", "everything twice", "out of order", "restart in the middle"])
def play(request: pytest.FixtureRequest, model: OccupancyModelName) -> Play:
    """Play a story in one of four ways, with either model."""

    def played(story: Story, until: str) -> Seen:
        story.model = model
        plain = run(story, until)
        match request.param:
            case "everything twice":
                again = [(at + timedelta(seconds=s), fact) for at, fact in story.told for s in (0, 1)]
                seen = run(story, until, again)
                assert seen.states == plain.states
                assert seen.decisions == plain.decisions
            case "out of order":
                dice = random.Random(7)
                late = [(at + timedelta(seconds=dice.uniform(0, 3)), fact) for at, fact in story.told]
                seen = run(story, until, late)
            case "restart in the middle":
                seen = plain
                first, last = story.time(story.start), story.time(until)
                seen = run(
                    story, until, restarts=[first + (last - first) * part / 10 for part in range(1, 10)]
                )
                assert seen.states == plain.states
                assert msgspec.json.encode(seen.decisions) == msgspec.json.encode(plain.decisions)
            case _:
                seen = plain
        return seen

    return played


def fill(story: Story, start: str, end: str, besides: tuple[str, ...] = ()) -> None:
    """The other desks of the zone are taken."""
    for place in PLAN.zone["werken"].places:
        if place.id not in besides:
            story.works(place.id, start, end)


def test_coffee_of_8_minutes_is_not_even_seen(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.sits("D1", "10:08", "11:00")
    seen = play(story, "11:00")
    assert seen.phases("D1", "09:01", "11:00") == {"in_use"}


def test_meeting_of_55_minutes_on_a_quiet_floor_gives_the_place_away_at_50(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.sits("D1", "10:55", "11:30")
    seen = play(story, "11:30")
    assert seen.at("D1", "10:09").phase == "in_use"
    assert seen.at("D1", "10:48").phase == "just_left"
    assert seen.at("D1", "10:51").phase == "reclaimable"
    assert seen.at("D1", "10:56").phase == "in_use"
    assert seen.at("D1", "10:56").hold_since == story.time("09:00")


def test_meeting_of_55_minutes_on_a_full_floor_gives_the_place_away_at_30(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    fill(story, "08:45", "11:00", besides=("D1",))
    seen = play(story, "11:00")
    assert seen.at("D1", "10:29").phase == "just_left"
    assert seen.at("D1", "10:31").phase == "reclaimable"
    assert seen.engine.zone_state("werken").scarce


def test_lunch_of_75_minutes_with_the_laptop_left_keeps_the_place(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "11:45")
    story.sits("D1", "13:00", "14:00")
    seen = play(story, "14:00")
    assert seen.phases("D1", "09:01", "14:00") == {"in_use", "just_left"}


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        pytest.param("hand_tuned", "free", id="by hand: little silence after unplugging frees the place"),
        pytest.param("filter", "in_use", id="filter: two minutes of silence are no proof, it waits longer"),
    ],
    indirect=["model"],
)
def test_undocking_3_minutes_and_coming_back_keeps_hold_and_clock(play: Play, shown: str) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.link("D1", "down", "10:01")
    story.works("D1", "10:04", "10:30")
    seen = play(story, "10:30")
    assert seen.at("D1", "10:03:30").phase == shown
    before, after = seen.at("D1", "09:30"), seen.at("D1", "10:10")
    assert (after.hold_id, after.hold_since) == (before.hold_id, before.hold_since)
    assert after.stay_limit_at == before.stay_limit_at


def test_a_place_left_for_20_minutes_starts_a_new_clock(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.link("D1", "down", "10:00:30")
    story.works("D1", "10:20:30", "10:40")
    seen = play(story, "10:40")
    assert seen.at("D1", "10:30").hold_since == story.time("10:20:30")


def test_a_laptop_left_overnight_ends_its_hold_in_the_evening(play: Play) -> None:
    story = Story()
    story.works("D1", "16:00", "17:30")
    story.sits("D1", "+1 08:40", "+1 09:30")
    seen = play(story, "+1 09:30")
    assert seen.at("D1", "19:59").phase == "just_left"
    assert seen.at("D1", "20:01").phase == "free"
    assert seen.at("D1", "+1 08:39").phase == "free"
    assert seen.at("D1", "+1 09:00").hold_since == story.time("+1 08:40")


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        pytest.param("hand_tuned", "free", id="by hand: a link that is down is a laptop that is gone"),
        pytest.param("filter", "just_left", id="filter: a link that drops by itself is a laptop asleep"),
    ],
    indirect=["model"],
)
def test_a_dock_that_falls_asleep_overnight_frees_the_place_and_waking_alone_is_no_person(
    play: Play, shown: str
) -> None:
    story = Story()
    story.works("D1", "16:00", "17:30")
    story.link("D1", "down", "18:10")
    story.link("D1", "up", "+1 03:00")
    story.link("D1", "down", "+1 03:05")
    seen = play(story, "+1 08:00")
    assert seen.at("D1", "18:12").phase == shown
    assert seen.at("D1", "20:01").phase == "free"
    assert seen.at("D1", "+1 03:30").phase == "free"


def test_a_thin_client_that_is_always_up_is_exempt_and_never_enforced(play: Play) -> None:
    story = Story(policy=signed(PolicyFile(site="klein", mode="active", exempt=["D1"])))
    story.link("D1", "up", "07:00")
    seen = play(story, "+1 12:00")
    assert seen.phases("D1", "06:30", "+1 12:00") == {"exempt"}
    assert seen.actions("D1") == []


def test_a_dead_pir_under_a_sitter_stops_the_clock_and_never_frees(play: Play) -> None:
    story = Story(silent=("z2m-pir-B1",))
    story.works("B1", "09:00", "10:00")
    story.device("z2m-pir-B1", "lost", "10:05")
    seen = play(story, "16:00")
    state = seen.at("B1", "15:00")
    assert state.phase == "in_use"
    assert "unverified" in state.reasons
    assert seen.phases("B1", "10:06", "16:00") == {"in_use"}


def test_a_pir_that_goes_silent_is_noticed_after_three_beats(play: Play) -> None:
    story = Story(silent=("z2m-pir-O1",))
    story.moves("O1", "06:30")
    seen = play(story, "10:00")
    assert seen.at("O1", "09:25").phase == "free"
    assert seen.at("O1", "09:32").phase == "unknown"


def test_a_still_sitter_of_20_minutes_with_a_linked_dock_keeps_the_place(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.sits("D1", "10:20", "10:30")
    seen = play(story, "10:30")
    assert seen.phases("D1", "09:01", "10:30") == {"in_use", "just_left"}


def test_a_cleaner_at_18_o_clock_leaves_no_hold(play: Play) -> None:
    story = Story()
    story.moves("D1", "18:00")
    story.moves("D1", "18:01")
    seen = play(story, "18:30")
    assert seen.actions("D1") == []
    assert seen.at("D1", "18:10").phase == "free"


def test_two_people_swapping_on_one_cable_are_one_hold(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "11:00")
    story.link("D1", "down", "11:01")
    story.works("D1", "11:02:30", "11:30")
    seen = play(story, "11:30")
    assert seen.at("D1", "11:20").hold_since == story.time("09:00")
    assert seen.actions("D1").count("hold_started") == 1


def test_a_fire_drill_of_25_minutes_gives_no_place_away(play: Play) -> None:
    story = Story()
    fill(story, "09:00", "10:00")
    for place in PLAN.zone["werken"].places:
        story.sits(place.id, "10:25", "10:40")
    seen = play(story, "10:40")
    for place in PLAN.zone["werken"].places:
        assert seen.phases(place.id, "09:05", "10:40") == {"in_use", "just_left"}
        assert "reclaimable" not in seen.actions(place.id)


def test_a_gateway_lost_for_40_minutes_freezes_the_clocks_and_its_backlog_repairs(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.link("D2", "up", "09:00")
    story.sits("D2", "09:00", "09:40")
    story.gateway("offline", "10:00:30")
    story.gateway("online", "10:40")
    for minute in range(2, 39, 2):
        story.moves("D1", f"10:{minute:02d}", arrives="10:40:10")
    story.sits("D1", "10:41", "11:30")
    seen = play(story, "12:00")
    assert seen.phases("D1", "10:00:40", "10:39") == {"unknown"}
    assert seen.phases("D2", "10:00:40", "10:39") == {"unknown"}
    assert seen.at("D1", "10:41").phase == "in_use"
    assert seen.at("D1", "10:41").hold_since == story.time("09:00")
    # Nothing was known on the whole site: enforcement paused itself at 10:02 and goes on when 95 % of a quarter of an
    # hour was seen again, at 11:04 (R28). D2 was away for 20.5 min before, so it has 29.5 left.
    assert seen.paused() == [("10:02", "coverage"), ("11:04", "")]
    assert seen.at("D2", "11:33").phase == "just_left"
    assert seen.at("D2", "11:34").phase == "reclaimable"
    moved = story.time("09:00") + timedelta(minutes=240 + 63, seconds=30)
    limit = seen.at("D1", "11:20").stay_limit_at
    assert limit is not None
    assert abs(limit - moved) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("day", "left", "given_away"),
    [
        pytest.param(date(2027, 3, 28), "01:30", "03:20", id="in March 01:30 plus 50 minutes is 03:20"),
        pytest.param(
            date(2026, 10, 25), "01:50", "02:40", id="in October 01:50 plus 50 minutes is the first 02:40"
        ),
    ],
)
def test_limits_are_real_minutes_when_the_clocks_change(
    play: Play, day: date, left: str, given_away: str
) -> None:
    # the last Sunday of March 2027 is Easter
    hours = HoursFile(days=["sun"], from_="00:30", to="17:00", public_holidays="none")
    story = Story(
        first_day=day, start="00:00", policy=signed(PolicyFile(site="klein", mode="active", hours=hours))
    )
    story.works("D1", "00:40", left)
    seen = play(story, "05:00")
    first = next(d for d in seen.decisions if d.action == "reclaimable")
    assert abs(first.at - story.time(given_away)) < timedelta(seconds=30)


def test_long_use_of_a_meeting_nook_climbs_the_ladder_step_by_step(play: Play) -> None:
    story = Story()
    story.sits("O1", "09:00", "11:30", every_min=3)
    seen = play(story, "11:20")
    told = {d.action: d.at for d in seen.decisions if d.place == "O1" and d.rule == "R14"}
    for action, at in [
        ("soft_note", "10:15"),
        ("time_reached", "10:30"),
        ("repeat", "10:40"),
        ("reclaimable", "10:50"),
    ]:
        assert abs(told[action] - story.time(at)) < timedelta(seconds=10), action
    assert seen.at("O1", "11:00").phase == "reclaimable"


def test_an_extension_moves_the_ladder_by_an_hour(play: Play) -> None:
    story = Story()
    story.sits("O1", "09:00", "12:00", every_min=3)
    story.asks("extend", "10:20", place="O1", role="desk")
    seen = play(story, "12:00")
    assert seen.at("O1", "10:21").notice == "none"
    assert "reclaimable" not in seen.actions("O1", end="11:49")
    assert seen.phases("O1", "11:49", "11:51") == {"in_use", "reclaimable"}
    assert seen.at("O1", "11:54").phase == "reclaimable"


def test_staff_release_counts_until_a_new_sign_of_use(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.asks("release", "10:20", place="D1")
    story.sits("D1", "11:00", "11:10")
    seen = play(story, "11:10")
    assert seen.phases("D1", "10:20:05", "10:59") == {"free"}
    assert seen.at("D1", "11:05").phase == "in_use"
    assert seen.at("D1", "11:05").hold_since == story.time("11:00")


def test_the_stop_switch_takes_everything_back_at_once(play: Play) -> None:
    story = Story()
    story.works("D1", "09:00", "10:00")
    story.asks("pause", "11:00", role="works_council")
    seen = play(story, "12:00")
    assert seen.at("D1", "10:59").phase == "reclaimable"
    assert seen.phases("D1", "11:00:05", "12:00") == {"just_left"}
    assert seen.engine.zone_state("werken").paused


def test_outside_the_hours_in_force_no_clock_runs(play: Play) -> None:
    story = Story()
    story.works("D1", "16:00", "16:30")
    seen = play(story, "19:00")
    assert seen.phases("D1", "16:05", "19:00") == {"in_use", "just_left"}


def test_in_shadow_the_same_day_is_decided_but_told_to_nobody(play: Play) -> None:
    story = Story(policy=signed(PolicyFile(site="klein", mode="shadow")))
    story.works("D1", "09:00", "10:00")
    story.sits("O1", "09:00", "11:30", every_min=3)
    seen = play(story, "+1 06:00")
    assert "reclaimable" in seen.actions("D1")
    assert "reclaimable" in seen.actions("O1")
    assert not any(decision.acted for decision in seen.decisions)
    assert not any(state.phase == "reclaimable" or state.notice != "none" for state in seen.states)
    assert seen.commands == []


def test_a_switch_that_reboots_drops_48_links_at_once_and_frees_no_desk(play: Play) -> None:
    story = Story(plan=SWITCH)
    for number in range(1, 49):
        story.link(f"S{number}", "up", "09:00")
        for minute in (0, 8, 16):
            story.moves(f"S{number}", f"09:{minute:02d}")
        story.link(f"S{number}", "down", "09:40")
        if number < 48:
            story.link(f"S{number}", "up", "09:43")
    story.sits("S1", "09:44", "10:00")
    seen = play(story, "10:00")
    for number in (1, 2, 24, 47):
        assert "free" not in seen.phases(f"S{number}", "09:01", "10:00")
        assert seen.at(f"S{number}", "09:42").phase == "unknown"
        assert "released" not in seen.actions(f"S{number}")
        assert seen.at(f"S{number}", "09:55").hold_since == story.time("09:00")
    assert seen.at("S1", "09:50").phase == "in_use"
    # one alarm for all of them, and S48, whose laptop did not come back, is released when all is quiet again
    assert [d.action for d in seen.decisions if d.rule == "R30"] == ["mass_event", "mass_event_over"]
    assert seen.at("S48", "09:55").phase in {"free", "just_left"}


def test_do_not_disturb_keeps_the_ladder_of_a_nook_waiting_for_an_hour(play: Play) -> None:
    story = Story()
    story.sits("O1", "09:00", "12:30", every_min=3)
    story.asks("quiet", "10:10", place="O1", role="desk")
    seen = play(story, "12:10")
    assert seen.at("O1", "10:30").notice == "none"
    told = {d.action: d.at for d in seen.decisions if d.place == "O1" and d.rule == "R14"}
    for action, at in [("soft_note", "11:10"), ("time_reached", "11:25"), ("reclaimable", "11:45")]:
        assert abs(told[action] - story.time(at)) < timedelta(seconds=10), action
