"""The command line: a table of commands, each a few lines that call the wiring."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from plekvrij import (
    account_command,
    accounts_command,
    broker_files_command,
    care_commands,
    channel_commands,
    enrol_command,
    export_command,
    logs,
    night_commands,
    policy_command,
    process_commands,
    qr_command,
    report_command,
    screens_command,
    wiring,
)
from plekvrij.arguments import ha_prefix as _ha_prefix
from plekvrij.arguments import needs as _needs
from plekvrij.arguments import site_of as _site
from plekvrij.lifecycle import run
from plekvrij.options import CommandSpec, build_parser
from plekvrij.privacy import command as privacy_command
from workplace.errors import (
    BrokerRefused,
    BrokerUnreachable,
    DocumentInvalid,
    ServerUnreachable,
    SettingInvalid,
    StoreUnavailable,
    WorkplaceError,
)

Arguments = argparse.Namespace


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code (see `plekvrij --help`)."""
    try:
        arguments = build_parser(COMMANDS).parse_args(argv)
        return COMMANDS[arguments.command].run(arguments)
    except (DocumentInvalid, SettingInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    except (BrokerUnreachable, BrokerRefused, ServerUnreachable, StoreUnavailable) as error:
        print(error, file=sys.stderr)
        return 3
    except WorkplaceError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _demo(arguments: Arguments) -> int:
    from plekvrij.demo import DemoSettings, run_demo

    logs.set_up("demo")
    settings = DemoSettings(
        site=_site(arguments),
        data=arguments.data,
        broker=arguments.broker,
        influx=arguments.influx,
        host=arguments.host,
        port=arguments.port,
        screens_need_links=arguments.screens_need_links,
        theme=arguments.theme,
        speed=arguments.speed,
        seed=arguments.seed,
        start=arguments.start,
        for_s=getattr(arguments, "for"),
        ha_prefix=_ha_prefix(arguments),
        channels=arguments.channels,
        metrics=arguments.metrics,
    )
    return run(lambda: run_demo(settings))


def _replay(arguments: Arguments) -> int:
    from plekvrij.replay import ReplaySettings, run_replay

    if arguments.dataset == "decisions":
        from plekvrij.replay_decisions import run_replay_decisions

        return run_replay_decisions(
            _site(arguments), Path(arguments.file), arguments.data, as_json=arguments.json
        )
    logs.set_up("replay")
    if arguments.dataset != "uci864":
        raise SettingInvalid(f"unknown recording '{arguments.dataset}'; write uci864 or decisions")
    settings = ReplaySettings(
        recording=Path(arguments.file),
        speed=arguments.speed,
        host=arguments.host,
        port=arguments.port,
        data=arguments.data,
        for_s=getattr(arguments, "for"),
    )
    return run(lambda: run_replay(settings))


def _check(arguments: Arguments) -> int:
    from plekvrij.check_command import check

    policy_file = Path(arguments.policy_file) if arguments.policy_file else None
    return check(Path(arguments.plan_file), policy_file, arguments.channels)


def _devices(arguments: Arguments) -> int:
    from plekvrij import devices_command

    if arguments.action == "unclaimed":
        _needs(arguments, "data")
        return devices_command.unclaimed(arguments.data / "site.db", as_json=arguments.json)
    if arguments.action != "claim":
        raise SettingInvalid(f"unknown action '{arguments.action}'; write unclaimed or claim")
    _needs(arguments, "plan", "place", "sensor")
    if arguments.device is None:
        raise SettingInvalid("plekvrij devices claim needs the id of the device; see `devices unclaimed`")
    entry = devices_command.entry_of(
        arguments.device, arguments.place, arguments.sensor, arguments.channel, arguments.gateway
    )
    return devices_command.claim(arguments.plan, entry)


def _gateway_config(arguments: Arguments) -> int:
    from plekvrij.gateway_config_command import push, sealed

    if arguments.action != "push":
        raise SettingInvalid(f"unknown action '{arguments.action}'; write push")
    _needs(arguments, "plan", "gateway", "config", "key", "broker")
    config = sealed(
        _site(arguments).plan,
        gateway=arguments.gateway,
        overlay_file=arguments.config,
        key_file=arguments.key,
        version=arguments.config_version,
    )
    logs.set_up("gateway-config")
    return run(lambda: push(config, wiring.broker_of(arguments.broker, arguments.credential)))


def _ports(arguments: Arguments) -> int:
    from plekvrij.ports_command import import_ports

    _needs(arguments, "plan")
    if arguments.action != "import":
        raise SettingInvalid(
            f"unknown action '{arguments.action}'; write: plekvrij ports import FILE --plan PLAN"
        )
    return import_ports(Path(arguments.file), arguments.plan, arguments.out)


def _decode(arguments: Arguments) -> int:
    from plekvrij.decode_command import decode

    _needs(arguments, "vectors")
    return decode(arguments.vectors, arguments.format)


def _simulate(arguments: Arguments) -> int:
    from plekvrij.simulate_command import run_simulate, run_simulate_places

    _needs(arguments, "out")
    if arguments.places is not None:
        return run_simulate_places(
            arguments.places, arguments.out, seed=arguments.seed, minutes=arguments.made_minutes
        )
    if arguments.days < 1:
        raise SettingInvalid(f"--days is {arguments.days}; write 1 or more")
    return run_simulate(
        arguments.plan or wiring.DEMO_PLAN,
        arguments.out,
        seed=arguments.seed,
        days=arguments.days,
        worn=arguments.worn,
        scenario=arguments.scenario,
    )


def _evaluate(arguments: Arguments) -> int:
    from plekvrij.evaluate_command import run_evaluate

    plan = arguments.plan or wiring.DEMO_PLAN
    policy = arguments.policy or (wiring.DEMO_POLICY if arguments.plan is None else None)
    return run_evaluate(
        Path(arguments.events),
        Path(arguments.truth),
        plan,
        policy,
        arguments.timeline,
        as_json=arguments.json,
    )


def _walk(arguments: Arguments) -> int:
    from plekvrij.walk_command import run_walk_command

    return run_walk_command(arguments)


_DEMO = (
    "plan",
    "policy",
    "data",
    "broker",
    "influx",
    *process_commands.HA,
    *process_commands.PAGES,
    "screens-need-links",
    "theme",
    "speed",
    "seed",
    "start",
    "for",
    "channels",
    "metrics",
)

COMMANDS: dict[str, CommandSpec] = {
    spec.name: spec
    for spec in (
        CommandSpec(
            "demo",
            "Run a whole simulated town hall on this machine and print its addresses.",
            _demo,
            _DEMO,
            defaults=(("speed", 60.0),),
        ),
        *process_commands.COMMANDS,
        *channel_commands.COMMANDS,
        *care_commands.COMMANDS,
        *export_command.COMMANDS,
        *account_command.COMMANDS,
        *accounts_command.COMMANDS,
        *broker_files_command.COMMANDS,
        *enrol_command.COMMANDS,
        *qr_command.COMMANDS,
        *report_command.COMMANDS,
        *privacy_command.COMMANDS,
        *screens_command.COMMANDS,
        CommandSpec(
            "replay",
            "Send a recording of real sensors through the whole way and compare with the truth, or print the digest of"
            " the decisions that a recording of events gives.",
            _replay,
            ("speed", "data", *process_commands.PAGES, "for", "plan", "policy", "json"),
            positionals=(
                ("dataset", "", "which recording: uci864, or decisions"),
                ("file", "", "its CSV file; decisions: events as JSON lines, or the database of a site"),
            ),
            defaults=(("speed", 1200.0), ("port", 8051)),
        ),
        CommandSpec(
            "walk",
            "Walk test of one floor in a terminal: name each place, wait for its signal, write the sheet.",
            _walk,
            ("plan", "broker", "credential", "data", "language"),
            positionals=(("floor", "", "floor of the plan, for instance f3"),),
        ),
        CommandSpec(
            "check",
            "Check a floor plan and a policy, or a gateway's settings; print every mistake with file and line.",
            _check,
            ("channels",),
            positionals=(
                ("plan_file", "", "floor plan, YAML, or gateway settings, TOML"),
                ("policy_file", "?", "policy, YAML"),
            ),
        ),
        CommandSpec(
            "policy",
            "Name every setting that differs between two policies, or say a policy in plain sentences.",
            policy_command.run,
            ("lang", "json"),
            positionals=(
                ("action", "", "diff (exit code 0: the same, 1: different, 2: no policy) or text"),
                ("file", "", "policy, YAML; for diff the one before"),
                ("other", "?", "diff: the one after"),
            ),
        ),
        CommandSpec(
            "devices",
            "List devices that are heard but have no place, or write one into the floor plan.",
            _devices,
            ("data", "json", "plan", "place", "sensor", "channel", "gateway"),
            positionals=(("action", "", "unclaimed or claim"), ("device", "?", "claim: id of the device")),
        ),
        CommandSpec(
            "gateway-config",
            "Send settings to a gateway, which tries them and rolls back when it cannot greet with them.",
            _gateway_config,
            ("plan", "policy", "gateway", "config", "key", "config-version", "broker", "credential"),
            positionals=(("action", "", "push"),),
        ),
        CommandSpec(
            "ports",
            "Put a list of switch ports and their places, a CSV file, into a floor plan.",
            _ports,
            ("plan", "out"),
            positionals=(
                ("action", "", "what to do: import"),
                (
                    "file",
                    "",
                    "CSV file with the columns switch, port, place (or switch, poort, plek) and gateway",
                ),
            ),
        ),
        CommandSpec(
            "simulate",
            "Write days of the simulated building as sensor events, with the truth; or minutes of a site of any size.",
            _simulate,
            ("plan", "seed", "days", "worn", "scenario", "out", "places", "made-minutes"),
        ),
        CommandSpec(
            "evaluate",
            "Compare what the occupancy models make of recorded sensor events with the truth.",
            _evaluate,
            ("plan", "policy", "timeline", "json"),
            positionals=(
                ("events", "", "sensor events as JSON lines, in order of receiving"),
                ("truth", "", "truth as JSON lines {place, at, state: occupied, held or free}"),
            ),
        ),
        night_commands.COMMAND,
        CommandSpec(
            "decode",
            "Run the decoders against payload vectors.",
            _decode,
            ("vectors", "format"),
        ),
    )
}
