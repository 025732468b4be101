"""Sparkplug B, decoding only: metrics, and which nodes and devices were born or died.

Names and types of metrics may come in the BIRTH alone and be an alias afterwards. A metric whose alias or type is
unknown is not guessed at; the fault `birth_missing` says that a rebirth would help.
Source: eclipse-sparkplug/sparkplug, chapters Topics and Payloads.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from firmware_bridge.formats import protobuf
from firmware_bridge.formats.json_values import MAX_DEVICE_MESSAGE_BYTES
from workplace.readings import Decoded, Reading, Value

_NAMESPACE = "spBv1.0"
_BIRTHS, _DATA, _DEATHS = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA"), ("NDEATH", "DDEATH")
#: Nodes and devices that are remembered, and metrics of each; the oldest go first.
MAX_SENDERS = 2000
MAX_METRICS = 2000
_DEATH_NUMBER = "bdSeq"

# Fields of Payload and of Metric (sparkplug_b.proto)
_TIMESTAMP, _METRICS, _SEQ = 1, 2, 3
_NAME, _ALIAS, _METRIC_TIMESTAMP, _DATATYPE, _IS_HISTORICAL, _IS_NULL = 1, 2, 3, 4, 5, 7
_INT, _LONG, _FLOAT, _DOUBLE, _BOOLEAN, _STRING = 10, 11, 12, 13, 14, 15
_WIRE: Final = {
    _INT: protobuf.VARINT, _LONG: protobuf.VARINT, _FLOAT: protobuf.FIXED_32, _DOUBLE: protobuf.FIXED_64,
    _BOOLEAN: protobuf.VARINT, _STRING: protobuf.BYTES,
}  # fmt: skip
#: Data type -> bits of a signed integer; the other integers are unsigned.
_SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED: Final = frozenset({5, 6, 7, 8, 13})


@dataclass(frozen=True, slots=True)
class _Metric:
    """One metric as it stands in the message."""

    name: str | None = None
    alias: int | None = None
    at_ms: int | None = None
    datatype: int | None = None
    is_historical: bool = False
    is_null: bool = False
    value_field: int | None = None
    raw: int | bytes = 0


@dataclass(slots=True)
class _Sender:
    """What a BIRTH said."""

    names: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    death_number: int | None = None


class SparkplugDecoder:
    """`workplace.ports.MessageDecoder` for any number of edge nodes."""

    def __init__(self) -> None:
        self._senders: OrderedDict[str, _Sender] = OrderedDict()

    def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
        """Return what one message says; commands and STATE topics say nothing."""
        del retained, now
        levels = topic.split("/")
        if len(levels) not in (4, 5) or levels[0] != _NAMESPACE:
            return Decoded()
        kind, device = levels[2], levels[-1]
        if kind not in _BIRTHS + _DATA + _DEATHS or (kind[0] == "D") != (len(levels) == 5):
            return Decoded()
        if len(payload) > MAX_DEVICE_MESSAGE_BYTES:
            return Decoded(fault="oversize", device=device)
        try:
            metrics, at_ms, seq = _payload(payload)
        except protobuf.ProtobufInvalid:
            return Decoded(fault="bad_frame", device=device)
        sender = self._remember("/".join(levels[:2] + levels[3:]), is_birth=kind in _BIRTHS)
        if kind in _DEATHS:
            return _death(sender, metrics, device)
        if kind in _BIRTHS:
            _learn(sender, metrics)
        readings, fault = [], None
        for metric in metrics:
            reading = _reading(metric, sender, at_ms)
            if reading is None:
                fault = fault if metric.is_null else "birth_missing"
            else:
                readings.append(reading)
        if kind in _BIRTHS:
            readings.append(Reading("availability", value=True, device=device, scope="device"))
        return Decoded(tuple(readings), fault=fault, device=device, seq=seq)

    def _remember(self, name: str, *, is_birth: bool) -> _Sender:
        sender = self._senders.pop(name, None)
        if sender is None or is_birth:
            sender = _Sender()
        self._senders[name] = sender
        if len(self._senders) > MAX_SENDERS:
            self._senders.popitem(last=False)
        return sender


def _death(sender: _Sender, metrics: list[_Metric], device: str) -> Decoded:
    """A node's death counts when it belongs to its last birth: an old will may come late."""
    number = _death_number(metrics)
    if None not in (number, sender.death_number) and number != sender.death_number:
        return Decoded(dropped="older_packet", device=device)
    return Decoded((Reading("availability", value=False, device=device, scope="device"),), device=device)


