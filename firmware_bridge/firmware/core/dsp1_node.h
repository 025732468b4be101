/* A desk node: DSP/1 and the few decisions of a desk (hold of a PIR, debounce of a dock, time of a light).
 *
 * The core takes times and returns bytes; it has no clock, no pins, no heap and no randomness. A port (the
 * hardware abstraction) owns those: it calls the inputs below, one at a time and from one thread, and the
 * core calls back through `struct dsp1_hal`.
 *
 * Two clocks, both in ms and never going back. `real_ms` runs the protocol (hello, heartbeat, resending);
 * `site_ms`, the uptime, runs what the node measures. On a board both are the same; in a simulated building
 * the second may run faster. `simulators/dsp1_device.py` behaves the same, and tests compare the two.
 */
#ifndef DSP1_NODE_H
#define DSP1_NODE_H

#include "dsp1_wire.h"

#ifndef DSP1_MAX_CHANNELS
#define DSP1_MAX_CHANNELS 16 /* DSP/1, 1; a small board may set less */
#endif
#define DSP1_QUEUE_LENGTH 32 /* rule 2 */
#define DSP1_UID_BYTES 8
#define DSP1_NEVER UINT64_MAX

enum dsp1_kind { DSP1_KIND_PIR = 1, DSP1_KIND_DOCK = 2, DSP1_KIND_BUTTON = 3, DSP1_KIND_BOOT = 4 };

struct dsp1_now {
    uint64_t real_ms;
    uint64_t site_ms;
};

/* What SET_CFG can change. */
struct dsp1_settings {
    uint32_t pir_hold_ms;
    uint32_t dock_debounce_ms;
    uint32_t heartbeat_ms;
};

/* What a port does for the core. `set_led` and `save` may be NULL. */
struct dsp1_hal {
    void *context;
    void (*send)(void *context, const uint8_t *bytes, size_t count);
    void (*set_light)(void *context, uint8_t channel, uint8_t code, uint64_t site_ms);
    void (*set_led)(void *context, uint8_t red, uint8_t green, uint8_t blue);
    void (*save)(void *context, const struct dsp1_settings *settings);
};

struct dsp1_identity {
    uint8_t uid[DSP1_UID_BYTES];
    uint8_t channels;  /* 1 to DSP1_MAX_CHANNELS */
    uint8_t reset_reason;
    uint32_t boot_id; /* random, new at every restart */
};

struct dsp1_channel {
    uint64_t dock_due; /* DSP1_NEVER: the contact is as reported */
    uint64_t armed_at;
    uint64_t hold_until;
    uint64_t light_until; /* DSP1_NEVER: stays until changed */
    uint8_t light;
    bool docked, dock_raw, occupied;
};

struct dsp1_event {
    uint64_t uptime_ms;
    uint8_t kind, channel;
    int16_t value;
};

struct dsp1_node {
    struct dsp1_hal hal;
    struct dsp1_identity identity;
    struct dsp1_settings settings;
    struct dsp1_reader reader;
    struct dsp1_channel channels[DSP1_MAX_CHANNELS];
    struct dsp1_event queue[DSP1_QUEUE_LENGTH]; /* a ring; numbers in it are consecutive */
    uint8_t queue_first, queued;
    uint16_t dropped, seq;
    uint32_t last_event_seq;
    uint32_t resend_ms;
    uint64_t hello_at, beat_at, resend_at, led_until;
};

extern const struct dsp1_settings dsp1_default_settings;

/* False when the identity is impossible. */
bool dsp1_node_init(struct dsp1_node *node, const struct dsp1_identity *identity,
                    const struct dsp1_settings *settings, const struct dsp1_hal *hal);

/* The cable is in (again): say hello until the gateway asks. */
void dsp1_node_attach(struct dsp1_node *node, struct dsp1_now now);

/* Inputs. A channel that the node does not have is ignored. */
void dsp1_node_dock(struct dsp1_node *node, uint8_t channel, bool is_up, struct dsp1_now now);
void dsp1_node_motion(struct dsp1_node *node, uint8_t channel, struct dsp1_now now);
void dsp1_node_button(struct dsp1_node *node, uint8_t channel, struct dsp1_now now);
void dsp1_node_feed(struct dsp1_node *node, const uint8_t *bytes, size_t count, struct dsp1_now now);

/* Does everything that is due; call it when one of the two times below has come, or more often. */
void dsp1_node_tick(struct dsp1_node *node, struct dsp1_now now);
uint64_t dsp1_node_next_real_ms(const struct dsp1_node *node);
uint64_t dsp1_node_next_site_ms(const struct dsp1_node *node);

#endif
