"""Links of wall screens: which screen may show which floor without a log-in, and when each was last seen.

Two files in `screens/` of a site's data folder, each with one writer. `links.json` is written by `plekvrij screens` and
read here whenever it changes; it holds the SHA-256 of each link's token, never the token. `seen.json` is written by
the pages. A withdrawn link stays in the file, so that its screen can say so.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from workplace.errors import SettingInvalid

log = structlog.get_logger(__name__)

#: 192 bits: nobody guesses it, so its hash needs no salt and no slowness. 32 letters in an address.
TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: Withdrawn links that still get their own answer; older ones become unknown links.
KEPT_WITHDRAWN = 100
#: Bad links per address in `BAD_WINDOW_S` that get a page; more get one line. Lower troubles a whole office behind one
#: address, higher lets a guesser make us draw pages.
BAD_LINKS = 20
BAD_WINDOW_S = 60.0
#: Addresses that are remembered for that; above it the oldest are forgotten.
_KEPT_CALLERS = 1000
#: What the screens were last seen at is written this often, real s, and at once for a screen that was never seen.
SEEN_EVERY_S = 30.0

Refusal = Literal["unknown", "withdrawn", "limited"]
_Stamp = tuple[int, int, int] | None


class Screen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One link. `here_m` is where the screen hangs, metres on the plan; None takes the point of the floor."""

    name: str
    floor: str
    token_sha256: str
    added_at: datetime
    here_m: tuple[float, float] | None = None
    withdrawn_at: datetime | None = None

    @property
    def id(self) -> str:
        """Return what tells two links of one name apart; says nothing of the token."""
        return f"{self.name}:{self.token_sha256[:12]}"


class _Screens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    screens: tuple[Screen, ...] = ()
    v: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class ScreenCounts:
    """What `/metrics` tells: links in force, open screens, refusals by reason since the start."""

    links: int
    open: int
    refused: Mapping[str, int]


def _links_file(data: Path) -> Path:
    return data / "screens" / "links.json"


def _seen_file(data: Path) -> Path:
    return data / "screens" / "seen.json"


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("ascii")).hexdigest()


# --- the side of the command line


def add_screen(data: Path, name: str, floor: str, here_m: tuple[float, float] | None, now: datetime) -> str:
    """Add a screen and return its token, which is kept nowhere.

    Raises:
        SettingInvalid: a bad name, one that is in use, or a file that cannot be read or written.
    """
    if not _NAME.fullmatch(name):
        raise SettingInvalid(f"{name!r} is no name for a screen; use 1 to 40 of A-Z a-z 0-9 _ -")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with _locked(data):
        known = read_screens(data)
        if any(screen.name == name and screen.withdrawn_at is None for screen in known):
            raise SettingInvalid(
                f"there is a screen {name}; take another name, or first: plekvrij screens revoke {name}"
            )
        _write(data, (*known, Screen(name, floor, hash_of(token), now, here_m)))
    return token


def withdraw_screen(data: Path, name: str, now: datetime) -> Screen:
    """Withdraw the link of a screen for good and return it.

    Raises:
        SettingInvalid: no such screen, or a file that cannot be read or written.
    """
    with _locked(data):
        known = read_screens(data)
        found = next((one for one in known if one.name == name and one.withdrawn_at is None), None)
        if found is None:
            names = ", ".join(sorted(one.name for one in known if one.withdrawn_at is None))
            raise SettingInvalid(f"no screen {name!r} has a link; those that do: {names or 'none'}")
        gone = msgspec.structs.replace(found, withdrawn_at=now)
        _write(data, tuple(gone if one is found else one for one in known))
    return gone


def read_screens(data: Path) -> tuple[Screen, ...]:
    """Return all links, oldest first; none when there never was a file.

    Raises:
        SettingInvalid: the file is there but unusable.
    """
    file = _links_file(data)
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Screens).screens
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingInvalid(f"cannot read the screens in {file}: {error}") from error


def read_seen(data: Path) -> dict[str, datetime]:
    """Return the id of each screen and when it was last seen; nothing when nobody wrote that down."""
    try:
        return msgspec.json.decode(_seen_file(data).read_bytes(), type=dict[str, datetime])
    except (OSError, msgspec.MsgspecError):
        return {}


def _write(data: Path, screens: tuple[Screen, ...]) -> None:
    gone = [one for one in screens if one.withdrawn_at is not None]
    too_old = {one.id for one in gone[:-KEPT_WITHDRAWN]}
    kept = tuple(one for one in screens if one.id not in too_old)
    file = _links_file(data)
    try:
        _replace(file, msgspec.json.format(msgspec.json.encode(_Screens(kept))))
    except OSError as error:
        raise SettingInvalid(f"cannot write {file}: {error.strerror or error}") from error


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Let two people at two terminals change the file one after the other."""
    try:
        folder = _make_folder(data)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise SettingInvalid(
            f"{data}: {error.strerror}; --data names the folder that `plekvrij serve` was given"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_folder(data: Path) -> Path:
    folder = data / "screens"
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        _hand_over(folder, data)
    return folder


def _hand_over(to: Path | int, like: Path) -> None:
    """An administrator writes, the user of the service reads: what root makes belongs to the owner of the folder."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(to, owner.st_uid, owner.st_gid)


