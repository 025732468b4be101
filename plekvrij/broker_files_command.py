"""The command `broker-files`."""

from __future__ import annotations

import argparse
from pathlib import Path

from plekvrij import wiring
from plekvrij.hosts import names_of
from plekvrij.options import CommandSpec


def _broker_files(arguments: argparse.Namespace) -> int:
    from plekvrij.mosquitto_files import Reach, write_files

    plan = wiring.read_site(arguments.plan or wiring.DEMO_PLAN, None).plan
    folder = Path(arguments.folder)
    renew = (arguments.renew,) if arguments.renew else ()
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
    return 0


COMMANDS = (
    CommandSpec(
        "broker-files",
        "Write what Mosquitto needs for a site: TLS, a password for each process, and what each may say and hear.",
        _broker_files,
        ("plan", "names", "broker-port", "gateway-port", "enrol-port"),
        positionals=(
            ("folder", "", "folder for the files, for instance /etc/mosquitto/plekvrij"),
            ("renew", "?", "user that gets a new password, for instance gw-1 when it was stolen"),
        ),
    ),
)
