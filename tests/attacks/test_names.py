"""Markup in every name that somebody can choose, and in every word a gateway can say: no page may run it.

The pages are opened with their content security policy switched off, so that escaping alone is what holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.plan_editor.background import BackgroundRefused, made_harmless
from plekvrij.cli import main
from tests.attacks.conftest import PASSWORD, Target, town_hall
from workplace import floor_plan
from workplace.events import (
    ChannelHealth,
    DeviceHealth,
    GatewayHealth,
    GatewayStatus,
    NotifierHealth,
    SourceHealth,
)
from workplace.topics import Topics

#: Runs where text becomes markup, where an attribute is left, where a script is left, and where a link is followed.
MARKUP = (
    """<img src=x onerror="window.hit=1">""",
    """"><svg onload="window.hit=2">""",
    """'><iframe srcdoc="<script>parent.hit=3</script>">""",
    """</script><script>window.hit=4</script>""",
    """{{constructor.constructor('window.hit=5')()}}""",
    """javascript:window.hit=6""",
    """</title></style></textarea><body onpageshow=window.hit=7>""",
)
SEED = """<b id=planted>"'>"""


def wild(number: int) -> str:
    return SEED + MARKUP[number % len(MARKUP)]


def make_wild(raw: dict[str, Any]) -> None:
    zones = (zone for floor in raw["floors"] for zone in floor["zones"])
    for number, thing in enumerate((raw, *raw["floors"], *zones)):
        thing["name"] = {"nl": wild(number), "en": wild(number + 1)}


@pytest.fixture(scope="module")
def target(serve_target: Callable[..., Iterator[Target]]) -> Iterator[Target]:
    yield from serve_target(town_hall(make_wild))


def talk_wildly(target: Target) -> None:
    """Say what a gateway that was taken over, and a channel with a bad name, could say."""
    made, topics = target.made, Topics(target.made.plan.site)
    for number, gateway in enumerate(made.plan.gateways):
        made.send(
            topics.gateway_status(gateway.id),
            GatewayStatus(site=made.plan.site, gateway=gateway.id, status="online", at=made.clock.now()),
        )
        made.send(
            topics.gateway_health(gateway.id),
            GatewayHealth(
                site=made.plan.site, gateway=gateway.id, at=made.clock.now(), uptime_s=1, outbox_rows=0,
                outbox_oldest_s=0, clock_synced=True, counters={wild(number): 1},
                sources=(SourceHealth(name=wild(number), status="down", detail=wild(number + 1)),),
                devices=tuple(
                    DeviceHealth(
                        device=wild(turn), available=False, reason=wild(turn), firmware=wild(turn), model=wild(turn)
                    )
                    for turn in range(len(MARKUP))
                ),
            ),
        )  # fmt: skip
    channels = tuple(
        ChannelHealth(name=wild(turn), kind="webhook", state="failing", reason=wild(turn))
        for turn in range(3)
    )
    made.send(
        topics.notifier_health(),
        NotifierHealth(
            site=made.plan.site, at=made.clock.now(), version=wild(0), reads_decisions=True, channels=channels
        ),
    )


#: Every page with a name on it; `None`: the page needs no account.
PAGES = (
    "/", "/wall", "/wall/f3", "/wall/f3/epaper", "/s/{screen}", "/desk/3-T01", "/council", "/council/switch", "/staff/",
    "/staff/history", "/staff/sensors", "/staff/plan", "/staff/plan/f3", "/staff/plan/import", "/staff/devices",
    "/staff/devices/z2m-1", "/staff/policy", "/staff/actions", "/staff/why/decision-1", "/map/f3", "/walk", "/walk/f3",
    "/walk/f3/sheet", "/account", "/login", "/nowhere",
)  # fmt: skip


def check(page: Page, where: str) -> None:
    assert page.evaluate("window.hit") is None, where
    assert page.locator("#planted").count() == 0, where


def test_no_name_runs_on_any_page(target: Target, browser: Browser) -> None:
    talk_wildly(target)
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{target.url}/login")
    page.locator("#name").fill("admin")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button").first.click()
    page.wait_for_url("**/staff/**")
    seen = 0
    for path in (*PAGES, "/staff/?lang=en", "/wall/f3?lang=en", "/walk/f3?lang=en"):
        page.goto(target.url + path.format(screen=target.screen), wait_until="load")
        if path.startswith("/staff/?") or path == "/staff/":
            expect(page.locator("body")).to_contain_text(SEED[:10])  # Dash has drawn it
        check(page, path)
        seen += SEED[:10] in page.locator("html").inner_text()
    assert seen >= 12, "the names were shown as the text that they are"
    assert dialogs == []
    context.close()


def test_addresses_and_fields_run_nothing(target: Target, browser: Browser) -> None:
    """What a link from elsewhere can put into a page."""
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    paths = (
        "/login?to=/{}", "/wall/{}", "/desk/{}", "/s/{}", "/setup/{}", "/{}", "/wall?lang={}", "/council/{}", "/walk/{}"
    )  # fmt: skip
    for path in paths:
        page.goto(target.url + path.format(quote(SEED + "".join(MARKUP), safe="")))
        check(page, path)
    context.close()


@pytest.mark.parametrize("markup", MARKUP)
def test_names_that_are_addresses_take_no_markup(
    markup: str, small_plan_text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sites, gateways, floors, zones, places, devices, accounts and screens are called by letters and digits only."""
    for name in (
        "site: klein",
        "id: gw-1",
        "id: f1",
        "id: 1-werken",
        "first: 1-W1",
        'node: "0001000000000001"',
    ):
        key = name.partition(":")[0]
        assert name in small_plan_text
        plan, mistakes = floor_plan.check(
            small_plan_text.replace(name, f"{key}: {json.dumps(markup)}"), "plan.yaml"
        )
        assert plan is None, name
        assert mistakes, name
    device = f"\ndevices: [{{place: 1-O1, sensor: zigbee_pir, device: {json.dumps(markup)}}}]\n"
    assert floor_plan.check(small_plan_text + device, "plan.yaml")[0] is None
    data = ("--data", str(tmp_path))
    assert main(["accounts", "add", markup, "--role", "staff", *data]) == 2
    assert main(["screens", "add", markup, "--floor", "f3", *data]) == 2
    capsys.readouterr()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"'


@pytest.mark.parametrize(
    "drawing",
    [
        SVG + b'><script>window.hit=1</script><path d="M0 0"/></svg>',
        SVG + b' onload="window.hit=1"><path d="M0 0"/></svg>',
        SVG + b'><a href="javascript:window.hit=1"><path d="M0 0"/></a></svg>',
        SVG + b'><foreignObject><img src="x" onerror="window.hit=1"/></foreignObject></svg>',
        b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SVG + b"><text>&x;</text></svg>",
    ],
)
def test_a_drawing_under_a_floor_runs_nothing(drawing: bytes) -> None:
    try:
        kept = made_harmless(drawing)
    except BackgroundRefused:
        return
    for word in (b"script", b"onload", b"onerror", b"javascript", b"foreignObject", b"root:"):
        assert word not in kept.content, word
