"""What is told of which decision in which mode; what takes it back; and that no person is ever in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest

from workplace import channel_words, policy
from workplace.channels import (
    ALLOWED,
    LIVES,
    Telling,
    Told,
    alarm,
    alarm_over,
    ended_by,
    ended_in,
    for_channel,
    is_allowed,
    take_back,
    tell,
    told_of,
)
from workplace.events import Decision, PolicyMode
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, PolicyFile, ZoneSettingFile

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)  # 10:00 in Amsterdam
ACTIONS = [
    "hold_started",
    "just_left",
    "soft_note",
    "time_reached",
    "repeat",
    "reclaimable",
    "released",
    "resumed",
    "extended",
    "exempted",
    "unexempted",
    "reminded",
    "undone",
    "frozen",
    "thawed",
]


def agreed(mode: Any, **changes: Any) -> Policy:
    wished = PolicyFile(site="klein", mode=mode, **changes)
    digest = policy_hash(wished)
    consent = ConsentFile(body="Raad", role="voorzitter", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(wished, consent=consent), digest)


def decided(action: str = "reclaimable", mode: Any = "active", rule: str = "R14", **changes: Any) -> Decision:
    made = Decision(
        id="d1", site="klein", zone="1-werken", place="1-W1", hold_id="h1", at=TEN, rule=rule, action=action,
        mode=mode, acted=True, policy_hash="p",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(
    ("mode", "then"),
    [
        pytest.param("off", [], id="off: nobody is told anything"),
        pytest.param("shadow", [], id="shadow: nobody is told anything"),
        pytest.param("notes", ["soft_note", "time_reached", "repeat"], id="notes: no place is given away"),
        pytest.param(
            "active", ["soft_note", "time_reached", "repeat", "reclaimable"], id="active: notes and places"
        ),
    ],
)
def test_what_a_mode_lets_be_told(small_plan: FloorPlan, mode: PolicyMode, then: list[str]) -> None:
    told = [action for action in ACTIONS if tell(decided(action, mode), small_plan, agreed(mode)) is not None]
    assert told == then


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("mode", get_args(PolicyMode))
def test_what_was_only_recorded_is_never_told(small_plan: FloorPlan, mode: PolicyMode, action: str) -> None:
    assert tell(decided(action, mode, acted=False), small_plan, agreed("active")) is None


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_what_was_decided_before_the_mode_went_back_is_not_told_after(
    small_plan: FloorPlan, mode: Any
) -> None:
    """A telling that waited while the council withdrew its consent stays untold."""
    waiting = tell(decided(), small_plan, agreed("active"))
    assert waiting is not None
    assert is_allowed(waiting, small_plan, agreed("active"))
    assert not is_allowed(waiting, small_plan, agreed("notes"))
    assert not is_allowed(waiting, small_plan, agreed(mode))
    assert not is_allowed(waiting, small_plan, policy.default("klein"))
    back = take_back(told_of(waiting), "in_use", "klein", TEN)  # type: ignore[arg-type]
    assert not is_allowed(back, small_plan, agreed(mode))


def test_a_wish_for_active_without_consent_tells_nobody(small_plan: FloorPlan) -> None:
    unsigned = PolicyFile(site="klein", mode="active")
    waiting = tell(decided(), small_plan, agreed("active"))
    assert waiting is not None
    assert not is_allowed(waiting, small_plan, Policy(unsigned, policy_hash(unsigned)))


def test_one_zone_on_trial_stays_silent_beside_an_active_one(small_plan: FloorPlan) -> None:
    mixed = agreed("active", zones={"1-werken": ZoneSettingFile(mode="shadow")})
    waiting = tell(decided(), small_plan, agreed("active"))
    assert waiting is not None
    assert not is_allowed(waiting, small_plan, mixed)
    assert is_allowed(msgspec.structs.replace(waiting, zone="1-ontmoeten"), small_plan, mixed)


@pytest.mark.parametrize(
    ("mode", "then"),
    [
        pytest.param("off", False, id="off: no alarm either"),
        pytest.param("shadow", False, id="shadow: no alarm either; the staff page has it"),
        pytest.param("notes", True, id="notes"),
        pytest.param("active", True, id="active"),
    ],
)
def test_alarms_follow_the_mode(small_plan: FloorPlan, mode: PolicyMode, then: bool) -> None:
    for cause, what in (("gateway_lost", "gw-1"), ("mass_event", "f1"), ("paused", "klein")):
        assert (alarm(cause, what, small_plan, agreed(mode), TEN) is not None) == then


def test_the_same_decision_has_the_same_id_on_a_channel_and_another_on_another(small_plan: FloorPlan) -> None:
    first, again = (tell(decided(), small_plan, agreed("active")) for _ in range(2))
    assert first is not None
    assert again is not None
    assert for_channel(first, "facility") == for_channel(again, "facility")
    assert for_channel(first, "facility").id != for_channel(first, "sign").id
    other = tell(decided(id="d2"), small_plan, agreed("active"))
    assert other is not None
    assert for_channel(other, "facility").id != for_channel(first, "facility").id


def test_what_is_taken_back_is_named_by_the_id_that_the_channel_knows(small_plan: FloorPlan) -> None:
    first = tell(decided(), small_plan, agreed("active"))
    assert first is not None
    told = told_of(first)
    assert told is not None
    back = for_channel(take_back(told, "in_use", "klein", TEN), "sign")
    assert back.takes_back == for_channel(first, "sign").id
    assert back.id != back.takes_back


@pytest.mark.parametrize(
    ("action", "then"),
    [
        ("resumed", "in_use"),
        ("hold_started", "in_use"),
        ("extended", "extended"),
        ("released", "free"),
        ("frozen", "unknown"),
        ("exempted", "exempt"),
        ("repeat", None),
        ("just_left", None),
        ("reminded", None),
    ],
)
def test_which_decisions_take_back_what_was_told(action: str, then: str | None) -> None:
    assert ended_by(decided(action)) == then


@pytest.mark.parametrize(
    ("phase", "paused", "then"),
    [
        pytest.param("reclaimable", False, None, id="still to be used by anybody"),
        pytest.param("in_use", False, "in_use", id="there is room elsewhere again, so its user may stay"),
        pytest.param("just_left", False, "over", id="the hours are over"),
        pytest.param("just_left", True, "paused", id="somebody pulled the stop switch"),
        pytest.param("unknown", False, "unknown", id="the sensor is lost: unknown is never given away"),
        pytest.param("free", False, "free", id="the laptop is gone"),
    ],
)
def test_a_place_that_may_be_used_is_taken_back_when_it_may_not(
    phase: Any, paused: bool, then: str | None
) -> None:
    told = Told("t", "reclaimable", TEN, "f1", "1-werken", "1-W1", "active")
    assert ended_in(told, phase, paused=paused) == then


def test_a_note_about_five_minutes_is_worthless_after_ten(small_plan: FloorPlan) -> None:
    note = tell(decided("soft_note", rule="R15"), small_plan, agreed("active"))
    assert note is not None
    assert note.due_at == TEN + timedelta(minutes=5)
    assert note.expires_at == TEN + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("action", "minutes"), [("soft_note", 35), ("time_reached", 20), ("repeat", 10), ("reclaimable", None)]
)
def test_how_long_the_ladder_still_is(small_plan: FloorPlan, action: str, minutes: int | None) -> None:
    telling = tell(decided(action), small_plan, agreed("active"))
    assert telling is not None
    assert telling.due_at == (None if minutes is None else TEN + timedelta(minutes=minutes))


def test_notes_name_no_moment_at_which_a_place_is_given_away(small_plan: FloorPlan) -> None:
    telling = tell(decided("soft_note", "notes"), small_plan, agreed("notes"))
    assert telling is not None
    assert telling.due_at is None


def test_no_telling_has_a_field_for_a_person_or_a_laptop() -> None:
    fields = {field.name for field in msgspec.structs.fields(Telling)}
    assert fields == {
        "v", "id", "kind", "cause", "site", "floor", "zone", "place", "gateway", "at", "expires_at", "due_at", "rule",
        "mode", "decision", "takes_back",
    }  # fmt: skip
    assert "hold" not in " ".join(fields)  # what belongs to one visit of somebody stays inside


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_telling_has_a_sentence(small_plan: FloorPlan, language: Any) -> None:
    tellings = [
        tell(decided(action), small_plan, agreed("active"))
        for action in ("soft_note", "time_reached", "repeat", "reclaimable")
    ]
    told = Told("t", "reclaimable", TEN, "f1", "1-werken", "1-W1", "active")
    tellings += [
        take_back(told, cause, "klein", TEN)
        for cause in ("in_use", "extended", "free", "unknown", "exempt", "paused", "over")
    ]
    alarms = [
        alarm(cause, what, small_plan, agreed("active"), TEN)
        for cause, what in (
            ("gateway_lost", "gw-1"), ("mass_event", "f1"), ("paused", "klein"), ("engine_silent", "klein"),
            ("paused_false_releases", "klein"), ("paused_coverage", "klein"),
        )
    ]  # fmt: skip
    tellings += [*alarms, *(alarm_over(one, TEN) for one in alarms if one is not None)]
    texts = [channel_words.sentence(one, small_plan, language) for one in tellings if one is not None]
    assert len(set(texts)) == len(tellings)
    assert all("{" not in text and text.endswith(".") for text in texts)


def test_a_digest_names_zone_and_local_times_and_a_mark(small_plan: FloorPlan) -> None:
    note = tell(decided("soft_note"), small_plan, agreed("active"))
    free = tell(decided(id="d2", place="1-W2"), small_plan, agreed("active"))
    assert note is not None
    assert free is not None
    assert channel_words.title([note, free], small_plan, "nl") == "Werken, verdieping 1"
    assert channel_words.digest([note, free], "1234abcd", small_plan, "nl").splitlines() == [
        "Plek 1.W1: bericht gegeven om 10:00. Vanaf 10:35 mag een ander de plek gebruiken.",
        "Plek 1.W2: mag gebruikt worden sinds 10:00. Er kunnen nog spullen liggen.",
        "",
        "Kenmerk 1234abcd",
    ]


def test_a_digest_says_of_a_place_only_what_came_last(small_plan: FloorPlan) -> None:
    note = tell(decided("soft_note"), small_plan, agreed("active"))
    free = tell(decided(id="d2"), small_plan, agreed("active"))
    assert note is not None
    assert free is not None
    text = channel_words.digest([note, free], "m", small_plan, "en")
    assert text.startswith("Place 1.W1: may be used since 10:00.")
    assert "note given" not in text


def test_every_kind_has_a_life() -> None:
    assert set(LIVES) == set(ALLOWED["active"])
