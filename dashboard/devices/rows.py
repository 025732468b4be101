"""Every device of the site with what is known of it: from the plan, from its gateway, from the store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dashboard.api.views import gateway_status
from dashboard.glyphs import StateLetter
from dashboard.live_site import GatewayView
from workplace.events import DeviceHealth
from workplace.floor_plan import Floor, FloorPlan, Place, Sensor
from workplace.plan_change import inputs_of
from workplace.ports import UnclaimedDevice
from workplace.sensor_grades import Quality, SensorGrade

DeviceState = Literal["ok", "lost", "unheard", "gateway"]
#: The worst of a place's devices decides how it is drawn, worst first.
_WORST: tuple[DeviceState, ...] = ("lost", "gateway", "unheard", "ok")
#: Solid for working, half for lost, dashed for not known: as on every other drawing.
_LETTERS: Mapping[DeviceState, StateLetter] = {"ok": "f", "lost": "r", "gateway": "x", "unheard": "x"}


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device. `reason` is a code of the gateway; ages in seconds of site time, None when it was never heard."""

    device: str
    gateway: str
    inputs: tuple[tuple[Place, Sensor], ...]
    state: DeviceState
    reason: str
    age_s: float | None
    battery_pct: float | None
    battery_days: float | None
    qualities: tuple[Quality, ...]
    firmware: str
    model: str

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple({place.id: place for place, _ in self.inputs}.values())


def device_rows(
    plan: FloorPlan, views: Sequence[GatewayView], grades: Mapping[str, SensorGrade], now: datetime
) -> list[DeviceRow]:
    """Return the devices of the plan, those in trouble first."""
    by_gateway = {view.id: view for view in views}
    health = {
        (view.id, one.device): one for view in views if view.health is not None for one in view.health.devices
    }
    rows = []
    for device, inputs in inputs_of(plan).items():
        gateway = inputs[0][1].gateway
        view = by_gateway[gateway]
        heard = health.get((gateway, device))
        state, reason = _state(view, heard)
        age_s = None
        if heard is not None and heard.last_seen_age_s is not None and view.health is not None:
            age_s = heard.last_seen_age_s + max(0.0, (now - view.health.at).total_seconds())
        watched = {place.id for place, sensor in inputs if sensor.kind == "motion"}
        qualities = {grades[place].quality for place in watched if place in grades}
        rows.append(
            DeviceRow(
                device=device,
                gateway=gateway,
                inputs=tuple(inputs),
                state=state,
                reason=reason,
                age_s=age_s,
                battery_pct=None if heard is None else heard.battery_pct,
                battery_days=None if heard is None else heard.battery_days_left,
                qualities=tuple(sorted(qualities)),
                firmware="" if heard is None else heard.firmware or "",
                model="" if heard is None else heard.model or "",
            )
        )
    return sorted(rows, key=lambda row: _WORST.index(row.state))


def _state(view: GatewayView, heard: DeviceHealth | None) -> tuple[DeviceState, str]:
    if gateway_status(view) in {"offline", "late"}:
        return "gateway", "gateway_down"
    if heard is None or (not heard.available and not heard.is_lost):
        return "unheard", "not_heard"
    return ("ok", "") if heard.available else ("lost", heard.reason or "device_down")


def letters_of(floor: Floor, rows: Iterable[DeviceRow]) -> list[StateLetter]:
    """Return how to draw each place of a floor, in the order of the drawing; `l` is one without a device."""
    worst: dict[str, DeviceState] = {}
    for row in rows:
        for place in row.places:
            known = worst.get(place.id)
            if known is None or _WORST.index(row.state) < _WORST.index(known):
                worst[place.id] = row.state
    return [
        _LETTERS[worst[place.id]] if place.id in worst else "l"
        for zone in floor.zones
        for place in zone.places
    ]


def found(rows: Iterable[DeviceRow], *, floor: str, state: str, words: str) -> list[DeviceRow]:
    """Return the rows of a floor and a state that hold every word, in a name of device, place or gateway."""
    wanted = words.casefold().split()

    def fits(row: DeviceRow) -> bool:
        text = " ".join(
            [row.device, row.gateway, *(p.id for p in row.places), *(p.label for p in row.places)]
        )
        return (
            (not floor or any(place.floor == floor for place in row.places))
            and (not state or (row.state == "ok") == (state == "ok"))
            and all(word in text.casefold() for word in wanted)
        )

    return [row for row in rows if fits(row)]


def stranger(devices: Iterable[UnclaimedDevice], device: str) -> UnclaimedDevice | None:
    return next((one for one in devices if one.device == device), None)
