"""What changes by the second on the staff page: figures, lists and tables. Pure functions of a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dash import html

from dashboard.glyphs import LETTER, StateLetter
from dashboard.i18n import N_, Words
from dashboard.live_site import SiteSnapshot
from dashboard.staff.layout import aria, glyph
from dashboard.view_models import FloorView, HoldRow, phase_of, policy_code
from dashboard.why.rules import counterfactual_text
from dashboard.wording import PHASE_WORDS, POLICY_WORDS, reason_text
from workplace.events import Decision, PlaceState, RequestAction
from workplace.floor_plan import Place
from workplace.sensor_grades import QUALITY_MEANS, QUALITY_WORDS, SensorGrade

HourMinute = Callable[[datetime | None], str]

#: Buttons of a held place, in reading order.
HOLD_ACTIONS: tuple[tuple[RequestAction, str], ...] = (
    ("remind", N_("Remind")),
    ("extend", N_("+60")),
    ("release", N_("Release")),
    ("exempt", N_("Exempt")),
)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str) -> Any:
    """Return a table whose first column heads its rows."""
    return html.Table(
        [
            html.Caption(caption, className="st-unseen"),
            html.Thead(html.Tr([html.Th(text, scope="col") for text in head])),
            html.Tbody(
                [
                    html.Tr([html.Th(row[0], scope="row"), *(html.Td(cell) for cell in row[1:])])
                    for row in rows
                ]
            ),
        ]
    )


def kpis(view: FloorView, said: Words) -> list[Any]:
    states = [zone.state for zone in view.zones if zone.state is not None]
    total = sum(state.capacity - state.exempt for state in states)
    counts: list[tuple[StateLetter, str, int]] = [
        ("f", said("Free"), sum(state.free for state in states)),
        ("u", said("In use"), sum(state.in_use for state in states)),
        ("r", said("May be used"), sum(state.reclaimable for state in states)),
        ("x", said("Unknown"), sum(state.unknown for state in states)),
    ]
    may_show = bool(states) and view.freshness != "off"
    return [
        html.Div(
            [
                html.P([glyph(letter), label]),
                html.P(
                    [
                        html.Strong(str(count) if may_show else "–"),
                        html.Span(
                            said("of {c}").format(c=total)
                            if letter == "f"
                            else f"{round(100 * count / total)} %"
                            if total and may_show
                            else ""
                        ),
                    ]
                ),
            ],
            className=f"st-kpi st-kpi-{letter}" + ("" if view.freshness == "live" else " st-old"),
        )
        for letter, label, count in counts
    ]


def action_button(action: RequestAction, label: str, place: str, *, name: str) -> Any:
    """Return a button; the page's script tells Dash of every press."""
    marks: dict[str, Any] = {"data-action": action, "data-for": place}
    return html.Button(
        label,
        type="button",
        className=f"st-button st-do-{action}",
        title=name,
        **aria(label=name),
        **marks,
    )


def undo_button(place: Place, request: str, undo_s: float, said: Words) -> Any:
    """Return the button that takes a wish back; the page's script takes it away when its time is over."""
    marks: dict[str, Any] = {
        "data-action": "undo",
        "data-for": place.id,
        "data-request": request,
        "data-lasts": str(undo_s),
    }
    name = said("Undo, {place}").format(place=place.label)
    return html.Button(
        said("Undo"), type="button", className="st-button st-do-undo", **aria(label=name), **marks
    )


def hold_buttons(place: Place, said: Words, *, may_remind: bool = True) -> Any:
    """Return what can be done with a held place; a mode in which nobody is told anything reminds nobody."""
    return html.Div(
        [
            action_button(action, said(label), place.id, name=f"{said(label)}, {place.label}")
            for action, label in HOLD_ACTIONS
            if may_remind or action != "remind"
        ],
        className="st-actions",
    )


