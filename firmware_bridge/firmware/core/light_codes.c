/* Written by firmware_bridge/firmware/light_tables.py from light_codes.json; do not edit. */
#include "light_codes.h"

const struct dsp1_light_look dsp1_light_looks[DSP1_LIGHT_CODES] = {
    {0, {0}, {0, 0, 0}}, /* off: dark */
    {1, {2000}, {0, 60, 160}}, /* free: steady */
    {2, {60, 3940}, {12, 12, 12}}, /* in_use: one faint blink every four seconds */
    {4, {150, 250, 150, 1450}, {120, 90, 0}}, /* note: two short blinks every two seconds */
    {2, {1000, 1000}, {160, 45, 0}}, /* reclaimable: one second on, one second off */
    {6, {100, 300, 100, 300, 100, 3100}, {24, 0, 32}}, /* unknown: three short blinks every four seconds */
};

bool dsp1_light_is_lit(uint8_t code, uint32_t uptime_ms) {
    if (code >= DSP1_LIGHT_CODES || dsp1_light_looks[code].steps == 0) {
        return false;
    }
    const struct dsp1_light_look *look = &dsp1_light_looks[code];
    uint32_t round_ms = 0;
    for (uint8_t step = 0; step < look->steps; step++) {
        round_ms += look->pattern_ms[step];
    }
    uint32_t at_ms = uptime_ms % round_ms;
    uint8_t step = 0;
    while (at_ms >= look->pattern_ms[step]) {
        at_ms -= look->pattern_ms[step++];
    }
    return step % 2 == 0;
}
