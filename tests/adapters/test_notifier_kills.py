"""The process that delivers, killed in the middle again and again: nothing is lost, what comes twice is the same."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from ingest.channels.outbox import Outbox
from ingest.stores.sqlite_store import SqliteStore
from workplace.events import Decision
from workplace.floor_plan import FloorPlan
from workplace.policy import policy_hash
from workplace.policy_file import PolicyFile
from workplace.webhook_seal import check_signature

MESSAGES, KILLS = 52, 4
#: Which posts the receiver notes and then fails: with an answer, and by hanging up.
FAILS, HANGS_UP = frozenset({7, 31}), frozenset({16, 41})
KEY = b"k" * 64


class Receiver(ThreadingHTTPServer):
    """Notes each post, and then answers it, fails, or hangs up."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: dict[str, list[bytes]] = defaultdict(list)
        self.posts = 0
        self.key = KEY
        self.lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(inner) -> None:  # noqa: N805
                body = inner.rfile.read(int(inner.headers["content-length"]))
                stamp, signature = inner.headers["plekvrij-timestamp"], inner.headers["plekvrij-signature"]
                check_signature(body, stamp, signature, [self.key], datetime.now(UTC))
                with self.lock:
                    self.posts += 1
                    self.got[inner.headers["plekvrij-id"]].append(body)
                    number = self.posts
                if number in FAILS:
                    inner.send_error(500)
                elif number not in HANGS_UP:
                    inner.send_response(204)
                    inner.end_headers()

            def log_message(inner, *_: Any) -> None:  # noqa: N805
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(20)


@pytest.fixture
def site(tmp_path: Path, small_plan_file: Path, receiver: Receiver) -> list[str]:
    """Files of a small site whose policy is in force; return the command that delivers for it."""
    wished = {"site": "klein", "mode": "active"}
    digest = policy_hash(msgspec.convert(wished, PolicyFile))
    consent = {"body": "Ondernemingsraad", "role": "voorzitter", "date": "2026-11-02", "sha256": digest}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(wished | {"consent": consent}))
    (tmp_path / "sign.key").write_bytes(KEY)
    (tmp_path / "sign.key").chmod(0o600)
    url = f"http://127.0.0.1:{receiver.server_port}/in"
    sign = {"kind": "webhook", "url": url, "key_files": ["sign.key"], "allow_private": True, "timeout_s": 2}
    (tmp_path / "channels.yaml").write_text(yaml.safe_dump({"channels": {"sign": sign}}))
    return [
        sys.executable, "-m", "plekvrij", "notifier", "--plan", str(small_plan_file),
        "--policy", str(tmp_path / "policy.yaml"), "--data", str(tmp_path), "--broker", "mqtt://127.0.0.1:1",
        "--channels", str(tmp_path / "channels.yaml"),
    ]  # fmt: skip


def test_a_trial_message_shows_whether_a_channel_works(site: list[str], receiver: Receiver) -> None:
    def try_it() -> tuple[int, str]:
        done = subprocess.run([*site, "--try"], capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout

    assert try_it() == (0, "sign: taken\n")
    ((body,),) = receiver.got.values()
    assert json.loads(body)["cause"] == "trial"
    receiver.posts = min(FAILS) - 1
    assert try_it() == (1, "sign: http_500\n")


def decided(plan: FloorPlan, number: int) -> Decision:
    places = list(plan.place.values())
    place = places[number % len(places)]
    return Decision(
        id=f"decision-{number:04d}", site="klein", zone=place.zone, place=place.id, hold_id=None, at=datetime.now(UTC),
        rule="R14", action="repeat", mode="active", acted=True, policy_hash="p",
    )  # fmt: skip


def test_every_message_arrives_at_least_once_and_twice_is_the_same(
    site: list[str], tmp_path: Path, small_plan: FloorPlan, receiver: Receiver
) -> None:
    store = SqliteStore(sqlite3.connect, tmp_path / "site.db")
    store.open(datetime.now(UTC))

    async def story() -> None:
        dice, decisions = random.Random(3), 0

        def decide(many: int) -> None:
            nonlocal decisions
            with store.transaction() as transaction:
                transaction.add_decisions([decided(small_plan, decisions + n) for n in range(many)])
            decisions += many

        process = await start(site)
        try:
            decide(20)
            for _ in range(KILLS):
                enough = receiver.posts + dice.randint(1, 8)
                await until(lambda wanted=enough: receiver.posts >= wanted)
                process.kill()
                await process.wait()
                decide((MESSAGES - 20) // KILLS)  # some are decided while nobody delivers
                process = await start(site)
            await until(lambda: len(receiver.got) >= MESSAGES and waiting(tmp_path) == 0)
        finally:
            process.terminate()
        assert await process.wait() == 0

    asyncio.run(asyncio.wait_for(story(), 150))
    store.close()
    found = {id_: {json.loads(body)["decision"] for body in bodies} for id_, bodies in receiver.got.items()}
    assert all(len(decisions) == 1 for decisions in found.values()), "an id is one decision"
    assert {next(iter(decisions)) for decisions in found.values()} == {
        f"decision-{n:04d}" for n in range(MESSAGES)
    }
    assert len(receiver.got) == MESSAGES, "no decision has two ids"
    assert all(len(set(bodies)) == 1 for bodies in receiver.got.values()), (
        "what comes twice is the same to the byte"
    )
    assert receiver.posts > MESSAGES, "something did come twice, or this test shows nothing"


async def start(command: list[str]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"READY"
    return process


def waiting(folder: Path) -> int:
    outbox = Outbox(sqlite3.connect, folder / "channels.db")
    outbox.open()
    try:
        return outbox.totals("sign").waiting
    finally:
        outbox.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(100):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_running_notifier_takes_over_new_keys_and_keeps_the_old_ones_while_the_file_is_wrong(
    site: list[str], tmp_path: Path, small_plan: FloorPlan, receiver: Receiver
) -> None:
    store = SqliteStore(sqlite3.connect, tmp_path / "site.db")
    store.open(datetime.now(UTC))
    log = tmp_path / "notifier.log"

    def decide(number: int) -> None:
        with store.transaction() as transaction:
            transaction.add_decisions([decided(small_plan, number)])

    async def story() -> None:
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(*site, stdout=asyncio.subprocess.PIPE, stderr=out)
        assert process.stdout is not None
        try:
            assert (await process.stdout.readline()).strip() == b"READY"
            decide(0)
            await until(lambda: len(receiver.got) == 1)
            (tmp_path / "sign.key").write_bytes(b"short")
            await until(lambda: "channels_refused" in log.read_text())
            decide(1)
            await until(lambda: len(receiver.got) == 2)
            receiver.key = b"z" * 64
            (tmp_path / "sign.key").write_bytes(receiver.key)
            assert (await process.stdout.readline()).strip() == b"READY"
            decide(2)
            await until(lambda: len(receiver.got) == 3)
        finally:
            process.terminate()
        assert await process.wait() == 0

    asyncio.run(asyncio.wait_for(story(), 150))
    store.close()
