"""The simulated people behave like the people of the research, and what they do is physically possible."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest

from simulators.people import ARRIVAL_H, ATTENDANCE, DEPARTURE_H, HOUR, MINUTE, DayPlan
from simulators.population import Day, Population, Truth
from simulators.seating import DESK_KINDS
from workplace.floor_plan import FloorPlan

MONDAY = date(2026, 9, 14)
TUESDAY = MONDAY + timedelta(days=1)
SEEDS = (1, 2, 3)
#: Six working weeks, enough for shares within a few per cent.
WEEKS = 6


@pytest.fixture(scope="module")
def populations(example_plan: FloorPlan) -> list[Population]:
    return [Population(example_plan, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def plans(populations: list[Population]) -> list[DayPlan]:
    """The office staff's plans of six weeks; those who are in."""
    return [
        plan
        for week in range(WEEKS)
        for weekday in range(5)
        for plan in populations[0].plans(MONDAY + timedelta(weeks=week, days=weekday))
        if plan.stints and plan.person.own_place is None
    ]


def counts(plan: FloorPlan, day: Day, places: set[str]) -> Iterator[tuple[datetime, Counter[Truth]]]:
    """Yield the time of each change and how many of `places` are in each state from then on."""
    state: dict[str, Truth] = {place: day.opening_truth(place) for place in places}
    for change in day.truth:
        if change.place in places:
            state[change.place] = change.state
            yield change.at, Counter(state.values())


def desks(plan: FloorPlan) -> set[str]:
    return {place.id for place in plan.place.values() if plan.zone[place.zone].kind in DESK_KINDS}


@pytest.mark.parametrize("weekday", range(7))
def test_attendance_by_weekday(populations: list[Population], weekday: int) -> None:
    days = [MONDAY + timedelta(weeks=week, days=weekday) for week in range(WEEKS)]
    office = [p for pop in populations for day in days for p in pop.plans(day) if p.person.own_place is None]
    present = sum(bool(plan.stints) for plan in office) / len(office)
    # .50/.66/.55/.66/.22 on workdays (research: fusion, section 2c); next to nobody at weekends.
    assert present == pytest.approx(ATTENDANCE[weekday], abs=0.03)


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        pytest.param(0, ARRIVAL_H, id="first arrival at 8.3, 9.2, 10.5 h"),
        pytest.param(1, DEPARTURE_H, id="last departure at 15.8, 17.5, 19.5 h"),
    ],
)
def test_arrival_and_departure(plans: list[DayPlan], edge: int, expected: tuple[float, float, float]) -> None:
    hours = [plan.stints[-1].end_s / HOUR if edge else plan.stints[0].start_s / HOUR for plan in plans]
    deciles = statistics.quantiles(hours, n=10)
    # Percentiles 10, 50, 90 (research: fusion, section 2b, IDLab L1).
    assert (deciles[0], deciles[4], deciles[8]) == pytest.approx(expected, abs=0.3)


def test_work_sessions_have_the_median_and_spread_of_the_research(plans: list[DayPlan]) -> None:
    minutes = [
        (stint.end_s - stint.start_s) / MINUTE
        for plan in plans
        for stint in plan.stints
        if stint.activity == "work"
    ]
    # Log-normal, median 40 min, sigma .9 (research: fusion, section 2c); lunch and going home cut some short.
    assert statistics.median(minutes) == pytest.approx(40, abs=6)
    low, _, high = statistics.quantiles(minutes, n=4)
    assert 18 <= low <= 27
    assert 55 <= high <= 80


def test_breaks_are_mixed_as_in_the_research(plans: list[DayPlan]) -> None:
    pauses = Counter(stint.activity for plan in plans for stint in plan.stints if stint.activity != "work")
    common = pauses["short_break"] + pauses["meeting"] + pauses["move"]
    # 56 % micro breaks, 34 % meetings (research: fusion, section 2c).
    assert pauses["short_break"] / common == pytest.approx(0.56, abs=0.04)
    assert pauses["meeting"] / common == pytest.approx(0.34, abs=0.04)
    short = [
        (s.end_s - s.start_s) / MINUTE for plan in plans for s in plan.stints if s.activity == "short_break"
    ]
    assert statistics.median(short) == pytest.approx(6, abs=1)
    assert pauses["lunch"] / len(plans) == pytest.approx(0.75, abs=0.08)  # 80 % of those who are in at noon


