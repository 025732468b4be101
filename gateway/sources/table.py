"""From the settings of a gateway to its sources: one block per kind of source."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.intake import Intake
from gateway.replay_marks import ReplayMarks
from gateway.settings import BleRadio, GatewaySettings, MqttBridge, SerialPort
from gateway.sources.ble_source import BleSource
from gateway.sources.link_netlink import NetlinkDockSource
from gateway.sources.mqtt_devices import MqttDeviceSource
from gateway.sources.serial_port import SerialSource
from gateway.sources.source import Source
from workplace.errors import SettingInvalid
from workplace.ports import (
    AdvertDecoder,
    Clock,
    LightEncoder,
    LineDecoder,
    MessageDecoder,
    OpenLink,
    TrapCodec,
    WireSession,
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What sources get from other stages; `plekvrij` hands it in.

    Attributes:
        open_device_link: to the broker of MQTT devices; only used when `settings.mqtt` names some.
        wire_session: a new session of a wired protocol for each opening of a serial port.
        mqtt_decoder: a decoder for the messages under one base topic.
        mqtt_lights: how lights of the devices under one base topic are set; None where they have none.
        advert_decoder: a decoder for the adverts that one Bluetooth adapter hears.
        trap_codec: reads the traps of switches; None where no switch is.
        syslog_decoder: a new decoder for the lines of switches, likewise.
    """

    open_device_link: OpenLink
    wire_session: Callable[[SerialPort], WireSession]
    mqtt_decoder: Callable[[MqttBridge], MessageDecoder]
    advert_decoder: Callable[[BleRadio], AdvertDecoder]
    trap_codec: TrapCodec | None = None
    syslog_decoder: Callable[[], LineDecoder] | None = None
    mqtt_lights: Callable[[MqttBridge], LightEncoder | None] = lambda _bridge: None


async def build_sources(
    settings: GatewaySettings, tools: Tools, intake: Intake, clock: Clock, stack: AsyncExitStack
) -> list[Source]:
    """Return all sources that the settings name, not yet running; what they share is closed with `stack`."""
    sources: list[Source] = [
        SerialSource(
            s.port, baud=s.baud, new_session=partial(tools.wire_session, s), intake=intake, clock=clock
        )
        for s in settings.serial
    ]
    for bridge in settings.mqtt:
        # a link each: on NATS one client may have four filters that end in `#`, and Tasmota alone takes two
        client = f"gateway-{zlib.crc32(f'{settings.gateway}/{bridge.base}'.encode()):08x}-devices"
        sources.append(
            MqttDeviceSource(
                bridge.base,
                family=bridge.format,
                link=await stack.enter_async_context(tools.open_device_link(client)),
                decoder=tools.mqtt_decoder(bridge),
                intake=intake,
                clock=clock,
                lights=tools.mqtt_lights(bridge),
            )
        )
    if settings.ble is not None:
        decoder = tools.advert_decoder(settings.ble)
        marks = ReplayMarks(Path(settings.outbox + ".ble.json"))
        sources.append(BleSource(settings.ble, decoder=decoder, intake=intake, clock=clock, marks=marks))
    if settings.switch:
        if tools.trap_codec is None or tools.syslog_decoder is None:
            raise SettingInvalid("this gateway was built without decoders for switches")
        # the SNMP library costs a gateway without switches 20 MB
        from gateway.sources.switches import build_switches  # noqa: PLC0415

        sources += await build_switches(
            settings,
            trap_codec=tools.trap_codec,
            syslog_decoder=tools.syslog_decoder,
            intake=intake,
            clock=clock,
            stack=stack,
        )
    dock = settings.laptop_dock
    if dock is not None and dock.interface is not None:
        sources.append(NetlinkDockSource(dock.name, dock.interface, intake=intake, clock=clock))
    elif dock is not None:
        from gateway.sources.dock_hotplug import HotplugDockSource  # noqa: PLC0415 - Linux only

        sources.append(HotplugDockSource(dock.name, dock.usb, intake=intake, clock=clock))
    return sources
