"""What every page needs, handed in once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from dashboard import glyphs
from dashboard.accounts.roles import current_role, may_open
from dashboard.actions import ASKED, Action, ActionLog
from dashboard.grades import Grades
from dashboard.guard import current_language
from dashboard.i18n import Language, Words, words
from dashboard.live_feed import LiveFeed
from dashboard.live_site import LiveSite
from dashboard.requests import RequestUnanswered, new_request_id
from dashboard.settings import DashboardSettings
from dashboard.staff_views import STAFF_VIEWS
from dashboard.static_files import StaticFilesBundle
from dashboard.view_models import FloorView, view_floor
from workplace.errors import BrokerUnreachable
from workplace.events import Reply, Request, RequestAction
from workplace.floor_plan import Floor, FloorPlan
from workplace.ports import Clock, HistoryReader
from workplace.usage_port import UsageReader
from workplace.working_time import WorkingTime

log = structlog.get_logger(__name__)

SendRequest = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a wish; `reason` is a code that pages translate."""

    accepted: bool
    reason: str
    request: str = ""
    """Id of the wish, by which it can be undone."""


@dataclass(frozen=True)
class PageContext:
    """The running site as pages see it."""

    plan: FloorPlan
    live: LiveSite
    feed: LiveFeed
    history: HistoryReader | None
    send_request: SendRequest
    clock: Clock
    version: str
    settings: DashboardSettings
    static: StaticFilesBundle
    templates: Environment
    grades: Grades
    working: WorkingTime
    usage: UsageReader | None = None
    actions: ActionLog | None = None

    def floor_view(self, floor: Floor) -> FloorView:
        return view_floor(self.plan, floor, self.live.snapshot(), self.clock.now(), self.settings)

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.plan.tz)

    def hour_minute(self, at: datetime | None) -> str:
        return "" if at is None else f"{self.local(at):%H:%M}"

    async def ask(
        self,
        action: RequestAction,
        *,
        role: Literal["staff", "desk", "works_council"],
        place: str | None = None,
        minutes: int | None = None,
        undoes: str | None = None,
    ) -> Outcome:
        """Send a wish to the engine and return what became of it; never raises for a silent engine.

        What staff asked for and got is kept in the record of changes. `undoes`: id of the wish to take back.
        """
        request = Request(
            id=new_request_id(),
            site=self.plan.site,
            place=place,
            action=action,
            minutes=minutes,
            role=role,
            requested_at=self.clock.now(),
            reply_to="dashboard",
            undoes=undoes,
            within_s=None if undoes is None else self.settings.undo_s * self.clock.speed,
        )
        try:
            reply = await self.send_request(request)
        except RequestUnanswered:
            log.warning("request_unanswered", action=action)
            return Outcome(accepted=False, reason="no_answer", request=request.id)
        except BrokerUnreachable:
            log.warning("request_not_sent", action=action)
            return Outcome(accepted=False, reason="broker_unreachable", request=request.id)
        if reply.accepted and role == "staff":
            await self._note(action, place)
        return Outcome(reply.accepted, reply.reason, request.id)

    async def _note(self, action: RequestAction, place: str | None) -> None:
        if self.actions is None:
            return
        what = "" if place is None else self.plan.place[place].zone
        role = current_role.get() or "staff"
        entry = Action(at=self.clock.now(), role=role, action=ASKED[action], what=what)
        await asyncio.to_thread(self.actions.note, entry)

    def render(
        self, template: str, *, language: Language | None = None, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a page in the language of the request (or `language`)."""
        said: Words = words(language or current_language.get())
        page = self.templates.get_template(template).render(
            _=said, lang=said.language, site=self.plan, static=self.static, version=self.version, **values
        )
        return HTMLResponse(page, status_code=status, headers={"Cache-Control": "no-store"})


def make_templates() -> Environment:
    """Return the template reader of all pages; a missing value is an error, not an empty space."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["may_open"] = may_open
    environment.globals["staff_views"] = STAFF_VIEWS
    environment.globals["icon"] = lambda name: Markup(glyphs.icon_svg(name))  # noqa: S704
    environment.globals["place_glyph"] = lambda letter: Markup(glyphs.place_svg(letter))  # noqa: S704
    return environment
