"""Wishes from pages to the engine, over the broker: publish a `Request`, wait for its `Reply`."""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from workplace import codec
from workplace.errors import MessageRejected, WorkplaceError
from workplace.events import Reply, Request
from workplace.ports import MessageLink, Received
from workplace.topics import Topics


class RequestUnanswered(WorkplaceError):
    """The engine did not answer in time; tell the person that nothing is certain and to try again."""

    def __init__(self, request_id: str, timeout_s: float) -> None:
        super().__init__(f"no answer to request {request_id} within {timeout_s:g} s")
        self.request_id = request_id


class RequestClient:
    """Sends requests and hands each reply to whoever asked. One object per process, `name` unique per site.

    `await listen()` once the link is there, then `await send(request)`.
    """

    def __init__(self, link: MessageLink, topics: Topics, name: str, *, timeout_s: float = 5.0) -> None:
        self._link = link
        self._topics = topics
        self._name = name
        self._timeout_s = timeout_s
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self.rejected = 0
        """Replies that could not be read."""

    async def listen(self) -> None:
        """Subscribe to replies and return; the link subscribes again after each reconnect.

        Raises:
            BrokerRefused: the broker does not let this client read its replies.
        """
        await self._link.subscribe(self._topics.reply(self._name), self._receive)

    async def send(self, request: Request) -> Reply:
        """Return the engine's answer.

        Raises:
            RequestUnanswered: no reply in time.
            BrokerUnreachable: the request may not have left.
        """
        addressed = msgspec.structs.replace(request, reply_to=self._name)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._link.publish(self._topics.request(request.id), codec.encode(addressed))
                return await answer
        except TimeoutError as error:
            raise RequestUnanswered(request.id, self._timeout_s) from error
        finally:
            del self._waiting[request.id]

    def _receive(self, received: Received) -> None:
        if received.retained:  # an answer to somebody before us
            return
        try:
            reply = codec.decode(received.payload, Reply)
        except MessageRejected:
            self.rejected += 1
            return
        waiting = self._waiting.get(reply.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)


def new_request_id() -> str:
    """Return an id that nobody can guess or repeat."""
    return f"rq-{secrets.token_hex(12)}"
