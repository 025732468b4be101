"""The registry on a real disk: what a gateway heard is there after a restart, and damage costs only memory."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.device_registry import DeviceRegistry
from gateway.device_table import DeviceTable

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PIR, BRIDGE = "z2m-pir-1", "mqtt:z2m"


class StillClock:
    speed = 1.0

    def now(self) -> datetime:
        return NINE

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


def registry(file: Path, table: DeviceTable) -> DeviceRegistry:
    return DeviceRegistry(file, table, connect=sqlite3.connect, clock=StillClock())


def heard(table: DeviceTable, times: int = 8) -> None:
    for hour in range(times):
        table.found(PIR, BRIDGE, hour * 3600.0, hour * 3600.0)
        table.seen(PIR, "zigbee2mqtt", NINE + timedelta(hours=hour))
    table.set_battery(PIR, 77.0, NINE)
    table.described(PIR, firmware="1.2", model="RTCGQ11LM")


def test_a_device_survives_a_restart_with_its_rhythm(tmp_path: Path) -> None:
    file, table = tmp_path / "gw.devices.db", DeviceTable()
    heard(table)
    asyncio.run(registry(file, table).save())
    again = DeviceTable()
    asyncio.run(registry(file, again).load())
    assert again.beat_s(PIR) == 3600.0
    (health,) = again.health(0.0, NINE + timedelta(hours=7))
    assert (health.firmware, health.battery_pct, health.last_seen_age_s) == ("1.2", 77.0, 0.0)
    row = sqlite3.connect(file).execute(
        "SELECT family, source, first_seen, last_seen, expected_beat_s, model, battery_pct FROM device"
    )
    assert row.fetchall() == [
        (
            "zigbee2mqtt",
            BRIDGE,
            "2026-03-02T09:00:00+00:00",
            "2026-03-02T16:00:00+00:00",
            3600.0,
            "RTCGQ11LM",
            77.0,
        )
    ]


def test_a_write_that_fails_is_made_up_for(tmp_path: Path) -> None:
    table = DeviceTable()
    heard(table)
    there = registry(tmp_path / "no-such-folder" / "x.db", table)
    asyncio.run(there.save())
    assert there.counters["registry_failed"] == 1
    file = tmp_path / "x.db"
    asyncio.run(registry(file, table).save())
    assert sqlite3.connect(file).execute("SELECT count(*) FROM device").fetchone() == (1,)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"this is no database" * 100, id="a damaged file is moved aside and the gateway starts"),
        pytest.param(None, id="so is one that holds nonsense"),
    ],
)
def test_damage_costs_only_memory(tmp_path: Path, content: bytes | None) -> None:
    file, table = tmp_path / "gw.devices.db", DeviceTable()
    if content is not None:
        file.write_bytes(content)
    else:
        heard(table)
        asyncio.run(registry(file, table).save())
        with sqlite3.connect(file) as db:
            db.execute("UPDATE device SET learned = '{\"silences_s\": 3}'")
    again = DeviceTable()
    found = registry(file, again)
    asyncio.run(found.load())
    assert found.counters["registry_moved_aside"] == 1
    heard(again)
    asyncio.run(found.save())
    assert found.counters["registry_failed"] == 0
    assert file.with_name("gw.devices.db.damaged").exists()
