"""How long what is stored lives, in days. About single places a policy may say fewer (R29)."""

from __future__ import annotations

from typing import Final

#: Rows about single places live two weeks where no policy says otherwise.
DESK_LEVEL_DAYS: Final = 14
#: Five minutes of a zone: 13 months, so that a month can be compared with the same one a year ago.
ZONE_LEVEL_DAYS: Final = 396
#: What is known of the sensors of a place, and that its nights were lived. It says nothing of anybody's day, and with
#: less than two days a site would forget each night what the one before taught.
NIGHT_DAYS: Final = 15
