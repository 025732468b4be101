"""Milesight sensors of indoor air: AM103, AM104, AM107, AM307, AM308, AM319.

Facts from Milesight-IoT/SensorDecoders, `<series>/<model>/README.md` and `<model>-decoder.js`.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.formats.milesight_channels import (
    BATTERY,
    HUMIDITY,
    MOST_HUMIDITY,
    MOST_U16,
    TEMPERATURE,
    Channels,
    channels,
)
from firmware_bridge.formats.payload_parts import Part, claim, number, record, row, skip

_CO2 = number("co2", 2, unit="ppm", most=MOST_U16)
_PRESSURE = number("pressure", 2, per=10, unit="hPa", most=MOST_U16)
_MOTION = claim("motion")
_LIGHT_LEVEL = number("light_level")
#: The index of air quality from 1.00 to 5.00, or a concentration: two types of one channel.
_TVOC_INDEX = number("tvoc", 2, per=100, unit="iaq", most=MOST_U16)
_TVOC_MASS = number("tvoc", 2, unit="ug/m3", most=MOST_U16)
_PM25 = number("pm25", 2, unit="ug/m3", most=MOST_U16)
_PM10 = number("pm10", 2, unit="ug/m3", most=MOST_U16)
_HCHO = number("hcho", 2, per=100, unit="mg/m3", most=MOST_U16)
_O3 = number("o3", 2, per=100, unit="ppm", most=MOST_U16)

_CLIMATE: Final = channels({0x0175: BATTERY, 0x0367: TEMPERATURE, 0x0468: HUMIDITY})
AM103 = {
    **_CLIMATE,
    **channels({0x077D: _CO2, 0x20CE: record(TEMPERATURE, HUMIDITY, _CO2)}),
}
#: Activity counts hits of the PIR since the last report: a level, and no claim about now.
AM104 = {
    **_CLIMATE,
    **channels(
        {
            0x056A: number("activity", 2, most=MOST_U16),
            0x0665: row(
                number("illuminance", 2, unit="lx", most=MOST_U16),
                number("infrared_and_visible", 2),
                number("infrared", 2),
            ),
        }
    ),
}
AM107 = {
    **AM104,
    **channels({0x077D: _CO2, 0x087D: number("tvoc", 2, unit="ppb", most=MOST_U16), 0x0973: _PRESSURE}),
}


def _indoor_air(*more: Part) -> Channels:
    """Return AM307 with history records that have more values at their end."""
    half = number("humidity", 2, per=2, unit="%", most=MOST_HUMIDITY)
    before, after = (TEMPERATURE, half, _MOTION, _LIGHT_LEVEL, _CO2), (_PRESSURE, *more)
    return {
        **_CLIMATE,
        **channels(
            {
                0x0500: _MOTION,
                0x06CB: _LIGHT_LEVEL,
                0x077D: _CO2,
                0x087D: _TVOC_INDEX,
                0x08E6: _TVOC_MASS,
                0x0973: _PRESSURE,
                0x0E01: claim("buzzer"),
                0x20CE: record(*before, _TVOC_INDEX, *after),
                0x21CE: record(*before, _TVOC_MASS, *after),
            }
        ),
    }


_DUST: Final = channels({0x0B7D: _PM25, 0x0C7D: _PM10})
AM307 = _indoor_air()
AM308 = {**_indoor_air(_PM25, _PM10), **_DUST}
#: The last value of a record is of the gas that the variant measures; live it has a channel of its own.
AM319_HCHO = {**_indoor_air(_PM25, _PM10, _HCHO), **_DUST, **channels({0x0A7D: _HCHO})}
AM319_O3 = {**_indoor_air(_PM25, _PM10, _O3), **_DUST, **channels({0x0D7D: _O3})}
#: For a site that does not say which gas: a live value tells it, a stored one does not.
AM319 = {**_indoor_air(_PM25, _PM10, skip(2)), **_DUST, **channels({0x0A7D: _HCHO, 0x0D7D: _O3})}
