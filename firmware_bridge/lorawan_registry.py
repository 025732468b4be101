"""LoRaWAN formats for the vector runner: payloads alone, envelopes alone, and payloads inside of envelopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from firmware_bridge.formats.chirpstack import ChirpstackDecoder
from firmware_bridge.formats.lorawan_models import ANY, MODELS
from firmware_bridge.formats.payload_parts import PayloadDecoder
from firmware_bridge.formats.things_stack import ThingsStackDecoder
from firmware_bridge.vector_input import Runner, VectorInput
from workplace.ports import MessageDecoder
from workplace.readings import Decoded

_ENVELOPES: Final[dict[str, Callable[[Mapping[str, str]], MessageDecoder]]] = {
    "mqtt.chirpstack.v4": ChirpstackDecoder,
    "mqtt.tts.v3": ThingsStackDecoder,
}


def _payload(decode: PayloadDecoder) -> Callable[[], Runner]:
    return lambda: lambda given: decode(given.payload, given.port)


def _envelope(
    make: Callable[[Mapping[str, str]], MessageDecoder], models: Mapping[str, str]
) -> Callable[[], Runner]:
    def fresh() -> Runner:
        decoder = make(models)

        def run(given: VectorInput) -> Decoded:
            return decoder.decode(given.topic, given.payload, retained=given.retained, now=given.now)

        return run

    return fresh


LORAWAN_FORMATS: Final[dict[str, Callable[[], Runner]]] = {
    **{f"lorawan.{model}": _payload(decode) for model, decode in MODELS.items()},
    **{name: _envelope(make, {}) for name, make in _ENVELOPES.items()},
    **{
        f"{name}+lorawan.{model}": _envelope(make, {ANY: model})
        for name, make in _ENVELOPES.items()
        for model in MODELS
    },
}
