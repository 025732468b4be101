"""Codes of the engine and of gateways -> sentences. An unknown code is shown as it is, never hidden."""

from __future__ import annotations

from dashboard.glyphs import PHASE
from dashboard.i18n import N_, Words
from workplace.events import HoldPhase

PHASE_WORDS: dict[HoldPhase, str] = {
    "free": N_("free"),
    "in_use": N_("in use"),
    "just_left": N_("just left"),
    "reclaimable": N_("may be used"),
    "unknown": N_("unknown"),
    "exempt": N_("fixed place"),
}

#: How the rules run on a floor (`dashboard.view_models.policy_code`), and why not (R28).
POLICY_WORDS: dict[str, str] = {
    "paused": N_("hold times paused"),
    "paused_stop_switch": N_("hold times paused: stop switch"),
    "paused_false_releases": N_("hold times paused: too often wrong"),
    "paused_coverage": N_("hold times paused: too little data"),
    "trial": N_("trial, counting only"),
}

#: Of a place in a zone that is no workplace now: lunch in the restaurant, a closed zone.
NOT_COUNTED = N_("not a workplace now")

_REASONS: dict[str, str] = {
    # answers to requests (workplace.holds.requests, ingest)
    "ok": N_("Done."),
    "no_answer": N_("The engine did not answer. Nothing is certain; please try again."),
    "broker_unreachable": N_("The message could not be sent. Please try again in a minute."),
    "too_late": N_("The message arrived too late and was not carried out. Please try again."),
    "unknown_place": N_("The engine does not know this place."),
    "no_place": N_("The engine does not know this place."),
    "no_hold": N_("There is no hold on this place."),
    "already_extended": N_("This hold was extended as often as the policy allows."),
    "exempt": N_("This is a fixed place; no limits apply."),
    "no_light": N_("This place has no light to remind with."),
    "mode": N_("The policy does not allow this in its present mode."),
    "not_allowed": N_("The policy does not allow this."),
    "coverage": N_("This comes back by itself once enough sensors give data again."),
    "time_is_over": N_("The time of this place is over; somebody else may use it."),
    "not_in_use": N_("Nobody is noticed at this place now."),
    "changed_since": N_("Something else has happened at this place since. Nothing was changed."),
    "too_late_to_undo": N_("It is too late to undo this."),
    "quiet_used_up": N_("Do not disturb was used as long as the policy allows."),
    "paused": N_("hold times paused"),
    # inputs of a place (workplace.occupancy)
    "link_up": N_("laptop plugged in"),
    "motion": N_("motion seen"),
    "unverified": N_("presence not verified"),
    "listening": N_("still listening"),
    "no_sensor": N_("no sensor"),
    "gateway_down": N_("gateway not reachable"),
    "bridge_down": N_("bridge not reachable"),
    "device_down": N_("sensor not reachable"),
    "link_lost": N_("connection to the sensor lost"),
    "not_heard": N_("sensor not heard yet"),
    "silent": N_("sensor silent"),
    "mass_event": N_("many links dropped at once"),
    "switch_down": N_("switch not reachable"),
    "admin_down": N_("port switched off"),
    "port_gone": N_("the switch has no such port"),
    "state_unknown": N_("the switch does not know"),
    "radio_down": N_("Bluetooth does not work"),
    "released_by_staff": N_("released by staff"),
    "released_by_policy": N_("released by the hold rules"),
    # added here
    "never_heard": N_("never heard"),
    "expired": N_("too old"),
    "unknown": N_("unknown"),
    # what a decision did (workplace.holds.machine)
    "hold_started": N_("hold started"),
    "just_left": N_("just left"),
    "soft_note": N_("first note"),
    "time_reached": N_("time reached"),
    "repeat": N_("note repeated"),
    "reclaimable": N_("may be used"),
    "released": N_("released"),
    "resumed": N_("in use again"),
    "extended": N_("extended"),
    "quiet": N_("do not disturb"),
    "exempted": N_("exempted"),
    "unexempted": N_("exemption ended"),
    "reminded": N_("reminded"),
    "undone": N_("taken back"),
    "frozen": N_("clock stopped, data not trusted"),
    "thawed": N_("clock runs again"),
    "unpaused": N_("hold times in force again"),
    "mass_event_over": N_("the links are back"),
}


def letter_text(letter: str, said: Words) -> str:
    """Return the word for a state letter."""
    return said(PHASE_WORDS[PHASE[letter]] if letter in PHASE else NOT_COUNTED)


def reason_text(code: str, said: Words) -> str:
    """Return a sentence for a code; one we do not know keeps its own words."""
    text = _REASONS.get(code)
    return said(text) if text is not None else code.replace("_", " ")
