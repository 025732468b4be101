"""Takes settings from afar: checks the seal, tries them, keeps or rolls back, and writes down which it was.

No settings from afar can name a broker, a file or a key, and nothing that is tried outlives a restart unconfirmed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from gateway.config_overlay import lay_over
from gateway.config_trial import ApplyFailed, Event, Greeted, Offer, Offered, Restarted, Tick, Trial, step
from gateway.settings import GatewaySettings
from workplace.codec import decode
from workplace.config_seal import check_seal
from workplace.errors import MessageRejected, WorkplaceError
from workplace.events import ConfigHealth, GatewayConfig
from workplace.ports import Received

log = structlog.get_logger(__name__)

#: Documents and greetings that wait to be looked at. The broker keeps the newest document and repeats it, so what is
#: dropped comes again at the next connect.
MOST_WAITING = 16
#: Actions that change what a restart must know.
_WRITTEN = frozenset({"apply", "keep", "roll_back"})


class _Kept(msgspec.Struct, frozen=True):
    """What is written down."""

    good: Offer | None = None
    candidate: Offer | None = None
    failed: Offer | None = None


class RemoteConfig:
    """`load` first, then `run` for ever.

    Args:
        local: the settings of the gateway's own file.
        key: what settings from afar are sealed with.
        file: where the last good ones are written down.

    Attributes:
        counters: `config_<action>` of the trial, `config_refused.<reason>`, `config_not_written`.
    """

    def __init__(self, local: GatewaySettings, key: bytes, file: Path) -> None:
        self.counters: Counter[str] = Counter()
        self._local = local
        self._key = key
        self._file = file
        self._trial = Trial()
        self._refusal = ""
        self._round = 0
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING)

    async def load(self) -> GatewaySettings:
        """Return the settings to start with: the last good ones from afar, else those of the own file."""
        kept = await asyncio.to_thread(self._read)
        self._trial = Trial(kept.good, kept.candidate, kept.failed)
        if kept.candidate is not None:
            log.warning("config_trial_interrupted", version=kept.candidate.version)
            self._trial = step(self._trial, Restarted(), 0.0, 0.0).trial
            self.counters["config_roll_back"] += 1
            await self._write(self._trial)
        return self._settings()

    def take(self, message: Received) -> None:
        """Handler of the topic: check one document and let `run` have it."""
        try:
            config = decode(message.payload, GatewayConfig)
            check_seal(config, site=self._local.site, gateway=self._local.gateway, key=self._key)
            lay_over(self._local, config.body)
        except MessageRejected as error:
            self.counters[f"config_refused.{error.reason}"] += 1
            self._refusal = str(error)
            log.error("config_refused", why=str(error))
            return
        self._offer(Offered(Offer(config.version, config.sha256, config.body)))

    @property
    def round(self) -> int:
        """Which settings run; a greeting counts for those with which it was begun."""
        return self._round

    def greeted(self, begun_in: int) -> None:
        """The broker acknowledged a greeting that was begun in this round."""
        if begun_in == self._round and self._trial.candidate is not None:
            self._offer(Greeted())

    def health(self) -> ConfigHealth:
        trial = self._trial
        running = trial.running
        state: Literal["local", "trying", "confirmed", "rolled_back", "refused"] = "confirmed"
        detail = ""
        if running is None or trial.candidate is not None:
            state = "local" if running is None else "trying"
        if trial.candidate is None and trial.failed is not None and trial.failed.version == trial.newest:
            state, detail = "rolled_back", f"version {trial.failed.version} led to no greeting"
        if self._refusal:
            state, detail = "refused", self._refusal[:200]
        return ConfigHealth(
            version=0 if running is None else running.version,
            sha256="" if running is None else running.sha256,
            state=state,
            detail=detail,
        )

    async def run(
        self, apply: Callable[[GatewaySettings], Awaitable[None]], greet: Callable[[], None]
    ) -> None:
        """Try what comes in until cancelled.

        Args:
            apply: run with these settings from now on.
            greet: greet the site anew; `greeted` is called when that is acknowledged.
        """
        if self._trial.candidate is not None:  # this task crashed over it
            await self._advance(ApplyFailed(), apply, greet)
        while True:
            deadline_ms = self._trial.deadline_ms
            wait_s = None if deadline_ms is None else max(0.0, deadline_ms / 1000 - time.monotonic())
            event: Event = Tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    event = await self._waiting.get()
            await self._advance(event, apply, greet)

    async def _advance(
        self, event: Event, apply: Callable[[GatewaySettings], Awaitable[None]], greet: Callable[[], None]
    ) -> None:
        taken = step(self._trial, event, time.monotonic() * 1000, self._local.config_confirm_s * 1000)
        if (
            taken.action in _WRITTEN
        ):  # before it is told, and before it is tried: whoever dies of it must find that out
            await self._write(taken.trial)
        self._trial = taken.trial
        if taken.action == "none":
            return
        self.counters[f"config_{taken.action}"] += 1
        if taken.action not in _WRITTEN:
            return
        self._refusal = ""
        running = taken.trial.running
        log.info("config_" + taken.action, version=0 if running is None else running.version)
        if taken.action == "keep":
            return
        self._round += 1
        try:
            await apply(self._settings())
        except WorkplaceError as error:
            log.error("config_not_applied", why=str(error))
            await self._advance(ApplyFailed(), apply, greet)
            return
        greet()

    def _settings(self) -> GatewaySettings:
        running = self._trial.running
        if running is None:
            return self._local
        try:
            return lay_over(self._local, running.body)
        except MessageRejected as error:  # the own file has changed since, and goes first
            log.error("config_does_not_fit", version=running.version, why=str(error))
            self._refusal = str(error)
            return self._local

    def _offer(self, event: Event) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.counters["config_dropped"] += 1

    async def _write(self, trial: Trial) -> None:
        kept = _Kept(trial.good, trial.candidate, trial.failed)
        try:
            await asyncio.to_thread(_replace, self._file, msgspec.json.encode(kept))
        except OSError as error:
            self.counters["config_not_written"] += 1
            log.error("config_not_written", file=str(self._file), why=str(error))

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept()
        except (OSError, msgspec.MsgspecError) as error:
            log.error("config_not_read", file=str(self._file), why=str(error))
            return _Kept()


def _replace(file: Path, content: bytes) -> None:
    """Write all or nothing: a power cut leaves the old content or the new."""
    new = file.with_name(file.name + ".new")
    with new.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
