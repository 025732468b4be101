"""Figures of the history: points into a real time-series server, and what pages ask of 13 months."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write import point as influx_point
from influxdb_client.client.write_api import WriteOptions
from influxdb_client.domain.write_precision import WritePrecision

from bench.figure import Figure, compare, within
from bench.sites import NEED_EVENTS_PER_S, example_site
from ingest.stores.forwarder import MAX_LINES, Forwarder
from ingest.stores.history import SqliteHistory
from ingest.stores.influx_store import InfluxStore
from ingest.stores.line_protocol import LineEncoder
from ingest.stores.measurements import OCCUPANCY_CODES, PHASE_CODES
from ingest.stores.schema import ZONE_LEVEL_DAYS, TransitionRow, to_ms
from ingest.stores.sqlite_store import SqliteStore
from plekvrij import sqlite_driver

_Point: Any = influx_point.Point  # the client's own annotations are partial
#: The only server of the distribution that both ways of writing reach: the client's batches need /api/v2/write.
VICTORIA = shutil.which("victoria-metrics")
_COUNT = 20_000
_OUTAGE_S = 2 * 3600.0
#: "Within minutes", s.
_CATCH_UP_S = 180.0
#: Slowest question of a page, s.
_QUESTION_S = 2.0
_ZONES, _PLACES, _DAY_MS = 40, 2000, 86_400_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one point: client CPU and stopwatch, us."""

    cpu_us: float
    wall_us: float


def point_to_a_server() -> Figure:
    """Facts -> lines -> a synchronous request of 2,500, against points of the client in its batches."""
    _, ratio, cost = _writing()
    return Figure(
        "point_to_a_server", cost.cpu_us, "CPU us", "Point and batching WriteApi", ratio.cpu_us, 5.0
    )


def points_to_a_server() -> Figure:
    """The same by the stopwatch, in which the server and the neighbours of the machine have their part."""
    _, ratio, cost = _writing()
    per_s = 1e6 / cost.wall_us
    return Figure("points_to_a_server", per_s, "points/s", "Point and batching WriteApi", ratio.wall_us, 3.0)


def outage_made_up() -> Figure:
    """Two hours of 2,000 places wait in the outbox; how long until the server has all and the outbox is empty."""
    with TemporaryDirectory(prefix="plekvrij-bench-") as folder, _server(Path(folder) / "server") as url:
        took_s = _catch_up(Path(folder), url)
    return within("outage_made_up", took_s * _OUTAGE_S * NEED_EVENTS_PER_S / _COUNT, "s", _CATCH_UP_S)