def _learn(sender: _Sender, metrics: list[_Metric]) -> None:
    for metric in metrics[:MAX_METRICS]:
        if metric.name is not None and metric.alias is not None:
            sender.names[metric.alias] = metric.name
        if metric.name is not None and metric.datatype is not None:
            sender.types[metric.name] = metric.datatype
    sender.death_number = _death_number(metrics)


def _death_number(metrics: list[_Metric]) -> int | None:
    found = next((metric for metric in metrics if metric.name == _DEATH_NUMBER), None)
    return found.raw if found is not None and isinstance(found.raw, int) else None


def _payload(data: bytes) -> tuple[list[_Metric], int | None, int | None]:
    metrics: list[_Metric] = []
    at_ms, seq = None, None
    for number, wire, value in protobuf.fields(data):
        if number == _METRICS and wire == protobuf.BYTES and isinstance(value, bytes):
            if len(metrics) >= MAX_METRICS:
                raise protobuf.ProtobufInvalid("too many metrics")
            metrics.append(_metric(value))
        elif number in (_TIMESTAMP, _SEQ) and isinstance(value, int):
            at_ms, seq = (value, seq) if number == _TIMESTAMP else (at_ms, value)
    return metrics, at_ms, seq


def _metric(data: bytes) -> _Metric:
    numbers: dict[int, int] = {}
    name, value_field, raw = None, None, b""
    found: int | bytes = raw
    for number, wire, value in protobuf.fields(data):
        if number == _NAME and isinstance(value, bytes):
            name = value.decode("utf-8", errors="replace")[:256]
        elif _WIRE.get(number) == wire:
            value_field, found = number, value
        elif isinstance(value, int):
            numbers[number] = value
    return _Metric(
        name=name,
        alias=numbers.get(_ALIAS),
        at_ms=numbers.get(_METRIC_TIMESTAMP),
        datatype=numbers.get(_DATATYPE),
        is_historical=bool(numbers.get(_IS_HISTORICAL)),
        is_null=bool(numbers.get(_IS_NULL)),
        value_field=value_field,
        raw=found,
    )


def _reading(metric: _Metric, sender: _Sender, at_ms: int | None) -> Reading | None:
    name = metric.name or sender.names.get(-1 if metric.alias is None else metric.alias)
    if name is None or metric.is_null or metric.value_field is None:
        return None
    datatype = metric.datatype or sender.types.get(name)
    value = _value(metric.value_field, metric.raw, datatype)
    if value is None:
        return None
    moment = _moment(at_ms if metric.at_ms is None else metric.at_ms)
    return Reading("metric", value, channel=name, measured_at=moment, historical=metric.is_historical)


def _value(value_field: int, raw: int | bytes, datatype: int | None) -> Value:
    if isinstance(raw, bytes):
        if value_field == _STRING:
            return raw.decode("utf-8", errors="replace")[:1024]
        number = struct.unpack("<f" if value_field == _FLOAT else "<d", raw)[0]
        return float(number) if math.isfinite(number) else None
    if value_field == _BOOLEAN:
        return bool(raw)
    if datatype in _SIGNED:  # two's complement of the type's width
        bits = _SIGNED[datatype]
        raw &= (1 << bits) - 1
        return raw - (1 << bits) if raw >> (bits - 1) else raw
    return raw if datatype in _UNSIGNED else None


def _moment(at_ms: int | None) -> datetime | None:
    try:
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
