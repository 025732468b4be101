"""The HTTP interface as a document and as a page, made from the application that answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from plekvrij import __version__, wiring
from plekvrij.file_reference import Schema, meaning
from workplace.events import Reply, Request

_HEAD = """# HTTP interface

Made from [openapi.json](openapi.json) by `python -m plekvrij.reference docs/reference`; a running site answers the
same document at `/api/v1/openapi.json`. What is here is not taken away within `v1`: fields and addresses may be
added. What programs are told by MQTT stands in [messages](messages.md), what a webhook is sent in
[webhook](webhook.md).

Besides these there is the live stream, `GET /live?floor=f3`: server-sent events with a snapshot at the start,
numbered changes after it, and a sign of life every 5 s.
"""


class _NoClock:
    speed = 1.0

    def now(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC)

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


async def _nobody(request: Request) -> Reply:
    raise NotImplementedError(request.id)


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the interface of this version."""
    from dashboard.api.routes import openapi_document
    from dashboard.app import create_app
    from dashboard.live_site import LiveSite
    from dashboard.settings import DashboardSettings

    plan, clock = wiring.read_site(wiring.DEMO_PLAN, None).plan, _NoClock()
    app = create_app(
        plan,
        live=LiveSite(plan, clock),
        history=None,
        send_request=_nobody,
        clock=clock,
        version=__version__,
        settings=DashboardSettings(),
    )
    return openapi_document(app.state.interface, __version__)


def http_page(document: Mapping[str, Any]) -> str:
    """Return every address with what may be asked, what it answers, and the fields of the answers."""
    lines = [_HEAD]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += _operation(f"{method.upper()} {path}", operation)
    lines += ["## Shapes", ""]
    for name, shape in document["components"]["schemas"].items():
        lines += _shape(name, shape)
    return "\n".join(lines)


def _operation(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## `{title}`", "", " ".join(operation.get("description", operation["summary"]).split()), "")
    if operation.get("security"):
        yield from ("For staff.", "")
    yield from ("| part | what | shape |", "|--|--|--|")
    for one in operation.get("parameters", ()):
        yield f"| {one['in']} `{one['name']}` | {one.get('description', '')} | {_cell(one['schema'])} |"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield f"| body | JSON | {_cell(body['schema'])} |"
    for status, answer in operation["responses"].items():
        said = [
            _cell(content["schema"])
            for content in answer.get("content", {}).values()
            if content.get("schema")
        ]
        yield f"| answer {status} | {answer['description']} | {' or '.join(dict.fromkeys(said))} |"
    yield ""


def _shape(name: str, shape: Schema) -> Iterator[str]:
    yield from (f"### {name}", "")
    if said := shape.get("description"):
        yield from (" ".join(said.split("Attributes:")[0].split()), "")
    if not shape.get("properties"):
        return
    needed = set(shape.get("required", ()))
    yield from ("| field | shape | always there |", "|--|--|--|")
    for field, allowed in shape["properties"].items():
        yield f"| `{field}` | {_cell(allowed)} | {'yes' if field in needed else 'no'} |"
    yield ""


def _cell(schema: Schema) -> str:
    return meaning(schema).replace("|", "\\|")
