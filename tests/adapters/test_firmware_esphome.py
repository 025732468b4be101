"""ESPHome accepts the package and the example, and the gateway understands what such a node says."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_bridge.formats.esphome import EsphomeDecoder
from simulators.native_node import FIRMWARE

ESPHOME = Path(__file__).parents[2] / ".venv-esphome" / "bin" / "esphome"
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def configure(folder: Path) -> subprocess.CompletedProcess[str]:
    assert ESPHOME.exists(), "run: bash deploy/test-esphome.sh"
    return subprocess.run(
        [ESPHOME, "config", folder / "example.yaml"], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in (FIRMWARE / "esphome").glob("*.yaml"):
        shutil.copy(file, tmp_path)
    shutil.copy(tmp_path / "secrets.example.yaml", tmp_path / "secrets.yaml")
    return tmp_path


def test_the_example_is_a_valid_configuration(folder: Path) -> None:
    done = configure(folder)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "topic_prefix: desk-1-w1" in done.stdout
    for effect in ("free", "in_use", "note", "reclaimable", "unknown"):
        assert f"name: {effect}\n" in done.stdout


def test_a_mistake_is_refused(folder: Path) -> None:
    package = folder / "desk-node.yaml"
    package.write_text(package.read_text("utf-8").replace("name: dock\n", "nam: dock\n", 1), "utf-8")
    assert configure(folder).returncode == 2


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        pytest.param("desk-1-w1/binary_sensor/pir/state", b"ON", ("motion", True), id="somebody moves"),
        pytest.param("desk-1-w1/binary_sensor/dock/state", b"OFF", ("link", False), id="the laptop leaves"),
        pytest.param("desk-1-w1/status", b"offline", ("availability", False), id="the node is gone"),
    ],
)
def test_the_gateway_understands_the_names_of_the_package(
    topic: str, payload: bytes, said: tuple[str, object]
) -> None:
    [reading] = EsphomeDecoder().decode(topic, payload, retained=False, now=NOW).readings
    assert (reading.kind, reading.value) == said
