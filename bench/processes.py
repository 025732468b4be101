"""What the kernel knows of a process: its CPU time, its memory, its children."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return user and system time of all threads so far, to a tick of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S  # proc(5): utime and stime are fields 14 and 15


def rss_mb(pid: int) -> float:
    """Return resident memory in MB of 10^6 bytes; pages shared with other processes count in full."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(f"process {pid} has ended")


def children(pid: int) -> Iterator[tuple[int, str]]:
    """Yield process id and command line of each direct child."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child), Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
