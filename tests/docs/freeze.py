"""Keeps what is told to others now: `python -m tests.docs.freeze`, when a version is released.

Documents, and messages of every kind as bytes: with what must be there, with everything, and once for each word.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import yaml

from tests.docs.blocks import ROOT
from tests.docs.compatibility import Json, found
from workplace.codec import BOOLEAN_KINDS

CONTRACTS = ROOT / "tests" / "captures" / "contracts"
AT = "2026-11-24T09:30:00Z"
#: pattern of a schema -> a text that fits it.
FITTING = {
    "^[A-Za-z0-9_-]{1,64}$": "gw-3",
    "^[0-9a-f]{8}$": "0123abcd",
    "^[0-9a-f]{64}$": "0123456789abcdef" * 4,
}


def messages(document: Json) -> Iterator[dict[str, Any]]:
    """Yield messages of every kind that the document allows."""
    for name, message in document["components"]["messages"].items():
        if "$ref" not in message["payload"]:
            continue
        schema = found(document, message["payload"])
        yield example(document, schema, whole=False)
        whole = example(document, schema, whole=True)
        yield whole
        for part, allowed in schema["properties"].items():
            for word in allowed.get("enum", ()):
                yield plausible(whole | {part: word}) if name == "SensorEvent" else whole | {part: word}


def plausible(event: dict[str, Any]) -> dict[str, Any]:
    """Return a sensor event with a value of its kind."""
    number = event["kind"] in ("count", "battery", "environment")
    return event | {"value": True if event["kind"] in BOOLEAN_KINDS else 7 if number else "press"}


def example(document: Json, schema: Json, *, whole: bool) -> Any:
    """Return a value that fits; with every field, or with those alone that must be there."""
    schema = found(document, schema)
    if "anyOf" in schema:
        return example(document, schema["anyOf"][0], whole=whole)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            inner = schema.get("additionalProperties")
            named = (
                {"name": example(document, inner, whole=whole)} if isinstance(inner, dict) and whole else {}
            )
            return named | {
                name: example(document, allowed, whole=whole)
                for name, allowed in schema.get("properties", {}).items()
                if whole or name in needed
            }
        case "array":
            items = schema.get("prefixItems") or ([schema["items"]] if schema.get("items") and whole else [])
            return [example(document, one, whole=whole) for one in items]
        case kind:
            return _plain(str(kind), schema)


def _plain(kind: str, schema: Json) -> Any:
    if kind == "string":
        return (
            FITTING[schema["pattern"]] if "pattern" in schema else AT if "format" in schema else "some text"
        )
    return {"boolean": True, "integer": 7, "number": 7.5, "null": None}[kind]


def main() -> None:
    CONTRACTS.mkdir(exist_ok=True)
    reference = ROOT / "docs" / "reference"
    for name in ("asyncapi.yaml", "openapi.json"):
        shutil.copy(reference / name, CONTRACTS / name)
    document = yaml.safe_load((reference / "asyncapi.yaml").read_text("utf-8"))
    lines = [json.dumps(message) + "\n" for message in messages(document)]
    (CONTRACTS / "messages.ndjson").write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main()
