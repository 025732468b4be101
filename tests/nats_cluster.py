"""Three real NATS servers on this machine, killed and started again by number."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from plekvrij.embedded_broker import find_binary, free_port
from plekvrij.nats_cluster_files import Node, write_cluster_files
from workplace.floor_plan import FloorPlan

PATIENCE_S = 60.0


class Cluster:
    """`with Cluster(plan, folder) as cluster:` returns when all three hold together and can store."""

    def __init__(self, plan: FloorPlan, folder: Path, sync: str = "always") -> None:
        self._folder = folder
        self.nodes = tuple(Node("127.0.0.1", free_port(), free_port(), free_port()) for _ in range(3))
        self._monitors = [free_port() for _ in self.nodes]
        write_cluster_files(plan, folder, self.nodes, sync=sync)
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * 3

    @property
    def mqtt_url(self) -> str:
        return ",".join(node.mqtt_url for node in self.nodes)

    @property
    def client_url(self) -> str:
        return ",".join(node.client_url for node in self.nodes)

    def credential(self, user: str) -> Path:
        return self._folder / "credentials" / f"{user}.json"

    def __enter__(self) -> Self:
        for number in range(3):
            self.start(number)
        self.wait_healthy()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in range(3):
            self.kill(number)

    def start(self, number: int) -> None:
        folder = self._folder / f"node-{number + 1}"
        command = [find_binary(), "-c", str(folder / "nats.conf"), "-l", str(folder / "nats.log")]
        command += ["-m", str(self._monitors[number])]
        self._processes[number] = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def kill(self, number: int) -> None:
        """`kill -9`."""
        process = self._processes[number]
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_S)
            self._processes[number] = None

    def pid(self, number: int) -> int | None:
        process = self._processes[number]
        return None if process is None else process.pid

    def node_of_port(self, mqtt_port: int) -> int:
        return next(number for number, node in enumerate(self.nodes) if node.mqtt_port == mqtt_port)

    def is_healthy(self, number: int) -> bool:
        """Return whether this server is up, sees the others and has all its copies up to date."""
        try:
            address = f"http://127.0.0.1:{self._monitors[number]}/healthz"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def wait_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not all(map(self.is_healthy, range(3))):
            assert time.monotonic() < deadline, "three servers do not hold together"
            time.sleep(0.05)
