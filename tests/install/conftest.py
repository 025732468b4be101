"""One site, installed by typing what `docs/how-to/install-a-site.md` says, for all tests of this folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from plekvrij.embedded_broker import free_port as any_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "install-a-site.md"
PORTS = (
    "PLEKVRIJ_PORT",
    "PLEKVRIJ_BROKER_PORT",
    "PLEKVRIJ_GATEWAY_PORT",
    "PLEKVRIJ_ENROL_PORT",
    "SYSLOG_PORT",
)
#: The long form builds the archive and begins with the first section, which installs the program from it.
IS_LONG = os.environ.get("PLEKVRIJ_LONG") == "1"
#: Then nothing is typed as root: by a user who has nothing.
IS_NOBODY = IS_LONG and os.geteuid() == 0
_DONE = "-- all typed --"


def sections() -> dict[str, str]:
    """Return the number of each section -> its shell blocks as one text."""
    parts = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {
        part.partition(".")[0]: "".join(re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL))
        for part in parts
        if part[0].isdigit()
    }


class Terminal:
    """One shell that is typed into; nothing of the tests' own environment reaches it but where programs are."""

    def __init__(self, home: Path, ports: dict[str, int]) -> None:
        environment = {"HOME": str(home), "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"}
        if not IS_LONG:
            program = Path(sys.executable).parent
            environment |= {"PATH": f"{program}:{environment['PATH']}", "PYTHONPATH": str(ROOT)}
        as_user = (
            ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if IS_NOBODY else []
        )
        self._shell = subprocess.Popen(
            [*as_user, "/bin/bash", "--noprofile", "--norc", "-eu", "-o", "pipefail"],
            cwd=home, env=environment | {name: str(port) for name, port in ports.items()}, text=True,
            start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._lines: list[str] = []

    def type(self, text: str) -> str:
        """Type commands and return what they print, once all have ended."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{text}\necho '{_DONE}'\n")
        self._shell.stdin.flush()
        start = len(self._lines)
        for line in self._shell.stdout:
            if line.strip() == _DONE:
                return "".join(self._lines[start:])
            self._lines.append(line)
        raise AssertionError("the shell stopped at:\n" + "".join(self._lines[-30:]))

    def close(self) -> None:
        """End whatever is left, by its session."""
        try:
            os.killpg(self._shell.pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        self._shell.wait(60)


@dataclass(frozen=True)
class Installed:
    """The site, with everything of the page running but the last two sections."""

    home: Path
    ports: dict[str, int]
    terminal: Terminal
    typed: dict[str, str]
    link: str

    def logs(self) -> str:
        """Return the ends of all logs, for who looks why it failed."""
        files = sorted(self.home.glob("site/**/*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-1500:]}" for file in files)

    def switch_says(self, port: str, state: str) -> None:
        """Let the switch tell that something was plugged in (`up`) or out (`down`)."""
        line = self.typed["7"].replace("GigabitEthernet1/0/1", f"GigabitEthernet{port}")
        assert "to up" in line
        self.terminal.type(line.replace("to up", f"to {state}"))


@pytest.fixture(scope="session")
def installed() -> Iterator[Installed]:
    # Mosquitto drops the rights of root and must be able to enter
    home = Path(tempfile.mkdtemp(prefix="plekvrij-home-"))
    home.chmod(0o755)
    ports = {name: any_port() for name in PORTS}
    typed = sections()
    terminal = Terminal(home, ports)
    try:
        if IS_LONG:
            subprocess.run(
                [sys.executable, str(ROOT / "deploy" / "make_archive.py"), "--out", str(home), "--deb"],
                check=True, cwd=ROOT,
            )  # fmt: skip
            if IS_NOBODY:
                shutil.chown(home, "nobody", "nogroup")
            terminal.type(typed["1"])
        for number in ("2", "3", "4", "5"):
            terminal.type(typed[number])
        link = terminal.type(typed["6"]).split()[-1]
        yield Installed(home, ports, terminal, typed, link)
        terminal.type(typed["8"])
    finally:
        terminal.close()
        shutil.rmtree(home, ignore_errors=True)
