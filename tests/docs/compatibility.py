"""What a change of a contract breaks: two schemas, the one that was told to others and the one of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
#: Wider breaks who reads, narrower breaks who sends; a contract is both.
LIMITS = (
    "type", "const", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
    "maxLength", "minItems", "maxItems",
)  # fmt: skip


@dataclass(frozen=True)
class Contracts:
    """Two documents with schemas in them; `breaks` compares two places of them.

    Attributes:
        are_answers: only we send what is compared, so one more field that is always there disturbs nobody.
    """

    told: Json
    now: Json
    are_answers: bool = False

    def breaks(self, told: Json, now: Json, where: str) -> Iterator[str]:
        """Yield a sentence for each thing that the schema of now does otherwise."""
        if "$ref" in told and told.get("$ref") == now.get("$ref") and where.count("/") > 0:
            return  # a shape of its own, compared by itself
        told, now = found(self.told, told), found(self.now, now)
        for limit in LIMITS:
            if told.get(limit) != now.get(limit):
                yield f"{where}: {limit} was {told.get(limit)}, is {now.get(limit)}"
        for word in told.get("enum", ()):
            if word not in now.get("enum", ()):
                yield f"{where}: the word {word!r} is gone"
        if "enum" in now and "enum" not in told:
            yield f"{where}: only some words are left"
        yield from self._alternatives(told, now, where)
        yield from self._fields(told, now, where)
        for part in ("items", "additionalProperties"):
            if isinstance(told.get(part), Mapping):
                yield from self.breaks(told[part], now.get(part) or {}, f"{where}/{part}")
        for number, one in enumerate(told.get("prefixItems", ())):
            items = now.get("prefixItems", ())
            yield from self.breaks(one, items[number] if number < len(items) else {}, f"{where}/{number}")

    def _alternatives(self, told: Json, now: Json, where: str) -> Iterator[str]:
        for one in told.get("anyOf", ()):
            if not any(not list(self.breaks(one, other, f"{where}/or")) for other in now.get("anyOf", ())):
                yield f"{where}: {one} is not allowed any more"
        if "anyOf" in now and "anyOf" not in told:
            yield f"{where}: it may be something else now"

    def _fields(self, told: Json, now: Json, where: str) -> Iterator[str]:
        fields, needed = told.get("properties", {}), set(told.get("required", ()))
        for name, schema in fields.items():
            if name not in now.get("properties", {}):
                yield f"{where}: the field {name} is gone"
            else:
                yield from self.breaks(schema, now["properties"][name], f"{where}/{name}")
        for name in () if self.are_answers else sorted(set(now.get("required", ())) - needed):
            yield f"{where}: the field {name} became necessary"
        for name in sorted(needed - set(now.get("required", ()))):
            yield f"{where}: the field {name} is not always there any more"


def found(document: Json, schema: Json) -> Json:
    """Return the schema that a reference names."""
    while "$ref" in schema:
        place: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def broken_messages(told: Json, now: Json) -> list[str]:
    """Return what an AsyncAPI document of now does otherwise than an earlier one."""
    contracts, broken = Contracts(told, now), []
    for name, schema in told["components"]["schemas"].items():
        broken += contracts.breaks(schema, now["components"]["schemas"].get(name, {}), name)
    for name, channel in told["channels"].items():
        later = now["channels"].get(name, {"address": None, "messages": {}})
        if channel["address"] != later["address"]:
            broken.append(f"topic {channel['address']} is {later['address']}")
        broken += [
            f"{kind} is not sent on {name} any more"
            for kind in channel["messages"]
            if kind not in later["messages"]
        ]
    for name, operation in told["operations"].items():
        if operation["bindings"] != now["operations"].get(name, {}).get("bindings"):
            broken.append(
                f"{name}: {operation['bindings']} is {now['operations'].get(name, {}).get('bindings')}"
            )
    return broken


def broken_addresses(told: Json, now: Json) -> list[str]:
    """Return what an OpenAPI document of now does otherwise than an earlier one."""
    contracts, answers, broken = Contracts(told, now), Contracts(told, now, are_answers=True), []
    asked = set(_asked(now))
    for name, schema in told["components"]["schemas"].items():
        both = contracts if name in asked else answers
        broken += both.breaks(schema, now["components"]["schemas"].get(name, {}), name)
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            later = now["paths"].get(path, {}).get(method)
            where = f"{method.upper()} {path}"
            broken += (
                [f"{where} is gone"]
                if later is None
                else _broken_operation(contracts, operation, later, where)
            )
    return broken


def _asked(document: Json) -> Iterator[str]:
    """Yield the shapes that callers send, and the shapes in them."""
    waiting: list[Any] = [
        operation.get("requestBody", {})
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    seen: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            name = str(part.get("$ref", "")).rsplit("/", 1)[-1]
            if name and name not in seen:
                seen.add(name)
                waiting.append(document["components"]["schemas"][name])
                yield name
            part = list(part.values())
        if isinstance(part, list):
            waiting += part


def _broken_operation(contracts: Contracts, told: Json, now: Json, where: str) -> list[str]:
    broken = []
    parameters = {one["name"]: one for one in now.get("parameters", ())}
    before = {one["name"]: one for one in told.get("parameters", ())}
    for name, one in before.items():
        schema = parameters.get(name, {}).get("schema")
        if schema is None:
            broken.append(f"{where}: {name} cannot be asked any more")
        else:
            broken += contracts.breaks(one["schema"], schema, f"{where}?{name}")
    broken += [
        f"{where}: {name} became necessary"
        for name, one in parameters.items()
        if one.get("required") and not before.get(name, {}).get("required")
    ]
    if "requestBody" in now and "requestBody" not in told:
        broken.append(f"{where}: a body became necessary")
    for part, schema in _schemas(told):
        later = dict(_schemas(now)).get(part)
        broken += (
            [f"{where}: {part} is gone"]
            if later is None
            else contracts.breaks(schema, later, f"{where} {part}")
        )
    return broken


def _schemas(operation: Json) -> Iterator[tuple[str, Json]]:
    parts = {"body": operation.get("requestBody", {})} | operation["responses"]
    for part, said in parts.items():
        for kind, content in said.get("content", {}).items():
            yield f"{part} {kind}", content.get("schema", {})
