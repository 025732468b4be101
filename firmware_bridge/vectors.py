"""Run device vectors: captured messages with what a decoder must make of them.

The layout of the files is described in the README next to them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from firmware_bridge.registry import FORMATS
from firmware_bridge.vector_input import Runner, parse_input
from workplace.readings import Decoded, Reading

#: Kinds that decide about places: for these a vector's list is complete, and one reading more is a failure.
COMPLETE_KINDS: Final = frozenset(
    {"motion", "occupancy", "presence", "moving", "count", "flow", "link", "availability", "button"}
)
#: Kinds that vendors' decoders round differently.
TOLERANT_KINDS: Final = frozenset({"temperature", "humidity", "voltage", "battery_voltage"})
TOLERANCE = 0.01
NOT_BUILT = "format not built yet"

_READING_FIELDS = frozenset({"unit", "channel", "zone", "scope", "historical"})


@dataclass(frozen=True, slots=True)
class VectorResult:
    """How one vector went. `difference` says in words what was not as expected, empty when it passed."""

    id: str
    format: str
    passed: bool
    difference: str = ""


def run_vectors(
    source: Path | str | Sequence[dict[str, Any]],
    format: str | None = None,  # noqa: A002 - the word that the vector files and the command line use
) -> list[VectorResult]:
    """Return one result per vector and sequence, in the order of the files.

    Args:
        source: a folder of JSON files, one such file, the text of one, or its parsed list.
        format: run only this format; None runs all.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is not JSON, or not a list of vectors.
    """
    return [_run(vector) for vector in load_vectors(source) if format is None or vector["format"] == format]


def load_vectors(source: Path | str | Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the vectors of a folder, a file, a text or a parsed list; raises as `run_vectors` does."""
    if isinstance(source, Path):
        files = sorted(source.glob("*.json")) if source.is_dir() else [source]
        return [vector for file in files for vector in load_vectors(file.read_text(encoding="utf-8"))]
    vectors = json.loads(source) if isinstance(source, str) else source
    if not isinstance(vectors, list | tuple) or not all(
        isinstance(vector, dict) and {"id", "format"} <= vector.keys() for vector in vectors
    ):
        raise ValueError("a vector file is a list of objects with `id` and `format`")
    return list(vectors)


def _run(vector: dict[str, Any]) -> VectorResult:
    make = FORMATS.get(vector["format"])
    if make is None:
        return VectorResult(vector["id"], vector["format"], passed=False, difference=NOT_BUILT)
    runner, steps = make(), vector.get("steps")
    if steps is None:
        difference = _try(runner, vector, 0.0)
    else:
        tried = ((step, _try(runner, step, step["t"])) for step in steps)
        difference = "; ".join(f"at {step['t']} s: {wrong}" for step, wrong in tried if wrong)
    return VectorResult(vector["id"], vector["format"], passed=not difference, difference=difference)


def _try(runner: Runner, wanted: dict[str, Any], t_s: float) -> str:
    try:
        decoded = runner(parse_input(wanted["input"], t_s))
    except Exception as error:  # noqa: BLE001 - the promise under test is that no input makes a decoder raise
        return f"raised {type(error).__name__}: {error}"
    return "; ".join(_differences(wanted, decoded))


def _differences(wanted: dict[str, Any], decoded: Decoded) -> list[str]:
    found: list[str] = []
    left = list(decoded.readings)
    expected = wanted.get("expect", [])
    for item in expected:
        match = next((reading for reading in left if _is_match(item, reading, decoded)), None)
        if match is None:
            found.append(f"expected {_shown(item)}")
        else:
            left.remove(match)
    # `subset` allows further kinds, not further readings of the kinds it names.
    strict = COMPLETE_KINDS
    if wanted.get("match") == "subset":
        strict = strict & {item["kind"] for item in expected}
    found += [f"unexpected {_brief(reading)}" for reading in left if reading.kind in strict]
    return found + _envelope_differences(wanted, decoded)


def _envelope_differences(wanted: dict[str, Any], decoded: Decoded) -> list[str]:
    found = []
    error = wanted.get("expect_error")
    if error is not None and decoded.fault != error and decoded.readings:
        found.append(f"expected fault {error}, got {decoded.fault} with readings")
    if "dropped" in wanted and decoded.dropped != wanted["dropped"]:
        found.append(f"expected dropped={wanted['dropped']}, got {decoded.dropped}")
    if "sleepy" in wanted and decoded.sleepy != wanted["sleepy"]:
        found.append(f"expected sleepy={wanted['sleepy']}")
    if "device" in wanted and not _is_device(wanted["device"], decoded):
        found.append(f"expected device {wanted['device']}, got {decoded.device}")
    return found


def _is_device(name: str, decoded: Decoded) -> bool:
    return name.lower() in {str(decoded.device).lower()} | {
        str(item.device).lower() for item in decoded.readings
    }


def _is_match(item: dict[str, Any], reading: Reading, decoded: Decoded) -> bool:
    if item["kind"] != reading.kind or not _is_equal(item["value"], reading.value, reading.kind):
        return False
    return all(
        _is_fact(name, wanted, reading, decoded)
        for name, wanted in item.items()
        if name not in ("kind", "value")
    )


def _is_fact(name: str, wanted: Any, reading: Reading, decoded: Decoded) -> bool:
    if name in _READING_FIELDS:
        return _is_equal(wanted, getattr(reading, name), "")
    if name == "device":
        return wanted in (reading.device, decoded.device)
    if name == "ts":
        return _is_moment(wanted, reading.measured_at)
    return _is_equal(wanted, reading.extra.get(name), "")


def _is_moment(wanted: float | str, got: datetime | None) -> bool:
    if got is None:
        return False
    if not isinstance(wanted, str):
        return abs(got.timestamp() - wanted) < TOLERANCE
    moment = datetime.fromisoformat(wanted)
    if moment.tzinfo is None:  # the device gives no zone; what it wrote is compared as it stands
        moment = moment.replace(tzinfo=UTC)
    return abs((got - moment).total_seconds()) < TOLERANCE


def _is_equal(wanted: Any, got: Any, kind: str) -> bool:
    if isinstance(wanted, dict):
        return isinstance(got, dict) and all(_is_equal(wanted[key], got.get(key), kind) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(got, tuple) and wanted == list(got)
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, int | float) and isinstance(got, int | float):
        return abs(wanted - got) <= (TOLERANCE if kind in TOLERANT_KINDS else 1e-9 * max(1.0, abs(wanted)))
    return bool(wanted == got)


def _shown(item: dict[str, Any]) -> str:
    return " ".join(f"{name}={value!r}" for name, value in item.items())


def _brief(reading: Reading) -> str:
    return f"kind={reading.kind!r} value={reading.value!r} channel={reading.channel!r} zone={reading.zone!r}"
