"""What a light code means and looks like is said once; every language of the firmware agrees."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest
import yaml

from firmware_bridge.dsp1.light_orders import COLOURS
from firmware_bridge.dsp1.messages import LIGHT_CODES
from firmware_bridge.firmware import light_tables
from simulators import dsp1_device, node_processes
from workplace.events import LightCode

ROOT = Path(__file__).parents[2]
CODES = light_tables.read_codes((light_tables.HERE / "light_codes.json").read_text("utf-8"))
WORDS = [row.word for row in CODES]


@pytest.mark.parametrize(
    ("file", "text"), light_tables.written_files().items(), ids=lambda value: str(value)[-24:]
)
def test_every_language_has_the_table_as_it_is(file: Path, text: str) -> None:
    assert file.read_text("utf-8") == text, "run: python -m firmware_bridge.firmware.light_tables"


def test_the_programs_use_the_same_codes() -> None:
    assert [row.code for row in CODES] == list(range(len(CODES)))
    assert {row.word: row.code for row in CODES} == LIGHT_CODES
    assert tuple(WORDS) == node_processes.LIGHTS == get_args(LightCode)
    assert len(CODES) == dsp1_device.LIGHT_CODES
    assert {row.code: row.rgb for row in CODES} == COLOURS


def test_the_specification_names_the_same_codes() -> None:
    text = (ROOT / "docs" / "reference" / "dsp1.md").read_text("utf-8")
    row = re.search(r"^\| `code` \| (.*) \|$", text, re.MULTILINE)
    assert row is not None
    assert row[1] == ", ".join(f"{row.code} {row.word.replace('_', ' ')}" for row in CODES)


def test_esphome_has_one_effect_per_lit_code() -> None:
    effects = yaml.safe_load((light_tables.HERE / "esphome" / "light_effects.yaml").read_text("utf-8"))
    assert [effect["strobe"]["name"] for effect in effects] == WORDS[1:]


def test_no_two_lights_differ_by_colour_alone() -> None:
    for one, other in combinations(CODES, 2):
        assert one.pattern_ms != other.pattern_ms, (one.word, other.word)


def test_no_light_flashes_more_than_three_times_a_second() -> None:
    """WCAG 2.2, 2.3.1: more than three flashes within a second may cause seizures."""
    for row in CODES:
        flashes, at = [], 0
        for index, ms in enumerate(row.pattern_ms * 3):
            if index % 2 == 0 and len(row.pattern_ms) > 1:
                flashes.append(at)
            at += ms
        for start in flashes:
            assert sum(start <= flash < start + 1000 for flash in flashes) <= 3, row.word
