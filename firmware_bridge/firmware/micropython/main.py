# mypy: ignore-errors
# MicroPython: modules lie flat on the board, and neither it nor this repository has stubs for it.
"""Starts the node when the board starts. Copy all files of this folder onto the board."""

import dsp1_node
import hal_rp2

hal = hal_rp2.Hal()
node = dsp1_node.DeskNode(hal, hal.uid, hal.channels, hal.boot_id, hal.reset_reason & 0xFF)
while True:
    dsp1_node.turn(node, hal)
