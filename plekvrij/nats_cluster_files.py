"""Everything that three NATS servers need to serve a site together: cluster, passwords, and who may say what.

Every stream has three copies: a message that was acknowledged lies on two machines at least, so any one of
them may vanish. What `ingest` may do beyond MQTT is what its log and its leases need (docs/decisions/0036).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plekvrij.credentials import Credential, write_private
from plekvrij.embedded_broker import ACK_WAIT_S, MAX_ACK_PENDING, Rights, rights, subjects
from plekvrij.hosts import is_loopback, names_of
from plekvrij.mosquitto_files import TLS_PORT, keep_credentials, users_to_renew
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan

#: Copies of every stream, and so the fewest nodes. Five nodes bear two failures only with five copies.
COPIES = 3
CLIENT_PORT, ROUTE_PORT, PLAIN_PORT = 4222, 6222, 1883
#: NATS' own subjects: the log of a partition and its leases (`ingest.cluster`), answers, flow control.
_INGEST_PUBLISH = ("$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>", "plekvrij-log.>")
_INGEST_SUBSCRIBE = ("_INBOX.>",)


@dataclass(frozen=True, slots=True)
class Node:
    """One server: its name or address, and its ports for NATS clients, for the other servers and for MQTT."""

    host: str
    client_port: int = CLIENT_PORT
    route_port: int = ROUTE_PORT
    mqtt_port: int = TLS_PORT

    @property
    def is_sealed(self) -> bool:
        """Return whether TLS is spoken: always but between processes of one machine."""
        return not is_loopback(self.host)

    @property
    def mqtt_url(self) -> str:
        return f"{'mqtts' if self.is_sealed else 'mqtt'}://{self.host}:{self.mqtt_port}"

    @property
    def client_url(self) -> str:
        return f"{'tls' if self.is_sealed else 'nats'}://{self.host}:{self.client_port}"


def parse_nodes(text: str) -> tuple[Node, ...]:
    """Return the nodes in `name,name,name`; without TLS, and so on another port, when all are this machine's.

    Raises:
        SettingInvalid: not three different names of hosts.
    """
    hosts = names_of(text, "--nodes")
    if len(set(hosts)) != COPIES or len(hosts) != COPIES:
        raise SettingInvalid(
            f"--nodes {text!r}: write three different names, such as nats-1.example.nl,nats-2.example.nl,"
            "nats-3.example.nl; each stream is kept on three machines"
        )
    port = PLAIN_PORT if all(map(is_loopback, hosts)) else TLS_PORT
    return tuple(Node(host, mqtt_port=port) for host in hosts)


def write_cluster_files(
    plan: FloorPlan,
    folder: Path,
    nodes: Sequence[Node],
    *,
    renew: Iterable[str] = (),
    state: Path | None = None,
    sync: str = "always",
) -> list[str]:
    """Write one folder per node and a credential per user into `folder`; return the users whose password is new.

    Whoever has a credential keeps it unless it is to be renewed; the routes between the servers have one too.

    Args:
        state: where each server keeps its streams, below it a folder per node; by default beside its file.
        sync: when what a server stores is flushed to its disk, `always` or a time such as `2m`.

    Raises:
        SettingInvalid: a user to renew is not known, or the folder cannot be written.
    """
    allowed = rights(plan)
    wanted = users_to_renew(renew, allowed)
    home = folder.resolve()
    try:
        (home / "credentials").mkdir(parents=True, exist_ok=True, mode=0o700)
        credentials, fresh = keep_credentials(home / "credentials", allowed, wanted, None)
        route = _kept_secret(home / "route.secret")
        users = _users(allowed, credentials)
        for number in range(1, len(nodes) + 1):
            own = home / f"node-{number}"
            own.mkdir(exist_ok=True, mode=0o700)
            store = own / "state" if state is None else state / f"node-{number}"
            store.mkdir(parents=True, exist_ok=True, mode=0o700)
            settings = _settings(plan.site, number, nodes, users, route, store, sync, own)
            write_private(own / "nats.conf", json.dumps(settings, indent=1).encode())
    except OSError as error:
        raise SettingInvalid(f"cannot write the files of the brokers: {error}") from error
    return fresh


def _kept_secret(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text("ascii")


def _users(allowed: dict[str, Rights], credentials: Iterable[Credential]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for credential in credentials:
        right = allowed[credential.user]
        publish, subscribe = [*subjects(right.publish), "$MQTT.>"], [*subjects(right.subscribe), "$MQTT.>"]
        if credential.user == "ingest":
            publish += _INGEST_PUBLISH
            subscribe += _INGEST_SUBSCRIBE
        found.append(
            {
                "user": credential.user,
                "password": credential.password,
                "permissions": {"publish": {"allow": publish}, "subscribe": {"allow": subscribe}},
            }
        )
    return found


def _settings(
    site: str,
    number: int,
    nodes: Sequence[Node],
    users: list[dict[str, Any]],
    route: str,
    store: Path,
    sync: str,
    own: Path,
) -> dict[str, Any]:
    node = nodes[number - 1]
    seal = {"tls": _tls(own)} if any(one.is_sealed for one in nodes) else {}
    return {
        "server_name": f"{site}-{number}",
        "listen": f"{node.host}:{node.client_port}",
        "max_payload": 1_048_576,
        "jetstream": {"store_dir": str(store), "sync_interval": sync},
        "cluster": {
            "name": site,
            "listen": f"{node.host}:{node.route_port}",
            "authorization": {"user": "route", "password": route},
            "routes": [f"nats://route:{route}@{one.host}:{one.route_port}" for one in nodes],
            **seal,
        },
        "mqtt": {
            "listen": f"{node.host}:{node.mqtt_port}",
            "max_ack_pending": MAX_ACK_PENDING,
            "ack_wait": f"{ACK_WAIT_S}s",
            "stream_replicas": COPIES,
            **seal,
        },
        "accounts": {
            "SITE": {"jetstream": "enabled", "users": users},
            "SYSTEM": {"users": [{"user": "system", "password": route}]},
        },
        "system_account": "SYSTEM",
        **seal,
    }


def _tls(folder: Path) -> dict[str, str]:
    """Return where a server finds its certificate (of its own name, for both ends), its key and who signed it."""
    return {
        "cert_file": str(folder / "server.crt"),
        "key_file": str(folder / "server.key"),
        "ca_file": str(folder / "ca.crt"),
    }
