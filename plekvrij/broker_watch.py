"""The embedded broker is started again when it ends, and when it runs but takes nobody in any more.

The second happens: after a full disk `nats-server` goes on saying "no space left" about what it could not write then,
however much space there is by now, and no client gets in until it is started anew. Its queues are on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from plekvrij.preflight import ASK_AGAIN_S
from workplace.errors import BrokerUnreachable
from workplace.ports import MessageLink, Received

#: How often the broker is asked, s. Lower: work for nothing. Higher: a site waits longer for a broker that hangs.
LOOK_S = 10.0
#: So many times in a row it must fail: a busy machine is no broken broker.
FAILURES = 2
ANSWERS_WITHIN_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0


class Restartable(Protocol):
    """What is watched: `EmbeddedBroker`, or a double."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def wait_ended(self) -> int: ...


#: Opens a link, as `wiring.link_opener` makes it: client id, and whether the broker forgets us when we leave.
OpenSession = Callable[..., AbstractAsyncContextManager[MessageLink]]


async def ask_broker(open_link: OpenSession, url: str, topic_base: str) -> None:
    """Connect with a session that is kept, and read back a retained message: each kind of its streams must work.

    Raises:
        BrokerUnreachable: it does not take us in, does not acknowledge, or does not deliver.
    """
    topic, word = f"{topic_base}/preflight/watch", secrets.token_bytes(8)
    came_back = asyncio.Event()

    def compare(message: Received) -> None:
        if message.payload == word:
            came_back.set()

    async with open_link("preflight-watch", clean_session=False, is_quiet=True) as link:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                while not link.is_connected:
                    await asyncio.sleep(0.05)
                await link.publish(topic, word, qos=1, retain=True)
                while not came_back.is_set():  # subscribed afterwards: only what is stored comes then
                    await link.subscribe(topic, compare)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(came_back.wait(), ASK_AGAIN_S)
        except TimeoutError:
            raise BrokerUnreachable(url, f"it served nobody for {ANSWERS_WITHIN_S:g} s") from None


async def keep_broker(
    broker: Restartable,
    ask: Callable[[], Awaitable[None]],
    tell: Callable[[str], None],
    *,
    look_s: float = LOOK_S,
) -> None:
    """Watch until cancelled.

    Args:
        ask: raises `BrokerUnreachable` when the broker does not serve.
        tell: hears why it is started again.
    """
    failures = 0
    while True:
        try:
            async with asyncio.timeout(look_s):
                code = await broker.wait_ended()
            tell(f"the broker ended with code {code}, starting it again")
        except TimeoutError:
            try:
                await ask()
                failures = 0
                continue
            except BrokerUnreachable as error:
                failures += 1
                if failures < FAILURES:
                    continue
                tell(f"the broker runs and serves nobody ({error}), starting it again")
        await _restart(broker, tell)
        failures = 0


async def _restart(broker: Restartable, tell: Callable[[str], None]) -> None:
    pause_s = FIRST_PAUSE_S
    while True:
        await broker.stop()
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        try:
            await broker.start()
        except (BrokerUnreachable, OSError) as error:  # a full disk takes no configuration either
            tell(str(error))
        else:
            return
