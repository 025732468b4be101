"""The form of a floor: what stands in its fields, and the floor that they describe. Pure.

Fields are named by what they are about: `p4-x` is x of the fifth place of the form, `z0-y2` y of the third corner of
the first zone, `t1-dx` the pitch of a table. `...-was` is the id that a row had when the page was made: a place that is
renamed keeps its devices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from workplace.plan_change import loosened, with_floor
from workplace.plan_file import (
    MAX_CORNERS,
    FloorFile,
    IslandFile,
    PlaceFile,
    PlanFile,
    Text,
    ZoneFile,
)
from workplace.plan_shape import corners_of

_FIELD = re.compile(r"([pzt])(\d{1,5})-([a-z]+)(\d{1,2})?")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: A floor of a very large building; more is an attack on memory.
MOST_ROWS = 5000
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Slip:
    """A field that does not say what it must: of which row, which field, and the code of what is wrong."""

    row: str
    field: str
    code: str
    value: str = ""


@dataclass
class FloorForm:
    """Rows by their key (`p0`, `z3`, `t1`), each field name -> what stands in it; `x0`, `y0`, ... are corners."""

    places: dict[str, Row] = field(default_factory=dict)
    tables: dict[str, Row] = field(default_factory=dict)
    zones: dict[str, Row] = field(default_factory=dict)


def number_text(value: float) -> str:
    return f"{round(value, 3):g}"


def form_of(floor: FloorFile) -> FloorForm:
    """Return the form as it shows a floor."""
    form = FloorForm()
    for z, zone in enumerate(floor.zones):
        key = f"z{z}"
        row = {"id": zone.id, "was": zone.id, "kind": zone.kind, "nl": zone.name.nl, "en": zone.name.en}
        for number, (x, y) in enumerate(corners_of(zone)):
            row |= {f"x{number}": number_text(x), f"y{number}": number_text(y)}
        form.zones[key] = row
        for island in zone.islands:
            form.tables[f"t{len(form.tables)}"] = _table_row(island, key)
        for place in zone.places:
            form.places[f"p{len(form.places)}"] = {
                "id": place.id,
                "was": place.id,
                "zone": key,
                "x": number_text(place.at[0]),
                "y": number_text(place.at[1]),
            } | ({"fixed": "on"} if place.fixed else {})
    return form


def _table_row(island: IslandFile, zone: str) -> Row:
    row = {
        "first": island.first,
        "was": island.first,
        "zone": zone,
        "x": number_text(island.at[0]),
        "y": number_text(island.at[1]),
        "columns": str(island.columns),
        "rows": str(island.rows),
        "dx": number_text(island.pitch[0]),
        "dy": number_text(island.pitch[1]),
    }
    return row | ({"fixed": "on"} if island.fixed else {})


def form_of_fields(fields: Mapping[str, str]) -> FloorForm:
    """Return what a browser sent as a form; fields of other names are left out."""
    form = FloorForm()
    rows = {"p": form.places, "t": form.tables, "z": form.zones}
    for name, value in fields.items():
        match = _FIELD.fullmatch(name)
        if match is None:
            continue
        kind, number, what, corner = match.groups()
        table = rows[kind]
        key = f"{kind}{int(number)}"
        if key in table or len(table) < MOST_ROWS:
            table.setdefault(key, {})[what + (corner or "")] = value.strip()[:200]
    for table in rows.values():
        for key in [key for key, row in table.items() if _is_empty(row)]:
            del table[key]
        for key in sorted(table, key=lambda one: int(one[1:])):
            table[key] = table.pop(key)
    return form


def _is_empty(row: Row) -> bool:
    """The row for a new one that nobody filled in."""
    said = {name for name, value in row.items() if value}
    return not said - {"zone", "kind", "columns", "rows", "dx", "dy", "fixed"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a form asks for."""

    floor: FloorFile
    renamed: dict[str, str]
    loosened: tuple[str, ...]
    slips: tuple[Slip, ...]


def wish_of(form: FloorForm, floor: FloorFile) -> Wish:
    """Return the floor that a form describes; with slips it is not to be used.

    Args:
        floor: the floor as it stands: tables keep from it what the form does not show (their sensors).
    """
    reader = _Reader(form, floor)
    zones = list(reader.zones())
    return Wish(replace(floor, zones=zones), reader.renamed, tuple(reader.loosened), tuple(reader.slips))


