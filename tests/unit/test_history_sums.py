"""What the figures of the history page mean: shares of what was measured, and what was not is never zero."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.i18n import words
from dashboard.staff.history import figures, heat, says, tables
from dashboard.staff.history.report import Report, read_report
from dashboard.staff.history.sums import (
    Again,
    Total,
    again_figures,
    busy_spans,
    counted,
    hold_figures,
    merged,
    place_cells,
    shown_zones,
    total_by,
)
from dashboard.staff.markup import markup
from workplace import floor_plan
from workplace.usage_port import HoldLength, Moment, PlaceHour, Reclaimable, ZoneUse
from workplace.working_time import Span, WorkingTime, spans

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)
#: Monday and Tuesday, from nine to eleven.
WORKING = WorkingTime(9, 11, lambda day: day.weekday() < 2)
TWO_DAYS = spans(WORKING, AMSTERDAM, date(2026, 11, 24), 7, NOON)


def use(zone: str, span: int, **more: Any) -> ZoneUse:
    """An hour of a zone of ten places, four of them in use, one held, five free."""
    values: dict[str, Any] = {
        "bins": 12, "measured": 12.0, "in_use": 48.0, "held": 12.0, "free": 60.0,
        "highest": 5, "lowest_free": 4, "least_coverage": 1.0, "capacity": 10,
    }  # fmt: skip
    return ZoneUse(zone, span, **(values | more))


def by_day(uses: list[ZoneUse]) -> dict[date, Total]:
    return total_by(lambda _, span: span.day, ["a"], TWO_DAYS, uses)


def test_a_day_without_rows_is_not_measured_and_not_empty() -> None:
    monday, tuesday = by_day([use("a", 2), use("a", 3)]).values()
    assert (monday.share, monday.mean, monday.highest, monday.lowest_free) == (None, None, None, None)
    assert monday.coverage == 0.0
    assert (tuesday.share, tuesday.mean, tuesday.coverage) == (0.4, 4.0, 1.0)


def test_unknown_places_are_in_neither_side_of_the_share() -> None:
    half = use("a", 0, measured=6.0, in_use=24.0, held=6.0, free=30.0)
    total = by_day([half])[TWO_DAYS[0].day]
    assert total.share == 0.4
    assert total.coverage == 0.25  # half of one of two hours


def test_silent_sensors_do_not_look_like_a_shortage() -> None:
    dark = use("a", 0, lowest_free=0, least_coverage=0.3)
    total = by_day([dark, use("a", 1, lowest_free=3)])[TWO_DAYS[0].day]
    assert (total.lowest_free, total.tightest) == (3, TWO_DAYS[1])


def test_of_equally_tight_hours_the_last_one_is_named() -> None:
    total = by_day([use("a", 1, lowest_free=0), use("a", 0, lowest_free=0)])[TWO_DAYS[0].day]
    assert total.tightest == TWO_DAYS[1]


def test_a_zone_of_which_part_never_has_sensors_still_has_a_tightest_moment() -> None:
    total = by_day([use("a", 0, lowest_free=2, least_coverage=0.5)])[TWO_DAYS[0].day]
    assert total.lowest_free == 2


def test_hours_held_with_nobody_there() -> None:
    total = by_day([use("a", 0), use("a", 1)])[TWO_DAYS[0].day]
    assert total.held_h == 2.0
    assert total.held_share == pytest.approx(0.2)


def test_hours_per_day_are_of_measured_days_and_an_hour_is_not_made_a_day() -> None:
    hour, day = by_day([use("a", 0)]), by_day([use("a", 2), use("a", 3)])
    assert says.held_per_day(hour[TWO_DAYS[0].day], 1) == 1.0
    two_days = total_by(lambda *_: "", ["a"], TWO_DAYS, [use("a", 2), use("a", 3)])[""]
    assert says.held_per_day(two_days, 2) == 2.0, "of the one day that was measured"
    assert says.held_per_day(day[TWO_DAYS[0].day], 1) is None


@st.composite
def some_uses(draw: st.DrawFn) -> list[ZoneUse]:
    slots = draw(st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, len(TWO_DAYS) - 1))))
    number = st.integers(0, 120)
    return [
        use(
            zone, span, bins=draw(st.integers(1, 12)), measured=float(draw(st.integers(1, 12))),
            in_use=float(draw(number)), held=float(draw(number)), free=float(draw(number)),
            highest=draw(number), lowest_free=draw(number),
            least_coverage=draw(st.floats(0.01, 1)),
        )
        for zone, span in sorted(slots)
    ]  # fmt: skip


KEYS: list[Callable[[str, Span], Any]] = [
    lambda zone, _: zone,
    lambda _, span: span.day,
    lambda zone, span: (zone, span.hour),
    lambda _, span: (span.day.weekday(), span.hour),
]


@given(some_uses(), st.sampled_from(KEYS))
def test_parts_sum_up_to_the_whole_however_it_is_cut(
    uses: list[ZoneUse], key: Callable[[str, Span], Any]
) -> None:
    parts = list(total_by(key, "abc", TWO_DAYS, uses).values())
    (whole,) = total_by(lambda *_: "", "abc", TWO_DAYS, uses).values()
    for name in ("expected", "bins", "measured", "in_use", "held", "free"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
    highs = [part.highest for part in parts if part.highest is not None]
    lows = [part.lowest_free for part in parts if part.lowest_free is not None]
    assert max(highs, default=None) == whole.highest
    assert min(lows, default=None) == whole.lowest_free
    fine = total_by(lambda zone, span: (zone, span), "abc", TWO_DAYS, uses)
    assert list(merged(lambda both: key(*both), fine).values()) == parts
    assert all(0 <= part.coverage <= 1 and (part.share is None or 0 <= part.share <= 1) for part in parts)


@given(st.lists(st.lists(st.integers(0, 30), min_size=24, max_size=24), min_size=1, max_size=3))
def test_the_busiest_five_minutes_are_never_in_an_hour_that_is_not_searched(zones: list[list[int]]) -> None:
    hours = TWO_DAYS[:2]
    uses = [
        use(str(zone), n, in_use=float(sum(used)), highest=max(used))
        for zone, values in enumerate(zones)
        for n, used in enumerate((values[:12], values[12:]))
    ]
    together = [sum(values) for values in zip(*zones, strict=True)]
    busiest = hours[together.index(max(together)) // 12]
    assert busiest in busy_spans(hours, uses)
    assert busy_spans(hours, []) == []


def test_names_of_a_plan_are_text_and_no_markup() -> None:
    assert "<b>" not in heat.plain_table(["<b>"], [["<b>", "<b>"]], "<b>")


def test_fixed_places_do_not_count_and_small_zones_are_not_shown() -> None:
    counter = PLAN.zone["0-balie"]
    assert len(counter.places) == 10
    assert counted(counter) == ["0-B07", "0-B08", "0-B09", "0-B10"]
    large, small = shown_zones(PLAN.floor["f0"])
    assert counter in large, "four places that count are just enough"
    assert small == []


def test_an_hour_of_a_place_is_told_from_five_days_on() -> None:
    rows = [PlaceHour("p", 9, 5, 5.0, 2.0, 1.0), PlaceHour("p", 10, 4, 4.0, 4.0, 0.0)]
    lately = spans(WORKING, AMSTERDAM, date(2026, 11, 24), 42, NOON)
    by_hour, by_place = place_cells(rows, lately)
    assert {key: cell.share for key, cell in by_hour.items()} == {("p", 9): 0.4}
    assert by_place["p"].share == 0.4
    assert by_hour["p", 9].coverage == pytest.approx(5 / 12)


def test_lengths_of_holds() -> None:
    found = hold_figures(
        [
            HoldLength(29, is_seen=True, count=2),
            HoldLength(30, is_seen=True, count=1),
            HoldLength(480, is_seen=True, count=1),
            HoldLength(5, is_seen=False, count=7),
        ]
    )
    assert found.classes == (2, 1, 0, 0, 0, 0, 1)
    assert (found.count, found.unseen, found.median_min, found.long_min) == (4, 7, 29, 480)
    assert hold_figures([]).median_min is None


@given(st.lists(st.builds(HoldLength, st.integers(0, 2000), st.booleans(), st.integers(1, 50))))
def test_every_hold_is_in_one_class_or_its_end_was_not_seen(lengths: list[HoldLength]) -> None:
    found = hold_figures(lengths)
    assert sum(found.classes) == found.count
    assert found.count + found.unseen == sum(row.count for row in lengths)


def test_what_became_of_a_place_that_could_be_used() -> None:
    at = datetime(2026, 11, 24, 10, tzinfo=UTC)

    def row(minutes: int | None, phase: Any = "in_use", *, is_same: bool = False) -> Reclaimable:
        then = None if minutes is None else at + timedelta(minutes=minutes)
        return Reclaimable("p", at, then, None if minutes is None else phase, is_same)

    rows = [row(10), row(30), row(5, is_same=True), row(2, "unknown"), row(None), row(24 * 60)]
    found = again_figures(rows, AMSTERDAM)
    assert found == Again(count=6, again=2, went_on=1, unseen=1, median_min=20)
    assert found.stayed_empty == 2, "never again, and not before tomorrow"


class MadeUsage:
    """A store that says what it is told to."""

    def __init__(self, *uses: ZoneUse, busiest: Moment | None = None) -> None:
        self._uses, self._busiest = list(uses), busiest

    def zone_use(self, zones: Any, spans_: Any) -> list[ZoneUse]:
        return self._uses

    def place_hours(self, places: Any, spans_: Any) -> list[PlaceHour]:
        return []

    def busiest(self, zones: Any, spans_: Any) -> Moment | None:
        return self._busiest

    def hold_lengths(self, places: Any, from_at: datetime, to_at: datetime) -> list[HoldLength]:
        return []

    def reclaimable(self, places: Any, from_at: datetime, to_at: datetime) -> list[Reclaimable]:
        return []


def report(usage: MadeUsage, *, days: int = 7, working: WorkingTime = WORKING) -> Report:
    return read_report(usage, PLAN.floor["f3"], working, AMSTERDAM, NOON, days)


@pytest.mark.parametrize("days", [7, 396])
@pytest.mark.parametrize("working", [WORKING, WorkingTime(9, 11, lambda _: False)], ids=["days", "no days"])
def test_a_site_without_history_says_so_everywhere(days: int, working: WorkingTime) -> None:
    said, empty = words("en"), report(MadeUsage(), days=days, working=working)
    for sentence in (
        says.tightest(empty, said),
        says.held(empty, said),
        says.busiest(empty, AMSTERDAM, said),
    ):
        assert sentence == "Nothing was measured in this period."
    drawn = markup([heat.zone_hours(empty, said), tables.steps(empty, said), tables.held(empty, said)])
    assert "<td>0</td>" not in drawn
    assert figures.holds_figure(empty, said)["data"] == []
    assert all(not trace["x"] or trace["name"] for trace in figures.days_figure(empty, said)["data"])


def test_the_busiest_moment_in_plain_dutch() -> None:
    moment = Moment(datetime(2026, 11, 24, 9, 30, tzinfo=UTC), 60.6, 65, 65.0)
    busy = report(MadeUsage(*(use(zone.id, 3) for zone in PLAN.floor["f3"].zones), busiest=moment))
    assert says.busiest(busy, AMSTERDAM, words("nl")) == (
        "Drukste moment: dinsdag 24 november, 10.30 uur, 61 van de 65 plekken in gebruik."
        " Gemiddeld is 40\N{NO-BREAK SPACE}% van de plekken in gebruik."
    )
    assert says.tightest(busy, words("nl")).endswith("Niet gemeten: 1 van de 2 werkdagen.")


def test_a_gap_breaks_the_line_and_the_band() -> None:
    zone = PLAN.floor["f3"].zones[0].id
    quarter = spans(WORKING, AMSTERDAM, NOON.date(), 28, NOON)
    days = sorted({span.day for span in quarter})
    seen = [n for n, span in enumerate(quarter) if span.day != days[3]]
    made = figures.days_figure(report(MadeUsage(*(use(zone, n) for n in seen)), days=28), words("en"))
    lines = [t for t in made["data"] if t["name"] == "in use, mean" and t["yaxis"] == "y"]
    assert [len(line["x"]) for line in lines] == [3, len(days) - 4]
    assert sum(line["showlegend"] for line in lines) == 1
    assert len([shape for shape in made["layout"]["shapes"] if shape["xref"] == "x"]) == 1
