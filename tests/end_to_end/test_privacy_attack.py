"""The attack finds nobody in what a site keeps and sends, and does find what is planted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ingest.stores.sqlite_store import SqliteStore
from plekvrij import sqlite_driver, wiring
from plekvrij.cli import main
from plekvrij.privacy import habits
from plekvrij.privacy.attack import Result, attack_simulation
from plekvrij.privacy.traces import Evidence, find_known, find_lookalikes, needles_of
from simulators import private_bus
from simulators.carried import carried_by
from workplace import floor_plan
from workplace.floor_plan import FloorPlan
from workplace.policy import policy_hash
from workplace.policy_file import PolicyFile

#: A floor with everything that could say who is there: switch ports, Bluetooth sensors, and a node on a wire.
PLAN = """
site: proef
name: {nl: Proef, en: Trial}
gateways:
  - {id: gw-1, floor: f1, mqtt: {zigbee2mqtt: zigbee2mqtt-1}}
floors:
  - id: f1
    number: 1
    name: {nl: Eerste, en: First}
    size: [20, 12]
    zones:
      - id: 1-werken
        kind: desk
        name: {nl: Werken, en: Work}
        rect: [0, 0, 10, 12]
        islands:
          - {first: 1-W1, at: [2, 2], columns: 2, rows: 4, sensors: [dock, pir], node: "0001000000000001"}
      - id: 1-stilte
        kind: silence
        name: {nl: Stilte, en: Silence}
        rect: [11, 0, 9, 12]
        islands:
          - {first: 1-S1, at: [13, 2], columns: 2, rows: 3}
devices:
"""
DEVICES = [
    {"place": f"1-S{n}", "sensor": sensor, **device}
    for n in range(1, 7)
    for sensor, device in (
        ("switch_port", {"device": "switch-sw-1", "channel": f"Gi1/0/{n}"}),
        ("ble_pir", {"device": f"ble-a4c13800000{n}"}),
    )
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> wiring.Site:
    folder = tmp_path_factory.mktemp("site")
    plan_file, policy_file = folder / "plan.yaml", folder / "policy.yaml"
    plan_file.write_text(PLAN + "\n".join(f"  - {json.dumps(one)}" for one in DEVICES) + "\n", "utf-8")
    settings = PolicyFile(site="proef", mode="active")
    consent = {
        "body": "OR (test)",
        "role": "voorzitter",
        "date": "2026-11-02",
        "sha256": policy_hash(settings),
    }
    policy_file.write_text(yaml.safe_dump({"site": "proef", "mode": "active", "consent": consent}), "utf-8")
    return wiring.read_site(plan_file, policy_file)


@pytest.fixture(scope="module")
def result(site: wiring.Site) -> Result:
    return attack_simulation(site, seed=3, days=3, play_s=5.0)


def test_nobody_is_found_in_anything_that_is_kept_or_sent(result: Result) -> None:
    assert result.finds == []
    assert result.named >= 40
    for what in ("file", "table", "message", "page", "backup", "export", "webhook"):
        assert result.looked[what] > 0, f"no {what} was looked at"


def test_those_who_named_people_were_heard(result: Result) -> None:
    """Else there was nothing to strip."""
    families = {"switch", "dsp1"} | ({"ble"} if private_bus.is_available() else set())
    assert families <= result.heard.keys()


def test_linking_days_is_told_with_its_interval_beside_chance(result: Result) -> None:
    linkage = result.linkage
    assert linkage is not None
    low, high = linkage.habits.interval_pct
    assert low <= linkage.habits.pct <= high
    assert 0 < linkage.chance_pct <= linkage.floor_chance_pct <= 100


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The folder of a site that has just begun."""
    store = SqliteStore(sqlite_driver.connect, tmp_path / "site.db", busy_timeout_s=1.0)
    store.open(datetime(2026, 11, 24, 9, tzinfo=UTC))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gw-1.log").write_text('{"event": "device_lost", "device": "ble-a4c138000001"}\n')
    yield tmp_path
    store.close()


def test_a_mac_address_in_a_log_is_found(
    site: wiring.Site, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["privacy", "attack", "--plan", str(site.plan_file), "--data", str(data)]
    assert main(ask) == 0
    with (data / "logs" / "gw-1.log").open("a") as log:
        log.write('{"event": "link_up", "client": "a4:5e:60:12:34:56"}\n')
    assert main([*ask, "--json"]) == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(one["what"], one["shown"], one["where"]) for one in said["finds"]] == [
        ("mac", "a4:5e:60:12:34:56", "file logs/gw-1.log")
    ]


@pytest.mark.parametrize(
    "hidden",
    [
        pytest.param(lambda one: one.mac.upper(), id="in capitals"),
        pytest.param(lambda one: one.mac.replace(":", ""), id="bare"),
        pytest.param(lambda one: bytes.fromhex(one.mac.replace(":", "")), id="as bytes"),
        pytest.param(lambda one: bytes.fromhex(one.mac.replace(":", ""))[::-1], id="as bytes the other way round"),
        pytest.param(lambda one: needles_of([one])[0].texts[-2], id="hashed"),
        pytest.param(lambda one: one.mail, id="a mail address"),
        pytest.param(lambda one: one.host.lower(), id="the name of a laptop"),
        pytest.param(lambda one: one.ip, id="a network address"),
    ],
)  # fmt: skip
def test_identifiers_are_found_however_they_are_spelled(hidden: object) -> None:
    (one,) = carried_by(1, 1)
    text = hidden(one)  # type: ignore[operator]
    data = b"before " + (text if isinstance(text, bytes) else text.encode()) + b" after"
    assert list(find_known([Evidence("here", data)], needles_of([one])))
    assert not list(find_known([Evidence("here", data)], needles_of(carried_by(2, 1))))


def test_a_sensor_of_the_plan_is_nobodys_laptop() -> None:
    ours = {"a4c138000001"}
    data = b"a4:c1:38:00:00:01 127.0.0.1 1.3.6.1 ble-a4c138000001"
    assert list(find_lookalikes([Evidence("log", data)], ours)) == []
    assert [find.what for find in find_lookalikes([Evidence("log", b"10.20.30.40 x.y@example.nl")], ours)] == [
        "mail", "ip",
    ]  # fmt: skip


def test_a_field_that_follows_a_person_is_found(example_plan: FloorPlan) -> None:
    """A pseudonym of the laptop, as a well-meant hash in one field would be."""
    small = floor_plan.load(PLAN + "\n".join(f"  - {json.dumps(one)}" for one in DEVICES), "plan.yaml")
    lived = list(habits.live_days(small, 3, 4))
    assert habits.followers(habits.rows_of(small, lived), lived) == []
    owners = {(one.day, one.place): one.person for day in lived for one in habits.desk_days(small, day)}
    places = {}
    for (_, place), person in owners.items():
        places.setdefault(person, set()).add(place)
    moved = {person for person, seen in places.items() if len(seen) > 1}
    assert moved, "somebody must change desks, or there is nothing to follow"

    def marked() -> Iterator[tuple[object, str, dict[str, object]]]:
        for day, place, fields in habits.rows_of(small, lived):
            person = owners.get((day, place))
            yield day, place, {**fields, "note": f"p{person}" if person in moved else None}

    found = habits.followers(marked(), lived)  # type: ignore[arg-type]
    assert {find.where for find in found} == {"event.note"}