@pytest.mark.parametrize(
    ("activity", "share"),
    [
        pytest.param("short_break", 0.97, id="97 % of the laptops stay docked on a micro break"),
        pytest.param("lunch", 0.85, id="85 % stay docked at lunch"),
        pytest.param("meeting", 0.55, id="55 % stay docked during a meeting"),
        pytest.param("camp", 1.0, id="all stay docked when a desk is kept for hours"),
    ],
)
def test_laptops_left_behind(plans: list[DayPlan], activity: str, share: float) -> None:
    left = [
        stint.laptop_stays
        for plan in plans
        if plan.person.docks
        for stint in plan.stints[:-1]  # after the last one nobody comes back
        if stint.activity == activity
    ]
    assert sum(left) / len(left) == pytest.approx(share, abs=0.04)  # research: fusion, section 2c


def test_traits_of_people(plans: list[DayPlan]) -> None:
    people = {plan.person.number: plan.person for plan in plans}.values()
    assert sum(not p.docks for p in people) / len(people) == pytest.approx(0.12, abs=0.06)
    assert sum(p.laptop_sleeps for p in people) / len(people) == pytest.approx(0.40, abs=0.09)
    nights = [plan.laptop_stays_overnight for plan in plans if plan.stints]
    assert 0.005 <= sum(nights) / len(nights) <= 0.04  # 3 % before a day in the office


def test_a_busy_tuesday_fills_the_building_as_published(
    populations: list[Population], example_plan: FloorPlan
) -> None:
    """Peak of claimed desks 55-65 %, 20-40 % of all use passive, lowest presence at lunch."""
    office = desks(example_plan)
    for population in populations:
        day = population.day(TUESDAY)
        claimed = [(at, c["occupied"] + c["held"]) for at, c in counts(example_plan, day, office)]
        assert 0.53 <= max(n for _, n in claimed) / len(office) <= 0.67
        hour = {h: hourly_mean(day, example_plan, office, h) for h in (11, 12, 14)}
        assert hour[12] < 0.8 * min(hour[11], hour[14])


def hourly_mean(day: Day, plan: FloorPlan, places: set[str], hour: int) -> float:
    """Return how many of `places` are occupied in this local hour: mean of twelve looks."""
    midnight = datetime.combine(day.date, time(), plan.tz)
    looks = [midnight + timedelta(hours=hour, minutes=minute) for minute in range(0, 60, 5)]
    changes = list(counts(plan, day, places))
    return statistics.fmean(
        next((c["occupied"] for at, c in reversed(changes) if at <= look), 0) for look in looks
    )


def test_part_of_all_use_is_passive(populations: list[Population]) -> None:
    seconds: Counter[Truth] = Counter()
    for population in populations:
        day = population.day(TUESDAY)
        since = dict.fromkeys(population.plan.place, (day.start, "free"))
        for change in day.truth:
            before, state = since[change.place]
            seconds[state] += int((change.at - before).total_seconds())  # type: ignore[index]
            since[change.place] = (change.at, change.state)
    passive = seconds["held"] / (seconds["held"] + seconds["occupied"])
    # 36 % published, 31 % in the research (fusion, 2a and 2c); here seats without a dock count too.
    assert 0.15 <= passive <= 0.36


def test_some_zone_group_becomes_scarce_on_a_busy_day(
    populations: list[Population], example_plan: FloorPlan
) -> None:
    """R11: free <= max(1, 12 %) of the group."""
    for population in populations:
        scarce = set()
        for offset in (1, 3):
            day = population.day(MONDAY + timedelta(days=offset))
            for group, zones in example_plan.groups.items():
                places = {place.id for zone in zones for place in zone.places}
                if zones[0].kind in ("collaborate", "silence"):
                    free = min(c["free"] for _, c in counts(example_plan, day, places))
                    scarce |= {group} if free <= max(1, 0.12 * len(places)) else set()
        assert scarce


def test_meeting_and_restaurant_seats_fill_when_it_is_time(
    populations: list[Population], example_plan: FloorPlan
) -> None:
    day = populations[0].day(TUESDAY)
    seats = {p.id for p in example_plan.place.values() if example_plan.zone[p.zone].kind == "restaurant"}
    by_hour = {hour: hourly_mean(day, example_plan, seats, hour) for hour in (10, 12, 15)}
    assert by_hour[12] > 10
    assert by_hour[12] > 3 * max(by_hour[10], by_hour[15])


