"""Prometheus reads every process of a site, with a broker and without one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from plekvrij.cli import main
from plekvrij.exposition import Exposition, exposed, parse_address
from workplace.errors import SettingInvalid
from workplace.events import ChannelHealth, DeviceHealth, GatewayHealth, NotifierHealth, SourceHealth

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
PATIENCE_S = 60.0
Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row that are free now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        taken = False
        for port in range(first, min(first + count, 65536)):
            with socket.socket() as probe:
                taken |= probe.connect_ex(("127.0.0.1", port)) == 0
        if not taken and first + count < 65536:
            return first


def scrape(port: int) -> Numbers:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def until(port: int, wanted: Callable[[Numbers], bool]) -> Numbers:
    """Scrape until `wanted` holds."""
    end = time.monotonic() + PATIENCE_S
    found: Numbers = {}
    while time.monotonic() < end:
        try:
            found = scrape(port)
        except (OSError, urllib.error.URLError):
            found = {}
        if wanted(found):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "plekvrij", *arguments],
            stdout=(tmp_path / f"{arguments[0]}.out").open("wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        process.wait(PATIENCE_S)


def test_every_process_of_a_site_can_be_read(tmp_path: Path, start: Callable[..., object]) -> None:
    pages = free_ports(1)
    first = free_ports(3)
    (tmp_path / "channels.yaml").write_text("version: 1\nchannels: []\n")
    start("serve", "--data", str(tmp_path / "site"), "--port", str(pages), "--metrics", str(first))
    ingest = until(first, lambda found: found.get(("plekvrij_ingest_subscribed", ())) == 1.0)
    assert ingest["plekvrij_ingest_events_total", ()] == 0.0
    assert ("plekvrij_ingest_store_commits_total", ()) in ingest
    assert ingest["plekvrij_health_age_seconds", ()] < PATIENCE_S
    free = ("plekvrij_zone_places", (("shown_as", "unknown"), ("zone", "3-stilte")))
    walls = until(first + 1, lambda found: free in found)
    assert walls[free] == 25.0  # nothing was heard yet, and unknown is never free
    assert not any("3-T01" in str(key) for key in walls)


def status_of(url: str, host: str | None = None) -> int:
    """Return the status of an answer, waiting for a server that is not there yet."""
    end = time.monotonic() + PATIENCE_S
    while (status := _status_of(url, host)) == 0 and time.monotonic() < end:
        time.sleep(0.1)
    return status


def _status_of(url: str, host: str | None) -> int:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own page on loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except urllib.error.URLError:
        return 0


def test_a_screen_gets_and_loses_its_link_while_the_site_runs(
    tmp_path: Path, start: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    pages, first = free_ports(1), free_ports(3)
    site, base = tmp_path / "site", f"http://127.0.0.1:{pages}"
    start(
        "serve", "--data", str(site), "--port", str(pages), "--metrics", str(first),
        "--screens-need-links", "--theme", "neutral", "--allowed-hosts", "Plekken.example, 10.0.0.8",
    )  # fmt: skip
    links = ("plekvrij_screens_links", ())
    assert until(first + 1, lambda found: links in found)[links] == 0.0
    assert status_of(f"{base}/wall/f2") == 403
    assert main(["screens", "add", "lift", "--floor", "f2", "--data", str(site), "--url", base]) == 0
    link = capsys.readouterr().out.strip()
    assert status_of(link) == 200
    for name, status in (("plekken.example", 200), ("10.0.0.8:8050", 200), ("rebound.example", 400)):
        assert status_of(link, host=name) == status
    until(first + 1, lambda found: found.get(links) == 1.0)
    assert main(["screens", "revoke", "lift", "--data", str(site)]) == 0
    assert status_of(link) == 410
    assert status_of(f"{base}/s/nobody") == 403
    refused = "plekvrij_screens_refused_total"
    found = until(first + 1, lambda found: found.get((refused, (("reason", "withdrawn"),))) == 1.0)
    assert found[refused, (("reason", "unknown"),)] == 1.0
    assert found["plekvrij_pages_refused_total", (("reason", "host"),)] == 1.0
    assert found[links] == 0.0
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(link.rsplit("/", 1)[1].encode() in content for content in written)


def test_a_gateway_without_a_broker_says_how_it_is(tmp_path: Path, start: Callable[..., object]) -> None:
    port, nobody = free_ports(1), free_ports(1)
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'site = "klein"\ngateway = "gw-1"\nfloor = "f1"\noutbox = "{tmp_path / "outbox.db"}"\n'
        "health_interval_s = 1.0\n"
    )
    start(
        "gateway", "--config", str(config), "--broker", f"mqtt://127.0.0.1:{nobody}", "--metrics", str(port)
    )
    found = until(port, lambda found: ("plekvrij_gateway_outbox_rows", ()) in found)
    assert found["plekvrij_gateway_outbox_rows", ()] == 0.0
    assert ("plekvrij_gateway_clock_synced", ()) in found
    # it looks at itself again, although nobody can hear it
    until(
        port,
        lambda later: later.get(("plekvrij_uptime_seconds", ()), 0) > found["plekvrij_uptime_seconds", ()],
    )


def test_devices_are_counted_and_channels_named() -> None:
    port = free_ports(1)
    exposition = Exposition()
    with exposed(str(port), exposition):
        assert scrape(port) == {}
        exposition.tell(
            GatewayHealth(
                site="klein", gateway="gw-1", at=AT, uptime_s=5.0, outbox_rows=-1, outbox_oldest_s=-1.0,
                clock_synced=True, sources=(SourceHealth(name='a"b\\c', status="down"),),
                devices=(
                    DeviceHealth(device="d1", available=True),
                    DeviceHealth(device="d2", available=False, reason="silent"),
                    DeviceHealth(device="d3", available=False, reason="unknown"),
                ),
                counters={"published": 7},
            )
        )  # fmt: skip
        found = scrape(port)
        assert found["plekvrij_gateway_source_up", (("source", 'a"b\\c'), ("status", "down"))] == 0.0
        assert {key[1][0][1]: value for key, value in found.items() if key[0] == "plekvrij_gateway_devices"} == {
            "available": 1.0, "lost": 1.0, "not_heard_yet": 1.0,
        }  # fmt: skip
        assert found["plekvrij_gateway_counter_total", (("counter", "published"),)] == 7.0
        assert (
            "plekvrij_gateway_outbox_rows",
            (),
        ) not in found  # the store could not say it: no news is no number
        channel = ChannelHealth(
            name="sign", kind="webhook", state="failing", reason="network", waiting=3, sent=12
        )
        exposition.tell(
            NotifierHealth(site="klein", at=AT, version="1", reads_decisions=True, channels=(channel,))
        )
        found = scrape(port)
        assert found["plekvrij_channel_up", (("channel", "sign"), ("state", "failing"))] == 0.0
        assert found["plekvrij_channel_messages_total", (("channel", "sign"), ("end", "sent"))] == 12.0


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingInvalid, match="give another port"), exposed(address, Exposition()):
            pass


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9100", ("127.0.0.1", 9100)),
        ("192.0.2.7:9100", ("192.0.2.7", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("mast:1", ("mast", 1)),
    ],
)
def test_an_address(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "host:", "1:2:3", "-1", "127.0.0.1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SettingInvalid, match="write PORT"):
        parse_address(text)
