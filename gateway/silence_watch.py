"""Looks again and again which devices missed their beats."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.intake import Intake
from gateway.sources.source import Source

#: Between two looks, s of real time. Lower costs processor time, higher tells a silence later.
LOOK_S = 5.0
#: A look that comes later than this, s, comes after a sleep: of the machine, or of a disk that did not answer.
SLEPT_S = 20.0


async def watch_silence(intake: Intake, sources: Sequence[Source], *, look_s: float = LOOK_S) -> None:
    """Tell the silence of devices until cancelled."""
    looked_ms = intake.clock.boot_ms()
    while True:
        await asyncio.sleep(look_s)
        now_ms = intake.clock.boot_ms()
        slept = intake.clock.real_seconds((now_ms - looked_ms) / 1000) > look_s + SLEPT_S
        looked_ms = now_ms
        deaf = {source.name for source in sources if source.health().status == "down"}
        await intake.lose_silent(deaf, slept=slept)
