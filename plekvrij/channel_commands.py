"""`plekvrij notifier` and `plekvrij agent`: those who tell people outside the screens."""

from __future__ import annotations

import argparse
import asyncio
import os

from plekvrij import logs, wiring
from plekvrij.arguments import CHILD, clock_of, needs, site_of
from plekvrij.exposition import Exposition, exposed
from plekvrij.lifecycle import announce_ready, run
from plekvrij.options import CommandSpec
from plekvrij.site_watch import run_with_newest
from workplace.errors import SettingInvalid


def notifier(arguments: argparse.Namespace) -> int:
    """Deliver to the channels of a site until stopped."""
    from plekvrij import notifier_process

    needs(arguments, "channels")
    logs.set_up("notifier")
    site = site_of(arguments)
    if getattr(arguments, "try"):
        return asyncio.run(notifier_process.try_channels(arguments.channels, site.plan))
    needs(arguments, "broker", "data")
    notifier_process.read_channels(
        arguments.channels, site.plan
    )  # mistakes are told at the start, and end it

    exposition = Exposition()

    async def deliver(newest: wiring.Site) -> None:
        await notifier_process.run(
            newest.plan,
            newest.policy,
            arguments.channels,
            data=arguments.data,
            clock=clock_of(arguments),
            open_link=wiring.link_opener(wiring.broker_of(arguments.broker, arguments.credential)),
            ready=announce_ready,
            told=exposition.tell if arguments.metrics else None,
        )

    with exposed(arguments.metrics, exposition):
        return run(lambda: run_with_newest(site, deliver), until_stdin_ends=arguments.with_parent)


def agent(arguments: argparse.Namespace) -> int:
    """Show the notes of one place on this desktop until stopped."""
    from laptop_note.app import AgentSettings, run_agent
    from laptop_note.desk_source import desk_address

    if arguments.language not in {"nl", "en"}:
        raise SettingInvalid(f"unknown language '{arguments.language}'; write nl or en")
    address = desk_address(arguments.link, arguments.place)
    settings = AgentSettings(address, arguments.language)
    if os.name == "posix":
        return run(lambda: run_agent(settings))
    asyncio.run(run_agent(settings))  # elsewhere an event loop knows no signals; Ctrl-C ends it all the same
    return 0


COMMANDS = (
    CommandSpec(
        "notifier",
        "Tell people and programs outside the screens what was decided (channels of facility, webhooks).",
        notifier,
        (*CHILD, "data", "channels", "try"),
    ),
    CommandSpec(
        "agent",
        "Show the notes of one place on this laptop; sends nothing about anybody, keeps nothing.",
        agent,
        ("place", "language"),
        positionals=(("link", "", "address of the desk page (its QR code), or of the site with --place"),),
    ),
)
