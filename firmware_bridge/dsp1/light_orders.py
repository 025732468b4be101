"""Light commands on their way to a node: repeated until answered, the newest per channel wins."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_bridge.dsp1.messages import LIGHT_CODES

#: DSP/1, rule 7: sent once and repeated at most three times, 300 ms apart.
MAX_SENDS = 4
RETRY_MS = 300.0
#: DSP/1: a node has at most 16 channels.
MAX_CHANNELS = 16

#: What a node with one plain light shows per code. Hues as on the pages (blue is free, never green against
#: red); `in_use` is a faint white, since a desk in use must not draw the eye.
COLOURS: dict[int, tuple[int, int, int]] = {
    LIGHT_CODES["off"]: (0, 0, 0),
    LIGHT_CODES["free"]: (0, 60, 160),
    LIGHT_CODES["in_use"]: (12, 12, 12),
    LIGHT_CODES["note"]: (120, 90, 0),
    LIGHT_CODES["reclaimable"]: (160, 45, 0),
    LIGHT_CODES["unknown"]: (24, 0, 32),
}


@dataclass(slots=True)
class LightOrder:
    """One wish for one channel, with the frames that carried it."""

    command_id: str
    channel: int
    code: int
    due_ms: float
    sends: int = 0
    seqs: set[int] = field(default_factory=set)


class LightOrders:
    """At most one open order per channel, and what each channel shows."""

    def __init__(self) -> None:
        self._open: dict[int, LightOrder] = {}
        self._shown: dict[int, LightOrder] = {}

    def place(self, command_id: str, channel: int, code: int, link_ms: float) -> None:
        """Open an order, in place of an older one for the same channel."""
        self._open[channel] = LightOrder(command_id, channel, code, link_ms)

    def place_again(self, link_ms: float) -> None:
        """After a restart the node is dark: order again what it had confirmed."""
        for channel, order in self._shown.items():
            if channel not in self._open:
                self.place(order.command_id, channel, order.code, link_ms)
        self._shown.clear()

    def forget(self) -> None:
        """Another node is connected."""
        self._open.clear()
        self._shown.clear()

    def take_due(self, link_ms: float) -> tuple[list[LightOrder], list[LightOrder]]:
        """Return the orders to send now, counted as sent, and those given up."""
        due = [order for order in self._open.values() if link_ms >= order.due_ms]
        given_up = [order for order in due if order.sends >= MAX_SENDS]
        for order in given_up:
            del self._open[order.channel]
        to_send = [order for order in due if order.sends < MAX_SENDS]
        for order in to_send:
            order.sends += 1
            order.due_ms = link_ms + RETRY_MS
        return to_send, given_up

    def find(self, seq: int) -> LightOrder | None:
        """Return the open order that frame `seq` carried."""
        return next((order for order in self._open.values() if seq in order.seqs), None)

    def confirm(self, order: LightOrder) -> None:
        """The node shows it."""
        self._shown[order.channel] = order
        self.give_up(order)

    def give_up(self, order: LightOrder) -> None:
        """The node never will."""
        self._open.pop(order.channel, None)

    def next_due_ms(self) -> float | None:
        """When `take_due` has something to do again."""
        return min((order.due_ms for order in self._open.values()), default=None)
