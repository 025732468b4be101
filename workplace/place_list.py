"""A list of places as people keep it in a spreadsheet, with their devices, into a plan. Pure.

One line is one input of one place: a place with two sensors has two lines. Lines without coordinates map a device to a
place that is there already. The list of switch ports (`workplace.port_list`) is read as well.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from workplace.device_ids import device_id
from workplace.documents import Mistake
from workplace.plan_change import claimed, kits_of, wired_of
from workplace.plan_file import DeviceFile, PlaceFile, PlanFile, ZoneFile, places_of
from workplace.plan_shape import box_of, corners_of, holds
from workplace.port_list import hardware_addresses
from workplace.sensor_kits import KITS

#: Heading of a column, in English or Dutch -> what it holds.
COLUMNS: Final = {
    "place": "place", "plek": "place", "werkplek": "place", "desk": "place",
    "zone": "zone", "x": "x", "x_m": "x", "y": "y", "y_m": "y",
    "fixed": "fixed", "vast": "fixed",
    "sensor": "sensor", "kit": "sensor",
    "device": "device", "apparaat": "device",
    "channel": "channel", "kanaal": "channel",
    "gateway": "gateway",
    "switch": "switch", "switchnaam": "switch",
    "port": "port", "poort": "port", "switchpoort": "port", "interface": "port",
}  # fmt: skip
HEADING: Final = "place,zone,x,y,fixed,sensor,device,channel,gateway"
_DELIMITERS: Final = ";,\t"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_YES: Final = frozenset({"yes", "ja", "true", "1", "x"})
_NO: Final = frozenset({"", "no", "nee", "false", "0"})
#: A whole site; more is a wrong file.
MOST_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list that makes sense by itself; coordinates in metres."""

    line: int
    place: str
    zone: str | None = None
    at: tuple[float, float] | None = None
    fixed: bool | None = None
    input: DeviceFile | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The plan with the list in it, and what that changes; names of places and (place, device)."""

    plan: PlanFile
    new: tuple[str, ...]
    moved: tuple[str, ...]
    mapped: tuple[DeviceFile, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.new or self.moved or self.mapped)


class _Wrong(Exception):
    """A cell that cannot be read; the line is left out and told."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what, self.instead = what, instead


def read_places(text: str, file: str) -> tuple[list[Line], list[Mistake]]:
    """Return the lines of a list, and everything that is wrong with it by itself.

    Args:
        text: CSV with a heading; the delimiter is a semicolon, a comma or a tab. With a semicolon or a tab a comma in
            a number is a decimal point.
        file: name for the messages.
    """
    text = text.lstrip("\ufeff")
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        numbered = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        return [], [Mistake(file, 1, f"this is no CSV: {error}", "save the sheet as CSV with UTF-8")]
    rows = [row for _, row in numbered]
    if not rows or not any(rows[0]):
        return [], [Mistake(file, 1, "the list is empty", f"begin with a line '{HEADING}'")]
    if len(rows) > MOST_LINES:
        return [], [Mistake(file, MOST_LINES, f"more than {MOST_LINES} lines", "import one floor at a time")]
    private = hardware_addresses(rows, file)
    if private is not None:
        return [], [private]
    names, mistakes = _heading(rows[0], file)
    if mistakes:
        return [], mistakes
    lines: list[Line] = []
    for number, row in numbered[1:]:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        try:
            if len(cells) > len(names):
                raise _Wrong("this line has more cells than the heading", "put quotes around a delimiter")
            lines.append(_line(number, dict(zip(names, cells, strict=False)), has_comma=delimiter != ","))
        except _Wrong as wrong:
            mistakes.append(Mistake(file, number, wrong.what, wrong.instead))
    return lines, mistakes + _doubles(lines, file)


