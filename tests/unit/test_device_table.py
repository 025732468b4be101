"""Who is there, who is silent, and who merely could not be heard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.device_table import DeviceTable
from gateway.health import fitting
from workplace.codec import decode, encode
from workplace.events import GatewayHealth

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PIR, BRIDGE = "z2m-pir-1", "mqtt:z2m"


def heard_hourly(table: DeviceTable, times: int) -> float:
    """Let the PIR speak once an hour; return the site seconds of its last word."""
    for hour in range(times):
        table.found(PIR, BRIDGE, hour * 3600.0, hour * 3600.0)
        table.seen(PIR, "zigbee2mqtt", NINE + timedelta(hours=hour))
    return (times - 1) * 3600.0


def test_a_device_that_misses_three_learned_beats_is_silent() -> None:
    table = DeviceTable()
    last_s = heard_hourly(table, 8)
    assert table.beat_s(PIR) == 3600.0
    assert table.silent(last_s + 3 * 3600) == []
    assert table.silent(last_s + 3.3 * 3600) == [(PIR, BRIDGE)]
    table.lost(PIR, BRIDGE, "silent")
    assert table.silent(last_s + 9 * 3600) == [], "it is told once"


def test_a_device_without_a_known_beat_is_never_called_silent() -> None:
    table = DeviceTable()
    assert table.silent(heard_hourly(table, 3) + 1e7) == []


def test_a_configured_beat_goes_before_the_learned_one() -> None:
    table = DeviceTable({PIR: 600.0})
    assert table.silent(heard_hourly(table, 8) + 2000) == [(PIR, BRIDGE)]


def test_a_device_whose_source_tells_its_silence_is_left_to_it() -> None:
    table = DeviceTable()
    table.tells_itself(PIR, BRIDGE)
    assert table.silent(heard_hourly(table, 8) + 1e6) == []


def test_the_silence_of_a_deaf_source_is_not_the_devices_own() -> None:
    table = DeviceTable()
    last_s = heard_hourly(table, 8)
    assert table.silent(last_s + 9000, deaf_sources={BRIDGE}) == []
    assert table.silent(last_s + 9000 + 3.2 * 3600) == []
    assert table.silent(last_s + 9000 + 3.3 * 3600) == [(PIR, BRIDGE)]


def test_after_a_sleep_of_the_gateway_everybody_has_time_to_speak() -> None:
    table = DeviceTable()
    last_s = heard_hourly(table, 8)
    table.excuse_all(last_s + 50_000)
    assert table.silent(last_s + 50_000 + 3600) == []


def test_a_restart_forgets_no_device_and_tells_the_one_that_does_not_come_back() -> None:
    table = DeviceTable()
    heard_hourly(table, 8)
    table.set_battery(PIR, 80.0, NINE)
    table.described(PIR, firmware="1.2", model="RTCGQ11LM")
    known, _ = table.take_changes()
    again = DeviceTable()
    again.restore(known, 0.0)
    (health,) = again.health(0.0, NINE + timedelta(hours=8))
    assert (health.available, health.reason, health.last_seen_age_s) == (False, "unknown", 3600.0)
    assert (health.battery_pct, health.firmware, health.model) == (80.0, "1.2", "RTCGQ11LM")
    assert again.silent(3 * 3600.0) == []
    assert again.silent(3.3 * 3600.0) == [(PIR, BRIDGE)]
    assert again.found(PIR, BRIDGE, 1.0, 1.0), "that it is there is news after a restart"


def test_a_radio_that_hears_the_whole_street_does_not_fill_the_memory() -> None:
    table = DeviceTable(most=10)
    for number in range(100):
        table.found(f"ble-{number}", "ble:hci0", float(number), float(number))
        table.seen(f"ble-{number}", "ble", NINE)
    changed, forgotten = table.take_changes()
    assert [known.device for known in changed] == [f"ble-{number}" for number in range(90, 100)]
    assert len(forgotten) == 90
    assert table.take_changes() == ([], [])


def test_health_of_a_thousand_devices_fits_into_a_message_and_names_the_lost_ones() -> None:
    table = DeviceTable()
    for number in range(1000):
        name = f"ble-{number:040d}"
        table.found(name, "ble:hci0", 0.0)
        table.seen(name, "ble", NINE)
        table.described(name, firmware="x" * 64, model="y" * 64)
        if number >= 950:
            table.lost(name, "ble:hci0", "silent")
    devices = fitting(table.health(10.0, NINE))
    health = GatewayHealth(
        site="klein",
        gateway="gw-1",
        at=NINE,
        uptime_s=1,
        outbox_rows=0,
        outbox_oldest_s=0,
        clock_synced=True,
        devices=devices,
    )
    assert decode(encode(health), GatewayHealth) == health
    assert sum(device.is_lost for device in devices) == 50
    assert len(devices) > 100
