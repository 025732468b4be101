"""How long what is stored lives, in days. About single places a policy may say fewer (R29)."""

from __future__ import annotations

from typing import Final

#: Rows about single places live two weeks where no policy says otherwise.
DESK_LEVEL_DAYS: Final = 14
#: Five minutes of a zone: 13 months, so that a month can be compared with the same one a year ago.
ZONE_LEVEL_DAYS: Final = 396
