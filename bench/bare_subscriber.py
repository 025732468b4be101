"""A subscriber as such services are usually written with paho, to measure ingest against; a process of its own.

`receive` is paho alone: it receives, acknowledges by itself and does nothing. `store` is the usual service:
`json.loads` in `on_message`, one row into SQLite with `synchronous=FULL`, and the message is acknowledged after its
commit. Each prints a line when it is subscribed and after so many messages.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from plekvrij import sqlite_driver

_TABLE = """
CREATE TABLE event (id TEXT PRIMARY KEY, device TEXT, channel TEXT, kind TEXT, value, measured_at TEXT, body BLOB)
WITHOUT ROWID
"""


def main() -> None:
    """Run until the process that started this ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("receive", "store"))
    for name in ("port", "each"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("user", "password", "filter", "file"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=f"bare-{arguments.mode}", manual_ack=arguments.mode == "store"
    )
    client.username_pw_set(arguments.user, arguments.password)
    client.on_connect = lambda client, *_: client.subscribe(arguments.filter, qos=1)
    client.on_subscribe = lambda *_: _say("subscribed")
    keep = _keeper(Path(arguments.file)) if arguments.mode == "store" else _ignore
    count = 0

    def on_message(client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        nonlocal count
        keep(client, message)
        count += 1
        if count % arguments.each == 0:
            _say(str(count))

    client.on_message = on_message
    client.connect("127.0.0.1", arguments.port)
    client.loop_forever()


def _ignore(_client: paho.Client, _message: paho.MQTTMessage) -> None:
    pass


def _keeper(file: Path) -> Callable[[paho.Client, paho.MQTTMessage], None]:
    connection: Any = sqlite_driver.connect(str(file))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_TABLE)

    def keep(client: paho.Client, message: paho.MQTTMessage) -> None:
        event = json.loads(message.payload)
        connection.execute(
            "INSERT OR IGNORE INTO event VALUES (?,?,?,?,?,?,?)",
            (
                event["id"],
                event["device"],
                event.get("channel"),
                event["kind"],
                event["value"],
                event["measured_at"],
                message.payload,
            ),
        )
        connection.commit()
        client.ack(message.mid, message.qos)

    return keep


def _say(word: str) -> None:
    print(word, file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
