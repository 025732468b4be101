"""Shows a note on this desktop: notifications of Linux, macOS or Windows where there are any, else the terminal."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Any, Protocol

from workplace.errors import WorkplaceError

_APP = "Plekvrij"
#: org.freedesktop.Notifications, specification 1.2.
_NAME, _PATH, _INTERFACE = (
    "org.freedesktop.Notifications",
    "/org/freedesktop/Notifications",
    "org.freedesktop.Notifications",
)
#: A desktop that needs longer, s, hangs.
_ANSWER_S = 5.0
#: Never goes away by itself; -1 would leave that to the desktop.
_STAYS = 0


class NoDesktop(WorkplaceError):
    """This desktop shows no notifications; use another way."""


class Desktop(Protocol):
    """Where notes are shown: one at a time, the newest."""

    async def show(self, title: str, text: str) -> None:
        """Show this in place of what was shown before.

        Raises:
            NoDesktop: it cannot be shown here.
        """

    async def clear(self) -> None:
        """Take away what is shown."""

    async def close(self) -> None:
        """Let go of the desktop."""


class Terminal:
    """Lines on stdout."""

    async def show(self, title: str, text: str) -> None:
        print(f"{title}: {text}", flush=True)  # noqa: T201 - this is the screen

    async def clear(self) -> None:
        """A line that was printed stays."""

    async def close(self) -> None:
        """Nothing is held."""


class FreedesktopNotifications:
    """Linux: the notification service on the session bus, asked without starting anything else."""

    def __init__(self) -> None:
        self._bus: Any = None
        self._shown = 0

    async def show(self, title: str, text: str) -> None:
        self._shown = await self._call(
            "Notify", "susssasa{sv}i", [_APP, self._shown, "", title, _plain(text), [], {}, _STAYS]
        )

    async def clear(self) -> None:
        if self._shown:
            shown, self._shown = self._shown, 0
            with suppress(NoDesktop):  # the person closed it already
                await self._call("CloseNotification", "u", [shown])

    async def close(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    async def _call(self, member: str, signature: str, body: list[Any]) -> Any:
        from dbus_fast import BusType, Message, MessageType
        from dbus_fast.aio import MessageBus

        message = Message(
            destination=_NAME, path=_PATH, interface=_INTERFACE, member=member, signature=signature, body=body
        )
        try:
            async with asyncio.timeout(_ANSWER_S):
                if self._bus is None or not self._bus.connected:
                    self._bus = await MessageBus(bus_type=BusType.SESSION).connect()
                reply = await self._bus.call(message)
        except Exception as error:
            await self.close()
            raise NoDesktop(f"the desktop cannot be reached: {error}") from error
        if reply is None or reply.message_type is MessageType.ERROR:
            raise NoDesktop(f"the desktop refuses: {None if reply is None else reply.error_name}")
        return reply.body[0] if reply.body else 0


class NativeNotifications:
    """macOS and Windows, through `desktop-notifier` (extra `agent`)."""

    def __init__(self) -> None:
        """Raises NoDesktop when the library is not installed."""
        try:
            from desktop_notifier import DesktopNotifier
        except ImportError as error:
            raise NoDesktop("desktop-notifier is not installed; pip install 'plekvrij[agent]'") from error
        self._notifier: Any = DesktopNotifier(app_name=_APP)

    async def show(self, title: str, text: str) -> None:
        try:
            await self._notifier.clear_all()
            await self._notifier.send(title=title, message=text)
        except Exception as error:
            raise NoDesktop(f"the desktop cannot be reached: {error}") from error

    async def clear(self) -> None:
        with suppress(Exception):
            await self._notifier.clear_all()

    async def close(self) -> None:
        await self.clear()


def find_desktop(platform: str = sys.platform) -> Desktop:
    """Return what this machine shows notes with."""
    if platform == "linux":
        return FreedesktopNotifications()
    try:
        return NativeNotifications()
    except NoDesktop:
        return Terminal()


def _plain(text: str) -> str:
    """Bodies may be read as markup; ours is text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
