#!/usr/bin/env bash
# The demo plays Bluetooth over a D-Bus daemon of its own. Where the program is missing and we are root on Debian,
# install it; elsewhere the demo goes on without its Bluetooth sensors and says so.
set -uo pipefail
command -v dbus-daemon >/dev/null && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
echo "Installing dbus-daemon for the Bluetooth sensors of the demo ..." >&2
apt-get update -qq &&
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=60 dbus-daemon >/dev/null
exit 0
