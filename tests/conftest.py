"""What several test folders share: the example site and a small one, free ports, waiting without sleeping blindly."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from workplace import floor_plan
from workplace.floor_plan import FloorPlan

# A busy machine is no fault of a property: only wrong answers fail.
hypothesis.settings.register_profile("plekvrij", deadline=None)
hypothesis.settings.load_profile("plekvrij")


ROOT = Path(__file__).resolve().parent.parent

#: One floor, one node of eight desks with dock and PIR, four seats with a Zigbee PIR.
SMALL_PLAN = """
site: klein
name: {nl: Klein kantoor, en: Small office}
gateways:
  - {id: gw-1, floor: f1, mqtt: {zigbee2mqtt: zigbee2mqtt-1}}
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [20, 12]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands:
          - {first: 1-W1, at: [2, 2], columns: 2, rows: 4, sensors: [dock, pir], node: "0001000000000001"}
      - id: 1-ontmoeten
        kind: meet
        name: {nl: Ontmoeten, en: Meet}
        rect: [11, 0, 9, 12]
        islands:
          - {first: 1-O1, at: [13, 2], columns: 2, rows: 2, sensors: [zigbee_pir]}
"""

#: One place for each kind of device that speaks MQTT. Three gateways: each reads one base topic of a family.
MIXED_PLAN = """
site: gemengd
name: {nl: Gemengd, en: Mixed}
gateways:
  - {id: gw-1, floor: f1, mqtt: {zigbee2mqtt: zigbee2mqtt-1, chirpstack: application/0d3e, esphome: esphome}}
  - {id: gw-2, floor: f1, mqtt: {tasmota: floor1, shelly: shellies}}
  - {id: gw-3, floor: f1, mqtt: {shelly: shelly-1}}
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [20, 12]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 20, 12]
        islands:
          - {first: M01, at: [2, 2], columns: 5, rows: 2}
devices:
  - {place: M01, sensor: zigbee_pir, device: z2m-pir-M01}
  - {place: M02, sensor: zigbee_radar, device: z2m-radar-M02}
  - {place: M03, sensor: lora_seat, device: lora-24e124535c400003}
  - {place: M04, sensor: lora_desk, device: lora-e8e1e10001040004}
  - {place: M05, sensor: lora_pir, device: lora-24e124538b230005}
  - {place: M06, sensor: esphome_dock, device: esphome-esphome_desk-a, channel: dock_1}
  - {place: M06, sensor: esphome_pir, device: esphome-esphome_desk-a, channel: pir_1}
  - {place: M07, sensor: tasmota_pir, device: tasmota-board-a, channel: Switch1, gateway: gw-2}
  - {place: M08, sensor: tasmota_pir, device: tasmota-board-b, channel: PIR1, gateway: gw-2}
  - {place: M09, sensor: shelly_motion, device: shelly-shellymotionsensor-60A423BEB709, gateway: gw-2}
  - {place: M10, sensor: shelly_presence, device: shelly-1_presence-aabb10, channel: "presencezone:200", gateway: gw-3}
"""


@pytest.fixture(scope="session")
def example_plan() -> FloorPlan:
    file = ROOT / "examples" / "town_hall.plan.yaml"
    return floor_plan.load(file.read_text("utf-8"), str(file))


@pytest.fixture(scope="session")
def small_plan() -> FloorPlan:
    return floor_plan.load(SMALL_PLAN, "small.plan.yaml")


@pytest.fixture(scope="session")
def small_plan_text() -> str:
    return SMALL_PLAN


@pytest.fixture
def small_plan_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.plan.yaml"
    file.write_text(SMALL_PLAN, "utf-8")
    return file


@pytest.fixture(scope="session")
def mixed_plan() -> FloorPlan:
    return floor_plan.load(MIXED_PLAN, "mixed.plan.yaml")


@pytest.fixture
def mixed_plan_file(tmp_path: Path) -> Path:
    file = tmp_path / "mixed.plan.yaml"
    file.write_text(MIXED_PLAN, "utf-8")
    return file


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder in memory, for databases whose content matters here and whose disk does not."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Wait for a condition with a deadline: `eventually(lambda: rows() == 3, within_s=60, what="three rows")`."""

    def wait(condition: Callable[[], object], *, within_s: float = 60.0, what: str = "the condition") -> None:
        deadline = time.monotonic() + within_s
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true within {within_s:g} s"
            pause.wait(0.02)

    return wait
