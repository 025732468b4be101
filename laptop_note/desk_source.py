"""Asks the public address of a desk what its page says now. Sends no cookie, no name, nothing that is kept."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from workplace.errors import SettingInvalid, WorkplaceError

#: One question, s. Lower: a slow network is taken for none. Higher: the next question comes late.
TIMEOUT_S = 10.0
#: An answer is a few hundred bytes.
_MAX_BYTES = 65_536
_PLACE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class DeskUnreachable(WorkplaceError):
    """The site does not answer as it should; ask again later."""


class PlaceUnknown(WorkplaceError):
    """The site has no such place; show the message and stop."""


class Note(msgspec.Struct, frozen=True):
    """What is told at the place; the same id is the same note."""

    id: str
    text: str


class Desk(msgspec.Struct, frozen=True):
    """What the page of the place says now."""

    label: str
    note: Note | None
    poll_s: float = 30.0


_decoder = msgspec.json.Decoder(Desk)


def desk_address(link: str, place: str | None) -> str:
    """Return the address to ask: of the place in the link, or of `place` at the site of the link.

    Raises:
        SettingInvalid: the link names no site, or nobody names a place.
    """
    parts = urlsplit(link)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise SettingInvalid(
            f"{link!r} is not the address of a site; write https://plekken.example.nl/desk/3-T01"
        )
    in_link = re.fullmatch(r"/desk/([^/]+)/?", parts.path)
    wanted = place or (in_link[1] if in_link else None)
    if wanted is None or not _PLACE.fullmatch(wanted):
        raise SettingInvalid("which place? Use the address behind its QR code, or add --place with its name")
    return f"{parts.scheme}://{parts.netloc}/desk/{wanted}/state"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nobody: what we ask names a place."""


@dataclass(frozen=True, slots=True)
class DeskSource:
    """Blocking; call it in a thread."""

    address: str
    language: str
    timeout_s: float = TIMEOUT_S

    def ask(self) -> Desk:
        """Return what the page says now.

        Raises:
            DeskUnreachable: ask again later.
            PlaceUnknown: there is no such place.
        """
        request = urllib.request.Request(  # noqa: S310 - http and https only, see desk_address
            self.address,
            headers={
                "Accept": "application/json",
                "Accept-Language": self.language,
                "User-Agent": "plekvrij-agent",
            },
        )
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self.timeout_s) as answer:
                return _decoder.decode(answer.read(_MAX_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.NOT_FOUND:
                raise PlaceUnknown(f"there is no such place at {self.address}") from None
            raise DeskUnreachable(f"{self.address} answers {error.code}") from error
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            raise DeskUnreachable(f"{self.address} cannot be asked now: {error}") from error
