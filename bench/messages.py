"""Figures of single messages: a line for the time-series server, a checked event, a frame of the wire."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from influxdb_client.client.write import point as influx_point
from influxdb_client.domain.write_precision import WritePrecision

from bench.figure import Figure, compare, each_us, rate
from bench.sites import Building, example_site
from firmware_bridge.dsp1.framing import FrameReader
from firmware_bridge.dsp1.messages import PAYLOAD_BYTES
from ingest.stores.line_protocol import Line, LineEncoder
from ingest.stores.measurements import OCCUPANCY_CODES, PHASE_CODES
from ingest.stores.schema import TransitionRow, to_ms
from simulators import dsp1_frames
from workplace.codec import decode, encode
from workplace.events import SensorEvent
from workplace.floor_plan import Place

_Point: Any = influx_point.Point  # the client's own annotations are partial
_TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_COUNT = 4000
#: 8N1 puts 10 bits on the wire per byte: 3,840 frames of 24 bytes. A DSP/1 event takes 33, so this asks for more.
_LINE_FRAMES_PER_S = 3840


def line_of_a_sensor_event() -> Figure:
    plan = example_site().plan
    building = Building(plan)
    known, told = (
        [(event, plan.wired[event.device, event.channel, event.kind][0][0]) for event in events]
        for events in (building.facts(_COUNT, at, 70) for at in (_TEN, _TEN + _HOUR))
    )

    def encoder_in_use() -> LineEncoder:
        encoder = LineEncoder(plan.site)
        for event, place in known:
            encoder.sensor_event(event, place.zone, place.id)
        return encoder

    def ours() -> float:
        encoder = encoder_in_use()
        return each_us(lambda: len([encoder.sensor_event(event, at.zone, at.id) for event, at in told]))

    def point(event: SensorEvent, place: Place) -> str:
        return str(
            _Point("sensor_event")
            .tag("site", plan.site)
            .tag("zone", place.zone)
            .tag("desk", place.id)
            .tag("sensor", f"{event.device}/{event.channel}/{event.kind}")
            .field("occ", int(event.value))
            .field("unc_ms", event.uncertainty_ms)
            .field("src", event.clock)
            .time(event.measured_at, WritePrecision.MS)
            .to_line_protocol()
        )

    event, place = told[0]
    _must_say_the_same(encoder_in_use().sensor_event(event, place.zone, place.id), point(event, place))
    mine, ratio = compare(ours, lambda: each_us(lambda: len([point(event, at) for event, at in told])))
    return Figure("line_of_a_sensor_event", mine, "CPU us", "influxdb_client Point", ratio, 3.0)


def line_of_a_desk_state() -> Figure:
    rows = [_row(place, _TEN + n * _HOUR) for n in range(10) for place in example_site().plan.place.values()]

    def ours() -> float:
        encoder = LineEncoder("raadhuis")
        for row in rows[: len(rows) // 10]:
            encoder.desk_state(row, None)
        return each_us(lambda: len([encoder.desk_state(row, row) for row in rows]))

    def point(row: TransitionRow) -> str:
        return str(
            _Point("desk_state")
            .tag("site", "raadhuis")
            .tag("zone", row.zone)
            .tag("desk", row.place)
            .field("state", PHASE_CODES[row.phase])
            .field("prev", PHASE_CODES[row.phase])
            .field("dur_s", int((row.at - row.at).total_seconds()))
            .field("occ", OCCUPANCY_CODES[row.occupancy])
            .field("since_ms", to_ms(row.at))
            .field("cause", ",".join(row.reasons))
            .field("hold_id", row.hold_id)
            .time(row.at, WritePrecision.MS)
            .to_line_protocol()
        )

    _must_say_the_same(LineEncoder("raadhuis").desk_state(rows[0], rows[0]), point(rows[0]))
    mine, ratio = compare(ours, lambda: each_us(lambda: len([point(row) for row in rows])))
    return Figure("line_of_a_desk_state", mine, "CPU us", "influxdb_client Point", ratio, 3.0)


def _row(place: Place, at: datetime) -> TransitionRow:
    return TransitionRow(
        place=place.id,
        zone=place.zone,
        at=at,
        phase="in_use",
        occupancy="occupied",
        hold_id="0123456789abcdef",
        mode="active",
        reasons=("link_up", "motion"),
        decided_at=at,
    )


def _must_say_the_same(ours: Line | None, theirs: str) -> None:
    """The client sorts tags and fields; a server does not care."""
    if ours is None or sorted(re.split("[, ]", ours[1].decode())) != sorted(re.split("[, ]", theirs)):
        raise AssertionError(f"not the same point: {ours} and {theirs}")


def event_decoded_and_checked() -> Figure:
    payloads = [encode(event) for event in Building(example_site().plan).facts(_COUNT, _TEN, 70)]

    def ours() -> int:
        for payload in payloads:
            decode(payload, SensorEvent)
        return _COUNT

    def bare_json() -> int:
        for payload in payloads:
            json.loads(payload)
        return _COUNT

    mine, ratio = compare(lambda: each_us(ours), lambda: each_us(bare_json), rounds=9)
    return Figure("event_decoded_and_checked", mine, "CPU us", "json.loads alone", ratio, 1.5)


def frames_decoded() -> Figure:
    body = dsp1_frames.EVENT_BODY.pack(0x1234ABCD, 77, 123_456_789, 1, 3, 1, 70)
    stream = b"".join(dsp1_frames.encode(dsp1_frames.EVENT, seq, body) for seq in range(_COUNT))
    pieces = [stream[at : at + 512] for at in range(0, len(stream), 512)]

    def ours() -> int:
        reader = FrameReader(PAYLOAD_BYTES)
        frames = [frame for piece in pieces for frame in reader.feed(piece)]
        if len(frames) != _COUNT:
            raise AssertionError(f"{len(frames)} of {_COUNT} frames came out")
        return _COUNT

    per_s = rate(lambda: each_us(ours))
    against = f"a full line at 921600 baud, {_LINE_FRAMES_PER_S}/s"
    return Figure("frames_decoded", per_s, "frames/s", against, per_s / _LINE_FRAMES_PER_S, 10.0)
