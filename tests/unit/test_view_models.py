"""What a page may show: no number when it may be wrong, a grey one when it may be old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.desk_page.pages import describe
from dashboard.desk_page.tokens import WishLimit, hour_of, is_token, make_token
from dashboard.i18n import words
from dashboard.live_site import SiteSnapshot
from dashboard.settings import DashboardSettings
from dashboard.staff.day import day_figure, day_rows, day_summary
from dashboard.view_models import (
    FloorView,
    freshness,
    hold_list,
    is_night,
    other_floors,
    phase_of,
    view_floor,
    view_zone,
)
from workplace import floor_plan
from workplace.events import PlaceState, ZoneState
from workplace.ports import ZoneBin

PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
SETTINGS = DashboardSettings()
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def zone_state(zone: str, free: int, **more: Any) -> ZoneState:
    found = PLAN.zone[zone]
    fixed = sum(place.fixed for place in found.places)
    rest = len(found.places) - fixed - free - more.get("reclaimable", 0) - more.get("unknown", 0)
    fields: dict[str, Any] = {
        "site": PLAN.site,
        "floor": found.floor,
        "zone": zone,
        "free": free,
        "reclaimable": 0,
        "in_use": rest,
        "unknown": 0,
        "exempt": fixed,
        "capacity": len(found.places),
        "scarce": False,
        "calendar": "work",
        "mode": "active",
        "coverage_pct": 98.0,
        "as_of": TEN,
        "expires_at": TEN + timedelta(minutes=1),
    }
    return ZoneState(**(fields | more))


def place_state(place: str, phase: str, **more: Any) -> PlaceState:
    found = PLAN.place[place]
    fields: dict[str, Any] = {
        "site": PLAN.site,
        "floor": found.floor,
        "zone": found.zone,
        "place": place,
        "phase": phase,
        "occupancy": "occupied",
        "since": TEN - timedelta(minutes=30),
        "mode": "active",
        "as_of": TEN,
        "expires_at": TEN + timedelta(minutes=5),
    }
    return PlaceState(**(fields | more))


def site(
    zones: dict[str, ZoneState] | None = None,
    *,
    free: int = 6,
    ages: dict[str, float] | None = None,
    places: dict[str, PlaceState] | None = None,
    waited_s: float = 300.0,
) -> SiteSnapshot:
    """Everything live, `free` places in each zone, except for what is given."""
    every = {
        zone.id: zone_state(zone.id, min(free, sum(not p.fixed for p in zone.places)))
        for zone in PLAN.zone.values()
    }
    return SiteSnapshot(
        places or {}, every | (zones or {}), dict.fromkeys(every, 1.0) | (ages or {}), waited_s
    )


def view(snapshot: SiteSnapshot, floor: str = "f3") -> FloorView:
    return view_floor(PLAN, PLAN.floor[floor], snapshot, TEN, SETTINGS)


@pytest.mark.parametrize(
    ("age_s", "waited_s", "then"),
    [
        pytest.param(15.0, 999, "live", id="fifteen seconds of silence is still live"),
        pytest.param(15.1, 999, "stale", id="after that it is old"),
        pytest.param(120.0, 999, "stale", id="up to two minutes an old number is shown grey"),
        pytest.param(120.1, 999, "off", id="after two minutes no number is shown"),
        pytest.param(None, 5, "stale", id="only retained words: old from the start"),
        pytest.param(None, 121, "off", id="only retained words for two minutes: nothing"),
    ],
)
def test_freshness(age_s: float | None, waited_s: float, then: str) -> None:
    assert freshness(age_s, waited_s, SETTINGS) == then


@pytest.mark.parametrize(
    ("state", "chip", "free"),
    [
        pytest.param(zone_state("3-stilte", 9), "", 9, id="room: just the number"),
        pytest.param(zone_state("3-stilte", 2), "almost_full", 2, id="two of 25 free is almost full"),
        pytest.param(zone_state("3-stilte", 9, scarce=True), "almost_full", 9, id="scarce is almost full"),
        pytest.param(zone_state("3-stilte", 0, reclaimable=3), "full", 0, id="what may be used is not free"),
        pytest.param(
            zone_state("3-stilte", 0, unknown=25), "no_data", None, id="all unknown: no number at all"
        ),
        pytest.param(zone_state("3-stilte", 9, calendar="lunch"), "lunch", None, id="lunch is no work place"),
        pytest.param(
            zone_state("3-stilte", 9, calendar="closed"), "closed", None, id="closed shows no number"
        ),
    ],
)
def test_the_card_of_a_zone(state: ZoneState, chip: str, free: int | None) -> None:
    shown = view_zone(PLAN.zone["3-stilte"], site({"3-stilte": state}), SETTINGS)
    assert (shown.chip, shown.free) == (chip, free)


def test_one_silent_zone_on_a_live_floor_says_no_data() -> None:
    floor = view(site(ages={"3-stilte": 60.0}))
    assert floor.freshness == "live"
    silent = floor.zones[2]
    assert (silent.chip, silent.freshness, silent.free) == ("no_data", "stale", 6)
    gone = view(site(ages={"3-stilte": 200.0})).zones[2]
    assert (gone.chip, gone.free) == ("no_data", None)


def test_a_silent_floor_says_it_once_not_on_every_card() -> None:
    floor = view(site(ages=dict.fromkeys(PLAN.zone, 60.0)))
    assert floor.freshness == "stale"
    assert [zone.chip for zone in floor.zones] == ["", "", ""]


def test_a_floor_that_was_never_heard_shows_nothing() -> None:
    floor = view(SiteSnapshot({}, {}, {}, 3.0))
    assert floor.freshness == "off"
    assert [zone.free for zone in floor.zones] == [None, None, None]
    assert floor.others == ()


def test_the_restaurant_at_lunch_and_the_counter_are_not_counted_as_work_places() -> None:
    at_work = view(site(), "f0")
    at_lunch = view(site({"0-restaurant": zone_state("0-restaurant", 6, calendar="lunch")}), "f0")
    assert (at_work.free, at_work.open_capacity) == (12, 32 + 20)
    assert (at_lunch.free, at_lunch.open_capacity) == (6, 20)


def test_at_lunch_no_chair_of_the_restaurant_is_drawn_as_a_free_place() -> None:
    lunch = {"0-restaurant": zone_state("0-restaurant", 6, calendar="lunch")}
    chair = {"0-R01": place_state("0-R01", "free")}
    assert view(site(places=chair), "f0").letters[10] == "f"
    assert view(site(lunch, places=chair), "f0").letters[10] == "l"


def test_other_floors_are_named_nearest_first_whatever_their_numbers() -> None:
    assert [(o.floor.number, o.is_up) for o in view(site()).others] == [(2, False), (4, True)]
    many_up = site({zone.id: zone_state(zone.id, 8) for zone in PLAN.floor["f4"].zones})
    assert [o.floor.number for o in view(many_up).others] == [2, 4]


def test_full_and_silent_floors_are_not_named() -> None:
    full = {zone.id: zone_state(zone.id, 0) for zone in PLAN.floor["f2"].zones}
    silent = dict.fromkeys((zone.id for zone in PLAN.floor["f4"].zones), 99.0)
    others = other_floors(PLAN, PLAN.floor["f3"], site(full, ages=silent), SETTINGS)
    assert [other.floor.number for other in others] == [1, 0]


def test_when_all_is_old_the_old_numbers_of_other_floors_stay_too() -> None:
    old = view(site(ages=dict.fromkeys(PLAN.zone, 60.0)))
    assert [other.floor.number for other in old.others] == [2, 4]


def test_a_nearly_full_floor_points_elsewhere() -> None:
    assert not view(site()).points_elsewhere
    assert view(site(free=2)).points_elsewhere


def test_a_full_zone_names_the_floor_with_the_same_activity() -> None:
    full = zone_state("3-stilte", 0, scarce=True, overflow_floor="f1")
    over = view(site({"3-stilte": full})).zones[2].overflow
    assert over is not None
    assert (over.floor, over.is_up, over.free) == (1, False, 6)
    taken = view(site({"3-stilte": full, "1-stilte": zone_state("1-stilte", 0)})).zones[2].overflow
    assert taken is None


def test_trial_and_pause_are_told() -> None:
    assert view(site({z.id: zone_state(z.id, 5, mode="shadow") for z in PLAN.floor["f3"].zones})).is_trial
    assert view(site({"3-stilte": zone_state("3-stilte", 5, paused=True)})).is_paused


def test_what_has_expired_or_was_never_heard_is_unknown_never_free() -> None:
    place = PLAN.place["3-S01"]
    assert phase_of(place, None, TEN) == "unknown"
    assert phase_of(PLAN.place["0-B01"], None, TEN) == "exempt"
    state = place_state("3-S01", "free", expires_at=TEN)
    assert phase_of(place, state, TEN) == "free"
    assert phase_of(place, state, TEN + timedelta(seconds=1)) == "unknown"


@pytest.mark.parametrize(
    ("local", "night"),
    [("19:59", False), ("20:00", True), ("02:00", True), ("06:29", True), ("06:30", False)],
)
def test_night_goes_by_the_clock_of_the_site(local: str, night: bool) -> None:
    hour, minute = map(int, local.split(":"))
    at = datetime(2026, 11, 24, hour, minute, tzinfo=PLAN.tz).astimezone(UTC)
    assert is_night(at, PLAN.tz, SETTINGS) is night


@given(
    st.lists(
        st.tuples(
            st.integers(0, 399), st.integers(0, 399), st.sampled_from(["in_use", "just_left", "reclaimable"])
        ),
        max_size=20,
    )
)
def test_the_hold_list_starts_with_the_longest_over_time(rows: list[tuple[int, int, str]]) -> None:
    places = [place.id for zone in PLAN.floor["f3"].zones for place in zone.places]
    states = {
        place: place_state(
            place,
            phase,
            hold_since=TEN - timedelta(minutes=held),
            limit_at=None if limit % 7 == 0 else TEN + timedelta(minutes=200 - limit),
        )
        for place, (held, limit, phase) in zip(places, rows, strict=False)
    }
    found = hold_list(PLAN.floor["f3"], site(places=states), TEN)
    assert {row.place.id for row in found} == set(states)
    limited = [row.over_s for row in found if row.over_s is not None]
    assert limited == sorted(limited, reverse=True)
    assert all(row.over_s is not None for row in found[: len(limited)])


# --- the desk page


def hour_minute(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(PLAN.tz):%H:%M}"


def desk(state: PlaceState | None, place: str = "3-S01") -> Any:
    return describe(PLAN.place[place], state, TEN, words("nl"), hour_minute)


def test_a_place_in_use_says_how_long_still() -> None:
    state = place_state(
        "3-S01",
        "in_use",
        hold_since=TEN - timedelta(minutes=60),
        limit_at=TEN + timedelta(minutes=180),
        limit_kind="stay",
    )
    page = desk(state)
    assert (page.left_min, page.used_pct, page.can_extend) == (180, 25, True)
    assert page.sentences[0] == "Sinds 09:00."


def test_in_trial_no_limit_is_told_and_nothing_can_be_asked() -> None:
    page = desk(place_state("3-S01", "in_use", mode="shadow", limit_at=TEN + timedelta(minutes=5)))
    assert (page.left_min, page.can_extend) == (None, False)
    assert "Er geldt nu geen tijdslimiet." in page.sentences


@pytest.mark.parametrize("phase", ["free", "in_use", "just_left", "reclaimable", "unknown", "exempt"])
def test_every_state_has_words_in_both_languages(phase: str) -> None:
    state = place_state("3-S01", phase)
    dutch = describe(PLAN.place["3-S01"], state, TEN, words("nl"), hour_minute).sentences
    english = describe(PLAN.place["3-S01"], state, TEN, words("en"), hour_minute).sentences
    assert dutch
    assert english
    assert dutch != english


def test_a_fixed_place_that_was_never_heard_is_told_as_fixed() -> None:
    assert desk(None, "0-B01").phase == "exempt"
    assert desk(None).phase == "unknown"


def test_tokens_count_for_one_place_and_at_most_two_hours() -> None:
    key, hour = b"k" * 32, hour_of(7_200_000.0)
    token = make_token(key, "3-S01", hour)
    assert is_token(key, "3-S01", hour, token)
    assert is_token(key, "3-S01", hour + 1, token)
    assert not is_token(key, "3-S01", hour + 2, token)
    assert not is_token(key, "3-S02", hour, token)
    assert not is_token(b"x" * 32, "3-S01", hour, token)
    assert not is_token(key, "3-S01", hour, "é")


def test_wishes_are_limited_per_place_and_hour() -> None:
    limit = WishLimit(2)
    assert [limit.allow("a", at) for at in (0.0, 1.0, 2.0, 3600.5, 3600.6)] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert limit.allow("b", 2.0)


# --- the day of a floor


def day_bins() -> list[ZoneBin]:
    start = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    return [
        ZoneBin(zone, start + timedelta(minutes=5 * n), used, round(used), 1.0, 20 - used, 2, 32, 96.0)
        for zone, peak in (("3-samenwerken", 20.0), ("3-stilte", 10.0))
        for n, used in enumerate((4.0, peak, 6.0))
    ]


def test_the_day_says_in_one_sentence_what_the_chart_shows() -> None:
    said: Callable[[str], str] = words("nl")
    assert day_summary(day_bins(), PLAN.tz, words("nl")) == (
        "Drukste moment: 09:05, toen 32 van de 64 plekken bezet (50 %). Meetdekking 96 %."
    )
    assert day_summary([], PLAN.tz, words("nl")) == said("There is no history of today yet.")


def test_the_day_as_a_table_and_as_a_figure_hold_the_same_zones() -> None:
    floor = PLAN.floor["f3"]
    rows = day_rows(floor, day_bins(), words("en"))
    figure = day_figure(floor, day_bins(), PLAN.tz, words("en"))
    assert [row[0] for row in rows] == ["Collaborate", "Silence"]
    assert [line["name"] for line in figure["data"]] == ["Collaborate", "Silence", "places"]
    assert rows[0][1:] == ["10", "20", "1", "2", "96 %"]
    assert day_rows(floor, [], words("en")) == []
