"""Settings of a gateway from afar: sealed by who writes them, checked by who reads them. Pure."""

from __future__ import annotations

import hashlib
import hmac

from workplace.errors import MessageRejected, SettingInvalid
from workplace.events import GatewayConfig

#: A shorter key can be guessed; `openssl rand -hex 32` makes a good one.
LEAST_KEY_BYTES = 16


def key_of(content: bytes) -> bytes:
    """Return the key in the content of a key file.

    Raises:
        SettingInvalid: it is too short to keep anybody out.
    """
    key = content.strip()
    if len(key) < LEAST_KEY_BYTES:
        raise SettingInvalid(
            f"the key has {len(key)} bytes, at least {LEAST_KEY_BYTES} are needed; make one with: openssl rand -hex 32"
        )
    return key


def seal(body: str, *, site: str, gateway: str, version: int, key: bytes) -> GatewayConfig:
    """Return the message that carries `body` to one gateway."""
    return GatewayConfig(
        site=site,
        gateway=gateway,
        version=version,
        body=body,
        sha256=hashlib.sha256(body.encode()).hexdigest(),
        signature=_signature(body, site, gateway, version, key),
    )


def check_seal(config: GatewayConfig, *, site: str, gateway: str, key: bytes) -> None:
    """Accept a message that was sealed for this gateway with this key.

    Raises:
        MessageRejected: `not_for_us`, `bad_signature` or `bad_hash`; leave the settings as they are.
    """
    if (config.site, config.gateway) != (site, gateway):
        raise MessageRejected("not_for_us", f"settings of {config.site}/{config.gateway}")
    wanted = _signature(config.body, site, gateway, config.version, key)
    if not hmac.compare_digest(wanted, config.signature):
        raise MessageRejected("bad_signature", "the settings were not sealed with our key")
    if hashlib.sha256(config.body.encode()).hexdigest() != config.sha256:
        raise MessageRejected("bad_hash", "the hash is not that of the body")


def _signature(body: str, site: str, gateway: str, version: int, key: bytes) -> str:
    # Names have no line ends, so no two messages sign the same bytes; addressee and version are sealed with the body.
    text = f"{site}\n{gateway}\n{version}\n{body}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
