"""Sheets of QR codes as a printer and a telephone get them: real paint, a real decoder, no code cut in two."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import zxingcpp

from plekvrij.cli import main
from tests.accessibility import broken_rules

PLAN = Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml"
#: A4 without its margins, CSS pixels.
PAPER = (718, 1046)
URL = "https://plekken.raadhuis.example"


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("qr") / "sheets.html"
    assert main(["qr", str(PLAN), "--url", f"{URL}/", "--out", str(out), "--floor", "f3"]) == 0
    return out


def grey(png: bytes) -> memoryview:
    """Return the first channel of an 8-bit PNG as rows of pixels (PNG specification, filters 0-4)."""
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    step = {0: 1, 2: 3, 6: 4}[colour]
    at, packed = 8, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        packed += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw, stride = zlib.decompress(packed), width * step
    above, pixels = bytearray(stride), bytearray()
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        _unfilter(raw[start], line, above, step)
        pixels += line[::step]
        above = line
    return memoryview(bytes(pixels)).cast("B", (height, width))


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    for x in range(len(line)):
        left, up = (line[x - step] if x >= step else 0), above[x]
        corner = above[x - step] if x >= step else 0
        guess = left + up - corner
        nearest = min((left, up, corner), key=lambda one: abs(guess - one))
        line[x] = (line[x] + (0, left, up, (left + up) // 2, nearest)[kind]) & 255


def test_each_code_leads_to_the_desk_page_of_the_place_beside_it(sheet: Path, pages: Any, shoot: Any) -> None:
    page = pages.open(sheet.as_uri(), size=PAPER)
    page.emulate_media(media="print")
    cards = page.locator(".card")
    assert cards.count() == 65
    shoot(page, "qr_sheet")
    read = {}
    for number in (0, 7, 64):
        card = cards.nth(number)
        label = card.locator("h2").inner_text()
        card.locator("svg").scroll_into_view_if_needed()
        (found,) = zxingcpp.read_barcodes(grey(card.locator("svg").screenshot()))
        assert str(found.format) in {"QR Code", "QRCode", "BarcodeFormat.QRCode"}
        read[label] = found.text
    assert read["3.S01"] == f"{URL}/desk/3-S01"
    assert {label: text.rpartition("/")[2] for label, text in read.items()} == {
        label: label.replace(".", "-") for label in read
    }
    first = cards.first.inner_text()
    assert "Samenwerken" in first
    assert "Collaborate" in first
    assert "Scan de code" in first
    assert "Scan the code" in first


def test_the_address_of_every_card_is_that_of_a_place(sheet: Path, example_plan: Any) -> None:
    said = re.findall(r'aria-label="(https://[^"]+)"', sheet.read_text("utf-8"))
    places = [place for zone in example_plan.floor["f3"].zones for place in zone.places]
    assert said == [f"{URL}/desk/{place.id}" for place in places]


def test_paper_holds_eight_whole_cards_a_page(sheet: Path, pages: Any) -> None:
    """A page of paper per page of cards: had a card not fitted, it would have begun another sheet."""
    page = pages.open(sheet.as_uri(), size=PAPER)
    page.emulate_media(media="print")
    assert (
        page.locator(".card [lang=en]").first.evaluate("e => getComputedStyle(e).color") == "rgb(74, 88, 104)"
    )
    sections = page.locator("section")
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.card')].flatMap(card => {
            const c = card.getBoundingClientRect();
            return [...card.querySelectorAll('svg, h2, p')].filter(e => {
                const r = e.getBoundingClientRect();
                return r.top < c.top || r.bottom > c.bottom + 1 || r.right > c.right + 1;
            }).map(e => e.textContent);
        })"""
    )
    assert cut == []
    assert broken_rules(page) == []
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == sections.count() == 9
    assert page.locator(".card svg").first.bounding_box()["width"] == pytest.approx(40 / 25.4 * 96, abs=0.5)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        pytest.param(["--url", "plekken.example"], "https://", id="an address without its scheme"),
        pytest.param(["--url", "https://a.example/?x=1"], "https://", id="with a query"),
        pytest.param(["--url", "https://me:secret@a.example"], "printed", id="with a password"),
        pytest.param(["--url", f"https://{'a' * 150}.example"], "shorter", id="too long to be read"),
        pytest.param(["--url", URL, "--floor", "f9"], "f0, f1, f2, f3, f4", id="a floor that is not there"),
    ],
)
def test_what_cannot_be_printed_is_refused_with_a_hint(
    arguments: list[str], hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["qr", str(PLAN), "--out", str(tmp_path / "x.html"), *arguments]) == 2
    assert hint in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()