def import_places(plan: PlanFile, lines: Sequence[Line], file: str) -> tuple[Imported, list[Mistake]]:
    """Return the plan with the list in it, and every line that does not fit to the plan."""
    zones = {zone.id: zone for floor in plan.floors for zone in floor.zones}
    home = {place: zone.id for zone in zones.values() for place in places_of(zone)}
    single = {place.id: place for zone in zones.values() for place in zone.places}
    wired = wired_of(plan)
    mistakes: list[Mistake] = []
    new: list[str] = []
    moved: list[str] = []
    for entry in lines:
        try:
            _check_zone(entry, zones, home)
            if entry.at is not None:
                _check_spot(entry, zones[entry.zone or home[entry.place]], home, single)
            elif entry.place not in home and entry.place not in new:
                raise _unknown_place(entry.place, [*home, *new])
            if entry.input is not None:
                _check_wire(entry.input, wired)
        except _Wrong as wrong:
            mistakes.append(Mistake(file, entry.line, wrong.what, wrong.instead))
            continue
        if entry.at is not None and entry.place not in new:
            before = single.get(entry.place)
            now = PlaceFile(
                id=entry.place,
                at=list(entry.at),
                fixed=before is not None and before.fixed if entry.fixed is None else entry.fixed,
            )
            zone = entry.zone or home[entry.place]
            if before is None:
                new.append(entry.place)
            elif before != now or home[entry.place] != zone:
                moved.append(entry.place)
            else:
                continue
            _put(zones, home, now, zone)
            single[entry.place] = now
    inputs = [entry.input for entry in lines if entry.input is not None]
    floors = [replace(floor, zones=[zones[zone.id] for zone in floor.zones]) for floor in plan.floors]
    changed = claimed(replace(plan, floors=floors), inputs)
    mapped = changed.devices[len(plan.devices) :]
    return Imported(changed, tuple(new), tuple(moved), tuple(mapped)), mistakes


def _put(zones: dict[str, ZoneFile], home: dict[str, str], place: PlaceFile, zone: str) -> None:
    """Put a place into its zone, at the spot in the list that it had."""
    old = home.get(place.id)
    if old == zone:
        places = [place if one.id == place.id else one for one in zones[zone].places]
        zones[zone] = replace(zones[zone], places=places)
        return
    if old is not None:
        zones[old] = replace(zones[old], places=[one for one in zones[old].places if one.id != place.id])
    zones[zone] = replace(zones[zone], places=[*zones[zone].places, place])
    home[place.id] = zone


def _check_zone(entry: Line, zones: dict[str, ZoneFile], home: dict[str, str]) -> None:
    if entry.zone is not None and entry.zone not in zones:
        near = difflib.get_close_matches(entry.zone, zones, n=1)
        advice = f"did you mean {near[0]}?" if near else f"write one of: {', '.join(zones)}"
        raise _Wrong(f"the plan has no zone '{entry.zone}'", advice)
    if entry.zone is None and entry.at is not None and entry.place not in home:
        raise _Wrong(f"place {entry.place} is new and has no zone", f"write one of: {', '.join(zones)}")


def _check_spot(entry: Line, zone: ZoneFile, home: dict[str, str], single: dict[str, PlaceFile]) -> None:
    assert entry.at is not None  # noqa: S101 - the caller looked
    if entry.place in home and entry.place not in single and home[entry.place] != zone.id:
        raise _Wrong(
            f"place {entry.place} belongs to a table of zone {home[entry.place]}", "leave zone, x and y empty"
        )
    if entry.place in home and entry.place not in single:
        raise _Wrong(
            f"place {entry.place} belongs to a table", "loosen the table first, or leave x and y empty"
        )
    outline = corners_of(zone)
    if not holds(outline, *entry.at):
        left, top, width, height = box_of(outline)
        raise _Wrong(
            f"place {entry.place} would lie outside zone {zone.id}",
            f"keep x in {left:g}-{left + width:g} and y in {top:g}-{top + height:g} m",
        )


def _check_wire(entry: DeviceFile, wired: dict[tuple[str, str | None, str], str]) -> None:
    """No device may come to hang under two places unseen."""
    there = wired.get((entry.device, entry.channel, entry.sensor), entry.place)
    if there != entry.place:
        name = entry.device + (f"/{entry.channel}" if entry.channel else "")
        raise _Wrong(
            f"{name} hangs at place {there} in the plan", "take it off there first, or leave this line out"
        )


def _unknown_place(place: str, known: Sequence[str]) -> _Wrong:
    near = difflib.get_close_matches(place, known, n=1)
    hint = f"did you mean {near[0]}? Else " if near else ""
    return _Wrong(f"the plan has no place '{place}'", f"{hint}write zone, x and y to make it")


