"""A running gateway takes settings from afar, keeps what works, and comes back from what does not."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.adverts import SensorAdverts
from gateway.app import run_gateway
from gateway.notify import Notifier
from gateway.settings import GatewaySettings, MqttBridge
from gateway.sources.table import Tools
from gateway.topic_filter import matches
from plekvrij.cli import main
from plekvrij.gateway_config_command import sealed
from workplace.codec import decode, encode
from workplace.config_seal import seal
from workplace.errors import BrokerUnreachable, SettingInvalid
from workplace.events import GatewayConfig, GatewayHealth
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.readings import Decoded, Reading
from workplace.topics import Topics

KEY = "0123456789abcdef0123456789abcdef"
TOPICS = Topics("klein")


class RealClock:
    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_ms(self) -> float:
        return time.monotonic() * 1000

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Broker:
    """In memory: one connection to all, which can be cut; `mute` acknowledges nothing."""

    def __init__(self) -> None:
        self.handlers: list[tuple[str, Callable[[Received], None]]] = []
        self.listeners: list[Callable[[bool], None]] = []
        self.retained: dict[str, bytes] = {}
        self.sent: list[Received] = []
        self.is_mute = False
        self.is_connected = True

    async def __aenter__(self) -> Broker:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.handlers.clear()
        self.listeners.clear()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        if self.is_mute:
            await asyncio.sleep(0.01)
            raise BrokerUnreachable("memory", "mute")
        self.publish_soon(topic, payload, qos=qos, retain=retain)

    def publish_soon(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        if retain:
            self.retained[topic] = payload
        self.sent.append(Received(topic, payload, retained=False))
        for topic_filter, handler in list(self.handlers):
            if matches(topic_filter, topic):
                handler(Received(topic, payload, retained=False))
        return True

    async def subscribe(
        self, topic_filter: str, handler: Callable[[Received], None], *, qos: int = 1
    ) -> None:
        self.handlers.append((topic_filter, handler))
        for topic, payload in list(self.retained.items()):
            if matches(topic_filter, topic):
                handler(Received(topic, payload, retained=True))

    def on_connection(self, listener: Callable[[bool], None]) -> None:
        self.listeners.append(listener)

    def health(self) -> GatewayHealth | None:
        told = [m for m in self.sent if TOPICS.kind_of(m.topic) == "gateway_health"]
        return decode(told[-1].payload, GatewayHealth) if told else None

    def config(self) -> tuple[str, int] | None:
        health = self.health()
        return (
            None if health is None or health.config is None else (health.config.state, health.config.version)
        )

    def counter(self, name: str) -> int:
        health = self.health()
        return 0 if health is None else health.counters.get(name, 0)

    def bases(self) -> set[str]:
        health = self.health()
        return set() if health is None else {source.name for source in health.sources}


class Bed:
    """A gateway in a folder; `decoders` has one entry per source that was ever built."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        (folder / "key").write_text(KEY)
        self.broker = Broker()
        self.devices: list[Broker] = []
        self.decoders: list[str] = []
        self.notifier: Notifier | None = None
        fields: dict[str, Any] = {
            "site": "klein",
            "gateway": "gw-1",
            "floor": "f1",
            "outbox": str(folder / "gw-1.db"),
            "mqtt": (MqttBridge(format="tasmota", base="first"),),
            "health_interval_s": 0.05,
            "config_key": str(folder / "key"),
            "config_confirm_s": 60.0,
        }
        self.settings = GatewaySettings(**(fields | changes))

    def open_device_link(self, *_arguments: Any, **_more: Any) -> Broker:
        self.devices.append(Broker())
        return self.devices[-1]

    def tell_devices(self, topic: str) -> None:
        for link in self.devices:
            link.publish_soon(topic, b"")

    def decoder(self, bridge: MqttBridge) -> Any:
        self.decoders.append(bridge.base)

        class Decoder:
            def decode(self, topic: str, payload: bytes, *, retained: bool, now: datetime) -> Decoded:
                return Decoded((Reading("motion", value=True),), device=topic.rpartition("/")[2])

        return Decoder()

    async def push(self, body: str, version: int, **changes: Any) -> None:
        config = seal(body, site="klein", gateway="gw-1", version=version, key=KEY.encode())
        payload = encode(config)
        for name, value in changes.items():
            payload = payload.replace(str(getattr(config, name)).encode(), value.encode())
        self.broker.publish_soon(TOPICS.gateway_config("gw-1"), payload, retain=True)

    def live(self, story: Callable[[Bed], Awaitable[None]]) -> None:
        async def body() -> None:
            ready = asyncio.Event()
            gateway = asyncio.ensure_future(
                run_gateway(
                    self.settings,
                    clock=RealClock(),
                    open_link=lambda *_a, **_m: self.broker,
                    connect=sqlite3.connect,
                    tools=Tools(
                        open_device_link=self.open_device_link,
                        wire_session=lambda _port: None,  # type: ignore[arg-type, return-value]
                        mqtt_decoder=self.decoder,
                        advert_decoder=lambda _radio: SensorAdverts({}),
                    ),
                    ready=ready.set,
                    notifier=self.notifier,
                )
            )
            waiting = asyncio.ensure_future(ready.wait())
            try:
                async with asyncio.timeout(60):
                    await asyncio.wait({gateway, waiting}, return_when=asyncio.FIRST_COMPLETED)
                    if not gateway.done():
                        await story(self)
            finally:
                waiting.cancel()
                gateway.cancel()
                await asyncio.wait({gateway})
            if not gateway.cancelled():
                gateway.result()

        asyncio.run(body())


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


