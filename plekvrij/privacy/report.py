"""The papers: what is kept, the way of the data, DPIA, register, notice and letter, from what a site really runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import jinja2
from babel.dates import format_date
from markupsafe import Markup

from dashboard.council.words import MODES, measured, without_sensor
from dashboard.i18n import words
from plekvrij import __version__
from plekvrij.privacy import flow, folder, holdings, law
from plekvrij.privacy.holdings import Both, Holding
from plekvrij.wiring import Site
from workplace import policy
from workplace.channel_file import ChannelSettings
from workplace.errors import SettingInvalid
from workplace.hold_outcomes import LEAST_DAYS, LEAST_PLACES
from workplace.retention import NIGHT_DAYS, ZONE_LEVEL_DAYS

Language = Literal["nl", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("nl", "en")

#: File -> its title; the order in which somebody reads them.
PAPERS: dict[str, Both] = {
    "stored": Both("Wat wij bewaren, waar en hoe lang", "What we keep, where and for how long"),
    "flow": Both("De weg van de gegevens", "The way of the data"),
    "dpia": Both("Gegevensbeschermingseffectbeoordeling (DPIA)", "Data protection impact assessment (DPIA)"),
    "register": Both("Verwerkingsregister: dit onderdeel", "Register of processing: this entry"),
    "notice": Both("Bericht voor op de vloer", "Notice for the floor"),
    "letter": Both("Brief aan de ondernemingsraad", "Letter to the works council"),
}
_LEVELS: dict[holdings.Level, Both] = {
    "place": Both("één plek", "one place"),
    "zone": Both("zone", "zone"),
    "device": Both("apparaat van het gebouw", "device of the building"),
    "technical": Both("techniek", "technical"),
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a site runs with.

    Attributes:
        data: its folder, None when it is not looked at.
        channels: who is told outside the screens, empty for nobody.
        influx: address of a time-series server, None for none.
        made_on: the day that stands on the papers.
    """

    site: Site
    data: Path | None
    channels: tuple[ChannelSettings, ...]
    influx: str | None
    made_on: date

    @property
    def desk_days(self) -> int:
        return self.site.policy.settings.privacy.desk_level_days

    @property
    def influx_host(self) -> str | None:
        """The host alone: an address may hold a password."""
        return None if self.influx is None else urlsplit(self.influx).hostname

    @property
    def strangers(self) -> list[str]:
        return [] if self.data is None else folder.strangers(self.data)


def write(configuration: Configuration, out: Path, languages: tuple[Language, ...] = LANGUAGES) -> list[Path]:
    """Write the papers into `out`, one folder per language; return the files.

    Raises:
        SettingInvalid: a file cannot be written.
    """
    written: list[Path] = []
    try:
        for language in languages:
            into = out / language
            into.mkdir(parents=True, exist_ok=True)
            for name, text in papers(configuration, language).items():
                file = into / f"{name}.html"
                file.write_text(text, "utf-8")
                written.append(file)
    except OSError as error:
        raise SettingInvalid(f"cannot write {error.filename or out}: {error.strerror}") from error
    return written


def papers(configuration: Configuration, language: Language) -> dict[str, str]:
    """Return name -> page of every paper, and of `index`, which leads to them."""

    def say(nl: str, en: str) -> str:
        return nl if language == "nl" else en

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = _values(configuration, language, say)
    return {
        name: environment.get_template(f"{name}.html").render(
            **values, name=name, title=values["papers"].get(name, say("Privacy", "Privacy"))
        )
        for name in ("index", *PAPERS)
    }


def _values(
    configuration: Configuration, language: Language, say: Callable[[str, str], str]
) -> dict[str, Any]:
    plan, rules = configuration.site.plan, configuration.site.policy
    said, consent = words(language), configuration.site.policy.settings.consent
    stations, ways = _stations(configuration, say)
    title = PAPERS["flow"]
    sentences = flow.in_words(stations, ways)
    locale = "nl_NL" if language == "nl" else "en_GB"
    return {
        "t": say,
        "of": lambda both: say(both.nl, both.en),
        "language": language,
        "papers": {name: say(*both) for name, both in PAPERS.items()},
        "site": said.of(plan.name),
        "version": __version__,
        "made_on": format_date(configuration.made_on, "long", locale=locale),
        "plan": plan,
        "desks": len(plan.place),
        "measured": measured(plan, said),
        "without_sensor": without_sensor(plan),
        "zones": [
            (
                plan.floor[zone.floor].number,
                said.of(zone.name),
                len(zone.places),
                said(MODES[rules.mode(zone)]),
            )
            for zone in plan.zone.values()
        ],
        "small_zones": [said.of(zone.name) for zone in plan.zone.values() if len(zone.places) < LEAST_PLACES],
        "exempt": len(rules.exempt),
        "fixed": sum(place.fixed for place in plan.place.values()),
        "rules": policy.describe(rules, language),
        "hash": rules.hash,
        "consent": consent,
        "consent_day": ""
        if consent is None
        else format_date(date.fromisoformat(consent.date), "long", locale=locale),
        "consent_fits": rules.has_consent,
        "desk_days": configuration.desk_days,
        "night_days": NIGHT_DAYS,
        "zone_months": round(ZONE_LEVEL_DAYS / 30.4),
        "least_places": LEAST_PLACES,
        "least_days": LEAST_DAYS,
        "tables": [_row(one, say) for one in holdings.tables(configuration.desk_days)],
        "measurements": [_row(one, say) for one in holdings.measurements(configuration.desk_days)],
        "files": [_row(one, say) for one in folder.files(configuration.desk_days)],
        "messages": [(name, say(*both)) for name, both in holdings.MESSAGES.items()],
        "strangers": configuration.strangers,
        "looked": configuration.data is not None,
        "channels": configuration.channels,
        "channel_hosts": [urlsplit(one.url).hostname or "" for one in configuration.channels],
        "influx_host": configuration.influx_host,
        "drawing": Markup(flow.drawing(say(*title), ". ".join(sentences), stations, ways)),  # noqa: S704 - escaped there
        "flow_sentences": sentences,
        "law": law,
    }


