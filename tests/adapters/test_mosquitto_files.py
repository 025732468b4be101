"""What `plekvrij broker-files` writes, in a real Mosquitto with TLS: each says and hears its own, and no more."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from plekvrij import mosquitto_files
from plekvrij.cli import main
from plekvrij.credentials import read_credential
from plekvrij.embedded_broker import free_port as any_port
from workplace.errors import BrokerRefused
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import Topics

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


@pytest.fixture
def folder(
    tmp_path: Path, small_plan: FloorPlan, free_port: int,
    eventually: Callable[..., None],
) -> Iterator[Path]:  # fmt: skip
    folder = tmp_path / "broker"
    reach = mosquitto_files.Reach(("127.0.0.1",), free_port, any_port())
    mosquitto_files.write_files(small_plan, folder, reach=reach)
    conf = folder / "mosquitto.conf"
    conf.write_text(conf.read_text() + "user root\n")  # else it drops rights and cannot read this folder
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    (tmp_path / "pid").write_text(str(process.pid))
    (tmp_path / "port").write_text(str(free_port))
    eventually(lambda: _listens(free_port), what="mosquitto")
    yield folder
    process.terminate()
    process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def link(folder: Path, user: str, *, password: str | None = None) -> MqttLink:
    known = read_credential(folder / "credentials" / f"{user}.json")
    port = int((folder.parent / "port").read_text())
    address = BrokerAddress(
        f"mqtts://127.0.0.1:{port}", known.user, password or known.password, known.ca_file
    )
    return MqttLink(address, f"test-{user}", timeout_s=20.0)


def test_a_gateway_speaks_and_listens_under_its_own_name_only(folder: Path, small_plan: FloorPlan) -> None:
    topics = Topics(small_plan.site)
    own, other = small_plan.gateways[0].id, "gw-9"
    heard: list[Received] = []

    async def story() -> None:
        async with link(folder, "ingest") as site, link(folder, own) as gateway:
            await site.wait_connected()
            await gateway.wait_connected()
            for topic_filter in (topics.events(), topics.gateways()):
                await site.subscribe(topic_filter, heard.append)
            forbidden = (
                topics.event("f1", other, "dsp1-1"),
                topics.gateway_status(other),
                topics.receipt(own),
                topics.place_state("1-W1"),
                topics.ingest_health(),
            )
            for topic in forbidden:  # Mosquitto acknowledges what it drops
                await gateway.publish(topic, b"forged")
            allowed = (
                topics.event("f1", own, "dsp1-1"), topics.gateway_status(own), topics.gateway_health(own)
            )  # fmt: skip
            for topic in allowed:
                await gateway.publish(topic, b"own")
            async with asyncio.timeout(60):
                while len(heard) < len(allowed):
                    await asyncio.sleep(0.01)
            assert {message.topic for message in heard} == set(allowed)
            told: list[Received] = []
            for topic in (topics.receipt(own), topics.ingest_health(), topics.commands(own)):
                await gateway.subscribe(topic, told.append)
            await gateway.subscribe(topics.events(), told.append)  # Mosquitto takes it, and delivers nothing
            await gateway.publish(topics.event("f1", own, "dsp1-1"), b"own")
            await site.publish(topics.receipt(own), b"have it")
            async with asyncio.timeout(60):
                while not told:
                    await asyncio.sleep(0.01)
            assert [message.topic for message in told] == [topics.receipt(own)]

    asyncio.run(story())


def test_a_stolen_password_is_worth_nothing_after_it_was_renewed(
    folder: Path, small_plan: FloorPlan, tmp_path: Path
) -> None:
    own = small_plan.gateways[0].id
    old = read_credential(folder / "credentials" / f"{own}.json").password
    untouched = (folder / "credentials" / "ingest.json").read_bytes()
    assert mosquitto_files.write_files(small_plan, folder, renew=[own]) == [own]
    assert (folder / "credentials" / "ingest.json").read_bytes() == untouched
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGHUP)

    async def story() -> None:
        async with link(folder, own) as new:
            await new.wait_connected()
        async with link(folder, own, password=old) as thief:
            async with asyncio.timeout(60):
                while thief.error is None:
                    await asyncio.sleep(0.01)
            assert isinstance(thief.error, BrokerRefused)

    asyncio.run(story())


def test_the_files_are_for_their_owner_and_follow_the_plan(
    tmp_path: Path, small_plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b"
    assert main(["broker-files", str(out), "--plan", str(small_plan_file)]) == 0
    assert "put server.crt and server.key beside them" in capsys.readouterr().out
    secret = [out / "passwords", out / "rules", *(out / "credentials").iterdir()]
    assert {file.stat().st_mode & 0o077 for file in secret} == {0}
    assert main(["broker-files", str(out), "--plan", str(small_plan_file), "--names", "broker.example"]) == 0
    assert {(out / name).stat().st_mode & 0o777 for name in ("server.crt", "authority.crt")} == {0o644}
    assert (out / "server.key").stat().st_mode & 0o077 == 0
    plain = read_credential(out / "credentials" / "ingest.json").password
    assert plain not in (out / "passwords").read_text()
    (out / "credentials" / "gone.json").write_text("{}")
    assert main(["broker-files", str(out), "ingest", "--plan", str(small_plan_file)]) == 0
    assert "new credentials: ingest" in capsys.readouterr().out
    assert not (out / "credentials" / "gone.json").exists()
    assert main(["broker-files", str(out), "nobody", "--plan", str(small_plan_file)]) == 2
    assert "no user of this site" in capsys.readouterr().err
