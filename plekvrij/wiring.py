"""The composition root: settings -> adapters -> stages. Here, and only here, the stages meet."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from plekvrij import __version__, sqlite_driver
from plekvrij.clocks import wall_clock
from plekvrij.credentials import BrokerUrl, parse_broker, read_bindkeys, read_credential, read_password
from plekvrij.hosts import names_of
from workplace import floor_plan, policy
from workplace.errors import SettingInvalid
from workplace.events import GatewayHealth, IngestHealth, ZoneState
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import Clock, OpenLink, TrapCodec, WireSession

if TYPE_CHECKING:
    from dashboard.wall.screen_links import ScreenCounts
    from gateway.settings import SerialPort
    from ingest.part_tools import PartTools

_HERE = Path(__file__).resolve().parent
#: In a wheel the examples lie inside the package, in a checkout beside it.
EXAMPLES = _HERE / "examples" if (_HERE / "examples").exists() else _HERE.parent / "examples"
DEMO_PLAN = EXAMPLES / "town_hall.plan.yaml"
DEMO_POLICY = EXAMPLES / "town_hall.policy.yaml"


@dataclass(frozen=True, slots=True)
class Site:
    """What every process of a site reads at its start."""

    plan: FloorPlan
    policy: Policy
    plan_file: Path
    policy_file: Path | None


def read_site(plan_file: Path, policy_file: Path | None) -> Site:
    """Read and check both files; without a policy file a site has the default rules, in shadow mode.

    Raises:
        DocumentInvalid: with every mistake of the first file that has one.
        SettingInvalid: a file cannot be read.
    """
    try:
        plan_text = plan_file.read_text("utf-8")
        policy_text = None if policy_file is None else policy_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(f"cannot read the site's files: {error}") from error
    plan = floor_plan.load(plan_text, str(plan_file))
    rules = (
        policy.default(plan.site) if policy_text is None else policy.load(policy_text, str(policy_file), plan)
    )
    return Site(plan, rules, plan_file, policy_file)


def broker_of(url: str | None, credential_file: Path | None) -> BrokerUrl:
    """Return the broker's address with the credentials of the file, or of the address itself.

    Args:
        url: None takes the address that came with the credential.

    Raises:
        SettingInvalid: there is no address, or the credential cannot be read.
    """
    credential = None if credential_file is None else read_credential(credential_file)
    url = url or (None if credential is None else credential.broker)
    if url is None:
        raise SettingInvalid("give the address of the broker: --broker mqtts://broker.example:8883")
    broker = parse_broker(url)
    if credential is None:
        return broker
    return BrokerUrl(broker.url, broker.host, broker.port, broker.tls, credential)


def device_broker_of(broker: BrokerUrl, credential_file: Path | None) -> BrokerUrl:
    """Return the broker of the devices: that of the gateway, unless the credential of the devices names another."""
    if credential_file is None:
        return broker
    return broker_of(read_credential(credential_file).broker or broker.url, credential_file)


def link_opener(broker: BrokerUrl) -> OpenLink:
    """Return a function that opens links to this broker."""
    from gateway.mqtt_link import BrokerAddress, MqttLink

    credential = broker.credential
    address = BrokerAddress(
        broker.url,
        credential.user if credential and credential.certificate_file is None else None,
        credential.password if credential else None,
        credential.ca_file if credential else None,
        credential.certificate_file if credential else None,
    )
    return partial(MqttLink, address)


async def run_gateway(
    config: Path,
    *,
    broker: BrokerUrl,
    device_broker: BrokerUrl,
    clock: Clock,
    ready: Callable[[], None],
    told: Callable[[GatewayHealth], None] | None = None,
    credential: Path | None = None,
) -> None:
    """Run one gateway until cancelled; `told` hears each look at its health.

    The certificate of an enrolled gateway, in the file `credential`, is renewed meanwhile.

    Raises:
        SettingInvalid: the configuration cannot be read.
        DocumentInvalid: it has mistakes.
    """
    from firmware_bridge.adverts import SensorAdverts
    from firmware_bridge.formats.snmp_link import decode_trap, link_of_varbinds, response_to_inform
    from firmware_bridge.formats.syslog_link import SyslogLinkDecoder
    from firmware_bridge.mqtt_decoders import MQTT_DECODERS, MQTT_LIGHTS
    from gateway.app import run_gateway as run
    from gateway.notify import notifier_of
    from gateway.settings_file import load
    from gateway.sources.table import Tools
    from gateway.wall_clock import kernel_boot

    try:
        text = config.read_text("utf-8")  # noqa: ASYNC240 - once, at the start
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(f"cannot read {config}: {error}") from error
    settings = load(text, str(config))
    own = broker.credential
    running = run(
        settings,
        clock=clock,
        open_link=link_opener(broker),
        connect=sqlite_driver.connect,
        tools=Tools(
            open_device_link=link_opener(device_broker),
            wire_session=_wire_session,
            mqtt_decoder=lambda bridge: MQTT_DECODERS[bridge.format](bridge.base, bridge.models),
            mqtt_lights=lambda bridge: MQTT_LIGHTS.get(bridge.format),
            trap_codec=TrapCodec(decode_trap, response_to_inform, link_of_varbinds),
            syslog_decoder=SyslogLinkDecoder,
            advert_decoder=lambda radio: SensorAdverts(read_bindkeys(radio.bindkeys)),
        ),
        ready=ready,
        told=told,
        notifier=notifier_of(os.environ),
        boot=kernel_boot() if clock == wall_clock() else "",
    )
    if credential is None or own is None or own.certificate_file is None:
        await running
        return
    from plekvrij.enrol.keeper import keep_certificate

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_certificate(credential), name="certificate")
        await running


def _wire_session(port: SerialPort) -> WireSession:
    """Return the gateway's end of what is spoken on a serial port."""
    from firmware_bridge.dsp1.host_session import HostSession
    from firmware_bridge.listening_session import STREAMS, ListeningSession

    if port.format == "dsp1":
        return HostSession()
    return ListeningSession(STREAMS[port.format], port.device or "", secrets.randbits(32))


