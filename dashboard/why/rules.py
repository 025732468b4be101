"""What each rule says, in one sentence, and what the engine says would have changed a decision."""

from __future__ import annotations

import re
from functools import cache

from dashboard.i18n import N_, Words

RULES: dict[str, str] = {
    "R2": N_("Without any sign of a person for a while, nobody is there."),
    "R3": N_("A hold starts when a laptop is plugged in, or somebody stays for a few minutes."),
    "R5": N_("Who is not noticed any more has just left; a new sign takes that back."),
    "R6": N_("While places are short, a place that is held but empty may be used after the shorter limit."),
    "R7": N_("While there is room, a place that is held but empty may be used after the longer limit."),
    "R8": N_("Who leaves around lunch may stay away longer."),
    "R14": N_("Long use has four steps: a first note, the time is reached, a repeat, the place may be used."),
    "R15": N_("A place with a light of its own gets a note before the limit."),
    "R16": N_("A colleague of facility reminded by the light of the place."),
    "R17": N_("Somebody asked for more time."),
    "R18": N_("Somebody did not want to be disturbed; the steps of long use wait."),
    "R19": N_("A short gap belongs to the same hold."),
    "R22": N_("In the evening a hold ends when nobody was there for an hour."),
    "R23": N_("A colleague of facility decided about this place."),
    "R26": N_("When inputs cannot be trusted, the clocks stand still and nothing is released."),
    "R28": N_(
        "Enforcement pauses when it is wrong too often, when it sees too little, or by the stop switch."
    ),
    "R30": N_("When many links of one switch drop at once, the switch has failed and nobody has left."),
}

#: What the engine says, with fields in braces (`workplace.holds`).
_TEMPLATES: tuple[str, ...] = (
    N_("one sign of presence after {t} would have kept the hold"),
    N_("one sign of presence after {t} would show it in use"),
    N_("without a sign of presence the away clock would have run on"),
    N_("with inputs that can be trusted the clocks would have run on"),
    N_("without inputs that can be trusted the clocks would still stand"),
    N_("a gap of {m} min would have begun a new hold"),
    N_("a link of less than {s} s would not have been a hold"),
    N_("presence for less than {m} min would not have been a hold"),
    N_("an extension or leaving the place would have ended the ladder"),
    N_("fewer links that drop at once would have been believed"),
    N_("with trusted inputs in {p} % of the minutes of the last {m} min enforcement would have gone on"),
    N_(
        "with trusted inputs in less than {p} % of the minutes of the last {m} min enforcement would still be paused"
    ),
    N_("with at most {p} % false releases in {d} days enforcement would have gone on"),
    N_("asked by staff"),
    N_("asked by desk"),
    N_("asked by works_council"),
)
_FIELD = re.compile(r"\\{(\w)\\}")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(_FIELD.sub(r"(?P<\1>[\\d.:]+)", re.escape(text))), text) for text in _TEMPLATES)


def rule_text(rule: str, said: Words) -> str:
    """Return the sentence of a rule; one we do not know keeps its number."""
    return said(RULES[rule]) if rule in RULES else rule


def is_known_counterfactual(text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern, _ in _patterns())


def counterfactual_text(text: str, said: Words) -> str:
    """Return what would have changed a decision; a sentence we do not know stays as it is."""
    for pattern, template in _patterns():
        match = pattern.fullmatch(text)
        if match is not None:
            return said(template).format(**match.groupdict())
    return text