TWO = '{"mqtt":[{"format":"tasmota","base":"first"},{"format":"tasmota","base":"second"}]}'
OTHER = '{"mqtt":[{"format":"tasmota","base":"third"}],"health_interval_s":0.04}'


def test_a_new_source_starts_beside_the_old_one_which_is_not_disturbed(tmp_path: Path) -> None:
    async def story(bed: Bed) -> None:
        await until(lambda: bed.broker.config() == ("local", 0), "the first report")
        await bed.push(TWO, 7)
        await until(lambda: bed.broker.config() == ("confirmed", 7), "the confirmation")
        await until(lambda: bed.broker.bases() == {"mqtt:first", "mqtt:second"}, "both sources")
        assert bed.decoders == ["first", "second"]
        await bed.push(TWO, 8)
        await until(lambda: bed.broker.counter("config_unchanged") == 1, "equal settings are no news")
        await bed.push(OTHER, 9)
        await until(lambda: bed.broker.bases() == {"mqtt:third"}, "the other source")
        for base in ("first", "second", "third"):
            bed.tell_devices(f"tele/{base}/x")
        await until(lambda: bed.broker.counter("messages") == 1, "only the new source hears")
        assert bed.decoders == ["first", "second", "third"]

    Bed(tmp_path).live(story)


def test_what_was_confirmed_survives_a_restart(tmp_path: Path) -> None:
    async def first(bed: Bed) -> None:
        await bed.push(TWO, 7)
        await until(lambda: bed.broker.config() == ("confirmed", 7), "the confirmation")

    async def second(bed: Bed) -> None:
        await until(lambda: bed.broker.config() == ("confirmed", 7), "the same settings")
        assert bed.decoders == ["first", "second"]
        await bed.push(OTHER, 6)
        await until(lambda: bed.broker.counter("config_old_version") == 1, "an old version is refused")

    Bed(tmp_path).live(first)
    Bed(tmp_path).live(second)


def test_without_a_greeting_the_old_settings_return(tmp_path: Path) -> None:
    async def story(bed: Bed) -> None:
        await until(lambda: bed.broker.config() == ("local", 0), "the first report")
        bed.broker.is_mute = True
        await bed.push(OTHER, 7)
        await until(lambda: bed.broker.config() == ("trying", 7), "the trial")
        await until(lambda: bed.broker.config() == ("rolled_back", 0), "the way back")
        await until(lambda: bed.broker.bases() == {"mqtt:first"}, "the old source")
        bed.broker.is_mute = False
        await bed.push(OTHER, 7)
        await until(lambda: bed.broker.counter("config_failed_before") == 1, "it is not tried again")

    Bed(tmp_path, config_confirm_s=0.5).live(story)


