"""From the channels file and its secrets to channels that can send."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from plekvrij import __version__, sqlite_driver
from workplace import channel_file
from workplace.channel_file import ChannelSettings
from workplace.channels import for_channel, trial
from workplace.errors import ChannelRefused, ChannelUnavailable, DocumentInvalid, SettingInvalid
from workplace.events import NotifierHealth
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy
from workplace.ports import Channel, Clock, OpenLink, Parcel
from workplace.webhook_seal import key_of

log = structlog.get_logger(__name__)

#: Real seconds between two looks at the files.
LOOK_S = 1.0
Stamp = tuple[str, int, int, int]
Stamps = tuple[Stamp, ...]
#: Other users of this machine may not read secrets.
_OTHERS = 0o007


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the secret files of one channel hold: one address per message service, or the keys of a webhook."""

    texts: tuple[str, ...]
    keys: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "Secrets(...)"


def read_channels(file: Path, plan: FloorPlan | None) -> tuple[ChannelSettings, ...]:
    """Return the checked channels; files of secrets are as seen from the folder of this file.

    Raises:
        SettingInvalid: the file cannot be read.
        DocumentInvalid: with every mistake.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(f"cannot read the channels file {file}: {error}") from error
    channels = channel_file.load(text, str(file), plan)
    return tuple(
        replace(one, secret_files=tuple(str(file.parent / secret) for secret in one.secret_files))
        for one in channels
    )


def read_secrets(settings: ChannelSettings) -> Secrets:
    """Return the secrets of one channel.

    Raises:
        SettingInvalid: says which file and what to do, never what stands in it.
    """
    contents = [_read_private(settings.name, Path(file)) for file in settings.secret_files]
    if settings.kind == "webhook":
        return Secrets(
            (), tuple(_key(file, text) for file, text in zip(settings.secret_files, contents, strict=True))
        )
    lines = [line.strip() for text in contents for line in text.decode("utf-8", "replace").splitlines()]
    urls = tuple(line for line in lines if line and not line.startswith("#"))
    if not urls:
        raise SettingInvalid(f"channel {settings.name}: {settings.secret_files[0]} holds no address")
    return Secrets(urls, ())


def _read_private(name: str, file: Path) -> bytes:
    try:
        if os.name == "posix" and file.stat().st_mode & _OTHERS:
            raise SettingInvalid(f"channel {name}: everybody can read {file}; run: chmod 600 {file}")
        return file.read_bytes()
    except OSError as error:
        raise SettingInvalid(f"channel {name}: cannot read {file}: {error.strerror}") from None


def _key(file: str, content: bytes) -> bytes:
    try:
        return key_of(content)
    except SettingInvalid as error:
        raise SettingInvalid(f"{file}: {error}") from None


def open_channels(
    channels: tuple[ChannelSettings, ...], plan: FloorPlan
) -> list[tuple[ChannelSettings, Channel]]:
    """Return every channel with what sends for it. An address of its own is a channel of its own.

    Raises:
        SettingInvalid: a secret cannot be used.
    """
    found: list[tuple[ChannelSettings, Channel]] = []
    for settings in channels:
        secrets = read_secrets(settings)
        found += (
            [(settings, _webhook(settings, secrets))]
            if settings.kind == "webhook"
            else _people(settings, secrets, plan)
        )
    return found


def _webhook(settings: ChannelSettings, secrets: Secrets) -> Channel:
    from ingest.channels.webhook import WebhookChannel, WebhookSettings

    return WebhookChannel(
        WebhookSettings(
            url=settings.url,
            keys=secrets.keys,
            timeout_s=settings.timeout_s,
            allow_private=settings.allow_private,
            user_agent=f"plekvrij/{__version__}",
        ),
        lambda: datetime.now(UTC),
    )


def _people(
    settings: ChannelSettings, secrets: Secrets, plan: FloorPlan
) -> list[tuple[ChannelSettings, Channel]]:
    from ingest.channels.apprise_channel import AppriseChannel

    many = len(secrets.texts) > 1
    named = [
        replace(settings, name=f"{settings.name}-{n}") if many else settings
        for n in range(1, len(secrets.texts) + 1)
    ]
    return [
        (one, AppriseChannel(one.name, url, plan, one.language))
        for one, url in zip(named, secrets.texts, strict=True)
    ]


async def run(
    plan: FloorPlan,
    policy: Policy,
    file: Path,
    *,
    data: Path,
    clock: Clock,
    open_link: OpenLink,
    ready: Callable[[], None],
    told: Callable[[NotifierHealth], None] | None = None,
) -> None:
    """Deliver until cancelled; a changed channels file or secret is taken over once it is sound.

    Raises:
        SettingInvalid, DocumentInvalid: the file, or a secret, cannot be used at the start.
    """
    from ingest.channels.app import NotifierSettings, run_notifier

    settings = NotifierSettings(data / "site.db", data / "channels.db", __version__, f"notifier-{plan.site}")

    async def deliver(channels: list[tuple[ChannelSettings, Channel]]) -> None:
        await run_notifier(
            settings, plan=plan, policy=policy, channels=channels, clock=clock, open_link=open_link,
            connect=sqlite_driver.connect, ready=ready, told=told,
        )  # fmt: skip

    while True:
        stamps = await asyncio.to_thread(_stamps, file)
        # a zone that left the plan is told of no more; that must not silence the others
        channels = await asyncio.to_thread(lambda: open_channels(read_channels(file, None), plan))
        work = asyncio.create_task(deliver(channels), name="notifier")
        watch = asyncio.create_task(_changed(file, stamps, plan), name="channels file")
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            watch.result()
        finally:
            for task in (watch, work):
                task.cancel()
            await asyncio.wait({watch, work})
        log.info("channels_changed")


async def _changed(file: Path, before: Stamps, plan: FloorPlan) -> None:
    """Return once the channels file or a secret says something else that is sound."""
    files = [Path(stamp[0]) for stamp in before]
    seen = before
    while True:
        await asyncio.sleep(LOOK_S)
        last, seen = seen, await asyncio.to_thread(_stamps_of, files)
        if seen == before or seen != last:  # known, or somebody is writing
            continue
        try:
            for _, channel in await asyncio.to_thread(lambda: open_channels(read_channels(file, plan), plan)):
                await channel.close()
        except (DocumentInvalid, SettingInvalid) as error:
            log.error("channels_refused", why=str(error), advice="mend the file; the old channels stay")
            before = seen = await asyncio.to_thread(_stamps, file)
            files = [Path(stamp[0]) for stamp in before]
        else:
            return


def _stamps(file: Path) -> Stamps:
    """Return what changes when the file, or a secret that it names, is written."""
    files = [file]
    with suppress(DocumentInvalid, SettingInvalid):
        files += [Path(secret) for one in read_channels(file, None) for secret in one.secret_files]
    return _stamps_of(files)


def _stamps_of(files: Sequence[Path]) -> Stamps:
    found: list[Stamp] = []
    for one in files:
        try:
            stat = one.stat()
        except OSError:
            found.append((str(one), 0, 0, 0))
        else:
            found.append((str(one), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


async def try_channels(file: Path, plan: FloorPlan) -> int:
    """Send a trial message to each channel and print how it went; return 1 when one did not take it."""
    failed = 0
    for settings, channel in open_channels(read_channels(file, plan), plan):
        telling = for_channel(trial(plan.site, datetime.now(UTC)), settings.name)
        try:
            await channel.send(Parcel(telling.id, (telling,)))
        except (ChannelUnavailable, ChannelRefused) as error:
            failed += 1
            print(f"{settings.name}: {error.reason}")
        else:
            print(f"{settings.name}: taken")
        finally:
            await channel.close()
    return int(failed > 0)
