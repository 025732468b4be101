"""Carries a simulated MQTT client over a broker link that is handed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime

from simulators.sensors import SensorInput
from simulators.speaker import Input, Publication, Speaker
from workplace.ports import MessageLink, OpenLink, Received


class MqttPlayer:
    """Publishes what a speaker says. `lost` counts messages that the link had no room for."""

    def __init__(self, speaker: Speaker, link: MessageLink) -> None:
        self._speaker = speaker
        self._link = link
        self.lost = 0

    @property
    def hears(self) -> tuple[Input, ...]:
        return self._speaker.hears

    @property
    def wake_at(self) -> datetime:
        return self._speaker.wake_at

    def on_connection(self, is_connected: bool) -> None:
        """Say again who is there, as real devices do after each connect."""
        if is_connected:
            self.say(self._speaker.opening())

    def on_command(self, message: Received) -> None:
        self.say(self._speaker.obey(message.topic, message.payload))

    def show(self, entry: SensorInput, now: datetime) -> None:
        self.say(self._speaker.take(entry, now))

    def due(self, now: datetime) -> None:
        if now >= self._speaker.wake_at:
            self.say(self._speaker.due(now))

    def say(self, publications: Iterable[Publication]) -> None:
        for said in publications:
            if not self._link.publish_soon(said.topic, said.payload, qos=said.qos, retain=said.retain):
                self.lost += 1


@asynccontextmanager
async def mqtt_player(speaker: Speaker, open_link: OpenLink, client_id: str) -> AsyncIterator[MqttPlayer]:
    """Open the link of one speaker, with its last will; its opening words follow each connect."""
    async with open_link(client_id, will=speaker.will) as link:
        player = MqttPlayer(speaker, link)
        link.on_connection(player.on_connection)
        if link.is_connected:
            player.on_connection(is_connected=True)
        for topic_filter in speaker.commands:
            await link.subscribe(topic_filter, player.on_command)
        yield player
