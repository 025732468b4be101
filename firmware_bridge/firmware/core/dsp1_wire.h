/* DSP/1 frames as a device writes and reads them; docs/reference/dsp1.md is the specification.
 *
 * Wire: 00 | COBS(frame) | 00; frame = version u8, type u8, seq u16, payload, crc u16; little-endian.
 * No memory from a heap, no input or output.
 */
#ifndef DSP1_WIRE_H
#define DSP1_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSP1_VERSION 1u
#define DSP1_MAX_FRAME 64u    /* bytes before COBS */
#define DSP1_MAX_ENCODED 68u  /* rule 8: a longer run between two delimiters is dropped unread */
#define DSP1_OVERHEAD 6u      /* version, type, seq, crc */
#define DSP1_MAX_BODY (DSP1_MAX_FRAME - DSP1_OVERHEAD)
#define DSP1_MAX_WIRE (DSP1_MAX_FRAME + 3u) /* one byte of COBS and both delimiters */

enum dsp1_type {
    DSP1_HELLO = 0x01,
    DSP1_EVENT = 0x02,
    DSP1_HEARTBEAT = 0x03,
    DSP1_ACK = 0x04,
    DSP1_NAK = 0x05,
    DSP1_PONG = 0x06,
    DSP1_STATE = 0x07,
    DSP1_HELLO_REQ = 0x81,
    DSP1_EVENT_ACK = 0x82,
    DSP1_PING = 0x83,
    DSP1_SET_LED = 0x84,
    DSP1_SET_CFG = 0x85,
    DSP1_SET_LIGHT = 0x86
};

struct dsp1_frame {
    uint8_t type;
    uint8_t body_bytes;
    uint16_t seq;
    uint8_t body[DSP1_MAX_BODY];
};

/* Finds intact frames in a stream of bytes. `good` and `bad` count frames; a bad one is never answered. */
struct dsp1_reader {
    uint32_t good;
    uint16_t bad; /* stops at 65535 */
    uint8_t run_bytes;
    uint8_t run[DSP1_MAX_ENCODED];
};

/* CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected; "123456789" gives 0x29B1. */
uint16_t dsp1_crc16(const uint8_t *bytes, size_t count);

/* Writes one frame with its delimiters; returns how many bytes that are. `body_bytes` <= DSP1_MAX_BODY. */
size_t dsp1_encode(uint8_t wire[DSP1_MAX_WIRE], uint8_t type, uint16_t seq, const uint8_t *body,
                   size_t body_bytes);

/* Takes one byte; true when it completes an intact frame, which is then in `frame`. */
bool dsp1_reader_push(struct dsp1_reader *reader, uint8_t byte, struct dsp1_frame *frame);

/* Little-endian numbers. `put` returns the place after what it wrote. */
uint8_t *dsp1_put(uint8_t *at, uint64_t value, uint8_t width_bytes);
uint32_t dsp1_get(const uint8_t *at, uint8_t width_bytes);

#endif
