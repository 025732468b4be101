"""A town hall to attack: served as in production, with accounts, screens, a plan that can be changed, and secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import argon2
import pytest
import yaml
from fastapi import FastAPI
from playwright.sync_api import Browser, sync_playwright
from starlette.routing import Route

from dashboard.accounts import book as book_module
from dashboard.accounts.book import AccountBook
from dashboard.actions import ActionFolder
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder
from dashboard.wall.screen_links import ScreenLinks, add_screen
from plekvrij.devices_command import replace_file
from plekvrij.http_limits import HttpLimits
from tests.browser.conftest import FLAGS, MORNING, MadeClock, MadeSite, serve
from tests.browsers import CHROMIUM
from workplace import floor_plan

ROOT = Path(__file__).parents[2]
PASSWORD = "kruiwagen lantaarn zeven"
#: Stands in every file beside the pages; no answer may hold it.
SECRET = "zeer-geheim-4711"
ROLES = ("staff", "facility", "installer", "works_council", "admin")
#: Short, so that a test need not wait; the ways through the code are those of the usual ones.
LIMITS = HttpLimits(head_s=1.0, body_s=1.5, slowest_bytes_per_s=1e6, most_per_address=40, look_every_s=0.1)


@dataclass
class Target:
    """The site, and what its owner knows about it."""

    made: MadeSite
    data: Path
    book: AccountBook
    screen: str
    """Token of a wall screen."""

    @property
    def url(self) -> str:
        return self.made.url

    @property
    def port(self) -> int:
        return int(self.made.url.rsplit(":", 1)[1])

    def session(self, role: str) -> str:
        """Return the cookie of a session."""
        return f"plekvrij_session={self.book.enter(role, PASSWORD, '', role)}"

    def refused(self, reason: str) -> int:
        return self.made.refusals.counts()[reason]


def town_hall(change: Callable[[dict[str, Any]], None] = lambda _: None) -> str:
    raw = yaml.safe_load((ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8"))
    change(raw)
    return yaml.safe_dump(raw, allow_unicode=True)


def addresses(app: FastAPI) -> list[tuple[str, str]]:
    """Return method and address of everything that the pages answer to."""
    found: list[tuple[str, str]] = []
    waiting: list[Any] = list(app.routes)
    while waiting:
        route = waiting.pop(0)
        waiting += getattr(getattr(route, "original_router", None), "routes", [])
        if isinstance(route, Route):
            found += [
                (method, route.path) for method in sorted(route.methods or ()) if method in {"GET", "POST"}
            ]
    return found


@pytest.fixture(scope="module")
def serve_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Passwords cost a millisecond here: what they cost is not the matter."""
    usual = argon2.PasswordHasher

    def cheap() -> argon2.PasswordHasher:
        return usual(time_cost=1, memory_cost=8, parallelism=1)

    book_module.argon2.PasswordHasher = cheap  # type: ignore[misc,assignment]

    def start(text: str) -> Iterator[Target]:
        data = tmp_path_factory.mktemp("site")
        (data / "secret.txt").write_text(SECRET)
        for folder in ("plans", "backgrounds", "actions", "policies", "taps", "walks"):
            (data / folder).mkdir()
            (data / folder / "secret.txt").write_text(SECRET)
        plan_file = data / "site.plan.yaml"
        plan_file.write_text(text, "utf-8")
        made = MadeSite(floor_plan.load(text, plan_file.name), MadeClock(), http_limits=LIMITS)
        made.fill()
        made.accounts = AccountBook(sqlite3.connect, data / "accounts.db")
        for role in ROLES:
            made.accounts.set_up(made.accounts.add(role, role), PASSWORD)
        token = add_screen(data, "hal", "f3", None, MORNING)
        made.screens = ScreenLinks(data)
        store = PlanFolder(
            plan_file, data / "plans", check=lambda new: floor_plan.check(new, "new")[1], replace=replace_file
        )
        made.desk = PlanDesk(store, BackgroundFolder(data / "backgrounds"), ActionFolder(data / "actions"))
        with serve(made, screens_need_links=True):
            made.tell()
            made.gateways()
            yield Target(made, data, made.accounts, token)

    yield start
    book_module.argon2.PasswordHasher = usual  # type: ignore[misc]


@pytest.fixture(scope="module")
def target(serve_target: Callable[..., Iterator[Target]]) -> Iterator[Target]:
    yield from serve_target(town_hall())


@pytest.fixture(scope="module")  # the driver runs an event loop in this thread: no other test may share it
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield opened
        opened.close()
