"""MySensors serial lines: `node;child;command;ack;type;payload`. Source: serial API 2.x of mysensors.org."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from firmware_bridge.formats.json_values import as_claim, as_number
from workplace.readings import Decoded, Reading

_PRESENTATION, _SET, _INTERNAL = 0, 1, 3
_S_MOTION = 1
_V_TRIPPED = 16
_I_BATTERY_LEVEL, _I_HEARTBEAT_RESPONSE = 0, 22
#: Values that are plain numbers: type -> (kind, unit).
_NUMBERS: Final[dict[int, tuple[str, str | None]]] = {
    0: ("temperature", "C"),
    1: ("humidity", "%"),
    23: ("light_level", None),
    37: ("level", None),
    38: ("voltage", "V"),
}
_BAD = Decoded(fault="bad_frame")


class MySensorsDecoder:
    """Decodes lines of one network; remembers which children presented themselves as something else."""

    def __init__(self) -> None:
        self._presented: dict[tuple[int, int], int] = {}

    def decode(self, line: bytes) -> Decoded:
        """Return what one line says."""
        fields = line.decode("utf-8", errors="replace").rstrip("\r\n").split(";", 5)
        if len(fields) != 6 or not all(part.isascii() and part.isdecimal() for part in fields[:5]):
            return _BAD
        node, child, command, _, type_code = (int(part) for part in fields[:5])
        if node > 255 or child > 255:
            return _BAD
        if command == _PRESENTATION:
            self._presented[node, child] = type_code
            return Decoded(device=str(node))
        reading = None
        if command == _SET:
            reading = self._value(node, child, type_code, fields[5])
        elif command == _INTERNAL:
            reading = _internal(node, type_code, fields[5])
        return Decoded((reading,) if reading else (), device=str(node))

    def _value(self, node: int, child: int, type_code: int, text: str) -> Reading | None:
        if type_code == _V_TRIPPED:
            claim = as_claim(text)
            is_motion = self._presented.get((node, child), _S_MOTION) == _S_MOTION
            kind = "motion" if is_motion else "tripped"  # a door or smoke sensor trips too
            return None if claim is None else Reading(kind, claim, channel=str(child))
        number = as_number(text)
        if type_code not in _NUMBERS or number is None:
            return None
        kind, unit = _NUMBERS[type_code]
        return Reading(kind, number, unit, channel=str(child))


class MySensorsMqttDecoder:
    """`workplace.ports.MessageDecoder` for a gateway on MQTT: the fields stand in the topic.

    Args:
        base: the gateway's publish topic, without a slash at the end (`mygateway1-out`).
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._lines = MySensorsDecoder()

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says."""
        del retained, now
        fields = topic.removeprefix(f"{self._base}/").split("/")
        if not topic.startswith(f"{self._base}/") or len(fields) != 5 or any(";" in part for part in fields):
            return Decoded()
        return self._lines.decode(";".join(fields).encode() + b";" + payload)


def _internal(node: int, type_code: int, text: str) -> Reading | None:
    if type_code == _I_HEARTBEAT_RESPONSE:
        return Reading("availability", value=True, device=str(node), scope="device")
    number = as_number(text)
    if type_code == _I_BATTERY_LEVEL and number is not None and 0 <= number <= 100:
        return Reading("battery", number, "%")
    return None
