"""The receiver of the reference page, run as it stands there: it takes what is ours and nothing else."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.channels.webhook import WebhookChannel, WebhookSettings
from workplace.channels import Telling
from workplace.errors import ChannelRefused
from workplace.ports import Parcel

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "webhook.md"
NEW, OLD, OTHER = b"n" * 64, b"o" * 64, b"x" * 64
NOW = datetime.now(UTC)
TELLING = Telling(
    id="cafe" * 8, kind="reclaimable", cause="reclaimable", site="klein", floor="f1", zone="1-werken", place="1-W1",
    at=NOW, expires_at=NOW + timedelta(minutes=30), mode="active",
)  # fmt: skip


@pytest.fixture
def receiver(
    tmp_path: Path, free_port: int, eventually: Callable[..., None]
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    script = tmp_path / "receiver.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, script, str(free_port)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"PLEKVRIJ_KEYS": f"{NEW.decode()},{OLD.decode()}"},
    )  # fmt: skip
    eventually(lambda: _answers(free_port), what="the receiver", within_s=30)
    yield free_port, process
    if process.poll() is None:
        process.kill()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", data=b"x", timeout=5)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return False


def post(port: int, key: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    settings = WebhookSettings(f"http://127.0.0.1:{port}/in", (key,), 10.0, allow_private=True)
    asyncio.run(WebhookChannel(settings, now).send(Parcel(TELLING.id, (TELLING,))))


def test_the_example_takes_what_is_ours_once(receiver: tuple[int, subprocess.Popen[str]]) -> None:
    port, process = receiver
    post(port, NEW)
    post(port, OLD)
    with pytest.raises(ChannelRefused, match="http_401"):
        post(port, OTHER)
    with pytest.raises(ChannelRefused, match="http_401"):
        post(port, NEW, lambda: datetime.now(UTC) - timedelta(minutes=10))
    process.kill()
    said, _ = process.communicate(timeout=15)
    assert said == "reclaimable 1-W1\n"