@cache
def _writing() -> tuple[float, Cost, Cost]:
    rows = _rows()
    with TemporaryDirectory(prefix="plekvrij-bench-") as folder, _server(Path(folder)) as url:
        sink = InfluxStore(f"{url}/occ")
        sink.prepare()
        encoder = LineEncoder("raadhuis")

        def ours() -> None:
            for start in range(0, _COUNT, MAX_LINES):
                lines = (encoder.desk_state(row, row) for row in rows[start : start + MAX_LINES])
                sink.write("raw", b"\n".join(line[1] for line in lines if line is not None))

        def theirs() -> None:
            client: Any = InfluxDBClient(url, token="-", org="-")  # noqa: S106 - nothing asks for one
            with client, client.write_api(write_options=WriteOptions(batch_size=MAX_LINES)) as writer:
                for row in rows:
                    writer.write(bucket="occ/raw", record=_point(row), write_precision=WritePrecision.MS)

        costs: list[Cost] = []

        def timed(work: Callable[[], None]) -> Callable[[], float]:
            def once() -> float:
                cpu_s, wall_s = time.process_time(), time.perf_counter()
                work()
                costs.append(
                    Cost(
                        (time.process_time() - cpu_s) * 1e6 / _COUNT,
                        (time.perf_counter() - wall_s) * 1e6 / _COUNT,
                    )
                )
                return costs[-1].cpu_us

            return once

        rounds = 5
        cpu_us, cpu_ratio = compare(timed(ours), timed(theirs), rounds=rounds)
        pairs = list(zip(costs[2::2], costs[3::2], strict=True))  # without the warm-up
        wall = sorted(its.wall_us / mine.wall_us for mine, its in pairs)[rounds // 2]
        own = sorted(mine.wall_us for mine, _ in pairs)[rounds // 2]
        sink.close()
    return cpu_us, Cost(cpu_ratio, wall), Cost(cpu_us, own)


def _point(row: TransitionRow) -> Any:
    return (
        _Point("desk_state")
        .tag("site", "raadhuis")
        .tag("zone", row.zone)
        .tag("desk", row.place)
        .field("state", PHASE_CODES[row.phase])
        .field("occ", OCCUPANCY_CODES[row.occupancy])
        .field("since_ms", to_ms(row.at))
        .field("prev", PHASE_CODES[row.phase])
        .field("dur_s", int((row.at - row.at).total_seconds()))
        .field("cause", ",".join(row.reasons))
        .field("hold_id", row.hold_id)
        .time(row.at, WritePrecision.MS)
    )


def _rows() -> list[TransitionRow]:
    places = list(example_site().plan.place.values())
    begin = datetime.now(UTC) - timedelta(hours=2)
    return [
        TransitionRow(
            place=places[number % len(places)].id,
            zone=places[number % len(places)].zone,
            at=begin + timedelta(milliseconds=number * 7),
            phase="in_use",
            occupancy="occupied",
            hold_id="0123456789abcdef",
            mode="active",
            reasons=("link_up", "motion"),
            decided_at=begin,
        )
        for number in range(_COUNT)
    ]


def _catch_up(folder: Path, url: str) -> float:
    """Return how long `_COUNT` lines take from a full outbox to an empty one, s."""
    store = SqliteStore(sqlite_driver.connect, folder / "site.db")
    store.open(datetime.now(UTC))
    encoder = LineEncoder("raadhuis")
    lines = [line for row in _rows() if (line := encoder.desk_state(row, None)) is not None]
    with store.transaction() as transaction:
        transaction.add_lines(lines)

    def forget(progress: Any) -> None:
        with store.transaction() as transaction:
            transaction.sink_has(progress.upto_seq, progress.dead)

    class Durable(InfluxStore):
        settle_s = 0.0  # as with InfluxDB: its yes is durable, and the outbox empties at once

    reader = SqliteHistory(sqlite_driver.connect, folder / "site.db").waiting_lines
    sink = Durable(f"{url}/occ")
    forwarder = Forwarder(reader, sink, forget)
    began = time.perf_counter()
    pause_s = 0.0
    while store.outbox_rows():
        time.sleep(pause_s)
        pause_s = forwarder.step()
    took_s = time.perf_counter() - began
    sink.close()
    store.close()
    return took_s


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [
            str(VICTORIA),
            f"-httpListenAddr=127.0.0.1:{port}",
            f"-storageDataPath={folder}",
            "-retentionPeriod=14d",
            "-loggerLevel=ERROR",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while not _answers(url):
            if time.monotonic() > deadline:
                raise AssertionError("victoria-metrics does not answer")
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/health", timeout=5).close()  # noqa: S310 - our own server
    except OSError:
        return False
    return True


# Questions


def pages_ask_13_months() -> Figure:
    """The dearest of the questions of pages, on 13 months of 2,000 places (4.6 million bins), as processor time: the
    stopwatch on a shared machine tells of the neighbours.
    """
    with TemporaryDirectory(prefix="plekvrij-bench-") as folder:
        path = Path(folder) / "site.db"
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        _make_13_months(path, now)
        slowest_s = max(_seconds(question) for question in _questions(path, now))
    return within("pages_ask_13_months", slowest_s, "CPU s", _QUESTION_S)


def _questions(path: Path, now: datetime) -> list[Callable[[], object]]:
    history = SqliteHistory(sqlite_driver.connect, path)
    begin, two_weeks = now - timedelta(days=ZONE_LEVEL_DAYS), now - timedelta(days=14)
    floor = [f"{zone:02d}" for zone in range(5)]
    every = [f"{zone:02d}" for zone in range(_ZONES)]
    return [
        lambda: history.zone_series(None, begin, now, timedelta(days=1)),
        lambda: history.zone_series(floor, begin, now, timedelta(hours=1)),
        lambda: history.hold_histogram(None, begin, now),
        lambda: history.desk_heatmap(floor, two_weeks, now),
        lambda: history.zone_bins(every, now - timedelta(days=1), now),
    ]


def _seconds(question: Callable[[], object]) -> float:
    began = time.process_time()
    if not question():
        raise AssertionError("a question without an answer")
    return time.process_time() - began


def _make_13_months(path: Path, now: datetime) -> None:
    store = SqliteStore(sqlite_driver.connect, path)
    store.open(now)
    store.close()
    connection = sqlite_driver.connect(str(path), isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    days = ZONE_LEVEL_DAYS
    begin, two_weeks = to_ms(now) - days * _DAY_MS, to_ms(now) - 14 * _DAY_MS
    count = "WITH RECURSIVE z(z) AS (SELECT 0 UNION ALL SELECT z + 1 FROM z WHERE z < {z} - 1),"
    count += " n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {n} - 1)"
    average = "(n * 7919 + z * 31) % 5000 / 100.0"
    for statement in (
        (
            f"INSERT INTO zone_5m {count.format(z=_ZONES, n=days * 288)} SELECT printf('%02d', z),"
            f" {begin} + n * 300000, {average}, n % 50, 1.5, {average}, n % 40, 50, 99.5 FROM z, n"
        ),
        (
            f"INSERT INTO zone_hour {count.format(z=_ZONES, n=days * 24)} SELECT printf('%02d', z),"
            f" {begin} + n * 3600000, 12, {average}, n % 50, 1.5, {average}, n % 40, 50, 99.5 FROM z, n"
        ),
        (
            f"INSERT INTO desk_hour {count.format(z=_PLACES, n=14 * 24)} SELECT printf('%04d', z),"
            f" {two_weeks} + n * 3600000, printf('%02d', z / 50), n % 3600, n % 600, n % 4, 100.0 FROM z, n"
        ),
        (
            f"INSERT INTO hold_day {count.format(z=_ZONES, n=days * 12)} SELECT printf('%02d', z),"
            f" {begin // _DAY_MS * _DAY_MS} + n / 12 * {_DAY_MS}, iif(n % 2, 'reclaimable', 'in_use'),"
            f" 300 * (1 << n % 12 / 2), n % 90, n * 60.5, 99.0 FROM z, n"
        ),
    ):
        connection.execute(statement)
    connection.close()
