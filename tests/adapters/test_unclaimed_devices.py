"""From a device that nobody knows to a line in the plan: proposed by ingest, claimed on the command line."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from dashboard.app import create_app
from dashboard.live_site import LiveSite
from dashboard.settings import DashboardSettings
from ingest.quarantine import Rejected
from ingest.stores import transaction as transaction_module
from ingest.stores.history import SqliteHistory
from ingest.stores.sqlite_store import SqliteStore
from ingest.subscriber import Subscriber
from plekvrij.cli import main
from workplace import floor_plan
from workplace.codec import encode
from workplace.events import SensorEvent
from workplace.floor_plan import FloorPlan
from workplace.topics import Topics

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOPICS = Topics("klein")
STRANGER = "ble-a4c138000001"


def said(**changes: Any) -> SensorEvent:
    event = SensorEvent(
        id="event-0001",
        site="klein",
        gateway="gw-1",
        device=STRANGER,
        kind="motion",
        value=True,
        measured_at=NINE,
        clock="arrival",
        uncertainty_ms=2000,
        received_at=NINE,
    )
    return msgspec.structs.replace(event, **changes)


def stored(folder: Path, *events: SensorEvent) -> SqliteHistory:
    store = SqliteStore(sqlite3.connect, folder / "site.db")
    store.open(NINE)
    for event in events:
        with store.transaction() as writing:
            writing.add_strangers([event])
    store.close()
    return SqliteHistory(sqlite3.connect, folder / "site.db")


def test_what_the_plan_does_not_know_is_refused_and_proposed(small_plan: FloorPlan) -> None:
    read = Subscriber(small_plan, TOPICS).read
    topic = TOPICS.event("f1", "gw-1", STRANGER)
    found = read(topic, encode(said()), retained=False, now=NINE)
    assert isinstance(found, Rejected)
    assert (found.reason, found.stranger) == ("unknown_device", said())
    elsewhere = read(topic, encode(said(site="elders")), retained=False, now=NINE)
    assert isinstance(elsewhere, Rejected)
    assert elsewhere.stranger is None, "a message of another site proposes nothing"


def test_a_stranger_is_described_by_all_it_said(tmp_path: Path) -> None:
    later = NINE + timedelta(hours=1)
    history = stored(
        tmp_path,
        said(),
        said(kind="battery", value=80, received_at=later, channel="a,b"),
        said(kind="environment", value=20.5, received_at=NINE - timedelta(hours=1), channel="temperature"),
        said(retained=True, kind="link", received_at=NINE + timedelta(days=1)),
        said(device="z2m-other", gateway="gw-2"),
    )
    first, second = history.unclaimed()
    assert (first.device, first.gateway, first.count) == (STRANGER, "gw-1", 3)
    assert first.kinds == ("battery", "environment", "motion")
    assert first.channels == ("a,b", "temperature")
    assert (first.first_seen, first.last_seen) == (NINE - timedelta(hours=1), later)
    assert second.device == "z2m-other"


def test_a_whole_street_of_strangers_takes_bounded_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_module, "MAX_UNCLAIMED", 3)
    monkeypatch.setattr(transaction_module, "MAX_UNCLAIMED_WORDS", 2)
    strangers = [said(device=f"ble-{n}", received_at=NINE + timedelta(seconds=n)) for n in range(9)]
    channels = [said(device="ble-8", channel=str(n), received_at=NINE) for n in range(9)]
    found = stored(tmp_path, *strangers, *channels).unclaimed()
    assert [device.device for device in found] == ["ble-8", "ble-7", "ble-6"]
    assert found[0].channels == ("0", "1")


def test_the_interface_lists_strangers_that_have_no_place_yet(tmp_path: Path, small_plan: FloorPlan) -> None:
    class StandingClock:
        speed = 1.0

        def now(self) -> datetime:
            return NINE

        def boot_ms(self) -> float:
            return 0.0

        def real_seconds(self, site_seconds: float) -> float:
            return site_seconds

    async def refuse(_request: object) -> Any:
        raise AssertionError

    claimed = said(device="dsp1-0001000000000001")
    app = create_app(
        small_plan,
        live=LiveSite(small_plan, StandingClock()),
        history=stored(tmp_path, said(), claimed),
        send_request=refuse,
        clock=StandingClock(),
        version="1",
        settings=DashboardSettings(),
    )

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost"
        ) as client:
            return await client.get("/api/v1/devices/unclaimed")

    answer = asyncio.run(ask())
    assert answer.status_code == 200
    assert answer.json() == [
        {
            "device": STRANGER,
            "gateway": "gw-1",
            "kinds": ["motion"],
            "channels": [],
            "first_seen": "2026-03-02T09:00:00Z",
            "last_seen": "2026-03-02T09:00:00Z",
            "count": 1,
        }
    ]


def test_from_the_list_to_the_plan(
    tmp_path: Path, small_plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(tmp_path, said())
    assert main(["devices", "unclaimed", "--data", str(tmp_path), "--json"]) == 0
    (told,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    before = small_plan_file.read_text("utf-8")
    small_plan_file.chmod(0o640)
    claim = ["devices", "claim", told["device"], "--place", "1-O1", "--sensor", "ble_pir"]
    assert main([*claim, "--plan", str(small_plan_file)]) == 0
    text = small_plan_file.read_text("utf-8")
    assert text.startswith(before)
    assert small_plan_file.stat().st_mode & 0o777 == 0o640
    plan = floor_plan.load(text, "plan.yaml")
    assert STRANGER in {sensor.device for sensor in plan.place["1-O1"].sensors}
    assert main([*claim, "--plan", str(small_plan_file)]) == 0
    assert "stands there already" in capsys.readouterr().out
    assert small_plan_file.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(
            ["--place", "1-Z9", "--sensor", "ble_pir"], "unknown place", id="a place that is not there"
        ),
        pytest.param(["--place", "1-O1", "--sensor", "nose"], "unknown sensor", id="a sensor nobody knows"),
        pytest.param(["--place", "1-O1"], "needs --sensor", id="no sensor"),
        pytest.param(
            ["--place", "1 O1", "--sensor", "ble_pir"], "no line of a floor plan", id="no name at all"
        ),
    ],
)
def test_a_claim_with_a_mistake_leaves_the_plan_alone(
    small_plan_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    before = small_plan_file.read_bytes()
    assert main(["devices", "claim", STRANGER, *arguments, "--plan", str(small_plan_file)]) == 2
    assert why in capsys.readouterr().err
    assert small_plan_file.read_bytes() == before
    assert list(small_plan_file.parent.glob(".*")) == []
