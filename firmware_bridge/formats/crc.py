"""The CRC-16 variants that serial devices use, as a table of parameters and one loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Crc16:
    """Parameters as in the usual catalogues; `reflected` means least significant bit first."""

    polynomial: int
    start: int
    reflected: bool = False
    final_xor: int = 0


VARIANTS: Final = {
    "crc16-ccitt-false": Crc16(0x1021, 0xFFFF),
    "crc16-xmodem": Crc16(0x1021, 0x0000),
    "crc16-kermit": Crc16(0x1021, 0x0000, reflected=True),
    "crc16-modbus": Crc16(0x8005, 0xFFFF, reflected=True),
    "crc16-x25": Crc16(0x1021, 0xFFFF, reflected=True, final_xor=0xFFFF),
    "crc16-arc": Crc16(0x8005, 0x0000, reflected=True),
    "crc16-aug-ccitt": Crc16(0x1021, 0x1D0F),
}


def _mirrored(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def crc16(data: bytes, variant: Crc16) -> int:
    """Return the checksum, bit by bit: these are for checks and rare formats, DSP/1 has a fast one."""
    register = variant.start
    for byte in data:
        register ^= (_mirrored(byte, 8) if variant.reflected else byte) << 8
        for _ in range(8):
            register = (register << 1) ^ variant.polynomial if register & 0x8000 else register << 1
            register &= 0xFFFF
    return (_mirrored(register, 16) if variant.reflected else register) ^ variant.final_xor
