"""The sink on a real InfluxDB 1.x, and the newer versions' answers from a scripted server on loopback.

Real 2.x and 3.x servers are not part of this suite: they cannot be installed from the distribution.
"""

from __future__ import annotations

import gzip
import http.server
import json
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ingest.inbox import SinkProgress
from ingest.stores.forwarder import MAX_LINES, Forwarder, OutboxRow
from ingest.stores.history import SqliteHistory
from ingest.stores.influx_history import InfluxHistory
from ingest.stores.influx_store import InfluxAddress, InfluxStore
from ingest.stores.line_protocol import LineEncoder
from ingest.stores.schema import TransitionRow, from_ms, to_ms
from ingest.stores.sink import LinesDropped, LinesRefused, SinkRefused, SinkUnavailable
from ingest.stores.sqlite_store import SqliteStore
from tests.time_servers import PASSWORD, Influx, Victoria
from workplace.errors import SettingInvalid

Eventually = Callable[..., None]
NOW_MS = to_ms(datetime.now(UTC))


@pytest.fixture(params=[pytest.param(False, id="open server"), pytest.param(True, id="server with password")])
def influx(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Influx]:
    server = Influx(tmp_path / "influx", auth=request.param)
    server.start()
    try:
        if request.param:
            server.make_first_user()
        yield server
    finally:
        server.stop()


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    server = Victoria(tmp_path / "victoria")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sink(influx: Influx) -> Iterator[InfluxStore]:
    store = InfluxStore(influx.url("occ"), timeout_s=20)
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
    asked = (("raw", "desk_state"), ("agg", "zone_5m"))
    return sum(
        row["n"]
        for retention, measurement in asked
        for row in sink.query(f"SELECT count(occ) AS n FROM {measurement}", retention)
    )


def put(book: SqliteStore, rows: list[tuple[str, bytes]]) -> None:
    with book.transaction() as writing:
        writing.add_lines(rows)


