"""How the channels outside the screens are doing, each with its cause. Pure."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard.api.views import NOTIFIER_SILENT_S
from dashboard.i18n import N_, Words
from dashboard.staff.parts import table
from dashboard.staff.sensors import seconds
from workplace.events import ChannelHealth, NotifierHealth

_STATES = {
    "ok": N_("in order"),
    "failing": N_("disturbed"),
    "refused": N_("refuses messages"),
    "closed": N_("stopped"),
}
#: State -> dot of the sheet.
_DOTS = {"ok": "online", "failing": "late", "refused": "late", "closed": "offline"}
_REASONS = {
    "network": N_("not reachable"),
    "timeout": N_("no answer in time"),
    "no_answer": N_("hangs up without an answer"),
    "not_http": N_("something else lives at this address"),
    "tls": N_("its certificate is not trusted"),
    "not_delivered": N_("the service did not take the message"),
    "hangs": N_("the last message still hangs"),
    "private_address": N_("its address is inside our network, which is not allowed"),
    "http_401": N_("it does not know our key"),
    "http_404": N_("nothing lives at this address"),
    "http_410": N_("it wants no messages any more"),
    "http_429": N_("it asks us to slow down"),
    "store": N_("our own disk cannot be written"),
    "program": N_("a mistake in the program; the log has it"),
}


def channels(health: NotifierHealth | None, age_s: float | None, said: Words) -> Any:
    """Return one line per channel, or why there is none."""
    if health is None:
        return html.P(said("Nobody is told anything outside the screens."), className="st-empty")
    head = [said(text) for text in (N_("Channel"), N_("Status"), N_("Waiting"), N_("Sent"), N_("Not sent"))]
    head += [said("Last message"), said("Cause")]
    rows = [_line(channel, said) for channel in health.channels]
    return html.Div(
        [*_troubles(health, age_s, said), table(head, rows, said("Channels"))], className="st-scroll-x"
    )


def _troubles(health: NotifierHealth, age_s: float | None, said: Words) -> list[Any]:
    if age_s is not None and age_s > NOTIFIER_SILENT_S:
        text = said("The notifier has been silent for {t}; nobody is told anything.").format(
            t=seconds(age_s, said)
        )
    elif not health.reads_decisions:
        text = said("The notifier cannot read what is decided; nobody is told anything.")
    else:
        return []
    return [html.P(text, className="st-bad", role="status")]


def _line(channel: ChannelHealth, said: Words) -> list[Any]:
    waiting = str(channel.waiting)
    if channel.waiting:
        waiting += f", {seconds(channel.oldest_s, said)}"
    return [
        channel.name,
        html.Span(
            [html.I(className=f"st-dot st-dot-{_DOTS[channel.state]}"), said(_STATES[channel.state])],
            className="st-nowrap",
        ),
        waiting,
        str(channel.sent),
        str(channel.expired + channel.withheld + channel.refused + channel.withdrawn),
        seconds(channel.last_sent_age_s, said),
        reason(channel.reason, said),
    ]


def reason(code: str, said: Words) -> str:
    """Return why a channel does not work; a code we do not know is shown as it is."""
    if code in _REASONS:
        return said(_REASONS[code])
    if code.startswith("http_"):
        return said("it answers {n}").format(n=code.removeprefix("http_"))
    return code