def hold_time(row: HoldRow, said: Words) -> Any:
    if row.over_s is None:
        text = said("no limit")
    elif row.over_s >= 0:
        text = said("+{m} min").format(m=int(row.over_s // 60))
    else:
        text = said("{m} min left").format(m=round(-row.over_s / 60))
    if row.notice not in {"none", "reclaimable"}:
        text += f", {reason_text(row.notice, said)}"
    is_over = row.phase == "reclaimable" or (row.over_s is not None and row.over_s >= 0)
    return html.Span(
        [
            glyph(LETTER[row.phase]),
            html.Span(said(PHASE_WORDS[row.phase]), className="st-unseen"),
            f" {text}",
        ],
        className="st-over" if is_over else "st-left",
    )


def holds(rows: Sequence[HoldRow], said: Words, hour_minute: HourMinute) -> Any:
    if not rows:
        return html.P(said("No place is held on this floor now."), className="st-empty")
    return table(
        [said("Place"), said("Zone"), said("Since"), said("Time"), said("Actions")],
        [
            [
                row.place.label,
                said.of(row.zone.name),
                hour_minute(row.since),
                hold_time(row, said),
                hold_buttons(row.place, said, may_remind=row.may_remind),
            ]
            for row in rows
        ],
        said("Held places"),
    )


def all_places(
    view: FloorView,
    snapshot: SiteSnapshot,
    now: datetime,
    said: Words,
    hour_minute: HourMinute,
    grades: Mapping[str, SensorGrade],
) -> Any:
    def line(place: Place, zone_name: str, state: PlaceState | None) -> list[Any]:
        phase = phase_of(place, state, now)
        is_known = state is not None and state.phase == phase
        return [
            place.label,
            zone_name,
            html.Span([glyph(LETTER[phase]), " ", said(PHASE_WORDS[phase])], className="st-nowrap"),
            hour_minute(state.since) if state is not None and is_known else "",
            hour_minute(state.limit_at) if state is not None and is_known else "",
            ", ".join(reason_text(code, said) for code in state.reasons) if state is not None else "",
            _quality(grades.get(place.id), said),
        ]

    return table(
        [
            said("Place"),
            said("Zone"),
            said("State"),
            said("Since"),
            said("Limit"),
            said("Signals"),
            said("Sensors"),
        ],
        [
            line(place, said.of(zone.name), snapshot.places.get(place.id))
            for zone in view.floor.zones
            for place in zone.places
        ],
        said("All places as a table"),
    )


def chosen(
    place: Place,
    state: PlaceState | None,
    decisions: Sequence[Decision],
    now: datetime,
    said: Words,
    hour_minute: HourMinute,
    grade: SensorGrade | None = None,
) -> Any:
    """Return what is known of one place, why, and what can be done."""
    phase = phase_of(place, state, now)
    facts = [said(PHASE_WORDS[phase])]
    if state is not None and phase == state.phase:
        facts.append(said("since {t}").format(t=hour_minute(state.since)))
        if state.limit_at is not None:
            facts.append(said("limit {t}").format(t=hour_minute(state.limit_at)))
        facts += [reason_text(code, said) for code in state.reasons]
    buttons: list[Any] = []
    if phase in {"in_use", "just_left", "reclaimable"}:
        may_remind = state is not None and state.mode in {"notes", "active"}
        buttons = [hold_buttons(place, said, may_remind=may_remind)]
    elif phase == "exempt" and not place.fixed:
        label = said("End the exemption")
        buttons = [action_button("unexempt", label, place.id, name=f"{label}, {place.label}")]
    return [
        html.H3([glyph(LETTER[phase]), f" {place.label}"]),
        html.P(" · ".join(facts)),
        *_seeing(grade, said),
        *buttons,
        *_why(decisions, said, hour_minute),
        html.P(html.A(said("Desk page"), href=f"/desk/{place.id}")),
    ]


def _quality(grade: SensorGrade | None, said: Words) -> str:
    """Return how well the motion sensors of a place see, with the grade; nothing before a night could tell."""
    return "" if grade is None else f"{said.of(QUALITY_WORDS[grade.quality])} ({grade.grade})"


def _seeing(grade: SensorGrade | None, said: Words) -> list[Any]:
    if grade is None:
        return []
    means = said.of(QUALITY_MEANS[grade.quality])
    return [html.P(f"{said('Sensors')}: {_quality(grade, said)}, {means}", className="st-hint")]


def _why(decisions: Sequence[Decision], said: Words, hour_minute: HourMinute) -> list[Any]:
    if not decisions:
        return []
    return [
        html.Details(
            [
                html.Summary(said("Why")),
                html.Ul(
                    [
                        html.Li(
                            [
                                f"{hour_minute(d.at)} {reason_text(d.action, said)} ({d.rule}"
                                + ("" if d.acted else ", " + said("recorded only"))
                                + ")",
                                " ",
                                html.A(
                                    said("Explain"),
                                    href=f"/staff/why/{d.id}?lang={said.language}",
                                    **aria(
                                        label=f"{said('Explain')}: {hour_minute(d.at)} {reason_text(d.action, said)}"
                                    ),
                                ),
                                html.Br() if d.counterfactual else "",
                                html.Small(counterfactual_text(d.counterfactual, said)),
                            ]
                        )
                        for d in decisions
                    ]
                ),
            ],
            className="st-why",
        )
    ]


def policy_line(view: FloorView, said: Words) -> Any:
    """Return in which mode the rules run, and the switch that stops them."""
    modes = {zone.state.mode for zone in view.zones if zone.state is not None}
    words = {
        "off": said("off"),
        "shadow": said("trial, counting only"),
        "notes": said("notes only"),
        "active": said("in force"),
    }
    text = (
        said(POLICY_WORDS[policy_code(view)])
        if view.is_paused
        else ", ".join(words[mode] for mode in sorted(modes))
    )
    action: RequestAction = "resume" if view.is_paused else "pause"
    label = said("Resume hold times") if view.is_paused else said("Pause hold times")
    return html.Div(
        [
            html.P(said("Hold rules")),
            html.P([html.Span(text or "–", className="st-mode")]),
            action_button(action, label, "site", name=label),
        ],
        className="st-kpi st-policy",
    )
