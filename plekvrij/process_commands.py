"""`plekvrij serve` and the processes of a site: gateway, ingest, dashboard, and the building of a demo."""

from __future__ import annotations

import argparse

from plekvrij import logs, wiring
from plekvrij.arguments import CHILD, clock_of, ha_prefix, needs, site_of
from plekvrij.exposition import Exposition, Tell, exposed
from plekvrij.lifecycle import announce_ready, run
from plekvrij.options import CommandSpec
from plekvrij.short_pauses import forget_the_start, keep_pauses_short
from plekvrij.site_watch import run_with_newest

Arguments = argparse.Namespace
HA = ("ha-discovery", "ha-prefix")
PAGES = ("host", "port")
_PASSWORDS = ("staff-password", "council-password", "directory")
_SITE = ("plan", "policy", "data", "broker", "credential", "influx")


def _serve(arguments: Arguments) -> int:
    from plekvrij.serve import run_serve

    logs.set_up("serve")
    needs(arguments, "data")
    site = site_of(arguments)
    return run(
        lambda: run_serve(
            site,
            data=arguments.data,
            broker=arguments.broker,
            credential=arguments.credential,
            influx=arguments.influx,
            ha_prefix=ha_prefix(arguments),
            staff_password=arguments.staff_password,
            council_password=arguments.council_password,
            channels=arguments.channels,
            host=arguments.host,
            port=arguments.port,
            metrics=arguments.metrics,
            screens_need_links=arguments.screens_need_links,
            theme=arguments.theme,
            allowed_hosts=arguments.allowed_hosts,
            directory=arguments.directory,
        )
    )


def _gateway(arguments: Arguments) -> int:
    needs(arguments, "config")
    logs.set_up(arguments.config.stem)
    broker = wiring.broker_of(arguments.broker, arguments.credential)
    devices = wiring.device_broker_of(broker, arguments.device_credential)
    exposition = Exposition()
    with exposed(arguments.metrics, exposition):
        return run(
            lambda: wiring.run_gateway(
                arguments.config,
                broker=broker,
                device_broker=devices,
                clock=clock_of(arguments),
                ready=announce_ready,
                told=_teller(arguments, exposition),
                credential=arguments.credential,
            ),
            until_stdin_ends=arguments.with_parent,
        )


def _teller(arguments: Arguments, exposition: Exposition) -> Tell | None:
    """Return who hears of our health: nobody without `--metrics`, so that nobody looks for nothing."""
    return exposition.tell if arguments.metrics else None


def _ingest(arguments: Arguments) -> int:
    needs(arguments, "broker", "data")
    logs.set_up("ingest")
    site = site_of(arguments)
    arguments.data.mkdir(parents=True, exist_ok=True)
    exposition = Exposition()
    keep_pauses_short()

    def ready() -> None:
        forget_the_start()
        announce_ready()

    async def work(newest: wiring.Site) -> None:
        await wiring.run_worker(
            newest,
            cluster=arguments.cluster,
            folder=arguments.data,
            broker=wiring.broker_of(arguments.broker, arguments.credential),
            clock=clock_of(arguments),
            influx=arguments.influx,
            ready=ready,
        )

    async def ingest(newest: wiring.Site) -> None:
        await wiring.run_ingest(
            newest,
            database=arguments.data / "site.db",
            broker=wiring.broker_of(arguments.broker, arguments.credential),
            clock=clock_of(arguments),
            influx=arguments.influx,
            ha_prefix=ha_prefix(arguments),
            ready=ready,
            told=_teller(arguments, exposition),
        )

    with exposed(arguments.metrics, exposition):
        one = work if arguments.cluster else ingest
        return run(lambda: run_with_newest(site, one), until_stdin_ends=arguments.with_parent)


def _dashboard(arguments: Arguments) -> int:
    needs(arguments, "broker", "data")
    logs.set_up("dashboard")
    site = site_of(arguments)
    exposition = Exposition()

    async def dashboard(newest: wiring.Site) -> None:
        await wiring.run_dashboard(
            newest,
            database=arguments.data / "site.db",
            broker=wiring.broker_of(arguments.broker, arguments.credential),
            clock=clock_of(arguments),
            staff_password=arguments.staff_password,
            council_password=arguments.council_password,
            host=arguments.host,
            port=arguments.port,
            ready=announce_ready,
            screens_need_links=arguments.screens_need_links,
            theme=arguments.theme,
            allowed_hosts=arguments.allowed_hosts,
            undo_s=arguments.undo_seconds,
            directory=arguments.directory,
            watched=exposition.watch_zones,
            watched_screens=exposition.watch_screens,
            watched_refusals=exposition.watch_refusals,
        )

    with exposed(arguments.metrics, exposition):
        return run(lambda: run_with_newest(site, dashboard), until_stdin_ends=arguments.with_parent)


def _building(arguments: Arguments) -> int:
    needs(arguments, "broker", "run-dir")
    logs.set_up("building")
    site = site_of(arguments)
    devices = wiring.broker_of(arguments.broker, arguments.device_credential or arguments.credential)
    if arguments.recording is not None:
        from plekvrij.replay import play_recording

        return run(
            lambda: play_recording(
                arguments.recording,
                site.plan,
                devices,
                clock_of(arguments),
                arguments.run_dir,
                announce_ready,
            ),
            until_stdin_ends=arguments.with_parent,
        )
    return run(
        lambda: wiring.run_building(
            site,
            device_broker=devices,
            clock=clock_of(arguments),
            seed=arguments.seed,
            run_dir=arguments.run_dir,
            ready=announce_ready,
        ),
        until_stdin_ends=arguments.with_parent,
    )


COMMANDS = (
    CommandSpec(
        "serve",
        "Run one site: broker (unless --broker), ingest and pages.",
        _serve,
        (
            *_SITE,
            *HA,
            *PAGES,
            *_PASSWORDS,
            "allowed-hosts",
            "screens-need-links",
            "theme",
            "channels",
            "metrics",
        ),
    ),
    CommandSpec("gateway", "Run one edge gateway.", _gateway, (*CHILD, "config")),
    CommandSpec(
        "ingest",
        "Run ingest: store, engine, rollups, InfluxDB; with --cluster the share of one worker of several.",
        _ingest,
        (*CHILD, "data", "influx", *HA, "cluster"),
    ),
    CommandSpec(
        "dashboard",
        "Serve the pages and the API.",
        _dashboard,
        (*CHILD, "data", *PAGES, *_PASSWORDS, "allowed-hosts", "screens-need-links", "theme", "undo-seconds"),
    ),
    CommandSpec(
        "building",
        "Play the simulated building of a demo.",
        _building,
        (*CHILD, "seed", "run-dir", "recording"),
        hidden=True,
    ),
)
