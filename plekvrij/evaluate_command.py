"""`plekvrij evaluate`: how well the models follow recorded events, beside the plain time-outs, per kit of sensors."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from plekvrij import wiring
from plekvrij.agreement import number
from plekvrij.evaluation import Recording, Result, evaluate, read_recording
from workplace.desk_metrics import DeskScore, Said

#: Key, heading, digits, and the figure of a score.
_COLUMNS = (
    ("accuracy", "right", 3, lambda s: s.accuracy),
    ("balanced", "balanced", 3, lambda s: s.balanced),
    ("f1_occupied", "F1 in use", 3, lambda s: s.f1("occupied")),
    ("f1_held", "F1 held", 3, lambda s: s.f1("held")),
    ("long_hold_f1", "F1 >=30min", 3, lambda s: s.long_hold_f1),
    ("false_releases_per_1000_h", "false/1000h", 0, lambda s: s.false_releases_per_1000_h),
    ("arrival_p50_s", "come p50", 0, lambda s: _share(s.arrivals_s, 0.5)),
    ("arrival_p95_s", "p95 s", 0, lambda s: _share(s.arrivals_s, 0.95)),
    ("departure_p50_s", "go p50", 0, lambda s: _share(s.departures_s, 0.5)),
    ("departure_p95_s", "p95 s", 0, lambda s: _share(s.departures_s, 0.95)),
    ("clock_error_s", "clock s", 0, lambda s: s.clock_error_s),
    ("clock_miss_share", "missed", 2, lambda s: s.clock_miss_share),
    ("calibration_error", "calibr.", 3, lambda s: s.calibration_error),
    ("coverage", "coverage", 3, lambda s: s.coverage),
    ("occupied_h", "occ. h", 0, lambda s: s.occupied_h),
)


def run_evaluate(
    events: Path, truth: Path, plan: Path, policy: Path | None, timeline: Path | None, *, as_json: bool
) -> int:
    """Print the result to stdout; write the filter's timeline when asked. Return 0.

    Raises:
        DocumentInvalid, SettingInvalid: a file is not what it should be.
    """
    site = wiring.read_site(plan, policy)
    recording = read_recording(site.plan, events, truth)
    _tell_what_was_left_out(recording)
    results = evaluate(recording, site.policy, lambda name: print(f"living as {name} ...", file=sys.stderr))
    if timeline is not None:
        _write_timeline(timeline, results[0])
    for line in _as_json(results) if as_json else _as_text(results):
        print(line)
    return 0


def _tell_what_was_left_out(recording: Recording) -> None:
    unknown = recording.unknown_devices
    print(
        f"{recording.events} events, {len(recording.places)} places with sensors and truth; left out: "
        f"{recording.unreadable} unreadable lines, {sum(unknown.values())} events of {len(unknown)} unknown devices, "
        f"{recording.unknown_places} lines of truth about unknown places",
        file=sys.stderr,
    )


def _write_timeline(file: Path, result: Result) -> None:
    with file.open("wb") as out:
        for place, said in result.said.items():
            for one in said:
                out.write(msgspec.json.encode(_timeline_row(place, one)) + b"\n")


def _timeline_row(place: str, said: Said) -> dict[str, Any]:
    """Return one line of a timeline; the clock of a hold is given where one is claimed."""
    is_held = said.state == "held"
    return {
        "place": place,
        "at": said.at,
        "state": said.state or "unknown",
        "since": said.since,
        "p_occupied": round(said.p_occupied, 4),
        "p_held": round(said.p_held, 4),
        "p_free": round(max(1.0 - said.p_occupied - said.p_held, 0.0), 4),
        "hold_since": said.since if is_held else None,
        "hold_clock_s": round((said.at - said.since).total_seconds(), 3) if is_held else None,
    }


def figures(score: DeskScore) -> dict[str, float | None]:
    """Return every figure of a score by its key."""
    return {key: figure(score) for key, _, _, figure in _COLUMNS}


def _as_json(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        rows: list[tuple[str, DeskScore]] = [("all", result.total), *sorted(result.kits.items())]
        for kit, score in rows:
            row: dict[str, Any] = {"method": result.method, "kit": kit, **figures(score)}
            if kit == "all":
                row["zone_error_per_25"] = result.zone_error
            yield msgspec.json.encode(row).decode()


def _as_text(results: Sequence[Result]) -> Iterator[str]:
    yield f"{'method':<20}{'kit':<18}" + "".join(f"{head:>12}" for _, head, _, _ in _COLUMNS)
    for result in results:
        yield _line(result.method, "all", result.total)
        for kit, score in sorted(result.kits.items()) if len(result.kits) > 1 else ():
            yield _line("", kit, score)
    yield ""
    yield "people in a zone, mean error per 25 places"
    for result in results:
        yield f"{result.method:<20}{number(result.zone_error, 2):>8}"
    yield ""
    yield f"reliability of {results[0].method}: believed somebody, was so, hours"
    for said, true, seconds in results[0].total.bins:
        if seconds:
            yield f"{said / seconds:>8.3f}{true / seconds:>8.3f}{seconds / 3600:>10.0f}"


def _line(method: str, kit: str, score: DeskScore) -> str:
    cells = (number(figure(score), digits) for _, _, digits, figure in _COLUMNS)
    return f"{method:<20}{kit:<18}" + "".join(f"{cell:>12}" for cell in cells)


def _share(values: Sequence[float], share: float) -> float | None:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else None
