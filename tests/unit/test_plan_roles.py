"""Who may change plan and devices, and what the record says of it: the role, never a name."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from dashboard.accounts import book as book_module
from dashboard.accounts.book import AccountBook
from dashboard.accounts.gate import SESSION_COOKIE
from dashboard.accounts.roles import ROLES
from dashboard.actions import MemoryActions
from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.plan_editor.background import BackgroundFolder
from dashboard.plan_editor.desk import PlanDesk
from dashboard.plan_editor.store import PlanFolder, version_of
from dashboard.settings import DashboardSettings
from plekvrij.devices_command import replace_file
from workplace import floor_plan
from workplace.events import Reply, Request

TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PASSWORD = "kruiwagen lantaarn zeven"
BUILDERS = {"facility", "installer", "admin"}
LIST = "place,zone,x,y\n1-N1,1-werken,8,8\n"


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


async def answer(request: Request) -> Reply:
    return Reply(request_id=request.id, accepted=True, reason="ok", at=TEN)


def application(folder: Path, text: str, accounts: AccountBook | None) -> tuple[FastAPI, MemoryActions]:
    file = folder / "plan.yaml"
    file.write_text(text, "utf-8")
    plan, actions = floor_plan.load(text, "plan.yaml"), MemoryActions()
    store = PlanFolder(
        file, folder / "plans", check=lambda new: floor_plan.check(new, "p")[1], replace=replace_file
    )
    app = create_app(
        plan,
        live=LiveSite(plan, StandingClock()),
        history=None,
        send_request=answer,
        clock=StandingClock(),
        version="1.2.3",
        settings=DashboardSettings(),
        accounts=accounts,
        desk=PlanDesk(store, BackgroundFolder(folder / "backgrounds"), actions),
    )
    return app, actions


async def import_one(app: FastAPI, text: str, token: str | None) -> tuple[int, int, bool]:
    """Return the status of reading the editor and of writing a list, and whether a link leads to the use of places."""
    cookies = {} if token is None else {SESSION_COOKIE: token}
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", cookies=cookies) as client:
        read = await client.get("/staff/plan/f1")
        wrote = await client.post("/staff/plan/import/confirm", data={"list": LIST, "base": version_of(text)})
    return read.status_code, wrote.status_code, "/staff/history" in read.text


@pytest.mark.parametrize("role", ROLES)
def test_only_who_builds_changes_the_plan(
    tmp_path: Path, small_plan_text: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = book_module.argon2.PasswordHasher
    cheap = lambda: usual(time_cost=1, memory_cost=8, parallelism=1)  # noqa: E731
    monkeypatch.setattr(book_module.argon2, "PasswordHasher", cheap)
    book = AccountBook(sqlite3.connect, tmp_path / "accounts.db")
    try:
        book.set_up(book.add("balie-1", role), PASSWORD)
        token = book.enter("balie-1", PASSWORD, "", "here")
        app, actions = application(tmp_path, small_plan_text, book)
        assert asyncio.run(import_one(app, small_plan_text, None)) == (401, 401, False)
        statuses = asyncio.run(import_one(app, small_plan_text, token))
    finally:
        book.close()
    changed = (tmp_path / "plan.yaml").read_text("utf-8")
    if role in BUILDERS:
        assert statuses == (200, 303, role != "installer"), "a link that is refused helps nobody"
        assert "1-N1" in floor_plan.load(changed, "plan.yaml").place
        assert [(one.role, one.action, one.what) for one in actions.newest(9)] == [
            (role, "places_imported", "1-N1")
        ]
        assert "balie-1" not in repr(actions.newest(9))
    else:
        assert statuses == (403, 403, False)
        assert changed == small_plan_text
        assert actions.newest(9) == []


def test_without_accounts_whoever_is_on_the_machine_is_staff(tmp_path: Path, small_plan_text: str) -> None:
    app, actions = application(tmp_path, small_plan_text, None)
    assert asyncio.run(import_one(app, small_plan_text, None)) == (200, 303, True)
    assert [one.role for one in actions.newest(9)] == ["staff"]


def test_a_site_without_a_plan_file_has_no_editor(tmp_path: Path, small_plan: floor_plan.FloorPlan) -> None:
    app = create_app(
        small_plan, live=LiveSite(small_plan, StandingClock()), history=None, send_request=answer,
        clock=StandingClock(), version="1", settings=DashboardSettings(),
    )  # fmt: skip

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = [await client.get(path) for path in ("/staff/plan", "/staff/actions", "/staff/devices")]
            return [one.status_code for one in found]

    assert asyncio.run(ask()) == [404, 404, 200]
