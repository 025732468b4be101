"""One decision and its history -> the why-card."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.page_context import PageContext
from workplace.events import Decision
from workplace.ports import PlaceTurn

#: How far back and ahead of a decision its story is looked for: a working day, and the time that proves it false.
BEFORE, AFTER = timedelta(hours=24), timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that was decided about the place, or what it was shown as from then on."""

    at: datetime
    decision: Decision | None = None
    turn: PlaceTurn | None = None


@dataclass(frozen=True, slots=True)
class WhyCard:
    """A decision, and what happened around it, oldest first."""

    decision: Decision
    timeline: tuple[Moment, ...]


async def find(context: PageContext, id_: str) -> WhyCard | None:
    """Return the card of a decision, None when it is not or no longer kept.

    Raises:
        StoreUnavailable: history cannot be read now.
    """
    if context.history is None:
        heard = context.live.decision(id_)
        return None if heard is None else WhyCard(heard, (Moment(heard.at, heard),))
    history = context.history
    decision = await asyncio.to_thread(history.decision, id_)
    if decision is None:
        return None
    window = (decision.at - BEFORE, decision.at + AFTER)
    made, turns = await asyncio.to_thread(history.story, decision.place, *window)
    return WhyCard(decision, timeline(decision, made, turns))


def timeline(decision: Decision, made: Sequence[Decision], turns: Sequence[PlaceTurn]) -> tuple[Moment, ...]:
    """Return the story of the hold that was decided about: from its start to half an hour after the decision."""
    same = [one for one in made if one.hold_id == decision.hold_id or one.at >= decision.at]
    start = min((one.at for one in same), default=decision.at)
    shown = [turn for turn in turns if turn.at >= start]
    moments = [Moment(one.at, decision=one) for one in same] + [Moment(turn.at, turn=turn) for turn in shown]
    return tuple(sorted(moments, key=lambda moment: (moment.at, moment.decision is None)))
