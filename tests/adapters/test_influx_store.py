"""The sink on a real InfluxDB 1.x, and the newer versions' answers from a scripted server on loopback.

Real 2.x and 3.x servers are not part of this suite: they cannot be installed from the distribution.
"""

from __future__ import annotations

import http.server
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from ingest.inbox import SinkProgress
from ingest.stores.forwarder import Forwarder, OutboxRow
from ingest.stores.history import SqliteHistory
from ingest.stores.influx_store import InfluxAddress, InfluxStore
from ingest.stores.schema import to_ms
from ingest.stores.sink import LinesDropped, LinesRefused, SinkRefused, SinkUnavailable
from ingest.stores.sqlite_store import SqliteStore
from workplace.errors import SettingInvalid

INFLUXD = shutil.which("influxd") or "/usr/bin/influxd"
Eventually = Callable[..., None]
NOW_MS = to_ms(datetime.now(UTC))
PASSWORD = "p@ss/w:rd"

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
index-version = "tsi1"
max-series-per-database = 0
max-values-per-tag = 0
wal-fsync-delay = "0s"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = {auth}
log-enabled = false
[monitor]
store-enabled = false
"""


class Influx:
    """A real server on its own port and folder; `start` again finds its data."""

    def __init__(self, folder: Path, *, auth: bool) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "influxdb.conf"
        self._config.write_text(CONFIG.format(folder=folder, port=self.port, auth=str(auth).lower()))
        self._process: subprocess.Popen[bytes] | None = None
        user = f"occ:{quote(PASSWORD, safe='')}@" if auth else ""
        self.url = f"http://{user}127.0.0.1:{self.port}/occ"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [INFLUXD, "-config", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(15)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(params=[pytest.param(False, id="open server"), pytest.param(True, id="server with password")])
def influx(request: pytest.FixtureRequest, tmp_path: Path, eventually: Eventually) -> Iterator[Influx]:
    if not Path(INFLUXD).exists():
        pytest.skip("influxd is not installed")
    server = Influx(tmp_path, auth=request.param)
    server.start()
    try:
        eventually(lambda: listens(server.port), what="influxd")
        if request.param:
            make_first_user(server)
        yield server
    finally:
        server.stop()


def make_first_user(server: Influx) -> None:
    """A server with passwords takes exactly one command without: the first administrator."""
    first = InfluxStore(f"http://127.0.0.1:{server.port}/occ")
    with pytest.raises(SinkRefused):
        first.prepare()
    first._command(f"CREATE USER occ WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
    first.close()


@pytest.fixture
def sink(influx: Influx) -> Iterator[InfluxStore]:
    store = InfluxStore(influx.url, timeout_s=5)
    yield store
    store.close()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(sqlite3.connect, tmp_path / "ingest.db")
    store.open(datetime.now(UTC))
    yield store
    store.close()


def lines(count: int, *, first: int = 0) -> list[tuple[str, bytes]]:
    return [
        (
            "raw" if n % 3 else "agg",
            f"{'desk_state' if n % 3 else 'zone_5m'},site=hq,zone=z{n % 7} occ=1i {NOW_MS + n}".encode(),
        )
        for n in range(first, first + count)
    ]


def count_points(sink: InfluxStore) -> int:
    total = 0
    for retention, measurement in (("raw", "desk_state"), ("agg", "zone_5m")):
        for series in sink.query(f"SELECT count(occ) FROM {measurement}", retention):
            total += series["values"][0][1]
    return total


def put(book: SqliteStore, rows: list[tuple[str, bytes]]) -> None:
    with book.transaction() as writing:
        writing.add_lines(rows)


def forwarder_of(book: SqliteStore, sink: InfluxStore, folder: Path) -> Forwarder:
    """The forwarder with the deleting half of the worker, in one thread."""

    def forget(progress: SinkProgress) -> None:
        with book.transaction() as writing:
            writing.sink_has(progress.upto_seq, progress.dead)

    return Forwarder(SqliteHistory(sqlite3.connect, folder / "ingest.db").waiting_lines, sink, forget)


def test_it_makes_database_and_retention_and_stores_what_it_is_given(sink: InfluxStore) -> None:
    assert sink.prepare().startswith("1.")
    sink.prepare()
    kept = {
        row[0]: (row[1], row[2])
        for series in sink._command('SHOW RETENTION POLICIES ON "occ"')
        for row in series["values"]
        if row[0] in ("raw", "agg")
    }
    assert kept == {"raw": ("336h0m0s", "24h0m0s"), "agg": ("17520h0m0s", "720h0m0s")}
    text = r'tea, "milk" = \o/'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    sink.write("raw", f'desk_state,desk=a\\ b\\,c cause="{escaped}",dur_s=3i {NOW_MS}'.encode())
    (series,) = sink.query("SELECT cause, dur_s FROM desk_state GROUP BY desk")
    assert series["tags"] == {"desk": "a b,c"}
    assert series["values"] == [[NOW_MS, text, 3]]


def test_everything_arrives_once_although_the_server_stops_in_the_middle(
    influx: Influx, sink: InfluxStore, book: SqliteStore, tmp_path: Path, eventually: Eventually
) -> None:
    forwarder = forwarder_of(book, sink, tmp_path)
    put(book, lines(100))
    assert forwarder.step() > 0
    assert (book.outbox_rows(), count_points(sink)) == (0, 100)
    influx.kill()
    put(book, lines(100, first=100))
    for _ in range(3):
        assert 0 < forwarder.step() <= 30
    assert forwarder.status.state == "away"
    assert book.outbox_rows() == 100, "the cursor must not move while the server is away"
    influx.start()
    eventually(lambda: listens(influx.port), what="influxd again")
    eventually(lambda: forwarder.step() and book.outbox_rows() == 0, what="the outbox running empty")
    assert forwarder.status.state == "ok"
    assert count_points(sink) == 200


def test_sending_all_of_it_twice_changes_nothing(
    sink: InfluxStore, book: SqliteStore, tmp_path: Path
) -> None:
    put(book, lines(300))
    reader = SqliteHistory(sqlite3.connect, tmp_path / "ingest.db").waiting_lines
    for _ in range(2):  # as after a crash between sending and deleting
        Forwarder(reader, sink, lambda _progress: None).step()
    assert book.outbox_rows() == 300
    assert count_points(sink) == 300


def test_bad_lines_are_counted_and_the_others_arrive(
    sink: InfluxStore, book: SqliteStore, tmp_path: Path
) -> None:
    rows = lines(64)
    rows[17] = ("raw", b"this is no line protocol")
    rows[40] = ("raw", b"desk_state,=x occ= 1")
    put(book, rows)
    forwarder = forwarder_of(book, sink, tmp_path)
    forwarder.step()
    assert book.outbox_rows() == 0
    assert count_points(sink) == 62
    assert forwarder.status.dropped_total == 2


def test_a_field_of_another_type_is_dropped_by_the_server_and_counted(
    sink: InfluxStore, book: SqliteStore, tmp_path: Path
) -> None:
    put(book, [("raw", f"desk_state,desk=a occ=1i {NOW_MS}".encode())])
    forwarder = forwarder_of(book, sink, tmp_path)
    forwarder.step()
    put(
        book,
        [
            ("raw", f'desk_state,desk=a occ="yes" {NOW_MS + 1}'.encode()),
            ("raw", f"desk_state,desk=a occ=2i {NOW_MS + 2}".encode()),
        ],
    )
    forwarder.step()
    assert book.outbox_rows() == 0
    assert count_points(sink) == 2
    assert forwarder.status.dropped_total == 1


def test_points_older_than_the_retention_are_not_tried_for_ever(
    sink: InfluxStore, book: SqliteStore, tmp_path: Path
) -> None:
    put(book, [("raw", b"desk_state,desk=a occ=1i 1000"), *lines(5)])
    forwarder = forwarder_of(book, sink, tmp_path)
    forwarder.step()
    assert book.outbox_rows() == 0
    assert count_points(sink) == 5


@pytest.mark.parametrize("influx", [pytest.param(True, id="server with password")], indirect=True)
def test_a_wrong_password_raises_an_alarm_and_loses_nothing(
    influx: Influx, book: SqliteStore, tmp_path: Path
) -> None:
    put(book, lines(10))
    wrong = InfluxStore(influx.url.replace("occ:", "occ:x"))
    forwarder = forwarder_of(book, wrong, tmp_path)
    assert forwarder.step() >= 30, "asking again soon would be pointless"
    assert forwarder.status.state == "refused"
    assert "401" in forwarder.status.last_error
    assert PASSWORD not in forwarder.status.last_error
    assert book.outbox_rows() == 10
    wrong.close()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("influx:8086/occ", id="no scheme"),
        pytest.param("http://influx:8086/", id="no database"),
        pytest.param("http://influx:8086/a/b", id="two names for a database"),
        pytest.param("ftp://influx/occ", id="not http"),
    ],
)
def test_an_impossible_address_is_refused(url: str) -> None:
    with pytest.raises(SettingInvalid):
        InfluxAddress.parse(url)


# Newer versions, scripted


@dataclass
class Answers:
    """What the scripted server answers to writes, one after the other, and what it was asked."""

    version: str
    writes: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, list[str]], dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def scripted(request: pytest.FixtureRequest) -> Iterator[tuple[str, Answers]]:
    answers = Answers(request.param)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answers.asked.append(
                (self.command, parts.path, parse_qs(parts.query), dict(self.headers.items()), body)
            )
            status, headers, reply = 204, {"X-Influxdb-Version": answers.version}, b""
            if parts.path == "/api/v2/buckets":
                status, reply = 403, b'{"code":"forbidden","message":"no"}'
            elif parts.path.endswith("/write") and answers.writes:
                status, headers, reply = answers.writes.pop(0)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = _answer  # noqa: N815 - the names are the library's

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://org:t0ken@127.0.0.1:{server.server_port}/occ", answers
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("scripted", ["v2.7.11", "3.10.0"], indirect=True)
def test_newer_servers_get_the_token_and_one_bucket_per_retention(scripted: tuple[str, Answers]) -> None:
    url, answers = scripted
    sink = InfluxStore(url)
    assert sink.prepare() == answers.version
    sink.write("agg", b"zone_5m,site=hq occ=1i 5\nzone_5m,site=hq occ=2i 6")
    sink.close()
    method, path, query, headers, body = answers.asked[-1]
    assert (method, path) == ("POST", "/api/v2/write")
    assert query == {"org": ["org"], "bucket": ["occ/agg"], "precision": ["ms"]}
    assert headers["Authorization"] == "Token t0ken"
    assert body == b"zone_5m,site=hq occ=1i 5\nzone_5m,site=hq occ=2i 6"


@pytest.mark.parametrize("scripted", ["v2.7.11", "1.8.10"], indirect=True)
@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "told"),
    [
        pytest.param(401, {}, b"unauthorized", SinkRefused, "401", id="wrong token"),
        pytest.param(404, {}, b"not found", SinkRefused, "404", id="no such bucket"),
        pytest.param(413, {}, b"too large", LinesRefused, "413", id="too much at once"),
        pytest.param(422, {}, b"no", LinesRefused, "422", id="beyond a limit"),
        pytest.param(400, {}, b"unable to parse", LinesRefused, "400", id="a bad line"),
        pytest.param(400, {}, b"partial write: x dropped=3", LinesDropped, "400", id="some bad lines"),
        pytest.param(429, {"Retry-After": "7"}, b"slow", SinkUnavailable, "429", id="too fast"),
        pytest.param(503, {}, b"starting", SinkUnavailable, "503", id="starting"),
    ],
)
def test_every_answer_means_something(
    scripted: tuple[str, Answers],
    status: int,
    headers: dict[str, str],
    body: bytes,
    error: type[Exception],
    told: str,
) -> None:
    url, answers = scripted
    sink = InfluxStore(url)
    answers.version, version = ("v2.7.11", answers.version)
    sink.prepare()
    sink.version = version
    answers.writes = [(status, headers, body)]
    with pytest.raises(error, match=told) as raised:
        sink.write("raw", b"m f=1i 1")
    sink.close()
    if isinstance(raised.value, LinesDropped):
        assert raised.value.dropped == 3
    if isinstance(raised.value, SinkUnavailable):
        assert raised.value.retry_after_s == (7 if status == 429 else None)


class ScriptedSink:
    """A `PointSink` that refuses every request with a poisonous line in it."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.requests = 0

    def prepare(self) -> str:
        return "scripted"

    def write(self, retention: str, lines: bytes) -> None:
        self.requests += 1
        if b"poison" in lines:
            raise LinesRefused("400: unable to parse")
        self.taken += lines.split(b"\n")

    def close(self) -> None:
        pass


def test_culprits_are_found_by_halving() -> None:
    rows: list[OutboxRow] = [(n, "raw", b"good %d" % n) for n in range(1, 1001)]
    for n in (3, 500, 501):
        rows[n - 1] = (n, "raw", b"poison %d" % n)
    told: list[SinkProgress] = []
    sink = ScriptedSink()
    Forwarder(lambda after, limit: [r for r in rows if r[0] > after][:limit], sink, told.append).step()
    assert [seq for seq, _ in told[-1].dead] == [3, 500, 501]
    assert told[-1].upto_seq == 1000
    assert len(sink.taken) == 997
    assert sink.requests < 80
    assert re.match(r"400", told[-1].dead[0][1])
