"""The cluster's own protocol, in the words that ingest needs: the only file that knows the NATS library."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.js import api

from workplace.errors import BrokerUnreachable, SettingInvalid

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Copies of every stream; see `plekvrij.nats_cluster_files`.
COPIES = 3
#: Longest wait for one answer, s. Lower: given up while a leader is being chosen. Higher: one lost is noticed late.
ANSWER_S = 2.0
#: Unacknowledged for longer is given out again, s: also what a dead worker had taken. Lower: twice under load.
ACK_WAIT_S = 5.0
#: Taken and not acknowledged at most, per partition.
MAX_UNDER_WAY = 10_000
#: A write was refused because another one came first: JSStreamWrongLastSequenceErrF and its constant form.
_WRONG_LAST = {10071, 10164}
#: JSNoMessageFoundErr.
_NO_MESSAGE = 10037
_READ_AT_ONCE = 200


class WrongLast(Exception):
    """Somebody wrote before us; look who."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last message of a subject: its number in the stream, and the id that its writer gave it."""

    number: int
    message_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """One message of a consumer. `subject` as NATS has it; acknowledge with `reply`."""

    subject: str
    payload: bytes
    reply: str
    is_again: bool


class Bus:
    """One connection to the servers of a cluster, which it keeps up by itself."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._js = client.jetstream(timeout=ANSWER_S)
        self._url = url

    @property
    def is_connected(self) -> bool:
        return bool(self._client.is_connected)

    # Streams

    async def make_stream(self, name: str, subject: str) -> None:
        """Make a stream with three copies, or find it."""
        config = api.StreamConfig(
            name=name, subjects=[subject], num_replicas=COPIES, storage=api.StorageType.FILE,
            retention=api.RetentionPolicy.LIMITS, duplicate_window=120,
        )  # fmt: skip
        await self._asked(lambda: self._js.add_stream(config))

    async def append(self, subject: str, payload: bytes, *, after: int | None, message_id: str) -> int:
        """Write one message, durable on two machines when this returns its number.

        Args:
            after: number of the last message of this subject, without which it is refused; None for whatever is there.

        Raises:
            WrongLast: another one is there.
            BrokerUnreachable: no answer; it may have been written.
        """
        headers = {api.Header.MSG_ID: message_id}
        if after is not None:
            headers[api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE] = str(after)
        answer = await self._asked(lambda: self._js.publish(subject, payload, headers=headers))
        return int(answer.seq)

    async def last(self, stream: str, subject: str) -> Last | None:
        """Return the last message of a subject, None when it has none."""
        try:
            found = await self._asked(lambda: self._js.get_last_msg(stream, subject))
        except KeyError:
            return None
        return Last(int(found.seq), (found.headers or {}).get(api.Header.MSG_ID, ""))

    async def read(self, stream: str, subject: str, upto: int) -> AsyncIterator[tuple[int, bytes]]:
        """Yield number and payload of each message of a subject, oldest first, the last at `upto`.

        Raises:
            BrokerUnreachable: they did not come; begin again.
        """
        config = api.ConsumerConfig(ack_policy=api.AckPolicy.NONE, inactive_threshold=30.0)
        inbox = await self._asked(lambda: self._js.pull_subscribe(subject, stream=stream, config=config))
        try:
            number = 0
            while number < upto:
                for message in await self._asked(lambda: inbox.fetch(_READ_AT_ONCE, timeout=ANSWER_S)):
                    number = int(message.metadata.sequence.stream)
                    yield number, message.data
        finally:
            with suppress(nats.errors.Error):
                await inbox.unsubscribe()

    async def purge(self, stream: str, subject: str, before: int | None = None) -> None:
        """Delete the messages of a subject, those below number `before` if given."""
        await self._asked(lambda: self._js.purge_stream(stream, seq=before, subject=subject))

    # What waits for a worker

    async def take_from(self, stream: str, name: str, subjects: Sequence[str]) -> Any:
        """Return a place to `take` from: a consumer that outlives us and has three copies, made here or found."""
        config = api.ConsumerConfig(
            durable_name=name, filter_subjects=list(subjects), ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S, max_ack_pending=MAX_UNDER_WAY, num_replicas=COPIES,
        )  # fmt: skip
        await self._asked(lambda: self._js.add_consumer(stream, config))
        return await self._asked(lambda: self._js.pull_subscribe_bind(consumer=name, stream=stream))

    async def take(self, place: Any, at_most: int, within_s: float) -> list[Taken]:
        """Return what waits, after `within_s` nothing.

        Raises:
            BrokerUnreachable: no answer; ask again.
        """
        try:
            found = await place.fetch(at_most, timeout=within_s)
        except (TimeoutError, nats.errors.TimeoutError):
            return []
        except nats.errors.Error as error:
            raise BrokerUnreachable(self._url, str(error) or type(error).__name__) from error
        return [Taken(m.subject, m.data, m.reply, m.metadata.num_delivered > 1) for m in found]

    async def let_go(self, place: Any) -> None:
        with suppress(nats.errors.Error):
            await place.unsubscribe()

    async def acknowledge(self, replies: Sequence[str]) -> None:
        """Say that these are done; what gets lost of it comes again."""
        await self._say(replies, b"+ACK")

    async def give_back(self, replies: Sequence[str]) -> None:
        """Let the next owner have these at once."""
        await self._say(replies, b"-NAK")

    async def _say(self, replies: Sequence[str], word: bytes) -> None:
        with suppress(nats.errors.Error):
            for reply in replies:
                await self._client.publish(reply, word)

    async def hear(self, subject: str, handler: Callable[[str, bytes], None]) -> Any:
        """Call `handler(subject, payload)` for what is said and not kept; the connection asks again by itself."""

        async def take(message: Any) -> None:
            handler(message.subject, message.data)

        return await self._client.subscribe(subject, cb=take)

    # Leases

    async def make_table(self, name: str, lifetime_s: float) -> Any:
        """Make a table, or find it, whose entries vanish when they are not renewed."""
        config = api.KeyValueConfig(bucket=name, ttl=lifetime_s, replicas=COPIES, history=1)
        return await self._asked(lambda: self._js.create_key_value(config))

    async def entries(self, table: Any) -> dict[str, str]:
        """Return key -> value of what is alive."""
        found: dict[str, str] = {}
        try:
            keys = await self._asked(table.keys)
        except KeyError:
            return found
        for key in keys:
            with suppress(KeyError):
                entry = await self._asked(partial(table.get, key))
                found[key] = entry.value.decode()
        return found

    async def entry(self, table: Any, key: str) -> tuple[str, int] | None:
        """Return value and revision of an entry, None when there is none."""
        try:
            found = await self._asked(lambda: table.get(key))
        except KeyError:
            return None
        return found.value.decode(), int(found.revision)

    async def hold(self, table: Any, key: str, value: str, revision: int | None) -> int:
        """Make an entry (None) or renew ours; return its revision.

        Raises:
            WrongLast: it is another's.
        """
        if revision is None:
            return int(await self._asked(lambda: table.create(key, value.encode())))
        return int(await self._asked(lambda: table.update(key, value.encode(), last=revision)))

    async def drop(self, table: Any, key: str, revision: int) -> None:
        with suppress(WrongLast, BrokerUnreachable):
            await self._asked(lambda: table.delete(key, last=revision))

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Raise WrongLast, KeyError (nothing is there) or BrokerUnreachable for what went wrong."""
        try:
            async with asyncio.timeout(3 * ANSWER_S):  # not everything in the library has a limit of its own
                return await ask()
        except (nats.js.errors.KeyNotFoundError, nats.js.errors.NoKeysError) as error:
            raise KeyError(str(error)) from error
        except nats.js.errors.KeyWrongLastSequenceError as error:
            raise WrongLast(str(error)) from error
        except nats.js.errors.APIError as error:
            if error.err_code in _WRONG_LAST:
                raise WrongLast(str(error)) from error
            if error.err_code == _NO_MESSAGE:
                raise KeyError(str(error)) from error
            raise BrokerUnreachable(self._url, str(error)) from error
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise BrokerUnreachable(self._url, str(error) or type(error).__name__) from error


