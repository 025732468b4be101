"""The why-card: whoever has the id of a release gets everything behind it, in both languages and about no person."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.api.models import WhyAnswer
from dashboard.app import create_app
from dashboard.i18n import words
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from dashboard.why.rules import RULES, counterfactual_text, is_known_counterfactual
from ingest.stores.history import SqliteHistory
from ingest.stores.sqlite_store import SqliteStore
from ingest.transitions import TransitionLog
from plekvrij import sqlite_driver
from simulators.feed import feed
from workplace.events import Decision
from workplace.floor_plan import FloorPlan
from workplace.holds.engine import SiteEngine
from workplace.holds.guard import Guard
from workplace.policy import default
from workplace.policy_file import BreakerFile
from workplace.ports import HistoryReader


@pytest.fixture(scope="module")
def kept(
    small_plan: FloorPlan, tmp_path_factory: pytest.TempPathFactory
) -> tuple[HistoryReader, list[Decision]]:
    """A day of a small office on trial, stored, and its decisions."""
    file = tmp_path_factory.mktemp("why") / "site.db"
    engine, store = SiteEngine(small_plan, default("klein")), SqliteStore(sqlite_driver.connect, file)
    events = [event for day in feed(small_plan, 5, 1) for event in day.events]
    outcomes = [engine.start(events[0].received_at)]
    outcomes += [engine.apply(event, event.received_at) for event in events]
    store.open(events[-1].received_at)
    log = TransitionLog(())
    decisions = [decision for outcome in outcomes for decision in outcome.decisions]
    with store.transaction() as transaction:
        transaction.add_decisions(decisions)
        states = [state for outcome in outcomes for state in outcome.place_states]
        transaction.add_transitions(change.row for change in log.follow(states))
    store.close()
    return SqliteHistory(sqlite_driver.connect, file), decisions


class _Clock:
    speed = 1.0

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


async def nobody_answers(_: Any) -> Any:
    raise AssertionError("nothing is asked here")


class Pages:
    """The pages of the small office, asked by somebody."""

    def __init__(self, plan: FloorPlan, history: HistoryReader, now: datetime) -> None:
        clock = _Clock(now)
        self._app = create_app(
            plan, live=LiveSite(plan, clock), history=history, send_request=nobody_answers, clock=clock,
            version="test", settings=DashboardSettings(),
        )  # fmt: skip

    def get(self, path: str, caller: str = "127.0.0.1") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, client=(caller, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.get(path)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def client(small_plan: FloorPlan, kept: tuple[HistoryReader, list[Decision]]) -> Pages:
    return Pages(small_plan, kept[0], kept[1][-1].at + timedelta(hours=1))


def given_away(decisions: list[Decision]) -> Decision:
    return next(d for d in decisions if d.action == "reclaimable" and d.rule in {"R6", "R7", "R8"})


def test_the_interface_gives_the_whole_card_in_less_than_a_second(
    client: Pages, kept: tuple[HistoryReader, list[Decision]]
) -> None:
    made = given_away(kept[1])
    began = time.process_time()
    answer = client.get(f"/api/v1/decisions/{made.id}")
    assert time.process_time() - began < 1
    card = WhyAnswer.model_validate_json(answer.content)
    assert (card.rule, card.action, card.policy_hash) == (made.rule, "reclaimable", default("klein").hash)
    assert [(s.device, s.age_s) for s in card.signals] == [(s.device, s.age_s) for s in made.signals]
    assert set(card.rule_text) == set(card.counterfactual_text) == {"nl", "en"}
    assert card.counterfactual_text["nl"] != card.counterfactual_text["en"] == made.counterfactual
    moments = [moment.at for moment in card.timeline]
    assert moments == sorted(moments)
    actions = [moment.action for moment in card.timeline if moment.decision is not None]
    assert actions[0] == "hold_started"
    assert "just_left" in actions[: actions.index("reclaimable")]
    assert any(moment.phase == "in_use" for moment in card.timeline)


def test_the_page_says_it_in_dutch_and_in_english(
    client: Pages, kept: tuple[HistoryReader, list[Decision]]
) -> None:
    made = given_away(kept[1])
    dutch = client.get(f"/staff/why/{made.id}").text
    english = client.get(f"/staff/why/{made.id}?lang=en").text
    assert "één teken van aanwezigheid na" in dutch
    assert "one sign of presence after" in english
    for page in (dutch, english):
        assert made.policy_hash in page
        assert made.rule in page


def test_a_decision_that_is_not_kept_is_not_found(client: Pages) -> None:
    assert client.get("/api/v1/decisions/nonsense").status_code == 404
    assert client.get("/staff/why/nonsense").status_code == 404


def test_a_card_is_for_staff(client: Pages) -> None:
    for path in ("/api/v1/decisions/x", "/staff/why/x"):
        assert client.get(path, caller="192.0.2.7").status_code == 403


def test_every_counterfactual_and_every_rule_has_words_in_both_languages(
    kept: tuple[HistoryReader, list[Decision]],
) -> None:
    said = words("nl")
    for decision in kept[1]:
        assert is_known_counterfactual(decision.counterfactual), decision.counterfactual
        assert counterfactual_text(decision.counterfactual, said) != decision.counterfactual
        assert decision.rule in RULES


def test_what_is_said_about_the_whole_site_has_words_too(small_plan: FloorPlan) -> None:
    guard, said = Guard(small_plan, BreakerFile()), words("nl")
    texts = [
        guard.reason(cause, is_pause=pause)
        for cause in ("coverage", "false_releases")
        for pause in (True, False)
    ]
    texts += [f"asked by {role}" for role in ("staff", "desk", "works_council")]
    for text in (*texts, "fewer links that drop at once would have been believed"):
        assert counterfactual_text(text, said) != text, text


def test_a_card_survives_without_history(small_plan: FloorPlan, tmp_path: Path) -> None:
    empty = SqliteHistory(sqlite_driver.connect, tmp_path / "none.db")
    assert empty.decision("x") is None
