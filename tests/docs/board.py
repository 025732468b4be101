"""The questions of the Grafana board, as other tests ask them of real servers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

BOARD = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards" / "plekvrij.json"
PROMETHEUS_NAME = re.compile(r"plekvrij_[a-z0-9_]+")


def _targets() -> list[dict[str, Any]]:
    panels = json.loads(BOARD.read_text("utf-8"))["panels"]
    return [target for panel in panels for target in panel.get("targets", ())]


def influx_queries(
    site: str = "raadhuis", range_text: str = "time > now() - 30d", step: str = "1h"
) -> list[str]:
    """Return every InfluxQL question with Grafana's words filled in, those of the variables included."""
    variables = json.loads(BOARD.read_text("utf-8"))["templating"]["list"]
    questions = [target["query"] for target in _targets() if "query" in target]
    questions += [one["query"] for one in variables if one["type"] == "query"]
    words = {"$timeFilter": range_text, "$__interval": step, "$site": site, "/^$zone$/": "/.*/"}
    for word, meant in words.items():
        questions = [question.replace(word, meant) for question in questions]
    assert not any("$" in question.replace("$/", "/") for question in questions)
    return questions


def prometheus_names() -> set[str]:
    """Return every name that is asked of Prometheus."""
    return {
        name for target in _targets() if "expr" in target for name in PROMETHEUS_NAME.findall(target["expr"])
    }
