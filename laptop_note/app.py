"""Asks now and then, shows each note once, takes it away when it is over. Keeps nothing beyond its own life."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from laptop_note.desk_source import Desk, DeskSource, DeskUnreachable, Note, PlaceUnknown
from laptop_note.desktop import Desktop, NoDesktop, Terminal, find_desktop

#: Pause between questions, s: the site says how long, within these.
_SHORTEST_S, _LONGEST_S = 5.0, 300.0
#: After so many questions without an answer what is shown may be over, and goes.
_TRUST_ANSWERS = 3
_TITLE = {"nl": "Plek {label}", "en": "Place {label}"}


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """`address` as `desk_source.desk_address` gives it; `language` nl or en."""

    address: str
    language: str = "nl"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one answer leads to: show `note`, or take away what is shown, or neither."""

    note: Note | None = None
    is_over: bool = False


def turn(before: Note | None, desk: Desk) -> Turn:
    """Return what to do when the note shown was `before`; one note is shown once, even as its minutes run down."""
    if desk.note is None:
        return Turn(is_over=before is not None)
    return Turn(desk.note) if before is None or desk.note.id != before.id else Turn()


def pause_s(desk: Desk | None, failures: int) -> float:
    """Return how long to wait before the next question, with jitter, so that a whole floor does not ask at once."""
    whole_s = desk.poll_s if desk is not None else 30.0 * 2 ** min(failures - 1, 4)
    whole_s = min(max(whole_s, _SHORTEST_S), _LONGEST_S)
    return random.uniform(whole_s * 0.8, whole_s)


async def run_agent(
    settings: AgentSettings, desktop: Desktop | None = None, *, shortest_s: float | None = None
) -> None:
    """Run until cancelled.

    Args:
        desktop: where notes are shown; None finds that of this machine.
        shortest_s: for trials, the pause between two questions.

    Raises:
        PlaceUnknown: the site answered, at the first question, that there is no such place.
    """
    agent = _Agent(settings, desktop or find_desktop())
    try:
        while True:
            wait_s = await agent.ask()
            await asyncio.sleep(wait_s if shortest_s is None else shortest_s)
    finally:
        await agent.close()


class _Agent:
    def __init__(self, settings: AgentSettings, desktop: Desktop) -> None:
        self._source = DeskSource(settings.address, settings.language)
        self._title = _TITLE[settings.language]
        self._desktop = desktop
        self._shown: Note | None = None
        self._failures = 0
        self._was_answered = False

    async def ask(self) -> float:
        """Ask once and show what is new; return how long to wait, s."""
        try:
            desk = await asyncio.to_thread(self._source.ask)
        except PlaceUnknown:
            if not self._was_answered:
                raise
            return await self._failed()
        except DeskUnreachable:
            return await self._failed()
        self._failures, self._was_answered = 0, True
        now = turn(self._shown, desk)
        if now.note is not None:
            await self._show(self._title.format(label=desk.label), now.note.text)
            self._shown = now.note
        elif now.is_over:
            self._shown = None
            await self._desktop.clear()
        return pause_s(desk, 0)

    async def _failed(self) -> float:
        self._failures += 1
        if self._failures == _TRUST_ANSWERS and self._shown is not None:
            self._shown = None
            await self._desktop.clear()
        return pause_s(None, self._failures)

    async def _show(self, title: str, text: str) -> None:
        try:
            await self._desktop.show(title, text)
        except NoDesktop:
            await self._desktop.close()
            self._desktop = Terminal()
            await self._desktop.show(title, text)

    async def close(self) -> None:
        await self._desktop.clear()
        await self._desktop.close()
