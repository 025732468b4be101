#!/bin/sh
# Installs Plekvrij from the archive that this script lies in, without any network:
#   sh install.sh /opt/plekvrij           installs beside what is there, looks whether it works, then switches over
#   sh install.sh --back /opt/plekvrij    switches back to the version before
# TARGET/bin always is the version in use; TARGET/versions holds this one and the one before. Needs Python 3.11 or newer,
# of the kind that stands in PLATFORM, and nothing else. PYTHON names another one.
set -eu
back=no
if [ "${1:-}" = --back ]; then
  back=yes
  shift
fi
target="${1:?say where to: sh install.sh /opt/plekvrij}"
here="$(cd "$(dirname "$0")" && pwd)"

switch_to() { # a link that is replaced in one step: a program that starts meanwhile finds one of both
  ln -s "versions/$1/bin" "$target/.bin.new"
  mv -T "$target/.bin.new" "$target/bin"
}
in_use() { # prints the version in use, nothing when there is none
  link="$(readlink "$target/bin" 2>/dev/null)" || return 0
  basename "$(dirname "$link")"
}

if [ $back = yes ]; then
  before="$(cat "$target/before" 2>/dev/null)" && [ -x "$target/versions/$before/bin/plekvrij" ] || {
    echo "$target holds no version before this one" >&2
    exit 1
  }
  now="$(in_use)"
  switch_to "$before"
  echo "$now" >"$target/before"
  echo "$target/bin is $before again; restart what runs"
  exit 0
fi

version="$(cat "$here/VERSION")"
python="${PYTHON:-python3}"
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) || {
  echo "this archive is damaged; copy it again" >&2
  exit 1
}
"$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "Plekvrij needs Python 3.11 or newer: apt install python3" >&2
  exit 2
}
new="$target/versions/$version"
now="$(in_use)"
if [ "$now" = "$version" ]; then
  echo "$target/bin is $version already" >&2
  exit 0
fi
mkdir -p "$target/versions"
rm -rf "$new"
"$python" -m venv --without-pip "$new"
# pip runs from its own wheel
"$new/bin/python" "$(echo "$here"/wheels/pip-*.whl)/pip" install --quiet --disable-pip-version-check --no-cache-dir \
  --no-index --find-links "$here/wheels" "plekvrij==$version" || {
  echo "this archive is for $(cat "$here/PLATFORM"), and this machine is another one" >&2
  rm -rf "$new"
  exit 2
}
# a version that cannot even read the example is not switched to
"$new/bin/plekvrij" check "$here/examples/town_hall.plan.yaml" "$here/examples/town_hall.policy.yaml" >/dev/null || {
  echo "$version does not work on this machine; $target/bin stays ${now:-as it was}" >&2
  rm -rf "$new"
  exit 1
}
switch_to "$version"
if [ -n "$now" ]; then
  echo "$now" >"$target/before"
  for old in "$target/versions"/*; do
    case "$(basename "$old")" in "$version" | "$now") ;; *) rm -rf "$old" ;; esac
  done
fi
echo "$target/bin is $version now${now:+; before: $now}"
