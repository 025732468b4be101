"""The fault machine itself: its account finds what is missing, and its faults are what they are called."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.stores.schema import TABLES
from simulators.native_node import find_compiler
from tests.chaos.docks import DockNode, Edge
from tests.chaos.machine import SteppedClock
from tests.chaos.site_view import SiteView
from tests.chaos.truth import HEADER_BYTES, ScreenWatch, ids_in_file_aside, settle_account
from tests.chaos.wires import Wire

DEVICE = "dsp1-0001000000000001"
BOOT, OLD_BOOT = 7, 5


def node_that_wrote(folder: Path, lines: list[str]) -> DockNode:
    (folder / "logs").mkdir(exist_ok=True)
    node = DockNode(DEVICE, "gw-1", {0: "1-W1"}, folder, 1, has_pir=False)
    (folder / "journals" / f"{DEVICE}.txt").write_text("".join(f"{line}\n" for line in lines))
    return node


def store_with(folder: Path, edges: list[Edge], ids: list[str] | None = None) -> Path:
    database = folder / "site.db"
    with sqlite3.connect(database) as connection:
        connection.executescript(TABLES)
        columns = (
            "id, gateway, device, kind, channel, value, measured_at, received_at, clock, uncertainty_ms, seq,"
            " historical"
        )
        for number, edge in enumerate(edges):
            id_ = edge.id if ids is None else ids[number]
            row = (
                id_,
                "gw-1",
                edge.device,
                "link",
                str(edge.channel),
                edge.value,
                number,
                number,
                "device",
                0,
                edge.seq,
                0,
            )
            connection.execute(f"INSERT INTO event ({columns}) VALUES ({','.join('?' * 12)})", row)
    return database


def edge(seq: int, boot: int = BOOT) -> Edge:
    return Edge(DEVICE, boot, seq, 0, seq % 2, 1.0)


def test_an_acknowledged_edge_that_is_nowhere_is_lost(tmp_path: Path) -> None:
    made = [f"made {BOOT} {seq} 0 {seq % 2} 1.0" for seq in (1, 2)]
    node = node_that_wrote(tmp_path, [*made, f"acked {BOOT} 2"])
    account = settle_account(store_with(tmp_path, [edge(1)]), set(), [node])
    assert (account.stored, account.missing, account.is_whole) == (1, [edge(2)], False)


def test_what_was_only_in_the_memory_of_a_killed_node_is_known(tmp_path: Path) -> None:
    lines = [
        f"made {OLD_BOOT} 1 0 1 1.0",
        f"acked {OLD_BOOT} 1",
        f"made {OLD_BOOT} 2 0 0 1.1",
        f"made {BOOT} 1 0 1 2.0",
    ]
    node = node_that_wrote(tmp_path, lines)
    account = settle_account(store_with(tmp_path, [edge(1, OLD_BOOT), edge(1)]), set(), [node])
    assert (account.stored, account.in_dead_nodes, account.is_whole) == (2, 1, True)


def test_a_row_that_no_node_made_is_found(tmp_path: Path) -> None:
    node = node_that_wrote(tmp_path, [f"made {BOOT} 1 0 1 1.0"])
    account = settle_account(
        store_with(tmp_path, [edge(1), edge(1)], [edge(1).id, "another id"]), set(), [node]
    )
    assert (account.stored, len(account.strange), account.is_whole) == (1, 1, False)


def test_an_edge_in_a_store_that_was_moved_aside_is_counted_there(tmp_path: Path) -> None:
    node = node_that_wrote(tmp_path, [f"made {BOOT} 1 0 1 1.0", f"acked {BOOT} 1"])
    account = settle_account(store_with(tmp_path, []), {edge(1).id}, [node])
    assert (account.aside, account.is_whole) == (1, True)


def test_a_damaged_store_gives_back_what_it_holds_and_what_it_had_set_aside(tmp_path: Path) -> None:
    database = store_with(tmp_path, [edge(1)])
    with sqlite3.connect(database) as connection:
        payload = f'{{"id": "{edge(2).id}"}}'.encode()
        row = (b"1", "future_time", "", "", payload, 0, 0, 1)
        connection.execute(f"INSERT INTO quarantine VALUES ({','.join('?' * 8)})", row)
    header = database.read_bytes()[:HEADER_BYTES]
    with database.open("r+b") as file:
        file.write(bytes(HEADER_BYTES))
    assert ids_in_file_aside(database, header, tmp_path / "work") == {edge(1).id, edge(2).id}


@pytest.mark.parametrize(
    ("shown", "is_wrong"),
    [
        pytest.param("free", True, id="free beside a dock that is stored as in use is wrong"),
        pytest.param("unknown", False, id="unknown is never wrong"),
        pytest.param("in_use", False, id="in use is right"),
    ],
)
def test_screens_are_held_against_the_store(tmp_path: Path, shown: str, is_wrong: bool) -> None:
    node = node_that_wrote(tmp_path, [])
    view = SiteView(store_with(tmp_path, [edge(1)]))
    view.read_on()
    watch = ScreenWatch(view, [node])
    for _ in range(2):
        watch.look({"1-W1": shown}, view.evidence[DEVICE, 0].seen_at + 60)
    assert bool(watch.wrong) is is_wrong


def test_a_stepped_clock_moves_the_wall_and_not_the_time_since_boot(tmp_path: Path) -> None:
    if find_compiler() is None:
        pytest.skip("there is no C compiler")
    clock = SteppedClock(tmp_path, "gw-1")
    clock.set(3600)
    script = "import time; print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))"
    offsets = [
        float(subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True).stdout)
        for env in ({}, clock.environment)
    ]
    assert offsets[1] - offsets[0] == pytest.approx(3600, abs=60)


def test_a_wire_holds_back_resets_and_fails_as_it_is_told() -> None:
    async def story() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with Wire(server.sockets[0].getsockname()[1]) as wire, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            wire.be("silent")
            writer.write(b"late")
            waiting = asyncio.ensure_future(reader.read(100))
            assert not (await asyncio.wait({waiting}, timeout=0.3))[0]
            wire.be("open")
            assert await waiting == b"late"
            wire.be("cut")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read(100) == b"", "the end, however it is told"
            wire.be("failing")
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            writer.write(b"POST /write HTTP/1.1\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 500 ")
        server.close()

    asyncio.run(story())