def test_fixed_counter_places_are_staffed_in_opening_hours_only(
    populations: list[Population], example_plan: FloorPlan
) -> None:
    fixed = {place.id for place in example_plan.place.values() if place.fixed}
    day = populations[0].day(TUESDAY)
    sits = [h for h in day.happenings if h.place in fixed and h.kind == "sit"]
    assert {h.place for h in sits} <= fixed
    assert len({h.place for h in sits}) >= len(fixed) - 2
    assert all(8 <= h.at.astimezone(example_plan.tz).hour <= 17 for h in sits)


def test_cleaners_pass_every_place_after_six(populations: list[Population], example_plan: FloorPlan) -> None:
    day = populations[0].day(TUESDAY)
    passed = {
        h.place for h in day.happenings if h.kind == "pass_by" and h.at.astimezone(example_plan.tz).hour >= 18
    }
    assert passed == set(example_plan.place)


@pytest.mark.parametrize("offset", range(14))
def test_what_happens_is_physically_possible(populations: list[Population], offset: int) -> None:
    """One body per seat, one laptop per dock, links only with a laptop; nights carry over from day to day."""
    for population in populations:
        day = population.day(MONDAY + timedelta(days=offset))
        seated: set[str] = set()
        up = dict(day.opening)
        assert list(day.happenings) == sorted(day.happenings, key=lambda h: h.at)
        for happening in day.happenings:
            assert day.start <= happening.at < day.end
            place = happening.place
            match happening.kind:
                case "sit":
                    assert place not in seated
                    seated.add(place)
                case "leave":
                    seated.remove(place)
                case "dock":
                    assert place not in up
                    assert place in seated
                    up[place] = True
                case "undock":
                    assert place in seated
                    del up[place]
                case "sleep":
                    assert up[place]
                    assert place not in seated
                    up[place] = False
                case "wake":
                    assert not up[place]
                    assert place in seated
                    up[place] = True
        assert not seated, "everybody goes home"
        assert up == {place: not laptop.sleeps for place, laptop in day.closing.items()}
        assert up == population.day(MONDAY + timedelta(days=offset + 1)).opening


def test_truth_changes_are_changes(populations: list[Population]) -> None:
    day = populations[0].day(TUESDAY)
    state: dict[str, Truth] = dict.fromkeys(day.opening, "held")
    for before, after in zip(day.truth, day.truth[1:], strict=False):
        assert before.at <= after.at
    for change in day.truth:
        assert change.state != state.get(change.place, "free")
        state[change.place] = change.state
    assert {place for place, last in state.items() if last != "free"} == set(day.closing)


def test_a_day_does_not_depend_on_the_order_of_asking(example_plan: FloorPlan) -> None:
    friday = MONDAY + timedelta(days=4)
    alone = Population(example_plan, 7).day(friday)
    after_others = Population(example_plan, 7)
    for offset in range(-3, 4):
        after_others.day(MONDAY + timedelta(days=offset))
    assert after_others.day(friday) == alone
    assert Population(example_plan, 8).day(friday) != alone


@pytest.mark.parametrize(
    ("sunday", "hours"),
    [
        pytest.param(date(2026, 3, 29), 23, id="the clocks go forward"),
        pytest.param(date(2026, 10, 25), 25, id="the clocks go back"),
    ],
)
def test_days_of_clock_changes_join_their_neighbours(
    example_plan: FloorPlan, sunday: date, hours: int
) -> None:
    population = Population(example_plan, 1)
    day, monday = population.day(sunday), population.day(sunday + timedelta(days=1))
    assert day.end - day.start == timedelta(hours=hours)
    assert monday.start == day.end
    arrivals = [h.at.astimezone(example_plan.tz).hour for h in monday.happenings if h.kind == "sit"]
    assert min(arrivals) >= 6
    assert day.start.tzinfo is UTC


def test_a_small_office_works_too(small_plan: FloorPlan) -> None:
    day = Population(small_plan, 1).day(TUESDAY)
    assert {h.kind for h in day.happenings} >= {"sit", "leave", "dock", "undock", "pass_by"}
