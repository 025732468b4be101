"""One table of settings: the command line, the environment and the reference page are all made from it.

Order of precedence: command line, environment (`PLEKVRIJ_<NAME>`), default.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plekvrij import __version__
from workplace.errors import SettingInvalid

EXIT_CODES = (
    "exit codes: 0 done · 1 a check failed · 2 wrong input (file, option or setting) · "
    "3 a server or device cannot be reached"
)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its name, type, default and a sentence with unit and default."""

    name: str
    kind: Callable[[str], Any]
    default: Any
    help: str
    secret_file: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        return f"PLEKVRIJ_{self.name.upper().replace('-', '_')}"


def _folder(text: str) -> Path:
    return Path(text).expanduser()


def _undo_s(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 600:
        raise ValueError("write 0 to 600 seconds")
    return seconds


#: name -> option. `kind` is called with the text; bool options are flags.
OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("plan", Path, None, "Floor plan file (default: the example town hall)."),
        Option(
            "policy",
            Path,
            None,
            "Policy file (default: the example policy for the demo, shadow mode for a site).",
        ),
        Option(
            "data", _folder, None, "Folder for databases, queues and logs (demo: a new temporary folder)."
        ),
        Option(
            "broker",
            str,
            None,
            "MQTT broker as mqtt[s]://host:port, with commas where several serve together (default: a broker of our"
            " own on loopback).",
        ),
        Option(
            "kind",
            str,
            "mosquitto",
            "Broker to write files for: mosquitto or nats-cluster (default mosquitto).",
        ),
        Option(
            "cluster",
            str,
            None,
            "NATS servers of the cluster that shares floors among workers, nats://host:4222 or tls://host:4222, with"
            " commas (default: this ingest has all floors).",
        ),
        Option("nodes", str, None, "Names of the three machines of a nats-cluster, with commas."),
        Option(
            "credential",
            Path,
            None,
            "JSON file {user, password} for the broker, or that of an enrolled gateway; serve: also the folder of files"
            " with one for each process (default: none).",
            secret_file=True,
        ),
        Option(
            "device-credential",
            Path,
            None,
            "JSON file {user, password} for the device broker.",
            secret_file=True,
        ),
        Option(
            "influx",
            str,
            None,
            "Also stream everything stored into InfluxDB 1.x to 3.x or VictoriaMetrics, "
            "http[s]://[user:password@]host:8086/database (docs/reference/storage.md).",
        ),
        Option(
            "metrics",
            str,
            None,
            "Port for Prometheus, [HOST:]PORT, this machine only unless a host is given; serve: the first of three, for"
            " ingest, pages and notifier; demo: and after these one for each gateway (default: none).",
        ),
        Option(
            "host",
            str,
            "127.0.0.1",
            "Address that the pages listen on (default 127.0.0.1, this machine only).",
        ),
        Option("port", int, 8050, "TCP port of the pages (default 8050)."),
        Option("speed", float, 1.0, "Site seconds per real second, 1-600 (default 1; demo 60)."),
        Option("seed", int, 1, "Seed of the simulated building (default 1)."),
        Option(
            "start", str, "10:00", "Site time at which the demo starts, HH:MM on a Tuesday (default 10:00)."
        ),
        Option(
            "for",
            float,
            None,
            "Stop after this many real seconds and print the result (default: until Ctrl-C).",
        ),
        Option("config", Path, None, "Gateway settings, a TOML file."),
        Option("clock", str, None, "Shared clock of a demo, made by its parent process."),
        Option("run-dir", Path, None, "Folder of a running demo, made by its parent process."),
        Option("recording", Path, None, "Recorded sensor file to play in place of the simulated people."),
        Option("with-parent", bool, False, "Stop when stdin ends; used for child processes."),
        Option("out", Path, None, "File to write; may be the one that was read (default: stdout)."),
        Option("vectors", Path, None, "Folder of payload vectors."),
        Option("format", str, None, "Only this payload format, for instance ble.bthome.v2."),
        Option(
            "place",
            str,
            None,
            "Place that a device hangs at or that a laptop shows notes of, as in the floor plan.",
        ),
        Option("sensor", str, None, "Kind of sensor that a device is, for instance zigbee_pir."),
        Option(
            "channel", str, None, "Which input of a device, where it has several (default: the only one)."
        ),
        Option("gateway", str, None, "Gateway that hears a device (default: the first of the floor)."),
        Option("key", Path, None, "File with the key that seals settings for gateways.", secret_file=True),
        Option(
            "config-version",
            int,
            None,
            "Number of the settings, above the last one (default: seconds since 1970).",
        ),
        Option(
            "staff-password",
            Path,
            None,
            "Text file with the password of the staff and walk pages (default: this machine only).",
            secret_file=True,
        ),
        Option(
            "council-password",
            Path,
            None,
            "Text file with the password of the works council's stop switch (default: that of staff alone).",
            secret_file=True,
        ),
        Option(
            "directory",
            Path,
            None,
            "TOML file of the directory that people log in through, OpenID Connect (default: our own accounts alone).",
        ),
        Option(
            "channels",
            Path,
            None,
            "Channels file, YAML: whom to tell outside the screens (default: nobody).",
        ),
        Option("try", bool, False, "Send one trial message to each channel, say how it went, and stop."),
        Option("ha-discovery", bool, False, "Publish every place and zone for Home Assistant (default off)."),
        Option(
            "ha-prefix", str, "homeassistant", "Discovery prefix of Home Assistant (default homeassistant)."
        ),
        Option("language", str, "nl", "Language of a walk or of notes, nl or en (default nl)."),
        Option("lang", str, "nl", "Language of what is said, nl or en (default nl)."),
        Option("json", bool, False, "Print JSON lines instead of text."),
        Option("days", int, 1, "Workdays to simulate, from a Tuesday on (default 1)."),
        Option("out", Path, None, "Folder for the files that are written."),
        Option("worn", bool, False, "Some sensors are broken, as in a worn building."),
        Option(
            "scenario", str, "normal", "Building that is not as usual, such as bad-radio (default normal)."
        ),
        Option(
            "places",
            int,
            None,
            "Places of a made site, in place of a plan (default: the plan; no truth is written).",
        ),
        Option("made-minutes", int, 10, "Minutes of a made site, from 10:00 on (default 10)."),
        Option("from", str, None, "First day, as 2026-11-01."),
        Option("to", str, None, "Last day, as 2026-11-30."),
        Option("role", str, None, "Role of an account: staff, facility, installer, works_council or admin."),
        Option("output", _folder, None, "File to write; its ending says how: .pdf or .html."),
        Option("by", str, "hour", "How fine: 5min, hour or day (default hour)."),
        Option(
            "url",
            str,
            None,
            "Address of the pages as telephones reach it, such as https://plekken.example.nl.",
        ),
        Option("floor", str, None, "Only this floor of the plan, such as f3 (default: all)."),
        Option(
            "here",
            str,
            None,
            "Where a screen hangs, x,y in metres from the top left, such as 3.5,12 (default: as in the plan).",
        ),
        Option(
            "screens-need-links",
            bool,
            False,
            "Walls need a link from `plekvrij screens` (default: only when --host is not this machine alone).",
        ),
        Option(
            "undo-seconds",
            _undo_s,
            60.0,
            "How long staff can undo what they asked of a place, real s, 0-600; 0: never (default 60; `serve` and"
            " `demo` take it from the environment).",
        ),
        Option(
            "allowed-hosts",
            str,
            None,
            "More names that browsers may reach the pages by, with commas (default: --host and this machine).",
        ),
        Option(
            "theme",
            str,
            None,
            "Colours and font of the pages, a JSON file of NL Design System tokens or neutral (default: our own).",
        ),
        Option(
            "names",
            str,
            None,
            "Names or addresses by which gateways reach this machine, with commas; the certificates are made for them.",
        ),
        Option("broker-port", int, 8883, "TLS port of Mosquitto for who has a password (default 8883)."),
        Option(
            "gateway-port", int, 8884, "TLS port of Mosquitto for gateways with a certificate (default 8884)."
        ),
        Option("enrol-port", int, 8885, "HTTPS port of the enrolment server (default 8885)."),
        Option(
            "broker-folder",
            _folder,
            None,
            "Folder of `plekvrij broker-files`, with the authority of the site.",
        ),
        Option("minutes", float, 60.0, "How long an enrolment code is good, minutes (default 60)."),
        Option("timeline", Path, None, "Also write what the filter said, moment by moment, to this file."),
    )
}


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command of `plekvrij`: what it does, its positionals and its settings."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    options: tuple[str, ...]
    positionals: tuple[tuple[str, str, str], ...] = ()
    """(name, nargs, help); nargs is '' for exactly one, '?' for optional."""
    defaults: tuple[tuple[str, Any], ...] = ()
    hidden: bool = False


