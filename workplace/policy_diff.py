"""What changed between two policies: every number, named in plain words, Dutch and English. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from workplace.policy_file import PolicyFile

_UNITS = {
    "_min": {"nl": "minuten", "en": "minutes"},
    "_s": {"nl": "seconden", "en": "seconds"},
    "_pct": {"nl": "%", "en": "%"},
    "_days": {"nl": "dagen", "en": "days"},
    "minutes": {"nl": "minuten", "en": "minutes"},
    "days": {"nl": "dagen", "en": "days"},
}
_KINDS = {
    "silence": ("stilte", "silence"),
    "desk": ("werken", "desks"),
    "collaborate": ("samenwerken", "collaborate"),
    "touchdown": ("tussendoor", "touch-down"),
    "meet": ("ontmoeten", "meeting nooks"),
    "restaurant": ("restaurant", "the restaurant"),
    "counter": ("balie", "the counter"),
}
#: Path in the file -> what it is called. A star stands for a kind of zone, a zone, or a number in a list.
NAMES: Mapping[str, tuple[str, str]] = {
    "site": ("de locatie", "the site"),
    "mode": ("de stand van de regels", "the mode of the rules"),
    "occupancy.model": ("het model dat zegt wie er zit", "the model that tells who is there"),
    "presence.link_up_s": ("laptop aangesloten telt na", "a plugged-in laptop counts after"),
    "presence.link_down_s": ("laptop losgekoppeld telt na", "an unplugged laptop counts after"),
    "presence.vacancy_min": ("plek zonder laptop is leeg na", "a place without a laptop is empty after"),
    "presence.docked_quiet_min": (
        "plek met laptop is net verlaten na",
        "a place with a laptop is just left after",
    ),
    "presence.undocked_quiet_min": (
        "plek is leeg na loskoppelen en",
        "a place is empty after unplugging and",
    ),
    "presence.start_min": ("bezetting zonder laptop begint na", "a hold without a laptop starts after"),
    "hold.silent_min": ("eerste tijd zonder bericht", "first period without a note"),
    "hold.merge_min": ("onderbreking die bij de bezetting hoort", "gap that belongs to the hold"),
    "away.scarce_min": ("tijd weg als het druk is", "time away while places are short"),
    "away.roomy_min": ("tijd weg als er plek is", "time away while there is room"),
    "away.note_min": ("bericht voor het einde van de tijd weg", "note before the end of the time away"),
    "away.lunch.from": ("begin van de lunchtijd", "start of the lunch stretch"),
    "away.lunch.to": ("einde van de lunchtijd", "end of the lunch stretch"),
    "away.lunch.limit_min": ("tijd weg rond de lunch", "time away around lunch"),
    "stay.limit_min.*": ("langste tijd bij {}", "longest time in {}"),
    "stay.applies.*": ("wanneer de langste tijd telt bij {}", "when the longest time counts in {}"),
    "stay.ladder.soft_note_min": ("eerste bericht voor het einde", "first note before the end"),
    "stay.ladder.repeat_min": ("herhaald bericht na het einde", "repeated note after the end"),
    "stay.ladder.reclaimable_min": (
        "plek mag gebruikt worden na het einde",
        "place may be used after the end",
    ),
    "scarcity.on_pct": ("druk vanaf dit deel vrij", "short from this share free"),
    "scarcity.on_places": ("druk vanaf dit aantal vrij", "short from this number free"),
    "scarcity.off_pct": ("niet meer druk boven dit deel vrij", "no longer short above this share free"),
    "scarcity.off_places": ("niet meer druk boven dit aantal vrij", "no longer short above this number free"),
    "scarcity.for_min": ("zo lang druk voor het telt", "so long short before it counts"),
    "extension.minutes": ("verlenging", "extension"),
    "extension.times_when_scarce": ("keren verlengen als het druk is", "extensions while places are short"),
    "quiet.longest_min": ("langste tijd niet storen", "longest do not disturb"),
    "hours.days": ("dagen waarop de regels gelden", "days on which the rules apply"),
    "hours.from": ("de regels gelden vanaf", "the rules apply from"),
    "hours.to": ("de regels gelden tot", "the rules apply until"),
    "hours.public_holidays": ("feestdagen van het land", "public holidays of the country"),
    "hours.holidays": ("eigen vrije dagen", "own days off"),
    "hours.evening": ("de avond begint om", "the evening starts at"),
    "hours.evening_vacant_min": (
        "bezetting stopt in de avond na leeg",
        "in the evening a hold ends after empty",
    ),
    "breaker.false_release_pct": (
        "pauze boven dit deel onterecht vrijgegeven",
        "pause above this share of false releases",
    ),
    "breaker.days": ("gerekend over", "counted over"),
    "breaker.least_releases": ("minste aantal waarover gerekend wordt", "least number that is counted over"),
    "breaker.coverage_pct": ("pauze onder deze meetdekking", "pause below this coverage"),
    "breaker.coverage_back_pct": ("weer verder vanaf deze meetdekking", "on again from this coverage"),
    "breaker.coverage_min": ("meetdekking gerekend over", "coverage counted over"),
    "privacy.desk_level_days": ("gegevens over losse plekken bewaard", "data about single places kept"),
    "zones.*.mode": ("de stand van de regels in zone {}", "the mode of the rules in zone {}"),
    "zones.*.stay_applies": (
        "wanneer de langste tijd telt in zone {}",
        "when the longest time counts in zone {}",
    ),
    "zones.*.stay_limit_min": ("langste tijd in zone {}", "longest time in zone {}"),
    "calendar": ("dagindeling van zones", "parts of the day of zones"),
    "staffing": ("minste bezetting van zones", "least staffing of zones"),
    "exempt": ("vrijgestelde plekken", "exempt places"),
}


class Change(msgspec.Struct, frozen=True):
    """One setting that differs; a zone that one file does not name follows the site there (None)."""

    path: str
    before: Any
    after: Any

    def sentence(self, lang: str) -> str:
        """Return the change in plain words, `lang` is `nl` or `en`."""
        arrow = "was {}, wordt {}" if lang == "nl" else "was {}, becomes {}"
        said = arrow.format(_said(self.before, lang), _said(self.after, lang))
        return f"{name_of(self.path, lang)}: {said}{_unit(self.path, lang)}"


def changes(before: PolicyFile, after: PolicyFile) -> list[Change]:
    """Return every setting that differs, in the order of the file; consent belongs to the text, not in it."""
    one, other = _flat(msgspec.to_builtins(before)), _flat(msgspec.to_builtins(after))
    return [
        Change(path, one.get(path), other.get(path))
        for path in (*one, *(path for path in other if path not in one))
        if one.get(path) != other.get(path)
    ]


def name_of(path: str, lang: str) -> str:
    """Return what a setting is called; one without a name keeps its path."""
    number = 0 if lang == "nl" else 1
    if path in NAMES:
        return NAMES[path][number]
    parts = path.split(".")
    for at, part in enumerate(parts):
        starred = ".".join([*parts[:at], "*", *parts[at + 1 :]])
        if starred in NAMES:
            return NAMES[starred][number].format(_KINDS[part][number] if part in _KINDS else part)
    return path


def _flat(value: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return path -> setting; lists are one setting, parts that are not set are none."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        here = f"{path}{key}"
        if here == "consent":
            continue
        if isinstance(inner, Mapping):
            found |= _flat(inner, f"{here}.")
        elif inner is not None:
            found[here] = inner
    return found


def _unit(path: str, lang: str) -> str:
    last = path.rsplit(".", 1)[-1]
    in_minutes = path.startswith("stay.limit_min.")
    unit = "_min" if in_minutes else next(_endings(last), "")
    is_list = path in {"hours.days", "hours.holidays", "hours.public_holidays"}
    return f" {_UNITS[unit][lang]}" if unit and not is_list else ""


def _endings(name: str) -> Iterator[str]:
    return (ending for ending in _UNITS if name.endswith(ending))


def _said(value: Any, lang: str) -> str:
    if value is None:
        return "als de locatie" if lang == "nl" else "as the site"
    if isinstance(value, list):
        empty = "geen" if lang == "nl" else "none"
        return "[" + ", ".join(_item(item) for item in value) + "]" if value else empty
    return str(value)


def _item(item: Any) -> str:
    return " ".join(str(part) for part in item.values()) if isinstance(item, dict) else str(item)
