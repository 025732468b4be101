"""What `deploy/` promises: the compose file is one, and everything that it and the image name is really there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from plekvrij.cli import COMMANDS
from plekvrij.options import OPTIONS, build_parser

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
DOCKERFILE = DEPLOY / "Dockerfile"

_TEXTS = {"type": "array", "items": {"type": "string"}}
_COMMAND = {"oneOf": [{"type": "string"}, _TEXTS]}
#: The part of the Compose specification that we use, closed: a misspelt key is a mistake.
_SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["services"],
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "volumes": {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
        "secrets": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["file"], "additionalProperties": False,
                                     "properties": {"file": {"type": "string"}}},
        },
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["image", "restart"],
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string", "pattern": r"^[a-z0-9./-]+(:[0-9][a-z0-9.-]*)?$"},
                    "build": {"type": "object", "additionalProperties": False, "required": ["context"],
                              "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}}},
                    "restart": {"enum": ["no", "unless-stopped"]},
                    "command": _COMMAND,
                    "entrypoint": _COMMAND,
                    "user": {"type": "string"},
                    "read_only": {"const": True},
                    "tmpfs": _TEXTS,
                    "cap_add": _TEXTS,
                    "cap_drop": {"const": ["ALL"]},
                    "security_opt": {"const": ["no-new-privileges:true"]},
                    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                    "depends_on": {"type": "object", "additionalProperties": {
                        "type": "object", "required": ["condition"], "additionalProperties": False,
                        "properties": {"condition": {"enum": [
                            "service_started", "service_healthy", "service_completed_successfully"]}}}},
                    "healthcheck": {"type": "object", "required": ["test"], "additionalProperties": False,
                                    "properties": {"test": _TEXTS, "interval": {"type": "string"},
                                                   "start_period": {"type": "string"}}},
                    "stop_grace_period": {"type": "string"},
                    "network_mode": {"type": "string"},
                    "secrets": _TEXTS,
                    "volumes": _TEXTS,
                    "ports": _TEXTS,
                },
            },
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text("utf-8")))


def test_the_compose_file_has_the_shape_of_one(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, _SHAPE)
    services = compose["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, name
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], other
        mode = service.get("network_mode", "")
        assert not mode or mode.removeprefix("service:") in services, name
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith((".", "/", "$")) or source in compose["volumes"], volume


def test_compose_itself_takes_it(tmp_path: Path) -> None:
    """Where `docker compose` is at hand it is asked, too."""
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    done = subprocess.run(
        [docker, "compose", "--file", str(COMPOSE), "config", "--quiet"],
        capture_output=True, text=True, check=False, env=os.environ | {"SITE_NAME": "plekken.example"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_path_that_is_mounted_or_built_is_there(compose: dict[str, Any], tmp_path: Path) -> None:
    made = secrets_made(tmp_path)
    for name, secret in compose["secrets"].items():
        assert Path(secret["file"]).name in made, name
    paths: list[str] = []
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
            if source.startswith("."):
                paths.append(source)
        if "build" in service:
            assert (
                DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]
            ).resolve() == DOCKERFILE
    missing = sorted({path for path in paths if not (DEPLOY / path).exists()})
    assert missing == ["./tls"], "certificates are the administrator's"
    assert "docker/../" not in "".join(paths)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert {"deploy/secrets", "deploy/tls"} <= set(ignored), "secrets never go into the image"


def secrets_made(folder: Path) -> set[str]:
    """Run the script that makes secrets on a copy; twice, because what is there stays."""
    script = Path(shutil.copy(DEPLOY / "make-secrets.sh", folder))
    subprocess.run(["/bin/bash", str(script)], check=True, capture_output=True)
    first = {file.name: file.read_bytes() for file in (folder / "secrets").iterdir()}
    subprocess.run(["/bin/bash", str(script)], check=True, capture_output=True)
    assert {file.name: file.read_bytes() for file in (folder / "secrets").iterdir()} == first
    assert first["influx_token"] in first["influx_url"]
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    return set(first)


def started(compose: dict[str, Any]) -> list[list[str]]:
    """Return the words after `plekvrij` of every start of our program, also those in the remarks."""
    found: list[list[str]] = []
    for service in compose["services"].values():
        if service["image"] != "plekvrij":
            continue
        if "entrypoint" in service:
            found += [
                shlex.split(line)
                for line in re.findall(r"plekvrij ((?!\w*-enrol|/)[a-z-]+ [^&]*)", service["command"][0])
            ]
        else:
            found.append(service["command"])
    remarks = re.findall(r"#.* plekvrij ([a-z]+ [a-z]+ [^'\n]*)", COMPOSE.read_text("utf-8"))
    return found + [shlex.split(line) for line in remarks]


def test_it_starts_commands_that_exist_with_settings_that_exist(compose: dict[str, Any]) -> None:
    commands = started(compose)
    assert {words[0] for words in commands} == {"broker-files", "enrol", "serve", "screens"}
    for words in commands:
        build_parser(COMMANDS).parse_args(words)  # leaves with code 2 when a word is not known
    named = re.findall(r"PLEKVRIJ_([A-Z_]+)", COMPOSE.read_text("utf-8"))
    assert {"INFLUX", "ALLOWED_HOSTS"} <= set(named)
    assert {name.lower().replace("_", "-") for name in named} <= set(OPTIONS)


def test_ports_are_those_of_the_settings(compose: dict[str, Any]) -> None:
    def published(service: str) -> set[int]:
        return {int(port.rsplit(":", 1)[1]) for port in compose["services"][service]["ports"]}

    assert published("mosquitto") == {OPTIONS["broker-port"].default, OPTIONS["gateway-port"].default}
    assert published("enrol") == {OPTIONS["enrol-port"].default}
    nginx = (DEPLOY / "nginx" / "plekvrij.conf").read_text("utf-8")
    assert f"server 127.0.0.1:{OPTIONS['port'].default};" in nginx
    assert {int(port) for port in re.findall(r"listen (\d+)", nginx)} == published("site")
    assert f"mqtts://mosquitto:{OPTIONS['broker-port'].default}" in compose["services"]["site"]["command"][0]


def test_the_image_is_made_of_what_is_there(compose: dict[str, Any]) -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert (ROOT / "requirements.lock").exists()
    assert "--constraint requirements.lock" in text
    users = set(re.findall(r"useradd .* ([a-z-]+) *(?:\\|$)", text, re.MULTILINE))
    asked = {service["user"] for service in compose["services"].values() if "user" in service}
    assert asked - {"root"} <= users
    assert set(re.findall(r"chown -R ([a-z-]+)", COMPOSE.read_text("utf-8"))) <= users
    uid = re.search(r"--uid (\d+) --gid \d+ .* mosquitto", text)
    assert uid is not None
    assert uid[1] == "1883", "the user of the Mosquitto image"


def test_nginx_takes_a_drawing_and_the_longest_stream() -> None:
    """Limits there and in the pages belong together."""
    from dashboard.plan_editor.background import MOST_BYTES
    from dashboard.settings import DashboardSettings

    text = (DEPLOY / "nginx" / "plekvrij.conf").read_text("utf-8")
    size = re.search(r"client_max_body_size (\d+)m;", text)
    silence = re.search(r"proxy_read_timeout (\d+)s;", text)
    assert size is not None
    assert silence is not None
    assert int(size[1]) * 2**20 > MOST_BYTES
    assert int(silence[1]) > 3 * DashboardSettings().heartbeat_s