@asynccontextmanager
async def connected(
    urls: str, user: str | None, password: str | None, ca_file: str | None = None
) -> AsyncIterator[Bus]:
    """Connect to one of `nats://host:port,...`, or with TLS `tls://...`, and stay connected to one of them.

    Raises:
        SettingInvalid: the addresses are none.
    """
    servers = urls.split(",")
    for server in servers:
        if not server.startswith(("nats://", "tls://")):
            raise SettingInvalid(
                f"--cluster {server!r}: write nats://host:4222 or tls://host:4222, with commas between"
            )

    async def complain(error: Exception) -> None:
        log.debug("cluster_connection", why=str(error) or type(error).__name__)

    sealed: dict[str, Any] = {}
    if any(server.startswith("tls://") for server in servers):
        sealed["tls"] = ssl.create_default_context(cafile=ca_file)
    while True:
        try:
            client = await nats.connect(
                servers, user=user, password=password, error_cb=complain, max_reconnect_attempts=-1,
                reconnect_time_wait=0.2, connect_timeout=2, ping_interval=3, max_outstanding_pings=2,
                allow_reconnect=True, **sealed,
            )  # fmt: skip
            break
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("cluster_unreachable", url=urls, why=str(error) or type(error).__name__)
            await asyncio.sleep(1.0)
    try:
        yield Bus(client, urls)
    finally:
        with suppress(nats.errors.Error, TimeoutError):
            async with asyncio.timeout(2):
                await client.close()
