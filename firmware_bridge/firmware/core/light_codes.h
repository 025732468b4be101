/* Written by firmware_bridge/firmware/light_tables.py from light_codes.json; do not edit. */
#ifndef LIGHT_CODES_H
#define LIGHT_CODES_H

#include <stdbool.h>
#include <stdint.h>

#define DSP1_LIGHT_CODES 6
#define DSP1_LIGHT_STEPS 6

enum dsp1_light {
    DSP1_LIGHT_OFF = 0,
    DSP1_LIGHT_FREE = 1,
    DSP1_LIGHT_IN_USE = 2,
    DSP1_LIGHT_NOTE = 3,
    DSP1_LIGHT_RECLAIMABLE = 4,
    DSP1_LIGHT_UNKNOWN = 5,
};

struct dsp1_light_look {
    uint8_t steps;
    uint16_t pattern_ms[DSP1_LIGHT_STEPS]; /* on, off, on, off ..., repeated; no step is dark */
    uint8_t rgb[3];
};

extern const struct dsp1_light_look dsp1_light_looks[DSP1_LIGHT_CODES];

/* Whether a lamp that shows `code` is lit at `uptime_ms`. The pattern alone tells the code. */
bool dsp1_light_is_lit(uint8_t code, uint32_t uptime_ms);

#endif
