"""Pages `/wall` and `/wall/<floor>`, whole without a script; `wall.js` only keeps them fresh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from dashboard import i18n
from dashboard.floor_svg import PlanWords, draw_floor
from dashboard.glyphs import PLACE_PATH, StateLetter
from dashboard.guard import policy_with_style
from dashboard.i18n import N_, Language, Words
from dashboard.live_feed import zone_frame
from dashboard.page_context import PageContext
from dashboard.view_models import NAMED_FLOORS, FloorView, ZoneView, policy_code
from dashboard.wording import POLICY_WORDS

_CHIPS: dict[str, str] = {
    "almost_full": N_("almost full"),
    "full": N_("full"),
    "no_data": N_("no data"),
    "lunch": N_("not a workplace now"),
}
#: Shown instead of a number.
_INSTEAD: dict[str, str] = {"lunch": N_("lunch"), "closed": N_("closed"), "fixed": N_("fixed")}
_BANDS: dict[str, tuple[str, str]] = {
    "live": ("", ""),
    "stale": (N_("As of {t}"), N_("Reconnecting – numbers may be out of date")),
    "off": (N_("No live data"), N_("The connection is being restored")),
}
_LOCALE: dict[Language, str] = {"nl": "nl-NL", "en": "en-GB"}


@dataclass(frozen=True, slots=True)
class Card:
    """One zone in words: `chip` warns, `heard` says since when its number is old, `bar` is per cent free and to use."""

    view: ZoneView
    number: str
    is_word: bool
    is_old: bool
    chip: str
    overflow: str
    of: str
    bar: tuple[str, str]
    heard: str


def make_router(context: PageContext) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/wall")
    async def wall_index() -> Response:
        views = [context.floor_view(floor) for floor in context.plan.floors]
        return context.render("wall/index.html", views=views)

    @router.get("/wall/{floor}")
    async def wall(floor: str, lang: str | None = None) -> Response:
        found = context.plan.floor.get(floor)
        if found is None:
            return context.render("start/not_found.html", status=404)
        return render_wall(context, context.floor_view(found), language_of(lang), f"/live?floor={floor}")

    return router


def language_of(asked: str | None) -> Language:
    """Return the large language of a wall: what its address says, whoever walks by."""
    return i18n.as_language(asked) or i18n.DEFAULT_LANGUAGE


def render_wall(context: PageContext, view: FloorView, language: Language, stream: str) -> Response:
    """Return the page, which then listens to the address `stream`; the other language stands small below."""
    said = i18n.words(language)
    second = i18n.words("en" if language == "nl" else "nl")
    now = context.clock.now()
    letters = tuple(_on_wall(letter, view) for letter in view.letters)
    as_of = context.hour_minute(view.as_of) or "–"
    page = context.render(
        "wall/wall.html",
        language=language,
        view=view,
        second=second,
        style=context.static.wall_style.element,
        cards=[card_of(zone, view, said, context.hour_minute) for zone in view.zones],
        others=[*view.others, *([None] * (NAMED_FLOORS - len(view.others)))],
        band=[said(text).replace("{t}", as_of) for text in _BANDS[view.freshness]],
        policy=_policy(view, said),
        speed=context.clock.speed,
        clock=context.hour_minute(now),
        drawing=Markup(draw_floor(view.floor, letters, plan_words(view, said))),  # noqa: S704
        script_words={"live": stream, **_script_words(context, view, said)},
    )
    page.headers["content-security-policy"] = policy_with_style(context.static.wall_style.source)
    return page


def plan_words(view: FloorView, said: Words) -> PlanWords:
    summary = said("Floor {n}: {free} of {capacity} places free").format(
        n=view.floor.number, free=view.free, capacity=view.open_capacity
    )
    return PlanWords(summary, said("You are here"), lambda zone: said.of(zone.name))


def _on_wall(letter: StateLetter, view: FloorView) -> StateLetter:
    """A wall tells `just left` as in use, and nothing at all when its data is old."""
    if view.freshness == "off":
        return "x"
    return "u" if letter == "j" else letter


def card_of(view: ZoneView, floor: FloorView, said: Words, hour_minute: Callable[[datetime], str]) -> Card:
    """Return a zone of `floor` as a screen words it."""
    is_off = floor.freshness == "off"
    is_old = view.freshness != "live"
    word = "" if is_off else said(_INSTEAD[view.chip]) if view.chip in _INSTEAD else ""
    has_number = view.free is not None and not is_off
    share = 100 / max(view.open_capacity, 1) if has_number else 0.0
    over = view.overflow
    return Card(
        view=view,
        number=word or (str(view.free) if has_number else "–"),
        is_word=bool(word),
        is_old=is_old,
        chip=said(_CHIPS[view.chip]) if view.chip in _CHIPS else "",
        overflow="" if over is None else _over(said).format(f=over.floor, n=over.free),
        of=_of(said).format(c=view.open_capacity),
        bar=(f"{(view.free or 0) * share:.1f}", f"{view.reclaimable * share:.1f}"),
        heard=_heard(said).format(t=hour_minute(view.state.as_of)) if is_old and view.state else "",
    )


def _policy(view: FloorView, said: Words) -> str:
    code = policy_code(view)
    return said(POLICY_WORDS[code]) if code else ""


def _of(said: Words) -> str:
    return said("of {c}")


def _heard(said: Words) -> str:
    return said("last heard at {t}")


def _over(said: Words) -> str:
    return said("{f}: {n} free")


def _script_words(context: PageContext, view: FloorView, said: Words) -> dict[str, Any]:
    settings = context.settings
    age_s = view.age_s if view.age_s is not None else settings.stale_after_s + 1
    if view.freshness == "off":
        age_s = max(age_s, settings.off_after_s + 1)
    return {
        "locale": _LOCALE[said.language],
        "zone": context.plan.timezone,
        "build": context.static.build,
        "stale": settings.stale_after_s,
        "off": settings.off_after_s,
        "speed": context.clock.speed,
        "shapes": PLACE_PATH,
        "chips": {chip: said(text) for chip, text in _CHIPS.items()},
        "instead": {chip: said(text) for chip, text in _INSTEAD.items()},
        "policy": {code: said(text) for code, text in POLICY_WORDS.items()},
        "band": {state: [said(text) if text else "" for text in band] for state, band in _BANDS.items()},
        "of": _of(said),
        "over": _over(said),
        "heard": _heard(said),
        "now": {
            "letters": "".join(view.letters),
            "zones": [zone_frame(zone) for zone in view.zones],
            "time": round(context.clock.now().timestamp() * 1000),
            "age": round(age_s, 1),
            "asOf": None if view.as_of is None else round(view.as_of.timestamp() * 1000),
        },
    }
