#include "dsp1_wire.h"

uint16_t dsp1_crc16(const uint8_t *bytes, size_t count) {
    uint16_t crc = 0xFFFFu;
    for (size_t at = 0; at < count; at++) {
        crc = (uint16_t)(crc ^ (uint16_t)(bytes[at] << 8));
        for (uint8_t bit = 0; bit < 8; bit++) {
            uint16_t shifted = (uint16_t)(crc << 1);
            crc = (crc & 0x8000u) != 0 ? (uint16_t)(shifted ^ 0x1021u) : shifted;
        }
    }
    return crc;
}

uint8_t *dsp1_put(uint8_t *at, uint64_t value, uint8_t width_bytes) {
    for (uint8_t byte = 0; byte < width_bytes; byte++) {
        *at++ = (uint8_t)(value & 0xFFu);
        value >>= 8;
    }
    return at;
}

uint32_t dsp1_get(const uint8_t *at, uint8_t width_bytes) {
    uint32_t value = 0;
    while (width_bytes > 0) {
        width_bytes--;
        value = value << 8 | at[width_bytes];
    }
    return value;
}

size_t dsp1_encode(uint8_t wire[DSP1_MAX_WIRE], uint8_t type, uint16_t seq, const uint8_t *body,
                   size_t body_bytes) {
    uint8_t frame[DSP1_MAX_FRAME];
    uint8_t *at = dsp1_put(frame, DSP1_VERSION, 1);
    at = dsp1_put(at, type, 1);
    at = dsp1_put(at, seq, 2);
    for (size_t index = 0; index < body_bytes; index++) {
        *at++ = body[index];
    }
    at = dsp1_put(at, dsp1_crc16(frame, (size_t)(at - frame)), 2);
    size_t frame_bytes = (size_t)(at - frame);

    /* COBS: each zero becomes the distance to the next one; no block here reaches 254 bytes. */
    size_t code_at = 1, out = 2;
    wire[0] = 0;
    for (size_t index = 0; index < frame_bytes; index++) {
        if (frame[index] != 0) {
            wire[out++] = frame[index];
        } else {
            wire[code_at] = (uint8_t)(out - code_at);
            code_at = out++;
        }
    }
    wire[code_at] = (uint8_t)(out - code_at);
    wire[out++] = 0;
    return out;
}

/* In place; returns the decoded length, 0 when the code is broken. */
static size_t uncobs(uint8_t *run, size_t count) {
    size_t at = 0, out = 0;
    while (at < count) {
        uint8_t code = run[at];
        if (code == 0 || at + code > count) {
            return 0;
        }
        for (size_t index = at + 1; index < at + code; index++) {
            run[out++] = run[index];
        }
        at += code;
        if (at < count) {
            run[out++] = 0;
        }
    }
    return out;
}

/* Exact payload length of each message that a device may receive (rule 8); unknown types pass, for a NAK. */
static bool length_fits(uint8_t type, size_t body_bytes) {
    switch (type) {
    case DSP1_HELLO_REQ: return body_bytes == 0;
    case DSP1_EVENT_ACK: return body_bytes == 8;
    case DSP1_PING: return body_bytes == 4;
    case DSP1_SET_LED: return body_bytes == 5;
    case DSP1_SET_CFG: return body_bytes == 5;
    case DSP1_SET_LIGHT: return body_bytes == 4;
    default: return true;
    }
}

static bool open_run(struct dsp1_reader *reader, struct dsp1_frame *frame) {
    if (reader->run_bytes > DSP1_MAX_ENCODED) {
        return false;
    }
    uint8_t *bytes = reader->run;
    size_t count = uncobs(bytes, reader->run_bytes);
    if (count < DSP1_OVERHEAD || count > DSP1_MAX_FRAME) {
        return false;
    }
    size_t body_bytes = count - DSP1_OVERHEAD;
    if (dsp1_crc16(bytes, count - 2) != dsp1_get(bytes + count - 2, 2) || bytes[0] != DSP1_VERSION ||
        !length_fits(bytes[1], body_bytes)) {
        return false;
    }
    frame->type = bytes[1];
    frame->seq = (uint16_t)dsp1_get(bytes + 2, 2);
    frame->body_bytes = (uint8_t)body_bytes;
    for (size_t index = 0; index < body_bytes; index++) {
        frame->body[index] = bytes[4 + index];
    }
    return true;
}

bool dsp1_reader_push(struct dsp1_reader *reader, uint8_t byte, struct dsp1_frame *frame) {
    if (byte != 0) {
        if (reader->run_bytes < DSP1_MAX_ENCODED) {
            reader->run[reader->run_bytes++] = byte;
        } else {
            reader->run_bytes = DSP1_MAX_ENCODED + 1; /* too long; the rest is not kept */
        }
        return false;
    }
    if (reader->run_bytes == 0) {
        return false;
    }
    bool is_intact = open_run(reader, frame);
    reader->run_bytes = 0;
    if (is_intact) {
        reader->good++;
    } else if (reader->bad < UINT16_MAX) {
        reader->bad++;
    }
    return is_intact;
}
