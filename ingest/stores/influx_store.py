"""Writes points to InfluxDB 1.x, 2.x and 3.x and to VictoriaMetrics, and asks InfluxQL questions. Synchronous,
one request at a time.

The batching writer of the client library is not used: it loses its tail at exit and tells failures to a
callback only. Here every answer of the server is an ordinary return or an error that says what to do.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
import urllib3.exceptions
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from ingest.stores import influx_setup as setup
from ingest.stores.influx_reading import rows_of
from ingest.stores.measurements import Retention, kept_days
from ingest.stores.schema import DESK_LEVEL_DAYS
from ingest.stores.sink import LinesDropped, LinesRefused, SinkRefused, SinkUnavailable
from workplace.errors import SettingInvalid

log = structlog.get_logger()

#: Lower: a busy server looks dead. Higher: stopping waits longer.
TIMEOUT_S = 10.0
#: 1.x and 3.x say how many points they left out; the word is fixed, its surroundings are not.
_DROPPED = re.compile(r"dropped=(\d+)")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_RIGHT = (401, 403)


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """One server and database: `http://user:password@host:8086/occ`.

    For 2.x and 3.x the password is the token and the user is the organisation (2.x only).
    """

    base: str
    host: str
    database: str
    user: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> InfluxAddress:
        """Return the parts of a URL.

        Raises:
            SettingInvalid: it is not such a URL.
        """
        parts = urlsplit(url)
        database = parts.path.strip("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"\w+", database):
            raise SettingInvalid("the InfluxDB address must look like http://user:password@host:8086/occ")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        return cls(
            base=f"{parts.scheme}://{host}{port}",
            host=parts.hostname,
            database=database,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: str

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers.items() if key.lower() == name), None)


class InfluxStore:
    """A `PointSink`. `prepare` before the first write; the server may change version while we run."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        desk_level_days: int = DESK_LEVEL_DAYS,
        with_gzip: bool | None = None,
    ) -> None:
        """Store the settings; `with_gzip` None packs what leaves this machine, and nothing on loopback."""
        self.address = InfluxAddress.parse(url)
        self._timeout_ms = int(timeout_s * 1000)
        self.kept = kept_days(desk_level_days)
        is_near = self.address.host in _LOOPBACK
        self._with_gzip = not is_near if with_gzip is None else with_gzip
        self._client: Any = None
        self.version = "unknown"
        self.flavour: setup.Flavour = "v2"

    @property
    def settle_s(self) -> float:
        return setup.VM_SETTLE_S if self.flavour == "vm" else 0.0

    def prepare(self) -> str:
        """Find out what the server is, make database and retentions; return the version.

        Raises:
            SinkUnavailable: it does not answer.
            SinkRefused: it lacks what we need and may not be given it by us; the message has the commands.
        """
        self.look()
        if self.flavour == "vm":
            self._check_vm()
        elif self.flavour == "v1":
            self._sign_in_v1()
            self._make_v1()
        elif self.flavour == "v2":
            self._make_v2()
        else:
            self._make_v3()
        return self.version

    def look(self) -> str:
        """Find out what the server is, and change nothing; return the version.

        Raises:
            SinkUnavailable: it does not answer.
            SinkRefused: what answers is no such server.
        """
        self.close()
        address = self.address
        self._client = InfluxDBClient(
            address.base, token=address.password or "", org=address.user or "-", timeout=self._timeout_ms
        )
        answer = self._call("GET", "/ping", {})
        if answer.status >= 300:
            raise SinkRefused(f"/ping answered {answer.status}")
        self.version = answer.header("x-influxdb-version") or "unknown"
        self.flavour = setup.flavour_of(self.version, self._own_metrics())
        return self.version

    def known_flavour(self) -> setup.Flavour:
        """Return what kind of server this is; asks it when that has not been done yet.

        Raises:
            SinkUnavailable, SinkRefused: as `prepare` says.
        """
        if self._client is None:
            self.prepare()
        return self.flavour

    def boot_mark(self) -> str:
        return setup.start_of_vm(self._call("GET", "/metrics", {}).body)

    def write(self, retention: str, lines: bytes) -> None:
        flavour = self.known_flavour()
        database = self.address.database
        if flavour == "v1":
            path, query = "/write", {"db": database, "rp": retention, "precision": "ms"}
        else:
            path = "/api/v2/write"
            query = {"org": self.address.user or "-", "bucket": f"{database}/{retention}", "precision": "ms"}
            if flavour == "vm":
                query["db"] = database  # becomes a label: several sites may share one server
        headers = {}
        if self._with_gzip:
            lines, headers = gzip.compress(lines, 1), {"Content-Encoding": "gzip"}
        _raise_for(self._call("POST", path, query, lines, headers))

    def query(self, influxql: str, retention: str = "raw") -> list[dict[str, Any]]:
        """Return the rows of one InfluxQL statement (present in 1.x, 2.x and 3.x): tags and columns, times in ms.

        Raises:
            SinkUnavailable, SinkRefused: as they say.
        """
        self.known_flavour()
        parameters = {"db": self.address.database, "rp": retention, "epoch": "ms", "q": influxql}
        return _results(self._call("GET", "/query", parameters))

    def close(self) -> None:
        """Close; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _own_metrics(self) -> str:
        return self._call("GET", "/metrics", {}).body if setup.is_like_vm(self.version) else ""

    def _refused(self, why: str) -> SinkRefused:
        address = self.address
        return SinkRefused(
            setup.advice(self.flavour, address.database, self.kept, address.user or "ORG", why)
        )

    def _check_vm(self) -> None:
        self.version = "VictoriaMetrics"
        kept_s = setup.kept_by_vm(self._call("GET", "/flags", {}).body)
        if kept_s is None:
            log.warning("sink_retention_unknown", server=self.version)
        elif setup.lives_too_long(kept_s, self.kept["raw"]):
            raise self._refused(f"this server keeps everything for {kept_s / setup.DAY_S:g} days")

    # 1.x

    def _sign_in_v1(self) -> None:
        user, password = self.address.user, self.address.password
        headers = self._client.api_client.default_headers
        # A 1.x server with authentication answers 401 to the Token scheme of its successors.
        headers.pop("Authorization", None)
        if user is not None:
            basic = urllib3.make_headers(basic_auth=f"{user}:{password or ''}")
            headers["Authorization"] = basic["authorization"]

    def _make_v1(self) -> None:
        database = self.address.database
        forbidden = ""
        try:
            self._command(f'CREATE DATABASE "{database}"')
        except SinkRefused as error:
            forbidden = str(error)
        try:
            found = setup.policies_of(self._command(f'SHOW RETENTION POLICIES ON "{database}"'))
            for name, days in self.kept.items():
                self._make_policy(name, days, found.get(name))
        except SinkRefused as error:
            if "401" in str(error):  # a wrong password is no question of rights
                raise
            raise self._refused(
                f"the retention of '{database}' is not as it must be: {forbidden or error}"
            ) from error

    def _make_policy(self, name: Retention, days: int, kept_s: int | None) -> None:
        if kept_s == days * setup.DAY_S:
            return
        is_there = kept_s is not None
        try:
            self._command(setup.policy_statement(self.address.database, name, days, exists=is_there))
        except SinkRefused:
            # Somebody who may keeps it for a shorter time than we would: that is theirs to say.
            if kept_s is None or setup.lives_too_long(kept_s, days):
                raise

    def _command(self, influxql: str) -> list[dict[str, Any]]:
        return _results(self._call("POST", "/query", {"q": influxql}))

    # 2.x

    def _make_v2(self) -> None:
        buckets = self._client.buckets_api()
        for name, days in self.kept.items():
            try:
                self._make_bucket(buckets, f"{self.address.database}/{name}", days * setup.DAY_S)
            except ApiException as error:
                status = error.status or 0
                if status >= 500 or status == 429:
                    raise SinkUnavailable(str(error.reason)) from error
                # A token that may only write cannot see buckets: if one is missing, the write will tell.
                log.warning("sink_set_up_refused", status=status, bucket=f"{self.address.database}/{name}")
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise SinkUnavailable(str(error)) from error

    def _make_bucket(self, buckets: Any, bucket: str, kept_s: int) -> None:
        rule = {"type": "expire", "everySeconds": kept_s}
        found = buckets.find_bucket_by_name(bucket)
        if found is None:
            buckets.create_bucket(bucket_name=bucket, retention_rules=[rule])
            return
        has_s = max((each.every_seconds or 0 for each in found.retention_rules or ()), default=0)
        if has_s != kept_s:
            found.retention_rules = [rule]
            try:
                buckets.update_bucket(found)
            except ApiException as error:
                if (error.status or 0) in (401, 403) and setup.lives_too_long(has_s, kept_s // setup.DAY_S):
                    raise self._refused(f"bucket '{bucket}' keeps its points for {has_s} s") from error
                raise

    # 3.x

    def _make_v3(self) -> None:
        path = "/api/v3/configure/database"
        known: set[str] | None = None
        for name, days in self.kept.items():
            database = f"{self.address.database}/{name}"
            wanted = {"db": database, "retention_period": f"{days}d"}
            answer = self._call("POST", path, {}, wanted, {"Content-Type": "application/json"})
            if answer.status < 300 or answer.status == 409:
                continue
            if answer.status >= 500 or answer.status == 429:
                raise SinkUnavailable(f"{answer.status}: {answer.body[:200]}")
            if answer.status == 401:
                raise SinkRefused(f"the server answered 401: {answer.body[:200]}")
            if known is None:
                listed = self._call("GET", path, {"format": "json"})
                known = setup.names_in(_json(listed.body)) if listed.status < 300 else set()
            if database not in known:
                # A write would make the database by itself, and keep desk-level rows for ever.
                raise self._refused(
                    f"database '{database}' is missing and could not be made ({answer.status})"
                )

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        """Return the answer to one request through the client's own transport."""
        try:
            response = self._client.api_client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Content-Type": "text/plain; charset=utf-8", **(headers or {})},
                body=b"\n"
                if body is None and method != "GET"
                else body,  # the client sends no other empty one
                _preload_content=False,
                _return_http_data_only=True,
            )
            return _Answer(response.status, dict(response.headers), _text(response.data))
        except ApiException as error:
            return _Answer(error.status or 0, dict(error.headers or {}), _text(error.body or error.reason))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SinkUnavailable(str(error)) from error


