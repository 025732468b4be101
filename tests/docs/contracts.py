"""The AsyncAPI document as something that can be asked: where does this belong, and is it as told?"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.docs.blocks import ROOT
from tests.docs.compatibility import Json

TIMES = FormatChecker(formats=())


@TIMES.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    """Return whether a text is a time with a time zone."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def document() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docs" / "reference" / "asyncapi.yaml").read_text("utf-8")))


@cache
def _addresses() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (name, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(channel["address"]))))
        for name, channel in document()["channels"].items()
    ]


def channel_of(topic: str) -> str | None:
    """Return the channel of a topic, None when the document does not know it."""
    return next((name for name, pattern in _addresses() if pattern.fullmatch(topic)), None)


@cache
def _validator(channel: str, kind: str) -> Draft202012Validator:
    told = document()["components"]
    names = document()["channels"][channel]["messages"]
    by_kind = {told["messages"][name].get("name", ""): told["messages"][name]["payload"] for name in names}
    schema: Json = by_kind[kind] | {"components": told}
    return Draft202012Validator(schema, format_checker=TIMES)


def complaints(channel: str, message: Any) -> list[str]:
    """Return what is not as told about a message on a channel."""
    kind = message.get("type", "") if isinstance(message, dict) and channel != "ha_config" else ""
    try:
        validator = _validator(channel, kind)
    except KeyError:
        return [f"no {kind!r} is told of on {channel}"]
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(message)]
