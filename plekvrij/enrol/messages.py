"""What a gateway and the enrolment server say to each other: JSON over HTTPS."""

from __future__ import annotations

import msgspec

#: A request is a code and a certificate request of 500 bytes; more is nobody of ours.
MOST_BYTES = 16_384


class Join(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway without a certificate asks for one: the secret of its code in hex, and a request (PEM)."""

    secret: str
    request: str


class Renew(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gateway asks for the next certificate.

    Attributes:
        request: PEM, for a new key.
        certificate: PEM, the one in use.
        proof: signature (ECDSA, SHA-256, hex) over the request by the key in use.
    """

    request: str
    certificate: str
    proof: str


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway gets.

    Attributes:
        certificate: PEM.
        authority: PEM of who signed it and the enrolment server.
        broker: address for gateways with a certificate, `mqtts://name:port`.
        broker_authority: PEM of who signed the broker's certificate; None where the broker has one that machines trust
            by themselves.
    """

    site: str
    gateway: str
    floor: str
    certificate: str
    authority: str
    broker: str
    broker_authority: str | None = None
