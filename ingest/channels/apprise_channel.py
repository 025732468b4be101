"""Tells people of facility through `apprise`: e-mail, Teams, ntfy and a hundred others. Only importer of apprise.

The address of a service holds its password, so it is never logged, never in an error and never in a status.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import apprise

from workplace import channel_words
from workplace.errors import ChannelUnavailable, SettingInvalid
from workplace.floor_plan import FloorPlan
from workplace.ports import Parcel

#: One delivery, s of real time. Lower: a slow mail server is given up. Higher: the next telling waits longer.
TIMEOUT_S = 60.0
#: Digits of the mark at the end of a message: enough to tell apart what one place is sent in a year.
_MARK_DIGITS = 8


class AppriseChannel:
    """A `Channel` to one address; its one thread keeps a service that hangs from taking more than itself."""

    def __init__(
        self,
        name: str,
        url: str,
        plan: FloorPlan,
        language: Literal["nl", "en"],
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Raises SettingInvalid when apprise does not know the address; the message names the channel, not it."""
        _hush()
        self._plan = plan
        self._language = language
        self._timeout_s = timeout_s
        self._service = apprise.Apprise(asset=_asset(timeout_s))
        if not self._service.add(url):
            raise SettingInvalid(f"channel {name}: apprise does not understand the address in its file")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"channel-{name}")
        self._busy: asyncio.Future[bool] | None = None

    async def send(self, parcel: Parcel) -> None:
        """Send one message for all tellings of the parcel."""
        if self._busy is not None and not self._busy.done():
            raise ChannelUnavailable("hangs")
        title = channel_words.title(parcel.tellings, self._plan, self._language)
        body = channel_words.digest(parcel.tellings, parcel.id[:_MARK_DIGITS], self._plan, self._language)
        is_alarm = any(telling.kind == "alarm" for telling in parcel.tellings)
        loop = asyncio.get_running_loop()
        self._busy = loop.run_in_executor(self._thread, self._notify, title, body, is_alarm)
        done, _ = await asyncio.wait({self._busy}, timeout=self._timeout_s)
        if not done:
            raise ChannelUnavailable("timeout")
        if not self._busy.result():
            raise ChannelUnavailable("not_delivered")

    async def close(self) -> None:
        """Let the thread end by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _notify(self, title: str, body: str, is_alarm: bool) -> bool:
        kind = apprise.NotifyType.WARNING if is_alarm else apprise.NotifyType.INFO
        return bool(self._service.notify(body, title, kind, body_format=apprise.NotifyFormat.TEXT))


def _asset(timeout_s: float) -> apprise.AppriseAsset:
    """Return settings under which apprise writes nothing to disk and follows no server elsewhere."""
    asset = apprise.AppriseAsset(
        plugin_paths=[],
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        secure_logging=True,
        service_timeout=timeout_s,
    )
    asset.app_id, asset.app_desc, asset.app_url = "Plekvrij", "Plekvrij", ""
    asset.http_redirects = False
    asset.pem_autogen = asset.pgp_autogen = False
    return asset


def _hush() -> None:
    """Keep apprise, and what it sends with, from logging: even masked, their lines hold addresses."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    logger = logging.getLogger("apprise")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