def build_parser(commands: Mapping[str, CommandSpec]) -> argparse.ArgumentParser:
    """Return the command-line parser made from the table."""
    parser = argparse.ArgumentParser(
        prog="plekvrij", description="Live workplace occupancy and fair desk hold times.", epilog=EXIT_CODES
    )
    parser.add_argument("--version", action="version", version=f"plekvrij {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for spec in commands.values():
        extra: dict[str, Any] = {} if spec.hidden else {"help": spec.help}
        child = subparsers.add_parser(spec.name, description=spec.help, epilog=EXIT_CODES, **extra)
        for name, nargs, text in spec.positionals:
            child.add_argument(name, help=text, nargs=nargs or None)
        defaults = dict(spec.defaults)
        for name in spec.options:
            option = OPTIONS[name]
            destination = name.replace("-", "_")
            if option.kind is bool:
                child.add_argument(option.flag, action="store_true", dest=destination, help=option.help)
                continue
            default = _default(option, defaults.get(name, option.default))
            child.add_argument(
                option.flag,
                type=option.kind,
                default=default,
                dest=destination,
                help=option.help,
                metavar=name.upper().replace("-", "_"),
            )
    return parser


def _default(option: Option, default: Any) -> Any:
    text = os.environ.get(option.variable)
    if text is None:
        return default
    try:
        return option.kind(text)
    except ValueError as error:
        raise SettingInvalid(f"{option.variable}={text!r} cannot be read: {error}") from error
