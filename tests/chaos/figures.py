"""The figures of a run as lines of text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.chaos.player import KILL, Played, Player
from tests.chaos.town_hall import TownHall

KINDS = ("node", "gateway", "broker", "ingest", "influxd", "dashboard")
_MOST_NAMED = 20


def lines_of(hall: TownHall, player: Player, played: Played) -> list[str]:
    """Return what was killed, how soon it came back, where the edges are, and what is wrong."""
    return [*_components(hall, played), "", *_faults(played), "", *_edges(player, played), "", *played.ledger]


def _components(hall: TownHall, played: Played) -> Iterator[str]:
    yield f"{hall.settings.broker}, seed {hall.settings.seed}, {played.duration_s / 60:.1f} min"
    yield f"{'component':<12} {'kills':>6} {'starts':>7} {'fell':>5} {'back: median':>13} {'longest':>9}"
    total = 0
    for kind in KINDS:
        members = hall.of_kind(kind)
        if members:
            kills = sum(member.tally.kills for member in members)
            total += kills
            times = played.recoveries_s.get(f"{KILL} {kind}", [])
            yield (
                f"{kind:<12} {kills:>6} {sum(member.tally.starts for member in members):>7}"
                f" {sum(member.tally.falls for member in members):>5} {_times(times)}"
            )
    yield f"{'all':<12} {total:>6}"


def _faults(played: Played) -> Iterator[str]:
    yield f"{'fault':<36} {'times':>6} {'back: median':>13} {'longest':>9}"
    for name, count in sorted(played.faults.items()):
        if not name.startswith(KILL):
            yield f"{name:<36} {count:>6} {_times(played.recoveries_s.get(name, []))}"


def _times(times: list[float]) -> str:
    if not times:
        return f"{'-':>13} {'-':>9}"
    return f"{statistics.median(times):>11.1f} s {max(times):>7.1f} s"


def _edges(player: Player, played: Played) -> Iterator[str]:
    account, screens = played.account, player.screens
    yield f"edges made by nodes        {account.made:>7}"
    yield f"  stored in site.db        {account.stored:>7}"
    yield f"  in files moved aside     {account.aside:>7}"
    yield f"  quarantined              {account.quarantined:>7}  {dict(account.reasons) or ''}"
    yield f"  in RAM of killed nodes   {account.in_dead_nodes:>7}  (acknowledged by nobody: known)"
    yield f"  LOST                     {len(account.missing):>7}"
    yield f"  DOUBLED or invented      {len(account.strange):>7}"
    yield f"looks at places            {screens.looks:>7}  {screens.unknown} unknown"
    yield f"  called out of date       {screens.stale:>7}  and {screens.unanswered} times no answer at all"
    yield f"  free without evidence    {len(screens.wrong):>7}"
    for edge in account.missing[:_MOST_NAMED]:
        yield f"lost: {edge}"
    yield from account.strange[:_MOST_NAMED]
    yield from (f"left out: {what}" for what in sorted(player.scene.left_out))
    yield from (f"trouble: {trouble}" for trouble in played.troubles)
