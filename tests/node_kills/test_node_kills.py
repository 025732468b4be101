"""A broker and a worker killed under traffic: what was acknowledged is there once, in order, and served again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.node_kills.played import play, small_plan


@pytest.mark.timeout(600)
def test_a_killed_worker_and_a_killed_broker_lose_nothing(tmp_path: Path) -> None:
    figures = asyncio.run(
        play(tmp_path, small_plan(3), ("worker", "node"), 10.0, lambda _: None, revive=False)
    )
    print("\n".join(figures.lines()), file=sys.stderr)
    assert figures.sent > 0
    assert figures.missing == 0
    assert figures.stored_twice == 0
    assert figures.decided_backwards == 0
