# mypy: ignore-errors
# MicroPython: modules lie flat on the board, and neither it nor this repository has stubs for it.
"""The pins and the clock of an RP2040 board under MicroPython (Raspberry Pi Pico and the like).

DSP/1 runs over UART 0 (GP0, GP1) to a USB adapter: the board's own USB port stays with the console.
"""

import os
import time

import light_codes
import machine

#: (dock contact, PIR, lamp) of each channel. The contact closes to ground when a laptop is docked.
PINS = ((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13))


class Hal:
    def __init__(self) -> None:
        self.uid = (b"\x00" * 8 + machine.unique_id())[-8:]
        self.boot_id = int.from_bytes(os.urandom(4), "little")
        self.reset_reason = machine.reset_cause()
        self.channels = len(PINS)
        # room for a whole queue of events: a turn that writes one must not lose what comes in meanwhile
        self._uart = machine.UART(0, 115200, tx=machine.Pin(0), rx=machine.Pin(1), txbuf=2048, rxbuf=512)
        pull = machine.Pin.PULL_UP
        self._docks = [machine.Pin(dock, machine.Pin.IN, pull) for dock, _, _ in PINS]
        self._pirs = [machine.Pin(pir, machine.Pin.IN) for _, pir, _ in PINS]
        self._lamps = [machine.Pin(lamp, machine.Pin.OUT, value=0) for _, _, lamp in PINS]
        self._codes = [0] * len(PINS)
        self._ticks = time.ticks_ms()
        self._uptime_ms = 0

    def now_ms(self) -> int:
        """`ticks_ms` wraps after some days; the uptime of DSP/1 never does."""
        ticks = time.ticks_ms()
        self._uptime_ms += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._uptime_ms

    def read(self) -> bytes:
        return self._uart.read() or b""

    def send(self, data: bytes) -> None:
        self._uart.write(data)

    def docks(self) -> list:
        return [pin.value() == 0 for pin in self._docks]

    def motions(self) -> list:
        return [pin.value() == 1 for pin in self._pirs]

    def set_light(self, channel: int, code: int) -> None:
        self._codes[channel] = code

    def show(self, uptime_ms: int) -> None:
        """Let every lamp blink its pattern."""
        for lamp, code in zip(self._lamps, self._codes):  # noqa: B905 - MicroPython has no `strict`
            lamp.value(light_codes.is_lit(code, uptime_ms))
