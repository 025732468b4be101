"""What a test of a site of real processes needs: desk nodes, the interface, a browser, a policy with consent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import Page, async_playwright

from tests.browsers import CHROMIUM
from workplace.floor_plan import FloorPlan
from workplace.policy import policy_hash
from workplace.policy_file import PolicyFile

CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class DeskNode:
    """One desk node in a process of its own, at the place where its gateway looks for it.

    Attributes:
        lights: (channel, code) of each change of a light, in order, as the node printed them.
    """

    def __init__(
        self, folder: Path, device: str, channels: int, *, speed: float = 1, command: list[str] | None = None
    ) -> None:
        self._command = command or [sys.executable, "-m", "simulators.desk_node"]
        self._tty = folder / "tty" / device
        self._device = device
        self._speed = speed
        self.channels = channels
        self.docked = [False] * channels
        self.toggles = 0
        self.lights: list[tuple[int, int]] = []

    async def start(self) -> None:
        self._tty.parent.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *self._command, "--uid", self._device.removeprefix("dsp1-"),
            "--channels", str(self.channels), "--tty", str(self._tty), "--speed", f"{self._speed:g}",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(), name=f"read {self._device}")

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        while line := await stdout.readline():
            said = json.loads(line)
            if "code" in said:
                self.lights.append((said["channel"], said["code"]))

    def lights_of(self, channel: int) -> list[int]:
        """Return the codes that the light of a channel has shown, oldest first."""
        return [code for at, code in self.lights if at == channel]

    async def toggle(self, channel: int) -> None:
        """Plug a laptop into the dock of a channel, or out of it."""
        self.docked[channel] = not self.docked[channel]
        self.toggles += 1
        await self._tell(f"dock {channel} {int(self.docked[channel])}")

    async def move(self, channel: int) -> None:
        """Let somebody move in sight of the PIR of a channel."""
        await self._tell(f"pir {channel}")

    async def _tell(self, line: str) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(f"{line}\n".encode())
        await stdin.drain()

    async def stop(self) -> None:
        self._process.terminate()
        await self._process.wait()
        await self._reading


class SiteApi:
    """The interface of a site, as another program uses it."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> Any:
        return (await asyncio.to_thread(self._ask, path, None))[1]

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        """Return status and answer."""
        return await asyncio.to_thread(self._ask, path, json.dumps(body).encode())

    async def phases(self, floor: str = "f1") -> dict[str, str]:
        """Return place -> phase."""
        return {place["id"]: place["state"] for place in (await self.get(f"floors/{floor}"))["places"]}

    def _ask(self, path: str, body: bytes | None) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own pages on loopback
            f"{self.base}/api/v1/{path}", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


async def _until(condition: Callable[[], Awaitable[Any]], *, within_s: float, what: str) -> Any:
    """Wait until an async condition gives something true, and return that."""
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {within_s:g} s"
        await asyncio.sleep(0.05)
    return found


@contextlib.asynccontextmanager
async def _open_wall(port: int, floor: str = "f1") -> AsyncIterator[Page]:
    """Open the wall page of a floor in Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto(f"http://127.0.0.1:{port}/wall/{floor}")
        yield page
        await browser.close()


@pytest.fixture
def desk_node() -> type[DeskNode]:
    return DeskNode


@pytest.fixture
def site_api(free_port: int) -> SiteApi:
    return SiteApi(free_port)


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """`await until(condition, within_s=60, what="the place is in use")`."""
    return _until


@pytest.fixture
def open_wall() -> Callable[..., contextlib.AbstractAsyncContextManager[Page]]:
    """`async with open_wall(port) as page:`."""
    return _open_wall


@pytest.fixture
def active_policy_file(tmp_path: Path, small_plan: FloorPlan) -> Path:
    """Every default rule of the small site, in mode active, with the consent that this needs."""
    settings = PolicyFile(site=small_plan.site, mode="active")
    consent = {
        "body": "Ondernemingsraad (test)",
        "role": "voorzitter",
        "date": "2026-11-02",
        "sha256": policy_hash(settings),
    }
    file = tmp_path / "active.policy.yaml"
    file.write_text(yaml.safe_dump({"site": small_plan.site, "mode": "active", "consent": consent}), "utf-8")
    return file
