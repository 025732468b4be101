"""Writes points to InfluxDB 1.x, 2.x and 3.x, and to servers that speak like them. Synchronous, one request
at a time.

The batching writer of the client library is not used: it loses its tail at exit and tells failures to a
callback only. Here every answer of the server is an ordinary return or an error that says what to do.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3.exceptions
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from ingest.stores.schema import SINK_RETENTION, Retention
from ingest.stores.sink import LinesDropped, LinesRefused, SinkRefused, SinkUnavailable
from workplace.errors import SettingInvalid
from workplace.retention import DESK_LEVEL_DAYS

#: Lower: a busy server looks dead. Higher: stopping waits longer.
TIMEOUT_S = 10.0
_DAY_S = 86_400
#: 1.x and 3.x say how many points they left out; the word is fixed, its surroundings are not.
_DROPPED = re.compile(r"dropped=(\d+)")


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """One server and database: `http://user:password@host:8086/occ`.

    For 2.x and 3.x the password is the token and the user is the organisation (2.x only).
    """

    base: str
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
            database=database,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


class InfluxStore:
    """A `PointSink`. `prepare` before the first write; the server may change version while we run."""

    def __init__(
        self, url: str, *, timeout_s: float = TIMEOUT_S, desk_level_days: int = DESK_LEVEL_DAYS
    ) -> None:
        self._address = InfluxAddress.parse(url)
        self._timeout_ms = int(timeout_s * 1000)
        self._kept = SINK_RETENTION | {"raw": (f"{desk_level_days}d", SINK_RETENTION["raw"][1])}
        self._client: Any = None
        self._writer: Any = None
        self.version = "unknown"

    def prepare(self) -> str:
        """Ask for the version, make the database and both retentions; return the version."""
        self.close()
        address = self._address
        self._client = InfluxDBClient(
            address.base, token=address.password or "", org=address.user or "-", timeout=self._timeout_ms
        )
        status, headers, _ = self._call("GET", "/ping", {})
        if status >= 300:
            raise SinkRefused(f"/ping answered {status}")
        self.version = next((v for k, v in headers.items() if k.lower() == "x-influxdb-version"), "unknown")
        if self._is_v1:
            self._sign_in_v1()
            self._make_v1()
        else:
            self._writer = self._client.write_api(write_options=SYNCHRONOUS)
            if self.version.lstrip("v").startswith("2"):
                self._make_v2()
        return self.version

    @property
    def _is_v1(self) -> bool:
        return self.version.lstrip("v").startswith("1.")

    def write(self, retention: str, lines: bytes) -> None:
        if self._client is None:
            self.prepare()
        if self._is_v1:
            query = {"db": self._address.database, "rp": retention, "precision": "ms"}
            status, headers, body = self._call("POST", "/write", query, lines)
            _raise_for(status, headers, body)
            return
        try:
            self._writer.write(
                bucket=f"{self._address.database}/{retention}",
                record=lines,
                write_precision=WritePrecision.MS,
            )
        except ApiException as error:
            _raise_for(error.status or 0, dict(error.headers or {}), _text(error.body or error.reason))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SinkUnavailable(str(error)) from error

    def query(self, influxql: str, retention: str = "raw") -> list[dict[str, Any]]:
        """Return the series of one InfluxQL statement (present in 1.x, 2.x and 3.x), times in ms.

        Raises:
            SinkUnavailable, SinkRefused: as they say.
        """
        parameters = {"db": self._address.database, "rp": retention, "epoch": "ms", "q": influxql}
        status, _, body = self._call("GET", "/query", parameters)
        return self._results(status, body)

    def close(self) -> None:
        """Close; may be called twice."""
        client, self._client, self._writer = self._client, None, None
        if client is not None:
            client.close()

    def _sign_in_v1(self) -> None:
        user, password = self._address.user, self._address.password
        headers = self._client.api_client.default_headers
        # A 1.x server with authentication answers 401 to the Token scheme of its successors.
        headers.pop("Authorization", None)
        if user is not None:
            basic = urllib3.make_headers(basic_auth=f"{user}:{password or ''}")
            headers["Authorization"] = basic["authorization"]

    def _make_v1(self) -> None:
        database = self._address.database
        self._command(f'CREATE DATABASE "{database}"')
        kept = self._command(f'SHOW RETENTION POLICIES ON "{database}"')
        names = {row[0] for series in kept for row in series.get("values", ())}
        for name, (duration, shard) in self._kept.items():
            verb = "ALTER" if name in names else "CREATE"
            default = " DEFAULT" if name == "raw" else ""
            self._command(
                f'{verb} RETENTION POLICY "{name}" ON "{database}" DURATION {duration} REPLICATION 1'
                f" SHARD DURATION {shard}{default}"
            )

    def _command(self, influxql: str) -> list[dict[str, Any]]:
        status, _, body = self._call("POST", "/query", {"q": influxql})
        return self._results(status, body)

    def _results(self, status: int, body: str) -> list[dict[str, Any]]:
        if status in (401, 403, 404):
            raise SinkRefused(f"the server answered {status}: {body[:200]}")
        if status >= 300:
            raise SinkUnavailable(f"the server answered {status}: {body[:200]}")
        result: dict[str, Any] = json.loads(body)["results"][0]
        if "error" in result:
            raise SinkRefused(str(result["error"]))
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def _make_v2(self) -> None:
        buckets = self._client.buckets_api()
        names: tuple[Retention, ...] = ("raw", "agg")
        try:
            for name in names:
                bucket = f"{self._address.database}/{name}"
                if buckets.find_bucket_by_name(bucket) is None:
                    days = int(self._kept[name][0].removesuffix("d"))
                    rule = {"type": "expire", "everySeconds": days * _DAY_S}
                    buckets.create_bucket(bucket_name=bucket, retention_rules=[rule])
        except ApiException as error:
            # A token without the right to make buckets is fine when they exist; if not, the write will tell.
            if (error.status or 0) >= 500:
                raise SinkUnavailable(str(error.reason)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SinkUnavailable(str(error)) from error

    def _call(
        self, method: str, path: str, query: dict[str, str], body: bytes | None = None
    ) -> tuple[int, dict[str, str], str]:
        """Return status, headers and body of one request through the client's own transport."""
        try:
            response = self._client.api_client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Content-Type": "text/plain; charset=utf-8"},
                body=b"\n" if body is None and method == "POST" else body,
                _preload_content=False,
                _return_http_data_only=True,
            )
            return response.status, dict(response.headers), _text(response.data)
        except ApiException as error:
            return error.status or 0, dict(error.headers or {}), _text(error.body or error.reason)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SinkUnavailable(str(error)) from error


def _text(body: object) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")


def _raise_for(status: int, headers: dict[str, str], body: str) -> None:
    """Raise what a status means for the points of the request; 2xx means that they are stored."""
    if 200 <= status < 300:
        return
    told = f"{status}: {body[:300]}"
    if status in (401, 403, 404):
        raise SinkRefused(f"the server answered {told}")
    if status == 400 and "partial write" in body:
        found = _DROPPED.search(body)
        # 1.6 names lines that it cannot parse, but does not count them among the dropped ones.
        dropped = (int(found.group(1)) if found else 0) + body.count("unable to parse")
        raise LinesDropped(told, max(dropped, 1))
    if status in (400, 413, 422):
        raise LinesRefused(told)
    after = next((value for key, value in headers.items() if key.lower() == "retry-after"), "")
    raise SinkUnavailable(told, float(after) if after.isdecimal() else None)
