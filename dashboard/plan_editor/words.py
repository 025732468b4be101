"""What the linter and the form find, in sentences of both languages.

The linter speaks English, for logs and the command line. Its sentences are known here as patterns, so that a page can
say them in Dutch; one that is not known is shown as it is.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from dashboard.accounts.roles import Role
from dashboard.actions import ActionName
from dashboard.i18n import N_, Words
from dashboard.plan_editor.form import FloorForm, Slip
from workplace.documents import Mistake
from workplace.plan_file import MAX_CORNERS

KINDS: Final[dict[str, str]] = {
    "desk": N_("work"),
    "silence": N_("silence"),
    "collaborate": N_("collaborate"),
    "meet": N_("meet"),
    "touchdown": N_("touch-down"),
    "counter": N_("counter"),
    "restaurant": N_("restaurant"),
}

#: What is wrong (linter, lists of places), and what to do instead.
_SENTENCES: Final = (
    N_("zone '{a}' exists twice"),
    N_("place '{a}' exists twice"),
    N_("a place of floor {a} at '{b}' exists twice"),
    N_("give this {a} another id"),
    N_("zone {a} sticks out of its floor of {b} m"),
    N_("keep every corner [x, y] on the floor, in metres"),
    N_("make rect [left, top, width, height] fit, in metres"),
    N_("the outline of zone {a} crosses itself (sides {b} and {c})"),
    N_("name the corners in the order in which one walks along the wall"),
    N_("zone {a} has no inside"),
    N_("move its corners apart, in metres"),
    N_("place {a} lies outside zone {b}"),
    N_("place {a} would lie outside zone {b}"),
    N_("the places from {a} lie outside zone {b}"),
    N_("keep x in {a} and y in {b} m"),
    N_("unknown place '{a}'"),
    N_("unknown zone '{a}'"),
    N_("write a place that an island of this plan has"),
    N_("write the id of a place in the floor plan"),
    N_("floor {a} has no gateway"),
    N_("add one, or write 'gateway:' here"),
    N_("unknown gateway '{a}'"),
    N_("unknown sensor '{a}'"),
    N_("'{a}' is no device of kind {b}"),
    N_("begin its id with {a}"),
    N_("{a} is listed twice for place {b}"),
    N_("drop one of the two"),
    N_("one node has at most {a} channels"),
    N_("split the island in two, each with its own node"),
    N_("the list is empty"),
    N_("begin with a line '{a}'"),
    N_("this is no CSV: {a}"),
    N_("save the sheet as CSV with UTF-8"),
    N_("more than {a} lines"),
    N_("import one floor at a time"),
    N_("column {a} holds hardware addresses of network cards; they tell who sits where"),
    N_("delete that column and import again"),
    N_("unknown column '{a}'"),
    N_("keep only the columns {a}"),
    N_("the column '{a}' is missing"),
    N_("begin with a line that names {a}"),
    N_("it belongs to '{a}'"),
    N_("the column '{a}' stands here twice"),
    N_("keep one of the two"),
    N_("this line has more cells than the heading"),
    N_("put quotes around a delimiter"),
    N_("'{a}' is no name of a place"),
    N_("write letters, digits, _ and -, at most 64"),
    N_("x and y belong together"),
    N_("write both, or leave both empty"),
    N_("'{a}' is no answer to 'fixed'"),
    N_("write yes or no"),
    N_("{a} is '{b}'"),
    N_("write metres from the top left, as 12.5"),
    N_("a switch needs a port and no device"),
    N_("write switch and port, or device and channel"),
    N_("this line has a sensor but no device"),
    N_("write the id of the device"),
    N_("what kind of sensor is '{a}'?"),
    N_("write one of: {a}"),
    N_("did you mean {a}?"),
    N_("did you mean {a}? Else write zone, x and y to make it"),
    N_("write zone, x and y to make it"),
    N_("the plan has no zone '{a}'"),
    N_("the plan has no place '{a}'"),
    N_("place {a} is new and has no zone"),
    N_("place {a} belongs to a table of zone {b}"),
    N_("place {a} belongs to a table"),
    N_("leave zone, x and y empty"),
    N_("loosen the table first, or leave x and y empty"),
    N_("{a} hangs at place {b} in the plan"),
    N_("take it off there first, or leave this line out"),
    N_("place {a} stands in line {b} too, at another spot"),
    N_("place {a} in line {b} has the same spot"),
    N_("write another x or y"),
    N_("{a} stands in line {b} too, at place {c}"),
    N_("choose a place from the list"),
    N_("take it off there first"),
    N_("the new device is missing"),
    N_("choose one from the list, or write its id"),
    N_("'{a}' is no name of a device ({b})"),
    N_("'{a}' is no name of a device"),
    N_("write the id that the gateway gives it"),
)

_SLIPS: Final[dict[str, str]] = {
    "no_id": N_("'{v}' is no name: write letters, digits, _ and -, at most 64"),
    "no_number": N_("'{v}' is no first place of a table: write a name that ends in a digit"),
    "no_number_between": N_("'{v}' is no number that fits here"),
    "no_name": N_("the name is missing"),
    "unknown_zone": N_("choose a zone"),
    "zone_gone": N_("{v} is in a zone that you take out; choose another zone, or take it out too"),
    "no_zone": N_("a floor needs at least one zone"),
    "corners": N_("a zone needs 3 to {n} corners"),
    "zone": N_("this zone cannot be read; check its kind"),
}
_FIELDS: Final[dict[str, str]] = {
    "id": N_("name"),
    "first": N_("first place"),
    "zone": N_("zone"),
    "kind": N_("kind"),
    "nl": N_("name in Dutch"),
    "en": N_("name in English"),
    "columns": N_("columns"),
    "rows": N_("rows"),
    "dx": N_("pitch across"),
    "dy": N_("pitch down"),
}

ACTIONS: Final[dict[ActionName, str]] = {
    "plan_saved": N_("floor plan saved"),
    "plan_restored": N_("previous floor plan put back"),
    "places_imported": N_("places imported"),
    "background_set": N_("background set"),
    "background_removed": N_("background removed"),
    "device_claimed": N_("device claimed"),
    "device_replaced": N_("device replaced"),
    "device_unclaimed": N_("device taken off"),
    "rules_stopped": N_("rules stopped"),
    "rules_resumed": N_("rules going on"),
    "place_reminded": N_("reminded at a place"),
    "place_extended": N_("extended at a place"),
    "place_released": N_("released a place"),
    "place_exempted": N_("exempted a place"),
    "place_unexempted": N_("ended an exemption"),
    "place_quiet": N_("do not disturb at a place"),
    "action_undone": N_("took an action back"),
}
ROLES: Final[dict[Role, str]] = {
    "staff": N_("staff"),
    "facility": N_("facility"),
    "installer": N_("installer"),
    "works_council": N_("works council"),
    "admin": N_("administrator"),
}


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the sentences as patterns, the most words first: `{a}` takes anything."""
    found = []
    for sentence in sorted(_SENTENCES, key=lambda one: -len(re.sub(r"\{\w\}", "", one))):
        parts = re.split(r"\{(\w)\}", sentence)
        pattern = "".join(
            f"(?P<{part}>.+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
        )
        found.append((re.compile(pattern, re.DOTALL), sentence))
    return tuple(found)


def sentence_text(text: str, said: Words) -> str:
    """Return a sentence of the linter in the language of the page."""
    if said.language == "en":
        return text
    for pattern, sentence in _patterns():
        match = pattern.fullmatch(text)
        if match is not None:
            return said(sentence).format(**match.groupdict())
    return text


def mistake_text(mistake: Mistake, said: Words) -> str:
    """Return a mistake as one line, without the line of a file that nobody sees."""
    return f"{sentence_text(mistake.what, said)}; {sentence_text(mistake.instead, said)}"


def slip_text(slip: Slip, form: FloorForm, said: Words) -> str:
    """Return what is wrong with a field, and in which row it is."""
    row = {**form.places, **form.tables, **form.zones}.get(slip.row, {})
    name = row.get("id") or row.get("first") or row.get("was") or said("new row")
    what = said(_SLIPS[slip.code]).format(v=slip.value, n=MAX_CORNERS)
    if not slip.row:
        return what
    return f"{name}, {said(_FIELDS[slip.field]) if slip.field in _FIELDS else slip.field}: {what}"
