"""The documentation as a site: whole, without a dead link, and without a word to anybody outside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Page, expect, sync_playwright

from tests.browsers import CHROMIUM

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: What a browser fetches by itself; a link in the text is fetched by nobody but the reader.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}


class Elements(HTMLParser):
    """Collects what a page fetches, where it links to, and what can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given["id"]} if "id" in given else set()
        if tag in FETCHED and FETCHED[tag] in given:
            self.fetched.append(given[FETCHED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does, in a folder of its own."""
    folder = tmp_path_factory.mktemp("docs-site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Elements]:
    found = {}
    for file in site.rglob("*.html"):
        found[file] = Elements()
        found[file].feed(file.read_text("utf-8"))
    return found


def test_every_page_of_the_folder_is_in_the_site(site: Path, pages: dict[Path, Elements]) -> None:
    written = {file.relative_to(DOCS).with_suffix(".html") for file in DOCS.rglob("*.md")}
    assert written <= {file.relative_to(site) for file in pages}
    start = {urlsplit(link).path for link in pages[site / "index.html"].links}
    assert {page.as_posix() for page in written} <= start | {"index.html"}


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Elements]) -> None:
    for file, page in pages.items():
        outside = [one for one in page.fetched if urlsplit(one).scheme not in ("", "data")]
        assert outside == [], file
    for file in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", file.read_text("utf-8")), file


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Elements]) -> None:
    dead = []
    for file, page in pages.items():
        if file.name == "404.html":
            continue  # its links are as seen from the root of a server
        for link in [*page.links, *page.fetched]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                dead.append(f"{file.relative_to(site)}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                dead.append(f"{file.relative_to(site)}: {link} (no such part)")
    assert dead == []


def test_links_of_the_readme_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / "README.md").read_text("utf-8")):
        assert urlsplit(link).scheme or (ROOT / link).exists(), link


def test_every_how_to_stands_under_its_reader() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [page.name for page in (DOCS / "how-to").glob("*.md") if f"how-to/{page.name}" not in nav] == []


def test_the_glossary_says_what_the_screens_say() -> None:
    with (ROOT / "dashboard" / "i18n" / "nl.po").open("rb") as file:
        catalogue = read_po(file)
    said = {
        (english.casefold(), dutch.casefold())
        for message in catalogue
        for english, dutch in [(message.id, message.string)]
        if isinstance(english, str) and isinstance(dutch, str)
    }
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", (DOCS / "glossary.md").read_text("utf-8"), re.M)
    words = [(english, dutch) for english, dutch in rows if english != "English"]
    assert len(words) > 30
    wrong = [
        pair
        for pair in words
        if tuple(map(str.casefold, pair)) not in said and not pair[1].endswith(" *paper*")
    ]
    assert wrong == []


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_search_works_from_a_folder(site: Path, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    box = page.get_by_role("textbox", name="Search")
    box.click()
    box.press_sequentially("quarantine")
    expect(page.locator(".md-search-result__link").first).to_be_visible(timeout=60_000)
    assert [url for url in asked if urlsplit(url).scheme not in ("file", "data", "about", "blob")] == []
