"""What a site keeps, in sentences that anybody can read: one for each table, measurement, file and message.

The names come from the program's own tables; a test fails when one of them has no sentence here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ingest.stores.measurements import MEASUREMENTS, kept_days
from ingest.stores.schema import RETENTION_DAYS, TABLES
from workplace.retention import DESK_LEVEL_DAYS

#: What a row is about. `place`: one desk at a moment, so that somebody who watched it may know who that was.
Level = Literal["place", "zone", "device", "technical"]


class Both(NamedTuple):
    """One text in both languages."""

    nl: str
    en: str


@dataclass(frozen=True, slots=True)
class Holding:
    """One kind of thing that is kept. `days` None: until it is overwritten, see `how_long`."""

    name: str
    level: Level
    says: Both
    days: int | None
    how_long: Both | None = None


#: Table of site.db -> what a row is about, and what it says.
_TABLES: dict[str, tuple[Level, Both]] = {
    "meta": (
        "technical",
        Both("Tellers en standen van het programma.", "Counters and marks of the program."),
    ),
    "engine_state": (
        "place",
        Both(
            "De toestand van nu: van elke plek of zij in gebruik is en sinds wanneer.",
            "The state now: of each place whether it is in use, and since when.",
        ),
    ),
    "event": (
        "place",
        Both(
            "Berichten van sensoren: aansluiting aan of uit, beweging ja of nee, met tijd.",
            "Messages of sensors: link up or down, motion yes or no, with the time.",
        ),
    ),
    "gateway_status": (
        "device",
        Both("Of een gateway bereikbaar was.", "Whether a gateway could be reached."),
    ),
    "place_transition": (
        "place",
        Both(
            "Wanneer een plek van toestand veranderde, bijvoorbeeld van vrij naar in gebruik.",
            "When a place changed state, for instance from free to in use.",
        ),
    ),
    "hold": (
        "place",
        Both("Begin en einde van elke bezetting van een plek.", "Begin and end of each hold of a place."),
    ),
    "decision": (
        "place",
        Both(
            "Wat de regels over een plek besloten, met de reden.",
            "What the rules decided about a place, with the reason.",
        ),
    ),
    "zone_5m": (
        "zone",
        Both(
            "Per 5 minuten: hoeveel plekken van een zone in gebruik zijn.",
            "Per 5 minutes: places in use in a zone.",
        ),
    ),
    "zone_outcome": (
        "zone",
        Both(
            "Per zone, regel en dag: hoe vaak een bezetting eindigde en hoe vaak iemand terug was.",
            "Per zone, rule and day: how often a hold ended and how often somebody was back.",
        ),
    ),
    "zone_offer": (
        "zone",
        Both(
            "Per zone en dag: hoe snel een verlaten plek weer op de schermen stond, als aantallen.",
            "Per zone and day: how soon a place that was left stood on the screens again, as counts.",
        ),
    ),
    "desk_hour": (
        "place",
        Both("Per uur: hoe lang een plek in gebruik was.", "Per hour: how long a place was in use."),
    ),
    "request": (
        "place",
        Both(
            "Verzoeken op een plekpagina (langer, niet storen). Met de rol, niet met een naam.",
            "Requests on a desk page (longer, do not disturb). With the role, not with a name.",
        ),
    ),
    "gap": (
        "device",
        Both(
            "Tijden waarin berichten ontbreken, met de oorzaak.",
            "Times in which messages are missing, with the cause.",
        ),
    ),
    "quarantine": (
        "device",
        Both(
            "Berichten die het programma niet begreep, om de fout te zoeken.",
            "Messages that the program did not understand, to find the fault.",
        ),
    ),
    "quarantine_count": (
        "technical",
        Both("Hoeveel van zulke berichten er waren.", "How many of such messages there were."),
    ),
    "unclaimed": (
        "device",
        Both(
            "Sensoren die gehoord worden maar nog geen plek hebben.",
            "Sensors that are heard but have no place yet.",
        ),
    ),
    "sink_outbox": (
        "place",
        Both(
            "Regels die wachten op de tijdreeksserver (InfluxDB), als die er is.",
            "Lines that wait for the time-series server (InfluxDB), where there is one.",
        ),
    ),
    "sink_dead_letter": (
        "place",
        Both(
            "Regels die die server weigerde, met de reden.",
            "Lines that this server refused, with the reason.",
        ),
    ),
    "zone_hour": ("zone", Both("Uursommen van een zone.", "Hourly sums of a zone.")),
    "hold_day": (
        "zone",
        Both(
            "Per zone en dag: hoeveel bezettingen er waren en hoe lang.",
            "Per zone and day: how many holds there were and how long.",
        ),
    ),
    "gw_health": ("device", Both("Hoe het met elke gateway ging.", "How each gateway was doing.")),
    "said": (
        "place",
        Both(
            "Verzoeken en berichten over gateways, zodat een nacht kan worden nagerekend.",
            "Requests and messages about gateways, so that a night can be lived again.",
        ),
    ),
    "night": (
        "technical",
        Both(
            "Welke nachten zijn nagerekend, met een controlegetal.",
            "Which nights were lived again, with a check sum.",
        ),
    ),
    "lesson": (
        "device",
        Both(
            "Hoe goed de sensoren van een plek zien. Niets over een dag van iemand.",
            "How well the sensors of a place see. Nothing about anybody's day.",
        ),
    ),
    "place_timeline": (
        "place",
        Both(
            "Na de nacht: de beste schatting van wanneer een plek in gebruik was.",
            "After the night: the best estimate of when a place was in use.",
        ),
    ),
    "spool": (
        "technical",
        Both("De boeken van de wachtrij van elke gateway.", "The books of each gateway's queue."),
    ),
    "line_range": (
        "technical",
        Both("Welke regels van die wachtrij binnen zijn.", "Which lines of that queue have come in."),
    ),
    "line_note": (
        "technical",
        Both(
            "Regels van die wachtrij die geen bericht werden.", "Lines of that queue that became no message."
        ),
    ),
    "line_mark": (
        "technical",
        Both("De laatste regel per 5 minuten.", "The last line of each 5 minutes."),
    ),
    "settled_state": (
        "place",
        Both("De toestand aan het einde van de laatste nachten.", "The state at the end of the last nights."),
    ),
}
_PRESENT = Both("alleen nu; wordt overschreven", "the present only; is overwritten")
_SUMS = Both("blijft: alleen tellers", "stays: counters only")
#: How long what has no days of its own lives.
_OTHERWISE: dict[str, Both] = {
    "meta": _SUMS,
    "engine_state": _PRESENT,
    "quarantine_count": _SUMS,
    "spool": _SUMS,
    "line_range": _SUMS,
    "settled_state": Both("alleen de laatste nachten", "the last nights only"),
}
_LAST_WORD = Both(
    "de laatste toestand van een plek blijft tot er een nieuwe is",
    "the last state of a place stays until there is a new one",
)


def table_names() -> list[str]:
    """Return every table of site.db, from the schema itself."""
    return re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", TABLES)


def tables(desk_level_days: int) -> Iterator[Holding]:
    """Yield each table.

    Raises:
        KeyError: a table has no sentence; write one.
    """
    for name in table_names():
        level, says = _TABLES[name]
        days = RETENTION_DAYS[name][1] if name in RETENTION_DAYS else None
        if name in ("sink_outbox", "sink_dead_letter") or days == DESK_LEVEL_DAYS:
            days = desk_level_days
        yield Holding(
            name, level, says, days, _LAST_WORD if name == "place_transition" else _OTHERWISE.get(name)
        )


#: Measurement of the time-series server -> what a point is about, and what it says.
_MEASUREMENTS: dict[str, tuple[Level, Both]] = {
    "sensor_event": ("place", Both("Wat een sensor van een plek zei.", "What a sensor of a place said.")),
    "desk_state": ("place", Both("De toestand van een plek.", "The state of a place.")),
    "zone_5m": ("zone", Both("Per 5 minuten: cijfers van een zone.", "Per 5 minutes: figures of a zone.")),
    "desk_hour": (
        "place",
        Both("Per uur: hoe lang een plek in gebruik was.", "Per hour: how long a place was used."),
    ),
    "hold": ("place", Both("Een bezetting die eindigde.", "A hold that ended.")),
    "hold_day": ("zone", Both("Per zone en dag: aantal bezettingen.", "Per zone and day: number of holds.")),
    "enforcement": ("place", Both("Wat over een plek is besloten.", "What was decided about a place.")),
    "gw_health": ("device", Both("Hoe het met een gateway ging.", "How a gateway was doing.")),
    "canary": (
        "device",
        Both("Een testbericht per minuut van een gateway.", "A test message a minute of a gateway."),
    ),
}


def measurements(desk_level_days: int) -> Iterator[Holding]:
    """Yield each measurement that a time-series server is told.

    Raises:
        KeyError: a measurement has no sentence; write one.
    """
    days = kept_days(desk_level_days)
    for name, form in MEASUREMENTS.items():
        level, says = _MEASUREMENTS[name]
        yield Holding(name, level, says, days[form.retention])


#: Kind of message on the broker (`Topics.kind_of`) -> what it says.
MESSAGES: dict[str, Both] = {
    "event": Both("Wat een sensor zei.", "What a sensor said."),
    "place_state": Both("De toestand van een plek nu.", "The state of a place now."),
    "zone_state": Both("Aantallen van een zone nu.", "Counts of a zone now."),
    "gateway_status": Both("Of een gateway er is.", "Whether a gateway is there."),
    "gateway_health": Both("Hoe het met een gateway gaat.", "How a gateway is doing."),
    "gateway_config": Both("Instellingen voor een gateway, verzegeld.", "Settings for a gateway, sealed."),
    "command": Both("Een opdracht aan een lampje.", "An order for a light."),
    "receipt": Both("Wat van een gateway binnen is.", "What of a gateway has come in."),
    "request": Both("Een verzoek van een pagina, met de rol.", "A request of a page, with the role."),
    "reply": Both("Het antwoord daarop.", "The answer to it."),
    "decision": Both("Wat over een plek is besloten.", "What was decided about a place."),
    "ingest_health": Both("Hoe het met de verwerking gaat.", "How the processing is doing."),
    "ingest_status": Both("Of de verwerking er is.", "Whether the processing is there."),
    "notifier_health": Both("Hoe het met de meldingen gaat.", "How the tellings are doing."),
}
