"""What is lost is unknown, never free, whatever its family: by last wills, and by silence only."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij import clocks, wiring
from plekvrij.site_processes import SiteProcesses, SiteProcessSettings
from simulators.families import speakers
from simulators.players import Cast
from simulators.sensors import SensorInput, sense_of
from simulators.speaker import Publication, Speaker
from workplace.floor_plan import FloorPlan

#: Patience with a busy machine, s; that a screen is grey within 60 s is measured in `test_lost_links`.
LIMIT_S = 150
LORAWAN = {"M03", "M04", "M05"}
#: LoRaWAN sensors that say a level; the third one is a PIR.
CHAIRS = {"M03", "M04"}


class Devices:
    """Every device of the plan, on one connection that the test holds."""

    def __init__(self, plan: FloorPlan, link: MqttLink, clock: clocks.SiteClock) -> None:
        self.plan, self._link, self._clock = plan, link, clock
        cast = Cast(plan, 1, clock.now(), _no_link, lambda _place, _code: None)
        self.speakers: list[Speaker] = [speaker for _, speaker in speakers(cast)]

    async def open(self) -> None:
        for speaker in self.speakers:
            await self._say(speaker.opening())
        # LoRaWAN sensors join within two minutes; what they say then must not be dated after what they say later.
        later = self._clock.now() + timedelta(minutes=2)
        while self._clock.now() < later:
            await asyncio.sleep(0.05)
        for speaker in self.speakers:
            if speaker.will is None:
                await self._say(speaker.due(later))

    async def show_everybody(self) -> None:
        """Let somebody sit at every place."""
        for place in self.plan.place.values():
            for sensor in place.sensors:
                for speaker in self.speakers:
                    if (place.id, sense_of(sensor)) in speaker.hears:
                        # up and down again, so that a level that was missed is told once more
                        for value in (False, True):
                            entry = SensorInput(self._clock.now(), place.id, sense_of(sensor), value)
                            await self._say(speaker.take(entry, entry.at))

    async def die(self) -> None:
        """Let the broker say every last will."""
        for speaker in self.speakers:
            if speaker.will is not None:
                await self._link.publish(*speaker.will, retain=True)

    async def _say(self, said: list[Publication]) -> None:
        for entry in said:
            await self._link.publish(entry.topic, entry.payload, retain=entry.retain)


def _no_link(*_: object, **__: object) -> Any:
    raise AssertionError("a speaker opens no link")


Scene = Callable[[Devices, Any], Awaitable[None]]


@pytest.fixture
def play(
    tmp_path: Path, mixed_plan_file: Path, mixed_plan: FloorPlan, free_port: int
) -> Callable[[float, Scene, Any], None]:
    """Run a scene at a site with three gateways and without a simulated building; one hit is somebody there."""
    by_hand = tmp_path / "by_hand.policy.yaml"
    by_hand.write_text(f"site: {mixed_plan.site}\noccupancy: {{model: hand_tuned}}\n", "utf-8")

    def run(speed: float, scene: Scene, api: Any) -> None:
        clock = clocks.scaled_clock(datetime(2026, 11, 24, 9, tzinfo=mixed_plan.tz), speed)
        settings = SiteProcessSettings(
            site=wiring.read_site(mixed_plan_file, by_hand),
            folder=tmp_path / "site",
            clock=clock,
            port=free_port,
            building=False,
        )

        async def whole() -> None:
            async with SiteProcesses(settings, lambda text: print(text, file=sys.stderr)) as processes:
                assert processes.broker is not None
                user = processes.broker.credentials["devices"]
                address = BrokerAddress(processes.broker_url, user.user, user.password)
                async with MqttLink(address, "devices") as link:
                    await scene(Devices(mixed_plan, link, clock), api)

        asyncio.run(whole())

    return run


class Watch:
    """Looks at the floor without pause and notes what every place has shown."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self.shown: dict[str, list[str]] = {}

    async def run(self) -> None:
        while True:
            for place, phase in (await self._api.phases()).items():
                seen = self.shown.setdefault(place, [])
                if seen[-1:] != [phase]:
                    seen.append(phase)
            await asyncio.sleep(0.05)

    async def until(
        self,
        wanted: Callable[[dict[str, str]], bool],
        until: Any,
        what: str,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Wait until what is shown is as wanted; `meanwhile` is done again every two seconds until then."""
        again_at = 0.0

        async def holds() -> bool:
            nonlocal again_at
            if wanted({place: seen[-1] for place, seen in self.shown.items()}):
                return True
            if meanwhile is not None and time.monotonic() >= again_at:
                await meanwhile()
                again_at = time.monotonic() + 2
            return False

        await until(holds, within_s=LIMIT_S, what=what)


@pytest.mark.timeout(600)
def test_a_device_that_is_gone_leaves_its_place_unknown(
    play: Callable[..., None], site_api: Any, until: Any
) -> None:
    async def scene(devices: Devices, api: Any) -> None:
        watch = Watch(api)
        watching = asyncio.create_task(watch.run(), name="watch")
        try:
            await devices.open()
            everywhere = set(devices.plan.place)
            await watch.until(
                lambda now: {p for p, phase in now.items() if phase == "in_use"} == everywhere,
                until,
                "every place is in use",
                devices.show_everybody,  # most devices speak once and are not kept: whoever comes late misses it
            )
            watch.shown.clear()
            await devices.die()
            lost = everywhere - LORAWAN
            await watch.until(
                lambda now: lost <= {p for p, phase in now.items() if phase == "unknown"},
                until,
                "every place with a last will is unknown",
            )
            for place in lost:
                assert watch.shown[place] in (["in_use", "unknown"], ["unknown"]), place
            assert all(watch.shown[place] == ["in_use"] for place in CHAIRS)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    play(20.0, scene, site_api)


@pytest.mark.timeout(600)
def test_a_lorawan_sensor_that_missed_three_heartbeats_leaves_its_place_unknown(
    play: Callable[..., None], site_api: Any, until: Any
) -> None:
    """Three hours of site time in 18 s. A seat said that somebody is there, and then nothing ever again."""

    async def scene(devices: Devices, api: Any) -> None:
        watch = Watch(api)
        watching = asyncio.create_task(watch.run(), name="watch")
        try:
            await devices.open()
            await watch.until(
                lambda now: all(now.get(place) == "in_use" for place in CHAIRS),
                until,
                "both seats are taken",
                devices.show_everybody,
            )
            watch.shown.clear()
            await watch.until(
                lambda now: all(now.get(place) == "unknown" for place in CHAIRS), until, "both are unknown"
            )
            # The time limit of a stay may come first; what never comes is a free place.
            for place in CHAIRS:
                assert "free" not in watch.shown[place], watch.shown[place]
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    play(600.0, scene, site_api)
