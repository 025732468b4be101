"""`plekvrij gateway-config push`: settings for one gateway, checked here, sealed, and left at the broker for it."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from gateway.config_overlay import lay_over
from gateway.settings import GatewaySettings
from plekvrij.check_command import read
from plekvrij.credentials import BrokerUrl
from plekvrij.wiring import link_opener
from workplace.codec import encode
from workplace.config_seal import key_of, seal
from workplace.errors import MessageRejected, SettingInvalid
from workplace.events import GatewayConfig
from workplace.floor_plan import FloorPlan
from workplace.topics import Topics


def sealed(
    plan: FloorPlan, *, gateway: str, overlay_file: Path, key_file: Path, version: int | None
) -> GatewayConfig:
    """Return the message for a gateway.

    Raises:
        SettingInvalid: the gateway would refuse it, or a file cannot be read.
    """
    if gateway not in plan.gateway:
        raise SettingInvalid(f"no gateway '{gateway}' in the plan; write one of: {', '.join(plan.gateway)}")
    try:
        overlay: dict[str, Any] = tomllib.loads(read(overlay_file))
        key = key_of(key_file.read_bytes())
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SettingInvalid(f"cannot read settings and key: {error}") from error
    body = msgspec.json.encode(overlay, order="sorted").decode()
    somewhere = GatewaySettings(
        site=plan.site, gateway=gateway, floor=plan.gateway[gateway].floor, outbox="-"
    )
    try:
        lay_over(somewhere, body)
    except MessageRejected as error:
        raise SettingInvalid(f"{overlay_file}: {error}") from error
    number = int(time.time()) if version is None else version
    return seal(body, site=plan.site, gateway=gateway, version=number, key=key)


async def push(config: GatewayConfig, broker: BrokerUrl) -> None:
    """Leave the settings at the broker, retained, and return when it has them.

    Raises:
        BrokerUnreachable: the broker does not take them.
    """
    topic = Topics(config.site).gateway_config(config.gateway)
    async with link_opener(broker)(f"gateway-config-{config.gateway}") as link:
        await link.publish(topic, encode(config), qos=1, retain=True)
    print(f"{config.gateway}: version {config.version}, sha256 {config.sha256}")
    print("what became of it stands in the gateway's health, under config", file=sys.stderr)
