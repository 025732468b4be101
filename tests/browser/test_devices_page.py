"""Devices in a real browser: what they do, where they hang; a new one is hung, a broken one replaced, one taken off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard.actions import MemoryActions
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder
from plekvrij.devices_command import replace_file
from tests.accessibility import broken_rules
from tests.browser.conftest import MORNING, MadeHistory
from workplace import floor_plan
from workplace.events import DeviceHealth, GatewayHealth, GatewayStatus
from workplace.floor_plan import FloorPlan
from workplace.ports import UnclaimedDevice
from workplace.topics import Topics

Shoot = Callable[..., None]
#: A loaded machine may be slow; a page that is right gets there.
SOON_MS = 60_000
expect.set_options(timeout=SOON_MS)
SIZES = {"desk": (1920, 1080), "portrait": (1080, 1920), "phone": (390, 844)}
EXAMPLE = (Path(__file__).parents[2] / "examples" / "town_hall.plan.yaml").read_text("utf-8")

#: A place that gets one more sensor.
HOME = floor_plan.load(EXAMPLE, "plan.yaml").place["0-R01"]


def stranger(device: str, *kinds: str, channels: tuple[str, ...] = ()) -> UnclaimedDevice:
    return UnclaimedDevice(
        device, "gw-3", kinds, channels, MORNING - timedelta(hours=3), MORNING - timedelta(minutes=2), 41
    )


class StrangeHistory(MadeHistory):
    """A history in which three devices wait for a place."""

    def unclaimed(self) -> list[UnclaimedDevice]:
        return [
            stranger("z2m-pir-new", "battery", "motion"),
            stranger("lora-24e1", "occupancy", "battery"),
            stranger("esphome-box", "motion", "link", channels=("pir_1", "dock_1")),
        ]


class Devices:
    """The plan file of the site, what was done to it, and what the gateways say."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "plan.yaml"
        self.file.write_text(EXAMPLE, "utf-8")
        self.actions = MemoryActions()
        store = PlanFolder(
            self.file,
            folder / "plans",
            check=lambda text: floor_plan.check(text, "plan")[1],
            replace=replace_file,
        )
        self.plan_desk = PlanDesk(store, BackgroundFolder(folder / "backgrounds"), self.actions)

    @property
    def plan(self) -> FloorPlan:
        return floor_plan.load(self.file.read_text("utf-8"), "plan.yaml")

    def speak(self, site: Any) -> None:
        """All devices of floor 3 work but two; the gateway of floor 4 is gone, the others said nothing yet."""
        topics, now = Topics(site.plan.site), site.clock.now()
        known = [device for device, gateway in site.plan.devices.items() if gateway == "gw-3"]
        found = [DeviceHealth(device=device, available=True, last_seen_age_s=40.0) for device in known]
        found[1] = DeviceHealth(
            device=known[1], available=False, reason="silent", last_seen_age_s=14_000.0,
            battery_pct=7.0, battery_days_left=6.0,
        )  # fmt: skip
        found[2] = DeviceHealth(
            device=known[2], available=True, last_seen_age_s=8.0, battery_pct=81.0, battery_days_left=402.0,
            model="RTCGQ11LM", firmware="3.2",
        )  # fmt: skip
        self.silent, self.well = known[1], known[2]
        health = GatewayHealth(
            site=site.plan.site, gateway="gw-3", at=now, uptime_s=1.0, outbox_rows=0, outbox_oldest_s=0.0,
            clock_synced=True, devices=tuple(found),
        )  # fmt: skip
        for gateway, status in (("gw-3", "online"), ("gw-4", "offline")):
            site.send(
                topics.gateway_status(gateway),
                GatewayStatus(site=site.plan.site, gateway=gateway, status=status, at=now),  # type: ignore[arg-type]
            )
        site.send(topics.gateway_health("gw-3"), health)


@pytest.fixture(scope="module")
def devices_of_site(tmp_path_factory: pytest.TempPathFactory) -> Devices:
    return Devices(tmp_path_factory.mktemp("devices"))


@pytest.fixture(scope="module")
def device_site(served: Callable[..., Any], devices_of_site: Devices) -> Iterator[Any]:
    plan = floor_plan.load(EXAMPLE, "plan.yaml")
    with served(desk=devices_of_site.plan_desk, history=StrangeHistory(plan)) as site:
        yield site


