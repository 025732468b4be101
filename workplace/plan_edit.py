"""Adds devices to the text of a floor plan and leaves every other line as its author wrote it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from workplace import floor_plan
from workplace.documents import Document, Mistake, check_shape, parse
from workplace.errors import DocumentInvalid
from workplace.plan_file import DeviceFile, PlanFile

#: Words that YAML reads as themselves; anything else goes in quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_HEAD = re.compile(r"devices\s*:(?P<value>[^#]*)(?P<comment>#.*)?$")
_ITEM = re.compile(r"(?P<indent>\s*)-\s")


def with_devices(text: str, file: str, entries: Sequence[DeviceFile]) -> str:
    """Return the plan with a line for each entry under `devices:`; one that stands there already is left alone.

    Args:
        file: name for messages; lines in them are those of the changed text.

    Raises:
        DocumentInvalid: the plan has mistakes, an entry makes one, or its devices stand on one line.
    """
    document = _checked(text, file)
    known = set(_devices(document))
    new = [entry for entry in dict.fromkeys(entries) if entry not in known]
    if not new:
        return text
    changed = _insert(document, text, new)
    after = _checked(changed, file)
    if _devices(after) != [*_devices(document), *new] or _rest(after) != _rest(document):
        line = document.line(("devices",))
        what = "the devices of this plan cannot be added to by a program"
        raise DocumentInvalid((Mistake(file, line, what, "write them one below the other, each after '- '"),))
    return changed


def device_line(entry: DeviceFile) -> str:
    """Return one device as a line of YAML, without its dash."""
    fields = msgspec.structs.asdict(entry)
    told = ", ".join(f"{name}: {_scalar(value)}" for name, value in fields.items() if value is not None)
    return f"{{{told}}}"


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False)


def _checked(text: str, file: str) -> Document:
    """Return the document, or raise with every mistake in it."""
    floor_plan.load(text, file)
    document = parse(text, file)
    check_shape(document, PlanFile)
    return document


def _devices(document: Document) -> list[DeviceFile]:
    return msgspec.convert(document.data, PlanFile).devices


def _rest(document: Document) -> dict[str, object]:
    return {key: value for key, value in document.data.items() if key != "devices"}


def _insert(document: Document, text: str, new: Sequence[DeviceFile]) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    newline = "\r\n" if lines[0].endswith("\r\n") else "\n"
    if ("devices",) not in document.lines:
        return "".join([*lines, *_items(["devices:"], "  ", new, newline)])
    head = document.lines["devices",] - 1
    match = _HEAD.match(lines[head].rstrip())
    if match is None or (not document.data["devices"] and match["value"].strip() != "[]"):
        raise _on_one_line(document)
    if not document.data["devices"]:
        comment = f"  {match['comment']}" if match["comment"] else ""
        return "".join(
            [*lines[:head], *_items([f"devices:{comment}"], "  ", new, newline), *lines[head + 1 :]]
        )
    item = _ITEM.match(lines[document.lines["devices", len(document.data["devices"]) - 1] - 1])
    if item is None:
        raise _on_one_line(document)
    end = _end(lines, head)
    return "".join([*lines[:end], *_items([], item["indent"], new, newline), *lines[end:]])


def _items(head: list[str], indent: str, new: Sequence[DeviceFile], newline: str) -> list[str]:
    return [line + newline for line in (*head, *(f"{indent}- {device_line(entry)}" for entry in new))]


def _end(lines: Sequence[str], head: int) -> int:
    """Return the line after the last one that belongs to the list below `head`."""
    end = head + 1
    for index in range(head + 1, len(lines)):
        line = lines[index].rstrip()
        if not line or line.lstrip().startswith("#"):
            continue  # may belong to what comes next
        if not line.startswith((" ", "-", "\t")):
            break
        end = index + 1
    return end


def _on_one_line(document: Document) -> DocumentInvalid:
    what = "the devices stand on one line, where a program cannot add to them"
    instead = "write them one below the other, each after '- '"
    return DocumentInvalid((Mistake(document.file, document.line(("devices",)), what, instead),))