def _heading(cells: Sequence[str], file: str) -> tuple[list[str], list[Mistake]]:
    words = [cell.strip() for cell in cells]
    names = [COLUMNS.get(word.casefold(), "") for word in words]
    allowed = "place, zone, x, y, fixed, sensor, device, channel, gateway (or switch and port)"
    mistakes = [
        Mistake(file, 1, f"unknown column '{word}'", f"keep only the columns {allowed}")
        for word, name in zip(words, names, strict=True)
        if not name
    ]
    if "place" not in names:
        mistakes.append(
            Mistake(file, 1, "the column 'place' is missing", f"begin with a line that names {allowed}")
        )
    for one, other in (("x", "y"), ("y", "x"), ("switch", "port"), ("port", "switch")):
        if one in names and other not in names:
            mistakes.append(Mistake(file, 1, f"the column '{other}' is missing", f"it belongs to '{one}'"))
    mistakes += [
        Mistake(file, 1, f"the column '{name}' stands here twice", "keep one of the two")
        for name in sorted(set(filter(None, names)))
        if names.count(name) > 1
    ]
    return names, mistakes


def _line(number: int, cells: dict[str, str], *, has_comma: bool) -> Line:
    place = cells.get("place", "")
    if not _NAME.fullmatch(place):
        raise _Wrong(f"'{place}' is no name of a place", "write letters, digits, _ and -, at most 64")
    x, y = cells.get("x", ""), cells.get("y", "")
    if bool(x) != bool(y):
        raise _Wrong("x and y belong together", "write both, or leave both empty")
    at = (_metres("x", x, has_comma=has_comma), _metres("y", y, has_comma=has_comma)) if x else None
    word = cells.get("fixed", "").casefold()
    if word not in _YES | _NO:
        raise _Wrong(f"'{word}' is no answer to 'fixed'", "write yes or no")
    fixed = None if not word else word in _YES
    return Line(number, place, cells.get("zone") or None, at, fixed, _input(place, cells))


def _metres(name: str, text: str, *, has_comma: bool) -> float:
    try:
        value = float(text.replace(",", ".") if has_comma else text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 500:  # as `plan_file.Metres`; no number at all is refused too
        raise _Wrong(f"{name} is '{text}'", "write metres from the top left, as 12.5")
    return round(value, 3)


def _input(place: str, cells: dict[str, str]) -> DeviceFile | None:
    device, channel, kit = cells.get("device", ""), cells.get("channel", ""), cells.get("sensor", "")
    if cells.get("switch"):
        if device or not cells.get("port"):
            raise _Wrong(
                "a switch needs a port and no device", "write switch and port, or device and channel"
            )
        device, channel = device_id("switch", cells["switch"]), cells["port"]
    if not device:
        if channel or kit or cells.get("gateway"):
            raise _Wrong("this line has a sensor but no device", "write the id of the device")
        return None
    possible = kits_of(device)
    if not kit and len(possible) == 1:
        kit = possible[0]
    if not kit:
        advice = f"write one of: {', '.join(possible or sorted(KITS))}"
        raise _Wrong(f"what kind of sensor is '{device}'?", advice)
    if kit not in KITS:
        raise _Wrong(f"unknown sensor '{kit}'", f"write one of: {', '.join(possible or sorted(KITS))}")
    if kit not in possible:
        raise _Wrong(
            f"'{device}' is no device of kind {kit}",
            f"write one of: {', '.join(possible or ['another device'])}",
        )
    told = {
        "place": place,
        "sensor": kit,
        "device": device,
        "channel": channel or None,
        "gateway": cells.get("gateway") or None,
    }
    try:
        return msgspec.convert(told, DeviceFile)
    except msgspec.ValidationError as error:
        raise _Wrong(
            f"'{device}' is no name of a device ({error})", "write the id that the gateway gives it"
        ) from None


def _doubles(lines: Sequence[Line], file: str) -> list[Mistake]:
    mistakes: list[Mistake] = []
    spots: dict[str, Line] = {}
    used: dict[tuple[float, float, str | None], Line] = {}
    wired: dict[tuple[str, str | None], Line] = {}
    for entry in lines:
        if entry.at is not None:
            first = spots.setdefault(entry.place, entry)
            if first.at != entry.at:
                what = f"place {entry.place} stands in line {first.line} too, at another spot"
                mistakes.append(Mistake(file, entry.line, what, "keep one of the two"))
            other = used.setdefault((*entry.at, entry.zone), entry)
            if other.place != entry.place:
                what = f"place {other.place} in line {other.line} has the same spot"
                mistakes.append(Mistake(file, entry.line, what, "write another x or y"))
        if entry.input is not None:
            told = wired.setdefault((entry.input.device, entry.input.channel), entry)
            if told is not entry and told.place != entry.place:
                name = entry.input.device + (f"/{entry.input.channel}" if entry.input.channel else "")
                what = f"{name} stands in line {told.line} too, at place {told.place}"
                mistakes.append(Mistake(file, entry.line, what, "keep one of the two"))
    return mistakes
