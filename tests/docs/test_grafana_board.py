"""The Grafana board asks only for what exists."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from plekvrij import grafana_board
from tests.docs.board import BOARD, PROMETHEUS_NAME, influx_queries, prometheus_names

GRAFANA = Path(__file__).resolve().parents[2] / "deploy" / "grafana"


def test_the_board_is_current() -> None:
    said = "run: python -m plekvrij.grafana_board deploy/grafana/dashboards/plekvrij.json"
    assert (BOARD).read_text("utf-8") == grafana_board.text(), said


def test_panels_do_not_overlap_and_ids_are_single() -> None:
    panels = json.loads((BOARD).read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells


def test_every_kind_of_figure_is_there() -> None:
    rows = [title for title, _ in grafana_board.ROWS]
    assert rows == ["Zones", "Coverage", "Gateways", "Latency of ingest", "Losses by cause"]
    assert len(influx_queries()) >= 15
    assert len(prometheus_names()) >= 12
    assert all(PROMETHEUS_NAME.fullmatch(name) for name in prometheus_names())


def test_a_wrong_name_cannot_be_asked_for() -> None:
    for measurement, field, tag in (
        ("zone_6m", "occ_avg", "zone"),
        ("zone_5m", "mood", "zone"),
        ("zone_5m", "occ_avg", "desk"),
    ):
        try:
            grafana_board.influx(measurement, "mean(FIELD)", field, tag)
        except KeyError:
            continue
        raise AssertionError(f"{measurement}.{field} by {tag} was taken")


def test_no_place_is_on_the_board() -> None:
    text = (BOARD).read_text("utf-8")
    assert "desk" not in text.replace("dashboard", "")


def test_the_files_for_grafana_fit_together() -> None:
    provisioning = GRAFANA / "provisioning"
    sources = [
        source
        for file in (provisioning / "datasources").glob("*.yaml")
        for source in yaml.safe_load(file.read_text("utf-8"))["datasources"]
    ]
    variables = json.loads(BOARD.read_text("utf-8"))["templating"]["list"]
    wanted = {one["query"] for one in variables if one["type"] == "datasource"}
    assert {one["type"] for one in sources} == wanted
    assert len({one["uid"] for one in sources}) == len(sources)
    assert BOARD.parent.name in (provisioning / "dashboards" / "plekvrij.yaml").read_text("utf-8")
