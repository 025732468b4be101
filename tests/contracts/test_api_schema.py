"""The interface keeps its own word: whatever is asked, what comes is what its OpenAPI document says.

Schemathesis makes the questions, right ones and wrong ones, and asks the application in this process.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.requests import RequestUnanswered
from dashboard.settings import DashboardSettings
from workplace import codec, floor_plan
from workplace.errors import StoreUnavailable
from workplace.events import Decision, Reply, Request, Signal, ZoneState
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import Topics

ROOT = Path(__file__).resolve().parents[2]
PLAN: FloorPlan = floor_plan.load(
    (ROOT / "examples" / "town_hall.plan.yaml").read_text("utf-8"), "town_hall.plan.yaml"
)
TEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PLACE, FLOOR, DECISION = "3-T01", "f3", "decision-1"
#: A name that exists -> the parameter that it stands for: most made-up names do not.
KNOWN = {"place": PLACE, "floor": FLOOR, "decision": DECISION}
#: Questions per address. 40 take about ten seconds for all addresses; the first hundred found nothing more.
EXAMPLES = 40
PASSWORD = "staff-of-the-test"
HEADERS = {"authorization": "Basic " + base64.b64encode(f"staff:{PASSWORD}".encode()).decode()}


class StandingClock:
    speed = 1.0

    def now(self) -> datetime:
        return TEN

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


class Engine:
    """Answers each request in another way: yes, no, and not at all."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, request: Request) -> Reply:
        self.asked += 1
        if self.asked % 3 == 0:
            raise RequestUnanswered(request.id, 5.0)
        is_fine = self.asked % 3 == 1
        return Reply(request_id=request.id, accepted=is_fine, reason="ok" if is_fine else "mode", at=TEN)


class LostHistory:
    """A database that cannot be read, whatever is asked of it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def refuse(*_: object, **__: object) -> Any:
            raise StoreUnavailable("the disk is away")

        return refuse


def application(history: Any = None) -> FastAPI:
    live, topics = LiveSite(PLAN, StandingClock()), Topics(PLAN.site)
    app = create_app(
        PLAN,
        live=live,
        history=history,
        send_request=Engine().answer,
        clock=StandingClock(),
        version="1.2.3",
        settings=DashboardSettings(allowed_hosts=("testserver",), staff_password=PASSWORD),
    )
    zone = ZoneState(
        site=PLAN.site, floor=FLOOR, zone=PLAN.place[PLACE].zone, free=4, reclaimable=1, in_use=2, unknown=0,
        exempt=0, capacity=7, scarce=False, calendar="work", mode="active", coverage_pct=99.0, as_of=TEN,
        expires_at=TEN + timedelta(minutes=1),
    )  # fmt: skip
    decision = Decision(
        id=DECISION, site=PLAN.site, zone=PLAN.place[PLACE].zone, place=PLACE, at=TEN, rule="R6",
        action="reclaimable", mode="active", acted=True, policy_hash="0" * 64, hold_id="hold-1",
        away_s=1800.0, stay_s=None, counterfactual="presence_before:2026-11-24T08:30:00+00:00",
        signals=(Signal(device="dsp1-1", kind="link", value=True, age_s=12.0),),
    )  # fmt: skip
    for topic, message in ((topics.zone_state(zone.zone), zone), (topics.decision(zone.zone), decision)):
        live.feed(Received(topic, codec.encode(message), retained=False))
    return app


SCHEMA = schemathesis.openapi.from_asgi("/api/v1/openapi.json", application())
LOST = schemathesis.openapi.from_asgi("/api/v1/openapi.json", application(LostHistory()))
#: A name that nobody has is no mistake in the question: 404 is right. 503 and 504 are words of ours: any answer that
#: the document does not tell, 500 among them, fails by `status_code_conformance`. The check of passwords would send
#: ours along; a test below asks without.
NOT_ASKED = [negative_data_rejection, positive_data_acceptance, not_a_server_error, ignored_auth]
FEW = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def ask(case: schemathesis.Case, headers: dict[str, str] = HEADERS, leave_out: Sequence[Any] = ()) -> None:
    """Ask as it was made up, and once more with names that exist."""
    case.call_and_validate(excluded_checks=[*NOT_ASKED, *leave_out], headers=headers)
    known = {name: KNOWN[name] for name in case.path_parameters or {} if name in KNOWN}
    if known:
        case.path_parameters = {**case.path_parameters, **known}
        case.call_and_validate(excluded_checks=[*NOT_ASKED, *leave_out], headers=headers)


@SCHEMA.parametrize()
@FEW
def test_every_answer_is_one_that_the_document_tells(case: schemathesis.Case) -> None:
    ask(case)


@LOST.include(method="GET").parametrize()
@hypothesis.settings(FEW, max_examples=5)
def test_it_does_so_while_the_history_cannot_be_read(case: schemathesis.Case) -> None:
    ask(case)


@SCHEMA.parametrize()
@hypothesis.settings(FEW, max_examples=5)
def test_it_does_so_for_who_knows_no_password(case: schemathesis.Case) -> None:
    ask(case, {}, [unsupported_method])  # 401 comes before 405
    if "security" in case.operation.definition.raw and case.method == case.operation.method.upper():
        assert case.call().status_code in {401, 429}  # who guesses waits


def test_an_address_that_exists_says_what_may_be_asked_of_it() -> None:
    client = TestClient(application(), headers=HEADERS)
    refused = client.put(f"/api/v1/places/{PLACE}/requests")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert client.put("/api/v1/nothing").status_code == 404
