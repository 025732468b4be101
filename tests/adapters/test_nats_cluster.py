"""What `plekvrij broker-files --kind nats-cluster` writes, in three real servers; and links that change over."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.mqtt_link import BrokerAddress, MqttLink
from ingest.batch_reader import EventReader, RawMessage
from plekvrij.cli import main
from plekvrij.credentials import parse_broker, read_credential
from plekvrij.nats_cluster_files import parse_nodes
from tests.nats_cluster import Cluster
from workplace.errors import BrokerUnreachable, SettingInvalid
from workplace.floor_plan import FloorPlan
from workplace.ports import Received
from workplace.topics import Topics


@pytest.fixture
def cluster(tmp_path: Path, small_plan: FloorPlan) -> Iterator[Cluster]:
    with Cluster(small_plan, tmp_path / "brokers") as cluster:
        yield cluster


def link(cluster: Cluster, user: str) -> MqttLink:
    known = read_credential(cluster.credential(user))
    return MqttLink(BrokerAddress(cluster.mqtt_url, known.user, known.password), f"test-{user}")


def test_a_link_goes_on_at_another_server_and_nobody_gains_rights(
    cluster: Cluster, small_plan: FloorPlan
) -> None:
    topics = Topics(small_plan.site)
    own = small_plan.gateways[0].id
    heard: list[Received] = []

    async def story() -> None:
        async with link(cluster, "dashboard") as pages, link(cluster, own) as gateway:
            await pages.subscribe(topics.gateways(), heard.append)
            await gateway.wait_connected()
            await gateway.publish(topics.gateway_status("gw-9"), b"forged")
            await gateway.publish(topics.gateway_status(own), b"before", retain=True)
            async with asyncio.timeout(60):
                while not heard:
                    await asyncio.sleep(0.02)
            cluster.kill(cluster.node_of_port(port_of(gateway)))
            await arrives(gateway, topics.gateway_status(own), b"after")
            async with asyncio.timeout(60):
                while heard[-1].payload != b"after":
                    await asyncio.sleep(0.02)

    asyncio.run(story())
    assert {message.topic for message in heard} == {topics.gateway_status(own)}


async def arrives(link: MqttLink, topic: str, payload: bytes) -> None:
    """Publish until it is acknowledged."""
    while True:
        with contextlib.suppress(BrokerUnreachable):
            await link.publish(topic, payload)
            return


def port_of(link: MqttLink) -> int:
    assert link._session is not None
    return link._session.wire._address.parts()[1]  # type: ignore[attr-defined]


def test_ingest_of_one_machine_reads_on_at_another_server(cluster: Cluster, small_plan: FloorPlan) -> None:
    topics = Topics(small_plan.site)
    own, floor = small_plan.gateways[0].id, small_plan.gateways[0].floor
    broker = parse_broker(cluster.mqtt_url)
    known = read_credential(cluster.credential("ingest"))
    got: list[bytes] = []
    told: list[bool] = []

    def take(messages: list[RawMessage], generation: int) -> None:
        got.extend(message[1] for message in messages)
        reader.ack([message[2] for message in messages], generation)

    reader = EventReader(
        host=broker.host, port=broker.port, others=broker.others, client_id="ingest-one", filters=[topics.events()],
        on_batch=take, on_subscribed=lambda *, is_subscribed: told.append(is_subscribed),
        username=known.user, password=known.password,
    )  # fmt: skip

    async def story() -> None:
        async with asyncio.timeout(120), link(cluster, own) as gateway:
            reader.start()
            while told != [True]:
                await asyncio.sleep(0.02)
            cluster.kill(0)  # the first of the list, where the reader is
            while told[-1:] != [True] or len(told) < 3:
                await asyncio.sleep(0.02)
            await arrives(gateway, topics.event(floor, own, "d"), b"after")
            while b"after" not in got:
                await asyncio.sleep(0.02)

    try:
        asyncio.run(story())
    finally:
        reader.stop()


def test_every_stream_has_three_copies_and_every_write_is_flushed(
    tmp_path: Path, small_plan: FloorPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "site.plan.yaml"
    plan.write_text(Path("examples/town_hall.plan.yaml").read_text())
    folder = tmp_path / "brokers"
    arguments = ["broker-files", str(folder), "--plan", str(plan), "--kind", "nats-cluster"]
    assert main([*arguments, "--nodes", "nats-1.example.nl,nats-2.example.nl,nats-3.example.nl"]) == 0
    said = capsys.readouterr().out
    assert "--broker mqtts://nats-1.example.nl:8883,mqtts://nats-2.example.nl:8883" in said
    for number in (1, 2, 3):
        file = folder / f"node-{number}" / "nats.conf"
        assert file.stat().st_mode & 0o077 == 0
        conf = json.loads(file.read_text())
        assert conf["mqtt"]["stream_replicas"] == 3
        assert conf["jetstream"]["sync_interval"] == "always"
        assert conf["mqtt"]["tls"]["cert_file"] == str(folder / f"node-{number}" / "server.crt")
    before = (folder / "credentials" / "ingest.json").read_bytes()
    assert main([*arguments, "--nodes", "a,b,c"]) == 0
    assert (folder / "credentials" / "ingest.json").read_bytes() == before


@pytest.mark.parametrize("names", ["a,b", "a,a,b", "a,b,http://c"])
def test_other_than_three_names_are_refused(names: str) -> None:
    with pytest.raises(SettingInvalid, match=r"three different names|write names"):
        parse_nodes(names)


def test_servers_with_and_without_tls_are_not_mixed() -> None:
    with pytest.raises(SettingInvalid, match="all servers"):
        parse_broker("mqtt://a,mqtts://b")