async def run_ingest(
    site: Site,
    *,
    database: Path,
    broker: BrokerUrl,
    clock: Clock,
    influx: str | None,
    ha_prefix: str | None,
    ready: Callable[[], None],
    told: Callable[[IngestHealth], None] | None = None,
    parts: PartTools | None = None,
    name: str = "",
) -> None:
    """Run ingest (store, engine, rollups, sink) until cancelled; with `parts`, of one partition of the site."""
    from ingest.app import IngestSettings
    from ingest.app import run_ingest as run
    from workplace.holds.engine import SiteEngine

    credential = broker.credential
    if credential is not None and credential.certificate_file is not None:
        raise SettingInvalid(
            "ingest logs in with a password; certificates are for gateways. Give --credential .../ingest.json"
        )
    settings = IngestSettings(
        site=site.plan.site,
        database=database,
        broker_host=broker.host,
        broker_port=broker.port,
        broker_others=broker.others,
        broker_tls=broker.tls,
        username=credential.user if credential else None,
        password=credential.password if credential else None,
        broker_ca_file=credential.ca_file if credential else None,
        client_id=f"ingest-{site.plan.site}{name}",
        influx_url=influx,
        version=__version__,
        ha_prefix=ha_prefix,
    )
    await run(
        settings,
        plan=site.plan,
        policy=site.policy,
        engine_factory=lambda: SiteEngine(site.plan, site.policy),
        clock=clock,
        open_link=link_opener(broker),
        connect=sqlite_driver.connect,
        ready=ready,
        told=told,
        parts=parts,
    )


async def run_worker(
    site: Site,
    *,
    cluster: str,
    folder: Path,
    broker: BrokerUrl,
    clock: Clock,
    influx: str | None,
    ready: Callable[[], None],
) -> None:
    """Run ingest of as many floors as are this worker's share, until cancelled."""
    from ingest.cluster.app import Worker
    from ingest.cluster.bus import connected

    async def run_part(plan: FloorPlan, database: Path, parts: PartTools) -> None:
        await run_ingest(
            replace(site, plan=plan), database=database, broker=broker, clock=clock, influx=influx, ha_prefix=None,
            ready=lambda: None, parts=parts, name=f"-{parts.partition}-{worker.name}",
        )  # fmt: skip

    credential = broker.credential
    user, password = (credential.user, credential.password) if credential else (None, None)
    async with connected(cluster, user, password, credential.ca_file if credential else None) as bus:
        worker = Worker(bus, site.plan, folder, sqlite_driver.connect, run_part, ready)
        await worker.run()


async def run_dashboard(
    site: Site,
    *,
    database: Path,
    broker: BrokerUrl,
    clock: Clock,
    staff_password: Path | None,
    council_password: Path | None,
    host: str,
    port: int,
    ready: Callable[[], None],
    screens_need_links: bool = False,
    theme: str | None = None,
    allowed_hosts: str | None = None,
    undo_s: float = 60.0,
    directory: Path | None = None,
    watched: Callable[[Callable[[], list[ZoneState]]], None] | None = None,
    watched_screens: Callable[[Callable[[], ScreenCounts]], None] | None = None,
    watched_refusals: Callable[[Callable[[], dict[str, int]]], None] | None = None,
) -> None:
    """Serve the pages and the API until cancelled."""
    from dashboard.accounts.directory import read_directory
    from plekvrij.dashboard_process import serve

    await serve(
        site,
        database=database,
        open_link=link_opener(broker),
        clock=clock,
        staff_password=None if staff_password is None else read_password(staff_password),
        council_password=None if council_password is None else read_password(council_password),
        host=host,
        port=port,
        ready=ready,
        screens_need_links=screens_need_links,
        theme=theme,
        allowed_hosts=names_of(allowed_hosts),
        undo_s=undo_s,
        directory=None
        if directory is None
        else read_directory(directory, os.environ.get("CREDENTIALS_DIRECTORY")),
        watched=watched,
        watched_screens=watched_screens,
        watched_refusals=watched_refusals,
        version=__version__,
    )


async def run_building(
    site: Site, *, device_broker: BrokerUrl, clock: Clock, seed: int, run_dir: Path, ready: Callable[[], None]
) -> None:
    """Play the simulated building until cancelled."""
    from plekvrij.demo_radios import AIRS_FILE
    from plekvrij.demo_switches import SWITCHES_FILE
    from simulators.ble_air import read_airs
    from simulators.building import run_building as run
    from simulators.carried import CARRIED_FILE, read_carried
    from simulators.switch_player import read_switches

    await run(
        site.plan,
        seed=seed,
        clock=clock,
        open_device_link=link_opener(device_broker),
        run_dir=run_dir,
        start_at=clock.now(),
        switches=read_switches(run_dir / SWITCHES_FILE),
        airs=read_airs(run_dir / AIRS_FILE),
        carried=read_carried(run_dir / CARRIED_FILE),
        ready=ready,
    )
