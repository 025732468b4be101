"""`plekvrij simulate` and `plekvrij evaluate`: from files to figures, and what is left out on the way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from plekvrij import cli
from plekvrij.evaluation import kit_of, read_recording
from simulators.feed import feed
from workplace.errors import SettingInvalid
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan


@pytest.fixture(scope="module")
def files(small_plan_text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated days of the small office, written once."""
    folder = tmp_path_factory.mktemp("days")
    (folder / "plan.yaml").write_text(small_plan_text, "utf-8")
    arguments = [
        "simulate",
        "--plan",
        str(folder / "plan.yaml"),
        "--seed",
        "3",
        "--days",
        "2",
        "--out",
        str(folder),
    ]
    assert cli.main(arguments) == 0
    return folder


def run(files: Path, *more: str) -> int:
    names = [str(files / "events.ndjson"), str(files / "truth.ndjson"), "--plan", str(files / "plan.yaml")]
    return cli.main(["evaluate", *names, *more])


def test_a_simulated_day_is_the_same_for_the_same_seed_and_in_order_of_receiving(
    small_plan: FloorPlan,
) -> None:
    (one,), (other,) = list(feed(small_plan, 3, 1)), list(feed(small_plan, 3, 1))
    assert one == other
    received = [event.received_at for event in one.events]
    assert received == sorted(received)
    assert {change.place for change in one.truth} == set(small_plan.place)


def test_every_device_says_that_it_is_there_before_anything_else(small_plan: FloorPlan) -> None:
    (day,) = feed(small_plan, 3, 1)
    first = day.events[: len(small_plan.devices)]
    assert {event.device for event in first if event.kind == "availability"} == set(small_plan.devices)


def test_the_filter_beats_the_hand_tuned_rule(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--json") == 0
    rows = {
        row["method"]: row
        for row in map(msgspec.json.decode, capsys.readouterr().out.splitlines())
        if row["kit"] == "all"
    }
    assert {"filter", "filter, untaught", "hand_tuned", "filter, afterwards", "last motion 15 min"} <= set(
        rows
    )
    assert rows["filter, afterwards"]["accuracy"] > rows["filter"]["accuracy"]
    assert rows["filter"]["accuracy"] > rows["hand_tuned"]["accuracy"]
    assert rows["filter"]["false_releases_per_1000_h"] <= rows["hand_tuned"]["false_releases_per_1000_h"]
    assert rows["filter"]["zone_error_per_25"] is not None


def test_the_table_names_the_kits_and_the_timeline_is_written(
    files: Path, small_plan: FloorPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a few places, one of each kit among them; the others are left out because nothing is known of them."""
    truth = (files / "truth.ndjson").read_bytes().splitlines()
    holds = Counter(row["place"] for row in map(msgspec.json.decode, truth) if row["state"] == "held")
    few = {kit_of(place): place.id for place in small_plan.place.values()}
    few |= {place: place for place, _ in holds.most_common(3)}
    kept = [line for line in truth if msgspec.json.decode(line)["place"] in few.values()]
    (tmp_path / "truth.ndjson").write_bytes(b"\n".join(kept))
    names = [str(files / "events.ndjson"), str(tmp_path / "truth.ndjson"), "--plan", str(files / "plan.yaml")]
    assert cli.main(["evaluate", *names, "--timeline", str(tmp_path / "timeline.ndjson")]) == 0
    out = capsys.readouterr().out
    assert "dock+pir" in out
    assert "zigbee_pir" in out
    assert "reliability" in out
    rows = [msgspec.json.decode(line) for line in (tmp_path / "timeline.ndjson").read_bytes().splitlines()]
    assert all(
        abs(row["p_occupied"] + row["p_held"] + row["p_free"] - 1) < 0.001 and row["at"] and row["place"]
        for row in rows
    )
    held = [row for row in rows if row["state"] == "held"]
    assert held
    assert all(row["hold_since"] <= row["at"] and row["hold_clock_s"] >= 0 for row in held)
    assert all(row["hold_since"] is None for row in rows if row["state"] == "free")


def test_what_the_plan_does_not_know_is_counted_and_left_out(
    files: Path, tmp_path: Path, small_plan: FloorPlan
) -> None:
    stranger = msgspec.structs.replace(
        msgspec.json.decode((files / "events.ndjson").read_bytes().splitlines()[0], type=SensorEvent),
        device="guest",
    )
    lines = [*(files / "events.ndjson").read_bytes().splitlines(), msgspec.json.encode(stranger), b"{torn"]
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(lines))
    strange = b'\n{"place": "roof", "at": "2026-11-24T09:00:00Z", "state": "free"}\n'
    (tmp_path / "truth.ndjson").write_bytes((files / "truth.ndjson").read_bytes() + strange)
    found = read_recording(small_plan, tmp_path / "events.ndjson", tmp_path / "truth.ndjson")
    assert (found.unknown_devices, found.unreadable, found.unknown_places) == ({"guest": 1}, 1, 1)
    assert len(found.places) == len(small_plan.place)


def test_files_of_another_site_are_refused_with_a_hint(files: Path, example_plan: FloorPlan) -> None:
    with pytest.raises(SettingInvalid, match="--plan"):
        read_recording(example_plan, files / "events.ndjson", files / "truth.ndjson")


def test_a_missing_file_is_wrong_input(files: Path, tmp_path: Path) -> None:
    assert cli.main(["evaluate", str(tmp_path / "none"), str(files / "truth.ndjson")]) == 2
