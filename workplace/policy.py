"""The policy: the numbers a works council agreed to, checked, frozen and hashed.

Everything that decides about a place is in the file; the hash over all of it (defaults filled in, consent
left out) stands in every decision, and consent is given for one hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import cached_property
from itertools import combinations

import msgspec

from workplace.documents import Document, Mistake, Path, check_shape, parse
from workplace.errors import DocumentInvalid
from workplace.events import PolicyMode
from workplace.floor_plan import FloorPlan, Zone
from workplace.policy_file import CalendarFile, PolicyFile, StayApplies, ZoneSettingFile
from workplace.policy_text import sentences
from workplace.public_holidays import is_public_holiday

#: R2: silence shorter than this many blind times of a sensor says nothing about absence.
BLIND_TIMES = 2


NEEDS_CONSENT = frozenset({"notes", "active"})


@dataclass(frozen=True)
class Policy:
    """A checked policy. `settings` holds every number; the methods answer per zone."""

    settings: PolicyFile
    hash: str

    @property
    def has_consent(self) -> bool:
        return self.settings.consent is not None and self.settings.consent.sha256 == self.hash

    def mode(self, zone: Zone) -> PolicyMode:
        """Return the mode in force: without consent for exactly this text, nobody is told anything."""
        wished = self._zone(zone).mode or self.settings.mode
        return "shadow" if wished in NEEDS_CONSENT and not self.has_consent else wished

    def stay_applies(self, zone: Zone) -> StayApplies:
        return self._zone(zone).stay_applies or self.settings.stay.applies.of(zone.kind)

    def stay_limit(self, zone: Zone) -> timedelta:
        minutes = self._zone(zone).stay_limit_min
        return timedelta(minutes=self.settings.stay.limit_min.of(zone.kind) if minutes is None else minutes)

    def is_holiday(self, day: date) -> bool:
        """Whether the rules rest on this day (R22): a day of the site's own list, or a public holiday."""
        return day in self._own_holidays or is_public_holiday(day, self.settings.hours.public_holidays)

    @cached_property
    def _own_holidays(self) -> frozenset[date]:
        return frozenset(date.fromisoformat(day) for day in self.settings.hours.holidays)

    @cached_property
    def exempt(self) -> frozenset[str]:
        return frozenset(self.settings.exempt)

    def _zone(self, zone: Zone) -> ZoneSettingFile:
        return self.settings.zones.get(zone.id, _SITE_DEFAULT)


_SITE_DEFAULT = ZoneSettingFile()


def default(site: str) -> Policy:
    """Return the policy of a site that wrote none: every default, mode shadow."""
    settings = PolicyFile(site=site)
    return Policy(settings, policy_hash(settings))


def load(text: str, file: str, plan: FloorPlan | None = None) -> Policy:
    """Return the checked policy.

    Raises:
        DocumentInvalid: with every mistake, each with file, line and what to write instead.
    """
    policy, mistakes = check(text, file, plan)
    if policy is None or mistakes:
        raise DocumentInvalid(tuple(mistakes))
    return policy


def check(
    text: str, file: str, plan: FloorPlan | None, *, needs_consent: bool = True
) -> tuple[Policy | None, list[Mistake]]:
    """Return the policy (None when it has any mistake) and all mistakes found, in file order.

    Without a plan, names of zones and places and the blind times of sensors cannot be checked; `needs_consent` False
    reads a text that is yet to be agreed.
    """
    document = parse(text, file)
    policy: Policy | None = None
    if document.data is not None:
        _mend_off(document.data)
        if check_shape(document, PolicyFile):
            settings = msgspec.convert(document.data, PolicyFile)
            _check_sense(document, settings)
            if plan is not None:
                _check_against_plan(document, settings, plan)
            if needs_consent:
                _check_consent(document, settings)
            if not document.mistakes:
                policy = Policy(settings, policy_hash(settings))
    return policy, sorted(document.mistakes, key=lambda mistake: mistake.line)


def policy_hash(settings: PolicyFile) -> str:
    """Return the SHA-256, hex, over canonical JSON of every setting except `consent`.

    Defaults are filled in first: a newer program with another default must not change what was agreed unseen.
    """
    content = msgspec.to_builtins(settings)
    del content["consent"]
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def describe(policy: Policy, lang: str) -> list[str]:
    """Return the rules in short plain sentences, `lang` is `nl` (B1) or `en`."""
    return sentences(policy.settings, lang)


