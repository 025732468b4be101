"""The TOML file of a gateway: every mistake at once, each with its line. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import msgspec

from gateway.settings import GatewaySettings
from gateway.settings_sense import nonsense
from workplace.documents import Document, Mistake, Path, check_shape
from workplace.errors import DocumentInvalid

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = re.compile(rf"\s*(?P<open>\[\[?)\s*(?P<keys>{_KEYS})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*(?P<keys>{_KEYS})\s*=(?P<value>.*)")
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)")
#: What a line can hold without opening or closing a value: whole strings, then remarks.
_CLOSED = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*')


def load(text: str, file: str) -> GatewaySettings:
    """Return the settings.

    Raises:
        DocumentInvalid: with every mistake, each with its line and what to write instead.
    """
    settings, mistakes = check(text, file)
    if settings is None:
        raise DocumentInvalid(tuple(mistakes))
    return settings


def check(text: str, file: str) -> tuple[GatewaySettings | None, list[Mistake]]:
    """Return the settings, None when there is a mistake, and all mistakes in the order of the file."""
    document = _parse(text, file)
    settings: GatewaySettings | None = None
    if document.data is not None and check_shape(document, GatewaySettings):
        try:
            settings = msgspec.convert(document.data, GatewaySettings)
        except msgspec.ValidationError as error:  # stricter than its schema
            document.wrong((), str(error), "correct this value")
        else:
            for mistake in nonsense(settings):
                document.wrong(*mistake)
    mistakes = sorted(document.mistakes, key=lambda mistake: mistake.line)
    return (None if mistakes else settings), mistakes


def _parse(text: str, file: str) -> Document:
    document = Document(file)
    try:
        document.data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        what = f"this is not TOML: {_PLACE.sub('', str(error))}"
        document.mistakes.append(Mistake(file, line, what, "check quotes, brackets and '=' here"))
        return document
    for path, line in _lines(text):
        document.lines.setdefault(path, line)
    return document


def _lines(text: str) -> Iterator[tuple[Path, int]]:
    """Yield the path and line of every table and key of sound TOML; keys of inline tables stay with their line."""
    table: Path = ()
    counts: dict[Path, int] = {}
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line
        if not depth and not quote:
            head, assignment = _TABLE.match(line), _ASSIGNMENT.match(line)
            if head is not None:
                table = _split(head["keys"])
                yield table, number
                if head["open"] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    table = (*table, counts[table])
                    yield table, number
                continue
            if assignment is None:
                continue
            keys = _split(assignment["keys"])
            for end in range(1, len(keys) + 1):
                yield (*table, *keys[:end]), number
            rest = assignment["value"]
        depth, quote = _open_after(rest, depth, quote)


def _split(keys: str) -> Path:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, keys))


def _open_after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return how many brackets, and which long string, are still open at the end of a line."""
    while True:
        if quote:
            _, found, line = line.partition(quote)
            if not found:
                return depth, quote
            quote = ""
        match = _CLOSED.search(line)
        plain = line if match is None else line[: match.start()]
        depth += sum(plain.count(sign) for sign in "[{") - sum(plain.count(sign) for sign in "]}")
        if match is None or match[0].startswith("#"):
            return depth, ""
        quote = match[0] if match[0] in ('"""', "'''") else ""
        line = line[match.end() :]
