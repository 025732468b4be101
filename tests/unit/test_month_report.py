"""The report of a month: which zones are in it, what its numbers mean, and that nothing in it is a single place."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.i18n import LANGUAGES, words
from dashboard.reports.month import (
    Month,
    choices,
    class_counts,
    grouped,
    lengths,
    parse_month,
    read_month,
)
from dashboard.reports.sheet import Sheet, make_sheet
from ingest.stores.usage import SqliteUsage
from plekvrij.sqlite_driver import connect
from tests.month_store import DARK, FEW_DAYS, ZONES, make_store
from workplace import floor_plan, policy, working_time
from workplace.errors import SettingInvalid
from workplace.usage_port import LengthClass, LengthCounts

PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
WORKING = working_time.of_policy(policy.default(PLAN.site))
OCTOBER, NOW = Month(2026, 10), datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> SqliteUsage:
    return SqliteUsage(connect, make_store(tmp_path_factory.mktemp("month") / "site.db", PLAN))


def everything(sheet: Sheet) -> str:
    return repr(sheet)


def test_months_are_those_of_the_calendar() -> None:
    assert [str(one) for one in choices(date(2027, 1, 3))[:2]] == ["2026-12", "2026-11"]
    assert choices(date(2027, 1, 3))[-1] == Month(2027, 1), "the month that goes on comes last"
    assert (parse_month("2028-02").days, parse_month("2028-02").last) == (29, date(2028, 2, 29))
    for wrong in ("", "2026", "2026-13", "2026-00", "october", "2026-1", "2026-10-01", "0001-01"):
        with pytest.raises(SettingInvalid, match="2026-10"):
            parse_month(wrong)


def test_a_zone_needs_five_places_and_five_measured_days(usage: SqliteUsage) -> None:
    found = read_month(usage, PLAN, WORKING, OCTOBER, NOW)
    assert {zone.id for zone in found.zones} == set(ZONES)
    assert [zone.id for zone in found.too_small] == ["0-balie"], "four of its ten places count"
    assert FEW_DAYS in {zone.id for zone in found.too_few_days}
    alone = {name: found.by_zone[name] for name in ZONES}
    assert found.all.held == pytest.approx(sum(total.held for total in alone.values())), (
        "no subtraction tells"
    )
    assert {one.zone for one in found.holds.classes} == set(ZONES)


def test_figures_are_of_the_month_and_of_no_day_outside(usage: SqliteUsage) -> None:
    found = read_month(usage, PLAN, WORKING, OCTOBER, NOW)
    assert (found.days[0], found.days[-1], len(found.days)) == (date(2026, 10, 1), date(2026, 10, 30), 22)
    assert [monday.isocalendar().week for monday in found.weeks] == [40, 41, 42, 43, 44]
    assert found.week_of_all[date(2026, 10, 12)].coverage == pytest.approx(0.97 * 4 / 5, abs=0.01), DARK
    assert len(found.holds.days) == len(found.offers.days) == 21
    tight = found.by_zone["3-stilte"].tightest
    assert tight is not None
    assert (tight.day, tight.hour) == (date(2026, 10, 20), 10)
    assert found.is_over
    assert not read_month(usage, PLAN, WORKING, Month(2026, 11), NOW).is_over


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_in_a_report_is_a_place(usage: SqliteUsage, language: str) -> None:
    sheet = make_sheet(read_month(usage, PLAN, WORKING, OCTOBER, NOW), PLAN, NOW, words(language))  # type: ignore[arg-type]
    text = everything(sheet)
    names = {name for place in PLAN.place.values() for name in (place.id, place.label)}
    told = [name for name in names if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text)]
    assert told == []


def test_every_section_has_a_sentence_a_chart_and_the_same_numbers_as_a_table(usage: SqliteUsage) -> None:
    sheet = make_sheet(read_month(usage, PLAN, WORKING, OCTOBER, NOW), PLAN, NOW, words("nl"))
    assert [section.id for section in sheet.sections] == ["use", "occupancy", "holds", "held", "offers"]
    for section in sheet.sections:
        assert section.sentence.endswith(".")
        assert section.chart is not None
        assert section.chart.says in section.sentence
        assert "style" not in section.chart.svg
        for table in section.tables:
            assert {len(row) for row in table.rows} == {len(table.head)}
    by_zone = [table for section in sheet.sections for table in section.tables if table.head[0] == "Zone"]
    assert all(table.head[-1] == "Gemeten" for table in by_zone[1:]), "coverage stands beside every figure"
    assert re.fullmatch(r"\d+\xa0% \(\d+\xa0%\)", by_zone[0].rows[0][1])
    assert "Left" not in sheet.notes[-1]
    assert "0 Balie" in sheet.notes[-2]


def test_a_site_without_history_says_so(tmp_path: Path) -> None:
    empty = SqliteUsage(connect, tmp_path / "none.db")
    sheet = make_sheet(read_month(empty, PLAN, WORKING, OCTOBER, NOW), PLAN, NOW, words("nl"))
    assert sheet.is_empty
    assert sheet.sections == ()
    assert sheet.measured == "Er zijn geen cijfers: geen enkele zone is op 5 of meer werkdagen gemeten."


CLASSES = st.lists(
    st.builds(
        LengthClass,
        st.sampled_from("ab"),
        st.sampled_from([5, 30, 60, 240, None]),
        st.booleans(),
        st.integers(1, 9),
    ),
    max_size=12,
)


@given(CLASSES)
def test_no_count_is_lost_when_classes_are_put_together(classes: list[LengthClass]) -> None:
    counts = LengthCounts(tuple(classes), frozenset())
    seen = sum(one.count for one in classes if one.is_seen)
    assert sum(grouped(counts, (30, 60))) == sum(class_counts(counts).values()) == seen
    found = lengths(counts, 0.9)
    assert found.count == seen
    assert found.count + found.unseen == sum(one.count for one in classes)
    if seen:
        inside = sum(
            n
            for end, n in class_counts(counts).items()
            if found.half_min is None or (end or 999) <= found.half_min
        )
        assert inside >= seen / 2