def minutes_of(text: str) -> int:
    """Return `HH:MM` as minutes after midnight."""
    return int(text[:2]) * 60 + int(text[3:])


def time_of(text: str) -> time:
    """Return `HH:MM` as a time of day."""
    return time(int(text[:2]), int(text[3:]))


def _mend_off(data: object) -> None:
    """YAML reads a bare `off` as false; here it is a mode."""
    if isinstance(data, dict):
        zones = data.get("zones")
        parts = [data, *(zones.values() if isinstance(zones, dict) else ())]
        for part in parts:
            if isinstance(part, dict) and part.get("mode") is False:
                part["mode"] = "off"


def _check_sense(document: Document, settings: PolicyFile) -> None:
    for path, fails, what, instead in _rules(settings):
        if fails:
            document.wrong(path, what, instead)
    for index, day in enumerate(settings.hours.holidays):
        try:
            date.fromisoformat(day)
        except ValueError:
            document.wrong(
                ("hours", "holidays", index), f"'{day}' is no date", "write year-month-day, as in 2026-12-25"
            )
    _check_calendar(document, settings.calendar)


def _rules(settings: PolicyFile) -> Iterator[tuple[Path, bool, str, str]]:
    """Path, whether it is broken, what is wrong, what to write instead: the linter as a table (R27)."""
    away, ladder, scarcity, hours = settings.away, settings.stay.ladder, settings.scarcity, settings.hours
    limits = dict(msgspec.structs.asdict(settings.stay.limit_min))
    shortest_kind = min(limits, key=lambda kind: limits[kind])
    longest_away = max(away.scarce_min, away.roomy_min)
    yield (
        ("away", "scarce_min"),
        away.scarce_min <= away.note_min,
        f"the away limit of {away.scarce_min} min is not longer than its note of {away.note_min} min before",
        "make the limit longer or the note shorter",
    )
    yield (
        ("away", "roomy_min"),
        away.roomy_min < away.scarce_min,
        f"the away limit is shorter with room ({away.roomy_min}) than without ({away.scarce_min} min)",
        f"write at least {away.scarce_min} for roomy_min",
    )
    yield (
        ("away", "lunch", "limit_min"),
        away.lunch.limit_min < away.roomy_min,
        f"the lunch limit of {away.lunch.limit_min} min is shorter than the normal {away.roomy_min} min",
        f"write at least {away.roomy_min}",
    )
    yield (
        ("stay", "limit_min", shortest_kind),
        limits[shortest_kind] < longest_away,
        f"away limit {longest_away} min is longer than the stay limit of {limits[shortest_kind]} min",
        "make the away limit shorter or the stay limit longer",
    )
    yield (
        ("stay", "ladder", "soft_note_min"),
        min(limits.values()) <= ladder.soft_note_min,
        "the soft note comes before the hold begins",
        "make the stay limit longer or the note shorter",
    )
    yield (
        ("stay", "ladder", "reclaimable_min"),
        ladder.reclaimable_min <= ladder.repeat_min,
        f"reclaimable {ladder.reclaimable_min} min after its time, before the repeat at {ladder.repeat_min}",
        f"write more than {ladder.repeat_min}",
    )
    yield (
        ("scarcity", "off_pct"),
        scarcity.off_pct <= scarcity.on_pct,
        f"scarcity ends at {scarcity.off_pct} % and begins at {scarcity.on_pct} %: it would flap",
        f"write more than {scarcity.on_pct}",
    )
    yield (
        ("scarcity", "off_places"),
        scarcity.off_places <= scarcity.on_places,
        f"scarcity ends at {scarcity.off_places} places and begins at {scarcity.on_places}: it would flap",
        f"write more than {scarcity.on_places}",
    )
    yield (
        ("hours", "to"),
        hours.to <= hours.from_,
        f"the hours in force end at {hours.to}, before they begin at {hours.from_}",
        "write a later time",
    )
    yield (
        ("hours", "evening"),
        hours.evening < hours.to,
        f"the evening begins at {hours.evening}, inside the hours in force",
        f"write {hours.to} or later",
    )
    yield (
        ("away", "lunch", "to"),
        away.lunch.to <= away.lunch.from_,
        "the lunch stretch ends before it begins",
        "write a later time",
    )
    breaker = settings.breaker
    yield (
        ("breaker", "coverage_back_pct"),
        breaker.coverage_back_pct <= breaker.coverage_pct,
        f"enforcement stops below {breaker.coverage_pct} % and goes on at {breaker.coverage_back_pct} %",
        f"write more than {breaker.coverage_pct}",
    )
    for index, part in enumerate(settings.staffing):
        yield (
            ("staffing", index, "to"),
            part.to <= part.from_,
            "the roster ends before it begins",
            "write a later time",
        )
    shortest_away = away.scarce_min
    for zone, setting in settings.zones.items():
        limit = setting.stay_limit_min
        yield (
            ("zones", zone, "stay_limit_min"),
            limit is not None and limit < longest_away,
            f"away limit {longest_away} min is longer than this stay limit of {limit} min",
            f"write at least {longest_away}",
        )
    vacancy = settings.presence.vacancy_min
    yield (
        ("presence", "vacancy_min"),
        vacancy >= shortest_away,
        f"somebody is gone only after {vacancy} min, the away limit is {shortest_away} min",
        "make the vacancy time shorter or the away limit longer",
    )


