"""Apprise to a real web server (as ntfy and as plain JSON) and to a real mail server: the bytes that arrive."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from ingest.channels.apprise_channel import AppriseChannel
from workplace.channels import Telling
from workplace.errors import ChannelUnavailable, SettingInvalid
from workplace.floor_plan import FloorPlan
from workplace.ports import Parcel

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)


def told(place: str = "1-W1", **more: Any) -> Telling:
    made: dict[str, Any] = {
        "id": f"id-{place}", "kind": "reclaimable", "cause": "reclaimable", "site": "klein", "floor": "f1",
        "zone": "1-werken", "place": place, "at": TEN, "expires_at": TEN + timedelta(minutes=30), "mode": "active",
    }  # fmt: skip
    return Telling(**(made | more))


PARCEL = Parcel("cafe1234" * 4, (told("1-W1"), told("1-W2")))
WANTED = (
    "Plek 1.W1: mag gebruikt worden sinds 10:00. Er kunnen nog spullen liggen.\n"
    "Plek 1.W2: mag gebruikt worden sinds 10:00. Er kunnen nog spullen liggen.\n\nKenmerk cafe1234"
)


class Web(ThreadingHTTPServer):
    """Notes what is posted; answers `status`, after `wait_s` where it dawdles."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(inner) -> None:  # noqa: N805
                body = inner.rfile.read(int(inner.headers.get("content-length", 0)))
                self.got.append((inner.path, {k.lower(): v for k, v in inner.headers.items()}, body))
                self.hold.wait(30)
                inner.send_response(self.status)
                if self.status == 302:
                    inner.send_header("Location", f"http://127.0.0.1:{self.server_port}/elsewhere")
                inner.send_header("Content-Length", "0")
                inner.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(inner, *_: Any) -> None:  # noqa: N805
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()
    thread.join(20)


def send(url: str, plan: FloorPlan, parcel: Parcel = PARCEL, language: Any = "nl") -> None:
    async def story() -> None:
        channel = AppriseChannel("facility", url, plan, language)
        try:
            await channel.send(parcel)
        finally:
            await channel.close()

    asyncio.run(story())


def test_ntfy_gets_one_message_for_a_zone(web: Web, small_plan: FloorPlan) -> None:
    send(f"ntfy://127.0.0.1:{web.server_port}/plekken", small_plan)
    ((_, _, body),) = web.got
    said = json.loads(body)
    assert said["topic"] == "plekken"
    assert said["title"] == "Werken, verdieping 1"
    assert said["message"].strip() == WANTED


def test_plain_json_gets_the_same_and_an_alarm_says_that_it_is_one(web: Web, small_plan: FloorPlan) -> None:
    send(f"json://127.0.0.1:{web.server_port}/in", small_plan)
    alarm = told(kind="alarm", cause="gateway_lost", gateway="gw-1", place=None, zone=None)
    send(f"json://127.0.0.1:{web.server_port}/in", small_plan, Parcel("b" * 32, (alarm,)), "en")
    first, second = (json.loads(body) for _, _, body in web.got)
    assert (first["title"], first["type"]) == ("Werken, verdieping 1", "info")
    assert first["message"] == WANTED
    assert (second["title"], second["type"]) == ("Floor 1", "warning")
    assert second["message"].startswith("Gateway gw-1 is lost since 10:00.")


def test_a_server_that_fails_is_told_again_later(web: Web, small_plan: FloorPlan) -> None:
    web.status = 500
    with pytest.raises(ChannelUnavailable, match="not_delivered"):
        send(f"json://127.0.0.1:{web.server_port}/in", small_plan)


def test_no_redirect_is_followed(web: Web, small_plan: FloorPlan) -> None:
    web.status = 302
    with pytest.raises(ChannelUnavailable):
        send(f"json://127.0.0.1:{web.server_port}/in", small_plan)
    assert [path for path, _, _ in web.got] == ["/in"]


def test_a_service_that_hangs_keeps_one_thread_and_no_more(web: Web, small_plan: FloorPlan) -> None:
    web.hold.clear()

    async def story() -> list[str]:
        url = f"json://127.0.0.1:{web.server_port}/in?rto=20&cto=20"
        channel = AppriseChannel("facility", url, small_plan, "nl", timeout_s=0.5)
        reasons = []
        for _ in range(3):
            with pytest.raises(ChannelUnavailable) as failed:
                await channel.send(PARCEL)
            reasons.append(failed.value.reason)
        web.hold.set()
        async with asyncio.timeout(20):
            while True:
                try:
                    await channel.send(PARCEL)
                except ChannelUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    break
        await channel.close()
        return reasons

    reasons = asyncio.run(story())
    assert reasons[0] in {"timeout", "not_delivered"}
    assert {thread.name for thread in threading.enumerate() if thread.name.startswith("channel-")} <= {
        "channel-facility_0"
    }


class Mailbox:
    """Keeps what a mail server was given."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 Message accepted for delivery"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        return self.answer


@pytest.fixture
def mail(free_port: int) -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port)
    controller.start()
    yield box, free_port
    controller.stop()


def test_a_mail_arrives_as_a_mail(mail: tuple[Mailbox, int], small_plan: FloorPlan) -> None:
    box, port = mail
    send(
        f"mailto://127.0.0.1:{port}/?from=plekvrij@gemeente.example&to=facilitair@gemeente.example",
        small_plan,
    )
    (envelope,) = box.mails
    assert envelope.mail_from == "plekvrij@gemeente.example"
    assert envelope.rcpt_tos == ["facilitair@gemeente.example"]
    message = message_from_bytes(envelope.original_content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["subject"] == "Werken, verdieping 1"
    body = message.get_body(("plain", "html"))
    assert body is not None
    text = body.get_content()
    for line in WANTED.splitlines():
        assert line in text


def test_a_mail_server_that_refuses_is_told_again_later(
    mail: tuple[Mailbox, int], small_plan: FloorPlan
) -> None:
    box, port = mail
    box.answer = "451 try again later"
    with pytest.raises(ChannelUnavailable, match="not_delivered"):
        send(f"mailto://127.0.0.1:{port}/?from=a@gemeente.example&to=b@gemeente.example", small_plan)


def test_nothing_of_an_address_is_logged(
    web: Web, small_plan: FloorPlan, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    web.status = 500
    with pytest.raises(ChannelUnavailable) as failed:
        send(f"ntfy://iemand:zeergeheim@127.0.0.1:{web.server_port}/onderwerp", small_plan)
    with pytest.raises(SettingInvalid) as refused:
        AppriseChannel("facility", "nonsense://iemand:zeergeheim@host", small_plan, "nl")
    shown = capfd.readouterr()
    said = [caplog.text, shown.out, shown.err, str(failed.value), str(refused.value)]
    assert not any("zeergeheim" in text or "onderwerp" in text for text in said)
    assert web.got, "the server was asked"
