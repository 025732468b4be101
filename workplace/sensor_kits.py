"""What hangs under a place: each kind of sensor with its habits. One row per kit; a new device is a new row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workplace.events import SensorKind


@dataclass(frozen=True, slots=True)
class SensorKit:
    """How one kind of sensor speaks.

    Attributes:
        kind: what its events are called.
        families: of which device families (keys of `device_ids.PREFIXES`) it can be a member.
        blind_s: deaf this long after a report, s.
        beat_s: longest normal silence, s; None when the gateway itself reports a loss.
        end_timer_s: the end of a hit comes this long after the last one, by a timer and not by looking, s.
        model: what a gateway takes such a device for when its messages do not say what sent them.
    """

    kind: SensorKind
    families: tuple[str, ...]
    blind_s: float = 0.0
    beat_s: float | None = None
    end_timer_s: float = 0.0
    model: str | None = None


_LORAWAN = ("chirpstack", "things_stack")
#: Wired nodes beat every 10 s (DSP/1) and their gateway reports a loss itself. A wired PIR module re-arms within
#: 10 s (HC-SR501 data sheet: 2.5 s + hold).
KITS: Final[dict[str, SensorKit]] = {
    "dock": SensorKit("link", ("dsp1",)),
    "pir": SensorKit("motion", ("dsp1",), blind_s=10.0),
    # Aqara PIRs are deaf for 60 s after a hit, send battery and light every 50-60 min, and the bridge makes the end
    # itself, 90 s after the last hit (zigbee2mqtt.io, RTCGQ11LM).
    "zigbee_pir": SensorKit("motion", ("zigbee2mqtt",), blind_s=60.0, beat_s=3600.0, end_timer_s=90.0),
    # Mains radars repeat their state; Zigbee2MQTT calls them lost after 10 min (device-availability guide).
    "zigbee_radar": SensorKit("occupancy", ("zigbee2mqtt",), beat_s=600.0),
    # Milesight VS340/341 report changes at once and a heartbeat at their interval, 60 min as shipped
    # (VS340 encoder: interval 1-1440 min).
    "lora_seat": SensorKit("occupancy", _LORAWAN, beat_s=3600.0, model="milesight.vs340"),
    # Browan TBMS100: free 5 min after the last motion, heartbeat 10 min occupied / 60 min free (reference manual).
    "lora_desk": SensorKit("occupancy", _LORAWAN, beat_s=3600.0, end_timer_s=300.0, model="browan.tbms100"),
    # Milesight WS202 says trigger and idle and beats every 60 min as shipped; that it is idle 60 s after the last
    # movement is a guess, the manual was not at hand.
    "lora_pir": SensorKit(
        "motion", _LORAWAN, blind_s=60.0, beat_s=3600.0, end_timer_s=60.0, model="milesight.ws202"
    ),
    "esphome_pir": SensorKit("motion", ("esphome",), blind_s=10.0),
    "esphome_dock": SensorKit("link", ("esphome",)),
    # A Tasmota switch input with a PIR repeats it in each telemetry, every 300 s (tasmota docs, TelePeriod).
    "tasmota_pir": SensorKit("motion", ("tasmota",), blind_s=10.0, beat_s=300.0),
    # Shelly Motion: deaf 60 s as shipped (blind time setting), status at least once an hour.
    "shelly_motion": SensorKit("motion", ("shelly",), blind_s=60.0, beat_s=3600.0, end_timer_s=60.0),
    "shelly_presence": SensorKit("occupancy", ("shelly",)),
    "ble_pir": SensorKit("motion", ("ble",), blind_s=30.0, beat_s=3600.0, end_timer_s=30.0),
    "ble_seat": SensorKit("occupancy", ("ble",), beat_s=3600.0),
    "imported_motion": SensorKit("motion", ("ha_discovery", "pressac", "mysensors"), blind_s=60.0),
    "imported_occupancy": SensorKit("occupancy", ("ha_discovery",)),
    "imported_link": SensorKit("link", ("ha_discovery",)),
    "radar": SensorKit("occupancy", ("ld2410", "ld2450")),
    # The poll of ifOperStatus is its beat; a switch that does not answer is reported by the gateway.
    "switch_port": SensorKit("link", ("switch",)),
    "laptop_dock": SensorKit("link", ("laptop_dock",)),
}
