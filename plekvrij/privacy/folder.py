"""What lies in the data folder of a site, file by file, in sentences that anybody can read."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from dashboard.accounts.book import LOG_DAYS
from plekvrij.privacy.holdings import Both, Holding
from workplace.retention import DESK_LEVEL_DAYS, ZONE_LEVEL_DAYS


def _files(desk_level_days: int) -> Iterator[tuple[str, Holding]]:
    """Yield (pattern in the data folder, what it is)."""
    empty_soon = Both("minuten; langer als de site weg is", "minutes; longer while the site is away")
    last_fifty = Both("de laatste 50", "the last 50")
    at_start = Both("tot iemand ze wist", "until somebody removes them")
    yield (
        "site.db",
        Holding(
            "site.db", "place", Both("De database; zie de tabellen.", "The database; see its tables."), None
        ),
    )
    yield (
        "partition-*/*",
        Holding(
            "partition-*/",
            "place",
            Both(
                "Waar meer werkers de verdiepingen delen: de databases van hun verdiepingen. Wat daarin gewist is, is"
                " uiterlijk een dag later ook uit hun logboek in het cluster.",
                "Where several workers share the floors: the databases of their floors. What is deleted there is gone"
                " from their log in the cluster a day later at most.",
            ),
            None,
        ),
    )
    yield (
        "channels.db",
        Holding(
            "channels.db",
            "place",
            Both(
                "Meldingen aan facilitair die wachten of verstuurd zijn. Met de plek, niet met een naam.",
                "Tellings to facility that wait or were sent. With the place, not with a name.",
            ),
            desk_level_days,
        ),
    )
    yield (
        "taps/*.ndjson",
        Holding(
            "taps/",
            "place",
            Both("Tikken op ‘klopt dit niet?’, zonder wie.", "Taps on ‘is this wrong?’, without who."),
            desk_level_days,
        ),
    )
    yield (
        "walks/*.json",
        Holding(
            "walks/",
            "device",
            Both(
                "De looptest van een installateur: welke sensor werkt. Wat anderen daarbij deden, wordt gewist na"
                f" {desk_level_days} dagen.",
                "The walk test of an installer: which sensor works. What others did meanwhile is deleted after"
                f" {desk_level_days} days.",
            ),
            None,
            Both("tot de volgende looptest", "until the next walk test"),
        ),
    )
    yield (
        "walks/*.html",
        Holding(
            "walks/*.html",
            "device",
            Both(
                "De opleverstaat van een looptest in een terminal: per plek welke sensor werkt.",
                "The hand-over sheet of a walk test in a terminal: which sensor of each place works.",
            ),
            None,
            Both("tot de volgende looptest", "until the next walk test"),
        ),
    )
    yield (
        "policies/*.json",
        Holding(
            "policies/",
            "technical",
            Both("Versies van het beleid.", "Versions of the policy."),
            None,
            last_fifty,
        ),
    )
    yield (
        "accounts.db",
        Holding(
            "accounts.db",
            "technical",
            Both(
                "Accounts van functies (balie, installateur), met een hash van het wachtwoord, en wat zij deden.",
                "Accounts of functions (counter, installer), with a hash of the password, and what they did.",
            ),
            LOG_DAYS,
        ),
    )
    yield (
        "actions/*",
        Holding(
            "actions/",
            "technical",
            Both(
                "Wat op de pagina’s van beheer is veranderd, met de rol en niet met een naam.",
                "What was changed on the pages of those who run it, with the role and not with a name.",
            ),
            ZONE_LEVEL_DAYS,
        ),
    )
    for name, says in (
        ("plans", Both("Eerdere versies van het plan.", "Earlier versions of the plan.")),
        ("backgrounds", Both("Tekeningen van verdiepingen.", "Drawings of floors.")),
    ):
        yield f"{name}/*", Holding(f"{name}/", "technical", says, None, at_start)
    yield (
        "screens/*",
        Holding(
            "screens/",
            "technical",
            Both(
                "Links van wandschermen, en wanneer elk scherm voor het laatst gezien is.",
                "Links of wall screens, and when each screen was last seen.",
            ),
            None,
            at_start,
        ),
    )
    yield (
        "gateways/*.db",
        Holding(
            "gateways/*.db",
            "place",
            Both(
                "De wachtrij van een gateway, en welke sensoren hij kent.",
                "The queue of a gateway, and which sensors it knows.",
            ),
            None,
            empty_soon,
        ),
    )
    yield (
        "broker/*",
        Holding(
            "broker/",
            "place",
            Both(
                "Berichten onderweg, en van elke plek en zone de laatste toestand.",
                "Messages under way, and the last state of each place and zone.",
            ),
            None,
            empty_soon,
        ),
    )
    yield (
        "logs/*.log",
        Holding(
            "logs/",
            "device",
            Both(
                "Fouten en meldingen van het programma. Geen adressen van wie een pagina opent.",
                "Faults and messages of the program. No addresses of who opens a page.",
            ),
            None,
            at_start,
        ),
    )
    yield (
        "credentials/*",
        Holding(
            "credentials/",
            "technical",
            Both("Wachtwoorden van programma's.", "Passwords of programs."),
            None,
            at_start,
        ),
    )
    yield (
        "gateways/*",
        Holding(
            "gateways/",
            "technical",
            Both("Instellingen en geheugen van gateways.", "Settings and memory of gateways."),
            None,
            at_start,
        ),
    )


#: What lies beside them and says nothing of its own: journals, locks, and what a demo plays with.
_ALONGSIDE = (
    "*-wal", "*-shm", "*.lease", "truth.ndjson", "lights.ndjson", "tty/*", "switches.json", "ble.json", "*.yaml",
    "night*", "*.new", "carried.json",
)  # fmt: skip


def files(desk_level_days: int) -> list[Holding]:
    """Return what lies in the data folder of a site."""
    return [holding for _, holding in _files(desk_level_days)]


def strangers(data: Path) -> list[str]:
    """Return the files of a data folder that nothing here tells of."""
    known = [pattern for pattern, _ in _files(DESK_LEVEL_DAYS)] + list(_ALONGSIDE)
    names = sorted(str(file.relative_to(data)) for file in data.rglob("*") if file.is_file())
    return [name for name in names if not any(fnmatch(name, pattern) for pattern in known)]
