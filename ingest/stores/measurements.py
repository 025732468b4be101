"""What a time-series server is told, as one table: encoder, reader, set-up and reference page are made from it.

A field keeps its type, and a measurement its tags, for ever: servers refuse a change, or store it as something
else. Nothing here names a person or a laptop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ingest.stores.schema import DESK_LEVEL_DAYS, ZONE_LEVEL_DAYS

Retention = Literal["raw", "agg"]
FieldType = Literal["int", "float", "text"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type, and what it says, with the unit."""

    kind: FieldType
    meaning: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement.

    Attributes:
        time: what the time of a point is.
        spacing_s: points of one series are at least this far apart, s; 0 where they come as they come. It tells
            how long a range one question may span (InfluxDB 3 Core reads 432 files per question).
        tags: in the order in which they are written.
    """

    name: str
    retention: Retention
    meaning: str
    time: str
    spacing_s: int
    tags: tuple[str, ...]
    fields: dict[str, Field]


#: What the tags mean, wherever they stand.
TAGS = {
    "site": "name of the site",
    "zone": "zone of the floor plan",
    "desk": "place of the floor plan",
    "sensor": "device/channel/kind",
    "gateway": "gateway of the floor plan",
    "outcome": "phase of the place when the hold ended",
    "le": "upper end of the length, s; `inf` is the rest. A hold counts in one of them only",
}

_COVERAGE = Field("float", "share of this time with trusted input, %")
_HOLD_ID = Field("text", "id of the hold")

MEASUREMENTS = {
    measurement.name: measurement
    for measurement in (
        Measurement(
            "sensor_event",
            "raw",
            "what a sensor of a place said",
            "when the sensor measured",
            0,
            ("site", "zone", "desk", "sensor"),
            {
                "occ": Field("int", "1 yes, 0 no"),
                "value": Field("float", "a number, in the unit of its kind"),
                "text": Field("text", "a word, for instance of a button; a line break is a space"),
                "batt": Field("float", "battery, %"),
                "seq": Field("int", "the sensor's own count"),
                "unc_ms": Field("int", "half width of the time, ms"),
                "src": Field("text", "whose clock: device, network, gateway, arrival"),
            },
        ),
        Measurement(
            "desk_state",
            "raw",
            "a change of a place; each hour the state of every place once more",
            "when it changed; of a repetition, when it was repeated",
            0,
            ("site", "zone", "desk"),
            {
                "state": Field("int", "phase, see the codes"),
                "occ": Field("int", "occupancy, see the codes"),
                "since_ms": Field(
                    "int", "when this state began, ms since 1970; the newest state has the highest"
                ),
                "prev": Field("int", "phase that ended; none in a repetition"),
                "dur_s": Field("int", "length of the phase that ended, s"),
                "cause": Field("text", "reasons, with commas; none in a repetition"),
                "hold_id": _HOLD_ID,
            },
        ),
        Measurement(
            "zone_5m",
            "agg",
            "five minutes of a zone, without its fixed places",
            "start of the five minutes",
            300,
            ("site", "zone"),
            {
                "occ_avg": Field("float", "places in use, mean over the time"),
                "occ_max": Field("int", "places in use, highest"),
                "held_avg": Field("float", "places held with nobody there, mean over the time"),
                "free_avg": Field("float", "places free, mean over the time"),
                "free_min": Field("int", "places free, lowest"),
                "cap": Field("int", "places that count"),
                "coverage_pct": _COVERAGE,
            },
        ),
        Measurement(
            "desk_hour",
            "raw",  # about single places, so it lives no longer than they do (R29)
            "an hour of a place that is not fixed",
            "start of the hour",
            3600,
            ("site", "zone", "desk"),
            {
                "occ_s": Field("float", "in use, s"),
                "held_s": Field("float", "held with nobody there, s"),
                "n": Field("int", "how often a use began"),
                "coverage_pct": _COVERAGE,
            },
        ),
        Measurement(
            "hold",
            "raw",
            "a hold that ended, of a place that is not fixed; told 20 minutes later",
            "end of the hold",
            0,
            ("site", "zone", "desk"),
            {
                "dur_s": Field("float", "length, s"),
                "start_ms": Field("int", "start, ms since 1970"),
                "outcome": Field("text", "phase of the place when it ended"),
                "hold_id": _HOLD_ID,
                "coverage_pct": _COVERAGE,
            },
        ),
        Measurement(
            "hold_day",
            "agg",
            "holds that ended on one day (UTC), by outcome and length",
            "start of the day (UTC)",
            86_400,
            ("site", "zone", "outcome", "le"),
            {
                "n": Field("int", "holds"),
                "sum_s": Field("float", "their length together, s"),
                "coverage_pct": _COVERAGE,
            },
        ),
        Measurement(
            "enforcement",
            "raw",
            "what was decided about a place",
            "when it was decided",
            0,
            ("site", "zone", "desk"),
            {
                "action": Field("text", "what was decided"),
                "rule": Field("text", "rule of the policy"),
                "result": Field("text", "acted, or recorded only"),
                "mode": Field("text", "mode of the policy"),
                "hold_id": _HOLD_ID,
            },
        ),
        Measurement(
            "gw_health",
            "agg",
            "five minutes of a gateway",
            "start of the five minutes",
            300,
            ("site", "gateway"),
            {
                "outbox": Field("int", "events that waited in the gateway, highest"),
                "oldest_s": Field("float", "age of the oldest of them, highest, s"),
                "in_n": Field("int", "events stored from it"),
                "late": Field("int", "of these, measured more than ten minutes earlier"),
                "dropped": Field("int", "events that it dropped since its start"),
                "synced": Field("int", "1 its clock was synchronised throughout, 0 not"),
                "coverage_pct": Field("float", "share of the health messages due that came, %"),
            },
        ),
        Measurement(
            "canary",
            "raw",
            "a message that each gateway sends once a minute through all that an event goes through",
            "when the gateway made it",
            60,
            ("site", "gateway"),
            {"delay_s": Field("float", "until it was on the disk of the site, s of real time")},
        ),
    )
}

#: Never renumber: the numbers are in people's databases.
PHASE_CODES = {"free": 0, "in_use": 1, "just_left": 2, "reclaimable": 3, "unknown": 4, "exempt": 5}
OCCUPANCY_CODES = {"free": 0, "occupied": 1, "held": 2, "unknown": 3}

#: How long a server keeps each of the two, days, and how much of it lies in one shard (InfluxQL spelling). What
#: lives shorter is deleted shard by shard, so a shard must be short against its life.
KEPT_DAYS: dict[Retention, int] = {"raw": DESK_LEVEL_DAYS, "agg": ZONE_LEVEL_DAYS}
SHARD: dict[Retention, str] = {"raw": "1d", "agg": "30d"}


def kept_days(desk_level_days: int) -> dict[Retention, int]:
    """Return how long both live on a site that keeps data about single places for `desk_level_days`."""
    return {"raw": desk_level_days, "agg": KEPT_DAYS["agg"]}
