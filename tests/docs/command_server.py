"""`plekvrij` for shells of the tests: the commands themselves, in forks of a process that has loaded them once.

A page names dozens of commands, and a Python that loads them all takes seconds of two busy cores. A shell calls a
small program that hands its words, folder and standard files to this process; the fork runs `plekvrij.cli.main`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

from plekvrij.cli import COMMANDS, main
from plekvrij.options import build_parser

#: command -> why it is not run here but read by the parser alone; the files that it is given must exist.
ONLY_PARSED = {
    "demo": "the site of these tests is the demo of the tutorial; a second one would be twice the machine",
    "serve": "a site that runs until it is stopped; tests/end_to_end/test_metrics_ports.py starts it",
    "gateway": "runs until it is stopped; the demo starts one",
    "ingest": "runs until it is stopped; the demo starts one",
    "dashboard": "runs until it is stopped; the demo starts one",
    "notifier": "runs until it is stopped; the demo starts one",
    "agent": "runs until it is stopped; tests/adapters/test_laptop_note.py starts it",
    "replay uci864": "twenty seconds of a recording; tests/end_to_end/test_commands.py plays it",
    "enrol join": "a code is good once, and a server must have given it; tests/install joins a gateway",
    "privacy attack": "plays a building for two minutes; tests/end_to_end/test_privacy_attack.py does so",
}
#: command -> exit codes other than 0 that its page announces.
ENDS_WITH = {
    "policy diff": (1,),  # the two differ
    "doctor": (1,),  # a machine without a time service is told so
    "nights": (2,),  # a site of a minute had none
    "walk": (1,),  # stopped before the last place
}

STUB = """#!{python} -IS
import json, os, signal, socket, sys
said = {{name: value for name, value in os.environ.items() if name.startswith("PLEKVRIJ_")}}
link = socket.socket(socket.AF_UNIX)
link.connect({path!r})
socket.send_fds(link, [json.dumps([sys.argv[1:], os.getcwd(), said]).encode()], [0, 1, 2])
link.shutdown(socket.SHUT_WR)
sys.exit(int(link.recv(16) or 70))
"""


def write_stub(folder: Path, path: Path) -> None:
    """Write the program `plekvrij` that asks the server at `path`."""
    file = folder / "plekvrij"
    file.write_text(STUB.format(python=sys.executable, path=str(path)))
    file.chmod(0o755)


def key_of(words: list[str]) -> str:
    """Return the command and, where it matters here, its action."""
    long = " ".join(words[:2])
    is_own = long == "privacy attack" and "--data" in words  # searches a folder, which is quick
    return words[0] if is_own or long not in ONLY_PARSED | ENDS_WITH else long


def answer(words: list[str]) -> int:
    """Run or parse one command; return its exit code, 0 where the page announces another."""
    key = key_of(words) if words else ""
    if key in ONLY_PARSED:
        return _parse(words)
    code = main(words)
    return 0 if code in ENDS_WITH.get(key, ()) else code


def _parse(words: list[str]) -> int:
    arguments: argparse.Namespace = build_parser(COMMANDS).parse_args(words)
    for name, value in vars(arguments).items():
        if isinstance(value, Path) and name not in ("data", "out") and not value.exists():
            print(f"--{name}: there is no {value}", file=sys.stderr)
            return 2
    return 0


def serve(path: str) -> None:
    """Answer on a socket until killed; says READY on stdout when it does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    print("READY", flush=True)
    while True:
        link, _ = server.accept()
        said, files, _, _ = socket.recv_fds(link, 65_536, 3)
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run(link, said, files)
        link.close()
        for file in files:
            os.close(file)


def _run(link: socket.socket, said: bytes, files: list[int]) -> None:
    code = 70
    try:
        words, folder, settings = json.loads(said)
        os.environ.update(settings)
        for target, file in enumerate(files):
            os.dup2(file, target)
        os.chdir(folder)
        code = answer(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a fork must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        link.sendall(str(code).encode())
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
