"""Settings from afar laid over those of the gateway's own file. Pure."""

from __future__ import annotations

import msgspec

from gateway.settings import REMOTE, GatewaySettings, from_mapping
from workplace.errors import MessageRejected, SettingInvalid


def lay_over(local: GatewaySettings, body: str) -> GatewaySettings:
    """Return the local settings with what the body, a JSON object, says otherwise.

    Raises:
        MessageRejected: `not_json`, `not_settable` or `invalid`; leave the settings as they are.
    """
    try:
        overlay = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise MessageRejected("not_json", str(error)) from error
    forbidden = sorted(set(overlay) - REMOTE)
    if forbidden:
        allowed = ", ".join(sorted(REMOTE))
        raise MessageRejected("not_settable", f"{', '.join(forbidden)}; from afar only: {allowed}")
    told = {key: msgspec.json.decode(value) for key, value in overlay.items()}
    try:
        return from_mapping(msgspec.to_builtins(local) | told)
    except SettingInvalid as error:
        raise MessageRejected("invalid", str(error)) from error
