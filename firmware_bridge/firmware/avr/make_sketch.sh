#!/usr/bin/env bash
# Makes an Arduino sketch folder with everything in it: make_sketch.sh FOLDER, then open FOLDER/desk_node.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:?usage: make_sketch.sh FOLDER}/desk_node"
mkdir -p "$out"
cp "$here/desk_node/desk_node.ino" "$here"/dsp1_avr.[ch] "$here"/../core/*.[ch] "$out/"
# the four channels of this board, so that its 2 KiB of memory hold them
sed -i.bak 's/^#define DSP1_MAX_CHANNELS 16.*/#define DSP1_MAX_CHANNELS 4/' "$out/dsp1_node.h" && rm "$out/dsp1_node.h.bak"
echo "$out"
