"""How right the occupancy models are, in the usual building and in unusual ones: `python -m bench.accuracy`.

Every seed is a building of its own, seen for two workdays of which the first is untaught. Only whole areas are looked
at (a zone with its small neighbours, 20 to 42 places), for people are counted per area; `--areas` takes some of them,
others for each seed. `--keep DIR` keeps each building's figures and goes on where a run ended; `--page FILE` writes
the page of the documentation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

import msgspec

from bench import accuracy_page
from bench.accuracy_page import Measured
from plekvrij import wiring
from plekvrij.evaluate_command import figures
from plekvrij.evaluation import SMOOTHED, areas_of, evaluate, read_recording
from plekvrij.simulate_command import EVENTS, TRUTH, write_days
from simulators.conditions import SCENARIOS, furnished
from simulators.feed import feed
from workplace.floor_plan import FloorPlan

#: Method -> what the table calls it; the others are not asked for.
METHODS = {
    "filter": "filter",
    SMOOTHED: "filter, afterwards",
    "hand_tuned": "hand-tuned rule",
    "last motion 15 min": "last motion 15 min",
}
#: Figure, heading and digits.
COLUMNS = (
    ("accuracy", "right", 3),
    ("f1_occupied", "F1 in use", 3),
    ("false_releases_per_1000_h", "false releases / 1,000 h", 0),
    ("long_hold_f1", "F1 holds >= 30 min", 3),
    ("clock_error_s", "clock, s", 0),
    ("calibration_error", "calibration", 3),
    ("zone_error", "people per 25", 2),
    ("coverage", "claimed", 3),
)
#: Afterwards nothing is released, and a time-out knows no holds.
SENSELESS = {(SMOOTHED, "false_releases_per_1000_h"), ("last motion 15 min", "long_hold_f1")}
#: Where there is no dock nothing is held.
NO_HOLDS = {"pir-only"}
Row = dict[str, float | None]


class Building(msgspec.Struct, frozen=True):
    """What was measured of one building; `places` were looked at, `occupied_h` hours of them were in use."""

    scenario: str
    seed: int
    days: int
    areas: int
    places: int
    occupied_h: float
    methods: dict[str, Row]


def measure(plan: FloorPlan, scenario: str, seed: int, days: int, areas: int) -> Building:
    """Return the figures of one building; `areas` 0 for all of it."""
    conditions = SCENARIOS[scenario]
    here = furnished(plan, conditions)
    found = areas_of(here, {name for name, place in here.place.items() if place.sensors})
    if 0 < areas < len(found):
        found = [found[(seed * areas + number) % len(found)] for number in range(areas)]
    wanted = {name for area in found for name in area}
    with TemporaryDirectory(prefix="plekvrij-accuracy-") as folder:
        events, truth = Path(folder) / EVENTS, Path(folder) / TRUTH
        devices = {sensor.device for name in wanted for sensor in here.place[name].sensors}
        lived = feed(here, seed, days, conditions.faults, conditions)
        heard = (replace(day, events=tuple(e for e in day.events if e.device in devices)) for day in lived)
        write_days(here, Path(folder), heard)
        recording = read_recording(here, events, truth)
    recording.truth = {name: steps if name in wanted else [] for name, steps in recording.truth.items()}
    policy = wiring.read_site(wiring.DEMO_PLAN, wiring.DEMO_POLICY).policy
    results = evaluate(recording, policy, leave_out={"filter, untaught"})
    methods = {
        result.method: {**figures(result.total), "zone_error": result.zone_error}
        for result in results
        if result.method in METHODS
    }
    occupied_h = results[0].total.occupied_h
    return Building(scenario, seed, days, areas, len(wanted), occupied_h, methods)


def table(buildings: Sequence[Building]) -> Iterator[str]:
    """Yield the rows of one scenario: mean and spread over its buildings."""
    scenario = buildings[0].scenario
    for method, name in METHODS.items():
        cells = []
        for key, _, digits in COLUMNS:
            is_senseless = (method, key) in SENSELESS or (scenario in NO_HOLDS and key in _OF_HOLDS)
            cells.append("-" if is_senseless else _cell(buildings, method, key, digits))
        yield f"| {scenario} | {name} | " + " | ".join(cells) + " |"


_OF_HOLDS = ("long_hold_f1", "clock_error_s")


def _cell(buildings: Sequence[Building], method: str, key: str, digits: int) -> str:
    rows = (one.methods.get(method, {}) for one in buildings)
    values = [value for row in rows if (value := row.get(key)) is not None]
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}" if values else "-"


def header() -> Iterator[str]:
    yield "| building | method | " + " | ".join(head for _, head, _ in COLUMNS) + " |"
    yield "|--|--|" + "--|" * len(COLUMNS)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="Names, with commas (default all).")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="Seeds, with commas (default 1,2,3,4,5).")
    parser.add_argument("--days", type=int, default=2, help="Workdays per seed (default 2).")
    parser.add_argument("--areas", type=int, default=0, help="Whole areas per seed (default 0: all).")
    parser.add_argument("--keep", type=Path, help="Folder that keeps each building's figures.")
    parser.add_argument("--kept", action="store_true", help="Measure nothing: use what --keep holds.")
    parser.add_argument("--page", type=Path, help="Write the page of the documentation into this file.")
    chosen = parser.parse_args(arguments)
    plan = wiring.read_site(wiring.DEMO_PLAN, None).plan
    found: list[Building] = []
    for line in header():
        print(line)
    if chosen.kept and chosen.keep is None:
        parser.error("--kept needs --keep DIR")
    for scenario in chosen.scenarios.split(","):
        if chosen.kept:
            rows = all_kept(chosen.keep, scenario)
        else:
            rows = [
                _kept(chosen.keep, plan, scenario, int(seed), chosen.days, chosen.areas)
                for seed in chosen.seeds.split(",")
            ]
        for line in table(rows) if rows else ():
            print(line, flush=True)
        found += rows
    if chosen.page is not None:
        chosen.page.write_text(page(found), "utf-8")
    return 0


def page(buildings: Sequence[Building]) -> str:
    """Return the page of the documentation."""
    groups = [list(group) for _, group in groupby(buildings, lambda one: one.scenario)]
    rows = [line for group in groups for line in table(group)]
    return accuracy_page.text([*header(), *rows], [_measured(group) for group in groups])


def _measured(buildings: Sequence[Building]) -> Measured:
    def average(key: str) -> float:
        return mean(value for one in buildings if (value := one.methods["filter"][key]) is not None)

    return Measured(
        scenario=buildings[0].scenario,
        seeds=len(buildings),
        days=buildings[0].days,
        places=sum(one.places for one in buildings),
        occupied_h=sum(one.occupied_h for one in buildings),
        right=average("accuracy"),
        false_releases=average("false_releases_per_1000_h"),
        people_per_25=average("zone_error"),
        calibration=average("calibration_error"),
    )


def all_kept(keep: Path, scenario: str) -> list[Building]:
    """Return the buildings of a scenario that were measured before."""
    files = sorted(keep.glob(f"{scenario}-[0-9]*.json"))
    return [msgspec.json.decode(file.read_bytes(), type=Building) for file in files]


def _kept(keep: Path | None, plan: FloorPlan, scenario: str, seed: int, days: int, areas: int) -> Building:
    file = None if keep is None else keep / f"{scenario}-{seed}-{days}-{areas}.json"
    if file is not None and file.exists():
        return msgspec.json.decode(file.read_bytes(), type=Building)
    print(f"{scenario}, seed {seed}", file=sys.stderr)
    building = measure(plan, scenario, seed, days, areas)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(building))
    return building


if __name__ == "__main__":
    sys.exit(main())
