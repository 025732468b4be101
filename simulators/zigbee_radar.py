"""A mains radar under Zigbee2MQTT: says `presence` at once, floods while it does, and repeats its state. Pure."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from simulators.speaker import as_json, text_time

#: Tuya radars send several identical messages within 120 ms at a change (a log in ZY-M100 issue 1).
FLOOD = (1, 3)
#: State and distance come again now and then; the real ones do it up to once a second (guess: a calm one).
REPEAT_S = (60.0, 180.0)
SEAT_M = (0.6, 1.6)  # from the radar to who sits, guess


class Radar:
    """One radar of the ZY-M100 family.

    Attributes:
        repeat_at: call `repeat` then.
    """

    def __init__(self, name: str, rng: random.Random, started_at: datetime) -> None:
        self.name = name
        self._rng = rng
        self.address = f"0xa4c138{rng.getrandbits(40):010x}"  # a4:c1:38 is what Tuya's radios carry
        self._present = False
        self.repeat_at = started_at + timedelta(seconds=rng.uniform(0, REPEAT_S[0]))

    def see(self, present: bool, now: datetime) -> list[bytes]:
        """Return the payloads of one change."""
        self._present = present
        return [self._state(now)] * self._rng.randint(*FLOOD)

    def repeat(self, now: datetime) -> bytes:
        """Return the state once more."""
        self.repeat_at = now + timedelta(seconds=self._rng.uniform(*REPEAT_S))
        return self._state(now)

    def _state(self, now: datetime) -> bytes:
        distance = round(self._rng.uniform(*SEAT_M), 2) if self._present else None
        return as_json(
            {
                "presence": self._present,
                "state": "presence" if self._present else "none",
                "target_distance": distance,
                "illuminance": self._rng.randint(180, 420)
                if 6 <= now.hour < 18
                else self._rng.randint(0, 12),
                "linkquality": self._rng.randint(60, 220),
                "last_seen": text_time(now),
            }
        )

    def description(self) -> dict[str, Any]:
        """Return the entry of `bridge/devices`."""
        return {
            "ieee_address": self.address,
            "type": "Router",
            "network_address": int(self.address[-4:], 16),
            "friendly_name": self.name,
            "supported": True,
            "disabled": False,
            "interview_completed": True,
            "power_source": "Mains (single phase)",
            "manufacturer": "_TZE204_sxm7l9xa",
            "model_id": "TS0601",
            "definition": {
                "model": "ZY-M100-S_1",
                "vendor": "Tuya",
                "description": "Mini human breathe sensor",
                "exposes": [
                    {
                        "type": "binary",
                        "name": "presence",
                        "property": "presence",
                        "access": 1,
                        "value_on": True,
                        "value_off": False,
                    },
                    {"type": "numeric", "name": "illuminance", "property": "illuminance", "access": 1},
                    {
                        "type": "numeric",
                        "name": "target_distance",
                        "property": "target_distance",
                        "access": 1,
                    },
                ],
            },
        }
