"""What keeps a site in good health: `doctor`, `backup` and `restore`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from plekvrij import logs, wiring
from plekvrij.arguments import needs
from plekvrij.backup import backup, restore
from plekvrij.options import CommandSpec


def _doctor(arguments: argparse.Namespace) -> int:
    from plekvrij.doctor import Patient, run_doctor

    logs.set_up("doctor", level=logging.CRITICAL)  # the findings say it
    default_policy = wiring.DEMO_POLICY if arguments.plan is None else None
    patient = Patient(
        arguments.plan or wiring.DEMO_PLAN,
        arguments.policy or default_policy,
        arguments.data,
        wiring.broker_of(arguments.broker, arguments.credential)
        if arguments.broker or arguments.credential
        else None,
        arguments.channels,
        arguments.influx,
    )
    return run_doctor(patient, as_json=arguments.json)


def _backup(arguments: argparse.Namespace) -> int:
    needs(arguments, "data")
    documents = tuple(file for file in (arguments.plan, arguments.policy) if file is not None)
    names = backup(arguments.data, Path(arguments.file), documents)
    print(f"{arguments.file}: {', '.join(names)}; each checked")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    needs(arguments, "data")
    names = restore(Path(arguments.file), arguments.data)
    print(f"{arguments.data}: {', '.join(names)}; each checked. Give the site its credentials again.")
    return 0


COMMANDS = (
    CommandSpec(
        "doctor",
        "Look at clock, disk, store, InfluxDB, broker, certificates and files of a site; say what to do.",
        _doctor,
        ("plan", "policy", "data", "broker", "credential", "channels", "influx", "json"),
    ),
    CommandSpec(
        "backup",
        "Copy databases, walks, plan and policy of a running site into one new file, and check the copy.",
        _backup,
        ("data", "plan", "policy"),
        positionals=(("file", "", "file to write, for instance town-hall.tar.gz"),),
    ),
    CommandSpec(
        "restore",
        "Make a data folder of a backup, whole or not at all.",
        _restore,
        ("data",),
        positionals=(("file", "", "file that `plekvrij backup` wrote"),),
    ),
)
