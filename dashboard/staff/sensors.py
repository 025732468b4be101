"""Gateways and silent sensors, each with its cause: one alarm per cause. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from dashboard.api.views import GATEWAY_LATE_S, gateway_status
from dashboard.i18n import N_, Words
from dashboard.live_site import GatewayView
from dashboard.staff.parts import table
from dashboard.wording import reason_text
from workplace.events import DeviceHealth
from workplace.floor_plan import FloorPlan

_GATEWAY_WORDS = {
    "online": N_("online"),
    "late": N_("late"),
    "offline": N_("offline"),
    "unknown": N_("never heard"),
}
_SOURCE_WORDS = {"ok": N_("in order"), "degraded": N_("disturbed"), "down": N_("down")}
#: Rows of silent devices shown per gateway; more have one cause, which the gateway line names.
_DEVICES_SHOWN = 8
#: Batteries that end within this time are shown, days: enough to order cells and plan a round.
_BATTERY_DAYS = 30.0


def seconds(value: float | None, said: Words) -> str:
    """Return an age in the largest unit that fits."""
    if value is None:
        return "–"
    if value < 100:
        return said("{n} s").format(n=round(value))
    if value < 5400:
        return said("{n} min").format(n=round(value / 60))
    return said("{n} h").format(n=round(value / 3600))


def gateways(plan: FloorPlan, views: Sequence[GatewayView], floor: str, said: Words) -> Any:
    """Return the gateways, those of this floor first, and each silent device with its cause."""
    ordered = sorted(views, key=lambda view: plan.gateway[view.id].floor != floor)
    return html.Div(
        [
            table(
                [
                    said("Gateway"),
                    said("Floor"),
                    said("Status"),
                    said("Last heard"),
                    said("Waiting"),
                    said("Sensors"),
                    said("Cause"),
                ],
                [_gateway_line(plan, view, said) for view in ordered],
                said("Gateways"),
            ),
            *_silent_devices(plan, ordered, said),
            *_empty_batteries(plan, ordered, said),
        ],
        className="st-scroll-x",
    )


def _gateway_line(plan: FloorPlan, view: GatewayView, said: Words) -> list[Any]:
    status = gateway_status(view)
    health = view.health
    known = len({device for device, gateway in plan.devices.items() if gateway == view.id})
    down = 0 if health is None else sum(device.is_lost for device in health.devices)
    return [
        view.id,
        str(plan.floor[plan.gateway[view.id].floor].number),
        html.Span(
            [html.I(className=f"st-dot st-dot-{status}"), said(_GATEWAY_WORDS[status])], className="st-nowrap"
        ),
        seconds(view.health_age_s, said),
        "–" if health is None else str(health.outbox_rows),
        said("{n} of {c} silent").format(n=down, c=known) if down else str(known),
        _cause(view, status, said),
    ]


def _cause(view: GatewayView, status: str, said: Words) -> str:
    if status == "offline":
        return said("The broker lost it: power, network or program.")
    if status == "late":
        return said("No sign of life for {n} s; three are due by then.").format(n=round(GATEWAY_LATE_S))
    health = view.health
    if health is None:
        return said("Nothing heard of it yet.")
    faults = [
        f"{source.name}: {said(_SOURCE_WORDS[source.status])}"
        + (f" ({source.detail})" if source.detail else "")
        for source in health.sources
        if source.status != "ok"
    ]
    if not health.clock_synced:
        faults.append(said("clock not synchronised"))
    return "; ".join(faults)


def _silent_devices(plan: FloorPlan, views: Sequence[GatewayView], said: Words) -> list[Any]:
    rows: list[list[Any]] = []
    for view in views:
        if view.health is None or gateway_status(view) == "offline":
            continue  # one alarm per cause
        silent = [device for device in view.health.devices if device.is_lost]
        rows += [
            [
                device.device,
                _where(plan, device),
                reason_text(device.reason or "unknown", said),
                seconds(device.last_seen_age_s, said),
                _battery(device, said),
            ]
            for device in silent[:_DEVICES_SHOWN]
        ]
        if len(silent) > _DEVICES_SHOWN:
            rows.append([said("and {n} more").format(n=len(silent) - _DEVICES_SHOWN), view.id, "", "", ""])
    if not rows:
        return []
    head = [said("Sensor"), said("Places"), said("Cause"), said("Last heard"), said("Battery")]
    return [html.H3(said("Silent sensors")), table(head, rows, said("Silent sensors"))]


def _empty_batteries(plan: FloorPlan, views: Sequence[GatewayView], said: Words) -> list[Any]:
    """Return the batteries that end soon, the first to end first."""
    ending: list[tuple[float, DeviceHealth]] = [
        (device.battery_days_left, device)
        for view in views
        for device in (() if view.health is None else view.health.devices)
        if device.battery_days_left is not None and device.battery_days_left <= _BATTERY_DAYS
    ]
    if not ending:
        return []
    ending.sort(key=lambda found: (found[0], found[1].device))
    rows = [[device.device, _where(plan, device), _battery(device, said)] for _, device in ending]
    head = [said("Sensor"), said("Places"), said("Battery")]
    title = said("Batteries that end within a month")
    return [html.H3(title), table(head, rows, title)]


def _where(plan: FloorPlan, device: DeviceHealth) -> str:
    labels = [place.label for place in plan.places_of_device(device.device)]
    return f"{labels[0]}–{labels[-1]}" if len(labels) > 1 else "".join(labels)


def _battery(device: DeviceHealth, said: Words) -> str:
    level = "" if device.battery_pct is None else f"{device.battery_pct:.0f} %"
    if device.battery_days_left is None:
        return level
    return said("{p}, about {n} days left").format(p=level, n=round(device.battery_days_left))
