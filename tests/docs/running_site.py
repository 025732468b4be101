"""The site that the pages are tried on: the demo of the tutorial, listened to with all rights."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from plekvrij.embedded_broker import rights
from tests.docs.blocks import ROOT, Block
from tests.docs.command_server import write_stub
from workplace import floor_plan
from workplace.policy import policy_hash
from workplace.policy_file import PolicyFile

PATIENCE_S = 60.0
#: What the tests add to the demo of the tutorial, so that everything speaks that can.
CHANNELS = """
channels:
  sign: {kind: webhook, url: "http://127.0.0.1:9/none", key_files: [sign.key], allow_private: true}
"""


@dataclass
class Heard:
    """Everything that was said at the broker, oldest first."""

    messages: list[MQTTMessage] = field(default_factory=list)
    is_subscribed: threading.Event = field(default_factory=threading.Event)


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row that are free now, below those that Linux gives to callers."""
    while True:
        first = random.randrange(10_000, 30_000)
        taken = False
        for port in range(first, first + count):
            with socket.socket() as probe:
                taken |= probe.connect_ex(("127.0.0.1", port)) == 0
        if not taken:
            return first


class RunningSite:
    """A demo on its own folder and ports.

    Attributes:
        folder: where the tutorial works, `my-town`; the data lies in `demo` below it.
    """

    def __init__(self, top: Path) -> None:
        self.top = top
        self.port, self.metrics = free_ports(1), free_ports(4)
        self.folder = top / "my-town"
        self.data = self.folder / "demo"
        self._command_server = self._start_command_server()
        self._demo: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def plan(self) -> floor_plan.FloorPlan:
        file = self.folder / "plan.yaml"
        return floor_plan.load(file.read_text("utf-8"), str(file))

    @property
    def broker(self) -> str:
        port = self.data / "broker" / "port"
        return f"mqtt://127.0.0.1:{port.read_text().strip()}" if port.exists() else "mqtt://nowhere"

    def _start_command_server(self) -> subprocess.Popen[bytes]:
        path = self.top / "commands.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.command_server", str(path)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"READY\n"
        (self.top / "bin").mkdir()
        write_stub(self.top / "bin", path)
        return process

    def start(self, words: list[str]) -> None:
        """Start the demo with the words of the tutorial, and what the tests add; return when its pages answer."""
        (self.folder / "channels.yaml").write_text(CHANNELS)
        key = self.folder / "sign.key"
        key.touch(mode=0o600)
        key.write_text("0" * 64)
        policy = self.folder / "active.policy.yaml"
        policy.write_text(yaml.safe_dump(active_policy(self.plan.site)))
        self._demo = subprocess.Popen(
            [
                sys.executable, "-m", *words, "--port", str(self.port), "--metrics", str(self.metrics),
                "--policy", policy.name, "--channels", "channels.yaml", "--ha-discovery",
                "--influx", "http://127.0.0.1:9/occ",  # nobody is there: what waits is told all the same
            ],
            cwd=self.folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=(self.top / "demo.err").open("wb"),
        )  # fmt: skip
        assert self._demo.stdout is not None
        first = self._demo.stdout.readline().decode()
        assert f"{self.base}/wall/f3" in first, f"{first!r} {(self.top / 'demo.err').read_text()}"

    def stop(self) -> None:
        """End it all at once; a demo that is killed leaves nothing running (tests/end_to_end/test_commands.py)."""
        if self._demo is not None:
            self._demo.kill()
            self._demo.communicate(timeout=PATIENCE_S)
        self._command_server.kill()
        self._command_server.wait()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.base}{path}", timeout=PATIENCE_S) as answer:  # noqa: S310
            return json.load(answer)

    def ask(self, path: str, body: object) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own pages on loopback
            f"{self.base}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            return json.load(answer)

    def listen(self, name: str) -> tuple[Client, Heard]:
        """Return a subscriber of everything; what it hears grows until its `loop_stop`."""
        heard = Heard()
        credential = json.loads((self.data / "credentials" / "ingest.json").read_text())
        client = Client(CallbackAPIVersion.VERSION2, client_id=name)
        client.username_pw_set(credential["user"], credential["password"])
        filters = rights(self.plan, ha_prefix="homeassistant")["ingest"].subscribe

        def subscribe(client: Client, *_: object) -> None:
            client.subscribe([(topic_filter, 1) for topic_filter in filters])

        client.on_connect = subscribe
        client.on_subscribe = lambda *_: heard.is_subscribed.set()
        client.on_message = lambda _client, _data, message: heard.messages.append(message)
        client.connect("127.0.0.1", int(self.broker.rsplit(":", 1)[1]))
        client.loop_start()
        assert heard.is_subscribed.wait(PATIENCE_S)
        return client, heard

    def scrape(self, number: int) -> str:
        """Return `/metrics` of the process on the port at this place: ingest, pages, notifier, gateway."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.metrics + number}/metrics", timeout=10
        ) as answer:
            return str(answer.read().decode())

    def run(self, block: Block, script: str, folder: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
        """Run a block as a reader would, in a shell; return the folder that it ends in, and how it went."""
        where = self.top / "where"
        preamble = (
            "set -eu -o pipefail\n"
            # not even `make -n`: it runs every line that names $(MAKE), and `make test` is such a line
            f'make() {{ "{sys.executable}" -m tests.docs.looked_at make "$@"; }}\n'
            f'python() {{ "{sys.executable}" -m tests.docs.looked_at "$@"; }}\n'
            f'systemctl() {{ "{sys.executable}" -m tests.docs.looked_at systemctl "$@"; }}\n'
        )
        done = subprocess.run(
            ["/bin/bash", "-c", f"{preamble}\n{script}\npwd > {where}"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=8 * PATIENCE_S,
            input="q\n",  # ends a walk
            env=os.environ | {"PATH": f"{self.top / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, (
            f"{block.name} ends with {done.returncode}\n{script}\n{done.stdout}\n{done.stderr}"
        )
        return Path(where.read_text().strip()), done


def active_policy(site: str) -> dict[str, Any]:
    """Return default rules in force, with the consent that this needs, and such that something happens soon."""
    settings: dict[str, Any] = {"site": site, "mode": "active"}
    digest = policy_hash(PolicyFile(site=site, mode="active"))
    consent = {
        "body": "Ondernemingsraad (test)",
        "role": "voorzitter",
        "date": "2026-11-02",
        "sha256": digest,
    }
    return settings | {"consent": consent}


def until(condition: Any, what: Callable[[], object] | str) -> Any:
    """Return what `condition` gives as soon as it is true; what a site says once a minute may be waited for."""
    end = time.monotonic() + 2 * PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, (
            f"{what if isinstance(what, str) else what()} did not come true within {2 * PATIENCE_S:g} s"
        )
        time.sleep(0.05)
    return found


def metric_names(text: str) -> set[str]:
    """Return the names that a scrape announces; one by reason has no sample as long as nothing happened."""
    return set(re.findall(r"^(?:# TYPE )?(plekvrij_\w+)", text, re.MULTILINE))