def _check_calendar(document: Document, calendar: list[CalendarFile]) -> None:
    for index, part in enumerate(calendar):
        if part.to <= part.from_:
            document.wrong(
                ("calendar", index, "to"), "this part of the day ends before it begins", "write a later time"
            )
    for (_, one), (later, other) in combinations(enumerate(calendar), 2):
        if one.zone == other.zone and one.from_ < other.to and other.from_ < one.to:
            document.wrong(
                ("calendar", later),
                f"zone {one.zone} is two things between {max(one.from_, other.from_)} and "
                f"{min(one.to, other.to)}",
                "let the two parts of the day follow each other",
            )


def _check_against_plan(document: Document, settings: PolicyFile, plan: FloorPlan) -> None:
    if settings.site != plan.site:
        document.wrong(("site",), f"this policy is for '{settings.site}'", f"write '{plan.site}'")
    named: list[tuple[Path, str]] = [(("zones", zone), zone) for zone in settings.zones]
    named += [(("calendar", i, "zone"), part.zone) for i, part in enumerate(settings.calendar)]
    named += [(("staffing", i, "zone"), part.zone) for i, part in enumerate(settings.staffing)]
    for path, zone in named:
        if zone not in plan.zone:
            document.wrong(path, f"unknown zone '{zone}'", f"write one of: {', '.join(sorted(plan.zone))}")
    for index, place in enumerate(settings.exempt):
        if place not in plan.place:
            document.wrong(
                ("exempt", index), f"unknown place '{place}'", "write the id of a place in the floor plan"
            )
    _check_blind(document, settings, plan)


def _check_blind(document: Document, settings: PolicyFile, plan: FloorPlan) -> None:
    """R2: the vacancy time applies everywhere, the docked and undocked times where there is a link."""
    linked, unlinked = 0.0, 0.0
    for place in plan.place.values():
        blind_s = max((sensor.blind_s for sensor in place.sensors), default=0.0)
        if place.sensors_of("link"):
            linked = max(linked, blind_s)
        else:
            unlinked = max(unlinked, blind_s)
    presence = settings.presence
    for name, minutes, blind_s in (
        ("vacancy_min", presence.vacancy_min, max(linked, unlinked)),
        ("docked_quiet_min", presence.docked_quiet_min, linked),
        ("undocked_quiet_min", presence.undocked_quiet_min, linked),
    ):
        if minutes * 60 < BLIND_TIMES * blind_s:
            document.wrong(
                ("presence", name),
                f"{minutes} min is shorter than twice the {blind_s:.0f} s that a sensor in the plan is blind",
                f"write at least {-(-BLIND_TIMES * blind_s // 60):.0f}",
            )


def _check_consent(document: Document, settings: PolicyFile) -> None:
    modes: list[tuple[Path, PolicyMode | None]] = [(("mode",), settings.mode)]
    modes += [(("zones", zone, "mode"), setting.mode) for zone, setting in settings.zones.items()]
    digest = policy_hash(settings)
    consent = settings.consent
    if consent is None:
        for path, mode in modes:
            if mode in NEEDS_CONSENT:
                document.wrong(
                    path,
                    f"mode '{mode}' needs consent, and none is recorded",
                    f"write 'shadow', or add consent for the text with sha256 {digest}",
                )
        return
    if consent.sha256 != digest:
        document.wrong(
            ("consent", "sha256"),
            "consent was given for another text than this",
            f"ask again and write {digest}, or restore the text that was agreed",
        )
    try:
        date.fromisoformat(consent.date)
    except ValueError:
        document.wrong(("consent", "date"), f"'{consent.date}' is no date", "write year-month-day")
