#!/usr/bin/env bash
# Installs what the tests start themselves: servers, a browser and agents (Mosquitto, InfluxDB, VictoriaMetrics, Chromium,
# nginx, Net-SNMP), and compilers and a simulator for the firmware of desk nodes.
set -euo pipefail
missing=()
command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
command -v influxd >/dev/null || missing+=(influxdb)
command -v victoria-metrics >/dev/null || missing+=(victoria-metrics)
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
# the same engine without the parts of a window, where Debian has it: tests start it often
has_browser=yes
command -v chromium-headless-shell >/dev/null || has_browser=no
[ ${#missing[@]} = 0 ] && [ "$has_browser" = yes ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need these Debian packages: chromium-headless-shell ${missing[*]}. Run as root: apt-get install chromium-headless-shell ${missing[*]}" >&2
  exit 2
fi
# the packages would start services of their own; the tests start theirs on free ports
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  made_policy=yes
fi
apt-get update -qq
if [ "$has_browser" = no ]; then
  if apt-cache show chromium-headless-shell >/dev/null 2>&1; then
    missing+=(chromium-headless-shell)
  elif ! command -v chromium >/dev/null; then
    missing+=(chromium)
  fi
fi
if [ ${#missing[@]} = 0 ]; then
  [ "$made_policy" = no ] || rm -f "$policy"
  exit 0
fi
echo "Installing for the tests: ${missing[*]} ..." >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
[ "$made_policy" = no ] || rm -f "$policy"
# nor shall they start with the machine
if command -v systemctl >/dev/null; then
  for package in "${missing[@]}"; do
    case $package in mosquitto|influxdb|victoria-metrics|snmpd|nginx-light) systemctl disable --now "${package%-light}" >/dev/null 2>&1 || true ;; esac
  done
fi
