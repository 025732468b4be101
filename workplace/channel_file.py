"""The channels file: whom a site tells outside its screens, and what. Secrets stand in files of their own.

`kind: apprise` tells people (e-mail, Teams, ntfy and others), `kind: webhook` tells programs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from workplace.channels import LIVES, TELL_KINDS, TellKind
from workplace.documents import Document, Mistake, Path, check_shape, parse
from workplace.errors import DocumentInvalid
from workplace.floor_plan import FloorPlan
from workplace.policy_file import Part

ChannelKind = Literal["apprise", "webhook"]
ChannelName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]

#: A person of facility is told what may be used and what is broken; notes are for who sits there.
_TELLS_PEOPLE: tuple[TellKind, ...] = ("repeat", "reclaimable", "taken_back", "alarm")
_DIGEST_MIN = 10
_TIMEOUT_S = 10.0


class ChannelFile(Part, frozen=True, kw_only=True):
    """One channel. What stays None has the default of its kind.

    `tell` are kinds of tellings, `zones` limits them to these zones (empty: all), `language` is that of sentences.
    Apprise: `urls_file` holds one address a line, `digest_min` is the shortest time in minutes between two messages
    about one zone. Webhook: `url`, `key_files` with the key that signs and, while keys change, the one before;
    `timeout_s` for one request in seconds; `allow_private` lets it reach addresses that the internet does not.
    """

    kind: ChannelKind
    tell: Annotated[list[TellKind], msgspec.Meta(min_length=1)] | None = None
    zones: list[str] = msgspec.field(default_factory=list)
    language: Literal["nl", "en"] = "nl"
    urls_file: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    digest_min: Annotated[int, msgspec.Meta(ge=0, le=120)] | None = None
    url: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    key_files: Annotated[list[str], msgspec.Meta(min_length=1, max_length=2)] | None = None
    timeout_s: Annotated[float, msgspec.Meta(ge=1, le=60)] | None = None
    allow_private: bool | None = None


class ChannelsFile(Part, frozen=True, kw_only=True):
    """The file: name of a channel -> its settings."""

    channels: Annotated[dict[ChannelName, ChannelFile], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One checked channel, defaults filled in.

    Attributes:
        zones: only these; empty for all.
        digest: shortest time between two messages about one zone, zero to send each by itself.
        secret_files: the file of addresses, or the files of keys, as written.
    """

    name: str
    kind: ChannelKind
    tells: frozenset[TellKind]
    zones: frozenset[str]
    language: Literal["nl", "en"]
    digest: timedelta
    url: str
    secret_files: tuple[str, ...]
    timeout_s: float
    allow_private: bool


def load(text: str, file: str, plan: FloorPlan | None = None) -> tuple[ChannelSettings, ...]:
    """Return the channels.

    Raises:
        DocumentInvalid: with every mistake, each with its line and what to write instead.
    """
    channels, mistakes = check(text, file, plan)
    if mistakes:
        raise DocumentInvalid(tuple(mistakes))
    return channels


def check(text: str, file: str, plan: FloorPlan | None) -> tuple[tuple[ChannelSettings, ...], list[Mistake]]:
    """Return the channels, none when there is a mistake, and all mistakes in the order of the file."""
    document = parse(text, file)
    found: tuple[ChannelSettings, ...] = ()
    if document.data is not None and check_shape(document, ChannelsFile):
        try:
            settings = msgspec.convert(document.data, ChannelsFile)
        except msgspec.ValidationError as error:  # stricter than its schema: names of channels
            document.wrong((), str(error), "correct this name or value")
        else:
            for name, channel in settings.channels.items():
                _check_sense(document, ("channels", name), channel, plan)
            found = tuple(_settings(name, channel) for name, channel in settings.channels.items())
    mistakes = sorted(document.mistakes, key=lambda mistake: mistake.line)
    return (() if mistakes else found), mistakes


def _settings(name: str, channel: ChannelFile) -> ChannelSettings:
    is_webhook = channel.kind == "webhook"
    tells = channel.tell or (TELL_KINDS if is_webhook else _TELLS_PEOPLE)
    digest_min = 0 if is_webhook else _DIGEST_MIN if channel.digest_min is None else channel.digest_min
    return ChannelSettings(
        name=name,
        kind=channel.kind,
        tells=frozenset(tells),
        zones=frozenset(channel.zones),
        language=channel.language,
        digest=timedelta(minutes=digest_min),
        url=channel.url or "",
        secret_files=tuple(channel.key_files or ()) if is_webhook else (channel.urls_file or "",),
        timeout_s=_TIMEOUT_S if channel.timeout_s is None else channel.timeout_s,
        allow_private=bool(channel.allow_private),
    )


#: kind -> settings it needs, settings of the other kind.
_NEEDS = {"apprise": ("urls_file",), "webhook": ("url", "key_files")}
_FOREIGN = {
    "apprise": ("url", "key_files", "timeout_s", "allow_private"),
    "webhook": ("urls_file", "digest_min"),
}


def _check_sense(document: Document, path: Path, channel: ChannelFile, plan: FloorPlan | None) -> None:
    for name in _NEEDS[channel.kind]:
        if getattr(channel, name) is None:
            document.wrong(path, f"'{name}' is missing", f"add a line '{name}: ...' here")
    for name in _FOREIGN[channel.kind]:
        if getattr(channel, name) is not None:
            document.wrong((*path, name), f"{channel.kind} has no setting '{name}'", "leave this line out")
    for mistake in _nonsense(path, channel):
        document.wrong(*mistake)
    for index, zone in enumerate(channel.zones if plan is not None else ()):
        if plan is not None and zone not in plan.zone:
            known = ", ".join(sorted(plan.zone))
            document.wrong((*path, "zones", index), f"unknown zone '{zone}'", f"write one of: {known}")


def _nonsense(path: Path, channel: ChannelFile) -> Iterator[tuple[Path, str, str]]:
    made = _settings("", channel)
    short = sorted(kind for kind in made.tells if LIVES[kind] < made.digest)
    if short:
        shortest = min(LIVES[kind] for kind in short)
        yield (
            (*path, "digest_min"),
            f"{', '.join(short)} would go stale in a digest of {made.digest // timedelta(minutes=1)} min",
            f"write at most {shortest // timedelta(minutes=1)}, or tell other kinds",
        )
    if channel.kind == "webhook" and channel.url is not None:
        yield from _wrong_url((*path, "url"), channel.url, allow_private=made.allow_private)
    if len(set(made.secret_files)) < len(made.secret_files):
        yield (*path, "key_files"), "both keys are the same file", "name the new key and the one before it"


def _wrong_url(path: Path, url: str, *, allow_private: bool) -> Iterator[tuple[Path, str, str]]:
    if not url.isascii() or any(sign <= " " for sign in url):
        yield path, "the address holds a sign that addresses do not have", "write %20 and xn-- forms"
        return
    parts = urlsplit(url)
    try:
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if parts.scheme not in {"https", "http"} or not parts.hostname or not has_port:
        yield path, "this is no web address", "write https://host/path"
        return
    if parts.username is not None or parts.fragment:
        yield path, "the address carries a user, a password or a fragment", "the signature says who we are"
    if parts.scheme == "http" and not allow_private:
        yield path, "http is not encrypted", "write https, or allow_private: true for a network of your own"
    if not allow_private and _is_private_literal(parts.hostname):
        yield path, "this address is private", "add allow_private: true when it is a machine of your own"


def _is_private_literal(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
