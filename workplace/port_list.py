"""A list of switch ports and places, as an installer keeps it, into the `devices:` of a floor plan. Pure.

The rest of the plan keeps every letter and comment. A list that has been imported changes nothing the second time.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from workplace.device_ids import device_id
from workplace.documents import Mistake
from workplace.floor_plan import FloorPlan

#: Heading of a column, in English or Dutch -> what it holds.
COLUMNS: Final = {
    "switch": "switch", "switchnaam": "switch",
    "port": "port", "poort": "port", "interface": "port", "switchpoort": "port",
    "place": "place", "plek": "place", "werkplek": "place", "desk": "place",
    "gateway": "gateway",
}  # fmt: skip
_NEEDED: Final = ("switch", "port", "place")
SENSOR: Final = "switch_port"
_DELIMITERS: Final = ";,\t"
#: aa:bb:.., aa-bb-.., aabb.ccdd.eeff, aabbccddeeff: which network card, so which person.
_ADDRESS: Final = re.compile(
    r"(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}"
    r"|(?=[0-9a-f]*[a-f])[0-9a-f]{12}",
    re.IGNORECASE,
)
#: As `DeviceFile.channel` allows, and nothing that would need an escape in YAML.
_PORT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./:_-]{0,63}", re.ASCII)
_SWITCH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,55}", re.ASCII)
_HEADING: Final = re.compile(r"^devices:[ \t]*(?:\[[ \t]*\])?[ \t]*(?:#.*)?$")
_TOP_LEVEL: Final = re.compile(r"^[^\s#-]")


@dataclass(frozen=True, slots=True)
class PortLine:
    """One line of the list that makes sense by itself."""

    line: int
    switch: str
    port: str
    place: str
    gateway: str | None = None

    @property
    def device(self) -> str:
        return device_id("switch", self.switch)


@dataclass(frozen=True, slots=True)
class Imported:
    """A plan with the list in it; the text is the old one when `added` is 0."""

    text: str
    added: int
    known: int


def read_ports(text: str, file: str) -> tuple[list[PortLine], list[Mistake]]:
    """Return the lines of a list, and everything that is wrong with it by itself.

    Args:
        text: CSV with a heading; the delimiter is a semicolon, a comma or a tab.
        file: name for the messages.
    """
    rows = list(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    if not rows or not any(rows[0]):
        return [], [Mistake(file, 1, "the list is empty", "begin with a line 'switch;port;place'")]
    private = hardware_addresses(rows, file)
    if private is not None:
        return [], [private]
    names, mistakes = _heading(rows[0], file)
    if mistakes:
        return [], mistakes
    lines: list[PortLine] = []
    number = 1
    for row in rows[1:]:
        number += 1
        cells = [cell.strip() for cell in row]
        if any(cells) and not cells[0].startswith("#"):
            found = _line(dict(zip(names, cells, strict=False)), number, len(cells) - len(names), file)
            if isinstance(found, PortLine):
                lines.append(found)
            else:
                mistakes.append(found)
    return lines, mistakes + _doubles(lines, file)


def check_ports(lines: Sequence[PortLine], plan: FloorPlan, file: str) -> list[Mistake]:
    """Return everything in the list that does not fit to the plan."""
    mistakes: list[Mistake] = []
    gateways = sorted(gateway.id for gateway in plan.gateways)
    wired = _wired(plan)
    for entry in lines:
        if entry.place not in plan.place:
            near = difflib.get_close_matches(entry.place, plan.place, n=1)
            advice = f"did you mean {near[0]}?" if near else "write a place that an island of the plan has"
            mistakes.append(Mistake(file, entry.line, f"the plan has no place '{entry.place}'", advice))
            continue
        if entry.gateway is not None and entry.gateway not in gateways:
            what = f"the plan has no gateway '{entry.gateway}'"
            mistakes.append(Mistake(file, entry.line, what, f"write one of: {', '.join(gateways)}"))
        for (device, port), place in wired.items():
            is_port, is_place = (device, port) == (entry.device, entry.port), place == entry.place
            if is_port and not is_place:
                what = f"{entry.port} of {entry.switch} leads to place {place} in the plan"
                mistakes.append(Mistake(file, entry.line, what, f"write {place}, or take it out of the plan"))
            elif is_place and not is_port:
                what = f"place {place} has {port} of {device} in the plan"
                mistakes.append(Mistake(file, entry.line, what, f"write {port}, or take it out of the plan"))
    return mistakes


def add_ports(plan_text: str, plan: FloorPlan, lines: Sequence[PortLine]) -> Imported:
    """Return the plan's text with the lines that it does not have yet.

    Raises:
        ValueError: `devices:` is there but not as one line per device.
    """
    wired = _wired(plan)
    fresh = [entry for entry in lines if (entry.device, entry.port) not in wired]
    known = len(lines) - len(fresh)
    if not fresh:
        return Imported(plan_text, 0, known)
    newline = "\r\n" if "\r\n" in plan_text else "\n"
    text = plan_text.splitlines()
    heading = next((at for at, line in enumerate(text) if line.startswith("devices:")), None)
    if heading is None:
        text += ["", "devices:"]
        heading = len(text) - 1
    elif not _HEADING.match(text[heading]):
        raise ValueError("the plan's devices stand in one line; write each on a line of its own first")
    else:
        text[heading] = re.sub(r"[ \t]*\[[ \t]*\]", "", text[heading])
    end = heading + 1
    for at in range(heading + 1, len(text)):
        if _TOP_LEVEL.match(text[at]):
            break
        if text[at].strip():
            end = at + 1
    items = [line for line in text[heading + 1 : end] if line.lstrip().startswith("- ")]
    indent = items[-1][: len(items[-1]) - len(items[-1].lstrip())] if items else "  "
    text[end:end] = [indent + _item(entry) for entry in fresh]
    return Imported(newline.join(text) + newline, len(fresh), known)


def _item(entry: PortLine) -> str:
    gateway = "" if entry.gateway is None else f", gateway: {entry.gateway}"
    return f'- {{place: {entry.place}, sensor: {SENSOR}, device: {entry.device}, channel: "{entry.port}"{gateway}}}'


def _wired(plan: FloorPlan) -> dict[tuple[str, str | None], str]:
    """Return device and port -> place, of all switch ports in the plan."""
    prefix = device_id("switch", "x")[:-1]
    return {
        (sensor.device, sensor.channel): place.id
        for place in plan.place.values()
        for sensor in place.sensors
        if sensor.device.startswith(prefix)
    }


def _delimiter(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    return max(_DELIMITERS, key=first.count)


def hardware_addresses(rows: Sequence[Sequence[str]], file: str) -> Mistake | None:
    """Refuse a list with hardware addresses as a whole: nothing of it should be kept, not even by accident."""
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row, 1):
            word = cell.strip()
            is_heading = number == 1 and re.fullmatch(r"mac([ _-]?(address|adres))?", word, re.IGNORECASE)
            if is_heading or _ADDRESS.fullmatch(word):
                what = f"column {column} holds hardware addresses of network cards; they tell who sits where"
                return Mistake(file, number, what, "delete that column and import again")
    return None


def _heading(cells: Sequence[str], file: str) -> tuple[list[str], list[Mistake]]:
    words = [cell.strip().strip("\ufeff") for cell in cells]
    names = [COLUMNS.get(word.casefold(), "") for word in words]
    allowed = "switch, port, place (or switch, poort, plek) and, if you like, gateway"
    mistakes = [
        Mistake(file, 1, f"unknown column '{word}'", f"keep only the columns {allowed}")
        for word, name in zip(words, names, strict=True)
        if not name
    ]
    mistakes += [
        Mistake(file, 1, f"the column '{name}' is missing", f"begin with a line that names {allowed}")
        for name in _NEEDED
        if name not in names
    ]
    mistakes += [
        Mistake(file, 1, f"the column '{name}' stands here twice", "keep one of the two")
        for name in set(filter(None, names))
        if names.count(name) > 1
    ]
    return names, mistakes


def _line(cells: dict[str, str], number: int, excess: int, file: str) -> PortLine | Mistake:
    if excess > 0:
        return Mistake(
            file, number, "this line has more cells than the heading", "put quotes around a delimiter"
        )
    for name in _NEEDED:
        if not cells.get(name):
            return Mistake(file, number, f"the {name} is missing", f"fill in the {name}, or delete the line")
    for name, pattern in (("switch", _SWITCH), ("port", _PORT)):
        if not pattern.fullmatch(cells[name]):
            signs = "letters, digits and . _ -" + (" / : and blanks" if name == "port" else "")
            return Mistake(file, number, f"'{cells[name]}' is no name of a {name}", f"write it with {signs}")
    return PortLine(number, cells["switch"], cells["port"], cells["place"], cells.get("gateway") or None)


def _doubles(lines: Sequence[PortLine], file: str) -> list[Mistake]:
    mistakes: list[Mistake] = []
    ports: dict[tuple[str, str], int] = {}
    places: dict[str, int] = {}
    switches: dict[str, str] = {}
    for entry in lines:
        for what, first in (
            (f"{entry.port} of {entry.switch}", ports.setdefault((entry.device, entry.port), entry.line)),
            (f"place {entry.place}", places.setdefault(entry.place, entry.line)),
        ):
            if first != entry.line:
                mistakes.append(
                    Mistake(
                        file, entry.line, f"{what} stands in line {first} too", "keep one of the two lines"
                    )
                )
        other = switches.setdefault(entry.device, entry.switch)
        if other != entry.switch:
            mistakes.append(
                Mistake(
                    file, entry.line, f"'{entry.switch}' and '{other}' would be one device, {entry.device}",
                    "give one of the switches another name",
                )
            )  # fmt: skip
    return mistakes
