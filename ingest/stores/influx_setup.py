"""What a time-series server must be given before the first point, per kind of server: words, no I/O.

Desk-level rows must not live longer than the policy allows (R29), so a server that keeps them longer is refused
with the command that puts it right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ingest.stores.measurements import SHARD, Retention

#: InfluxDB 1.x, 2.x, 3.x, and VictoriaMetrics, which only takes points.
Flavour = Literal["v1", "v2", "v3", "vm"]

DAY_S = 86_400
#: VictoriaMetrics 1.79 to 1.145 lost the last 7-8 s of a steady stream when killed, all of its first 2.5 s.
VM_SETTLE_S = 60.0


def is_like_vm(version: str) -> bool:
    """Return whether the version of `/ping` leaves open that this is VictoriaMetrics: none, or that of a guest."""
    return version in ("unknown", "1.8.0")


def flavour_of(version: str, own_metrics: str) -> Flavour:
    """Return what kind of server this is.

    Args:
        version: of `/ping`, `unknown` where it has none.
        own_metrics: the beginning of what `/metrics` says, empty where that was not asked.
    """
    if is_like_vm(version) and "vm_app_version" in own_metrics:
        return "vm"
    number = version.lstrip("v")
    if number.startswith("1."):
        return "v1"
    # 2.x without a version header is a proxy's doing; 3.x always has one.
    return "v3" if number.startswith("3") else "v2"


def start_of_vm(own_metrics: str) -> str:
    """Return when a VictoriaMetrics was started, out of what its `/metrics` says."""
    found = re.search(r"^vm_app_start_timestamp (\S+)", own_metrics, re.MULTILINE)
    return found.group(1) if found else "unknown"


def kept_by_vm(flags: str) -> int | None:
    """Return how long a VictoriaMetrics keeps everything, s, out of its `/flags`; None when it does not say.

    A number without a unit is months of 31 days (VictoriaMetrics, `-retentionPeriod`).
    """
    found = re.search(r'^-retentionPeriod="?(\d+(?:\.\d+)?)([hdwyM]?)"?', flags, re.MULTILINE)
    if found is None:
        return None
    days = {"h": 1 / 24, "d": 1, "w": 7, "y": 365, "": 31, "M": 31}[found.group(2)]
    return int(float(found.group(1)) * days * DAY_S)


def policy_statement(database: str, name: Retention, days: int, *, exists: bool) -> str:
    """Return the InfluxQL (1.x) that makes a retention policy, or makes one right."""
    verb = "ALTER" if exists else "CREATE"
    default = " DEFAULT" if name == "raw" else ""
    return (
        f'{verb} RETENTION POLICY "{name}" ON "{database}" DURATION {days}d REPLICATION 1'
        f" SHARD DURATION {SHARD[name]}{default}"
    )


def seconds_of(duration: str) -> int:
    """Return the seconds of a 1.x duration such as `336h0m0s`; 0 is for ever."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def lives_too_long(kept_s: int, days: int) -> bool:
    """Return whether rows live longer than allowed; 0 is for ever."""
    return kept_s == 0 or kept_s > days * DAY_S


def commands(flavour: Flavour, database: str, kept: Mapping[Retention, int], org: str) -> str:
    """Return what a person with the rights for it must run, exactly."""
    if flavour == "v1":
        made = [f'CREATE DATABASE "{database}"']
        made += [policy_statement(database, name, days, exists=False) for name, days in kept.items()]
        made += [policy_statement(database, name, days, exists=True) for name, days in kept.items()]
        return "\n".join(f"  influx -execute '{statement}'" for statement in made)
    if flavour == "v2":
        lines = [
            f"  influx bucket create --org {org} --name {database}/{name} --retention {days}d"
            for name, days in kept.items()
        ]
        lines += [
            f"  influx bucket update --id ID_OF_{database}/{name} --retention {days}d"
            for name, days in kept.items()
        ]
        return "\n".join(lines)
    if flavour == "v3":
        return "\n".join(
            f"  influxdb3 create database --retention-period {days}d {database}/{name}"
            for name, days in kept.items()
        )
    # One time for all, so what may live shortest decides.
    return f"  victoria-metrics -retentionPeriod={min(kept.values())}d -dedup.minScrapeInterval=1ms"


def advice(flavour: Flavour, database: str, kept: Mapping[Retention, int], org: str, why: str) -> str:
    """Return the sentence for a person when set-up did not get what it needs."""
    return (
        f"{why}. Give this user the rights to create databases and retention, or run as an administrator what is"
        f" missing of:\n{commands(flavour, database, kept, org)}"
    )


def policies_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return name -> seconds of the rows of `SHOW RETENTION POLICIES`; rows of something else are skipped."""
    return {row["name"]: seconds_of(row["duration"]) for row in rows if "duration" in row}


def names_in(answer: object) -> set[str]:
    """Return all texts in the list of databases of 3.x: releases differ in how they wrap the names."""
    if isinstance(answer, str):
        return {answer}
    items: Iterable[object] = ()
    if isinstance(answer, Mapping):
        items = answer.values()
    elif isinstance(answer, list):
        items = answer
    return {name for item in items for name in names_in(item)}
