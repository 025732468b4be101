#!/usr/bin/env bash
# Makes the environment of what looks at a release: SBOM and audit. It is one of its own, because these tools bring checkers
# that every start of the program would load with them.
# Prints the Python of that environment.
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${RELEASE_VENV:-.venv-release}"
if [ ! -e "$venv/.ready" ]; then
  "${VENV:-.venv}/bin/python" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "cyclonedx-bom==7.5.0" "pip-audit==2.10.1" >&2
  touch "$venv/.ready"
fi
echo "$venv/bin/python"
