"""The page of all files that people write, made from the JSON Schemas that check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_HEAD = """# Files that people write

Made by `python -m plekvrij.reference docs/reference`; a test keeps it current. `plekvrij check` tells every mistake
in them with its line. What has no default must be there. An editor that knows JSON Schema completes them as they
are typed.
"""


def files_page(schemas: Mapping[str, Schema]) -> str:
    """Return every field of every file.

    Args:
        schemas: name of the schema file beside this page -> schema with `title` and `$defs`.
    """
    lines = [_HEAD]
    for name, schema in schemas.items():
        lines += [f"## {schema['title'].removeprefix('Plekvrij ').capitalize()}", ""]
        lines += [f"Schema: [{name}]({name}).", ""]
        for key, shape in schema["$defs"].items():
            lines += _shape(key, shape)
    return "\n".join(lines)


def _shape(name: str, shape: Schema) -> Iterator[str]:
    yield from (f"### {name}", "")
    if said := shape.get("description"):
        yield from (" ".join(said.split("Attributes:")[0].split()), "")
    if not shape.get("properties"):
        return
    yield from ("| field | what may stand there | default |", "|--|--|--|")
    needed = set(shape.get("required", ()))
    for field, allowed in shape["properties"].items():
        default = "" if field in needed else _default(allowed)
        yield f"| `{field}` | {_cell(meaning(allowed))} | {default} |"
    yield ""


def meaning(schema: Schema) -> str:
    """Return what a schema allows, in words."""
    for kind, say in _SAYERS:
        if kind in schema:
            return say(schema)
    if schema.get("format") == "date-time":
        return "time"
    named: str = schema.get("type", "anything")
    if named == "array":
        return _list(schema)
    if named == "object":
        return f"names, each with {meaning(schema.get('additionalProperties') or {})}"
    return f"{_WORDS.get(named, named)}{_limits(schema)}"


def _list(schema: Schema) -> str:
    if "prefixItems" in schema:
        return "list: " + ", ".join(meaning(one) for one in schema["prefixItems"])
    return f"list of {meaning(schema['items'])}" if schema.get("items") else "list"


def _reference(schema: Schema) -> str:
    name = schema["$ref"].rsplit("/", 1)[-1]
    return f"[{name}](#{name.lower()})"


_WORDS = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "null": "nothing"}
_SAYERS = (
    ("$ref", _reference),
    ("enum", lambda schema: ", ".join(f"`{one}`" for one in schema["enum"])),
    ("const", lambda schema: f"`{schema['const']}`"),
    ("anyOf", lambda schema: " or ".join(meaning(one) for one in schema["anyOf"])),
)


def _limits(schema: Schema) -> str:
    said = [
        f"{word} {schema[key]:g}"
        for key, word in (
            ("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]  # fmt: skip
    if "pattern" in schema:
        said.append(f"as `{schema['pattern']}`")
    return f", {' '.join(said)}" if said else ""


def _default(schema: Schema) -> str:
    if "default" not in schema:
        return "its own defaults"
    default = schema["default"]
    if default is None or default in ([], {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
