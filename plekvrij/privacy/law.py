"""What the law says about such a system, each with where it was read. Not legal advice: a lawyer looks at all of it."""

from __future__ import annotations

from dataclasses import dataclass

from plekvrij.privacy.holdings import Both


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement, where it comes from, and what a lawyer or privacy officer must look at here."""

    says: Both
    source: str
    ask: Both


COUNCIL = Fact(
    Both(
        "Een systeem dat geschikt is om aanwezigheid, gedrag of prestaties waar te nemen, heeft instemming van de"
        " ondernemingsraad nodig (WOR artikel 27 lid 1 onder l). Regels over persoonsgegevens vallen onder k. Over"
        " belangrijke techniek heeft de raad adviesrecht (artikel 25 lid 1 onder k).",
        "A system that is suited to observing presence, behaviour or performance needs the consent of the works council"
        " (WOR article 27(1)(l)). Rules about personal data come under (k). On important technology the council has the"
        " right to advise (article 25(1)(k)).",
    ),
    "De Clercq, Rol van de OR bij personeelsvolgsystemen; Autoriteit Persoonsgegevens, OR-privacyboekje",
    Both(
        "Geschikt zijn is genoeg. Wij gaan ervan uit dat instemming nodig is, ook zonder namen. Klopt dat hier?",
        "Being suited is enough. We assume that consent is needed, also without names. Is that right here?",
    ),
)
DPIA = Fact(
    Both(
        "De lijst van de Autoriteit Persoonsgegevens noemt het volgen van werknemers als reden voor een DPIA."
        " Werknemers of hun vertegenwoordigers worden om hun mening gevraagd (AVG artikel 35 lid 9).",
        "The list of the Dutch data protection authority names monitoring of employees as a reason for a DPIA."
        " Employees or their representatives are asked for their views (GDPR article 35(9)).",
    ),
    "Nysingh, De DPIA op de werkvloer; dpia.nu, DPIA bij personeelsgegevens",
    Both(
        "Is een DPIA hier verplicht, en is deze volledig?", "Is a DPIA a duty here, and is this one complete?"
    ),
)
BASIS = Fact(
    Both(
        "Toestemming van werknemers is zelden een geldige grondslag: zij kunnen moeilijk nee zeggen. Het gaat om"
        " evenredigheid en om minder ingrijpende middelen (WP29 Opinion 2/2017).",
        "Consent of employees is seldom a valid basis: they can hardly say no. What decides is proportionality and less"
        " intrusive means (WP29 Opinion 2/2017).",
    ),
    "Article 29 Working Party, Opinion 2/2017 on data processing at work",
    Both("Welke grondslag geldt voor deze gemeente?", "Which legal basis holds for this municipality?"),
)
FOLLOWING = Fact(
    Both(
        "Tellen kan volgen worden. De Autoriteit Persoonsgegevens gaf de gemeente Enschede in 2021 een boete van"
        " 600.000 euro voor vaste codes per telefoon die maanden bewaard bleven. De rechtbank vernietigde die in 2024:"
        " niet bewezen was dat het persoonsgegevens waren. Een later hoger beroep is hier niet nagezocht.",
        "Counting can become following. In 2021 the Dutch authority fined the municipality of Enschede EUR 600,000 for"
        " unchanged codes per phone that were kept for months. A court annulled it in 2024: it was not proven that they"
        " were personal data. A later appeal was not looked up here.",
    ),
    "Tweakers, security.nl and avgtekst on Enschede wifi tracking",
    Both(
        "Zijn gegevens over een losse plek hier persoonsgegevens, omdat collega’s zien wie er zit? Ga daarvan uit.",
        "Are data about one place personal data here, as colleagues see who sits there? Assume so.",
    ),
)
SECURITY = Fact(
    Both(
        "BIO2 is in september 2025 vastgesteld en richtinggevend voor gemeenten. Verankering in de"
        " Cyberbeveiligingswet was gepland; of die geldt, is hier niet nagezocht.",
        "BIO2 was adopted in September 2025 and guides municipalities. Anchoring in the Cyberbeveiligingswet was"
        " planned; whether it is in force was not looked up here.",
    ),
    "security.nl, ICTRecht, gemeente.nu on BIO2",
    Both(
        "Welke maatregelen van BIO2 gelden voor dit systeem?", "Which measures of BIO2 apply to this system?"
    ),
)
ACCESS = Fact(
    Both(
        "Schermen en pagina’s moeten toegankelijk zijn (EN 301 549, WCAG 2.1 A en AA), ook op een intranet.",
        "Screens and pages must be accessible (EN 301 549, WCAG 2.1 A and AA), also on an intranet.",
    ),
    "digitoegankelijk.nl; Europa Decentraal; VNG impactanalyse",
    Both(
        "Staat dit systeem in de toegankelijkheidsverklaring?",
        "Is this system in the accessibility statement?",
    ),
)
FACTS = (COUNCIL, DPIA, BASIS, FOLLOWING, SECURITY, ACCESS)
