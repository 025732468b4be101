"""What the grade of a motion sensor means to people: good, fair or poor. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from workplace.plan_file import Text

GradeName = Literal["A", "B", "C", "D", "E"]
Quality = Literal["good", "fair", "poor"]

#: Grades as in `workplace.occupancy.rates.GRADES`. Of D somebody who sits still is seen once or twice an hour: what the
#: screens say of such a place rests on its dock alone.
QUALITY_OF: Final[dict[GradeName, Quality]] = {
    "A": "good",
    "B": "good",
    "C": "fair",
    "D": "poor",
    "E": "poor",
}
QUALITY_WORDS: Final[dict[Quality, Text]] = {
    "good": Text(nl="goed", en="good"),
    "fair": Text(nl="matig", en="fair"),
    "poor": Text(nl="zwak", en="weak"),
}


QUALITY_MEANS: Final[dict[Quality, Text]] = {
    "good": Text(nl="ook wie stilzit wordt meestal gezien", en="who sits still is mostly seen too"),
    "fair": Text(
        nl="wie lang stilzit wordt soms niet gezien", en="who sits still for long is sometimes not seen"
    ),
    "poor": Text(nl="wie stilzit wordt vaak niet gezien", en="who sits still is often not seen"),
}


@dataclass(frozen=True, slots=True)
class SensorGrade:
    """How well the motion sensors of a place see its seat.

    Attributes:
        until: end of the newest day that it was learned of.
        wiring: the sensors that it was learned of (`wiring_of`).
    """

    grade: GradeName
    until: datetime
    wiring: str

    @property
    def quality(self) -> Quality:
        return QUALITY_OF[self.grade]
