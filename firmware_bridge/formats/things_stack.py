"""The Things Stack v3 over MQTT: `v3/<application>[@<tenant>]/devices/<device id>/<up|join|...>`, JSON.

The JSON leaves out what is zero or empty: no `f_cnt` is counter 0. No `f_port` may be 0 or unknown (the full
example of the documentation has none). Facts from TheThingsIndustries/lorawan-stack-docs,
`doc/content/integrations/data-formats/_index.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from firmware_bridge.formats.json_values import as_moment, as_number
from firmware_bridge.formats.lorawan_uplink import Uplink, UplinkReader
from firmware_bridge.formats.protobuf_json import best_signal, count, message_of, section, text, texts
from workplace.readings import Decoded, Reading


class ThingsStackDecoder:
    """`workplace.ports.MessageDecoder` for any number of devices of any known model."""

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        """Take a table of dev EUI, device id or attribute value -> model (`browan.tbms100`).

        Raises:
            SettingInvalid: a model has no decoder.
        """
        self._reader = UplinkReader(models)

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says; what the server decoded is not used."""
        del retained
        levels = topic.split("/")
        if len(levels) != 5 or levels[0] != "v3" or levels[2] != "devices" or levels[4] not in ("up", "join"):
            return Decoded()
        message, fault = message_of(payload)
        if fault is not None:
            return Decoded(fault=fault, device=levels[3])
        ids = section(message, "end_device_ids")
        device = (text(ids, "dev_eui") or text(ids, "device_id") or levels[3]).lower()
        if levels[4] == "join":
            self._reader.forget(device)
            return Decoded(device=device)
        return self._decode_up(device, ids, message, now)

    def _decode_up(self, device: str, ids: dict[str, Any], message: dict[str, Any], now: datetime) -> Decoded:
        up = section(message, "uplink_message")
        counter = count(up, "f_cnt")
        port = count(up, "f_port") if "f_port" in up else None
        if not up or counter is None or ("f_port" in up and port is None):
            return Decoded(fault="bad_envelope", device=device)
        version = section(up, "version_ids")
        rssi, snr = best_signal(up.get("rx_metadata"))
        time = text(message, "received_at") or text(up, "received_at") or _gateway_time(up)
        uplink = Uplink(
            device=device,
            session=text(up, "session_key_id"),
            counter=counter,
            message_id=None,
            port=port,
            payload_text=text(up, "frm_payload"),
            time=time,
            names=(
                text(section(up, "attributes"), "model"),
                f"{text(version, 'brand_id')} {text(version, 'model_id')}".strip(),
                *texts(up, "attributes"),
                text(ids, "device_id"),
            ),
            rssi=rssi,
            snr=snr,
            facts={
                "dev_eui": text(ids, "dev_eui"),
                "device_id": text(ids, "device_id"),
                "f_port": port,
                "f_cnt": counter,
                "time": time,
            },
        )
        decoded = self._reader.read(uplink, now)
        battery = _last_battery(up, now)
        if (
            decoded.dropped is not None
            or battery is None
            or any(r.kind == "battery" for r in decoded.readings)
        ):
            return decoded
        return replace(decoded, readings=(*decoded.readings, battery))


def _gateway_time(up: dict[str, Any]) -> str:
    receptions = up.get("rx_metadata")
    heard = [item for item in receptions if isinstance(item, dict)] if isinstance(receptions, list) else []
    return next((time for item in heard if (time := text(item, "time"))), "")


def _last_battery(up: dict[str, Any], now: datetime) -> Reading | None:
    """The server repeats the last status that the device sent; its own time tells how old that is."""
    last = section(up, "last_battery_percentage")
    level = as_number(last.get("value"))
    if level is None or not 0 <= level <= 100:
        return None
    return Reading("battery", level, "%", measured_at=as_moment(last.get("received_at"), now))
