"""The walk as lines of text for a terminal. Each line has a key, so that what was said is not said again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from dashboard.i18n import N_, Words
from dashboard.walk import words as say
from workplace.floor_plan import FloorPlan
from workplace.walk_record import SkipReason
from workplace.walk_test import Back, Happening, Next, Repeat, Skip
from workplace.walk_view import WalkView

Line = tuple[str, str]
_HELP = N_("Enter: later · s: skip · r: repeat · b: back · q: stop")
_KEYS: dict[str, Happening] = {"": Next(), "r": Repeat(), "b": Back()}


def stop_lines(view: WalkView, plan: FloorPlan, said: Words) -> Iterator[Line]:
    """Yield what is to be said of the present place: key, text."""
    if view.place is None:
        return
    place, zone = view.place, plan.zone[view.place.zone]
    goal = said("Go to") if view.phase == "waiting" else said("Place")
    yield f"at {place.id} {view.phase == 'waiting'}", ""
    yield f"go {place.id}", f"[{view.number}/{view.total}] {goal} {place.label} ({said.of(zone.name)})"
    if view.phase == "skipped" and view.result is not None:
        yield "skipped", f"  ! {said('Skipped')}: {say.reason_text(view.result.reason, said)}"
    for number, check in enumerate(view.checks):
        if check.tick is not None:
            kind = say.kind_text(check.sensor.kind, said)
            yield f"tick {number}", f"  ✓ {kind}: {say.tick_text(check.tick, said)}"
        elif view.phase == "waiting":
            yield f"do {number} {check.first}", f"  □ {say.action_text(check, said)}"
            if check.deaf_s > 0:
                deaf = said("This sensor saw something just now. It looks again in")
                yield f"deaf {number}", f"    {deaf} {check.deaf_s:.0f} s."
    for other in view.others:
        yield (
            f"other {other.device} {other.kind} {other.place}",
            f"  ! {say.other_text(other, plan.place, said)}",
        )
    if view.late_s is not None:
        late = said(
            "A signal of this place came, but it is {s} s old. Is the clock of the gateway right? Do it again."
        )
        yield "late", f"  ! {late.format(s=say.number_text(view.late_s, said, 0))}"


def help_line(said: Words) -> str:
    return said(_HELP)


def reason_lines(said: Words) -> Iterator[str]:
    """Yield the reasons for `s`, numbered from 1."""
    for number, text in enumerate(say.REASONS.values(), 1):
        yield f"  s{number}: {said(text)}"


def happening_of(typed: str) -> Happening | None:
    """Return what a line means; None for a line that means nothing, `s` alone among them."""
    typed = typed.strip().lower().replace(" ", "")
    if typed.startswith("s") and typed[1:].isdecimal():
        codes = list(say.REASONS)
        number = int(typed[1:])
        return Skip(cast("SkipReason", codes[number - 1])) if 1 <= number <= len(codes) else None
    return _KEYS.get(typed)
