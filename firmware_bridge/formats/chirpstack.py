"""ChirpStack v4 over MQTT: `application/<id>/device/<devEui>/event/<up|join|status|...>`, JSON.

The JSON leaves out what is zero or empty (protocol buffers): no `fCnt` is counter 0. Facts from
chirpstack/chirpstack-docs, `src/chirpstack/integrations/events.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from firmware_bridge.formats.json_values import as_moment, as_number
from firmware_bridge.formats.lorawan_uplink import Uplink, UplinkReader
from firmware_bridge.formats.protobuf_json import best_signal, count, message_of, section, text, texts
from workplace.readings import Decoded, Reading


class ChirpstackDecoder:
    """`workplace.ports.MessageDecoder` for any number of devices of any known model."""

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        """Take a table of dev EUI, device profile (name or id) or tag value -> model (`milesight.vs340`).

        A tag named `model` and a profile that contains the model's name do without.

        Raises:
            SettingInvalid: a model has no decoder.
        """
        self._reader = UplinkReader(models)

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says; what the server decoded is not used."""
        del retained
        levels = topic.split("/")
        if len(levels) < 4 or levels[-4] != "device" or levels[-2] != "event":
            return Decoded()
        device, event = levels[-3].lower(), levels[-1]
        message, fault = message_of(payload)
        if fault is not None:
            return Decoded(fault=fault, device=device)
        device = text(section(message, "deviceInfo"), "devEui").lower() or device
        if event == "up":
            return self._decode_up(device, message, now)
        if event == "join":
            self._reader.forget(device)
        return _status(device, message, now) if event == "status" else Decoded(device=device)

    def _decode_up(self, device: str, message: dict[str, Any], now: datetime) -> Decoded:
        port, counter = count(message, "fPort"), count(message, "fCnt")
        if port is None or counter is None:
            return Decoded(fault="bad_envelope", device=device)
        info = section(message, "deviceInfo")
        message_id = text(message, "deduplicationId")
        rssi, snr = best_signal(message.get("rxInfo"))
        uplink = Uplink(
            device=device,
            session=text(message, "devAddr"),
            counter=counter,
            message_id=message_id or None,
            port=port,
            payload_text=text(message, "data"),
            time=message.get("time"),
            names=(
                text(section(info, "tags"), "model"),
                text(info, "deviceProfileName"),
                text(info, "deviceProfileId"),
                *texts(info, "tags"),
            ),
            rssi=rssi,
            snr=snr,
            facts={
                "dev_eui": text(info, "devEui") or device,
                "f_port": port,
                "f_cnt": counter,
                "time": text(message, "time"),
                "dedup_id": message_id,
            },
        )
        return self._reader.read(uplink, now)


def _status(device: str, message: dict[str, Any], now: datetime) -> Decoded:
    if message.get("externalPowerSource") is True or message.get("batteryLevelUnavailable") is True:
        return Decoded(device=device)
    level = as_number(message.get("batteryLevel", 0))
    if level is None or not 0 <= level <= 100:
        return Decoded(fault="unknown_value", device=device)
    at = as_moment(message.get("time"), now)
    return Decoded((Reading("battery", level, "%", measured_at=at),), device=device)
