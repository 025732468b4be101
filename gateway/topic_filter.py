"""Does an MQTT topic fit a subscription filter? (MQTT 3.1.1, section 4.7)"""

from __future__ import annotations


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether `topic` fits; `+` is one level, a last `#` is the rest including the parent level."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False  # broker internals never fit a leading wildcard
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(levels) == len(wanted) and all(
        w in {"+", level} for w, level in zip(wanted, levels, strict=True)
    )