def _replace(file: Path, content: bytes, *, durable: bool = True) -> None:
    """Write the whole file or nothing, readable by its owner alone."""
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.new-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _hand_over(stream.fileno(), file.parent)
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        Path(draft).replace(file)
        if durable:
            _flush(file.parent)  # a power cut must not bring a withdrawn link back
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- the side of the pages


class ScreenLinks:
    """The links as the pages know them, on one event loop.

    Args:
        data: data folder of the site; None knows no screen.
    """

    def __init__(self, data: Path | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._data = data
        self._monotonic = monotonic
        self._screens: tuple[Screen, ...] = ()
        self._stamp: _Stamp = None
        self._seen: dict[str, datetime] = {} if data is None else read_seen(data)
        self._written: dict[str, datetime] = dict(self._seen)
        self._written_at = -SEEN_EVERY_S
        self._callers: dict[str, deque[float]] = {}
        self.refused: Counter[Refusal] = Counter({"unknown": 0, "withdrawn": 0, "limited": 0})
        self.open: Counter[str] = Counter()
        """Streams that are open now, by id of the screen."""
        self.refresh()

    def refresh(self) -> None:
        """Read the file again if it changed. One that cannot be read changes nothing: links stay as they were."""
        if self._data is None:
            return
        stamp = _stamp_of(_links_file(self._data))
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._screens = read_screens(self._data)
        except SettingInvalid as error:
            log.error("screens_file_refused", why=str(error), advice="mend the file; the old links stay")

    def find(self, token: str) -> Screen | None:
        """Return the screen of a token, also when it was withdrawn; None for a token that nobody got.

        Every link is compared, in a time that does not tell how much of a hash was right.
        """
        self.refresh()
        if not _TOKEN.fullmatch(token):
            return None
        wanted, found = hash_of(token), None
        for screen in self._screens:
            if hmac.compare_digest(screen.token_sha256, wanted):
                found = screen
        return found

    def is_in_force(self, screen: Screen) -> bool:
        """Return whether the link still counts, as of the last `refresh`."""
        return any(one.id == screen.id and one.withdrawn_at is None for one in self._screens)

    def refuse(self, reason: Literal["unknown", "withdrawn"], caller: str) -> Refusal:
        """Count a bad link; return `limited` when this caller had its share of pages."""
        now = self._monotonic()
        times = self._callers.pop(caller, deque(maxlen=BAD_LINKS))
        self._callers[caller] = times  # the newest last
        while len(self._callers) > _KEPT_CALLERS:
            del self._callers[next(iter(self._callers))]
        told: Refusal = reason
        if len(times) == BAD_LINKS and now - times[0] < BAD_WINDOW_S:
            told = "limited"
        else:
            times.append(now)
        self.refused[told] += 1
        return told

    def saw(self, screen: Screen, now: datetime) -> None:
        self._seen[screen.id] = now

    @contextmanager
    def opened(self, screen: Screen) -> Iterator[None]:
        """Count a stream as open until the block ends."""
        self.open[screen.id] += 1
        try:
            yield
        finally:
            self.open[screen.id] -= 1

    def counts(self) -> ScreenCounts:
        """Return the figures for `/metrics`; may be called from any thread."""
        in_force = sum(screen.withdrawn_at is None for screen in self._screens)
        return ScreenCounts(
            in_force, sum(list(self.open.values())), {str(k): v for k, v in self.refused.items()}
        )

    def write_seen(self, *, at_once: bool = False) -> None:
        """Write down when the screens were last seen, when it is time for that."""
        if self._data is None or self._seen == self._written:
            return
        is_new = self._seen.keys() - self._written.keys()
        if not at_once and not is_new and self._monotonic() - self._written_at < SEEN_EVERY_S:
            return
        known = {screen.id for screen in self._screens}
        self._seen = {id_: at for id_, at in self._seen.items() if id_ in known}
        self._written, self._written_at = dict(self._seen), self._monotonic()
        try:
            # small and not worth a wait for the disk: a power cut costs half a minute of it
            _make_folder(self._data)
            _replace(_seen_file(self._data), msgspec.json.encode(self._seen), durable=False)
        except OSError as error:
            log.warning("screens_seen_not_written", error=str(error))


def _stamp_of(file: Path) -> _Stamp:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
