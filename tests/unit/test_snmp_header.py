"""The head of SNMP messages, of whole ones and of any other bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.snmp_header import has_community, version_of
from simulators import snmp_ber


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 40))
def test_the_community_of_a_message_is_found_whatever_its_size(community: bytes, size: int) -> None:
    varbinds = [(snmp_ber.oid("1.3.6.1"), snmp_ber.Cell(snmp_ber.OCTETS, b"x" * size * 30))]
    message = snmp_ber.message(community, snmp_ber.TRAP, 1, varbinds)
    assert version_of(message) == "v2c"
    assert has_community(message, community)
    assert not has_community(message, community + b"x")


@pytest.mark.parametrize(("number", "version"), [(0, "v1"), (1, "v2c"), (2, None), (3, "v3"), (255, None)])
def test_versions(number: int, version: str | None) -> None:
    assert version_of(bytes((0x30, 3, 2, 1, number))) == version


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_have_an_empty_head_by_accident(data: bytes) -> None:
    version_of(data)
    assert not has_community(data, b"secret-community") or b"secret-community" in data


def test_an_empty_community_needs_a_message_that_has_one() -> None:
    assert not has_community(b"", b"x")
