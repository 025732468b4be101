"""Replays a real recording: two PIRs and a head count in one room, UCI data set 864.

The recording has rows about every 30 s on seven days, with gaps of hours and days between them. A gap of more
than 10 min is closed: the next row follows one step (30 s) after the last, so that a pause in recording is
never mistaken for an empty room. Offsets therefore count recorded time, not wall time.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators.mqtt_player import mqtt_player
from simulators.zigbee import ZigbeeBridge
from workplace.errors import WorkplaceError
from workplace.ports import Clock, OpenLink
from workplace.topics import level

STEP = timedelta(seconds=30)  # the data set's nominal interval
LONGEST_GAP = timedelta(minutes=10)  # well above the 30-31 s of the data, well below its breaks
PIR_COLUMNS = ("S6_PIR", "S7_PIR")
COUNT_COLUMN = "Room_Occupancy_Count"


class RecordingUnreadable(WorkplaceError):
    """The file is not the expected recording; show the message and stop."""


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """One row of the recording.

    Attributes:
        offset: recorded time since the first row, gaps closed.
        recorded_at: what the file says: local time in an unnamed zone.
        pirs: did S6 and S7 trigger in this interval.
        head_count: people in the room, the truth.
    """

    offset: timedelta
    recorded_at: datetime
    pirs: tuple[bool, bool]
    head_count: int


def read_recording(lines: Iterable[str]) -> Iterator[RecordedRow]:
    """Yield the rows of the CSV text in order.

    Raises:
        RecordingUnreadable: a column is missing, or a row cannot be read.
    """
    rows = csv.DictReader(lines)
    missing = {"Date", "Time", *PIR_COLUMNS, COUNT_COLUMN} - set(rows.fieldnames or ())
    if missing:
        raise RecordingUnreadable(f"the recording lacks the columns {', '.join(sorted(missing))}")
    offset, last = timedelta(), None
    for row in rows:
        try:
            # Naive on purpose: the data set names no time zone, and only differences are used.
            at = datetime.strptime(f"{row['Date']} {row['Time']}", "%Y/%m/%d %H:%M:%S")  # noqa: DTZ007
            pirs = (_bit(row["S6_PIR"]), _bit(row["S7_PIR"]))
            head_count = int(row[COUNT_COLUMN])
        except (ValueError, TypeError) as error:
            raise RecordingUnreadable(f"line {rows.line_num} of the recording: {error}") from error
        if last is not None:
            gap = at - last
            offset += STEP if gap > LONGEST_GAP or gap <= timedelta() else gap
        last = at
        yield RecordedRow(offset, at, pirs, head_count)


def _bit(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"a PIR column has {text!r} instead of 0 or 1")
    return text == "1"


async def replay_recording(
    rows: Iterable[RecordedRow],
    *,
    names: tuple[str, str],
    zigbee_base: str,
    clock: Clock,
    open_device_link: OpenLink,
    on_row: Callable[[RecordedRow, datetime], None] | None = None,
    seed: int = 0,
) -> None:
    """Play the PIRs S6 and S7 as Zigbee devices `names`, from now on in site time, until the last row is out.

    `on_row` gets each row with the site time it was played for, for keeping the head count as truth.
    """
    started_at = clock.now()
    bridge = ZigbeeBridge(zigbee_base, names, seed, started_at)
    client_id = f"recording-{level(zigbee_base)}"
    async with mqtt_player(bridge, open_device_link, client_id) as player:
        for row in rows:
            at = started_at + row.offset
            while (now := clock.now()) < at:
                player.due(now)
                wait_s = clock.real_seconds((min(at, max(player.wake_at, now)) - now).total_seconds())
                await asyncio.sleep(max(wait_s, 0.001))
            player.due(at)
            for name, is_hit in zip(names, row.pirs, strict=True):
                if is_hit:
                    player.say(bridge.hit(name, at))
            if on_row is not None:
                on_row(row, at)
        while bridge.has_open_occupancy:
            now = clock.now()
            player.due(now)
            await asyncio.sleep(max(clock.real_seconds((player.wake_at - now).total_seconds()), 0.001))
