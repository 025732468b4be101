"""What can be set about the pages. Every number says what goes wrong lower and higher."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

from dashboard.themes import Theme

#: Names a browser on this machine uses for it.
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """Settings of the pages.

    Attributes:
        host, port: where the server listens; the name counts as allowed.
        allowed_hosts: names this server answers to, without port; `*` answers to any. Anything else gets 400,
            which stops other sites from reaching it through a name of their own (DNS rebinding).
        staff_password: when set, staff pages and requests over the interface ask for it (HTTP Basic, any user
            name). When None they answer callers on this machine only.
        council_password: when set, the stop switch on the page of the works council asks for it; the password of
            staff is taken there too. Without either it answers callers on this machine only.
        stale_after_s: silence of a zone, real seconds, before its numbers turn grey. They come every 5 s:
            lower cries wolf at one late message, higher shows old numbers as new.
        off_after_s: silence before numbers disappear. Lower empties screens in a short outage, higher sends
            people to places that have long been taken.
        heartbeat_s: real seconds between signs of life to each screen; screens reconnect after three missing.
        night_from, night_until: local time of the dark palette.
        extend_minutes: what the desk page asks for.
        desk_requests_per_hour: wishes per place and hour from its desk page; a photographed QR code must
            not keep a place for a day.
        undo_s: how long staff can take back what they asked of a place, real seconds; 0 never. Lower: the button goes
            before a slip is seen. Higher: somebody else is on the way to a place that was shown free.
        screens_need_links: walls, the live stream and the list of all places answer only screens with a link
            (`plekvrij screens`) and staff. False suits a server that only this machine reaches.
        theme: colours and font of the municipality (`dashboard.themes.read_theme`).
    """

    host: str = "127.0.0.1"
    port: int = 8080
    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    staff_password: str | None = None
    council_password: str | None = None
    stale_after_s: float = 15.0
    off_after_s: float = 120.0
    heartbeat_s: float = 5.0
    night_from: time = time(20, 0)
    night_until: time = time(6, 30)
    extend_minutes: int = 60
    desk_requests_per_hour: int = 6
    undo_s: float = 60.0
    screens_need_links: bool = False
    theme: Theme | None = None

    def is_allowed_host(self, name: str) -> bool:
        """Return whether this server answers to `name`."""
        return "*" in self.allowed_hosts or name in self.allowed_hosts or name == self.host
