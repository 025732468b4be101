"""How the interpreter is set in a process of several threads that must answer within milliseconds.

Measured on ingest of 2,000 places at 500 events/s: with the interpreter's own settings a state was under way for 3.7 ms
in the middle and 150 ms at the 99th percentile, of which the pauses below were the most.
"""

from __future__ import annotations

import gc
import sys

#: A thread that wants to run waits for a busy one so long, s (Python: 5 ms). An event passes four threads on its way
#: from the broker and back. Lower: more switches, each some microseconds. Higher: each hand-over may cost that much.
SWITCH_S = 0.0005
#: Look for cycles after so many new objects, and among older ones after so many looks (Python: 700, 10, 10). Lower: the
#: pause of a whole look, 50 to 150 ms with 2,000 places, comes several times a minute. Higher: garbage waits longer.
_COLLECT = (10_000, 10, 100)


def keep_pauses_short() -> None:
    """Set the interpreter for this process; to be called once, before its threads begin."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*_COLLECT)


def forget_the_start() -> None:
    """Throw away what starting left behind, and never look again through what will stay: plan, policy, modules."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
