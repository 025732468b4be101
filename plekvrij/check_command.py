"""`plekvrij check PLAN [POLICY]` and `plekvrij check GATEWAY.toml`: every mistake at once."""

from __future__ import annotations

import sys
from pathlib import Path

from workplace import channel_file, floor_plan, policy
from workplace.channels import ALLOWED
from workplace.documents import Mistake
from workplace.errors import SettingInvalid
from workplace.events import PolicyMode
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy


def read(path: Path) -> str:
    """Return the text of a file.

    Raises:
        SettingInvalid: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:  # ends of lines stay as they are
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingInvalid(f"cannot read {path}: {error}") from error


def check(plan_file: Path, policy_file: Path | None, channels_file: Path | None = None) -> int:
    """Print all mistakes of the files to stdout; return 0 when there is none, else 2."""
    if plan_file.suffix == ".toml":
        if policy_file is not None or channels_file is not None:
            raise SettingInvalid("a gateway has no policy and no channels; check its settings alone")
        return _check_gateway(plan_file)
    mistakes: list[Mistake] = []
    rules: Policy | None = None
    plan, found = floor_plan.check(read(plan_file), str(plan_file))
    mistakes += found
    if policy_file is not None:
        rules, found = policy.check(read(policy_file), str(policy_file), plan)
        mistakes += found
    if channels_file is not None:
        _, found = channel_file.check(read(channels_file), str(channels_file), plan)
        mistakes += found
    if mistakes:
        return _tell(mistakes)
    if channels_file is not None:
        _check_secrets(channels_file, plan)
        if plan is not None and not any(ALLOWED[mode] for mode in _modes(plan, rules)):
            print(f"{channels_file}: no zone is in mode notes or active, so nobody is told anything")
    if plan is not None:
        print(
            f"{plan_file}: {len(plan.floors)} floors, {len(plan.zone)} zones, {len(plan.place)} places, no mistakes"
        )
    if policy_file is not None:
        print(f"{policy_file}: no mistakes")
    return 0


def _modes(plan: FloorPlan, rules: Policy | None) -> set[PolicyMode]:
    in_force = rules or policy.default(plan.site)
    return {in_force.mode(zone) for zone in plan.zone.values()}


def _check_secrets(channels_file: Path, plan: FloorPlan | None) -> None:
    """Look into the files of secrets without showing them.

    Raises:
        SettingInvalid: one cannot be used.
    """
    from plekvrij.notifier_process import open_channels, read_channels

    channels = read_channels(channels_file, plan)
    if plan is not None:
        opened = open_channels(channels, plan)
        print(f"{channels_file}: {len(opened)} channel{'s' if len(opened) > 1 else ''}, no mistakes")


def _check_gateway(file: Path) -> int:
    from gateway.settings_file import check as check_settings

    settings, mistakes = check_settings(read(file), str(file))
    if settings is None:
        return _tell(mistakes)
    print(f"{file}: gateway {settings.gateway} of floor {settings.floor}, no mistakes")
    return 0


def _tell(mistakes: list[Mistake]) -> int:
    for mistake in mistakes:
        print(mistake)
    print(f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''} found", file=sys.stderr)
    return 2
