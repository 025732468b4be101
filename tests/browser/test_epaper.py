"""The wall on e-paper, as a page and as a picture: what it says live, full, old, at lunch and in both languages."""

from __future__ import annotations

import io
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from dashboard.wall.epaper import SIZES
from dashboard.wall.epaper_png import Row, Sheet, draw
from dashboard.wall.screen_links import ScreenLinks, add_screen, withdraw_screen
from tests.accessibility import broken_rules

Shoot = Callable[..., None]
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def hall(served: Any, data: Path) -> Iterator[Any]:
    with served(screens=ScreenLinks(data)) as made:
        yield made


@pytest.fixture
def site(hall: Any) -> Any:
    """The town hall, each test a minute after the one before, so that no picture of that one is shown."""
    hall.clock.at += timedelta(minutes=1)
    hall.calendar.clear()
    hall.muted.clear()
    hall.fill()
    hall.speak()
    hall.tell()
    return hall


def fetch(url: str, **headers: str) -> tuple[int, Any, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def picture(site: Any, query: str = "") -> Image.Image:
    status, headers, body = fetch(f"{site.url}/wall/f3/epaper.png?{query}")
    assert (status, headers["content-type"]) == (200, "image/png")
    return Image.open(io.BytesIO(body))


def keep(image: Image.Image, name: str, folder: Any) -> None:
    if folder:
        image.save(Path(folder) / f"{name}.png")


@pytest.fixture
def folder() -> str | None:
    """Where pictures are kept for people to look at."""
    return os.environ.get("PLEKVRIJ_SCREENSHOTS")


def share_black(image: Image.Image, box: tuple[float, float, float, float]) -> float:
    """Return which part of a box, in shares of the picture, is black."""
    width, height = image.size
    part = image.convert("L").crop(
        (int(box[0] * width), int(box[1] * height), int(box[2] * width), int(box[3] * height))
    )
    return sum(part.histogram()[:128]) / (part.width * part.height)


# --- the page


@pytest.mark.parametrize(
    ("size", "lang"),
    [((800, 480), "nl"), ((1200, 825), "en"), ((480, 800), "nl"), ((390, 844), "en"), ((1920, 1080), "nl")],
)
def test_the_page_is_whole_without_a_script_and_comes_back_by_itself(
    site: Any, pages: Any, shoot: Shoot, size: tuple[int, int], lang: str
) -> None:
    site.set_zone("3-stilte", "in_use")
    site.set_zone("3-ontmoeten", "in_use", but=3, other="reclaimable")
    site.tell()
    page = pages.open(f"{site.url}/wall/f3/epaper?lang={lang}", size=size, script=False)
    state = site.zone_state(site.plan.zone["3-samenwerken"])
    expect(page.locator(".n").first).to_have_text(str(state.free))
    full = page.locator("section.full")
    expect(full.first.locator(".chip")).to_have_text("vol" if lang == "nl" else "full")
    stamp = f"{site.clock.at.astimezone(site.plan.tz):%H:%M}"
    expect(page.locator(".as-of")).to_have_text(f"Stand van {stamp}" if lang == "nl" else f"As of {stamp}")
    expect(page.locator(".more span")).to_have_count(2)
    assert '<meta http-equiv="refresh" content="120">' in page.content()
    assert "<script" not in page.content()
    shoot(page, f"epaper_{size[0]}_{lang}")
    assert page.locator("html").evaluate("e => e.scrollWidth <= innerWidth + 1")
    assert page.locator("html").evaluate("e => e.scrollHeight <= innerHeight + 1")


@pytest.mark.parametrize("floor", ["f0", "f1", "f2", "f4"])
def test_every_floor_fits_its_paper(site: Any, pages: Any, shoot: Shoot, folder: Any, floor: str) -> None:
    page = pages.open(f"{site.url}/wall/{floor}/epaper", size=(800, 480))
    assert page.locator("html").evaluate(
        "e => e.scrollHeight <= innerHeight + 1 && e.scrollWidth <= innerWidth + 1"
    )
    shoot(page, f"epaper_{floor}")
    keep(
        Image.open(io.BytesIO(fetch(f"{site.url}/wall/{floor}/epaper.png")[2])), f"epaper_png_{floor}", folder
    )


def test_every_colour_of_the_page_is_black_or_white(site: Any, pages: Any) -> None:
    page = pages.open(f"{site.url}/wall/f3/epaper")
    found = page.evaluate(
        """() => [...new Set([...document.querySelectorAll('*')].flatMap(e => {
            const s = getComputedStyle(e);
            return [s.color, s.backgroundColor, s.borderBottomColor];
        }))]"""
    )
    assert set(found) <= {"rgb(0, 0, 0)", "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}


def test_old_data_is_said_on_the_page(site: Any, pages: Any, shoot: Shoot) -> None:
    stamp = f"{site.clock.at.astimezone(site.plan.tz):%H:%M}"
    site.silence(40)
    page = pages.open(f"{site.url}/wall/f3/epaper", size=(800, 480))
    expect(page.get_by_role("heading", name="Aantallen kunnen verouderd zijn")).to_be_visible()
    expect(page.locator(".as-of")).to_have_text(f"Stand van {stamp}")
    shoot(page, "epaper_stale")
    site.silence(120)
    page.reload()
    expect(page.get_by_role("heading", name="Geen actuele gegevens")).to_be_visible()
    expect(page.locator(".n").first).to_have_text("–")
    expect(page.locator("footer")).to_contain_text("Kijk zelf even rond")
    shoot(page, "epaper_off")
    site.speak()


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_the_page_breaks_no_accessibility_rule(site: Any, pages: Any, lang: str) -> None:
    page = pages.open(f"{site.url}/wall/f0/epaper?lang={lang}", bypass_csp=True)
    page.wait_for_load_state("load")
    # Numbers of this minute that stay for an hour would be wrong: WCAG 2.2.1 excepts real-time events.
    found = broken_rules(page, without=["meta-refresh"])
    assert found == [], json.dumps(found, indent=1)


# --- the picture


@pytest.mark.parametrize("size", [size for pair in SIZES for size in (pair, pair[::-1])])
@pytest.mark.parametrize("grey", [0, 1])
def test_a_picture_has_the_size_and_the_inks_of_the_panel(
    site: Any, folder: Any, size: tuple[int, int], grey: int
) -> None:
    site.set_zone("3-stilte", "in_use")
    site.tell()
    image = picture(site, f"width={size[0]}&height={size[1]}&grey={grey}")
    assert image.size == size
    assert image.mode == ("L" if grey else "1")
    assert len(image.convert("L").getcolors() or []) in (range(3, 17) if grey else (2,))
    keep(image, f"epaper_png_{size[0]}x{size[1]}_{grey}", folder)
    margin = round(min(size) * 0.01)
    frame = image.convert("L")
    edges = [
        frame.crop((0, 0, margin, size[1])), frame.crop((size[0] - margin, 0, *size)),
        frame.crop((0, size[1] - margin, *size)),
    ]  # fmt: skip
    assert all(edge.getextrema() == (255, 255) for edge in edges), "something runs off the paper"


def test_a_picture_tells_full_free_and_old_by_shape(site: Any, folder: Any) -> None:
    number = (0.93, 0.63, 0.98, 0.80)  # of the last zone, silence
    head = (0.3, 0.0, 0.6, 0.03)
    site.set_zone("3-stilte", "free")
    site.tell()
    free = picture(site)
    site.clock.at += timedelta(minutes=1)
    site.set_zone("3-stilte", "in_use")
    site.tell()
    full = picture(site)
    assert share_black(full, number) > 0.55 > 0.5 > share_black(free, number)
    assert share_black(full, head) == 0
    site.clock.at += timedelta(minutes=1)
    site.silence(40)
    stale = picture(site)
    assert share_black(stale, head) == 1
    keep(stale, "epaper_png_stale", folder)
    site.silence(120)
    gone = picture(site)
    assert share_black(gone, head) == 1
    assert share_black(gone, number) < 0.25  # a dash
    keep(gone, "epaper_png_off", folder)
    site.speak()


def test_a_silent_zone_and_lunch_are_told_in_the_picture(site: Any, folder: Any) -> None:
    site.muted.add("3-stilte")
    site.calendar["3-ontmoeten"] = "lunch"
    site.pass_silently(40)
    site.tell(places=False)
    image = picture(site, "width=1200&height=825&lang=en")
    keep(image, "epaper_png_zone_stale", folder)
    assert 0 < share_black(image, (0.78, 0.68, 0.98, 0.80)) < 0.5


def test_a_picture_is_drawn_once_a_minute_and_sent_once(site: Any) -> None:
    status, headers, first = fetch(f"{site.url}/wall/f2/epaper.png")
    tag = headers["etag"]
    site.set_zone("2-stilte", "free")
    site.tell()
    assert fetch(f"{site.url}/wall/f2/epaper.png")[2] == first
    status, _, body = fetch(f"{site.url}/wall/f2/epaper.png", **{"If-None-Match": tag})
    assert (status, body) == (304, b"")
    site.clock.at += timedelta(minutes=1)
    site.tell()
    status, headers, later = fetch(f"{site.url}/wall/f2/epaper.png", **{"If-None-Match": tag})
    assert status == 200
    assert later != first


@pytest.mark.parametrize(
    "query", ["width=801", "width=0&height=0", "width=99999&height=99999", "width=-800", "width=x"]
)
def test_other_sizes_are_refused(site: Any, query: str) -> None:
    status, _, body = fetch(f"{site.url}/wall/f3/epaper.png?{query}")
    assert status in {400, 422}
    assert query == "width=x" or b"800x480" in body


def test_a_link_opens_the_paper_of_its_floor_until_it_is_withdrawn(site: Any, data: Path) -> None:
    token = add_screen(data, "paper", "f2", None, site.clock.now())
    status, headers, body = fetch(f"{site.url}/s/{token}/epaper.png?width=480&height=800")
    assert (status, headers["referrer-policy"]) == (200, "no-referrer")
    assert Image.open(io.BytesIO(body)).size == (480, 800)
    assert re.search(r'class="number">2<', fetch(f"{site.url}/s/{token}/epaper")[2].decode())
    withdraw_screen(data, "paper", site.clock.now())
    assert fetch(f"{site.url}/s/{token}/epaper.png")[0] == 410
    assert fetch(f"{site.url}/s/{token}/epaper")[0] == 410
    assert fetch(f"{site.url}/wall/f9/epaper.png")[0] == 404


@pytest.mark.parametrize("size", [(800, 480), (480, 800)])
@pytest.mark.parametrize("zones", [1, 4, 6])
def test_a_warning_is_never_left_out_for_want_of_room(size: tuple[int, int], zones: int) -> None:
    def row(chip: str) -> Row:
        return Row(
            kind="silence", name="Samenwerken", other="Collaborate", number="–", is_word=False, of="vrij van 128",
            used="12 mag gebruikt worden", chip=chip, is_full=False, is_old=False, free_share=0.0, used_share=0.0,
            has_bar=False,
        )  # fmt: skip

    def inked(chip: str) -> int:
        sheet = Sheet(
            number=3, name="Bedrijfsvoering", floor="Verdieping", as_of="Stand van 10:30", band="", advice="",
            rows=(row(chip),) * zones, more="", arrows=(), none="", free="vrij",
        )  # fmt: skip
        return Image.open(io.BytesIO(draw(sheet, size, is_grey=False))).convert("L").histogram()[0]

    assert inked("geen gegevens") > inked("") * 1.05
