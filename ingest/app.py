"""Ingest of one site: wires reader, worker, publisher and forwarder together and runs them until cancelled.

The event loop only publishes. The broker is read on paho's thread, store and core live on the worker's
thread, and the time-series server is talked to on the forwarder's; queues with a stated size lie between
them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from ingest.batch_reader import EventReader
from ingest.ha_discovery import publish_discovery
from ingest.health import make_health
from ingest.inbox import Inbox, Republish, Subscribed
from ingest.lease import PATIENCE_S, lease_of
from ingest.night_book import NightBook
from ingest.night_runner import NightRunner
from ingest.outbound import OutboundMaker
from ingest.part_tools import PartTools, Reader
from ingest.place_runtime import DecidingCore, GatewayWatch, PlaceRuntime
from ingest.publisher import Outbound, Publisher
from ingest.site_book import SiteBook
from ingest.stores.forwarder import Forwarder
from ingest.stores.history import SqliteHistory
from ingest.stores.influx_store import InfluxStore
from ingest.stores.line_protocol import LineEncoder
from ingest.stores.sqlite_store import BUSY_TIMEOUT_S, SqliteStore
from ingest.subscriber import Subscriber
from ingest.worker import IngestWorker
from workplace.codec import encode
from workplace.errors import BrokerUnreachable
from workplace.events import IngestHealth
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import Clock, ConnectSqlite, MessageLink, OpenLink
from workplace.topics import Topics

log = structlog.get_logger()

#: Health messages, s of real time; more often when gateways wait for one, but never closer than the gap.
HEALTH_S = 5.0
_HEALTH_GAP_S = 0.1
#: Messages between the network thread and the worker. Lower: more stops in a burst. Higher: memory (1 kB
#: each).
MAX_WAITING_MESSAGES = 20_000
#: A site clock further from this machine's is that of a demo or a replay, s.
_REAL_TIME_S = 60.0
#: A refused subscription is tried again this often, s.
_ASK_AGAIN_S = 30.0
#: Longest wait for a thread at the end, s: the store's busy time-out and one request to the sink fit in.
_STOP_S = 45.0


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What one ingest process must be told. `client_id` names its session at the broker: never change it
    lightly.

    Attributes:
        broker_ca_file: certificates to trust with TLS; None trusts what the system trusts.
        broker_others: the other servers of the broker's cluster, host and port.
        lease_patience_s: how long to wait for an ingest on the same data that is just ending, s of real time.
        busy_timeout_s: how long a write waits for another program's lock on the database.
        gateway_silence_s: a gateway that says nothing for this long is lost, s of real time: three times the
        15 s between two health messages. Lower: a hiccup makes a floor unknown. Higher: a dead gateway's last
        word stands longer. topic_root: first level of all topics.
        ha_prefix: discovery prefix of Home Assistant, None to publish nothing for it.
    """

    site: str
    database: Path
    broker_host: str
    broker_port: int
    version: str
    client_id: str = "ingest"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    broker_tls: bool = False
    broker_ca_file: str | None = None
    influx_url: str | None = field(default=None, repr=False)
    gateway_silence_s: float = 45.0
    busy_timeout_s: float = BUSY_TIMEOUT_S
    topic_root: str = "plekvrij"
    ha_prefix: str | None = None
    lease_patience_s: float = PATIENCE_S
    broker_others: tuple[tuple[str, int], ...] = ()


