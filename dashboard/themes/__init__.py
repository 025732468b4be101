"""Colours and font of a municipality, from a file of design tokens in the way of the NL Design System.

Only what carries no meaning can be changed: page, cards, ink, brand and font, by day. What says *free*, *in use* or
*may be used* is the same in every town hall, and so is the night. A theme in which anything is hard to read is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workplace.errors import SettingInvalid

_HERE = Path(__file__).parent
#: Token of the NL Design System -> our style variable. Of each scale the design system itself promises 4.5:1 between
#: every `color-*` and every `bg-*`; the brand is therefore its ink as a ground.
COLOUR_TOKENS: Mapping[str, str] = {
    "basis.color.action-1.color-default": "brand",
    "basis.color.action-1.bg-document": "on-brand",
    "basis.color.default.bg-subtle": "page",
    "basis.color.default.bg-document": "card",
    "basis.color.default.color-document": "ink",
    "basis.color.default.color-subtle": "ink-2",
}
FONT_TOKEN = "basis.text.font-family.default"  # noqa: S105 - a design token
#: The day of `static/tokens.css`, where a theme may change something or must stay readable.
DAY: Mapping[str, str] = {
    "page": "#edf0f5", "card": "#ffffff", "brand": "#12263f", "on-brand": "#ffffff", "ink": "#0c1a2b",
    "ink-2": "#4a5868", "zone": "#f1f4f9", "free": "#0b5cc4", "on-free": "#ffffff", "held": "#6e7987",
    "over": "#c2410c", "over-soft": "#fdeee4", "unknown": "#5b6573", "warn": "#ffc61a", "on-warn": "#1a1300",
    "old": "#858e99", "wall": "#2f445b",
}  # fmt: skip
#: Text and its ground, WCAG 2.2 1.4.3.
TEXT_PAIRS = (
    ("ink", "page"), ("ink", "card"), ("ink", "zone"), ("ink-2", "page"), ("ink-2", "card"), ("ink-2", "zone"),
    ("on-brand", "brand"), ("free", "page"), ("free", "card"), ("over", "card"), ("over", "over-soft"),
    ("on-free", "free"), ("on-warn", "warn"), ("brand", "card"),
)  # fmt: skip
#: Shapes, and figures of more than 24 px, and their ground, WCAG 2.2 1.4.11 and 1.4.3.
SHAPE_PAIRS = (
    ("free", "zone"), ("held", "zone"), ("held", "card"), ("over", "zone"), ("unknown", "zone"),
    ("unknown", "card"), ("old", "card"), ("wall", "card"), ("wall", "zone"),
)  # fmt: skip
TEXT_CONTRAST, SHAPE_CONTRAST = 4.5, 3.0
_MOST_BYTES = 2_000_000
_DEEPEST_REFERENCE = 10
_REFERENCE = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
_HEX = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*\)")
_FONT = re.compile(r"[A-Za-z0-9 ,\"'_-]{1,300}")


@dataclass(frozen=True, slots=True)
class Theme:
    """A checked theme; `colours` are the style variables that it changes, as `#rrggbb`."""

    name: str
    colours: Mapping[str, str]
    font: str | None

    @property
    def css(self) -> str:
        """Return the style sheet, read after ours: colours for the day alone, the font always."""
        colours = "".join(f"--wp-{name}:{value};" for name, value in sorted(self.colours.items()))
        font = "" if self.font is None else f":root{{--wp-font:{self.font},sans-serif}}"
        return f":root:not(.night){{{colours}}}{font}\n"


def shipped() -> list[str]:
    """Return the names of the themes that come along."""
    return sorted(file.stem for file in _HERE.glob("*.json"))


def read_theme(name: str) -> Theme:
    """Return the theme of this name, or of this file of design tokens.

    Raises:
        SettingInvalid: names every mistake: no such file, no token that we know, a colour that we cannot read, or two
            that are hard to tell apart.
    """
    file = _HERE / f"{name}.json" if name in shipped() else Path(name)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise SettingInvalid(f"theme {file} is larger than 2 MB; give a file of design tokens")
        tokens = dict(_tokens(json.loads(file.read_text("utf-8"))))
    except OSError as error:
        known = ", ".join(shipped())
        raise SettingInvalid(
            f"theme {name}: {error.strerror}; give a JSON file, or one of: {known}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise SettingInvalid(f"theme {file} is not JSON: {error}") from error
    theme, mistakes = _theme_of(file.stem, tokens)
    if not mistakes:
        mistakes = list(unreadable({**DAY, **theme.colours}))
    if not mistakes and not theme.colours and theme.font is None:
        known = ", ".join([*COLOUR_TOKENS, FONT_TOKEN])
        mistakes = [f"no token that we use; give at least one of {known}"]
    if mistakes:
        raise SettingInvalid("\n".join(f"theme {file}: {mistake}" for mistake in mistakes))
    return theme


def unreadable(colours: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with a whole palette, a sentence for each pair."""
    token_of = {ours: token for token, ours in COLOUR_TOKENS.items()}
    for pairs, least in ((TEXT_PAIRS, TEXT_CONTRAST), (SHAPE_PAIRS, SHAPE_CONTRAST)):
        for front, ground in pairs:
            found = contrast(colours[front], colours[ground])
            if found < least:
                one, other = (
                    f"{token_of.get(side, f'our colour {side}')} {colours[side]}" for side in (front, ground)
                )
                yield f"{one} on {other} has contrast {found:.2f}; it needs {least:g}, make one lighter or darker"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours `#rrggbb`, 1 to 21 (WCAG 2.2, contrast ratio)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _tokens(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of every token, in the form of the Design Tokens Community Group or of Style Dictionary."""
    if not isinstance(node, dict):
        return
    for key in ("$value", "value"):
        if key in node and not isinstance(node[key], dict):
            yield path, node[key]
            return
    if isinstance(node.get("$value"), dict):
        yield path, node["$value"].get("hex")
        return
    for name, child in node.items():
        yield from _tokens(child, f"{path}.{name}" if path else str(name))


def _theme_of(name: str, tokens: Mapping[str, Any]) -> tuple[Theme, list[str]]:
    colours: dict[str, str] = {}
    mistakes: list[str] = []
    font: str | None = None
    for token in (*COLOUR_TOKENS, FONT_TOKEN):
        if token not in tokens:
            continue
        value = _resolve(tokens, token)
        if value is None:
            mistakes.append(f"{token} refers to a token that is not there, or to itself")
        elif token == FONT_TOKEN:
            font = (
                ", ".join(value)
                if isinstance(value, list) and all(isinstance(v, str) for v in value)
                else value
            )
            if (
                not isinstance(font, str)
                or not _FONT.fullmatch(font)
                or font.count('"') % 2
                or font.count("'") % 2
            ):
                mistakes.append(f'{token} is {value!r}; write names of fonts, such as "Open Sans", Arial')
        else:
            colour = _colour(value)
            if colour is None:
                mistakes.append(f"{token} is {value!r}; write a colour as #rrggbb or rgb(1, 2, 3)")
            else:
                colours[COLOUR_TOKENS[token]] = colour
    return Theme(name, colours, font), mistakes


def _resolve(tokens: Mapping[str, Any], token: str) -> Any:
    """Return the value behind references like `{basis.color.blue}`, None when there is no end to them."""
    value = tokens[token]
    for _ in range(_DEEPEST_REFERENCE):
        reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if reference is None:
            return value
        value = tokens.get(reference[1])
    return None


def _colour(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    found = _HEX.fullmatch(text)
    if found:
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return f"#{digits.lower()}"
    numbers = _RGB.fullmatch(text)
    if numbers is None or any(int(part) > 255 for part in numbers.groups()):
        return None
    return "#" + "".join(f"{int(part):02x}" for part in numbers.groups())
