"""A changed plan as text: what did not change keeps its lines and remarks, what did is written anew. Pure.

Only the smallest part that differs is written: a zone, a list of devices. When the parts cannot be put into the text
(somebody wrote the plan in an unusual form), the whole plan is written anew, without remarks.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml

from workplace.documents import check_shape, parse
from workplace.errors import DocumentInvalid
from workplace.plan_file import PlanFile
from workplace.plan_sense import check_sense

#: Words that YAML reads as themselves; anything else goes in quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
#: Parts of a plan whose entries stand on a line each.
_LISTS = frozenset({"gateways", "floors", "zones", "islands", "places", "devices", "lights"})


@dataclass(frozen=True, slots=True)
class _Splice:
    """Characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def raw_of(text: str, file: str) -> PlanFile:
    """Return the plan as its author wrote it.

    Raises:
        DocumentInvalid: with every mistake, each with file, line and what to write instead.
    """
    document = parse(text, file)
    if document.data is not None and check_shape(document, PlanFile):
        raw = msgspec.convert(document.data, PlanFile)
        check_sense(document, raw)
        if not document.mistakes:
            return raw
    mistakes = sorted(document.mistakes, key=lambda mistake: mistake.line)
    raise DocumentInvalid(tuple(mistakes))


def rewritten(text: str, file: str, wanted: PlanFile) -> str:
    """Return `text` changed so that it says `wanted`, with as many of its lines as can stay.

    Args:
        file: name for messages; lines in them are those of the changed text.

    Raises:
        DocumentInvalid: the old text or what is wanted has mistakes.
    """
    before = raw_of(text, file)
    if before == wanted:
        return text
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    changed = text
    splices = _Comparison(text).of_map(root, _plain(before), _plain(wanted))
    ends = "\r\n" if "\r\n" in text else "\n"
    for splice in sorted(splices, key=lambda one: (one.start, one.end), reverse=True):
        changed = changed[: splice.start] + splice.text.replace("\n", ends) + changed[splice.end :]
    if _says(changed, file, wanted):
        return changed
    whole = plan_text(wanted)
    raw_of(whole, file)
    return whole


def plan_text(plan: PlanFile) -> str:
    """Return a plan as a whole file."""
    return "".join(f"{key}:{_block(key, value, 0)}\n" for key, value in _plain(plan).items())


def scalar_text(value: Any) -> str:
    """Return a single value as YAML."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{round(value, 3):g}"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _says(text: str, file: str, wanted: PlanFile) -> bool:
    try:
        return raw_of(text, file) == wanted
    except DocumentInvalid:
        return False


def _plain(plan: PlanFile) -> dict[str, Any]:
    """Return the plan as plain values, without what is left at its default."""
    found: dict[str, Any] = _without_defaults(plan)
    return found


def _without_defaults(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        found = {}
        for field in msgspec.structs.fields(value):
            part = getattr(value, field.name)
            default = (
                field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
            )
            if part != default:
                found[field.encode_name] = _without_defaults(part)
        return found
    if isinstance(value, list):
        return [_without_defaults(part) for part in value]
    return value


class _Comparison:
    """Finds the smallest parts of a text that must change; whether that was enough is checked afterwards."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of_map(self, node: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Splice]:
        for key_node, value in node.value:
            key = key_node.value
            if key in new and old.get(key) != new[key]:
                yield from self._of_part(key_node, value, old.get(key), new[key])
            elif key in old and key not in new:
                yield self._lines(key_node.start_mark.index, _end_of(value))
        column = node.start_mark.column
        written = {key_node.value for key_node, _ in node.value}
        added = "".join(
            f"\n{' ' * column}{key}:{_block(key, new[key], column)}" for key in new if key not in written
        )
        if added:
            yield _Splice(_end_of(node), _end_of(node), added)

    def _of_part(self, key_node: Any, node: Any, old: Any, new: Any) -> Iterator[_Splice]:
        key, column = key_node.value, key_node.start_mark.column
        is_list = key in _LISTS and isinstance(node, yaml.SequenceNode)
        if is_list and not node.value:
            yield _Splice(key_node.end_mark.index + 1, _end_of(node), _block(key, new, column))
        elif is_list and not node.flow_style and isinstance(old, list):
            yield from self._of_list(key, node, old, new)
        elif isinstance(node, yaml.MappingNode) and not node.flow_style and isinstance(old, dict):
            yield from self.of_map(node, old, new)
        else:
            yield _Splice(node.start_mark.index, _end_of(node), _flow(new))

    def _of_list(self, key: str, node: Any, old: list[Any], new: list[Any]) -> Iterator[_Splice]:
        """Yield changes of a list with an entry on each line; entries are told apart by id, or by all they say."""
        indent = node.start_mark.column
        items = node.value
        steps = difflib.SequenceMatcher(
            None, [_name(e) for e in old], [_name(e) for e in new], autojunk=False
        )
        for _, from_old, to_old, from_new, to_new in steps.get_opcodes():
            pairs = list(zip(range(from_old, to_old), range(from_new, to_new), strict=False))
            for at, now in pairs:
                if old[at] != new[now]:
                    yield from self._of_entry(items[at], old[at], new[now])
            for item in items[from_old + len(pairs) : to_old]:
                yield self._lines(self._text.rindex("-", 0, item.start_mark.index), _end_of(item))
            added = "".join(
                f"\n{' ' * indent}- {_entry(key, entry, indent + 2)}"
                for entry in new[from_new + len(pairs) : to_new]
            )
            if added:
                before = from_old + len(pairs)
                at = (
                    _end_of(items[before - 1])
                    if before
                    else self._text.rindex("\n", 0, node.start_mark.index)
                )
                yield _Splice(at, at, added)

    def _of_entry(self, item: Any, old: Any, new: Any) -> Iterator[_Splice]:
        if isinstance(item, yaml.MappingNode) and not item.flow_style:
            yield from self.of_map(item, old, new)
        else:
            yield _Splice(item.start_mark.index, _end_of(item), _flow(new))

    def _lines(self, start: int, end: int) -> _Splice:
        """Take a part out with its whole lines, and the remark behind it."""
        line = self._text.rfind("\n", 0, start) + 1
        following = self._text.find("\n", end)
        if self._text[line:start].strip(" -"):
            return _Splice(start, end, "")
        return _Splice(line, len(self._text) if following < 0 else following + 1, "")


def _name(entry: Any) -> str:
    known = (entry.get("id") or entry.get("first")) if isinstance(entry, dict) else entry
    return str(known or json.dumps(entry, sort_keys=True))


def _end_of(node: Any) -> int:
    """Return where a part ends; YAML counts the remarks after a block to the block."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end_of(last[1] if isinstance(node, yaml.MappingNode) else last)


def _block(key: str, value: Any, indent: int) -> str:
    """Return what stands after `key:`."""
    if isinstance(value, list) and key in _LISTS and value:
        inner = indent + 2
        return "".join(f"\n{' ' * inner}- {_entry(key, entry, inner + 2)}" for entry in value)
    return f" {_flow(value)}"


def _entry(key: str, value: Any, indent: int) -> str:
    """Return an entry of a list: floors and zones on lines of their own, anything else on one line."""
    if key not in {"floors", "zones"}:
        return _flow(value)
    return f"\n{' ' * indent}".join(f"{name}:{_block(name, part, indent)}" for name, part in value.items())


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(part)}' for key, part in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(_flow(part) for part in value)}]"
    return scalar_text(value)
