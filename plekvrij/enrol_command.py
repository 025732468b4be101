"""The command `enrol`: codes and certificates for gateways, and both ends of getting one."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from plekvrij import logs, wiring
from plekvrij.arguments import needs
from plekvrij.lifecycle import announce_ready, run
from plekvrij.options import CommandSpec
from workplace.errors import SettingInvalid

Arguments = argparse.Namespace


def _enrol(arguments: Arguments) -> int:
    action = _ACTIONS.get(arguments.action)
    if action is None:
        raise SettingInvalid(f"unknown action '{arguments.action}'; write {', '.join(_ACTIONS)}")
    return action(arguments)


def _serve(arguments: Arguments) -> int:
    from plekvrij.enrol.server import serve

    needs(arguments, "broker-folder")
    logs.set_up("enrol")
    return run(lambda: serve(arguments.broker_folder, arguments.host, announce_ready))


def _new(arguments: Arguments) -> int:
    from plekvrij.enrol.authority import read_address
    from plekvrij.enrol.book import EnrolBook
    from plekvrij.enrol.code import SECRET_BYTES, EnrolCode, pin_of
    from plekvrij.enrol.server import server_certificate

    needs(arguments, "broker-folder", "plan")
    name = _named(arguments, "the id of a gateway, as in the floor plan")
    plan = wiring.read_site(arguments.plan, None).plan
    gateway = next((one for one in plan.gateways if one.id == name), None)
    if gateway is None:
        raise SettingInvalid(
            f"the plan has no gateway {name!r}; it has {', '.join(one.id for one in plan.gateways)}"
        )
    if not 0 < arguments.minutes <= 7 * 24 * 60:
        raise SettingInvalid(f"--minutes {arguments.minutes:g}: a code is good for at most a week")
    folder, now = arguments.broker_folder, datetime.now(UTC)
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    served = x509.load_pem_x509_certificate(server_certificate(folder, now, keep=True).read_bytes())
    code = EnrolCode(secrets.token_bytes(SECRET_BYTES), pin_of(served.public_bytes(Encoding.DER)))
    until = now + timedelta(minutes=arguments.minutes)
    book = EnrolBook(folder / "authority" / "enrol.db")
    book.add_code(code.digest, gateway.id, gateway.floor, until, now)
    address = read_address(folder / "authority")
    print(f"plekvrij enrol join https://{address.names[0]}:{address.enrol_port} {code.text}")
    print(
        f"run this on {gateway.id} before {until.astimezone():%H:%M}; the code is good once and is not kept",
        file=sys.stderr,
    )
    held = [
        one
        for one in book.certificates()
        if one.gateway == gateway.id and one.revoked_at is None and one.expires_at > now
    ]
    if held:
        print(
            f"{gateway.id} has a certificate already; if that computer is gone: plekvrij enrol revoke {gateway.id}",
            file=sys.stderr,
        )
    return 0


def _join(arguments: Arguments) -> int:
    from plekvrij.enrol.client import join

    needs(arguments, "out")
    url = _named(arguments, "the address of the enrolment server and a code")
    if arguments.code is None:
        raise SettingInvalid(f"plekvrij enrol join {url} needs the code that `enrol new` printed")
    files = join(url, arguments.code, arguments.out)
    for file in files:
        print(file)
    print(
        f"add its sensors to {files[0].with_suffix('.toml')}, then: plekvrij gateway --config"
        f" {files[0].with_suffix('.toml')} --credential {files[0]}",
        file=sys.stderr,
    )
    return 0


def _renew(arguments: Arguments) -> int:
    from plekvrij.enrol.client import renew

    file = Path(_named(arguments, "the credential file of this gateway, such as gw-3.json"))
    print(f"good until {renew(file).astimezone():%Y-%m-%d %H:%M}; the next connection uses it")
    return 0


def _list(arguments: Arguments) -> int:
    from plekvrij.enrol.authority import Authority
    from plekvrij.enrol.book import EnrolBook

    needs(arguments, "broker-folder")
    folder, now = Authority(arguments.broker_folder / "authority").folder, datetime.now(UTC)
    known = EnrolBook(folder / "enrol.db").certificates()
    for one in known:
        state = "in force" if one.expires_at > now else "run out"
        if one.revoked_at is not None:
            state = f"revoked {_time(one.revoked_at)}"
        if arguments.json:
            told = {
                "gateway": one.gateway, "serial": f"{one.serial:x}", "issued_at": one.issued_at,
                "expires_at": one.expires_at, "revoked_at": one.revoked_at,
            }  # fmt: skip
            print(msgspec.json.encode(told).decode())
        else:
            print(
                f"{one.gateway}: {state}, from {_time(one.issued_at)} until {_time(one.expires_at)},"
                f" serial {one.serial:x}"
            )
    if not known:
        print("no gateway is enrolled; begin with: plekvrij enrol new GATEWAY", file=sys.stderr)
    return 0


def _revoke(arguments: Arguments) -> int:
    from plekvrij.enrol.authority import Authority
    from plekvrij.enrol.book import EnrolBook
    from plekvrij.mosquitto_files import write_revocations

    needs(arguments, "broker-folder")
    gateway = _named(arguments, "the id of a gateway")
    folder = Authority(arguments.broker_folder / "authority").folder
    count = EnrolBook(folder / "enrol.db").revoke(gateway, datetime.now(UTC))
    write_revocations(arguments.broker_folder)
    print(f"{gateway}: {count} certificates revoked, and codes that were not used")
    print(
        "restart Mosquitto now: a reload refuses new connections only, a restart also ends the one that is open;"
        " gateways keep what they hear meanwhile",
        file=sys.stderr,
    )
    return 0


def _named(arguments: Arguments, what: str) -> str:
    if arguments.name is None:
        raise SettingInvalid(f"plekvrij enrol {arguments.action} needs {what}")
    return str(arguments.name)


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


_ACTIONS: dict[str, Callable[[Arguments], int]] = {
    "serve": _serve,
    "new": _new,
    "join": _join,
    "renew": _renew,
    "list": _list,
    "revoke": _revoke,
}

COMMANDS = (
    CommandSpec(
        "enrol",
        "Give gateways certificates of their own: serve, new, list, revoke on the server; join, renew on a gateway.",
        _enrol,
        ("broker-folder", "plan", "minutes", "host", "out", "json"),
        positionals=(
            ("action", "", "serve, new, list or revoke (server), join or renew (gateway)"),
            (
                "name",
                "?",
                "new and revoke: id of the gateway; join: address of the server; renew: credential file",
            ),
            ("code", "?", "join: the code that `enrol new` printed"),
        ),
        defaults=(("host", "0.0.0.0"),),  # noqa: S104 - gateways are on other machines
    ),
)
