"""The walk test as an installer types it, against a real broker with sensors that answer."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij.embedded_broker import EmbeddedBroker
from workplace import walk_record
from workplace.codec import encode
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.topics import Topics

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """`plekvrij walk` with a keyboard and a screen."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.screen = ""

    async def reads(self, wanted: str) -> None:
        """Read on until `wanted` stands on the screen; what was read before counts no more."""
        assert self.process.stdout is not None
        while not (found := re.search(wanted, self.screen)):
            try:
                line = await asyncio.wait_for(self.process.stdout.readline(), 40)
            except TimeoutError:
                line = b""
            assert line, f"{wanted!r} never came; the screen ends with {self.screen!r}"
            self.screen += line.decode()
        self.screen = self.screen[found.end() :]

    async def types(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        await self.process.stdin.drain()


class Hands:
    """Somebody at the desks: each call is one sensor's word, sent as its gateway sends it."""

    def __init__(self, link: MqttLink, plan: FloorPlan) -> None:
        self._link = link
        self._plan = plan
        self._number = 0

    async def does(self, place: str, kind: str, *, value: bool = True) -> None:
        sensor = self._plan.place[place].sensors_of(kind)[0]
        self._number += 1
        now = datetime.now(UTC)
        event = SensorEvent(
            id=f"event-{self._number:04}", site="klein", gateway="gw-1", device=sensor.device, kind=sensor.kind,
            value=value, channel=sensor.channel, measured_at=now, clock="gateway", uncertainty_ms=2,
            received_at=now, rssi_dbm=-64,
        )  # fmt: skip
        await self._link.publish(Topics("klein").event("f1", "gw-1", sensor.device), encode(event))


@asynccontextmanager
async def walking(*arguments: object) -> AsyncIterator[Terminal]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "plekvrij", "walk", *map(str, arguments), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Terminal(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


Scene = Callable[[Path, Hands, list[object]], Awaitable[None]]


def play(folder: Path, plan: FloorPlan, plan_file: Path, scene: Scene) -> None:
    """Play a scene beside the broker and the credentials of a running site."""

    async def whole() -> None:
        async with EmbeddedBroker(folder / "broker", plan) as broker:
            known = broker.credentials["dashboard"]
            (folder / "credentials").mkdir()
            (folder / "credentials" / "dashboard.json").write_text(
                json.dumps({"user": known.user, "password": known.password})
            )
            address = BrokerAddress(broker.url, "gw-1", broker.credentials["gw-1"].password)
            async with MqttLink(address, "hands") as link:
                await link.wait_connected()
                await scene(folder, Hands(link, plan), ["f1", "--data", folder, "--plan", plan_file])

    asyncio.run(whole())


@pytest.mark.timeout(400)
def test_a_floor_is_walked_left_resumed_and_handed_over(
    tmp_path: Path, small_plan: FloorPlan, small_plan_file: Path
) -> None:
    async def scene(folder: Path, hands: Hands, arguments: list[object]) -> None:
        async with walking(*arguments) as terminal:
            await terminal.reads(r"\[1/12\] Ga naar 1\.W1")
            await terminal.reads("Beweeg voor de sensor")
            await hands.does("1-W1", "link")
            await terminal.reads(r"✓ Dock: na \d+,\d s · vertraging \d+,\d\d s · −64\s?dBm")
            await hands.does("1-W1", "motion")
            await terminal.reads("✓ Bewegingssensor")
            await terminal.reads(r"\[2/12\] Ga naar 1\.W2")
            await hands.does("1-W3", "link")
            await terminal.reads(r"Een andere plek antwoordde: 1\.W3\. Zijn de kabels verwisseld\?")
            await terminal.types("s 2")
            await terminal.reads(r"\[3/12\] Ga naar 1\.W3")
            await terminal.types("b")
            await terminal.reads("Overgeslagen: Een andere plek antwoordt")
            await terminal.types("")
            await terminal.reads(r"Ga naar 1\.W3")
            await terminal.reads("Haal hem eruit en steek hem er weer in")
            await terminal.types("q")
            await terminal.reads(r"1 werken · 1 overgeslagen · 12")
            assert await terminal.process.wait() == 1
        kept = walk_record.decode((folder / "walks" / "f1.json").read_bytes())
        assert kept is not None
        assert (kept.at, set(kept.results)) == ("1-W3", {"1-W1", "1-W2"})
        async with walking(*arguments) as terminal:
            names = ("1-W3", "1-W4", "1-W5", "1-W6", "1-W7", "1-W8", "1-O1", "1-O2", "1-O3", "1-O4")
            for name in names:
                await terminal.reads(f"Ga naar {re.escape(small_plan.place[name].label)}")
                if name == "1-W3":  # its plug is in since the mix-up
                    await hands.does(name, "link", value=False)
                for sensor in small_plan.place[name].sensors:
                    await hands.does(name, sensor.kind)
            await terminal.reads("11 werken · 1 overgeslagen · 12")
            assert await terminal.process.wait() == 1
        sheet = (folder / "walks" / "f1.html").read_text("utf-8")
        assert "Opleverstaat sensoren" in sheet
        assert 'lang="en">Hand-over sheet sensors' in sheet
        assert sheet.count('class="passed"') == 11
        assert "http" not in sheet, "the sheet is a file of its own"

    play(tmp_path, small_plan, small_plan_file, scene)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(["f1"], 2, "needs --broker", id="without a broker it says what to give"),
        pytest.param(["f9", "--broker", "mqtt://127.0.0.1:1"], 2, "no floor 'f9'", id="a floor that is not there"),
        pytest.param(
            ["f1", "--broker", "mqtt://127.0.0.1:1", "--language", "fr"], 2, "write nl or en", id="a language"
        ),
    ],
)  # fmt: skip
def test_a_wrong_call_says_what_to_write(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    async def scene() -> None:
        async with walking(*arguments) as terminal:
            _, errors = await terminal.process.communicate()
            assert (terminal.process.returncode, words in errors.decode()) == (code, True), errors

    asyncio.run(scene())
