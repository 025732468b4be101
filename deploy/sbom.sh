#!/usr/bin/env bash
# Writes what a release is made of, as CycloneDX: every pinned package, from requirements.lock. The same lock gives the same file.
# Usage: deploy/sbom.sh FILE
set -euo pipefail
cd "$(dirname "$0")/.."
out="$1"
mkdir -p "$(dirname "$out")"
# it warns of a graph without edges: a lock is a list
"$(bash deploy/release-tools.sh)" -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
  --output-reproducible "${SBOM_CHECK:---validate}" --of JSON --output-file "$out"
