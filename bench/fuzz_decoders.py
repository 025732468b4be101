"""`python -m bench.fuzz_decoders --seconds 60`: throw damaged and random messages at every decoder.

Each input starts from a captured message of the format: its topic and what the transport knows stay, its bytes are
flipped, cut, repeated, mixed with another message or replaced. A decoder must not raise, take longer than a second,
return more readings than bytes could carry, or read a negative about people or docks out of mere noise.

When the module `atheris` can be imported, it guides the inputs by coverage; otherwise they are seeded mutations.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "captures" / "vectors"
#: A message may take this long, s; most take a hundred thousandth of it.
MAX_SECONDS = 1.0
#: Longest input; transports cut longer ones off before a decoder sees them.
MAX_BYTES = 4096
#: Decoders remember devices: a new one after this many inputs, so that a failure can be repeated.
INPUTS_PER_DECODER = 500
#: No message says more things than it has bits (a mask of regions), plus what each says by its topic.
READINGS_BEYOND_BYTES = 8
#: What must never be invented.
NEGATIVE_KINDS: Final = frozenset({"motion", "occupancy", "presence", "link"})
#: A whole payload that says no in so many words is a message, also when chance has written it.
NEGATIVE_WORDS: Final = frozenset({b"0", b"off", b"false", b"no", b"free", b"clear"})
#: Formats whose transport has a checksum and which have none of their own: any bytes of the right shape are a claim.
UNCHECKED: Final = ("ble.", "lorawan.", "mqtt.chirpstack", "mqtt.tts", "serial.", "framing.", "crc.")


#: Messages that no capture has and that lead deeper: (format, topic, payload).
FURTHER: Final = (
    ("mqtt.ha-discovery", "homeassistant/binary_sensor/garden/state", b"ON"),
    ("mqtt.ha-discovery", "homeassistant/device/d/config", (
        b'{"~":"a","dev":{"ids":["d"]},"avty":[{"t":"~/b"}],'
        b'"cmps":{"p":{"p":"binary_sensor","dev_cla":"motion","stat_t":"~/p","val_tpl":"{{ value_json.x }}"}}}'
    )),
    ("mqtt.sparkplug-b", "spBv1.0/g/NBIRTH/e", bytes.fromhex("08011208100718012003500112050a01612007500a1800")),
    ("mqtt.sparkplug-b", "spBv1.0/g/NDATA/e", bytes.fromhex("12041007500118ff01")),
    ("mqtt.zigbee2mqtt", "zigbee2mqtt/bridge/devices", b'[{"friendly_name":"d","definition":{"exposes":[]}}]'),
    ("mqtt.mysensors", "mygateway1-out/12/6/1/0/16", b"1"),
    ("syslog.link", "", b"<189>1: sw: *Mar  1 18:46:11.1 CET: %LINK-5-CHANGED: Interface Gi1, changed state to down"),
    ("syslog.link", "", (
        b'<30>1 2026-11-23T08:00:00Z h mib2d 1 SNMP_TRAP_LINK_UP [x y="z"] '
        b"ifIndex 5, ifAdminStatus up(1), ifOperStatus up(1), ifName ge-0/0/1"
    )),
    ("snmp.trap.snmptrapd-text", "", b"IF-MIB::ifIndex.3 = INTEGER: 3\tx::snmpTrapOID.0 = OID: IF-MIB::linkUp"),
)  # fmt: skip


@dataclass(slots=True)
class Seed:
    """One captured message."""

    format: str
    given: Any


@dataclass(slots=True)
class Fuzzer:
    """Runs inputs, counts them and keeps what went wrong."""

    formats: dict[str, Callable[[], Any]]
    runners: dict[str, tuple[Any, int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def run(self, seed: Seed, payload: bytes, *, is_noise: bool) -> None:
        """Run one input and note what it breaks."""
        given = replace(seed.given, payload=payload[:MAX_BYTES])
        runner, used = self.runners.get(seed.format, (None, INPUTS_PER_DECODER))
        if used >= INPUTS_PER_DECODER:
            runner, used = self.formats[seed.format](), 0
        self.runners[seed.format] = (runner, used + 1)
        self.counts[seed.format] += 1
        begun = time.thread_time()  # of the processor: a busy machine is no slow decoder
        try:
            wrong = complaint(seed.format, given, runner(given), is_noise=is_noise)
        except Exception:  # noqa: BLE001 - what is being looked for
            wrong = traceback.format_exc(limit=-3)
        took_s = time.thread_time() - begun
        if took_s > MAX_SECONDS:
            wrong = wrong or f"took {took_s:.1f} s"
        if wrong and len(self.failures) < 20:
            self.failures.append(
                f"{seed.format} topic={given.topic!r} payload={given.payload.hex()}\n{wrong}"
            )

    @property
    def total(self) -> int:
        return self.counts.total()


def complaint(name: str, given: Any, decoded: Any, *, is_noise: bool) -> str:
    """Return what is wrong with the answer to one input, empty when nothing is."""
    if len(decoded.readings) > 8 * len(given.payload) + READINGS_BEYOND_BYTES:
        return f"{len(decoded.readings)} readings out of {len(given.payload)} bytes"
    if any(reading.value is None for reading in decoded.readings):
        return "a reading without a value"
    is_said = given.payload.strip().lower() in NEGATIVE_WORDS
    if is_noise and not is_said and not name.startswith(UNCHECKED):
        invented = [item for item in decoded.readings if item.kind in NEGATIVE_KINDS and item.value is False]
        return f"noise became {invented}" if invented else ""
    return ""


def seeds(formats: dict[str, Any]) -> list[Seed]:
    """Return all captured messages of formats that are built, at least one for each."""
    from firmware_bridge.vector_input import VectorInput, parse_input  # noqa: PLC0415 - after instrumentation
    from firmware_bridge.vectors import load_vectors  # noqa: PLC0415

    found = [
        Seed(vector["format"], parse_input(step["input"], step.get("t", 0.0)))
        for vector in load_vectors(VECTORS)
        if vector["format"] in formats
        for step in vector.get("steps", [vector])
    ]
    found += [Seed(name, VectorInput(data, topic)) for name, topic, data in FURTHER if name in formats]
    known = {seed.format for seed in found}
    return found + [Seed(name, VectorInput(b"")) for name in formats if name not in known]


def mutated(payload: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return `payload` with one to four kinds of damage."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = chance.choice((0x00, 0x01, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 4))
        elif kind == 3:
            del data[at : at + chance.randint(1, 8)]
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = data[at : at + chance.randint(1, 32)]
        elif kind == 6:
            data[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(data)


def fuzz_plain(fuzzer: Fuzzer, sources: list[Seed], until_s: float, count: int, seed: int) -> None:
    """Run seeded mutations until the time or the count is reached."""
    chance = random.Random(seed)
    while time.perf_counter() < until_s and (not count or fuzzer.total < count):
        source = chance.choice(sources)
        if chance.random() < 0.2:
            fuzzer.run(source, chance.randbytes(chance.randrange(80)), is_noise=True)
        else:
            other = chance.choice(sources).given.payload
            fuzzer.run(source, mutated(source.given.payload, other, chance), is_noise=False)


def fuzz_guided(atheris: Any, fuzzer: Fuzzer, sources: list[Seed], until_s: float, arguments: Any) -> None:
    """Run inputs that atheris chooses; the first two bytes choose the captured message to start from."""
    begun = time.perf_counter()

    def one(data: bytes) -> None:
        if len(data) >= 2:
            source = sources[int.from_bytes(data[:2], "little") % len(sources)]
            fuzzer.run(source, data[2:], is_noise=False)
        is_over = time.perf_counter() >= until_s or (arguments.count and fuzzer.total >= arguments.count)
        if is_over or fuzzer.failures:
            code = report(fuzzer, time.perf_counter() - begun, "guided by coverage")
            sys.stdout.flush()
            os._exit(code)  # libFuzzer never returns

    with tempfile.TemporaryDirectory() as folder:
        for number, source in enumerate(sources):
            (Path(folder) / str(number)).write_bytes(number.to_bytes(2, "little") + source.given.payload)
        atheris.Setup(
            [sys.argv[0], folder, f"-seed={arguments.seed}", f"-max_len={MAX_BYTES}", "-verbosity=0"], one
        )
        atheris.Fuzz()


def report(fuzzer: Fuzzer, took_s: float, how: str) -> int:
    """Print the figures; return 1 when something broke."""
    for failure in fuzzer.failures:
        print(failure, end="\n\n")
    per_s = fuzzer.total / max(took_s, 1e-9)
    print(f"{fuzzer.total:,} inputs in {took_s:.1f} s, {per_s:,.0f} inputs/s, {len(fuzzer.counts)} formats, {how}, "
          f"{len(fuzzer.failures)} failures")  # fmt: skip
    return 1 if fuzzer.failures else 0


def main() -> int:
    """Fuzz all formats, or those that are named; return 1 when something broke."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_decoders", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long, s (default 60)")
    parser.add_argument(
        "--count", type=int, default=0, help="stop after this many inputs (default 0: no limit)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations (default 1)")
    parser.add_argument("--format", default="", help="only formats whose name starts with this")
    parser.add_argument("--plain", action="store_true", help="seeded mutations even when atheris is there")
    arguments = parser.parse_args()
    logging.disable(
        logging.CRITICAL
    )  # a library that logs each advert it cannot read is not what is measured
    atheris = None if arguments.plain else _atheris()
    if atheris is None:
        from firmware_bridge.registry import FORMATS  # noqa: PLC0415 - after instrumentation
    else:
        with atheris.instrument_imports(include=["firmware_bridge"]):
            from firmware_bridge.registry import FORMATS  # noqa: PLC0415
    formats = {name: make for name, make in FORMATS.items() if name.startswith(arguments.format)}
    sources, fuzzer = seeds(formats), Fuzzer(formats)
    begun = time.perf_counter()
    if atheris is not None:
        fuzz_guided(atheris, fuzzer, sources, begun + arguments.seconds, arguments)
    fuzz_plain(fuzzer, sources, begun + arguments.seconds, arguments.count, arguments.seed)
    return report(fuzzer, time.perf_counter() - begun, "seeded mutations")


def _atheris() -> Any:
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


if __name__ == "__main__":
    sys.exit(main())
