"""`plekvrij privacy attack`: with full access to everything that is kept and sent, who can be found or followed?

Without `--data` a building is played by real processes whose switches and radios name laptops and people, so that there
is something to find. With `--data` a real site's folder is searched for whatever looks like an address or a name.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from plekvrij import logs
from plekvrij.arguments import site_of
from plekvrij.lifecycle import run
from plekvrij.privacy import habits
from plekvrij.privacy.evidence import backup_of, files_of, tables_of
from plekvrij.privacy.traces import Evidence, Find, find_known, find_lookalikes, needles_of, sensors_of
from plekvrij.wiring import Site
from workplace.errors import SettingInvalid

#: Fewer days leave nothing to learn from: one pair of days is tried with what the others taught.
_LEAST_DAYS = 3
#: Real seconds that the building is played for.
_PLAY_S = 45.0


@dataclass(slots=True)
class Result:
    """What was looked at and what was found."""

    finds: list[Find] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)
    named: int = 0
    """Identifiers that were played and looked for."""
    heard: dict[str, int] = field(default_factory=dict)
    """Events by what brought them: proof that what named people was heard at all."""
    linkage: habits.Linkage | None = None

    def search(self, evidence: Iterable[Evidence], needles: Sequence[Any], ours: Any) -> None:
        for piece in evidence:
            self.looked[piece.where.split(" ", 1)[0]] += 1
            known = list(find_known([piece], needles))
            self.finds += known
            if not known:
                self.finds += find_lookalikes([piece], ours)


def run_attack(arguments: argparse.Namespace) -> int:
    """Attack and print; return 1 when something of a person or laptop was found.

    Raises:
        SettingInvalid: too few days, or no such folder.
    """
    site = site_of(arguments)
    if arguments.data is not None:
        result = search_folder(site, arguments.data)
    else:
        if arguments.days < _LEAST_DAYS:
            raise SettingInvalid(f"--days is {arguments.days}; write {_LEAST_DAYS} or more")
        play_s = getattr(arguments, "for") or _PLAY_S
        result = attack_simulation(site, seed=arguments.seed, days=arguments.days, play_s=play_s)
    for line in _as_json(result) if arguments.json else _as_text(result, is_real=arguments.data is not None):
        print(line)
    return 1 if result.finds else 0


def search_folder(site: Site, data: Path) -> Result:
    """Search the folder of a real site.

    Raises:
        SettingInvalid: there is no site in it.
    """
    if not (data / "site.db").is_file():
        raise SettingInvalid(
            f"{data} holds no site.db; --data names the folder that `plekvrij serve` was given"
        )
    result, ours = Result(), sensors_of(site.plan)
    for evidence in (files_of(data), tables_of(data), backup_of(data)):
        result.search(evidence, (), ours)
    return result


def attack_simulation(site: Site, *, seed: int, days: int, play_s: float) -> Result:
    """Play a building that names people, search everything, and try to link days."""
    from plekvrij.privacy.played_site import play

    logs.set_up("privacy-attack")
    result = Result()

    async def main() -> None:
        played = await play(site, seed=seed, for_s=play_s, tell=_tell)
        needles = needles_of(played.carried, played.visitors)
        result.named, result.heard = len(needles), played.heard
        result.search(played.evidence, needles, sensors_of(site.plan))

    run(main)
    _tell(f"living {days} workdays ...")
    lived = list(habits.live_days(site.plan, seed, days))
    result.looked["days"] = len(lived)
    result.finds += habits.followers(habits.rows_of(site.plan, lived), lived)
    result.linkage = habits.link(site.plan, lived, seed)
    return result


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _as_json(result: Result) -> Iterator[str]:
    linkage: dict[str, Any] | None = None
    if result.linkage is not None:
        linkage = msgspec.to_builtins(result.linkage)
        for name in ("same_desk", "habits"):
            share: habits.Share = getattr(result.linkage, name)
            linkage[name] |= {
                "pct": round(share.pct, 2),
                "interval_pct": [round(x, 2) for x in share.interval_pct],
            }
    found = {
        "finds": msgspec.to_builtins(result.finds),
        "looked": dict(result.looked),
        "identifiers": result.named,
        "heard": result.heard,
        "linkage": linkage,
    }
    yield msgspec.json.encode(found).decode()


def _as_text(result: Result, *, is_real: bool) -> Iterator[str]:
    looked = ", ".join(f"{number} {what}" for what, number in sorted(result.looked.items()))
    yield f"1. Identifiers of people and laptops (looked at: {looked})"
    if is_real:
        yield "   searched for whatever looks like a MAC address, an e-mail address or an IP address"
    else:
        heard = ", ".join(f"{number} by {what}" for what, number in sorted(result.heard.items())) or "none"
        yield f"   {result.named} identifiers were named by switches, radios and visitors; events that came: {heard}"
    for find in result.finds:
        yield f"   FOUND {find.what} {find.shown} in {find.where}: {find.around}"
    yield f"   found: {len(result.finds)}"
    if result.linkage is None:
        yield "2. Linking days needs to know who sat where: run without --data, which plays a building"
        return
    yield from _about_linkage(result.linkage)


def _about_linkage(linkage: habits.Linkage) -> Iterator[str]:
    yield f"2. Following somebody from one day to the next by habit ({linkage.days} days, {linkage.habits.tried} tries)"
    yield f"   by chance, any desk          {linkage.chance_pct:5.1f} %"
    yield f"   by chance, on the same floor {linkage.floor_chance_pct:5.1f} %"
    for name, share in (
        ("the same desk again", linkage.same_desk),
        ("everything that is kept", linkage.habits),
    ):
        low, high = share.interval_pct
        yield f"   {name:<28} {share.pct:5.1f} %   (95 %: {low:.1f} to {high:.1f}; {share.right} of {share.tried})"
    yield "3. What no software can hide"
    yield f"   {linkage.nights} laptops stayed in a dock over night: their two days are one, whoever looks"
    yield f"   {linkage.fixed_days} days of fixed places were left out: such a place is a person"
    yield "   who sees a desk and may read the data knows the day of whom is seen there"
