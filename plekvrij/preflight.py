"""Is this broker fit for us? Asked before anybody is told that it is ready."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from workplace.errors import BrokerRefused, BrokerUnreachable
from workplace.ports import OpenLink, Received

LIMIT_S = 10.0
#: NATS acknowledges a retained message before it can give it to new subscribers: ask again after this, s.
ASK_AGAIN_S = 1.0


async def check_broker(open_link: OpenLink, url: str, topic_base: str) -> None:
    """Publish at QoS 1, retained, and read it back through a subscription.

    A broker that lacks rights for us may acknowledge all the same and drop the message: only reading back tells.

    Raises:
        BrokerUnreachable: no connection in time.
        BrokerRefused: connected, but the message did not come back.
    """
    word = secrets.token_hex(8)
    topic = f"{topic_base}/preflight/{word}"
    came_back = asyncio.Event()

    def compare(message: Received) -> None:
        if message.payload == word.encode():
            came_back.set()

    async with open_link(f"preflight-{word}") as link:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not link.is_connected:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise BrokerUnreachable(url, f"no connection in {LIMIT_S:g} s") from None
        await link.publish(topic, word.encode(), retain=True)
        try:
            async with asyncio.timeout(LIMIT_S):
                while not came_back.is_set():
                    await link.subscribe(topic, compare)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(ASK_AGAIN_S):
                            await came_back.wait()
        except TimeoutError:
            raise BrokerRefused(url, "a retained message did not come back") from None
        await link.publish(topic, b"", retain=True)
