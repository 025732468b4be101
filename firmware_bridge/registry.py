"""Which formats are built: dotted name -> a way to try one input. The vector runner itself knows none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from firmware_bridge.dsp1.framing import CobsInvalid, cobs_decode
from firmware_bridge.formats import crc
from firmware_bridge.formats.bthome import BthomeDecoder
from firmware_bridge.formats.esphome import EsphomeDecoder
from firmware_bridge.formats.ld24xx import decode_ld2410, decode_ld2450
from firmware_bridge.formats.mysensors import MySensorsDecoder
from firmware_bridge.formats.shelly import ShellyBluScriptDecoder, ShellyGen1Decoder, ShellyGen2Decoder
from firmware_bridge.formats.slip import SlipInvalid, slip_decode
from firmware_bridge.formats.tasmota import TasmotaDecoder
from firmware_bridge.formats.zigbee2mqtt import Zigbee2MqttDecoder
from firmware_bridge.lorawan_registry import LORAWAN_FORMATS
from firmware_bridge.other_registry import OTHER_FORMATS
from firmware_bridge.vector_input import Runner, VectorInput
from workplace.ports import MessageDecoder
from workplace.readings import Decoded, Reading

#: Address for adverts of vectors that name none.
_SOME_ADDRESS = "00:00:5E:00:53:01"


def _bthome() -> Runner:
    decoder = BthomeDecoder()

    def run(given: VectorInput) -> Decoded:
        key = given.meta.get("bindkey")
        return decoder.decode(
            given.payload,
            address=given.meta.get("address", _SOME_ADDRESS),
            bindkey=None if key is None else bytes.fromhex(key),
            now_s=given.t_s,
            local_name=given.meta.get("local_name"),
        )

    return run


def _messages(make: Callable[[str], MessageDecoder]) -> Callable[[], Runner]:
    """Run a decoder of MQTT messages; its base is the first level of the first topic."""

    def fresh() -> Runner:
        decoders: list[MessageDecoder] = []

        def run(given: VectorInput) -> Decoded:
            if not decoders:
                decoders.append(make(given.topic.partition("/")[0]))
            return decoders[0].decode(given.topic, given.payload, retained=given.retained, now=given.now)

        return run

    return fresh


def _lines() -> Runner:
    decoder = MySensorsDecoder()
    return lambda given: decoder.decode(given.payload)


def _bytes(decode: Callable[[bytes], Decoded]) -> Callable[[], Runner]:
    return lambda: lambda given: decode(given.payload)


def _frame(decode: Callable[[bytes], bytes]) -> Callable[[], Runner]:
    def run(given: VectorInput) -> Decoded:
        try:
            frame = decode(given.payload)
        except (CobsInvalid, SlipInvalid):
            return Decoded(fault="bad_frame")
        return Decoded((Reading("frame", frame.hex()),))

    return lambda: run


def _checksum(variant: crc.Crc16) -> Callable[[], Runner]:
    def run(given: VectorInput) -> Decoded:
        return Decoded((Reading("crc", f"{crc.crc16(given.payload, variant):04x}"),))

    return lambda: run


FORMATS: Final[dict[str, Callable[[], Runner]]] = {
    "ble.bthome.v2": _bthome,
    "mqtt.zigbee2mqtt": _messages(Zigbee2MqttDecoder),
    "mqtt.esphome": _messages(lambda _: EsphomeDecoder()),
    "mqtt.tasmota": _messages(lambda _: TasmotaDecoder()),
    "mqtt.shelly.gen1": _messages(lambda _: ShellyGen1Decoder()),
    "mqtt.shelly.gen2": _messages(lambda _: ShellyGen2Decoder()),
    "mqtt.shelly.blu-script": _messages(lambda _: ShellyBluScriptDecoder()),
    "serial.ld2410": _bytes(decode_ld2410),
    "serial.ld2450": _bytes(decode_ld2450),
    "serial.mysensors": _lines,
    "framing.cobs": _frame(cobs_decode),
    "framing.slip": _frame(slip_decode),
    **{f"crc.{name}": _checksum(variant) for name, variant in crc.VARIANTS.items()},
    **LORAWAN_FORMATS,
    **OTHER_FORMATS,
}
