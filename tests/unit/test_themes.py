"""Themes: what may change, that everything stays readable, and what is said of a bad file."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dashboard
from dashboard.themes import (
    COLOUR_TOKENS,
    DAY,
    FONT_TOKEN,
    SHAPE_CONTRAST,
    SHAPE_PAIRS,
    TEXT_CONTRAST,
    TEXT_PAIRS,
    contrast,
    read_theme,
    shipped,
    unreadable,
)
from workplace.errors import SettingInvalid

SHEET = (Path(dashboard.__file__).parent / "static" / "tokens.css").read_text("utf-8")


def palette(selector: str) -> dict[str, str]:
    """Return the colours of one rule of the sheet, as #rrggbb."""
    rule = SHEET.split(f"{selector} {{")[1].split("}")[0]
    found = re.findall(r"--wp-([a-z0-9-]+):\s*#([0-9a-f]{3,6});", rule)
    return {name: "#" + (hex_ if len(hex_) == 6 else "".join(2 * x for x in hex_)) for name, hex_ in found}


def tokens(**given: str) -> dict[str, Any]:
    """Return a file of design tokens: `page="#fff"` sets what our page is made of."""
    token_of = {ours.replace("-", "_"): token for token, ours in COLOUR_TOKENS.items()} | {"font": FONT_TOKEN}
    root: dict[str, Any] = {}
    for name, value in given.items():
        node = root
        for part in token_of[name].split("."):
            node = node.setdefault(part, {})
        node["$value"] = value
    return root


def written(folder: Path, content: Any) -> str:
    file = folder / "ours.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return str(file)


# --- readable


def test_the_day_of_the_sheet_is_the_one_that_themes_are_measured_with() -> None:
    day = palette(":root")
    assert {name: day[name] for name in DAY} == dict(DAY)


@pytest.mark.parametrize(("front", "ground"), TEXT_PAIRS)
def test_text_is_readable_by_day(front: str, ground: str) -> None:
    assert contrast(DAY[front], DAY[ground]) >= TEXT_CONTRAST


@pytest.mark.parametrize(("front", "ground"), SHAPE_PAIRS)
def test_shapes_are_seen_by_day(front: str, ground: str) -> None:
    assert contrast(DAY[front], DAY[ground]) >= SHAPE_CONTRAST


def test_everything_is_readable_at_night() -> None:
    night = {**palette(":root"), **palette(".night")}
    for pairs, least in ((TEXT_PAIRS, TEXT_CONTRAST), (SHAPE_PAIRS, SHAPE_CONTRAST)):
        for front, ground in pairs:
            if front == "brand":  # a tab of the staff pages, which have no night
                continue
            assert contrast(night[front], night[ground]) >= least, (front, ground)


@pytest.mark.parametrize("name", shipped())
def test_the_themes_that_come_along_are_sound(name: str) -> None:
    theme = read_theme(name)
    assert set(theme.colours) == set(COLOUR_TOKENS.values())
    assert list(unreadable({**DAY, **theme.colours})) == []


@given(
    colours=st.dictionaries(
        st.sampled_from(sorted(COLOUR_TOKENS.values())),
        st.from_regex(r"#[0-9a-f]{6}", fullmatch=True),
        min_size=1,
    )
)
def test_a_theme_is_taken_only_when_every_pair_is_readable(
    colours: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = written(
        tmp_path_factory.getbasetemp(),
        tokens(**{name.replace("-", "_"): hex_ for name, hex_ in colours.items()}),
    )
    whole = {**DAY, **colours}
    bad = [pair for pair in TEXT_PAIRS if contrast(whole[pair[0]], whole[pair[1]]) < TEXT_CONTRAST]
    bad += [pair for pair in SHAPE_PAIRS if contrast(whole[pair[0]], whole[pair[1]]) < SHAPE_CONTRAST]
    if not bad:
        assert read_theme(file).colours == colours
        return
    with pytest.raises(SettingInvalid) as refused:
        read_theme(file)
    assert len(str(refused.value).splitlines()) == len(bad)


def test_contrast_is_that_of_the_standard() -> None:
    # WebAIM's examples: black on white 21, #767676 on white 4.54
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)


# --- forms of a file


def test_references_old_values_and_other_spellings_are_read(tmp_path: Path) -> None:
    content = {
        "basis": {
            "color": {
                "action-1": {"color-default": {"value": "{town.blue}"}},
                "default": {
                    "color-document": {
                        "$value": {"colorSpace": "srgb", "components": [0, 0, 0], "hex": "#101010"}
                    },
                    "color-subtle": {"value": "rgb(64, 64, 64)"},
                    "bg-document": {"$value": "#FFF"},
                },
            },
            "text": {"font-family": {"default": {"$value": ["Open Sans", "Arial"]}}},
        },
        "town": {"blue": {"value": "{town.navy}"}, "navy": {"value": "#102a54"}},
        "$metadata": {"tokenSetOrder": ["x"]},
    }
    theme = read_theme(written(tmp_path, content))
    assert theme.colours == {"brand": "#102a54", "ink": "#101010", "ink-2": "#404040", "card": "#ffffff"}
    assert theme.font == "Open Sans, Arial"
    assert theme.css == (
        ":root:not(.night){--wp-brand:#102a54;--wp-card:#ffffff;--wp-ink:#101010;--wp-ink-2:#404040;}"
        ":root{--wp-font:Open Sans, Arial,sans-serif}\n"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("{", "is not JSON", id="a torn file"),
        pytest.param("[" * 100_000, "is not JSON", id="a file without an end"),
        pytest.param(
            {"basis": {}}, "no token that we use; give at least one of basis.color", id="an empty theme"
        ),
        pytest.param([1], "no token that we use", id="no object at all"),
        pytest.param(tokens(page="blue"), "write a colour as #rrggbb", id="a word for a colour"),
        pytest.param(tokens(page="rgb(1, 2, 300)"), "write a colour as #rrggbb", id="a colour beyond white"),
        pytest.param(tokens(page="{nowhere}"), "refers to a token that is not there", id="a loose reference"),
        pytest.param(
            tokens(page="{basis.color.default.bg-subtle}"), "or to itself", id="a reference in a circle"
        ),
        pytest.param(tokens(font="Arial;}*{color:red"), "write names of fonts", id="style code for a font"),
        pytest.param(tokens(font='"Open Sans'), "write names of fonts", id="an open quotation mark"),
        pytest.param(
            tokens(ink="#888888"),
            "color-document #888888 on basis.color.default.bg-subtle #edf0f5 has contrast 3.10; it needs 4.5",
            id="ink that is hard to read",
        ),
        pytest.param(tokens(card="#c2410c"), "our colour over", id="a card in the colour of a warning"),
    ],
)
def test_a_bad_file_gets_a_clear_error(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(SettingInvalid, match=re.escape(says)):
        read_theme(written(tmp_path, content))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid) as refused:
        read_theme(written(tmp_path, tokens(page="blue", card="white", font=";")))
    assert len(str(refused.value).splitlines()) == 3


def test_a_missing_file_names_the_themes_that_there_are() -> None:
    with pytest.raises(SettingInvalid, match="one of: neutral"):
        read_theme("nowhere.json")


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_bad_theme_stops_a_site_before_it_starts(tmp_path: Path, command: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    file = written(tmp_path, tokens(page="blue"))
    words = [command, "--data", str(tmp_path / "site"), "--port", port, "--theme", file]
    done = subprocess.run(
        [sys.executable, "-m", "plekvrij", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "write a colour as #rrggbb" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "site" / "site.db").exists()
