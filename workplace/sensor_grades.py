"""What the grade of a motion sensor means to people: good, fair or poor. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from workplace.plan_file import Text

Quality = Literal["good", "fair", "poor"]

#: Grades as in `workplace.occupancy.rates.GRADES`. Of D somebody who sits still is seen once or twice an hour: what the
#: screens say of such a place rests on its dock alone.
QUALITY_OF: Final[dict[str, Quality]] = {"A": "good", "B": "good", "C": "fair", "D": "poor", "E": "poor"}
QUALITY_WORDS: Final[dict[Quality, Text]] = {
    "good": Text(nl="goed", en="good"),
    "fair": Text(nl="matig", en="fair"),
    "poor": Text(nl="zwak", en="weak"),
}


@dataclass(frozen=True, slots=True)
class SensorGrade:
    """How well the motion sensors of a place see its seat: `grade` A to E, learned of the days until `until`."""

    grade: str
    until: datetime

    @property
    def quality(self) -> Quality:
        return QUALITY_OF[self.grade]
