"""Which place hears of which fact: facts of devices and gateways -> evidence per place. Pure tables."""

from __future__ import annotations

from collections.abc import Iterator

from workplace.events import GatewayStatus, SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.occupancy.interface import DeviceHeard, Evidence, GatewayHeard, Sensed

#: Kinds that say nothing about people but prove that the device lives.
_LIFE = frozenset({"battery", "environment", "button"})

Ear = tuple[str, int]
"""Place id and number of the sensor in it."""


class Wiring:
    """Look-up tables of one plan."""

    def __init__(self, plan: FloorPlan) -> None:
        self._wired: dict[tuple[str, str | None, str], list[Ear]] = {}
        self._device: dict[str, list[Ear]] = {}
        self._input: dict[tuple[str, str | None], list[Ear]] = {}
        self._gateway: dict[str, list[Ear]] = {}
        self.lit: dict[str, list[str]] = {}
        for place in plan.place.values():
            for number, sensor in enumerate(place.sensors):
                ear = (place.id, number)
                self._wired.setdefault((sensor.device, sensor.channel, sensor.kind), []).append(ear)
                self._device.setdefault(sensor.device, []).append(ear)
                self._input.setdefault((sensor.device, sensor.channel), []).append(ear)
                self._gateway.setdefault(sensor.gateway, []).append(ear)
            if place.light is not None:
                self.lit.setdefault(place.light.device, []).append(place.id)

    def links(self, device: str, channel: str | None) -> list[Ear]:
        """Return who hears the links of a device, or of one channel of it."""
        return [
            ear
            for (name, port, kind), ears in self._wired.items()
            if name == device and kind == "link" and channel in (None, port or "")
            for ear in ears
        ]

    def places_of(self, device: str) -> list[str]:
        """Return the places that hear a device, each once."""
        return list(dict.fromkeys(place for place, _ in self._device.get(device, ())))

    def read(self, fact: SensorEvent | GatewayStatus) -> Iterator[tuple[str, Evidence]]:
        """Yield place and evidence; nothing for stored records and for devices that no place listens to."""
        if isinstance(fact, GatewayStatus):
            for place, number in self._gateway.get(fact.gateway, ()):
                yield place, GatewayHeard(number, fact.status == "online")
        elif not fact.historical:
            yield from self._read_event(fact)

    def _read_event(self, event: SensorEvent) -> Iterator[tuple[str, Evidence]]:
        if event.kind == "availability":
            # with a channel it is one input that cannot be used, for instance a port that an administrator closed
            for place, number in self._ears(event.device, event.channel):
                yield (
                    place,
                    DeviceHeard(
                        number, event.value is True, event.measured_at, event.reason, is_repeat=event.retained
                    ),
                )
        elif event.retained:
            return
        elif event.kind in _LIFE:
            for place, number in self._device.get(event.device, ()):
                yield place, DeviceHeard(number, available=True, at=event.measured_at)
        else:
            for place, number in self._wired.get((event.device, event.channel, event.kind), ()):
                yield place, Sensed(number, event.value, event.measured_at, event.seq, event.expires_s)

    def _ears(self, device: str, channel: str | None) -> list[Ear]:
        return self._device.get(device, []) if channel is None else self._input.get((device, channel), [])
