#!/usr/bin/env bash
# Makes the secrets that deploy/compose.yaml reads, each in a file of its own; what is there stays.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in influx_password influx_token grafana_password; do
  [ -s "secrets/$name" ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"secrets/$name"
done
# where ingest sends to: organisation and token of InfluxDB 2 (docs/reference/storage.md)
[ -s secrets/influx_url ] || printf 'http://plekvrij:%s@influx:8086/occ' "$(cat secrets/influx_token)" >secrets/influx_url
# containers run as users of their own; who may enter this folder is said by its own mode
chmod 0700 secrets
chmod 0444 secrets/*
echo "secrets/ holds: $(ls secrets | tr '\n' ' ')"
