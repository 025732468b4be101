"""`plekvrij replay uci864`: real sensors through the whole way, compared with the counted heads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from ingest.stores.history import SqliteHistory
from plekvrij import clocks, sqlite_driver, wiring
from plekvrij.agreement import ALL_TIME, number, percent
from plekvrij.credentials import BrokerUrl
from plekvrij.demo import DRAIN_S, folder_of, print_addresses, tell
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from simulators.recording import RecordedRow, read_recording, replay_recording
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan, zigbee_pir_name
from workplace.metrics import BinaryScore, binary_score, last_motion
from workplace.ports import Clock

PLAN = wiring.EXAMPLES / "recording.plan.yaml"
#: The places of the plan that play the recording's PIRs S6 and S7, in the order of its columns.
PLACES = ("S6", "S7")
BASELINES_MIN = (5, 10, 15, 30)
#: What was played, row by row: the truth to compare with.
PLAYED = "played.ndjson"


class PlayedRow(msgspec.Struct, frozen=True):
    """One row of the recording with the site time it was played for."""

    at: datetime
    pirs: tuple[bool, bool]
    heads: int


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Options of `plekvrij replay`; units as in `plekvrij.options`."""

    recording: Path
    speed: float
    host: str
    port: int
    data: Path | None
    for_s: float | None


async def run_replay(settings: ReplaySettings) -> None:
    """Play the recording to its end, or for `for_s` real seconds, and print the agreement.

    Raises:
        RecordingUnreadable, SettingInvalid: the file is not this recording.
    """
    rows = _read(settings.recording)
    site = wiring.read_site(PLAN, None)
    with folder_of(settings.data) as folder:
        clock = clocks.scaled_clock(rows[0].recorded_at.replace(tzinfo=UTC), settings.speed)
        length_s = rows[-1].offset.total_seconds() / settings.speed
        tell(
            f"{len(rows)} rows of {rows[0].recorded_at:%d %b %Y}; {length_s:.0f} s at speed {settings.speed:g}"
        )
        process_settings = SiteProcessSettings(
            site=site, folder=folder, clock=clock, host=settings.host, port=settings.port,
            recording=settings.recording.resolve(),
        )  # fmt: skip
        async with SiteProcesses(process_settings, tell) as processes:
            print_addresses(process_settings)
            await _until_played(folder / PLAYED, len(rows), settings.for_s)
            await asyncio.sleep(DRAIN_S)
            played = _played(folder / PLAYED)
            print_result(played, processes.database)


def _read(file: Path) -> list[RecordedRow]:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(read_recording(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(f"cannot read {file}: {error}") from error
    if not rows:
        raise SettingInvalid(f"{file} has no rows; give the CSV file of UCI data set 864")
    return rows


def _played(file: Path) -> list[PlayedRow]:
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [msgspec.json.decode(line, type=PlayedRow) for line in lines]


async def _until_played(file: Path, wanted: int, for_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    started = told = loop.time()
    while (count := len(_played(file))) < wanted:
        now = loop.time()
        if for_s is not None and now - started >= for_s:
            return
        if now - told >= 15:
            tell(f"{count} of {wanted} rows played")
            told = now
        await asyncio.sleep(0.25)


async def play_recording(
    file: Path, plan: FloorPlan, devices: BrokerUrl, clock: Clock, run_dir: Path, ready: Callable[[], None]
) -> None:
    """Play the rows as two Zigbee2MQTT sensors, note what was played, then wait to be stopped."""
    rows = _read(file)
    with (run_dir / PLAYED).open("ab", buffering=0) as played:

        def note(row: RecordedRow, at: datetime) -> None:
            played.write(msgspec.json.encode(PlayedRow(at, row.pirs, row.head_count)) + b"\n")

        ready()
        await replay_recording(
            rows,
            names=(zigbee_pir_name(PLACES[0]), zigbee_pir_name(PLACES[1])),
            zigbee_base=plan.gateways[0].mqtt["zigbee2mqtt"],
            clock=clock,
            open_device_link=wiring.link_opener(devices),
            on_row=note,
        )
        await asyncio.Event().wait()


def print_result(played: Sequence[PlayedRow], database: Path) -> None:
    """Print agreement per sensor, beside the naive rules on the same rows."""
    if not played:
        tell("nothing was played")
        return
    truth = [(row.at, row.heads > 0) for row in played]
    transitions = SqliteHistory(sqlite_driver.connect, database).place_transitions(*ALL_TIME)
    from_at, to_at = played[0].at, played[-1].at
    print(f"\n{'sensor':<8}{'method':<22}{'right':>8}{'balanced':>10}{'F1':>8}{'false releases':>16}")
    for column, place in enumerate(PLACES):
        shown = [
            (row.at, None if row.occupancy == "unknown" else row.occupancy == "occupied")
            for row in transitions
            if row.place == place
        ]
        _print_row(place, "through Plekvrij", binary_score(truth, shown, from_at, to_at))
        hits = [row.at for row in played if row.pirs[column]]
        for minutes in BASELINES_MIN:
            timeline = last_motion(hits, timedelta(minutes=minutes), from_at)
            _print_row(place, f"last motion {minutes} min", binary_score(truth, timeline, from_at, to_at))


def _print_row(place: str, method: str, row: BinaryScore) -> None:
    print(f"{place:<8}{method:<22}{percent(row.accuracy):>8}{percent(row.balanced_accuracy):>10}{number(row.f1, 3):>8}"
          f"{row.false_releases:>16}", flush=True)  # fmt: skip
