#!/usr/bin/env bash
# Asks whether a pinned package has a known hole. 0: all were asked for and none has; 1: some have; 3: it could not be
# asked for all of them, which is no good news (pip-audit itself ends with 0 then).
set -uo pipefail
cd "$(dirname "$0")/.."
python="$(bash deploy/release-tools.sh)" || exit 3
"$python" -m pip_audit -r requirements.lock --no-deps --disable-pip --progress-spinner off -f json "$@" 2>/dev/null \
  | "$python" -c '
import json, sys
try:
    packages = json.load(sys.stdin)["dependencies"]
except ValueError:
    packages = []
asked = [one for one in packages if "vulns" in one]
holes = [(one, hole) for one in asked for hole in one["vulns"]]
for one, hole in holes:
    mended = ", ".join(hole["fix_versions"]) or "no version yet"
    print(one["name"], one["version"], hole["id"], "mended in", mended)
is_whole = bool(packages) and len(asked) == len(packages)
if is_whole:
    print(f"{len(asked)} packages asked for, {len(holes)} known holes")
else:
    print(f"NOT AUDITED: {len(asked)} of {len(packages)} packages could be asked for;"
          " is the list of known holes reachable from here?")
sys.exit(1 if holes else 0 if is_whole else 3)'
