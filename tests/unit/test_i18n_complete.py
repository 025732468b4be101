"""Both languages are whole: nothing untranslated, nothing doubtful, nothing left over."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from dashboard import i18n

PACKAGE = Path(i18n.__file__).parents[1]
KEYWORDS = {"_": None, "N_": None, "said": None, "second": None}
FIELD = re.compile(r"\{[a-z]+\}")


@cache
def in_code() -> dict[str, str]:
    """Every text that pages can say, with where it stands."""
    found = extract_from_dir(
        str(PACKAGE),
        method_map=[("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")],
        keywords=KEYWORDS,
    )
    return {str(message): f"{file}:{line}" for file, line, message, _, _ in found}


@cache
def dutch() -> dict[str, str]:
    with (PACKAGE / "i18n" / "nl.po").open("rb") as file:
        catalogue = read_po(file, locale="nl")
    assert not [message.id for message in catalogue if message.id and message.fuzzy]
    assert not catalogue.obsolete
    return {str(message.id): str(message.string) for message in catalogue if message.id}


def test_every_text_has_a_dutch_translation() -> None:
    missing = {text: where for text, where in in_code().items() if not dutch().get(text)}
    assert missing == {}


def test_the_catalogue_holds_nothing_that_no_page_says() -> None:
    assert set(dutch()) - set(in_code()) == set()


def test_translations_keep_the_fields_to_fill_in() -> None:
    wrong = [
        text for text, said in dutch().items() if sorted(FIELD.findall(text)) != sorted(FIELD.findall(said))
    ]
    assert wrong == []


def test_the_fixed_words_of_the_states_are_the_agreed_ones() -> None:
    said = i18n.words("nl")
    assert [
        said(text) for text in ("free", "in use", "just left", "may be used", "unknown", "fixed place")
    ] == [
        "vrij",
        "in gebruik",
        "net verlaten",
        "mag gebruikt worden",
        "onbekend",
        "vaste plek",
    ]


@pytest.mark.parametrize(
    ("query", "cookie", "accept", "then"),
    [
        pytest.param("en", "nl", "nl", "en", id="the address decides first"),
        pytest.param(None, "en", "nl", "en", id="then the cookie"),
        pytest.param(None, None, "de-DE,en-GB;q=0.8,nl;q=0.6", "en", id="then what the browser likes best"),
        pytest.param(None, None, "nl-NL,nl;q=0.9,en;q=0.8", "nl", id="a Dutch browser gets Dutch"),
        pytest.param(None, None, "fr", "nl", id="without a wish we speak Dutch"),
        pytest.param("xx", "yy", "en;q=0", "nl", id="nonsense is ignored"),
        pytest.param(None, None, "en;q=nonsense, ,;", "nl", id="a broken header is survived"),
    ],
)
def test_choice_of_language(query: str | None, cookie: str | None, accept: str | None, then: str) -> None:
    assert i18n.choose(query, cookie, accept) == then
