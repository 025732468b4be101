"""What came of every edge, and what the screens said meanwhile: the check at the end of a run."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.docks import DockNode, Edge
from tests.chaos.site_view import Evidence, SiteView, read_only

#: A word in the store may take this long to a screen on a machine that others share, s, once broker, ingest and pages
#: are there; then a screen that says otherwise is wrong. While ingest has a backlog to drain it tells nobody anything.
SHOWN_WITHIN_S = 8.0
HEADER_BYTES = 100


@dataclass
class Account:
    """Where the edges are. Each is counted in one place only.

    Attributes:
        stored: in `site.db`, once.
        aside: in a damaged file that was moved aside, and not in `site.db`.
        quarantined: set aside by ingest, with the reason beside it.
        in_dead_nodes: in the memory of a node that was killed before anything acknowledged them: lost by physics.
        missing: acknowledged to their node, and nowhere.
        strange: rows that no node made, or made once and stored twice.
    """

    made: int = 0
    stored: int = 0
    aside: int = 0
    quarantined: int = 0
    in_dead_nodes: int = 0
    missing: list[Edge] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        return not self.missing and not self.strange


def settle_account(database: Path, aside_ids: set[str], nodes: Iterable[DockNode]) -> Account:
    """Hold what the nodes wrote down against what is stored; everything has come to rest."""
    account = Account()
    with contextlib.closing(read_only(database)) as connection:
        rows = connection.execute(
            "SELECT id, device, channel, value, seq FROM event WHERE kind = 'link' AND seq IS NOT NULL"
        ).fetchall()
        refused = connection.execute("SELECT reason, payload FROM quarantine").fetchall()
    in_quarantine = dict(_refused_ids(refused))
    stored = Counter(
        (id_, device, int(channel), int(value), seq) for id_, device, channel, value, seq in rows
    )
    for node in nodes:
        node.journal.read_on()
        for edge in node.journal.edges.values():
            account.made += 1
            times = stored.pop((edge.id, edge.device, edge.channel, edge.value, edge.seq), 0)
            if times == 1:
                account.stored += 1
            elif times > 1:
                account.strange.append(f"{edge} is stored {times} times")
            elif edge.id in aside_ids:
                account.aside += 1
            elif edge.id in in_quarantine:
                account.quarantined += 1
                account.reasons[in_quarantine[edge.id]] += 1
            elif edge.boot != node.journal.last_boot and not node.journal.is_acked(edge):
                account.in_dead_nodes += 1
            else:
                account.missing.append(edge)
    account.strange += [f"no node made {row}" for row in stored]
    return account


def _refused_ids(rows: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, str]]:
    for reason, payload in rows:
        with contextlib.suppress(ValueError):
            said: Any = json.loads(payload)
            if isinstance(said, dict) and "id" in said:
                yield said["id"], reason


def ids_in_file_aside(aside: Path, header: bytes, work: Path) -> set[str]:
    """Return the ids in a damaged store, set aside or not, once its header is put back, as a repairer would."""
    work.mkdir(exist_ok=True)
    copy = work / aside.name
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(f"{aside}{suffix}", f"{copy}{suffix}")
    with copy.open("r+b") as file:
        file.write(header)
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("SELECT id FROM event WHERE kind = 'link' AND seq IS NOT NULL").fetchall()
        refused = connection.execute("SELECT reason, payload FROM quarantine").fetchall()
    return {id_ for (id_,) in rows} | {id_ for id_, _ in _refused_ids(refused)}


@dataclass
class ScreenWatch:
    """Looks at every place as the pages show it. `wrong`: shown as free although the store said for long that a
    laptop is plugged in, or said nothing at all.
    """

    view: SiteView
    nodes: list[DockNode]
    looks: int = 0
    unanswered: int = 0
    unknown: int = 0
    stale: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    #: Gateways whose clock is wrong: their times order nothing.
    doubted: set[str] = field(default_factory=set)
    #: Monotonic s since which the way from the store to the screens is whole; infinite while it is not.
    whole_since_s: float = 0.0

    _suspected: dict[str, tuple[DockNode, int, Evidence | None, str]] = field(default_factory=dict)

    def look(self, places: dict[str, str] | None, looked_at: float) -> None:
        """Compare one answer of the interface, place -> state, with the evidence of its moment.

        Args:
            places: None when there was no answer; without the places that the pages themselves call out of date.
        """
        self._confirm()
        if places is None:
            self.unanswered += 1
            return
        for node in self.nodes:
            if node.gateway in self.doubted:
                continue
            for channel, place in node.places.items():
                state = places.get(place)
                if state is None:
                    self.stale += 1
                    continue
                self.looks += 1
                self.unknown += state == "unknown"
                evidence = self.view.evidence.get((node.device, channel))
                if state in ("free", "reclaimable") and _contradicts(evidence, looked_at, self.whole_since_s):
                    seen = f"{datetime.now(UTC):%H:%M:%S.%f}, evidence {evidence}, looked at {looked_at:.3f}"
                    self._suspected[place] = node, channel, evidence, seen

    def _confirm(self) -> None:
        """What was suspected a look ago stands when the store has no newer word: the page may have been quicker."""
        for place, (node, channel, then, seen) in self._suspected.items():
            if self.view.evidence.get((node.device, channel)) == then:
                said = (
                    "the store knows nothing of it"
                    if then is None
                    else "its dock was stored as in use before"
                )
                self.wrong.setdefault(place, f"{place} was shown free, and {said} ({seen})")
        self._suspected.clear()


def _contradicts(evidence: Evidence | None, looked_at: float, whole_since_s: float) -> bool:
    if evidence is None:
        return looked_at - whole_since_s > SHOWN_WITHIN_S
    return evidence.value == 1 and looked_at - max(evidence.seen_at, whole_since_s) > SHOWN_WITHIN_S
