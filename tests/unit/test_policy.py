"""The policy file: the example is sound, and every impossible setting is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from workplace import policy
from workplace.errors import DocumentInvalid
from workplace.floor_plan import FloorPlan

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "town_hall.policy.yaml"


def test_the_example_is_active_with_consent_for_exactly_its_text(example_plan: FloorPlan) -> None:
    found = policy.load(EXAMPLE.read_text("utf-8"), str(EXAMPLE), example_plan)
    assert found.settings.mode == "active"
    assert found.has_consent
    assert found.mode(example_plan.zone["1-stilte"]) == "active"


def test_a_site_without_a_policy_only_watches_along(small_plan: FloorPlan) -> None:
    found = policy.default("klein")
    assert all(found.mode(zone) == "shadow" for zone in small_plan.zone.values())


def test_the_defaults_are_the_agreed_numbers(small_plan: FloorPlan) -> None:
    settings = policy.load("site: klein", "p.yaml", small_plan).settings
    assert (settings.presence.link_up_s, settings.presence.link_down_s) == (10, 60)
    assert (settings.presence.vacancy_min, settings.presence.start_min) == (12, 3)
    assert (settings.hold.silent_min, settings.hold.merge_min) == (60, 15)
    assert (settings.away.scarce_min, settings.away.roomy_min, settings.away.lunch.limit_min) == (30, 50, 90)
    limits = settings.stay.limit_min
    assert (limits.silence, limits.desk, limits.collaborate, limits.touchdown, limits.meet) == (
        240,
        240,
        180,
        120,
        90,
    )
    assert (settings.scarcity.on_pct, settings.scarcity.off_pct, settings.scarcity.for_min) == (12, 20, 10)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        pytest.param(
            "away: {scarce_min: 20, note_min: 20}",
            2,
            "not longer than its note",
            id="a limit below its warning lead",
        ),
        pytest.param(
            "stay: {limit_min: {meet: 60}}\naway: {roomy_min: 90}",
            2,
            "away limit 90 min is longer",
            id="away longer than stay",
        ),
        pytest.param(
            "scarcity: {on_pct: 20, off_pct: 20}", 2, "would flap", id="scarcity that ends where it begins"
        ),
        pytest.param("away: {scarce_min: 10}", 2, "'scarce_min' is 10", id="a value out of range"),
        pytest.param("presence: {vacancy_min: 4}", 2, "'vacancy_min' is 4", id="a vacancy time out of range"),
        pytest.param("zones: {nergens: {mode: shadow}}", 2, "unknown zone 'nergens'", id="an unknown zone"),
        pytest.param("exempt: [1-W1, 1-X9]", 2, "unknown place '1-X9'", id="an unknown place"),
        pytest.param(
            'calendar:\n  - {zone: 1-werken, from: "12:00", to: "14:00"}\n'
            '  - {zone: 1-werken, from: "13:00", to: "15:00"}',
            4,
            "two things between 13:00 and 14:00",
            id="a calendar that overlaps",
        ),
        pytest.param(
            'hours: {from: "17:00", to: "09:00"}',
            2,
            "before they begin",
            id="hours that end before they begin",
        ),
        pytest.param("mode: active", 2, "needs consent", id="active without consent"),
        pytest.param(
            "zones: {1-werken: {mode: notes}}", 2, "needs consent", id="notes in one zone without consent"
        ),
        pytest.param(
            "stay: {ladder: {repeat_min: 20, reclaimable_min: 20}}",
            2,
            "before the repeat",
            id="a dead repeat",
        ),
        pytest.param(
            'hours: {holidays: ["2026-02-30"]}', 2, "is no date", id="a holiday that does not exist"
        ),
        pytest.param("hold: {cheat: 1}", 2, "unknown setting 'cheat'", id="a setting that does not exist"),
        pytest.param("hours: {to: 17:30}", 2, "'to' is 1050", id="a time without quotes"),
        pytest.param(
            'consent: {body: OR, role: lid, date: "2026-01-01", sha256: "' + "0" * 64 + '"}',
            2,
            "'body'",
            id="a body without a name",
        ),
        pytest.param(
            'consent: {body: Raad, role: lid, date: "2026-01-01", sha256: "' + "0" * 64 + '"}',
            2,
            "for another text",
            id="consent for another text",
        ),
    ],
)
def test_an_impossible_policy_is_refused(text: str, line: int, what: str, small_plan: FloorPlan) -> None:
    found, mistakes = policy.check(f"site: klein\n{text}\n", "p.yaml", small_plan)
    assert found is None
    assert any(mistake.line == line and what in mistake.what for mistake in mistakes), list(
        map(str, mistakes)
    )


def test_a_vacancy_time_shorter_than_twice_the_blind_time_is_refused(example_plan: FloorPlan) -> None:
    from dataclasses import replace

    deaf = replace(
        example_plan,
        floors=tuple(
            replace(
                floor,
                zones=tuple(
                    replace(
                        zone,
                        places=tuple(
                            replace(place, sensors=tuple(replace(s, blind_s=400.0) for s in place.sensors))
                            for place in zone.places
                        ),
                    )
                    for zone in floor.zones
                ),
            )
            for floor in example_plan.floors
        ),
    )
    _, mistakes = policy.check("site: raadhuis\n", "p.yaml", deaf)
    assert {mistake.instead for mistake in mistakes} == {"write at least 14"}
    assert len(mistakes) == 3


def test_all_mistakes_are_told_at_once(small_plan: FloorPlan) -> None:
    text = "site: elders\nscarcity: {on_pct: 30, off_pct: 20}\nexempt: [x]\nmode: active\n"
    with pytest.raises(DocumentInvalid) as told:
        policy.load(text, "p.yaml", small_plan)
    assert len(told.value.mistakes) == 4


def test_the_hash_covers_every_number_and_not_the_consent(small_plan: FloorPlan) -> None:
    one = policy.load("site: klein", "p.yaml", small_plan)
    same = policy.load("# words\nsite: klein\naway: {roomy_min: 50}", "p.yaml", small_plan)
    other = policy.load("site: klein\naway: {roomy_min: 51}", "p.yaml", small_plan)
    assert one.hash == same.hash != other.hash
    consent = f'consent: {{body: Raad, role: lid, date: "2026-01-01", sha256: "{one.hash}"}}'
    agreed = policy.load(f"site: klein\n{consent}", "p.yaml", small_plan)
    assert agreed.hash == one.hash
    assert agreed.has_consent


def test_off_needs_no_quotes(small_plan: FloorPlan) -> None:
    found = policy.load("site: klein\nmode: off", "p.yaml", small_plan)
    assert found.mode(small_plan.zone["1-werken"]) == "off"


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_the_rules_are_told_in_short_sentences_with_their_numbers(lang: str) -> None:
    sentences = policy.describe(policy.default("klein"), lang)
    text = " ".join(sentences)
    assert all(f" {number} " in text for number in (30, 50, 90, 60, 240, 180, 120))
    assert all(len(part.split()) <= 20 for sentence in sentences for part in sentence.split(". "))
