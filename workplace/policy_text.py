"""The policy in short plain sentences, Dutch (B1) and English, for desk pages and the works council."""

from __future__ import annotations

from workplace.policy_file import PolicyFile

_MODE = {
    "nl": {
        "off": "De regels staan uit.",
        "shadow": "Wij kijken alleen mee. Niemand krijgt een bericht en geen plek wordt vrijgegeven.",
        "notes": "Je kunt een bericht krijgen. Geen plek wordt vrijgegeven.",
        "active": "De regels gelden.",
    },
    "en": {
        "off": "The rules are off.",
        "shadow": "We only watch along. Nobody gets a note and no place is given away.",
        "notes": "You may get a note. No place is given away.",
        "active": "The rules are in force.",
    },
}

_DAYS = {
    "nl": {"mon": "ma", "tue": "di", "wed": "wo", "thu": "do", "fri": "vr", "sat": "za", "sun": "zo"},
    "en": {"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"},
}

_KINDS = {
    "nl": {"silence": "stilte", "desk": "werken", "collaborate": "samenwerken", "touchdown": "tussendoor"}
    | {"meet": "ontmoeten", "restaurant": "restaurant", "counter": "balie"},
    "en": {"silence": "silence", "desk": "desks", "collaborate": "collaborate", "touchdown": "touch-down"}
    | {"meet": "meeting nooks", "restaurant": "the restaurant", "counter": "the counter"},
}

_SENTENCES = {
    "nl": (
        "De klok hoort bij de plek. Wij weten niet wie er zit.",
        "De regels gelden op {days}, van {hours_from} tot {hours_to} uur. Niet op feestdagen.",
        "De eerste {silent} minuten krijg je nooit een bericht.",
        "Ben je even weg? Na {roomy} minuten mag een ander op je plek zitten.",
        "Is het druk? Dan is dat na {scarce} minuten.",
        "Ga je weg tussen {lunch_from} en {lunch_to} uur? Dan heb je {lunch} minuten.",
        "Ben je binnen {merge} minuten terug, dan blijft je plek van jou.",
        "In stilte is de langste tijd {silence} minuten, bij samenwerken {collaborate} minuten.",
        "Op een tussendoorplek is de langste tijd {touchdown} minuten, bij ontmoeten {meet} minuten.",
        "Bij {scarce_kinds} telt die tijd alleen als het druk is.",
        "Je krijgt {soft} minuten voor het einde een bericht.",
        "{reclaim} minuten na het einde mag een ander de plek gebruiken.",
        "Langer nodig? Vraag {extension} minuten extra. Is het druk, dan kan dat {times} keer.",
        "Het is druk als {on_pct} procent van de plekken of minder vrij is.",
        "Wil je niet gestoord worden? Dan krijg je {quiet} minuten lang geen bericht, een keer per bezetting.",
        "Na {evening} uur stopt een bezetting als er {evening_vacant} minuten niemand is.",
        "Gaat het te vaak fout ({false_pct} procent in {breaker_days} dagen)? Dan stoppen de regels vanzelf.",
        "Meten wij te weinig (minder dan {coverage} procent)? Dan stoppen de regels vanzelf.",
        "Na {kept} dagen wissen wij alles over losse plekken.",
    ),
    "en": (
        "The clock belongs to the place. We do not know who sits there.",
        "The rules apply on {days}, from {hours_from} to {hours_to}. Not on holidays.",
        "In the first {silent} minutes you never get a note.",
        "Away for a while? After {roomy} minutes somebody else may use your place.",
        "When it is busy, that is after {scarce} minutes.",
        "If you leave between {lunch_from} and {lunch_to}, you have {lunch} minutes.",
        "Back within {merge} minutes? The place is still yours.",
        "In silence the longest time is {silence} minutes, in collaborate {collaborate} minutes.",
        "At a touch-down place the longest time is {touchdown} minutes, in a meeting nook {meet} minutes.",
        "For {scarce_kinds} that time only counts when it is busy.",
        "You get a note {soft} minutes before the end.",
        "{reclaim} minutes after the end others may use the place.",
        "Need longer? Ask for {extension} more minutes. When it is busy you can do that {times} time(s).",
        "It is busy when {on_pct} per cent of the places or less are free.",
        "Do you not want to be disturbed? Then you get no note for {quiet} minutes, once per hold.",
        "After {evening} a hold ends when nobody was there for {evening_vacant} minutes.",
        "When it is wrong too often ({false_pct} per cent in {breaker_days} days), the rules stop by themselves.",
        "When we measure too little (less than {coverage} per cent), the rules stop by themselves.",
        "After {kept} days we delete everything about single places.",
    ),
}


def sentences(settings: PolicyFile, lang: str) -> list[str]:
    """Return the rules of `settings` in `lang`, `nl` or `en`."""
    applies = settings.stay.applies
    scarce_kinds = [word for kind, word in _KINDS[lang].items() if getattr(applies, kind) == "scarce"]
    limits, away, hours = settings.stay.limit_min, settings.away, settings.hours
    numbers = {
        "days": ", ".join(_DAYS[lang][day] for day in hours.days),
        "hours_from": hours.from_,
        "hours_to": hours.to,
        "scarce_kinds": ", ".join(scarce_kinds),
        "silent": settings.hold.silent_min,
        "roomy": away.roomy_min,
        "scarce": away.scarce_min,
        "lunch": away.lunch.limit_min,
        "lunch_from": away.lunch.from_,
        "lunch_to": away.lunch.to,
        "merge": settings.hold.merge_min,
        "silence": limits.silence,
        "collaborate": limits.collaborate,
        "touchdown": limits.touchdown,
        "meet": limits.meet,
        "soft": settings.stay.ladder.soft_note_min,
        "reclaim": settings.stay.ladder.reclaimable_min,
        "extension": settings.extension.minutes,
        "times": settings.extension.times_when_scarce,
        "on_pct": settings.scarcity.on_pct,
        "evening": hours.evening,
        "evening_vacant": hours.evening_vacant_min,
        "quiet": settings.quiet.longest_min,
        "false_pct": f"{settings.breaker.false_release_pct:g}",
        "breaker_days": settings.breaker.days,
        "coverage": settings.breaker.coverage_pct,
        "kept": settings.privacy.desk_level_days,
    }
    texts = (text for text in _SENTENCES[lang] if scarce_kinds or "{scarce_kinds}" not in text)
    return [_MODE[lang][settings.mode], *(text.format(**numbers) for text in texts)]
