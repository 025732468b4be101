#!/usr/bin/env bash
# Makes the virtual environment with every pinned dependency. Needs Python 3.11 or newer and a package index.
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${VENV:-.venv}"
python="${PYTHON:-python3}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "plekvrij needs Python 3.11 or newer; install python3 and try again." >&2
  exit 2
fi
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  if ! "$python" -m venv --clear "$venv" >/dev/null 2>&1; then
    # Debian keeps the venv module in a package of its own
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq
      apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 python3-venv >/dev/null
      "$python" -m venv --clear "$venv"
    else
      echo "Python's venv module is missing: run 'apt-get install python3-venv' as root and try again." >&2
      exit 2
    fi
  fi
fi
echo "Installing the pinned packages into $venv ..." >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
