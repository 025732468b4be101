"""The report of a month: a page to read and to print, and a PDF whose bytes are looked into."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest
from playwright.sync_api import Page, expect

from ingest.stores.usage import SqliteUsage
from plekvrij.cli import main
from tests.accessibility import broken_rules
from tests.month_store import make_store
from workplace import floor_plan

Shoot = Callable[..., None]
expect.set_options(timeout=60_000)
SIZES = {"landscape": (1920, 1080), "portrait": (1080, 1920), "phone": (390, 844)}
PLAN = floor_plan.load(
    (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text(), "town_hall.plan.yaml"
)
PLACE_NAMES = re.compile(
    r"(?<![\w.-])(?:"
    + "|".join(re.escape(name) for place in PLAN.place.values() for name in {place.id, place.label})
    + r")(?![\w-])"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("month")
    make_store(folder / "site.db", PLAN)
    return folder


@pytest.fixture(scope="module")
def past(data: Path, served: Callable[..., Any]) -> Iterator[Any]:
    with served(usage=SqliteUsage(sqlite3.connect, data / "site.db")) as site:
        yield site


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    yield
    assert pages.complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_the_last_whole_month_with_every_part(past: Any, pages: Any, shoot: Shoot, size: str) -> None:
    page: Page = pages.open(f"{past.url}/staff/report?lang=nl", size=SIZES[size])
    expect(page.get_by_role("heading", level=1)).to_have_text("Gebruik van de werkplekken in oktober 2026")
    expect(page.locator("main")).to_contain_text(
        "Krapste moment: Stilte op verdieping 3, voor het laatst op dinsdag 20 okt"
    )
    expect(page.get_by_role("img")).to_have_count(5)
    expect(page.get_by_role("table")).to_have_count(7)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    assert PLACE_NAMES.findall(page.locator("main").inner_text()) == []
    shoot(page, f"report_{size}", full=True)


def test_another_month_is_chosen_and_the_bar_leads_here_and_back(past: Any, pages: Any) -> None:
    page = pages.open(f"{past.url}/staff/report?lang=nl")
    month = page.get_by_label("Maand")
    expect(month.locator("option")).to_have_count(14)
    month.select_option("2026-11")
    page.get_by_role("button", name="Toon").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gebruik van de werkplekken in november 2026")
    expect(page.locator("main")).to_contain_text("Deze maand is nog niet voorbij")
    month.select_option("2026-05")
    page.get_by_role("button", name="Toon").click()
    expect(page.get_by_role("status")).to_contain_text("Er zijn geen cijfers")
    page.get_by_role("link", name="Geschiedenis", exact=True).click()
    page.get_by_role("link", name="Rapport", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gebruik van de werkplekken in oktober 2026")
    page.goto(f"{past.url}/staff/report?month=1999-01&lang=nl")
    expect(page.get_by_role("heading", level=1)).to_contain_text("oktober 2026")


def test_no_accessibility_rule_is_broken_on_the_page_and_in_the_file(
    past: Any, pages: Any, data: Path
) -> None:
    page = pages.open(f"{past.url}/staff/report?lang=en", bypass_csp=True)
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)
    assert main(["report", "2026-10", "--data", str(data), "--output", str(data / "r.html")]) == 0
    page.goto((data / "r.html").as_uri())  # alone: no other file is asked for
    expect(page.get_by_role("heading", level=1)).to_have_text("Gebruik van de werkplekken in oktober 2026")
    found = broken_rules(page)
    assert found == [], json.dumps(found, indent=1)


def kinds(node: Any, found: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return kind and alternative text of every element of the structure tree, in reading order."""
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            kinds(child, found)
    elif isinstance(node, dict):
        if "/S" in node:
            found.append((str(node["/S"]), node.get("/Alt")))
        if "/K" in node:
            kinds(node["/K"], found)
    return found


@pytest.mark.parametrize(("lang", "title"), [("nl", "Gebruik van"), ("en", "Use of the")])
def test_the_pdf_is_tagged_and_knows_its_language_and_title(past: Any, lang: str, title: str) -> None:
    with urllib.request.urlopen(f"{past.url}/staff/report.pdf?month=2026-10&lang={lang}") as answer:  # noqa: S310
        assert answer.headers["content-type"] == "application/pdf"
        assert f"-{'2026-10'}.pdf" in answer.headers["content-disposition"]
        content = answer.read()
    read = pypdf.PdfReader(io.BytesIO(content))
    root: Any = read.trailer["/Root"]
    assert root["/Lang"] == lang
    assert root["/MarkInfo"]["/Marked"] is True or root["/MarkInfo"]["/Marked"].value
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert read.metadata is not None
    assert str(read.metadata.title).startswith(title)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data()
    tree = kinds(root["/StructTreeRoot"], [])
    names = [name for name, _ in tree]
    assert names.count("/H1") == 1
    assert names.count("/H2") == 6
    assert names.count("/Table") == names.count("/Caption") == 7
    assert names.count("/TH") >= 7 * 3
    charts = [alt for name, alt in tree if name == "/Figure"]
    assert len(charts) == 5
    assert all(charts)
    fonts = [font.get_object() for page in read.pages for font in page["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert all("Libertinus" in font["/BaseFont"] for font in fonts), "embedded, from the compiler's own wheel"
    text = "\n".join(page.extract_text() for page in read.pages)
    assert "93" in text
    assert PLACE_NAMES.findall(text + repr(tree)) == []
    assert not [name for name in PLAN.place if name.encode() in content]


def test_the_command_says_what_is_wrong_and_what_it_left_out(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", str(data)]
    for wrong, says in (
        (["2026-13", "--output", "a.pdf"], "write year and month"),
        (["2026-10"], "needs --output"),
        (["2026-10", "--output", "a.docx"], ".pdf or .html"),
        (["2999-01", "--output", "a.pdf"], "not begun"),
        (["2026-10", "--output", str(data / "no" / "a.pdf")], "cannot write"),
        (["2026-10", "--output", "a.pdf", "--lang", "fr"], "unknown language"),
    ):
        assert main(["report", *wrong, *given]) == 2
        assert says in capsys.readouterr().err
    assert main(["report", "2026-10", "--output", "a.pdf", "--data", str(data / "none")]) == 2
    out = data / "oktober.pdf"
    assert main(["report", "2026-10", "--output", str(out), *given]) == 0
    told = capsys.readouterr()
    assert "0-balie" in told.err
    assert out.read_bytes().startswith(b"%PDF-1.")


def test_the_report_needs_the_staff_password_where_one_is_set(served: Callable[..., Any]) -> None:
    with served(staff_password="a word of staff") as site:
        for path in ("report", "report.pdf"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{site.url}/staff/{path}")  # noqa: S310 - our own server
            assert refused.value.code == 401
            refused.value.close()
