"""Lets occupancy models live through recorded sensor events and compares what they say with the truth.

Any plan and any devices: what the plan does not know is counted and left out. Events are taken in the order of the
file, which is the order of receiving; nothing is sorted by measuring time, so that late news is late here too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from workplace.desk_metrics import DeskScore, Said, Window, score, state_at
from workplace.errors import SettingInvalid
from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan, Place
from workplace.holds.wiring import Wiring
from workplace.metrics import TruthChange, TruthState, last_motion
from workplace.occupancy.day import moment_of
from workplace.occupancy.hidden_markov import HiddenMarkov
from workplace.occupancy.interface import Belief, Evidence, GatewayHeard, OccupancyModel
from workplace.occupancy.models import MODELS
from workplace.occupancy.nights import Night, Taught, night_after
from workplace.policy import Policy

#: Hours of the day, local, in which figures are taken.
FROM_HOUR, TO_HOUR = 7, 19
#: A belief moves in silence too: it is looked at this often, whatever happens.
LOOK_EVERY = timedelta(minutes=5)
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
BASELINES_MIN = (5, 10, 15, 30)
#: People in a zone are counted this often, and the error is given per this many places.
COUNT_EVERY, COUNT_PLACES, AREA_PLACES = timedelta(minutes=5), 25, 20

SMOOTHED = "filter, afterwards"
_STATE_OF: tuple[TruthState | None, ...] = ("free", "held", "occupied", None)

FactT = TypeVar("FactT")
Told = list[tuple[datetime, Evidence]]


@dataclass(slots=True)
class Recording:
    """What the files hold, by place of the plan; and what could not be used."""

    plan: FloorPlan
    told: dict[str, Told]
    truth: dict[str, list[tuple[datetime, TruthState | None]]]
    events: int = 0
    unreadable: int = 0
    unknown_devices: dict[str, int] = field(default_factory=dict)
    unknown_places: int = 0

    @property
    def places(self) -> list[Place]:
        """Places with sensors and truth."""
        return [place for place in self.plan.place.values() if place.sensors and self.truth.get(place.id)]

    @property
    def until(self) -> datetime:
        ends = [told[-1][0] for told in self.told.values() if told]
        return max([*ends, *(steps[-1][0] for steps in self.truth.values() if steps)])


@dataclass(slots=True)
class Result:
    """What one method made of a recording: per kit of sensors and in all, and the count of people per zone."""

    method: str
    total: DeskScore = field(default_factory=DeskScore)
    kits: dict[str, DeskScore] = field(default_factory=dict)
    zone_error: float | None = None
    said: dict[str, list[Said]] = field(default_factory=dict)


def read_recording(plan: FloorPlan, events_file: Path, truth_file: Path) -> Recording:
    """Return the recording.

    Raises:
        SettingInvalid: a file cannot be read, or nothing in it belongs to the plan.
    """
    found = Recording(plan, {place: [] for place in plan.place}, {place: [] for place in plan.place})
    wiring, gateways = Wiring(plan), set[str]()
    now: datetime | None = None
    decoder = msgspec.json.Decoder(SensorEvent | GatewayStatus)
    for line in _lines(events_file):
        fact = _decoded(decoder, line, found)
        if fact is None:
            continue
        found.events += 1
        at = fact.received_at if isinstance(fact, SensorEvent) else fact.at or now
        if at is None:
            continue
        now = at if now is None else max(now, at)
        if isinstance(fact, SensorEvent) and fact.device not in plan.devices:
            found.unknown_devices[fact.device] = found.unknown_devices.get(fact.device, 0) + 1
            continue
        if fact.gateway not in gateways:
            gateways.add(fact.gateway)
            if isinstance(fact, SensorEvent):  # who sends is connected
                _tell(
                    found, wiring, GatewayStatus(site=plan.site, gateway=fact.gateway, status="online"), now
                )
        _tell(found, wiring, fact, now)
    _read_truth(found, truth_file)
    if not found.places:
        raise SettingInvalid("no place of the plan has both sensors and truth; is --plan the right one?")
    return found


def _read_truth(found: Recording, file: Path) -> None:
    decoder = msgspec.json.Decoder(TruthChange)
    ends: list[TruthChange] = []
    for line in _lines(file):
        change = _decoded(decoder, line, found)
        if change is None:
            continue
        if change.place in found.truth:
            found.truth[change.place].append((change.at, change.state))
            if change.until is not None:
                ends.append(change)
        else:
            found.unknown_places += 1
    for steps in found.truth.values():
        steps.sort(key=lambda step: step[0])
    for change in ends:
        _end(found.truth[change.place], change)


def _end(steps: list[tuple[datetime, TruthState | None]], moment: TruthChange) -> None:
    """Let the truth of a moment end, unless something newer is known by then."""
    assert moment.until is not None  # noqa: S101 - only those come here
    number = bisect_right(steps, moment.at, key=lambda step: step[0])
    if number == len(steps) or steps[number][0] > moment.until:
        steps.insert(number, (moment.until, None))


def _decoded(decoder: msgspec.json.Decoder[FactT], line: bytes, found: Recording) -> FactT | None:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        found.unreadable += 1
        return None


def _tell(found: Recording, wiring: Wiring, fact: SensorEvent | GatewayStatus, now: datetime) -> None:
    for place, evidence in wiring.read(fact):
        found.told[place].append((now, evidence))


def _lines(file: Path) -> Iterable[bytes]:
    """Return the lines of a file, or of all files of a folder by name."""
    try:
        files = sorted(file.glob("*.ndjson")) if file.is_dir() else [file]
        return [line for one in files for line in one.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise SettingInvalid(f"cannot read {file}: {error}") from error


def windows_of(recording: Recording) -> list[Window]:
    """Return the hours from 7 to 19 of each local day that has any truth or event."""
    tz = recording.plan.tz
    moments = [at for steps in recording.truth.values() for at, _ in steps]
    days = sorted({at.astimezone(tz).date() for at in moments})
    return [
        (
            datetime.combine(day, time(FROM_HOUR), tz).astimezone(UTC),
            datetime.combine(day, time(TO_HOUR), tz).astimezone(UTC),
        )
        for day in days
    ]


def evaluate(
    recording: Recording,
    policy: Policy,
    note: Callable[[str], None] = lambda _: None,
    leave_out: Container[str] = (),
) -> list[Result]:
    """Return the results of the models and of the plain time-outs, the model of the product first.

    Args:
        note: told what is being lived.
        leave_out: names of methods that nobody asks for.
    """
    windows = windows_of(recording)
    found: list[Result] = []
    note("the nights")
    nights = list(all_nights(policy, recording))
    for name, shifts in _methods(policy, recording, nights).items():
        if name in leave_out:
            continue
        note(name)
        said = {
            place.id: live(shifts, place, recording.told[place.id], recording.until)
            for place in recording.places
        }
        found.append(_result(name, recording, said, windows))
    afterwards = {place.id: _said_afterwards(place, nights) for place in recording.places}
    found.append(_result(SMOOTHED, recording, afterwards, windows))
    for minutes in BASELINES_MIN:
        said = {
            place.id: _by_timeout(place, recording.told[place.id], timedelta(minutes=minutes))
            for place in recording.places
            if place.sensors_of("motion")
        }
        found.append(_result(f"last motion {minutes} min", recording, said, windows))
    return found


#: The model that holds from a moment on; a filter that learns each night is another one each day.
Shift = tuple[datetime, OccupancyModel[Any]]


def _methods(policy: Policy, recording: Recording, nights: Sequence[Night]) -> dict[str, list[Shift]]:
    """Return the models by name: the filter as a site runs it, without its nights, and the rule."""
    plan = recording.plan
    untaught: list[Shift] = [(_ALWAYS, HiddenMarkov.of(policy, plan.tz))]
    taught = [
        *untaught,
        *(
            (night.taught.until or _ALWAYS, HiddenMarkov.of(policy, plan.tz, night.taught.habits(plan)))
            for night in nights
        ),
    ]
    ruled: list[Shift] = [(_ALWAYS, MODELS["hand_tuned"](policy, plan))]
    return {"filter": taught, "filter, untaught": untaught, "hand_tuned": ruled}


def all_nights(policy: Policy, recording: Recording) -> Iterator[Night]:
    """Yield the night after each local day, as a running site would live it."""
    plan, debounce = recording.plan, HiddenMarkov.of(policy, recording.plan.tz).debounce
    heard = [told[0][0] for told in recording.told.values() if told]
    begin = datetime.combine(min(heard).astimezone(plan.tz).date(), time(), plan.tz)
    taught = Taught()
    while begin < recording.until:
        end = begin + timedelta(days=1)  # local days: 23 or 25 hours when the clocks change
        day = begin.astimezone(UTC), end.astimezone(UTC)
        told = {
            place.id: [one for at, one in recording.told[place.id] if day[0] <= at < day[1]]
            for place in recording.places
        }
        night = night_after(taught, plan, told, day, debounce)
        yield night
        taught, begin = night.taught, end


def _said_afterwards(place: Place, nights: Iterable[Night]) -> list[Said]:
    """Return the timeline of a place as the nights know it."""
    found: list[Said] = []
    for night in nights:
        for one in night.known[place.id]:
            at, state = moment_of(one.at), _STATE_OF[one.verdict]
            since = found[-1].since if found and found[-1].state == state else at
            found.append(Said(at, state, one.p_occupied, since, one.p_held))
    return found


def live(shifts: Sequence[Shift], place: Place, told: Told, until: datetime) -> list[Said]:
    """Return everything a model says of a place when it is asked after each event, when it wishes, and every 5 min."""
    if not told:
        return []
    now, model = told[0][0], shifts[0][1]
    state, found = model.start(place, now), list[Said]()
    number, shift = 0, 1
    while now <= until:
        while shift < len(shifts) and shifts[shift][0] <= now:
            model, shift = shifts[shift][1], shift + 1
        while number < len(told) and told[number][0] <= now:
            state = model.observe(place, state, told[number][1], now)
            number += 1
        belief = model.belief(place, state, now)
        said = _said(belief, now)
        last = found[-1] if found else None
        if last is None or replace(last, at=now) != said:
            found.append(said)
        moments = [now + LOOK_EVERY]
        if number < len(told):
            moments.append(told[number][0])
        if belief.wake_at is not None and belief.wake_at > now:
            moments.append(belief.wake_at)
        now = min(moments)
    return found


def _said(belief: Belief, now: datetime) -> Said:
    state: TruthState | None = None if belief.verdict == "unknown" else belief.verdict
    clock = belief.last_sign_at if state == "held" and belief.last_sign_at else belief.since
    return Said(now, state, belief.p_occupied, clock, belief.p_held)


def _by_timeout(place: Place, told: Told, timeout: timedelta) -> list[Said]:
    motions = [n for n, sensor in enumerate(place.sensors) if sensor.kind == "motion"]
    hits = [
        min(evidence.at, now)
        for now, evidence in told
        if not isinstance(evidence, GatewayHeard)
        and evidence.sensor in motions
        and getattr(evidence, "value", None) is True
    ]
    if not told:
        return []
    return [
        Said(at, "occupied" if is_there else "free", float(is_there), at)
        for at, is_there in last_motion(hits, timeout, told[0][0])
    ]


def _result(
    method: str, recording: Recording, said: Mapping[str, list[Said]], windows: Sequence[Window]
) -> Result:
    found = Result(method, said=dict(said))
    for place in recording.places:
        if place.id not in said:
            continue
        one = score(recording.truth[place.id], said[place.id], windows)
        found.kits.setdefault(kit_of(place), DeskScore()).add(one)
        found.total.add(one)
    found.zone_error = _zone_error(recording, said, windows)
    return found


def kit_of(place: Place) -> str:
    """Return what hangs under a place, as `dock+pir`."""
    return "+".join(sorted({sensor.kit or sensor.kind for sensor in place.sensors}))


def _zone_error(
    recording: Recording, said: Mapping[str, list[Said]], windows: Sequence[Window]
) -> float | None:
    """Return the mean error of the number of people in a zone, per 25 places."""
    errors: list[float] = []
    shown = {place for place, one in said.items() if one and recording.truth[place]}
    for places in areas_of(recording.plan, shown):
        for start, end in windows:
            at = start
            while at < end:
                truths = [state_at(recording.truth[place], at) for place in places]
                if None not in truths:
                    believed = sum(_p_at(said[place], at) for place in places)
                    errors.append(abs(believed - truths.count("occupied")) * COUNT_PLACES / len(places))
                at += COUNT_EVERY
    return sum(errors) / len(errors) if errors else None


def areas_of(plan: FloorPlan, shown: Container[str]) -> list[list[str]]:
    """Return those of the places in each zone that are `shown`; a small zone is counted with its neighbour: chance
    weighs more in few."""
    found: list[list[str]] = []
    for floor in plan.floors:
        areas: list[list[str]] = []
        for zone in floor.zones:
            places = [place.id for place in zone.places if place.id in shown]
            if areas and min(len(areas[-1]), len(places)) < AREA_PLACES:
                areas[-1] += places
            else:
                areas.append(places)
        found += [area for area in areas if area]
    return found


def _p_at(said: Sequence[Said], at: datetime) -> float:
    low, high = 0, len(said)
    while low < high:
        middle = (low + high) // 2
        if said[middle].at <= at:
            low = middle + 1
        else:
            high = middle
    return said[low - 1].p_occupied if low else 0.0
