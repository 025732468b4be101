"""The hand-over sheet: one A4 document in Dutch with English beside it. It has room for signatures and no names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from babel.dates import format_date

from dashboard.i18n import N_, words
from dashboard.page_context import make_templates
from dashboard.walk import words as say
from workplace.floor_plan import FloorPlan
from workplace.walk_record import Walk
from workplace.walk_sheet import (
    LOW_BATTERY_PCT,
    SLOW_S,
    WEAK_RADIO_DBM,
    Sheet,
    SheetLine,
    SheetRow,
    sheet_of,
)
from workplace.walk_test import route_of

_HERE = Path(__file__).parent
_RESULTS = {"passed": N_("Works"), "skipped": N_("Skipped"), None: N_("Not tested")}
_LABELS = {
    "title": N_("Hand-over sheet sensors"),
    "floor": N_("Floor"),
    "date": N_("Date of the test"),
    "made": N_("Sheet made at"),
    "places": N_("Places"),
    "works": N_("Works"),
    "skipped": N_("Skipped"),
    "untested": N_("Not tested"),
    "delay_middle": N_("Usual delay"),
    "attention": N_("Needs attention"),
    "place": N_("Place"),
    "result": N_("Result"),
    "sensor": N_("Sensor"),
    "signal": N_("Signal"),
    "battery": N_("Battery"),
    "delay": N_("Delay"),
    "wait": N_("Wait"),
    "time": N_("Time"),
    "no_signal": N_("gave no signal"),
    "signed": N_("Signatures"),
    "tested_by": N_("Tested by (signature)"),
    "taken_by": N_("Taken over by (signature)"),
    "where_when": N_("Place and date"),
    "print": N_("Print"),
    "back": N_("Back to the walk"),
    "how": N_("How this was tested"),
    "method": N_(
        "At every place somebody made each sensor speak. It works when its own signal arrived after the question. "
        "Delay is the time from the happening until the signal was here; it is left open when the sensor has no "
        "clock."
    ),
}

Pair = tuple[str, str]


def render_sheet(
    plan: FloorPlan,
    walk: Walk,
    *,
    at: datetime,
    version: str,
    style_urls: Sequence[str] = (),
    script_url: str | None = None,
) -> str:
    """Return the sheet as one HTML page; without addresses of style sheets their text is put inside."""
    sheet = sheet_of(walk, route_of(plan, walk.floor))
    inside = "" if style_urls else (_HERE / "walk_sheet.css").read_text("utf-8")
    return make_templates().get_template("walk/sheet.html").render(
        site=plan, floor=plan.floor[walk.floor], version=version, style_urls=style_urls, style=inside,
        script_url=script_url, label={name: both(text) for name, text in _LABELS.items()}, sheet=sheet,
        day=_day(walk.started_at, plan.tz), made=(_day(at, plan.tz), f"{at.astimezone(plan.tz):%H:%M}"),
        rows=[_row(row, plan) for row in sheet.rows], notes=_notes(sheet, plan),
        latency=None if sheet.latency_s is None else _number(sheet.latency_s, 2),
    )  # fmt: skip


def both(text: str) -> Pair:
    """Return a text in Dutch and in English."""
    return words("nl")(text), words("en")(text)


def _day(at: datetime | None, tz: tzinfo) -> Pair | None:
    if at is None:
        return None
    day = at.astimezone(tz).date()
    return format_date(day, "long", locale="nl_NL"), format_date(day, "long", locale="en_GB")


def _number(number: float, digits: int = 1) -> str:
    return say.number_text(number, words("nl"), digits)


def _row(row: SheetRow, plan: FloorPlan) -> dict[str, Any]:
    result = row.result
    nl, en = words("nl"), words("en")
    details: list[Pair] = []
    if result is not None and result.reason is not None:
        details.append((say.reason_text(result.reason, nl), say.reason_text(result.reason, en)))
    others = () if result is None else result.others
    details += [
        (say.other_text(other, plan.place, nl), say.other_text(other, plan.place, en)) for other in others
    ]
    outcome = None if result is None else result.outcome
    return {
        "label": row.place.label,
        "zone": plan.zone[row.place.zone].name,
        "outcome": outcome or "untested",
        "result": both(_RESULTS[outcome]),
        "details": details,
        "lines": [_line(line, plan.tz) for line in row.lines],
    }


def _line(line: SheetLine, tz: tzinfo) -> dict[str, Any]:
    sensor, tick = line.sensor, line.tick
    channel = "" if sensor.channel is None else f"/{sensor.channel}"
    cells = dict.fromkeys(("signal", "battery", "delay", "wait", "time"), "–")
    if tick is not None:
        cells["wait"] = _number(tick.wait_s)
        cells["time"] = f"{tick.heard_at.astimezone(tz):%H:%M:%S}"
        if tick.rssi_dbm is not None:
            cells["signal"] = str(tick.rssi_dbm).replace("-", "\N{MINUS SIGN}")
        if tick.battery_pct is not None:
            cells["battery"] = f"{tick.battery_pct:.0f}"
        if tick.latency_s is not None:
            cells["delay"] = _number(tick.latency_s, 2)
    kind = (say.kind_text(sensor.kind, words("nl")), say.kind_text(sensor.kind, words("en")))
    return {
        "kind": kind, "kit": sensor.kit, "device": f"{sensor.device}{channel}", "is_heard": tick is not None, **cells
    }  # fmt: skip


_NOTES = {
    "swapped": N_("These places answered for each other: {p}"),
    "weak": N_("Weak radio, below {v} dBm: {p}"),
    "low": N_("Battery below {v} %: {p}"),
    "slow": N_("Slower than {v} s: {p}"),
    "skipped": N_("Skipped: {p}"),
    "untested": N_("Not tested: {p}"),
}


def _notes(sheet: Sheet, plan: FloorPlan) -> list[Pair]:
    """Return what a facilities manager must know before signing; empty when all is well."""

    def labels(names: Sequence[str]) -> str:
        return ", ".join(plan.place[name].label for name in names)

    found = (
        ("untested", "", labels([row.place.id for row in sheet.rows if row.result is None])),
        (
            "skipped",
            "",
            labels([r.place.id for r in sheet.rows if r.result and r.result.outcome == "skipped"]),
        ),
        ("swapped", "", ", ".join(labels(pair).replace(", ", " ↔ ") for pair in sheet.swapped)),
        ("weak", f"{WEAK_RADIO_DBM}".replace("-", "\N{MINUS SIGN}"), labels(sheet.weak)),
        ("low", f"{LOW_BATTERY_PCT:.0f}", labels(sheet.low)),
        ("slow", f"{SLOW_S:.0f}", labels(sheet.slow)),
    )
    notes: list[Pair] = []
    for name, value, places in found:
        if places:
            nl, en = both(_NOTES[name])
            notes.append((nl.format(v=value, p=places), en.format(v=value, p=places)))
    return notes
