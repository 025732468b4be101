"""Tellings as short sentences, Dutch (B1) first and English beside it, for people of facility. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from workplace.channels import Telling
from workplace.floor_plan import FloorPlan

Language = Literal["nl", "en"]

#: (kind, cause) -> sentence; `*` is any cause. `{due}` is left out with its sentence when nothing is due.
_SENTENCES: dict[Language, dict[tuple[str, str], str]] = {
    "nl": {
        ("note", "*"): "{place}: bericht gegeven om {at}.",
        ("note", "time_reached"): "{place}: de tijd is om sinds {at}.",
        ("repeat", "*"): "{place}: bericht herhaald om {at}.",
        ("reclaimable", "*"): "{place}: mag gebruikt worden sinds {at}. Er kunnen nog spullen liggen.",
        ("taken_back", "in_use"): "{place}: is weer in gebruik.",
        ("taken_back", "extended"): "{place}: heeft meer tijd gekregen.",
        ("taken_back", "free"): "{place}: is vrij.",
        ("taken_back", "unknown"): "{place}: wij weten het niet meer zeker. Het vorige bericht geldt niet.",
        ("taken_back", "exempt"): "{place}: is nu een vaste plek.",
        ("taken_back", "paused"): "{place}: de regels staan stil. Het vorige bericht geldt niet.",
        ("taken_back", "over"): "{place}: het vorige bericht geldt niet meer.",
        ("taken_back", "gateway_lost"): "Gateway {gateway} doet het weer.",
        ("taken_back", "mass_event"): "Verdieping {floor}: de storing is voorbij.",
        ("taken_back", "paused_site"): "De stopknop staat weer uit.",
        ("taken_back", "paused_false_releases"): "De regels zijn weer aangezet.",
        ("taken_back", "paused_coverage"): "De sensoren zien weer genoeg.",
        ("taken_back", "engine_silent"): "Plekvrij rekent weer.",
        ("alarm", "trial"): "Dit is een proef van {at}. Er is niets aan de hand.",
        ("alarm", "gateway_lost"): "Gateway {gateway} is weg sinds {at}. De plekken daar zijn onbekend.",
        (
            "alarm",
            "mass_event",
        ): "Verdieping {floor}: veel kabels vielen tegelijk weg om {at}. Kijk naar de switch.",
        ("alarm", "paused"): "Iemand zette de regels stil om {at}.",
        (
            "alarm",
            "paused_false_releases",
        ): "De regels staan stil sinds {at}: te vaak was een plek toch in gebruik.",
        ("alarm", "paused_coverage"): "De regels staan stil sinds {at}: de sensoren zien te weinig.",
        ("alarm", "engine_silent"): "Plekvrij rekent niet meer sinds {at}.",
    },
    "en": {
        ("note", "*"): "{place}: note given at {at}.",
        ("note", "time_reached"): "{place}: its time is up since {at}.",
        ("repeat", "*"): "{place}: note repeated at {at}.",
        ("reclaimable", "*"): "{place}: may be used since {at}. There may still be belongings.",
        ("taken_back", "in_use"): "{place}: is in use again.",
        ("taken_back", "extended"): "{place}: was given more time.",
        ("taken_back", "free"): "{place}: is free.",
        ("taken_back", "unknown"): "{place}: we are no longer sure. What was said before does not hold.",
        ("taken_back", "exempt"): "{place}: is a fixed place now.",
        ("taken_back", "paused"): "{place}: the rules are paused. What was said before does not hold.",
        ("taken_back", "over"): "{place}: what was said before no longer holds.",
        ("taken_back", "gateway_lost"): "Gateway {gateway} is back.",
        ("taken_back", "mass_event"): "Floor {floor}: the disturbance is over.",
        ("taken_back", "paused_site"): "The stop switch is released.",
        ("taken_back", "paused_false_releases"): "The rules were switched on again.",
        ("taken_back", "paused_coverage"): "The sensors see enough again.",
        ("taken_back", "engine_silent"): "Plekvrij decides again.",
        ("alarm", "trial"): "This is a trial of {at}. Nothing is wrong.",
        ("alarm", "gateway_lost"): "Gateway {gateway} is lost since {at}. The places there are unknown.",
        ("alarm", "mass_event"): "Floor {floor}: many cables dropped at once at {at}. Look at the switch.",
        ("alarm", "paused"): "Somebody paused the rules at {at}.",
        (
            "alarm",
            "paused_false_releases",
        ): "The rules are paused since {at}: too often a place was in use after all.",
        ("alarm", "paused_coverage"): "The rules are paused since {at}: the sensors see too little.",
        ("alarm", "engine_silent"): "Plekvrij has not decided anything since {at}.",
    },
}
_DUE: dict[Language, str] = {
    "nl": " Vanaf {due} mag een ander de plek gebruiken.",
    "en": " From {due} somebody else may use it.",
}
_PLACE: dict[Language, str] = {"nl": "Plek {label}", "en": "Place {label}"}
_TITLE: dict[Language, tuple[str, str]] = {
    "nl": ("{name}, verdieping {floor}", "Verdieping {floor}"),
    "en": ("{name}, floor {floor}", "Floor {floor}"),
}
#: The last line of each message: who reads it twice can see that it is the same one.
_MARK: dict[Language, str] = {"nl": "Kenmerk {mark}", "en": "Reference {mark}"}


def sentence(telling: Telling, plan: FloorPlan, language: Language) -> str:
    """Return one telling as one or two sentences; times are local times of the site."""

    def clock(at: datetime) -> str:
        return f"{at.astimezone(plan.tz):%H:%M}"

    texts = _SENTENCES[language]
    cause = telling.cause
    if telling.kind == "taken_back" and telling.place is None and cause == "paused":
        cause = "paused_site"
    text = texts.get((telling.kind, cause)) or texts[telling.kind, "*"]
    place = plan.place.get(telling.place or "")
    floor = plan.floor.get(telling.floor or "")
    said = text.format(
        place=_PLACE[language].format(label=telling.place if place is None else place.label),
        at=clock(telling.at),
        gateway=telling.gateway or "",
        floor="" if floor is None else floor.number,
    )
    if telling.due_at is not None and telling.kind in {"note", "repeat"}:
        said += _DUE[language].format(due=clock(telling.due_at))
    return said


def title(tellings: Sequence[Telling], plan: FloorPlan, language: Language) -> str:
    """Return where a digest is about: a zone, a floor or the site."""
    first = tellings[0]
    zone, floor = plan.zone.get(first.zone or ""), plan.floor.get(first.floor or "")
    of_zone, of_floor = _TITLE[language]
    if zone is not None:
        name = zone.name.nl if language == "nl" else zone.name.en
        return of_zone.format(name=name, floor=plan.floor[zone.floor].number)
    if floor is not None:
        return of_floor.format(floor=floor.number)
    return plan.name.nl if language == "nl" else plan.name.en


def digest(tellings: Sequence[Telling], mark: str, plan: FloorPlan, language: Language) -> str:
    """Return several tellings as one text, with a mark that stays the same in a repetition.

    One line for each place: what was said of it last.
    """
    newest = {telling.place or telling.id: telling for telling in tellings}
    lines = [sentence(telling, plan, language) for telling in newest.values()]
    return "\n".join([*lines, "", _MARK[language].format(mark=mark)])
