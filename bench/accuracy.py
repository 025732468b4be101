"""How right the occupancy models are, in the usual building and in unusual ones: `python -m bench.accuracy`.

Prints the tables of docs/explanation/occupancy-model.md: mean and spread over seeds, baselines beside it. Every seed
is a building of its own, seen for two workdays of which the first is untaught. `--every` looks at a part of the places.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

from plekvrij import wiring
from plekvrij.evaluate_command import figures
from plekvrij.evaluation import SMOOTHED, evaluate, read_recording
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
)
#: Afterwards nothing is released, and a time-out knows no holds.
SENSELESS = {(SMOOTHED, "false_releases_per_1000_h"), ("last motion 15 min", "long_hold_f1")}
Row = dict[str, float | None]


def measure(plan: FloorPlan, scenario: str, seed: int, days: int, every: int) -> dict[str, Row]:
    """Return method -> figures of one building."""
    conditions = SCENARIOS[scenario]
    here = furnished(plan, conditions)
    wanted = set([name for name, place in here.place.items() if place.sensors][::every])
    with TemporaryDirectory(prefix="plekvrij-accuracy-") as folder:
        events, truth = Path(folder) / EVENTS, Path(folder) / TRUTH
        write_days(here, Path(folder), feed(here, seed, days, conditions.faults, conditions))
        recording = read_recording(here, events, truth)
    recording.truth = {name: steps if name in wanted else [] for name, steps in recording.truth.items()}
    policy = wiring.read_site(wiring.DEMO_PLAN, wiring.DEMO_POLICY).policy
    results = evaluate(recording, policy, leave_out={"filter, untaught"})
    return {
        result.method: {**figures(result.total), "zone_error": result.zone_error}
        for result in results
        if result.method in METHODS
    }


def table(scenario: str, rows: Sequence[dict[str, Row]]) -> Iterator[str]:
    """Yield the rows of one scenario: mean and spread."""
    for method, name in METHODS.items():
        cells = []
        for key, _, digits in COLUMNS:
            if (method, key) in SENSELESS:
                cells.append("-")
                continue
            values = [value for row in rows if method in row and (value := row[method].get(key)) is not None]
            spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.{digits}f}{spread}" if values else "-")
        yield f"| {scenario} | {name} | " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="Names, with commas (default all).")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="Seeds, with commas (default 1,2,3,4,5).")
    parser.add_argument("--days", type=int, default=2, help="Workdays per seed (default 2).")
    parser.add_argument("--every", type=int, default=1, help="Look at every n-th place only (default 1).")
    chosen = parser.parse_args(arguments)
    plan = wiring.read_site(wiring.DEMO_PLAN, None).plan
    print("| building | method | " + " | ".join(head for _, head, _ in COLUMNS) + " |")
    print("|--|--|" + "--|" * len(COLUMNS))
    for scenario in chosen.scenarios.split(","):
        rows = []
        for seed in map(int, chosen.seeds.split(",")):
            print(f"{scenario}, seed {seed}", file=sys.stderr)
            rows.append(measure(plan, scenario, seed, chosen.days, chosen.every))
        for line in table(scenario, rows):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