def _text(body: object) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")


def _json(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _results(answer: _Answer) -> list[dict[str, Any]]:
    if answer.status in (*_NO_RIGHT, 404):
        raise SinkRefused(f"the server answered {answer.status}: {answer.body[:200]}")
    if answer.status == 400:
        raise SinkRefused(f"the server does not understand the question: {answer.body[:200]}")
    if answer.status >= 300:
        raise SinkUnavailable(f"the server answered {answer.status}: {answer.body[:200]}")
    found = _json(answer.body)
    results = found.get("results") if isinstance(found, dict) else None
    if not isinstance(results, list):
        raise SinkRefused(f"no answer to InfluxQL: {answer.body[:200]}")
    result: dict[str, Any] = results[0] if results else {}
    if "error" in result:
        raise SinkRefused(str(result["error"]))
    return rows_of(result)


def _raise_for(answer: _Answer) -> None:
    """Raise what an answer means for the points of the request; 2xx means that they are stored."""
    status, body = answer.status, answer.body
    if 200 <= status < 300:
        return
    told = f"{status}: {body[:300]}"
    if status in (*_NO_RIGHT, 404):
        raise SinkRefused(f"the server answered {told}")
    if status == 400 and "partial write" in body:
        found = _DROPPED.search(body)
        # 1.6 names lines that it cannot parse, but does not count them among the dropped ones; 3.x lists them.
        dropped = (
            (int(found.group(1)) if found else 0)
            + body.count("unable to parse")
            + body.count('"line_number"')
        )
        raise LinesDropped(told, max(dropped, 1))
    if status in (400, 413, 422):
        raise LinesRefused(told)
    after = answer.header("retry-after") or ""
    raise SinkUnavailable(told, float(after) if after.isdecimal() else None, is_fault=status == 500)
