"""The counters of encrypted sensors outlive a restart; a file in pieces costs a warning and no event."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.replay_marks import ReplayMarks


def test_what_was_kept_at_the_end_is_there_at_the_next_start(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "marks.json"
        first = ReplayMarks(file)
        assert await first.load() == {}
        await first.keep({"00005e005301": 7})
        assert await ReplayMarks(file).load() == {"00005e005301": 7}
        await first.keep({"00005e005301": 8})
        assert await ReplayMarks(file).load() == {"00005e005301": 7}, "too soon for another write"
        await first.keep({"00005e005301": 8}, now=True)
        assert await ReplayMarks(file).load() == {"00005e005301": 8}

    asyncio.run(story())


def test_a_file_in_pieces_and_a_disk_that_refuses_stop_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "marks.json"
        file.write_bytes(b'{"00005e0053')
        marks = ReplayMarks(file)
        assert await marks.load() == {}
        await marks.keep({"00005e005301": 1}, now=True)
        assert await ReplayMarks(file).load() == {"00005e005301": 1}
        nowhere = ReplayMarks(tmp_path / "no such folder" / "marks.json")
        await nowhere.keep({"00005e005301": 1}, now=True)
        assert await nowhere.load() == {}

    asyncio.run(story())
