"""The papers about privacy in a browser: accessible, and a notice that fits on one page."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from plekvrij import wiring
from plekvrij.privacy.report import LANGUAGES, PAPERS, Configuration, write
from tests.accessibility import broken_rules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("papers")
    site = wiring.read_site(wiring.DEMO_PLAN, wiring.DEMO_POLICY)
    write(Configuration(site, None, (), "http://metrics.example.nl:8086/occ", date(2026, 11, 26)), out)
    return out


@pytest.fixture(scope="module")
def paper(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 1000, "height": 1400})


@pytest.mark.parametrize("name", ["index", *PAPERS])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_against_wcag(paper: Page, folder: Path, language: str, name: str) -> None:
    paper.goto((folder / language / f"{name}.html").as_uri())
    found = broken_rules(paper)
    assert found == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_is_one_sheet_of_a4(paper: Page, folder: Path, language: str) -> None:
    paper.goto((folder / language / "notice.html").as_uri())
    printed = paper.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "15mm"))
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