@pytest.fixture
def devices(devices_of_site: Devices, device_site: Any) -> Devices:
    devices_of_site.file.write_text(EXAMPLE, "utf-8")
    devices_of_site.actions = devices_of_site.plan_desk.actions  # type: ignore[assignment]
    devices_of_site.speak(device_site)
    return devices_of_site


@pytest.fixture(autouse=True)
def _no_complaints(pages: Any) -> Iterator[None]:
    yield
    assert [text for text in pages.complaints if "responded with a status of 4" not in text] == []


@pytest.mark.parametrize("size", list(SIZES), ids=list(SIZES))
def test_every_page_fits_and_is_accessible(
    device_site: Any, devices: Devices, pages: Any, shoot: Shoot, size: str
) -> None:
    page = pages.open(f"{device_site.url}/staff/devices?floor=f3&lang=nl", size=SIZES[size])
    names = ("list", "silent", "off", "new")
    silent = f"/{devices.silent}"
    for name, path in zip(names, ("?floor=f3", silent, f"{silent}?ask=off", "/esphome-box"), strict=True):
        page.goto(f"{device_site.url}/staff/devices{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), path
        assert broken_rules(page) == [], path
        shoot(page, f"devices_{name}_nl_{size}", full=size == "phone")
    page.goto(f"{device_site.url}/staff/devices?floor=f3&lang=en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Devices")
    shoot(page, f"devices_list_en_{size}")


def test_the_list_tells_what_each_device_does_and_equals_the_map(
    device_site: Any, devices: Devices, pages: Any
) -> None:
    page = pages.open(f"{device_site.url}/staff/devices?floor=f3&lang=nl", script=False)
    silent = page.get_by_role("row", name=devices.silent)
    expect(page.get_by_role("row", name="esphome-box")).to_contain_text("beweging, dock")
    for text in ("niet bereikbaar", "sensor zwijgt", "4 uur", "7 %", "ongeveer 6 dagen"):
        expect(silent).to_contain_text(text)
    well = page.get_by_role("row", name=devices.well)
    for text in ("werkt", "8 s", "81 %", "ongeveer 402 dagen"):
        expect(well).to_contain_text(text)
    lost = {place.id for place in device_site.plan.places_of_device(devices.silent)}
    expect(page.locator(".pe-look .p-r")).to_have_count(len(lost))
    expect(page.locator(".pe-look title")).to_have_text(
        f"Plattegrond: {65 - len(lost)} van 65 plekken met werkende apparaten"
    )
    page.goto(f"{device_site.url}/staff/devices?floor=f4")
    expect(page.locator(".pe-list").last).to_contain_text("gateway niet bereikbaar")
    page.goto(f"{device_site.url}/staff/devices?floor=f2")
    expect(page.locator(".pe-list").last).to_contain_text("nog niet gehoord")


def test_a_device_is_found_by_a_part_of_any_name(device_site: Any, devices: Devices, pages: Any) -> None:
    page = pages.open(f"{device_site.url}/staff/devices?lang=nl", script=False)
    page.get_by_label("Zoek apparaat, plek of gateway").fill("3.t04")
    page.get_by_role("button", name="Zoek").press("Enter")
    rows = page.locator(".pe-list").last.locator("tbody tr")
    expected = {sensor.device for sensor in device_site.plan.place["3-T04"].sensors}
    assert {row.inner_text().split()[0] for row in rows.all()} == expected
    page.get_by_label("Zoek apparaat, plek of gateway").fill("nergens")
    page.get_by_role("button", name="Zoek").click()
    expect(page.get_by_text("Geen apparaat past hierbij.")).to_be_visible()


def test_a_new_device_gets_its_place_by_keys_alone(device_site: Any, devices: Devices, pages: Any) -> None:
    page = pages.open(f"{device_site.url}/staff/devices?lang=nl")
    page.get_by_role("link", name="esphome-box").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("esphome-box")
    page.get_by_label("Plek (typ een deel van de naam)").focus()
    page.keyboard.type(HOME.label)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("Het apparaat hangt nu op zijn plek.")
    [sensor] = set(devices.plan.place[HOME.id].sensors) - set(HOME.sensors)
    assert (sensor.kit, sensor.device, sensor.channel) == ("esphome_dock", "esphome-box", "dock_1")
    assert sensor.gateway == "gw-3", "the gateway that hears it"
    newest = devices.actions.newest(1)[0]
    assert (newest.action, newest.what) == ("device_claimed", f"esphome-box/dock_1 → {HOME.id}")


def test_a_broken_device_is_replaced_and_its_places_stay(
    device_site: Any, devices: Devices, pages: Any
) -> None:
    before = devices.plan.place["3-T16"]
    pir = next(sensor for sensor in before.sensors if sensor.kit == "zigbee_pir")
    page = pages.open(f"{device_site.url}/staff/devices/{pir.device}?lang=nl", script=False)
    page.get_by_label("Nieuw apparaat").fill("z2m-pir-new")
    page.get_by_role("button", name="Vervang").click()
    expect(page.locator("#note")).to_contain_text("De geschiedenis van de plekken loopt door.")
    after = devices.plan
    new = next(sensor for sensor in after.place["3-T16"].sensors if sensor.kit == "zigbee_pir")
    assert (new.device, new.gateway) == ("z2m-pir-new", "gw-3")
    assert pir.device not in after.devices
    others = [place for place in after.place.values() if place.id != "3-T16"]
    old = floor_plan.load(EXAMPLE, "p").place
    assert all(set(place.sensors) == set(old[place.id].sensors) for place in others)


def test_a_device_that_hangs_somewhere_is_no_replacement(
    device_site: Any, devices: Devices, pages: Any, shoot: Shoot
) -> None:
    page = pages.open(f"{device_site.url}/staff/devices/{devices.silent}?lang=nl", script=False)
    page.get_by_label("Nieuw apparaat").fill(devices.well)
    page.get_by_role("button", name="Vervang").click()
    expect(page.locator("#mistakes")).to_contain_text("hangt in de plattegrond bij plek")
    page.get_by_label("Nieuw apparaat").fill("geen naam!")
    page.get_by_role("button", name="Vervang").click()
    expect(page.locator("#mistakes li")).to_have_text(
        "'geen naam!' is geen naam van een apparaat; schrijf letters, cijfers, _ en -, hoogstens 64"
    )
    shoot(page, "devices_refused_desk")
    assert devices.file.read_text("utf-8") == EXAMPLE


def test_taking_off_is_asked_twice(device_site: Any, devices: Devices, pages: Any) -> None:
    page = pages.open(f"{device_site.url}/staff/devices/{devices.silent}?lang=nl", script=False)
    places = device_site.plan.places_of_device(devices.silent)
    page.get_by_role("link", name="Haal dit apparaat eraf").click()
    expect(page.locator("main")).to_contain_text(f"De plekken ({', '.join(p.label for p in places)}) blijven")
    assert devices.file.read_text("utf-8") == EXAMPLE
    page.get_by_role("button", name="Ja, haal het eraf").click()
    expect(page.locator("#note")).to_contain_text("Het apparaat is eraf gehaald.")
    assert devices.silent not in devices.plan.devices
    assert {place.id for place in places} <= set(devices.plan.place)
    expect(page.get_by_role("link", name="Nu", exact=True)).to_be_visible()


def test_whoever_comes_second_is_told(device_site: Any, devices: Devices, pages: Any) -> None:
    page = pages.open(f"{device_site.url}/staff/devices/lora-24e1?lang=nl", script=False)
    other = EXAMPLE.replace("nl: Raadhuis", "nl: Stadhuis")
    devices.file.write_text(other, "utf-8")
    page.get_by_label("Plek (typ een deel van de naam)").fill(HOME.id)
    page.get_by_role("button", name="Geef het deze plek").click()
    expect(page.get_by_role("alert")).to_contain_text("Iemand anders heeft de plattegrond intussen gewijzigd")
    assert devices.file.read_text("utf-8") == other
    page.get_by_role("button", name="Geef het deze plek").click()
    expect(page.locator("#note")).to_be_visible()
    [sensor] = set(devices.plan.place[HOME.id].sensors) - set(HOME.sensors)
    assert (sensor.kit, sensor.device) == ("lora_seat", "lora-24e1")
