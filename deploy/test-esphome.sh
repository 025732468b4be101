#!/usr/bin/env bash
# Makes the virtual environment in which a test lets ESPHome read our configuration; kept until its pin changes.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-esphome
pin=firmware_bridge/firmware/esphome/requirements.txt
[ -x "$venv/bin/esphome" ] && cmp -s "$pin" "$venv/installed.txt" && exit 0
echo "Installing ESPHome into $venv ..." >&2
python="${PYTHON:-$(command -v python3.11 || command -v python3)}"
"$python" -m venv --clear "$venv" >/dev/null
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile -r "$pin"
cp "$pin" "$venv/installed.txt"
