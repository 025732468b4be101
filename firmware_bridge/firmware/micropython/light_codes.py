"""Written by firmware_bridge/firmware/light_tables.py from light_codes.json; do not edit."""

#: Index is the code: word, on/off pattern in ms (repeated; none is dark), red green blue.
LIGHTS = (
    ("off", (), (0, 0, 0)),
    ("free", (2000,), (0, 60, 160)),
    ("in_use", (60, 3940), (12, 12, 12)),
    ("note", (150, 250, 150, 1450), (120, 90, 0)),
    ("reclaimable", (1000, 1000), (160, 45, 0)),
    ("unknown", (100, 300, 100, 300, 100, 3100), (24, 0, 32)),
)


def is_lit(code: int, uptime_ms: int) -> bool:
    """Whether a lamp that shows `code` is lit now. The pattern alone tells the code."""
    pattern = LIGHTS[code][1]
    if not pattern:
        return False
    at_ms = uptime_ms % sum(pattern)
    step = 0
    while at_ms >= pattern[step]:
        at_ms -= pattern[step]
        step += 1
    return step % 2 == 0
