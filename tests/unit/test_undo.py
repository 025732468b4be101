"""What staff did by mistake is taken back by a new decision, for a short time and while nothing came between."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_engine import (
    POLICIES,
    Fact,
    agreed,
    at,
    days,
    played,
    request,
    running,
    running_from,
    said,
    take,
)
from workplace.events import PlaceState, Request
from workplace.holds.engine import SiteEngine
from workplace.policy import Policy
from workplace.policy_file import ZoneSettingFile

ALWAYS = agreed(zones={"w1": ZoneSettingFile(mode="active", stay_applies="always", stay_limit_min=90)})


def undo(of: Request, minute: float, **more: Any) -> Request:
    return request("undo", of.place, "staff", minute, number=900 + int(minute), undoes=of.id, **more)


def facts(state: PlaceState) -> tuple[Any, ...]:
    """What a state says, without when it was said and since when it is shown."""
    return (
        state.phase,
        state.occupancy,
        state.hold_id,
        state.hold_since,
        state.away_since,
        state.limit_at,
        state.notice,
    )


@pytest.mark.parametrize("action", ["extend", "release", "remind"])
def test_a_place_is_as_it_was(action: str) -> None:
    engine = running(ALWAYS)
    take(engine, ["A1"])
    before = facts(engine.place_state("A1"))
    asked = request(action, "A1", minute=1)
    engine.apply(asked, at(1))
    after = engine.apply(undo(asked, 1.5), at(1.5))
    assert after.replies[0].accepted
    assert facts(engine.place_state("A1")) == before
    assert (after.decisions[0].action, after.decisions[0].acted) == ("undone", True)
    assert f"{action} is taken back" in after.decisions[0].counterfactual
    assert "asked by staff" in after.decisions[0].counterfactual


def test_the_light_follows_both_ways() -> None:
    engine = running()
    take(engine, ["A1"])
    asked = request("remind", "A1", minute=1)
    assert [c.light for c in engine.apply(asked, at(1)).commands] == ["note"]
    assert [c.light for c in engine.apply(undo(asked, 1.5), at(1.5)).commands] == ["in_use"]


def test_an_exemption_that_was_lifted_is_back_and_the_other_way_round() -> None:
    engine = running()
    take(engine, ["A1"])
    first = request("exempt", "A1", minute=1)
    engine.apply(first, at(1))
    lifted = request("unexempt", "A1", minute=2)
    engine.apply(lifted, at(2))
    assert engine.place_state("A1").phase == "in_use"
    assert engine.apply(undo(lifted, 3), at(3)).replies[0].accepted
    assert engine.place_state("A1").phase == "exempt"
    assert engine.apply(undo(first, 4), at(4)).replies[0].reason == "changed_since", "only the last wish"


@pytest.mark.parametrize(
    ("minutes", "within_s", "reason"),
    [
        pytest.param(1, 60, "ok", id="at the last second"),
        pytest.param(1.1, 60, "too_late_to_undo", id="after the time that the page says"),
        pytest.param(59, None, "ok", id="within an hour without a word of the page"),
        pytest.param(61, None, "too_late_to_undo", id="never after an hour"),
        pytest.param(61, 86_400, "too_late_to_undo", id="not even where a page says so"),
    ],
)
def test_for_a_short_time_only(minutes: float, within_s: float | None, reason: str) -> None:
    engine = running()
    take(engine, ["A1"])
    asked = request("extend", "A1", minute=1)
    engine.apply(asked, at(1))
    now = 1 + minutes
    engine.apply(said("A1", "motion", now), at(now))
    assert engine.apply(undo(asked, now, within_s=within_s), at(now)).replies[0].reason == reason


def test_not_under_somebody_who_sat_down_meanwhile() -> None:
    engine = running()
    take(engine, ["A1"])
    asked = request("release", "A1", minute=1)
    engine.apply(asked, at(1))
    engine.apply(said("A1", "link", 2, value=False), at(2))
    engine.advance(at(5))
    engine.apply(said("A1", "link", 6), at(6))
    for minute in (6, 7, 8, 9, 10):
        engine.apply(said("A1", "motion", minute), at(minute))
    assert engine.place_state("A1").phase == "in_use"
    somebody = facts(engine.place_state("A1"))
    assert engine.apply(undo(asked, 11), at(11)).replies[0].reason == "changed_since"
    assert facts(engine.place_state("A1")) == somebody


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"undoes": None}, "changed_since", id="an undo of nothing"),
        pytest.param({"undoes": "request-of-another"}, "changed_since", id="an undo of another wish"),
        pytest.param({"role": "desk"}, "not_allowed", id="a desk page takes nothing back"),
        pytest.param({"role": "works_council"}, "not_allowed", id="nor does the works council"),
        pytest.param({"place": "A2"}, "changed_since", id="of another place"),
        pytest.param({"place": None}, "unknown_place", id="of no place"),
    ],
)
def test_what_cannot_be_taken_back(changes: dict[str, Any], reason: str) -> None:
    engine = running()
    take(engine, ["A1"])
    asked = request("extend", "A1", minute=1)
    engine.apply(asked, at(1))
    wrong = msgspec.structs.replace(undo(asked, 2), **changes)
    assert engine.apply(wrong, at(2)).replies[0].reason == reason


def test_a_wish_of_the_desk_is_not_taken_back_with_one_of_staff() -> None:
    engine = running()
    take(engine, ["A1"])
    staff = request("extend", "A1", "staff", 1)
    engine.apply(staff, at(1))
    desk = request("extend", "A1", "desk", 2, number=2)
    engine.apply(desk, at(2))
    for asked in (staff, desk):
        assert engine.apply(undo(asked, 3), at(3)).replies[0].reason == "changed_since"


def test_twice_is_done_once_and_a_restart_forgets_nothing() -> None:
    engine = running()
    take(engine, ["A1"])
    asked = request("release", "A1", minute=1)
    engine.apply(asked, at(1))
    later = SiteEngine(engine.plan, engine.policy)
    later.restore(engine.take_changes(), at(1.1))
    later.start(at(1.1))
    back = undo(asked, 2)
    assert [len(later.apply(back, at(2)).decisions) > 0 for _ in range(2)] == [True, False]
    assert later.place_state("A1").phase == "in_use"
    again = msgspec.structs.replace(back, id="request-undo-again")
    assert later.apply(again, at(2)).replies[0].reason == "changed_since"


@settings(max_examples=50, deadline=None)
@given(days(), POLICIES, st.sampled_from(["extend", "release", "exempt", "remind"]), st.data())
def test_whatever_the_day_a_wish_and_its_undo_leave_every_place_as_it_was(
    told: list[tuple[datetime, Fact]], policy: Policy, action: str, data: st.DataObject
) -> None:
    """Beside an engine that was never asked: same phases, clocks and limits of all places, now and an hour later."""
    place = data.draw(st.sampled_from(["A1", "A2", "C1", "E1"]))
    engines = [played(running_from(told, policy), told, []) for _ in range(2)]
    now = told[-1][0]
    asked = msgspec.structs.replace(request(action, place, number=777), requested_at=now)
    back = msgspec.structs.replace(undo(asked, 0), requested_at=now)
    if engines[0].apply(asked, now).replies[0].accepted:
        assert engines[0].apply(back, now).replies[0].accepted
    for minutes in (0, 5, 60):
        for engine in engines:
            engine.advance(now + timedelta(minutes=minutes))
        asked_of, never = (
            {state.place: facts(state) for state in engine.all_states()[0]} for engine in engines
        )
        assert asked_of == never
