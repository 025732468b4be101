"""Every format that is built reads every captured message of it; the runner itself notices what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.registry import FORMATS
from firmware_bridge.vectors import NOT_BUILT, VectorResult, run_vectors

VECTORS = Path(__file__).parents[1] / "captures" / "vectors"
RESULTS = run_vectors(VECTORS)
PLAIN: dict[str, Any] = {
    "id": "v",
    "format": "ble.bthome.v2",
    "input": {"encoding": "hex", "payload": "40016202ca092101"},
    "expect": [
        {"kind": "battery", "value": 98, "unit": "%"},
        {"kind": "temperature", "value": 25.06},
        {"kind": "motion", "value": True},
    ],
}


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: str(result.id))
def test_captured_messages_mean_what_is_written(result: VectorResult) -> None:
    assert result.passed, result.difference


def test_a_format_that_is_not_built_fails_and_says_so() -> None:
    (made_up,) = run_vectors([PLAIN | {"format": "ble.of.tomorrow"}])
    assert made_up.difference == NOT_BUILT


def changed(**changes: Any) -> dict[str, Any]:
    return PLAIN | changes


@pytest.mark.parametrize(
    ("vector", "difference"),
    [
        pytest.param(PLAIN, "", id="all as expected"),
        pytest.param(changed(expect=PLAIN["expect"][2:]), "", id="kinds that decide nothing may come extra"),
        pytest.param(changed(expect=[]), "unexpected kind='motion'", id="motion may not come extra"),
        pytest.param(
            changed(expect=PLAIN["expect"][:1], match="subset"), "", id="a subset leaves room for other kinds"
        ),
        pytest.param(
            changed(expect=[{"kind": "motion", "value": 1}]),
            "expected kind='motion' value=1; unexpected kind='motion'",
            id="true is not the number one",
        ),
        pytest.param(
            changed(expect=[{"kind": "temperature", "value": 25.065}], match="subset"),
            "",
            id="temperatures may differ by a hundredth",
        ),
        pytest.param(
            changed(expect=[{"kind": "battery", "value": 98.005}], match="subset"),
            "expected kind='battery'",
            id="percentages may not",
        ),
        pytest.param(
            changed(expect=[{"kind": "battery", "value": 98, "unit": "V"}], match="subset"),
            "expected kind='battery' value=98 unit='V'",
            id="units count",
        ),
        pytest.param(changed(sleepy=True), "expected sleepy=True", id="the sleepy flag counts"),
        pytest.param(changed(device="nobody"), "expected device nobody", id="the device counts"),
        pytest.param(changed(expect_error="key_missing"), "expected fault key_missing", id="errors count"),
    ],
)
def test_the_runner_says_what_differs(vector: dict[str, Any], difference: str) -> None:
    (result,) = run_vectors([vector])
    assert result.passed == (not difference)
    assert result.difference.startswith(difference)


def test_a_decoder_that_raises_is_a_failure_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        def run(_: object) -> Any:
            raise IndexError("off the end")

        return run

    monkeypatch.setitem(FORMATS, "ble.bthome.v2", broken)
    results = run_vectors([PLAIN, PLAIN | {"id": "w"}])
    assert [result.difference for result in results] == ["raised IndexError: off the end"] * 2


def test_sequences_remember_between_steps() -> None:
    step = {
        "input": PLAIN["input"] | {"payload": "40000921" + "01"},
        "expect": [{"kind": "motion", "value": True}],
    }
    sequence = {
        "id": "s",
        "format": "ble.bthome.v2",
        "steps": [step | {"t": 0}, {**step, "t": 1, "expect": [], "dropped": "duplicate"}, step | {"t": 2}],
    }
    (result,) = run_vectors([sequence])
    assert result.difference == "at 2 s: expected kind='motion' value=True"


def test_text_file_and_folder_give_the_same(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps([PLAIN]), encoding="utf-8")
    assert run_vectors(tmp_path) == run_vectors(file) == run_vectors(file.read_text()) == run_vectors([PLAIN])
    assert run_vectors(tmp_path, "framing.cobs") == []


def test_a_file_that_is_no_vector_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"id": 1}', encoding="utf-8")
    with pytest.raises(ValueError, match="list of objects"):
        run_vectors(tmp_path)
