"""Real time-series servers for tests: on free ports, in folders of their own, started and ended by their process."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from ingest.stores.influx_store import InfluxStore
from ingest.stores.sink import SinkRefused

INFLUXD = shutil.which("influxd") or "/usr/bin/influxd"
VICTORIA = shutil.which("victoria-metrics") or "/usr/bin/victoria-metrics"
PASSWORD = "p@ss/w:rd"
_PATIENCE_S = 60.0

_CONFIG = """
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
[retention]
check-interval = "1s"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return bytes(answer.read())


class Server:
    """A process with data of its own; `start` again finds it."""

    def __init__(self, folder: Path, program: str) -> None:
        if not Path(program).exists():
            pytest.skip(f"{Path(program).name} is not installed: deploy/test-servers.sh installs it")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def url(self, database: str) -> str:
        return f"http://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return when it listens."""
        self._process = subprocess.Popen(
            self.arguments(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, f"{self.arguments()[0]} ended"
            assert time.monotonic() < deadline, f"{self.arguments()[0]} does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            _get(self.port, "/ping")
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it as an administrator would; may be called when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait(15)


class Influx(Server):
    """InfluxDB 1.x of the distribution."""

    def __init__(self, folder: Path, *, auth: bool) -> None:
        super().__init__(folder, INFLUXD)
        self._auth = auth
        self._config = folder / "influxdb.conf"
        self._config.write_text(_CONFIG.format(folder=folder, port=self.port, auth=str(auth).lower()))

    def arguments(self) -> list[str]:
        return [INFLUXD, "-config", str(self._config)]

    def url(self, database: str) -> str:
        user = f"occ:{quote(PASSWORD, safe='')}@" if self._auth else ""
        return f"http://{user}127.0.0.1:{self.port}/{database}"

    def make_first_user(self) -> None:
        """A server with passwords takes exactly one command without: the first administrator."""
        first = InfluxStore(f"http://127.0.0.1:{self.port}/occ")
        with pytest.raises(SinkRefused):
            first.prepare()
        first._command(f"CREATE USER occ WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
        first.close()


class Victoria(Server):
    """VictoriaMetrics of the distribution."""

    def __init__(self, folder: Path, kept: str = "14d") -> None:
        super().__init__(folder, VICTORIA)
        self._kept = kept

    def arguments(self) -> list[str]:
        return [
            VICTORIA, f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={self.folder / 'vm'}",
            f"-retentionPeriod={self._kept}", "-dedup.minScrapeInterval=1ms", "-loggerLevel=ERROR",
        ]  # fmt: skip

    def samples(self, name: str, database: str) -> int:
        """Return how many samples it has of one field, `measurement_field`; what it took a moment ago included."""
        _get(self.port, "/internal/force_flush")
        match = quote(f'{name}{{db="{database}"}}')
        lines = _get(self.port, f"/api/v1/export?match[]={match}").splitlines()
        return sum(len(json.loads(line)["values"]) for line in lines)


class OutsideServer:
    """A server that somebody runs for the tests: PLEKVRIJ_TEST_INFLUX_URL, _TOKEN, _ORG. 2.x or 3.x."""

    def __init__(self) -> None:
        base = os.environ.get("PLEKVRIJ_TEST_INFLUX_URL")
        if not base:
            pytest.skip("PLEKVRIJ_TEST_INFLUX_URL names no server")
        self._parts = urlsplit(base)
        self._made: list[str] = []

    def url(self, database: str) -> str:
        org = quote(os.environ.get("PLEKVRIJ_TEST_INFLUX_ORG", "-"), safe="")
        token = quote(os.environ.get("PLEKVRIJ_TEST_INFLUX_TOKEN", ""), safe="")
        self._made.append(database)
        return f"{self._parts.scheme}://{org}:{token}@{self._parts.netloc}/{database}"

    def remove_all(self) -> None:
        """Remove the buckets or databases that the tests made, and no others."""
        for database in set(self._made):
            store = InfluxStore(self.url(database))
            store.prepare()
            for name in store.kept:
                _remove(store, f"{database}/{name}")
            store.close()
        self._made.clear()


def _remove(store: Any, bucket: str) -> None:
    if store.flavour == "v2":
        buckets = store._client.buckets_api()
        found = buckets.find_bucket_by_name(bucket)
        if found is not None:
            buckets.delete_bucket(found)
    elif store.flavour == "v3":
        store._call("DELETE", "/api/v3/configure/database", {"db": bucket})
    else:
        store._command(f'DROP DATABASE "{store.address.database}"')


def new_database() -> str:
    """Return a name that no other test has: tests share servers and not data."""
    return f"plekvrij_test_{secrets.token_hex(4)}"
