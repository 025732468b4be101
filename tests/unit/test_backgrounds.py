"""What lies under a floor is made harmless: known by its bytes, drawn and nothing else."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.plan_editor.background import (
    MOST_BYTES,
    BackgroundFolder,
    BackgroundRefused,
    laid_on,
    made_harmless,
)

SVG = "http://www.w3.org/2000/svg"


def svg(inside: str, attributes: str = 'viewBox="0 0 40 24"') -> bytes:
    return (
        f'<?xml version="1.0"?><svg xmlns="{SVG}" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>'
        f"{inside}</svg>"
    ).encode()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 4, height: int = 2, *extra: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\x00" + bytes(width) for _ in range(min(height, 8)))
    parts = [chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(*extra: bytes) -> bytes:
    frame = segment(0xC0, struct.pack(">BHHB", 8, 30, 50, 1) + b"\x01\x11\x00")
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0")
        + b"".join(extra)
        + frame
        + segment(0xDA, b"\0" * 6)
        + b"xx\xff\xd9"
    )


def test_a_drawing_keeps_what_draws() -> None:
    inside = (
        '<style>.a{fill:#fff}</style><defs><g id="w"><path class="a" d="M0 0h4"/></g></defs>'
        '<use xlink:href="#w" x="3"/><text x="1" y="2">Zaal &amp; hal</text>'
        '<rect width="3" height="2" style="fill:url(#p);stroke:red" clip-path="url(#c)"/>'
    )
    picture = made_harmless(svg(inside))
    assert (picture.media_type, picture.width, picture.height) == ("image/svg+xml", 40.0, 24.0)
    text = picture.content.decode()
    for kept in (".a{fill:#fff}", 'href="#w"', "Zaal &amp; hal", "fill:url(#p)", 'clip-path="url(#c)"'):
        assert kept in text


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<script xlink:href="https://evil.example/x.js"/>',
        '<g onclick="alert(1)" onload="alert(1)"/>',
        '<a xlink:href="javascript:alert(1)"><text>x</text></a>',
        '<image xlink:href="https://evil.example/x.png"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        '<use xlink:href="https://evil.example/x.svg#a"/>',
        '<use href="  https://evil.example/x.svg#a"/>',
        "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>evil<script>alert(1)</script></body></foreignObject>",
        '<style>@import "https://evil.example/x.css";</style>',
        "<style>.a{background:url(https://evil.example/x)}</style>",
        "<style>.a{background:u\\72l(//evil.example)}</style>",
        '<rect style="fill:url(https://evil.example/x)"/>',
        '<rect style="fill:url(\'https://evil.example/x\'"/>',
        '<rect fill="url( //evil.example/x )"/>',
        '<set attributeName="href" to="javascript:alert(1)"/>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        '<metadata><creator>evil person</creator></metadata>',
        '<title>evil person</title>',
        '<g xml:base="https://evil.example/"/>',
    ],
)  # fmt: skip
def test_a_drawing_loses_what_acts_or_fetches(inside: str) -> None:
    text = made_harmless(svg(inside + '<path d="M0 0h1"/>')).content.decode()
    assert 'd="M0 0h1"' in text, "the rest is drawn"
    for word in ("evil", "script", "alert", "onclick", "onload", "http:", "https:", "import", "data:"):
        assert word not in text.replace(f'xmlns="{SVG}"', ""), word
    ElementTree.fromstring(text)  # noqa: S314 - our own output


def test_entities_are_refused_before_they_grow() -> None:
    bomb = (
        b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
        + svg("<text>&b;</text>").split(b"?>")[1]
    )
    with pytest.raises(BackgroundRefused) as refused:
        made_harmless(bomb)
    assert refused.value.code == "entities"


def test_a_doctype_without_entities_is_fine() -> None:
    text = (
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    )
    assert made_harmless(text + svg('<path d="M1 1"/>').split(b"?>")[1]).width == 40


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unknown_kind"),
        (b"GIF89a....", "unknown_kind"),
        (b"<html><body>x</body></html>", "unknown_kind"),
        (b"<svg>", "unknown_kind"),
        (svg("<g>"), "broken"),
        (svg("", 'viewBox="0 0 0 4"'), "broken"),
        (png()[:-6], "broken"),
        (png()[:40] + b"\x00" + png()[41:], "broken"),
        (png(60_000, 60_000), "too_large"),
        (jpeg()[:-3], "broken"),
        (b"\xff\xd8\xff\xe0\x00", "broken"),
        (b"x" * (MOST_BYTES + 1), "too_large"),
        (svg("<g/>" * 100_001), "too_many"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_background_is_refused_with_its_reason(data: bytes, code: str) -> None:
    with pytest.raises(BackgroundRefused) as refused:
        made_harmless(data)
    assert refused.value.code == code


def test_pictures_lose_what_they_tell_of_people() -> None:
    picture = made_harmless(png(4, 2, chunk(b"tEXt", b"Author\0somebody"), chunk(b"eXIf", b"somewhere")))
    assert (picture.media_type, picture.width, picture.height) == ("image/png", 4, 2)
    assert picture.content == png(4, 2)
    photo = made_harmless(jpeg(segment(0xE1, b"Exif\0\0somewhere"), segment(0xFE, b"somebody")))
    assert (photo.media_type, photo.width, photo.height) == ("image/jpeg", 50, 30)
    assert photo.content == jpeg()


@given(
    data=st.binary(max_size=300), head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"<svg"])
)
def test_no_bytes_make_it_fail_otherwise(data: bytes, head: bytes) -> None:
    with suppress(BackgroundRefused):
        assert made_harmless(head + data).width > 0


def test_a_floor_keeps_one_background_and_how_it_lies(tmp_path: Path) -> None:
    folder = BackgroundFolder(tmp_path / "b")
    assert folder.laid("f1") is None
    picture = made_harmless(svg('<path d="M1 1"/>'))
    laid = laid_on(picture, 80.0)
    assert (laid.width_m, laid.height_m) == (80.0, 48.0)
    folder.put("f1", laid, picture.content)
    assert folder.laid("f1") == laid
    assert folder.content("f1", laid) == picture.content
    folder.remove("f1")
    assert folder.laid("f1") is None
    assert list((tmp_path / "b").iterdir()) == []