def forwarder_of(
    book: SqliteStore,
    sink: InfluxStore,
    folder: Path,
    reader: Callable[[int, int], list[OutboxRow]] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Forwarder:
    """The forwarder with the deleting half of the worker, in one thread."""

    def forget(progress: SinkProgress) -> None:
        with book.transaction() as writing:
            writing.sink_has(progress.upto_seq, progress.dead)

    rows = reader or SqliteHistory(sqlite3.connect, folder / "ingest.db").waiting_lines
    return Forwarder(rows, sink, forget, monotonic)


def test_it_makes_database_and_retention_and_stores_what_it_is_given(sink: InfluxStore) -> None:
    assert sink.prepare().startswith("1.")
    sink.prepare()
    kept = {
        row["name"]: (row["duration"], row["shardGroupDuration"])
        for row in sink._command('SHOW RETENTION POLICIES ON "occ"')
        if row["name"] in ("raw", "agg")
    }
    assert kept == {"raw": ("336h0m0s", "24h0m0s"), "agg": ("9504h0m0s", "720h0m0s")}
    text = r'tea, "milk" = \o/'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    sink.write("raw", f'desk_state,desk=a\\ b\\,c cause="{escaped}",dur_s=3i {NOW_MS}'.encode())
    rows = sink.query("SELECT cause, dur_s FROM desk_state GROUP BY desk")
    assert rows == [{"time": NOW_MS, "desk": "a b,c", "cause": text, "dur_s": 3}]


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
    wrong = InfluxStore(influx.url("occ").replace("occ:", "occ:x"))
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
    set_up: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Method and path -> answer to everything that is no write."""


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
            key = f"{self.command} {parts.path}"
            if key in answers.set_up:
                status, reply = answers.set_up[key]
                headers |= {"Content-Type": "application/json"}
            elif parts.path == "/api/v2/buckets":
                status, reply = 403, b'{"code":"forbidden","message":"no"}'
            elif parts.path.endswith("/write") and answers.writes:
                status, headers, reply = answers.writes.pop(0)
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names are the library's

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
    sink.flavour = "v1" if version.startswith("1") else "v2"
    answers.writes = [(status, headers, body)]
    with pytest.raises(error, match=told) as raised:
        sink.write("raw", b"m f=1i 1")
    sink.close()
    if isinstance(raised.value, LinesDropped):
        assert raised.value.dropped == 3
    if isinstance(raised.value, SinkUnavailable):
        assert raised.value.retry_after_s == (7 if status == 429 else None)


class ScriptedSink:
    """A `PointSink` that refuses every request with a poisonous line in it, in the way that it is told."""

    settle_s = 0.0

    def __init__(self, refusal: Exception | None = None, poison: bytes = b"poison") -> None:
        self.taken: list[bytes] = []
        self.requests = 0
        self._refusal = refusal or LinesRefused("400: unable to parse")
        self._poison = poison

    def boot_mark(self) -> str:
        return ""

    def prepare(self) -> str:
        return "scripted"

    def write(self, retention: str, lines: bytes) -> None:
        self.requests += 1
        if self._poison in lines:
            raise self._refusal
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


FAULT = SinkUnavailable("500: panic", is_fault=True)


def test_lines_that_make_the_server_fail_are_set_aside_once_it_takes_others() -> None:
    rows: list[OutboxRow] = [(n, "raw", b"good %d" % n) for n in range(1, 101)]
    rows[41] = (42, "raw", b"poison")
    told: list[SinkProgress] = []
    sink = ScriptedSink(FAULT)
    forwarder = Forwarder(lambda after, limit: [r for r in rows if r[0] > after][:limit], sink, told.append)
    for _ in range(5):
        assert forwarder.step() > 0
        assert told == [], "a server may fail for reasons of its own"
    forwarder.step()
    assert [seq for seq, _ in told[-1].dead] == [42]
    assert len(sink.taken) == 99


def test_a_server_that_fails_on_everything_costs_no_line() -> None:
    """A full disk is no fault of the lines."""
    rows: list[OutboxRow] = [(n, "raw", b"good %d" % n) for n in range(1, 5001)]
    told: list[SinkProgress] = []
    sink = ScriptedSink(FAULT, poison=b"good")
    forwarder = Forwarder(lambda after, limit: [r for r in rows if r[0] > after][:limit], sink, told.append)
    for _ in range(8):
        forwarder.step()
    assert told == []
    assert forwarder.status.state == "away"
    assert sink.requests < 150, "it must not be asked about each line"


def test_an_answer_that_nobody_foresaw_stops_the_forwarder_only_for_a_moment(eventually: Eventually) -> None:
    class Odd(ScriptedSink):
        def prepare(self) -> str:
            self.requests += 1
            if self.requests == 1:
                raise KeyError("results")
            return "scripted"

    told: list[SinkProgress] = []
    forwarder = Forwarder(lambda after, _: [] if after else [(1, "raw", b"good")], Odd(), told.append)
    thread = threading.Thread(target=forwarder.run)
    thread.start()
    try:
        eventually(lambda: told, what="the line being sent after all")
        assert forwarder.status.state == "ok"
    finally:
        forwarder.stop()
        thread.join(30)
    assert not thread.is_alive()


def test_two_hours_without_a_server_are_made_up_for_in_pieces(
    influx: Influx, sink: InfluxStore, book: SqliteStore, tmp_path: Path, eventually: Eventually
) -> None:
    """Two hours in small: what waits is on the disk, and never more than a piece of it in memory."""
    read: list[int] = []
    waiting = SqliteHistory(sqlite3.connect, tmp_path / "ingest.db").waiting_lines

    def reader(after: int, limit: int) -> list[OutboxRow]:
        rows = waiting(after, limit)
        read.append(len(rows))
        return rows

    forwarder = forwarder_of(book, sink, tmp_path, reader)
    put(book, lines(10))
    forwarder.step()
    influx.stop()
    for first in range(10, 20_010, 1000):
        put(book, lines(1000, first=first))
        forwarder.step()
    assert forwarder.status.state == "away"
    assert book.outbox_rows() == 20_000
    influx.start()
    steps = 0
    while book.outbox_rows():
        forwarder.step()
        steps += 1
    assert steps == 20_000 // MAX_LINES, "as fast as the server takes it"
    assert max(read) == MAX_LINES
    assert count_points(sink) == 20_010


# Rights, versions and ways


@pytest.mark.parametrize("influx", [pytest.param(True, id="server with password")], indirect=True)
def test_a_user_without_rights_is_told_the_commands_until_somebody_ran_them(influx: Influx) -> None:
    admin = InfluxStore(influx.url("occ"))
    admin.prepare()
    admin._command("CREATE USER writer WITH PASSWORD 'w'")
    admin._command('GRANT ALL ON "occ" TO writer')
    admin._command('ALTER RETENTION POLICY "raw" ON "occ" DURATION 30d')
    writer = InfluxStore(f"http://writer:w@127.0.0.1:{influx.port}/occ")
    with pytest.raises(SinkRefused, match="retention") as refused:
        writer.prepare()
    (command,) = [
        line.split("'")[1] for line in str(refused.value).splitlines() if "ALTER" in line and '"raw"' in line
    ]
    admin._command(command)
    assert writer.prepare().startswith("1.")
    writer.write("raw", b"desk_state,desk=a occ=1i %d" % NOW_MS)
    assert count_points(writer) == 1
    admin._command('ALTER RETENTION POLICY "raw" ON "occ" DURATION 7d')
    writer.prepare()  # shorter is theirs to say
    (kept,) = [row for row in admin._command('SHOW RETENTION POLICIES ON "occ"') if row["name"] == "raw"]
    assert kept["duration"] == "168h0m0s"
    admin.close()
    writer.close()


@pytest.mark.parametrize("influx", [pytest.param(False, id="open server")], indirect=True)
def test_a_remote_server_gets_its_points_packed(influx: Influx, victoria: Victoria) -> None:
    packed = InfluxStore(influx.url("occ"), with_gzip=True)
    packed.write("raw", b"\n".join(line for retention, line in lines(100) if retention == "raw"))
    assert count_points(packed) == 66
    packed.close()
    packed = InfluxStore(victoria.url("occ"), with_gzip=True)
    packed.write("raw", b"zone_5m,site=hq occ=2i %d" % NOW_MS)
    assert packed.flavour == "vm"
    assert victoria.samples("zone_5m_occ", "occ") == 1
    packed.close()


@pytest.mark.parametrize(
    ("host", "is_packed"),
    [("127.0.0.1", False), ("localhost", False), ("[::1]", False), ("influx.example.org", True)],
)
def test_what_leaves_this_machine_is_packed(host: str, is_packed: bool) -> None:
    assert InfluxStore(f"http://{host}:8086/occ")._with_gzip is is_packed


def test_a_server_whose_yes_is_not_durable_gets_its_points_again_after_it_was_killed(
    victoria: Victoria, book: SqliteStore, tmp_path: Path, eventually: Eventually
) -> None:
    now, started_s = [0.0], int(time.time())
    sink = InfluxStore(victoria.url("occ"))
    forwarder = forwarder_of(book, sink, tmp_path, monotonic=lambda: now[0])
    put(book, lines(30))
    forwarder.step()
    assert victoria.samples("desk_state_occ", "occ") == 20
    assert book.outbox_rows() == 30, "they must settle first"
    put(book, lines(30, first=30))
    forwarder.step()
    victoria.kill()
    eventually(lambda: int(time.time()) > started_s, what="the next second: it tells its start in whole ones")
    victoria.start()
    now[0] += 59
    forwarder.step()
    assert book.outbox_rows() == 60
    now[0] += 2
    forwarder.step()  # it notices, and sends all of it again
    assert victoria.samples("desk_state_occ", "occ") == 40
    assert book.outbox_rows() == 60
    now[0] += 61
    forwarder.step()
    assert book.outbox_rows() == 0
    assert victoria.samples("zone_5m_occ", "occ") == 20
    sink.close()


def test_a_victoria_that_keeps_places_for_months_is_refused_with_the_option(tmp_path: Path) -> None:
    server = Victoria(tmp_path / "long", kept="13")
    server.start()
    sink = InfluxStore(server.url("occ"))
    with pytest.raises(SinkRefused, match=r"403 days(.|\n)*-retentionPeriod=14d"):
        sink.prepare()
    sink.close()
    server.stop()


@pytest.mark.parametrize("scripted", ["3.10.0"], indirect=True)
def test_3x_databases_are_made_with_their_retention(scripted: tuple[str, Answers]) -> None:
    url, answers = scripted
    answers.set_up["POST /api/v3/configure/database"] = (200, b"")
    sink = InfluxStore(url)
    sink.prepare()
    made = [
        (json.loads(body), headers["Content-Type"], headers["Authorization"])
        for method, path, _, headers, body in answers.asked
        if (method, path) == ("POST", "/api/v3/configure/database")
    ]
    assert made == [
        ({"db": f"occ/{name}", "retention_period": kept}, "application/json", "Token t0ken")
        for name, kept in (("raw", "14d"), ("agg", "396d"))
    ]
    answers.set_up["POST /api/v3/configure/database"] = (409, b"")
    sink.prepare()
    sink.close()


@pytest.mark.parametrize("scripted", ["3.10.0"], indirect=True)
def test_3x_never_makes_a_database_for_ever_by_writing_to_it(scripted: tuple[str, Answers]) -> None:
    url, answers = scripted
    answers.set_up["POST /api/v3/configure/database"] = (403, b"{}")
    answers.set_up["GET /api/v3/configure/database"] = (200, b'[{"iox::database":"occ/raw"}]')
    sink = InfluxStore(url)
    with pytest.raises(SinkRefused) as refused:
        sink.prepare()
    assert "influxdb3 create database --retention-period 396d occ/agg" in str(refused.value)
    listed = b'[{"iox::database":"occ/raw"},{"iox::database":"occ/agg"}]'
    answers.set_up["GET /api/v3/configure/database"] = (200, listed)
    sink.prepare()
    sink.close()


@pytest.mark.parametrize("scripted", ["v2.7.11"], indirect=True)
def test_2x_buckets_that_keep_places_too_long_are_shortened_or_refused(scripted: tuple[str, Answers]) -> None:
    url, answers = scripted
    bucket = {"id": "b1", "orgID": "o1", "name": "occ/raw", "retentionRules": [{"everySeconds": 0}]}
    answers.set_up["GET /api/v2/buckets"] = (200, json.dumps({"buckets": [bucket]}).encode())
    answers.set_up["PATCH /api/v2/buckets/b1"] = (200, json.dumps(bucket).encode())
    sink = InfluxStore(url)
    sink.prepare()
    changed = [json.loads(body) for method, *_, body in answers.asked if method == "PATCH"]
    assert [each["retentionRules"][0]["everySeconds"] for each in changed] == [14 * 86_400, 396 * 86_400]
    answers.set_up["PATCH /api/v2/buckets/b1"] = (403, b'{"code":"forbidden"}')
    with pytest.raises(SinkRefused, match="influx bucket update --id ID_OF_occ/raw --retention 14d"):
        sink.prepare()
    sink.close()


@pytest.mark.parametrize("scripted", ["3.10.0"], indirect=True)
def test_3x_lists_the_lines_of_a_partial_write(scripted: tuple[str, Answers]) -> None:
    url, answers = scripted
    answers.set_up["POST /api/v3/configure/database"] = (409, b"")
    body = {
        "error": "partial write of line protocol occurred",
        "data": [{"line_number": 2}, {"line_number": 5}],
    }
    answers.writes = [(400, {}, json.dumps(body, separators=(",", ":")).encode())]
    sink = InfluxStore(url, with_gzip=True)
    with pytest.raises(LinesDropped) as dropped:
        sink.write("raw", b"m f=1i 1")
    assert dropped.value.dropped == 2
    _, path, _, headers, sent = answers.asked[-1]
    assert (path, headers["Content-Encoding"]) == ("/api/v2/write", "gzip")
    assert gzip.decompress(sent) == b"m f=1i 1"
    sink.close()


BY_TAGS: dict[str, Any] = {
    "series": [
        {
            "name": "zone_5m",
            "tags": {"zone": "z1"},
            "columns": [
                "time",
                "occ_avg",
                "occ_max",
                "held_avg",
                "free_avg",
                "free_min",
                "cap",
                "coverage_pct",
                "bins",
            ],
            "values": [[1_795_392_000_000, 1.5, 3, 0.5, 8.0, 2, 10, 28_800.0, 288]],
        }
    ]
}
BY_COLUMNS = {
    "series": [
        {
            "name": "zone_5m",
            "columns": [*BY_TAGS["series"][0]["columns"], "zone"],
            "values": [[*BY_TAGS["series"][0]["values"][0], "z1"]],
        }
    ]
}


@pytest.mark.parametrize("scripted", ["3.10.0"], indirect=True)
@pytest.mark.parametrize("shape", [pytest.param(BY_TAGS, id="tags"), pytest.param(BY_COLUMNS, id="columns")])
def test_3x_is_asked_in_pieces_with_one_statement_each(
    scripted: tuple[str, Answers], shape: dict[str, object]
) -> None:
    url, answers = scripted
    answers.set_up["POST /api/v3/configure/database"] = (409, b"")
    answers.set_up["GET /query"] = (200, json.dumps({"results": [shape]}).encode())
    history = InfluxHistory(InfluxStore(url), "hq")
    begin = datetime(2026, 11, 23, tzinfo=UTC)
    (read,) = history.zone_series(["z1"], begin, begin + timedelta(days=8), timedelta(days=7))
    asked = [query for method, path, query, *_ in answers.asked if (method, path) == ("GET", "/query")]
    assert len(asked) == 4, "two days per question, counted from 1970"
    assert all(
        query["db"] == ["occ"] and query["rp"] == ["agg"] and query["epoch"] == ["ms"] for query in asked
    )
    assert all("GROUP BY time(86400s)" in query["q"][0] and ";" not in query["q"][0] for query in asked)
    assert (read.zone, read.in_use_avg, read.in_use_max) == ("z1", 1.5, 3)
    history.close()


@pytest.mark.parametrize("influx", [pytest.param(False, id="open server")], indirect=True)
def test_a_repetition_with_a_later_time_does_not_hide_a_change_found_out_afterwards(influx: Influx) -> None:
    """The hour strikes while somebody has already left; that they left is seen later, and lies before the hour."""
    now = from_ms(NOW_MS)
    sat, left, hour = (now - timedelta(minutes=minutes) for minutes in (50, 12, 10))
    rows = [
        TransitionRow("d1", "z1", sat, "in_use", "occupied", "h1", "active", ("motion",), sat),
        TransitionRow("d1", "z1", left, "just_left", "held", "h1", "active", ("silence",), now),
    ]
    encoder = LineEncoder("hq")
    sink = InfluxStore(influx.url("occ"))
    made = (
        encoder.desk_state(rows[0], None),
        encoder.state_again(rows[0], hour),
        encoder.desk_state(rows[1], rows[0]),
    )
    sink.write("raw", b"\n".join(line[1] for line in made if line is not None))
    state = InfluxHistory(sink, "hq").last_states(None, now)["d1"]
    assert (state.phase, state.since) == ("just_left", left)
    sink.close()
