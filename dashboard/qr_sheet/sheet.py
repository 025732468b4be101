"""`plekvrij qr`: A4 sheets of cards to cut out, one per place, as one HTML file that needs nothing else.

A code holds the address of a desk page and nothing more, so that whoever scans it tells nobody anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

import segno
from markupsafe import Markup

from dashboard.i18n import N_, words
from dashboard.page_context import make_templates
from workplace.errors import SettingInvalid
from workplace.floor_plan import Floor, FloorPlan, Place
from workplace.plan_file import Text

#: Two columns of four: a card is as wide as a hand, its code 38 mm.
CARDS_PER_PAGE = 8
#: A quarter of the code may be scratched or dirty and it can still be read (ISO/IEC 18004, level Q).
_ERROR_LEVEL = "q"
#: Modules of white around a code (ISO/IEC 18004).
_QUIET = 4
#: Beyond this an address makes a code that a telephone cannot read from a chair: version 10, level Q, bytes.
LONGEST_ADDRESS = 151

_OPEN = N_("Scan the code to see how long this place is yours, or to ask for more time. No name, no account.")
_FIXED = N_("Scan the code to see what is known of this place. No name, no account.")


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on one card; `code` is a path in a square of `size` modules, white around it included."""

    place: Place
    zone: Text
    floor: Floor
    address: str
    code: str
    size: int
    sentences: tuple[tuple[str, str], ...]


def check_base(url: str) -> str:
    """Return the address of the pages without a slash at its end.

    Raises:
        SettingInvalid: it is none, or has parts that a desk page cannot be below of.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingInvalid(f"--url {url}: write the address of the pages, as https://plekken.example.nl")
    if parts.username is not None:
        raise SettingInvalid("--url holds a user name; a printed code must not")
    return url.rstrip("/")


def render_sheets(plan: FloorPlan, base: str, floor: str | None = None) -> str:
    """Return the sheets of a floor, or of all floors, as one HTML page.

    Raises:
        SettingInvalid: an unknown floor, or an address that is wrong or too long.
    """
    base = check_base(base)
    if floor is not None and floor not in plan.floor:
        raise SettingInvalid(f"unknown floor '{floor}'; write one of: {', '.join(plan.floor)}")
    floors = [plan.floor[floor]] if floor is not None else list(plan.floors)
    style = Path(__file__).with_name("sheet.css").read_text("utf-8")
    return (
        make_templates()
        .get_template("qr_sheet/sheet.html")
        .render(site=plan, pages=list(_pages(floors, base)), style=style)
    )


def _pages(floors: Sequence[Floor], base: str) -> Iterator[list[Card]]:
    for floor in floors:
        cards = [
            _card(place, zone.name, floor, f"{base}/desk/{place.id}")
            for zone in floor.zones
            for place in zone.places
        ]
        for _, page in groupby(enumerate(cards), key=lambda entry: entry[0] // CARDS_PER_PAGE):
            yield [card for _, card in page]


def _card(place: Place, zone: Text, floor: Floor, address: str) -> Card:
    if len(address.encode()) > LONGEST_ADDRESS:
        raise SettingInvalid(
            f"{address} has {len(address.encode())} bytes, more than the {LONGEST_ADDRESS} that a telephone"
            " reads from a printed card; take a shorter --url"
        )
    code, size = _path(address)
    sentence = _FIXED if place.fixed else _OPEN
    sentences = (("nl", words("nl")(sentence)), ("en", words("en")(sentence)))
    return Card(place, zone, floor, address, code, size, sentences)


def drawing_of(text: str) -> Markup:
    """Return a QR code as an inline SVG, dark on white whatever the page; say beside it what it holds."""
    path, side = _path(text)
    return Markup(  # noqa: S704 - made of numbers
        f'<svg class="qr" viewBox="0 0 {side} {side}" aria-hidden="true"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path d="{path}"/></svg>'
    )


def _path(address: str) -> tuple[str, int]:
    """Return the dark modules as one filled path, and the side of the whole square."""
    code = segno.make(address, error=_ERROR_LEVEL, micro=False)
    rows = [list(row) for row in code.matrix_iter(border=_QUIET)]
    runs: list[str] = []
    for y, row in enumerate(rows):
        x = 0
        for is_dark, run in groupby(row):
            length = len(list(run))
            if is_dark:
                runs.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return "".join(runs), len(rows)