class _Reader:
    def __init__(self, form: FloorForm, floor: FloorFile) -> None:
        self._form = form
        self._zones = {zone.id: zone for zone in floor.zones}
        self._tables = {island.first: island for zone in floor.zones for island in zone.islands}
        self.slips: list[Slip] = []
        self.renamed: dict[str, str] = {}
        self.loosened: list[str] = []

    def zones(self) -> Iterator[ZoneFile]:
        gone = {key for key, row in self._form.zones.items() if "gone" in row}
        tables: dict[str, list[IslandFile]] = {}
        places: dict[str, list[PlaceFile]] = {}
        for key, row in self._form.tables.items():
            if "gone" not in row:
                tables.setdefault(self._zone(key, row, gone), []).append(self._table(key, row))
        for key, row in self._form.places.items():
            if "gone" not in row:
                places.setdefault(self._zone(key, row, gone), []).append(self._place(key, row))
        for key, row in self._form.zones.items():
            if key not in gone:
                yield self._zone_file(key, row, tables.get(key, []), places.get(key, []))
        if not set(self._form.zones) - gone:
            self.slips.append(Slip("", "", "no_zone"))

    def _zone(self, key: str, row: Row, gone: set[str]) -> str:
        zone = row.get("zone", "")
        if zone not in self._form.zones:
            self.slips.append(Slip(key, "zone", "unknown_zone", zone))
        elif zone in gone:
            self.slips.append(Slip(key, "zone", "zone_gone", row.get("id") or row.get("first", "")))
        return zone

    def _zone_file(self, key: str, row: Row, tables: list[IslandFile], places: list[PlaceFile]) -> ZoneFile:
        id_ = self._id(key, "id", row.get("id", ""))
        corners = self._corners(key, row)
        before = self._zones.get(row.get("was", ""))
        same = before is not None and [list(corner) for corner in corners_of(before)] == corners
        name = Text(nl=row.get("nl", ""), en=row.get("en", ""))
        for language, text in (("nl", name.nl), ("en", name.en)):
            if not text:
                self.slips.append(Slip(key, language, "no_name"))
        told: dict[str, Any] = {
            "id": id_, "kind": row.get("kind", ""), "name": msgspec.to_builtins(name),
            "islands": msgspec.to_builtins(tables), "places": msgspec.to_builtins(places),
        }  # fmt: skip
        told |= {"rect": before.rect, "corners": before.corners} if same and before else _outline(corners)
        try:
            return msgspec.convert(told, ZoneFile)
        except msgspec.ValidationError:
            code = "corners" if not 3 <= len(corners) <= MAX_CORNERS else "zone"
            self.slips.append(Slip(key, "x0", code))
            return ZoneFile(id="zone", kind="desk", name=name, rect=[0, 0, 1, 1])

    def _corners(self, key: str, row: Row) -> list[list[float]]:
        found = []
        for number in range(100):
            x, y = row.get(f"x{number}", ""), row.get(f"y{number}", "")
            if x or y:
                found.append([self._number(key, f"x{number}", x), self._number(key, f"y{number}", y)])
        return found

    def _table(self, key: str, row: Row) -> IslandFile:
        before = self._tables.get(row.get("was", ""))
        first = row.get("first", "") if before is None else before.first
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,60}[0-9]", first):
            self.slips.append(Slip(key, "first", "no_number", first))
            first = "1"
        at = [self._number(key, "x", row.get("x", "")), self._number(key, "y", row.get("y", ""))]
        pitch = [
            self._number(key, "dx", row.get("dx", ""), least=0.1, most=20),
            self._number(key, "dy", row.get("dy", ""), least=0.1, most=20),
        ]
        columns = int(self._number(key, "columns", row.get("columns", ""), least=1, most=40))
        rows = int(self._number(key, "rows", row.get("rows", ""), least=1, most=40))
        if "loosen" in row and before is not None:
            self.loosened.append(first)
        fixed = "fixed" in row
        if before is not None:
            return replace(before, at=at, pitch=pitch, columns=columns, rows=rows, fixed=fixed)
        return IslandFile(first=first, at=at, pitch=pitch, columns=columns, rows=rows, fixed=fixed)

    def _place(self, key: str, row: Row) -> PlaceFile:
        id_ = self._id(key, "id", row.get("id", ""))
        was = row.get("was", "")
        if was and was != id_:
            self.renamed[was] = id_
        at = [self._number(key, "x", row.get("x", "")), self._number(key, "y", row.get("y", ""))]
        return PlaceFile(id=id_, at=at, fixed="fixed" in row)

    def _id(self, key: str, name: str, value: str) -> str:
        if not _ID.fullmatch(value):
            self.slips.append(Slip(key, name, "no_id", value))
            return "id"
        return value

    def _number(self, key: str, name: str, text: str, *, least: float = 0, most: float = 500) -> float:
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            self.slips.append(Slip(key, name, "no_number_between", text))
            return least
        return round(value, 3)


def _outline(corners: list[list[float]]) -> dict[str, Any]:
    """Return a box as a box, so that the file stays as short as people write it."""
    if len(corners) == 4:
        (left, top), _, (right, bottom), _ = corners
        box = [[left, top], [right, top], [right, bottom], [left, bottom]]
        width, height = round(right - left, 3), round(bottom - top, 3)
        if corners == box and [left + width, top + height] == [right, bottom] and width > 0 < height:
            return {"rect": [left, top, width, height]}
    return {"corners": corners}


def wished_plan(plan: PlanFile, wish: Wish) -> PlanFile:
    """Return the plan with the wished floor; devices follow a place to its new name."""
    devices = [replace(one, place=wish.renamed.get(one.place, one.place)) for one in plan.devices]
    lights = [replace(one, place=wish.renamed.get(one.place, one.place)) for one in plan.lights]
    changed = with_floor(replace(plan, devices=devices, lights=lights), wish.floor)
    for first in wish.loosened:
        changed = loosened(changed, wish.floor.id, first)
    return changed
