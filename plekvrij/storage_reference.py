"""The reference page of what is stored and sent, made from the tables that encoder, reader and set-up use."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.stores import influx_setup
from ingest.stores.measurements import (
    KEPT_DAYS,
    MEASUREMENTS,
    OCCUPANCY_CODES,
    PHASE_CODES,
    SHARD,
    TAGS,
    Measurement,
)
from ingest.stores.schema import HOLD_LENGTHS_S, RETENTION_DAYS

_HEAD = """# What is stored and what is sent

Made by `python -m plekvrij.reference docs/reference`; a test keeps it current. Encoder, reader and set-up use the
same table, so a field cannot get a second type.

Everything is stored in SQLite (`site.db` in the data folder) first: one writer, one flushed transaction per batch, and
MQTT messages are acknowledged after it. With `--influx URL` the same transaction puts lines into an outbox. A thread of
its own sends them, up to 2,500 per request, one request at a time, packed when they leave the machine. After a full
request it rests twelve times as long as that took, a second at most: people wait for states, and nobody for history.
A line is made once, so sending it again changes nothing. Screens and decisions never wait for the server. While it is
away, up to 2,000,000 lines wait on disk; past that the oldest raw ones go first, counted.

| answer of the server | what happens |
|--|--|
| 2xx | the lines leave the outbox (VictoriaMetrics: after 60 s, see below) |
| 400 that says it stored a part | never sent again; the lines that it left out are counted |
| 400, 413, 422 | halved until the culprits stand alone; those go into `sink_dead_letter` with the reason |
| 401, 403, 404, or set-up is not allowed | stop; `refused` in health with what to run; asked again every minute |
| 429, 5xx, no answer | again after 0.2 s to 30 s with jitter, or after `Retry-After` |
| 500 on the same lines five times | the lines are suspected, and set aside when the server takes others of them |

A second ingest on the same folder refuses to start: `site.db.lease` is locked for the life of the process.

## Servers

| server | points | set-up | history is read from it |
|--|--|--|--|
| InfluxDB 1.x (`index-version = "tsi1"`) | `/write` | database and retention policies | yes |
| InfluxDB 2.x | `/api/v2/write` | buckets `occ/raw`, `occ/agg` | yes, InfluxQL |
| InfluxDB 3.x | `/api/v2/write` | databases `occ/raw`, `occ/agg` | yes, InfluxQL, 400 files at a time |
| VictoriaMetrics | `/api/v2/write` | a start option, below | no; texts are 0 there |

`--influx http://user:password@host:8086/occ`: for 2.x the user is the organisation and the password the token, for 3.x
the password is the token. The kind of server is asked of `/ping` and `/metrics`. The tests run InfluxDB 1.6.7 and
VictoriaMetrics 1.79.5. They run 2.x and 3.x only where `PLEKVRIJ_TEST_INFLUX_URL` (`_TOKEN`, `_ORG`) names one; without
it the answers of those come from a script. The in-memory index of 1.x stops at 100,000 places: use `tsi1`.

A server that keeps rows about places longer than the policy allows (`privacy.desk_level_days`, default {raw} days) is
refused or set right. InfluxDB 3 Core cannot change the retention of a database; make a new one. VictoriaMetrics has one
time for all, so zones live no longer than places there, and 13 months in SQLite. It answers before its points are on
disk, so they stay in the outbox for 60 s and go again when it was restarted meanwhile.

Where the user may not set up the server, an administrator runs (with the default of {raw} days):
"""


def storage_page() -> str:
    """Return the whole page."""
    lines = [_HEAD.format(raw=KEPT_DAYS["raw"])]
    flavours: tuple[tuple[influx_setup.Flavour, str], ...] = (
        ("v1", "InfluxDB 1.x: `CREATE` what is missing, `ALTER` what keeps another time"),
        ("v2", "InfluxDB 2.x"),
        ("v3", "InfluxDB 3.x"),
        (
            "vm",
            "VictoriaMetrics: one time for all, so rows about places live as long as zones unless it is set shorter",
        ),
    )
    for flavour, name in flavours:
        lines += [f"{name}:", "```", influx_setup.commands(flavour, "occ", KEPT_DAYS, "ORG"), "```"]
    lines += [
        "",
        "## Measurements",
        "",
        "| name | kept as | what | time of a point | tags |",
        "|--|--|--|--|--|",
    ]
    lines += [
        f"| `{m.name}` | {m.retention}, {KEPT_DAYS[m.retention]} d | {m.meaning} | {m.time} | {', '.join(m.tags)} |"
        for m in MEASUREMENTS.values()
    ]
    lines += [
        "",
        f"Shards of 1.x: raw {SHARD['raw']}, agg {SHARD['agg']}. Times are milliseconds, days are UTC.",
        "A rollup is sent once, ten minutes after its end; what comes later corrects SQLite only and is counted",
        "(`late`, `rollups_corrected`). The state of a place now is the row with the highest `since_ms`:",
        "",
        "```",
        'SELECT max("since_ms"), "state", "occ", "hold_id" FROM "desk_state" WHERE time > now() - 2h GROUP BY "desk"',
        "```",
        "",
    ]
    for measurement in MEASUREMENTS.values():
        lines += _fields(measurement)
    lines += ["| tag | meaning |", "|--|--|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in TAGS.items()]
    lines += [
        "",
        f"Lengths of holds (`le`): {', '.join(map(str, HOLD_LENGTHS_S))}, inf.",
        f"Codes of `state` and `prev`: {_codes(PHASE_CODES)}.",
        f"Codes of `occ` in `desk_state`: {_codes(OCCUPANCY_CODES)}. They never change.",
        "",
        "## How long rows live in SQLite",
        "",
        "| table | counted from | days |",
        "|--|--|--|",
    ]
    lines += [f"| `{table}` | `{column}` | {days} |" for table, (column, days) in RETENTION_DAYS.items()]
    lines += [
        "",
        "`place_transition` keeps the last row of each place whatever its age.",
        "`zone_hour` are the hours of `zone_5m`, from which long ranges are read.",
        "",
    ]
    return "\n".join(lines)


def _fields(measurement: Measurement) -> Iterator[str]:
    yield f"### {measurement.name}"
    yield ""
    yield "| field | type | meaning |"
    yield "|--|--|--|"
    for name, field in measurement.fields.items():
        yield f"| `{name}` | {field.kind} | {field.meaning} |"
    yield ""


def _codes(codes: dict[str, int]) -> str:
    return ", ".join(f"{code} {name}" for name, code in codes.items())
