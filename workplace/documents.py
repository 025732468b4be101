"""YAML documents with the line of every value, so that a mistake can be pointed at.

Pure: takes text, returns values. All mistakes of a file are collected before anybody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import msgspec
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a file: where, what, and what to write instead."""

    file: str
    line: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}; {self.instead}"


@dataclass(slots=True)
class Document:
    """A parsed YAML file.

    Attributes:
        file: name for messages.
        data: plain dicts, lists and scalars.
        lines: path of keys and indices -> line number, first line is 1.
    """

    file: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of `path`, or of the nearest parent that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def wrong(self, path: Path, what: str, instead: str) -> None:
        """Note a mistake at `path`."""
        self.mistakes.append(Mistake(self.file, self.line(path), what, instead))


class _Loader(yaml.SafeLoader):
    """Safe loader that leaves dates as text: one parser of dates is enough."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str, file: str) -> Document:
    """Return the document; a syntax error becomes its only mistake and `data` stays None."""
    document = Document(file)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            document.wrong((), "the file is empty", "start from the example in examples/")
            return document
        document.data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = 1 if mark is None else mark.line + 1
        document.mistakes.append(
            Mistake(
                file, line, f"this is not YAML: {error.problem}", "check indentation, colons and quotes here"
            )
        )
        return document
    finally:
        loader.dispose()
    for path, line in _lines(node, ()):
        document.lines.setdefault(path, line)
    _note_repeated_keys(document, node, ())
    return document


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _lines(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*path, index))


def _note_repeated_keys(document: Document, node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                document.mistakes.append(
                    Mistake(document.file, line, f"'{key.value}' stands here twice", "keep one of the two")
                )
            seen.add(key.value)
            _note_repeated_keys(document, value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note_repeated_keys(document, value, (*path, index))


def schema_of(shape: type) -> dict[str, Any]:
    """Return the JSON Schema of a document type."""
    return msgspec.json.schema(shape)


def check_shape(document: Document, shape: type) -> bool:
    """Note every difference between the document and the type; True when there is none."""
    before = len(document.mistakes)
    validator = Draft202012Validator(schema_of(shape))
    for error in sorted(validator.iter_errors(document.data), key=lambda e: list(map(str, e.absolute_path))):
        _note(document, error)
    return len(document.mistakes) == before


#: JSON Schema keyword -> what to write instead, given the keyword's value.
_INSTEAD: dict[str, Callable[[Any], str]] = {
    "enum": lambda allowed: f"write one of: {', '.join(map(str, allowed))}",
    "const": lambda allowed: f"write {allowed}",
    "type": lambda wanted: (
        f"write a value of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
    ),
    "minimum": lambda bound: f"write at least {bound}",
    "exclusiveMinimum": lambda bound: f"write more than {bound}",
    "maximum": lambda bound: f"write at most {bound}",
    "exclusiveMaximum": lambda bound: f"write less than {bound}",
    "pattern": lambda pattern: f"write something that matches {pattern}",
    "minLength": lambda bound: f"write at least {bound} characters",
    "maxLength": lambda bound: f"write at most {bound} characters",
    "minItems": lambda bound: f"write at least {bound} entries",
    "maxItems": lambda bound: f"write at most {bound} entries",
}


def _note(document: Document, error: ValidationError) -> None:
    if error.validator in {"anyOf", "oneOf"} and error.context:
        best = [e for e in error.context if e.validator != "type" or e.instance is not None]
        error = max(best or list(error.context), key=lambda e: len(e.absolute_path))
    path = tuple(error.absolute_path)
    rule: Any = error.validator_value
    instance: Any = error.instance
    keyword = str(error.validator)
    if keyword == "additionalProperties":
        schema: Any = error.schema
        allowed = sorted(schema.get("properties", {}))
        for key in sorted(set(instance) - set(allowed), key=str):
            near = get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            document.wrong(
                (*path, key), f"unknown setting '{key}'", f"{hint}use one of: {', '.join(allowed)}"
            )
    elif keyword == "required":
        for key in [key for key in rule if key not in instance]:
            document.wrong(path, f"'{key}' is missing", f"add a line '{key}: ...' here")
    elif keyword in _INSTEAD:
        name = str(path[-1]) if path else "the document"
        document.wrong(path, f"'{name}' is {instance!r}", _INSTEAD[keyword](rule))
    else:
        document.wrong(path, f"'{path[-1] if path else 'the document'}': {error.message}", "see examples/")
