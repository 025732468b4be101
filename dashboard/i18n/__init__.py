"""Words in two languages. English sentences stand in the code, Dutch ones in `nl.po`; no build step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from babel.messages.pofile import read_po

from workplace.plan_file import Text

Language = Literal["nl", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("nl", "en")
#: A Dutch town hall speaks Dutch unless asked otherwise.
DEFAULT_LANGUAGE: Final[Language] = "nl"
LANGUAGE_COOKIE: Final = "plekvrij_lang"

_FOLDER = Path(__file__).parent
_ACCEPTED = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q\s*=\s*([0-9.]+))?\s*")


def N_(text: str) -> str:  # noqa: N802 - the name gettext tools look for
    """Mark a text for translation where it is written; translate it where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Words:
    """All texts of one language. Call it with an English sentence."""

    language: Language
    _known: dict[str, str]

    def __call__(self, text: str) -> str:
        return self._known.get(text, text)

    def of(self, text: Text) -> str:
        """Return a name from the floor plan in this language."""
        return text.nl if self.language == "nl" else text.en


@cache
def words(language: Language) -> Words:
    """Return the texts of `language`, read once."""
    if language == "en":
        return Words("en", {})
    with (_FOLDER / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    return Words(language, {str(m.id): str(m.string) for m in catalogue if m.id and m.string and not m.fuzzy})


def as_language(text: str | None) -> Language | None:
    """Return `text` when it is one of ours."""
    return next((language for language in LANGUAGES if language == text), None)


def choose(query: str | None, cookie: str | None, accept: str | None) -> Language:
    """Return the language to speak: what the address says, else the cookie, else the browser's wish."""
    return as_language(query) or as_language(cookie) or _from_header(accept or "") or DEFAULT_LANGUAGE


def _from_header(header: str) -> Language | None:
    best: tuple[float, Language] | None = None
    for part in header.split(","):
        match = _ACCEPTED.fullmatch(part)
        language = as_language(match[1].lower()) if match else None
        if match is None or language is None:
            continue
        try:
            weight = float(match[2]) if match[2] else 1.0
        except ValueError:
            continue
        if weight > 0 and (best is None or weight > best[0]):
            best = (weight, language)
    return best[1] if best else None


Translate = Callable[[str], str]