def _row(holding: Holding, say: Callable[[str, str], str]) -> tuple[str, str, str, str]:
    """Return name, what it says, what it is about, and how long it lives."""
    lives = "" if holding.days is None else say(f"{holding.days} dagen", f"{holding.days} days")
    if holding.how_long is not None:
        lives = "; ".join(filter(None, (lives, say(*holding.how_long))))
    return (
        holding.name,
        say(*holding.says),
        say(*_LEVELS[holding.level]),
        lives or say("zie tabellen", "see tables"),
    )


def _stations(
    configuration: Configuration, say: Callable[[str, str], str]
) -> tuple[list[flow.Station], list[flow.Way]]:
    plan, days = configuration.site.plan, configuration.desk_days
    gateways = len(plan.gateways)
    stations = [
        flow.Station(
            "sensors",
            say("Sensoren en poorten", "Sensors and ports"),
            (
                say(f"{len(plan.devices)} apparaten", f"{len(plan.devices)} devices"),
                say("ja of nee, met tijd", "yes or no, with time"),
            ),
            (0, 0),
        ),
        flow.Station(
            "gateway",
            say(f"Gateways ({gateways})", f"Gateways ({gateways})"),
            (
                say("MAC-adres en naam: weg, alleen", "MAC address and name: dropped,"),
                say("in het geheugen gezien", "seen in memory only"),
            ),
            (1, 0),
        ),
        flow.Station(
            "broker",
            say("Broker van de site", "Broker of the site"),
            (say("berichten onderweg", "messages under way"), say("laatste toestand", "last state")),
            (2, 0),
        ),
        flow.Station(
            "store",
            say("Verwerking en database", "Processing and database"),
            (
                say(f"plekken {days} dagen", f"places {days} days"),
                say(
                    f"zones {round(ZONE_LEVEL_DAYS / 30.4)} maanden",
                    f"zones {round(ZONE_LEVEL_DAYS / 30.4)} months",
                ),
            ),
            (2, 1),
        ),
        flow.Station(
            "pages",
            say("Schermen en pagina’s", "Screens and pages"),
            (
                say("nu, en voor facilitair: plek", "now, and for facility: place"),
                say("OR en export: alleen zones", "council, export: zones only"),
            ),
            (1, 1),
        ),
        flow.Station(
            "people",
            say("Mensen in het gebouw", "People in the building"),
            (
                say("kijken zonder inloggen", "look without logging in"),
                say("facilitair met wachtwoord", "facility with password"),
            ),
            (0, 1),
        ),
        flow.Station(
            "backup",
            say("Reservekopie", "Backup"),
            (
                say("alleen als de gemeente die maakt", "only if the municipality makes one"),
                say("wordt niet vanzelf gewist", "is not deleted by itself"),
            ),
            (2, 2),
            leaves=True,
        ),
    ]
    ways = [
        flow.Way(
            "sensors",
            "gateway",
            say("aansluiting, beweging, bezet ja of nee", "link, motion, in use yes or no"),
        ),
        flow.Way(
            "gateway",
            "broker",
            say(
                "bericht per apparaat, zonder persoon of laptop",
                "message per device, without person or laptop",
            ),
        ),
        flow.Way(
            "broker",
            "store",
            say(
                "dezelfde berichten; toestand en besluiten terug",
                "the same messages; states and decisions back",
            ),
        ),
        flow.Way(
            "store",
            "pages",
            say("toestand, aantallen, geschiedenis van zones", "states, counts, history of zones"),
        ),
        flow.Way(
            "pages",
            "people",
            say(
                "beeld; een verzoek terug met een rol, geen naam", "view; a request back with a role, no name"
            ),
        ),
        flow.Way("store", "backup", say("de hele database", "the whole database")),
    ]
    if configuration.influx_host is not None:
        stations.append(
            flow.Station(
                "influx",
                say("Tijdreeksserver", "Time-series server"),
                (configuration.influx_host[:34], say(f"plekken {days} dagen", f"places {days} days")),
                (1, 2),
                leaves=True,
            )
        )
        ways.append(flow.Way("store", "influx", say("metingen en sommen", "measurements and sums")))
    if configuration.channels:
        names = ", ".join(sorted({one.name for one in configuration.channels}))
        stations.append(
            flow.Station(
                "channels",
                say("Meldingen naar buiten", "Tellings outside"),
                (names[:34], say("plek en reden, geen naam", "place and reason, no name")),
                (0, 2),
                leaves=True,
            )
        )
        ways.append(flow.Way("store", "channels", say("meldingen aan facilitair", "tellings to facility")))
    return stations, ways
