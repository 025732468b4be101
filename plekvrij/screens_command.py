"""The command `screens`: links for wall screens, who has one, and to take one back."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import msgspec

from plekvrij import wiring
from plekvrij.arguments import needs
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid


def _screens(arguments: argparse.Namespace) -> int:
    needs(arguments, "data")
    actions = {"add": _add, "list": _list, "revoke": _revoke}
    action = actions.get(arguments.action)
    if action is None:
        raise SettingInvalid(f"unknown action '{arguments.action}'; write add, list or revoke")
    if arguments.action != "list" and arguments.name is None:
        raise SettingInvalid(
            f"plekvrij screens {arguments.action} needs the name of a screen, such as f2-lift"
        )
    return action(arguments)


def _add(arguments: argparse.Namespace) -> int:
    from dashboard.wall.screen_links import add_screen

    needs(arguments, "floor")
    here_m = _point(arguments.here)
    plan = wiring.read_site(arguments.plan or wiring.DEMO_PLAN, None).plan
    floor = plan.floor.get(arguments.floor)
    if floor is None:
        raise SettingInvalid(f"the plan has no floor {arguments.floor!r}; it has {', '.join(plan.floor)}")
    if here_m is not None and not all(0 <= at <= size for at, size in zip(here_m, floor.size_m, strict=True)):
        width, height = floor.size_m
        raise SettingInvalid(
            f"--here {arguments.here} is not on floor {floor.id} of {width:g} x {height:g} m"
        )
    token = add_screen(arguments.data, arguments.name, floor.id, here_m, datetime.now(UTC))
    base = "" if arguments.url is None else arguments.url.rstrip("/")
    print(f"{base}/s/{token}")
    print(
        f"the link of screen {arguments.name}, floor {floor.id}; who has it sees that wall, so give it to the screen"
        " alone. It is not kept: write it down now",
        file=sys.stderr,
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from dashboard.wall.screen_links import read_screens, read_seen

    screens, seen = read_screens(arguments.data), read_seen(arguments.data)
    for screen in screens:
        seen_at = seen.get(screen.id)
        if arguments.json:
            told = {
                "name": screen.name, "floor": screen.floor, "here_m": screen.here_m, "added_at": screen.added_at,
                "last_seen_at": seen_at, "withdrawn_at": screen.withdrawn_at,
            }  # fmt: skip
            print(msgspec.json.encode(told).decode())
            continue
        state = "in force" if screen.withdrawn_at is None else f"withdrawn {_time(screen.withdrawn_at)}"
        print(f"{screen.name}: floor {screen.floor}, {state}, last seen {_time(seen_at)}")
    if not screens:
        print("no screen has a link; make one with: plekvrij screens add NAME --floor FLOOR", file=sys.stderr)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    from dashboard.wall.screen_links import withdraw_screen

    screen = withdraw_screen(arguments.data, arguments.name, datetime.now(UTC))
    print(f"{screen.name}: the link is withdrawn; an open screen says so within seconds")
    return 0


def _point(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    parts = text.split(",")
    try:
        x_m, y_m = (float(part) for part in parts)
    except ValueError:
        raise SettingInvalid(
            f"--here {text!r}: write x,y in metres from the top left, such as 3.5,12"
        ) from None
    return x_m, y_m


def _time(at: datetime | None) -> str:
    return "never" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M}"


COMMANDS = (
    CommandSpec(
        "screens",
        "Make a link for a wall screen, list the screens and when each was last seen, or withdraw a link.",
        _screens,
        ("data", "plan", "floor", "here", "url", "json"),
        positionals=(
            ("action", "", "add, list or revoke"),
            ("name", "?", "add and revoke: name of the screen, such as f2-lift"),
        ),
    ),
)
