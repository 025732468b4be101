"""Which decoder reads the messages of which MQTT device family; a new family is a new row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from firmware_bridge.formats.chirpstack import ChirpstackDecoder
from firmware_bridge.formats.esphome import EsphomeDecoder
from firmware_bridge.formats.esphome_light import EsphomeLights
from firmware_bridge.formats.ha_discovery import HaDiscoveryDecoder
from firmware_bridge.formats.pressac import PressacDecoder
from firmware_bridge.formats.shelly import ShellyGen1Decoder, ShellyGen2Decoder
from firmware_bridge.formats.tasmota import TasmotaDecoder
from firmware_bridge.formats.things_stack import ThingsStackDecoder
from firmware_bridge.formats.zigbee2mqtt import Zigbee2MqttDecoder
from workplace.ports import LightEncoder, MessageDecoder

#: Format name as in gateway settings -> makes a decoder from base topic and device models (name -> model).
MQTT_DECODERS: Final[dict[str, Callable[[str, Mapping[str, str]], MessageDecoder]]] = {
    "zigbee2mqtt": lambda base, _models: Zigbee2MqttDecoder(base),
    "chirpstack": lambda _base, models: ChirpstackDecoder(models),
    "things_stack": lambda _base, models: ThingsStackDecoder(models),
    "esphome": lambda _base, _models: EsphomeDecoder(),
    "tasmota": lambda _base, _models: TasmotaDecoder(),
    "ha_discovery": lambda base, _models: HaDiscoveryDecoder(base),
    "pressac": lambda _base, _models: PressacDecoder(),
    "shelly": lambda base, _models: ShellyGen1Decoder() if base == "shellies" else ShellyGen2Decoder(),
}

#: Families whose devices may have a light for their place.
MQTT_LIGHTS: Final[dict[str, LightEncoder]] = {"esphome": EsphomeLights()}
