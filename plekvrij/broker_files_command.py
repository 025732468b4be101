"""The command `broker-files`."""

from __future__ import annotations

import argparse
from pathlib import Path

from plekvrij import wiring
from plekvrij.hosts import names_of
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid
from workplace.floor_plan import FloorPlan


def _broker_files(arguments: argparse.Namespace) -> int:
    plan = wiring.read_site(arguments.plan or wiring.DEMO_PLAN, None).plan
    folder = Path(arguments.folder)
    renew = (arguments.renew,) if arguments.renew else ()
    match arguments.kind:
        case "mosquitto":
            _mosquitto(plan, folder, renew, arguments)
        case "nats-cluster":
            _nats_cluster(plan, folder, renew, arguments.nodes)
        case other:
            raise SettingInvalid(f"--kind {other!r}: write mosquitto or nats-cluster")
    return 0


def _mosquitto(plan: FloorPlan, folder: Path, renew: tuple[str, ...], arguments: argparse.Namespace) -> None:
    from plekvrij.mosquitto_files import Reach, write_files

    reach = Reach(
        names_of(arguments.names, "--names"),
        arguments.broker_port,
        arguments.gateway_port,
        arguments.enrol_port,
    )
    fresh = write_files(plan, folder, renew=renew, reach=reach)
    print(f"{folder}/mosquitto.conf, rules, passwords; new credentials: {', '.join(fresh) or 'none'}")
    missing = [name for name in ("server.crt", "server.key") if not (folder / name).exists()]
    if missing:
        print(
            f"put {' and '.join(missing)} beside them: the certificate of the broker's name and its key; or give its"
            " name with --names, and both are made"
        )
    print("then start Mosquitto, or send it SIGHUP when it runs; whoever has an old password is locked out")


def _nats_cluster(plan: FloorPlan, folder: Path, renew: tuple[str, ...], names: str | None) -> None:
    from plekvrij.nats_cluster_files import parse_nodes, write_cluster_files

    if names is None:
        raise SettingInvalid("a nats-cluster needs --nodes with three names, such as nats-1,nats-2,nats-3")
    nodes = parse_nodes(names)
    fresh = write_cluster_files(plan, folder, nodes, renew=renew)
    print(f"{folder}/node-1 to node-3; new credentials: {', '.join(fresh) or 'none'}")
    for number, node in enumerate(nodes, 1):
        print(
            f"node-{number} belongs on {node.host}, in the same folder: nats-server -c {folder}/node-{number}/nats.conf"
        )
    if nodes[0].is_sealed:
        print(
            "put server.crt and server.key (of the node's name) and ca.crt (who signed all three) into each"
        )
    print(f"gateways and pages: --broker {','.join(node.mqtt_url for node in nodes)}")
    print(f"ingest, on two machines or more: --cluster {','.join(node.client_url for node in nodes)} besides")


COMMANDS = (
    CommandSpec(
        "broker-files",
        "Write what Mosquitto or three NATS servers need for a site: TLS, a password for each process, and what each"
        " may say and hear.",
        _broker_files,
        ("plan", "names", "broker-port", "gateway-port", "enrol-port", "kind", "nodes"),
        positionals=(
            ("folder", "", "folder for the files, for instance /etc/mosquitto/plekvrij"),
            ("renew", "?", "user that gets a new password, for instance gw-1 when it was stolen"),
        ),
    ),
)
