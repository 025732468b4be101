"""The shipped nginx site, started for real: only its ports, its certificate and where it logs are others."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plekvrij.embedded_broker import free_port as any_port
from tests.install.conftest import ROOT

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SITE = ROOT / "deploy" / "nginx" / "plekvrij.conf"
PATIENCE_S = 60.0
_AROUND = """
{user}
pid {home}/pid;
error_log {home}/error.log;
daemon off;
events {{ worker_connections 256; }}
http {{
    {temporary}
    include {home}/site.conf;
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Front:
    """A running nginx, and the pages behind it."""

    home: Path
    http_port: int
    https_port: int
    pages_port: int
    trust: ssl.SSLContext

    def connect(self, *, through: bool, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """Return a connection to nginx, or past it to the pages, from an address of this machine."""
        where = (source, 0)
        if through:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.https_port, timeout=PATIENCE_S, source_address=where, context=self.trust
            )
        return http.client.HTTPConnection(
            "127.0.0.1", self.pages_port, timeout=PATIENCE_S, source_address=where
        )

    def ask(
        self,
        path: str,
        *,
        through: bool = True,
        source: str = "127.0.0.1",
        form: str | None = None,
        **headers: str,
    ) -> Answer:
        """Return the answer to a GET, or to a POST with `form`."""
        connection = self.connect(through=through, source=source)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            if form is not None:
                named["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("GET" if form is None else "POST", path, form, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


@contextmanager
def running_nginx(
    home: Path, pages_port: int, broker_folder: Path, eventually: Callable[..., None]
) -> Iterator[Front]:
    """Start nginx with the shipped site in `home`; the broker's certificate is for 127.0.0.1 and serves here, too."""
    http_port, https_port = any_port(), any_port()
    text = SITE.read_text("utf-8")
    for there, here in (
        ("server 127.0.0.1:8050;", f"server 127.0.0.1:{pages_port};"),
        ("listen 80;", f"listen 127.0.0.1:{http_port};"),
        ("listen [::]:80;", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{https_port} ssl http2;"),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/plekvrij/tls/fullchain.pem", str(broker_folder / "server.crt")),
        ("/etc/plekvrij/tls/privkey.pem", str(broker_folder / "server.key")),
        ("/var/log/nginx/plekvrij.log", str(home / "access.log")),
    ):
        assert there in text, there
        text = text.replace(there, here)
    (home / "site.conf").write_text(text)
    temporary = "\n".join(f"{name}_temp_path {home}/{name};" for name in _TEMPORARY)
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(_AROUND.format(user=user, home=home, temporary=temporary))
    process = subprocess.Popen(
        [NGINX, "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.PIPE
    )
    try:
        eventually(lambda: process.poll() is not None or _listens(https_port), what="nginx")
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        trust = ssl.create_default_context(cafile=str(broker_folder / "authority.crt"))
        yield Front(home, http_port, https_port, pages_port, trust)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def locations() -> list[str]:
    """Return what the shipped site tells apart."""
    return re.findall(r"location (?:~ )?(\S+) \{", SITE.read_text("utf-8"))
