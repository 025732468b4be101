"""Every built format survives damaged messages and noise; `bench.fuzz_decoders` goes on for longer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz_decoders import Fuzzer, Seed, complaint, fuzz_plain, mutated, report, seeds
from firmware_bridge.registry import FORMATS
from firmware_bridge.vector_input import VectorInput
from workplace.readings import Decoded, Reading

SOURCES = seeds(FORMATS)
#: Inputs of each kind per captured message.
ROUNDS = 25


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_damage_and_noise_are_never_raised_and_invent_nothing(name: str) -> None:
    chance = random.Random(name)
    fuzzer = Fuzzer(FORMATS)
    sources = [source for source in SOURCES if source.format == name]
    assert sources
    for source in sources:
        for _ in range(ROUNDS):
            other = chance.choice(SOURCES).given.payload
            fuzzer.run(source, mutated(source.given.payload, other, chance), is_noise=False)
            fuzzer.run(source, chance.randbytes(chance.randrange(64)), is_noise=True)
    assert not fuzzer.failures, fuzzer.failures[0]
    assert fuzzer.total == 2 * ROUNDS * len(sources)


@given(st.sampled_from(SOURCES), st.binary(max_size=64), st.text(max_size=20))
def test_no_bytes_under_any_topic_are_raised(source: Seed, payload: bytes, topic: str) -> None:
    run = FORMATS[source.format]()
    for given_topic in (source.given.topic, topic):
        decoded = run(replace(source.given, payload=payload, topic=given_topic))
        assert len(decoded.readings) <= len(payload) + 8


def test_every_message_cut_at_every_byte() -> None:
    fuzzer = Fuzzer(FORMATS)
    for source in SOURCES:
        for size in range(min(len(source.given.payload), 200)):
            fuzzer.run(source, source.given.payload[:size], is_noise=False)
    assert not fuzzer.failures, fuzzer.failures[0]


def broken(answer: Callable[[VectorInput], Decoded]) -> tuple[Fuzzer, Seed]:
    return Fuzzer({"snmp.x": lambda: answer}), Seed("snmp.x", VectorInput(b"abc"))


def raises(_: VectorInput) -> Decoded:
    raise IndexError("off the end")


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        pytest.param(raises, "IndexError: off the end", id="an exception"),
        pytest.param(
            lambda _: Decoded((Reading("link", value=False),)), "noise became", id="an invented negative"
        ),
        pytest.param(lambda _: Decoded((Reading("link", value=None),)), "without a value", id="no value"),
        pytest.param(lambda _: Decoded((Reading("x", 1),) * 99), "99 readings", id="more than was said"),
    ],
)
def test_the_fuzzer_notices(answer: Callable[[VectorInput], Decoded], wrong: str, capsys: Any) -> None:
    fuzzer, source = broken(answer)
    fuzzer.run(source, b"xyz", is_noise=True)
    assert wrong in fuzzer.failures[0]
    assert report(fuzzer, 1.0, "test") == 1
    assert "1 inputs in 1.0 s" in capsys.readouterr().out


def test_a_claim_of_a_format_without_checksum_is_no_invention() -> None:
    decoded = Decoded((Reading("motion", value=False),))
    assert complaint("ble.x", VectorInput(b"abc"), decoded, is_noise=True) == ""
    assert complaint("snmp.x", VectorInput(b"abc"), decoded, is_noise=False) == ""


def test_plain_fuzzing_repeats_itself_with_the_same_seed() -> None:
    seen: list[list[bytes]] = []
    for _ in range(2):
        inputs: list[bytes] = []
        fuzzer, source = broken(lambda given, inputs=inputs: inputs.append(given.payload) or Decoded())  # type: ignore[misc]
        fuzz_plain(fuzzer, [source], until_s=float("inf"), count=50, seed=7)
        seen.append(inputs)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 50
