"""Formats besides the first ones: BLE adverts, docking links, Home Assistant discovery, Pressac, Sparkplug, Firmata."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from firmware_bridge.formats.ble_beacons import decode_eddystone, decode_ibeacon
from firmware_bridge.formats.ble_sensors import (
    decode_minew_info,
    decode_qingping,
    decode_ruuvi_df5,
    decode_switchbot_motion,
)
from firmware_bridge.formats.firmata import decode_firmata
from firmware_bridge.formats.ha_discovery import HaDiscoveryDecoder
from firmware_bridge.formats.mibeacon import MibeaconDecoder
from firmware_bridge.formats.mysensors import MySensorsMqttDecoder
from firmware_bridge.formats.pressac import PressacDecoder
from firmware_bridge.formats.snmp_link import decode_trap, link_of_varbinds
from firmware_bridge.formats.snmptrapd_text import decode_snmptrapd
from firmware_bridge.formats.sparkplug import SparkplugDecoder
from firmware_bridge.formats.syslog_link import SyslogLinkDecoder
from firmware_bridge.vector_input import Runner, VectorInput
from workplace.ports import MessageDecoder
from workplace.readings import Decoded

#: Address for adverts of vectors that name none.
_SOME_ADDRESS = "00:00:5E:00:53:01"


def _bytes(decode: Callable[[bytes], Decoded]) -> Callable[[], Runner]:
    return lambda: lambda given: decode(given.payload)


def _messages(make: Callable[[], MessageDecoder]) -> Callable[[], Runner]:
    def fresh() -> Runner:
        decoder = make()
        return lambda given: decoder.decode(
            given.topic, given.payload, retained=given.retained, now=given.now
        )

    return fresh


def _based(make: Callable[[str], MessageDecoder]) -> Callable[[], Runner]:
    """Run a decoder that has a base; it is the first level of the first topic."""

    def fresh() -> Runner:
        decoders: list[MessageDecoder] = []

        def run(given: VectorInput) -> Decoded:
            if not decoders:
                decoders.append(make(given.topic.partition("/")[0]))
            return decoders[0].decode(given.topic, given.payload, retained=given.retained, now=given.now)

        return run

    return fresh


def _mibeacon() -> Runner:
    decoder = MibeaconDecoder()

    def run(given: VectorInput) -> Decoded:
        key = given.meta.get("bindkey")
        return decoder.decode(
            given.payload,
            address=given.meta.get("address", _SOME_ADDRESS),
            bindkey=None if key is None else bytes.fromhex(key),
            now_s=given.t_s,
        )

    return run


def _syslog() -> Runner:
    decoder = SyslogLinkDecoder()
    return lambda given: decoder.decode(given.payload, sender=given.meta.get("sender"), now=given.now)


def _varbinds(given: VectorInput) -> Decoded:
    """Take the varbinds as a JSON object, or as a list of pairs."""
    try:
        document: Any = json.loads(given.payload)
    except (ValueError, RecursionError):
        return Decoded(fault="not_json")
    if isinstance(document, list):
        document = dict(pair for pair in document if _is_pair(pair))
    return link_of_varbinds(document) if isinstance(document, dict) else Decoded(fault="not_an_object")


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


OTHER_FORMATS: Final[dict[str, Callable[[], Runner]]] = {
    "ble.mibeacon": _mibeacon,
    "ble.switchbot.motion": _bytes(decode_switchbot_motion),
    "ble.qingping": _bytes(decode_qingping),
    "ble.ruuvi.df5": _bytes(decode_ruuvi_df5),
    "ble.minew.info": _bytes(decode_minew_info),
    "ble.ibeacon": _bytes(decode_ibeacon),
    "ble.eddystone": _bytes(decode_eddystone),
    "syslog.link": _syslog,
    "snmp.trap.ber": lambda: lambda given: decode_trap(given.payload, sender=given.meta.get("sender")),
    "snmp.trap.snmptrapd-text": lambda: (
        lambda given: decode_snmptrapd(given.payload, sender=given.meta.get("sender"))
    ),
    "snmp.trap.varbinds": lambda: _varbinds,
    "mqtt.ha-discovery": _based(HaDiscoveryDecoder),
    "mqtt.mysensors": _based(MySensorsMqttDecoder),
    "mqtt.pressac": _messages(PressacDecoder),
    "mqtt.sparkplug-b": _messages(SparkplugDecoder),
    "serial.firmata": _bytes(decode_firmata),
}
