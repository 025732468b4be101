"""What the pages of plan and devices work with: the plan file, backgrounds, the record of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from starlette.datastructures import FormData
from starlette.requests import Request

from dashboard.accounts.roles import current_role
from dashboard.actions import Action, ActionLog, ActionName
from dashboard.page_context import PageContext
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.store import PlanChangedMeanwhile, PlanNotWritable, PlanStore, PlanText
from workplace import floor_plan
from workplace.documents import Mistake
from workplace.errors import DocumentInvalid
from workplace.floor_plan import FloorPlan
from workplace.plan_file import PlanFile
from workplace.plan_text import raw_of, rewritten

#: A form of 5,000 rows has about this much; a list of 10,000 lines too.
MOST_FORM_BYTES = 2_000_000
_MOST_FIELDS = 60_000


@dataclass(frozen=True, slots=True)
class PlanDesk:
    """Everything that staff change goes through here. Methods raise nothing that a page has no words for."""

    store: PlanStore
    backgrounds: BackgroundFolder
    actions: ActionLog


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a change: `mistakes` when the linter refused, else a code."""

    code: Literal["saved", "unchanged", "conflict", "mistakes", "not_writable"]
    version: str = ""
    mistakes: tuple[Mistake, ...] = ()
    why: str = ""


async def change_plan(
    desk: PlanDesk,
    context: PageContext,
    change: Callable[[PlanFile], PlanFile],
    *,
    based_on: str,
    action: ActionName,
    what: str,
) -> Saved:
    """Change the plan, write it, and note what was done; the text keeps every line that can stay."""
    try:
        present = await asyncio.to_thread(desk.store.read)
        if present.version != based_on:
            return Saved("conflict")
        text = await asyncio.to_thread(_changed_text, present, desk.store.file, change)
        return await write_plan(desk, context, text, present, action=action, what=what)
    except DocumentInvalid as error:
        return Saved("mistakes", mistakes=mistakes_of(error))
    except PlanNotWritable as error:
        return Saved("not_writable", why=error.why)


def _changed_text(present: PlanText, file: str, change: Callable[[PlanFile], PlanFile]) -> str:
    return rewritten(present.text, file, change(raw_plan_of(present.text, file)))


async def write_plan(
    desk: PlanDesk, context: PageContext, text: str, present: PlanText, *, action: ActionName, what: str
) -> Saved:
    """Write a text over `present` and note it."""
    if text == present.text:
        return Saved("unchanged", present.version)
    try:
        version = await asyncio.to_thread(desk.store.save, text, based_on=present.version)
    except PlanChangedMeanwhile:
        return Saved("conflict")
    except DocumentInvalid as error:
        return Saved("mistakes", mistakes=mistakes_of(error))
    except PlanNotWritable as error:
        return Saved("not_writable", why=error.why)
    await note(desk, context, action, what)
    return Saved("saved", version)


def mistakes_of(error: DocumentInvalid) -> tuple[Mistake, ...]:
    return tuple(one for one in error.mistakes if isinstance(one, Mistake))


async def note(desk: PlanDesk, context: PageContext, action: ActionName, what: str) -> None:
    entry = Action(at=context.clock.now(), role=current_role.get() or "staff", action=action, what=what)
    await asyncio.to_thread(desk.actions.note, entry)


@lru_cache(maxsize=4)
def plan_of(text: str) -> FloorPlan | None:
    """Return the plan of a text, None when it has mistakes; the few newest are read once."""
    plan, mistakes = floor_plan.check(text, "plan")
    return None if mistakes else plan


@lru_cache(maxsize=4)
def raw_plan_of(text: str, file: str) -> PlanFile:
    """Return the plan as its author wrote it; the few newest are read once.

    Raises:
        DocumentInvalid: it has mistakes.
    """
    return raw_of(text, file)


def is_running(context: PageContext, text: str) -> bool:
    """Return whether this process shows what the text says."""
    return plan_of(text) == context.plan


class TooMuch(Exception):
    """More was sent than a form can hold; answer 413."""


async def read_form(request: Request, *, most_bytes: int = MOST_FORM_BYTES) -> FormData:
    """Return the form of a request.

    Raises:
        TooMuch: it is larger, or does not say how large it is.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > most_bytes:
        raise TooMuch
    return await request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=most_bytes)
