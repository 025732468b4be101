"""The papers about privacy: whole, from what runs, readable, and nothing can be left out of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ingest.stores.measurements import MEASUREMENTS
from plekvrij import wiring
from plekvrij.cli import main
from plekvrij.privacy import holdings
from plekvrij.privacy.report import LANGUAGES, PAPERS, Configuration, Language, papers
from workplace.channel_file import load
from workplace.plan_file import Text
from workplace.topics import Topics

CHANNELS = "channels: {sign: {kind: webhook, url: 'https://signs.example.nl/in', key_files: [sign.key]}}"


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    site = wiring.read_site(wiring.DEMO_PLAN, wiring.DEMO_POLICY)
    channels = load(CHANNELS, "channels.yaml", site.plan)
    return Configuration(
        site, None, channels, "http://u:s3cret@metrics.example.nl:8086/occ", date(2026, 11, 26)
    )


@pytest.fixture(scope="module", params=LANGUAGES)
def pages(request: pytest.FixtureRequest, configuration: Configuration) -> dict[str, str]:
    return papers(configuration, request.param)


def test_every_table_has_a_sentence_in_both_languages() -> None:
    """Fails when a table of `ingest.stores.schema` is new: say in `plekvrij.privacy.holdings` what it holds."""
    assert set(holdings.table_names()) == set(holdings._TABLES)
    for holding in holdings.tables(14):
        assert all(text.endswith(".") for text in holding.says), holding.name
        assert holding.days is not None or holding.how_long is not None, holding.name


def test_every_measurement_and_message_has_a_sentence() -> None:
    assert set(MEASUREMENTS) == set(holdings._MEASUREMENTS)
    topics = Topics("site")
    made = [
        topics.event("f1", "g", "d"), topics.place_state("p"), topics.zone_state("z"), topics.gateway_status("g"),
        topics.gateway_health("g"), topics.gateway_config("g"), topics.command("g", "d"), topics.receipt("g"),
        topics.request("r"), topics.reply("r"), topics.decision("z"), topics.ingest_health(), topics.ingest_status(),
        topics.notifier_health(),
    ]  # fmt: skip
    assert {topics.kind_of(topic) for topic in made} == set(holdings.MESSAGES)
    assert set(re.findall(r"`(\w+)`", Topics.kind_of.__doc__ or "")) == set(holdings.MESSAGES)


def test_every_table_stands_on_paper_with_its_days(pages: dict[str, str]) -> None:
    for name in holdings.table_names():
        assert f"<code>{name}</code>" in pages["stored"], name
    assert set(pages) == {"index", *PAPERS}


def test_the_days_of_the_policy_and_the_name_of_the_site_are_those_that_run(
    configuration: Configuration,
) -> None:
    settings = configuration.site.policy.settings
    short = replace(
        configuration.site.policy,
        settings=type(settings)(site=settings.site, privacy=type(settings.privacy)(desk_level_days=6)),
    )
    plan = replace(configuration.site.plan, name=Text(nl="Stadskantoor", en="City office"))
    made = papers(replace(configuration, site=replace(configuration.site, policy=short, plan=plan)), "nl")
    assert "6 dagen" in made["stored"]
    assert "14 dagen" not in made["stored"]
    assert all("Stadskantoor" in page and "Raadhuis" not in page for page in made.values())


def test_what_goes_outside_is_named_and_no_secret_is(pages: dict[str, str]) -> None:
    for name in ("stored", "dpia", "register"):
        assert "metrics.example.nl" in pages[name], name
    assert "sign" in pages["stored"]
    assert "signs.example.nl" in pages["stored"]
    assert not any("s3cret" in page for page in pages.values())


def test_a_site_that_tells_nobody_says_so(configuration: Configuration) -> None:
    made = papers(replace(configuration, channels=(), influx=None), "en")
    assert "This site sends nothing to such a server." in made["stored"]
    assert "This site tells nothing outside the screens." in made["stored"]
    assert "Time-series server" not in made["flow"].split("<ol>")[0].replace("no time-series server", "")


class Outline(HTMLParser):
    """What a screen reader would trip over."""

    def __init__(self) -> None:
        super().__init__()
        self.language: str | None = None
        self.levels: list[int] = []
        self.outside: list[str] = []
        self.captions = self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "html":
            self.language = values.get("lang")
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        self.captions += tag == "caption"
        self.tables += tag == "table"
        self.outside += [
            value or ""
            for name, value in attrs
            if name in ("src", "href") and not (value or "").endswith(".html")
        ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_papers_are_whole_in_themselves_and_built_for_everybody(
    configuration: Configuration, language: Language
) -> None:
    for name, page in papers(configuration, language).items():
        outline = Outline()
        outline.feed(page)
        assert outline.language == language
        assert outline.outside == [], f"{name} needs something from elsewhere"
        assert outline.levels[0] == 1
        assert outline.levels.count(1) == 1
        assert all(b - a <= 1 for a, b in zip(outline.levels, outline.levels[1:], strict=False)), name
        assert outline.captions == outline.tables, name
        assert "@media print" in page


def test_the_drawing_has_its_words(pages: dict[str, str]) -> None:
    assert 'role="img"' in pages["flow"]
    assert pages["flow"].count("<li>") >= 8


def test_what_the_municipality_must_answer_and_where_a_lawyer_must_look_is_marked(
    pages: dict[str, str],
) -> None:
    assert pages["dpia"].count('class="ask"') >= 6
    assert pages["dpia"].count('class="lawyer"') >= 6
    assert pages["dpia"].count("Bron:") + pages["dpia"].count("Source:") >= 6


def test_a_file_that_no_paper_knows_is_told(
    tmp_path: Path, configuration: Configuration, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "site", tmp_path / "papers"
    for name in ("site.db", "site.db-wal", "taps/2026-11-24.ndjson", "gateways/gw-1.db", "logs/ingest.log"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    ask = ["privacy", "report", "--data", str(data), "--out", str(out)]
    assert main(ask) == 0
    assert {file.name for file in (out / "nl").iterdir()} == {f"{name}.html" for name in ("index", *PAPERS)}
    (data / "names.xlsx").touch()
    assert main([*ask, "--lang", "en"]) == 1
    assert "names.xlsx" in capsys.readouterr().err
    assert "names.xlsx" in (out / "en" / "index.html").read_text("utf-8")


def test_a_wrong_action_or_language_says_what_to_write(tmp_path: Path) -> None:
    assert main(["privacy", "defend"]) == 2
    assert main(["privacy", "report"]) == 2
    assert main(["privacy", "report", "--out", str(tmp_path), "--lang", "de"]) == 2
    assert main(["privacy", "attack", "--days", "1"]) == 2