def test_a_gateway_that_ends_on_trial_comes_back_with_the_old_settings(tmp_path: Path) -> None:
    async def first(bed: Bed) -> None:
        await until(lambda: bed.broker.config() == ("local", 0), "the first report")
        bed.broker.is_mute = True
        await bed.push(OTHER, 7)
        await until(lambda: bed.broker.config() == ("trying", 7), "the trial")

    async def second(bed: Bed) -> None:
        await until(lambda: bed.broker.config() == ("rolled_back", 0), "the old settings")
        assert bed.decoders == ["first"]

    Bed(tmp_path).live(first)
    Bed(tmp_path).live(second)


@pytest.mark.parametrize(
    ("body", "changes", "reason"),
    [
        pytest.param(OTHER, {"signature": "0" * 64}, "bad_signature", id="a forged document"),
        pytest.param(OTHER, {"gateway": "gw-2"}, "not_for_us", id="a document for another gateway"),
        pytest.param('{"outbox":"/tmp/x"}', {}, "not_settable", id="a file on the gateway"),
        pytest.param('{"mqtt":[{"format":"tasmota"}]}', {}, "invalid", id="half a bridge"),
    ],
)
def test_refused_documents_change_nothing(
    tmp_path: Path, body: str, changes: dict[str, str], reason: str
) -> None:
    async def story(bed: Bed) -> None:
        await bed.push(body, 7, **changes)
        await until(lambda: bed.broker.counter(f"config_refused.{reason}") == 1, "the refusal")
        await until(lambda: bed.broker.config() == ("refused", 0), "the word in health")
        assert bed.decoders == ["first"]

    Bed(tmp_path).live(story)


def test_a_missing_key_is_told_at_the_start(tmp_path: Path) -> None:
    async def never(_bed: Bed) -> None:
        raise AssertionError

    with pytest.raises(SettingInvalid, match="cannot read the key"):
        Bed(tmp_path, config_key=str(tmp_path / "nothing")).live(never)


def test_what_a_gateway_would_refuse_is_not_sent(
    tmp_path: Path, small_plan: FloorPlan, small_plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, overlay = tmp_path / "key", tmp_path / "overlay.toml"
    key.write_text(KEY)
    overlay.write_text('[[mqtt]]\nformat = "tasmota"\nbase = "second"\n')
    config = sealed(small_plan, gateway="gw-1", overlay_file=overlay, key_file=key, version=3)
    assert decode(encode(config), GatewayConfig) == config
    assert config.body == '{"mqtt":[{"base":"second","format":"tasmota"}]}'
    for text, why in (
        ('outbox = "/x"', "not_settable"),
        ("x", "cannot read"),
        ("health_interval_s = 0", "invalid"),
    ):
        overlay.write_text(text)
        arguments = ["--plan", str(small_plan_file), "--key", str(key), "--config", str(overlay)]
        push = ["gateway-config", "push", "--gateway", "gw-1", "--broker", "mqtt://127.0.0.1:1", *arguments]
        assert main(push) == 2
        assert why in capsys.readouterr().err


def test_the_service_manager_hears_the_start_and_the_end(tmp_path: Path) -> None:
    async def story(bed: Bed) -> None:
        await until(lambda: bed.broker.config() == ("local", 0), "the first report")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        bed = Bed(tmp_path)
        bed.notifier = Notifier(str(tmp_path / "notify"), watchdog_s=60.0)
        bed.live(story)
        words = [manager.recv(4096).decode().splitlines() for _ in range(3)]
    assert words[0] == ["READY=1", "STATUS=broker connected, 0 published, 0 of 1 sources ok"]
    assert words[1][0] == "WATCHDOG=1"
    assert words[-1] == ["STOPPING=1"]
