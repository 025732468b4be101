#!/usr/bin/env bash
# Installs what the tests start themselves: servers, a browser and agents (Mosquitto, InfluxDB, VictoriaMetrics, Chromium,
# nginx, Net-SNMP), and compilers and a simulator for the firmware of desk nodes.
set -euo pipefail
missing=()
command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
command -v influxd >/dev/null || missing+=(influxdb)
command -v victoria-metrics >/dev/null || missing+=(victoria-metrics)
command -v chromium >/dev/null || missing+=(chromium)
command -v snmptrap >/dev/null || missing+=(snmp)
[ -x /usr/sbin/snmpd ] || missing+=(snmpd)
command -v gcc >/dev/null && [ -e /usr/include/stdio.h ] || missing+=(gcc libc6-dev)
command -v avr-gcc >/dev/null && [ -e /usr/lib/avr/include/avr/io.h ] || missing+=(gcc-avr avr-libc)
command -v simavr >/dev/null && [ -e /usr/include/simavr/sim_avr.h ] || missing+=(simavr libsimavr-dev)
command -v dbus-daemon >/dev/null || missing+=(dbus)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v curl >/dev/null || missing+=(curl)
command -v logger >/dev/null || missing+=(bsdutils)
command -v systemd-analyze >/dev/null || missing+=(systemd)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need these Debian packages: ${missing[*]}. Run as root: apt-get install ${missing[*]}" >&2
  exit 2
fi
echo "Installing for the tests: ${missing[*]} ..." >&2
# the packages would start services of their own; the tests start theirs on free ports
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  made_policy=yes
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
[ "$made_policy" = no ] || rm -f "$policy"
# nor shall they start with the machine
if command -v systemctl >/dev/null; then
  for package in "${missing[@]}"; do
    case $package in mosquitto|influxdb|victoria-metrics|snmpd|nginx-light) systemctl disable --now "${package%-light}" >/dev/null 2>&1 || true ;; esac
  done
fi