async def run_ingest(
    settings: IngestSettings,
    *,
    plan: FloorPlan,
    policy: Policy,
    engine_factory: Callable[[], DecidingCore],
    clock: Clock,
    open_link: OpenLink,
    connect: ConnectSqlite,
    ready: Callable[[], None] | None = None,
    told: Callable[[IngestHealth], None] | None = None,
    parts: PartTools | None = None,
) -> None:
    """Run until cancelled.

    Args:
        engine_factory: makes a new core of this plan and policy, unstarted.
        connect: `sqlite3.connect` or a driver like it.
        ready: called once on the event loop when the backlog is drained and all states were told.
        told: also hears each look at our health, with a broker or without.
        parts: what a worker of a cluster brings along; None reads the broker and keeps its data here.

    Raises:
        FencedOff: with `parts`: the partition is another worker's now.
        SettingInvalid: the database is another version's or another ingest's, or the InfluxDB address is wrong.
    """
    ingest = _Ingest(settings, plan, policy, engine_factory, clock, connect, ready, told, parts)
    # Before the broker hears of us: it would take the session away from the ingest that holds the lease.
    async with (
        lease_of(settings.database, patience_s=settings.lease_patience_s),
        open_link(f"{settings.client_id}-out") as link,
    ):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(ingest.run(link), name="ingest")
                if settings.ha_prefix is not None:
                    topics = Topics(settings.site, settings.topic_root)
                    announcing = publish_discovery(
                        plan,
                        topics,
                        settings.ha_prefix,
                        settings.version,
                        open_link,
                        f"{settings.client_id}-ha",
                        is_real_time=abs((clock.now() - datetime.now(UTC)).total_seconds()) < _REAL_TIME_S,
                    )
                    group.create_task(announcing, name="ingest-ha")
        except BaseExceptionGroup as failed:
            raise _first(failed) from failed


