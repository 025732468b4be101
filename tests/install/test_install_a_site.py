"""The page that tells how to install a site, followed to the letter in a folder where nothing is, and nginx before it.

The page's own commands are typed into one shell, in their order and as they stand. The short form skips the first
section and uses the program that is there; `make install-test` builds the archive and installs from it, too.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browsers import CHROMIUM
from tests.install.conftest import IS_LONG, Installed, sections
from tests.install.nginx_site import NGINX, Front, running_nginx

PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(1800 if IS_LONG else 400)


@pytest.fixture
def browser_page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page()
        browser.close()


def test_the_page_has_all_its_sections() -> None:
    typed = sections()
    assert list(typed) == ["1", "2", "3", "4", "5", "6", "7", "8"]
    assert all(typed.values())


def test_from_an_empty_folder_to_a_wall_screen(installed: Installed, browser_page: Page) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/s/[\w-]{32}", installed.link)
    try:
        browser_page.goto(installed.link)
        in_use = browser_page.locator(".card .u")
        expect(in_use).to_be_hidden(timeout=PATIENCE_S * 1000)
        installed.terminal.type(installed.typed["7"])
        expect(in_use.locator("b")).to_have_text("1", timeout=PATIENCE_S * 1000)
        expect(in_use).to_be_visible()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{installed.logs()}") from error


def test_what_the_gateway_got_is_for_its_owner_alone(installed: Installed) -> None:
    files = list((installed.home / "site" / "gateway").iterdir())
    assert {file.name for file in files} >= {"gw-1.json", "gw-1.pem", "gw-1.toml", "gw-1.env"}
    open_files = [
        file.name for file in files if file.stat().st_mode & 0o077 and not file.name.startswith("gw-1.d")
    ]
    assert [name for name in open_files if name.endswith((".json", ".pem", ".toml", ".env", ".crt"))] == []


@pytest.mark.skipif(not IS_LONG, reason="the archive is built by make install-test")
def test_the_debian_package_carries_the_same_and_installs_it(installed: Installed, tmp_path: Path) -> None:
    (package,) = installed.home.glob("plekvrij_*.deb")
    subprocess.run(["/usr/bin/dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)
    subprocess.run(["/usr/bin/dpkg-deb", "--control", str(package), str(tmp_path / "control")], check=True)
    carried, target = tmp_path / "usr" / "share" / "plekvrij", tmp_path / "opt"
    assert (tmp_path / "lib" / "systemd" / "system" / "plekvrij-site.service").exists()
    assert "/usr/share/plekvrij/install.sh" in (tmp_path / "control" / "postinst").read_text()
    nothing = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(["/bin/sh", str(carried / "install.sh"), str(target)], check=True, env=nothing)
    example = carried / "examples" / "town_hall.plan.yaml"
    done = subprocess.run(
        [str(target / "bin" / "plekvrij"), "check", str(example)],
        check=True, env=nothing, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "no mistakes" in done.stdout


@pytest.fixture(scope="module")
def front(
    installed: Installed, tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., None]
) -> Iterator[Front]:
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    home = tmp_path_factory.mktemp("nginx")
    broker = installed.home / "site" / "broker"
    with running_nginx(home, installed.ports["PLEKVRIJ_PORT"], broker, eventually) as found:
        yield found


def test_nginx_leaves_the_headers_of_the_pages_as_they_are(installed: Installed, front: Front) -> None:
    """None is missing, none is there twice; the one that is added is about TLS."""
    changing = {"date", "server", "connection", "transfer-encoding", "content-length", "etag", "set-cookie"}
    for path in (
        "/council",
        urlsplit(installed.link).path,
        "/desk/1-W01",
        "/static/wall.js",
        "/nowhere",
        "/login",
    ):
        direct, proxied = (
            sorted(
                (name.lower(), value)
                for name, value in front.ask(path, through=through).headers
                if name.lower() not in changing
            )
            for through in (False, True)
        )
        assert ("strict-transport-security", "max-age=31536000") in proxied, path
        assert [pair for pair in proxied if pair[0] != "strict-transport-security"] == direct, path


def test_nginx_sends_everybody_to_tls_and_knows_no_websockets(front: Front) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", front.http_port, timeout=PATIENCE_S)
    plain.request("GET", "/council?x=1")
    moved = plain.getresponse()
    assert (moved.status, moved.getheader("Location")) == (308, "https://127.0.0.1/council?x=1")
    plain.close()
    upgrade = front.ask(
        "/live", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    assert upgrade.status != 101


def test_an_event_comes_through_nginx_at_once(
    installed: Installed, front: Front, eventually: Callable[..., None]
) -> None:
    """Both ways at the same time: what nginx held back would come much later, or never."""
    path = f"{urlsplit(installed.link).path}/live"
    with Watcher(front, path, through=False) as direct, Watcher(front, path, through=True) as proxied:
        eventually(lambda: direct.changes and proxied.changes, what="both get everything once")
        before = set(direct.changes)
        installed.switch_says("1/0/2", "up")
        eventually(
            lambda: set(direct.changes) & set(proxied.changes) - before, what="both hear of the change"
        )
        (change, *_) = set(direct.changes) & set(proxied.changes) - before
        assert abs(proxied.changes[change] - direct.changes[change]) < 2.0


class Watcher:
    """A screen: notes when each change came. The same change is the same line on every screen."""

    def __init__(self, front: Front, path: str, *, through: bool) -> None:
        self.changes: dict[str, float] = {}
        self._connection = front.connect(through=through)
        self._path = path
        self._thread = threading.Thread(target=self._watch, name=f"watch through={through}")

    def __enter__(self) -> Watcher:
        self._connection.connect()
        self._socket = self._connection.sock
        self._connection.request("GET", self._path)
        self._stream = self._connection.getresponse()
        assert self._stream.getheader("Content-Type", "").startswith("text/event-stream")
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._connection.close()

    def _watch(self) -> None:
        event = ""
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            while raw := self._stream.readline():
                line = raw.decode().strip()
                if line.startswith("event:"):
                    event = line
                elif line.startswith("data:") and event.endswith((" s", " d")):
                    self.changes.setdefault(line, time.monotonic())


def test_too_many_tries_to_log_in_are_refused_by_nginx(front: Front) -> None:
    """A name of 500 letters is no try for the site itself: it answers 422 as often as it is asked."""
    form = f"name={'x' * 500}&password=x"
    assert {front.ask("/login", through=False, form=form).status for _ in range(30)} == {422}
    told = [front.ask("/login", form=form, source="127.0.0.5").status for _ in range(30)]
    assert told[:5] == [422] * 5
    assert told[-1] == 429
    assert front.ask("/login", source="127.0.0.5").status != 429, "looking at the form is no try"
    assert front.ask("/login", form=form, source="127.0.0.6").status == 422, "others may go on"


def test_desk_pages_are_limited_by_nginx(front: Front) -> None:
    told = [front.ask("/desk/1-W01", source="127.0.0.7").status for _ in range(120)]
    assert told[:50] == [200] * 50
    assert 429 in told
    assert front.ask("/desk/1-W01", source="127.0.0.8").status == 200


def test_the_site_knows_who_really_calls(front: Front) -> None:
    """After 20 bad links in a minute the site refuses an address: no other one, and none that a caller made up."""
    for number in range(25):
        last = front.ask(
            f"/s/{'x' * 31}{number % 10}", source="127.0.0.9", X_Forwarded_For=f"10.0.0.{number}"
        )
    assert last.status == 429
    assert front.ask(f"/s/{'x' * 32}", source="127.0.0.10").status == 403
    logged = (front.home / "access.log").read_text()
    assert "127.0.0.9" not in logged, "links are keys and stay out of the log"
