"""A minute of `make chaos`: each component killed, the store damaged, wires cut, a clock set; nothing is missing."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.chaos.__main__ import play
from tests.chaos.player import SHORT
from tests.chaos.town_hall import MOSQUITTO, HallSettings


@pytest.mark.timeout(600)
def test_a_town_hall_under_fire_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    if not Path(MOSQUITTO).exists():
        pytest.skip("mosquitto is not installed")
    settings = HallSettings(
        folder=tmp_path / "hall",
        broker="mosquitto",
        gateways=2,
        nodes=1,
        lasts_s=(2.0, 3.0),
        with_disks=False,
    )
    played, lines = asyncio.run(play(settings, 1.0, iter(SHORT)))
    print("\n".join(lines), file=sys.stderr)
    assert played.account.is_whole, lines
    assert played.troubles == [], lines
    assert played.account.made > 0