class _Ingest:
    def __init__(
        self,
        settings: IngestSettings,
        plan: FloorPlan,
        policy: Policy,
        engine_factory: Callable[[], DecidingCore],
        clock: Clock,
        connect: ConnectSqlite,
        ready: Callable[[], None] | None,
        told: Callable[[IngestHealth], None] | None,
        parts: PartTools | None,
    ) -> None:
        self._settings = settings
        self._told = told
        self._policy = policy
        self._clock = clock
        self._ready = ready
        self._topics = Topics(settings.site, settings.topic_root)
        self._inbox = Inbox(MAX_WAITING_MESSAGES)
        self._store = SqliteStore(
            connect if parts is None else parts.connect,
            settings.database,
            busy_timeout_s=settings.busy_timeout_s,
            committed=None if parts is None else parts.committed,
        )
        self._health_topic = self._topics.ingest_health(None if parts is None else parts.partition)
        subscriber = Subscriber(plan, self._topics)
        self._book = SiteBook(
            store=self._store,
            plan=plan,
            subscriber=subscriber,
            runtime=PlaceRuntime(engine_factory, clock, plan.site),
            watch=GatewayWatch(plan.gateway, settings.gateway_silence_s),
            clock=clock,
            encoder=LineEncoder(plan.site) if settings.influx_url else None,
            nights=NightBook(self._store, connect, settings.database, plan, policy),
            desk_level_days=policy.settings.privacy.desk_level_days,
        )
        self._nights = NightRunner(plan, policy, connect, settings.database, self._inbox.put_note)
        self._outbound = OutboundMaker(plan, self._topics, clock)
        self._reader = (
            self._broker_reader(subscriber)
            if parts is None
            else parts.reader(self._inbox, self._on_subscribed, self._ask_for_health)
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._health_due = asyncio.Event()
        self._saying: asyncio.Future[None] | None = None
        self._forwarder: Forwarder | None = None
        if settings.influx_url:
            rows = SqliteHistory(connect, settings.database).waiting_lines
            kept = policy.settings.privacy.desk_level_days
            store = InfluxStore(settings.influx_url, desk_level_days=kept)
            self._forwarder = Forwarder(rows, store, self._inbox.put_note)

    def _broker_reader(self, subscriber: Subscriber) -> Reader:
        settings = self._settings
        return EventReader(
            host=settings.broker_host,
            port=settings.broker_port,
            client_id=settings.client_id,
            filters=subscriber.filters,
            on_batch=self._inbox.put_batch,
            on_subscribed=self._on_subscribed,
            on_proof=self._ask_for_health,
            username=settings.username,
            password=settings.password,
            tls=settings.broker_tls,
            ca_file=settings.broker_ca_file,
            others=settings.broker_others,
        )

    def _on_subscribed(self, *, is_subscribed: bool) -> None:
        self._inbox.put_note(Subscribed(is_subscribed))

    def _ask_for_health(self) -> None:
        """Tell health now, from any thread: gateways hold their events until they hear that we listen."""
        if self._loop is not None:
            _call(self._loop, self._health_due.set)

    async def run(self, link: MessageLink) -> None:
        self._loop = loop = asyncio.get_running_loop()
        publisher = Publisher(link, self._topics, self._clock)
        link.on_connection(partial(self._link_changed, publisher))
        worker = IngestWorker(
            self._inbox,
            self._book,
            self._outbound,
            ack=self._reader.ack,
            tell=lambda outbound: _offer(loop, publisher, outbound),
            on_live=lambda: _call(loop, self._be_ready),
            on_greeting=self._ask_for_health,
            order_night=self._nights.order,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(
                _in_thread(worker.run, self._inbox.close, "ingest-worker"), name="ingest-worker"
            )
            if self._forwarder is not None:
                forwarder = self._forwarder
                group.create_task(
                    _in_thread(forwarder.run, forwarder.stop, "ingest-forwarder"), name="ingest-forwarder"
                )
            group.create_task(
                _in_thread(self._nights.run, self._nights.stop, "ingest-night"), name="ingest-night"
            )
            group.create_task(publisher.run(), name="ingest-publisher")
            group.create_task(self._tell_health(link, publisher, worker), name="ingest-health")
            group.create_task(self._read_broker(), name="ingest-reader")

    def _be_ready(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready()

    def _link_changed(self, publisher: Publisher, is_connected: bool) -> None:
        if self._saying is not None:
            self._saying.cancel()  # what waits for its turn would say on the next connection what held on this
        if is_connected:
            self._reader.prove_again()
            self._inbox.put_note(Republish())
            publisher.wake()

    async def _read_broker(self) -> None:
        self._reader.start()
        try:
            while True:
                await asyncio.sleep(_ASK_AGAIN_S)
                self._reader.ask_again()
        finally:
            # Messages in flight stay unacknowledged, and so stay at the broker.
            self._inbox.close()
            await asyncio.shield(asyncio.to_thread(self._reader.stop))

    async def _tell_health(self, link: MessageLink, publisher: Publisher, worker: IngestWorker) -> None:
        started = time.monotonic()

        while True:
            self._health_due.clear()
            health = self._look(started, publisher, worker)
            if self._told is not None:
                self._told(health)
            if link.is_connected:
                say = link.publish(self._health_topic, encode(health), qos=0)
                await self._say(asyncio.ensure_future(say))
            await asyncio.sleep(min(_HEALTH_GAP_S, HEALTH_S))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEALTH_S):
                    await self._health_due.wait()

    async def _say(self, saying: asyncio.Future[None]) -> None:
        """Wait until health is said or the connection is lost; it is never kept for the next one."""
        self._saying = saying
        try:
            await asyncio.wait({saying})
        finally:
            self._saying = None
            saying.cancel()
        if not saying.cancelled():
            with contextlib.suppress(BrokerUnreachable):  # the next one comes soon
                saying.result()

    def _look(self, started_at: float, publisher: Publisher, worker: IngestWorker) -> IngestHealth:
        return make_health(
            site=self._settings.site,
            version=self._settings.version,
            policy_hash=self._policy.hash,
            at=self._clock.now(),
            started_at=started_at,
            report=worker.report,
            commit_ms=self._store.commit_ms(),
            reader_trouble=self._reader.refused,
            is_subscribed=self._reader.is_subscribed,
            inbox_full_since=self._inbox.full_since,
            publisher=publisher.counters | {"waiting": publisher.waiting},
            sink=None if self._forwarder is None else self._forwarder.status,
        )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first real error in a group: its sentence is what a person needs to see."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended while the worker finished its last batch
        loop.call_soon_threadsafe(function)


def _offer(loop: asyncio.AbstractEventLoop, publisher: Publisher, outbound: Outbound) -> None:
    if outbound.states or outbound.said or outbound.commands or outbound.receipts:
        _call(loop, lambda: publisher.offer(outbound))


async def _in_thread(run: Callable[[], None], stop: Callable[[], None], name: str) -> None:
    """Run a blocking function in a thread of its own; when cancelled, ask it to stop and wait for it."""
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    future = asyncio.get_running_loop().run_in_executor(executor, run)
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        stop()
        done, _ = await asyncio.wait({future}, timeout=_STOP_S)
        if not done:
            log.error("thread_did_not_stop", thread=name)
        raise
    finally:
        executor.shutdown(wait=False)
