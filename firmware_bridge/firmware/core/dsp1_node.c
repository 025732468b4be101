#include "dsp1_node.h"

#include <string.h>

#include "light_codes.h"

#define RESEND_COUNT 4u         /* rule 2 */
#define RESEND_FIRST_MS 500u    /* rule 2 */
#define RESEND_SLOWEST_MS 2000u /* rule 2 */
#define HELLO_EVERY_MS 2000u    /* rule 5 */
#define REARM_MS 10000u         /* the PIR module reports again after this long */
#define FIRMWARE_VERSION 0x0100u
#define HARDWARE_FAMILY 0x0100u /* desk node; the low byte is the number of channels */
#define NAK_UNKNOWN_TYPE 1u
#define NAK_BAD_VALUE 2u

const struct dsp1_settings dsp1_default_settings = {30000u, 300u, 10000u};

static uint64_t earlier(uint64_t one, uint64_t other) { return one < other ? one : other; }

bool dsp1_node_init(struct dsp1_node *node, const struct dsp1_identity *identity,
                    const struct dsp1_settings *settings, const struct dsp1_hal *hal) {
    if (identity->channels < 1 || identity->channels > DSP1_MAX_CHANNELS) {
        return false;
    }
    memset(node, 0, sizeof *node);
    node->hal = *hal;
    node->identity = *identity;
    node->settings = *settings;
    for (uint8_t channel = 0; channel < DSP1_MAX_CHANNELS; channel++) {
        node->channels[channel].dock_due = node->channels[channel].light_until = DSP1_NEVER;
    }
    node->beat_at = settings->heartbeat_ms;
    node->resend_at = DSP1_NEVER;
    node->resend_ms = RESEND_FIRST_MS;
    return true;
}

void dsp1_node_attach(struct dsp1_node *node, struct dsp1_now now) { node->hello_at = now.real_ms; }

/* What goes over the wire. */

static void send_frame(struct dsp1_node *node, uint8_t type, const uint8_t *body, const uint8_t *end) {
    uint8_t wire[DSP1_MAX_WIRE];
    size_t count = dsp1_encode(wire, type, node->seq, body, (size_t)(end - body));
    node->seq++;
    node->hal.send(node->hal.context, wire, count);
}

static void send_hello(struct dsp1_node *node, struct dsp1_now now) {
    uint8_t body[DSP1_MAX_BODY];
    uint8_t *at = dsp1_put(body, DSP1_VERSION, 1); /* lowest version spoken */
    at = dsp1_put(at, DSP1_VERSION, 1);            /* highest */
    memcpy(at, node->identity.uid, DSP1_UID_BYTES);
    at = dsp1_put(at + DSP1_UID_BYTES, node->identity.boot_id, 4);
    at = dsp1_put(at, now.site_ms, 8);
    at = dsp1_put(at, FIRMWARE_VERSION, 2);
    at = dsp1_put(at, HARDWARE_FAMILY | node->identity.channels, 2);
    at = dsp1_put(at, DSP1_MAX_FRAME, 2);
    at = dsp1_put(at, DSP1_QUEUE_LENGTH, 1);
    at = dsp1_put(at, node->identity.reset_reason, 1);
    send_frame(node, DSP1_HELLO, body, at);
}

static void send_state(struct dsp1_node *node, uint16_t docked, uint16_t occupied, struct dsp1_now now) {
    uint8_t body[DSP1_MAX_BODY];
    uint8_t *at = dsp1_put(body, node->identity.boot_id, 4);
    at = dsp1_put(at, now.site_ms, 8);
    at = dsp1_put(at, node->last_event_seq, 4);
    at = dsp1_put(at, node->identity.channels, 1);
    at = dsp1_put(at, docked, 2);
    at = dsp1_put(at, occupied, 2);
    send_frame(node, DSP1_STATE, body, at);
}

static void send_beat(struct dsp1_node *node, struct dsp1_now now) {
    uint16_t docked = 0, occupied = 0;
    bool pir_raw = false, dock_raw = false;
    for (uint8_t channel = 0; channel < node->identity.channels; channel++) {
        const struct dsp1_channel *place = &node->channels[channel];
        docked = (uint16_t)(docked | (place->docked ? 1u << channel : 0u));
        occupied = (uint16_t)(occupied | (place->occupied ? 1u << channel : 0u));
        pir_raw = pir_raw || now.site_ms < place->armed_at;
        dock_raw = dock_raw || place->dock_raw;
    }
    uint8_t flags = (uint8_t)((occupied != 0 ? 1u : 0u) | (docked != 0 ? 2u : 0u) |
                              (now.site_ms < node->led_until ? 4u : 0u) | (pir_raw ? 16u : 0u) |
                              (dock_raw ? 32u : 0u));
    uint8_t body[DSP1_MAX_BODY];
    uint8_t *at = dsp1_put(body, node->identity.boot_id, 4);
    at = dsp1_put(at, now.site_ms, 8);
    at = dsp1_put(at, flags, 1);
    at = dsp1_put(at, node->queued, 1);
    at = dsp1_put(at, node->dropped, 2);
    at = dsp1_put(at, node->reader.good, 4);
    at = dsp1_put(at, node->reader.bad, 2);
    at = dsp1_put(at, node->last_event_seq, 4);
    node->beat_at = now.real_ms + node->settings.heartbeat_ms;
    send_frame(node, DSP1_HEARTBEAT, body, at);
    send_state(node, docked, occupied, now);
}

/* `index` counts from the oldest event in the queue. */
static void send_event(struct dsp1_node *node, uint8_t index) {
    const struct dsp1_event *event = &node->queue[(node->queue_first + index) % DSP1_QUEUE_LENGTH];
    uint32_t oldest_seq = node->last_event_seq - node->queued + 1u;
    uint8_t body[DSP1_MAX_BODY];
    uint8_t *at = dsp1_put(body, node->identity.boot_id, 4);
    at = dsp1_put(at, oldest_seq + index, 4);
    at = dsp1_put(at, event->uptime_ms, 8);
    at = dsp1_put(at, event->kind, 1);
    at = dsp1_put(at, event->channel, 1);
    at = dsp1_put(at, (uint16_t)event->value, 2);
    at = dsp1_put(at, oldest_seq, 4);
    send_frame(node, DSP1_EVENT, body, at);
}

/* Tells a gateway that asks who is there all that it missed: four a half second would take too long. */
static void send_queue(struct dsp1_node *node, struct dsp1_now now) {
    for (uint8_t index = 0; index < node->queued; index++) {
        send_event(node, index);
    }
    if (node->queued > 0) {
        node->resend_ms = RESEND_FIRST_MS;
        node->resend_at = now.real_ms + RESEND_FIRST_MS;
    }
}

static void add_event(struct dsp1_node *node, uint8_t kind, uint8_t channel, bool value, struct dsp1_now now) {
    if (node->queued == DSP1_QUEUE_LENGTH) {
        node->queue_first = (uint8_t)((node->queue_first + 1u) % DSP1_QUEUE_LENGTH);
        node->queued--;
        if (node->dropped < UINT16_MAX) {
            node->dropped++;
        }
    }
    struct dsp1_event *event = &node->queue[(node->queue_first + node->queued) % DSP1_QUEUE_LENGTH];
    event->uptime_ms = now.site_ms;
    event->kind = kind;
    event->channel = channel;
    event->value = value ? 1 : 0;
    node->last_event_seq++;
    node->queued++;
    send_event(node, (uint8_t)(node->queued - 1u));
    if (node->resend_at == DSP1_NEVER) {
        node->resend_at = now.real_ms + node->resend_ms;
    }
}

/* What happens at the desk. */

void dsp1_node_dock(struct dsp1_node *node, uint8_t channel, bool is_up, struct dsp1_now now) {
    dsp1_node_tick(node, now);
    if (channel >= node->identity.channels) {
        return;
    }
    struct dsp1_channel *place = &node->channels[channel];
    if (is_up != place->dock_raw) {
        place->dock_raw = is_up;
        place->dock_due = is_up == place->docked ? DSP1_NEVER : now.site_ms + node->settings.dock_debounce_ms;
    }
    dsp1_node_tick(node, now);
}

void dsp1_node_motion(struct dsp1_node *node, uint8_t channel, struct dsp1_now now) {
    dsp1_node_tick(node, now);
    if (channel >= node->identity.channels) {
        return;
    }
    struct dsp1_channel *place = &node->channels[channel];
    place->hold_until = now.site_ms + node->settings.pir_hold_ms;
    if (now.site_ms >= place->armed_at) {
        place->armed_at = now.site_ms + REARM_MS;
        place->occupied = true;
        add_event(node, DSP1_KIND_PIR, channel, true, now);
    }
}

void dsp1_node_button(struct dsp1_node *node, uint8_t channel, struct dsp1_now now) {
    if (channel < node->identity.channels) {
        add_event(node, DSP1_KIND_BUTTON, channel, true, now);
    }
}

/* What comes over the wire. */

static void forget(struct dsp1_node *node, uint32_t up_to, struct dsp1_now now) {
    uint8_t before = node->queued;
    while (node->queued > 0 && node->last_event_seq - node->queued + 1u <= up_to) {
        node->queue_first = (uint8_t)((node->queue_first + 1u) % DSP1_QUEUE_LENGTH);
        node->queued--;
    }
    if (node->queued < before) {
        node->resend_ms = RESEND_FIRST_MS;
        node->resend_at = node->queued > 0 ? now.real_ms + RESEND_FIRST_MS : DSP1_NEVER;
    }
}

static bool set_led(struct dsp1_node *node, const uint8_t *body, struct dsp1_now now) {
    node->led_until = now.site_ms + 1000u * (uint64_t)dsp1_get(body + 3, 2);
    if (node->hal.set_led != NULL) {
        node->hal.set_led(node->hal.context, body[0], body[1], body[2]);
    }
    return true;
}

static bool set_config(struct dsp1_node *node, const uint8_t *body, struct dsp1_now now) {
    uint32_t value = dsp1_get(body + 1, 4);
    struct dsp1_settings *settings = &node->settings;
    if (body[0] == 1 && value <= 3600) {
        settings->pir_hold_ms = 1000u * value;
    } else if (body[0] == 2 && value <= 10000) {
        settings->dock_debounce_ms = value;
    } else if (body[0] == 3 && value >= 1 && value <= 300) {
        settings->heartbeat_ms = 1000u * value;
        node->beat_at = earlier(node->beat_at, now.real_ms + settings->heartbeat_ms);
    } else {
        return false;
    }
    if (node->hal.save != NULL) {
        node->hal.save(node->hal.context, settings);
    }
    return true;
}

/* Without its gateway a light goes dark after its time: it would tell what is long gone. 0: never. */
static bool set_light(struct dsp1_node *node, const uint8_t *body, struct dsp1_now now) {
    uint8_t channel = body[0], code = body[1];
    uint32_t ttl_s = dsp1_get(body + 2, 2);
    if (channel >= node->identity.channels || code >= DSP1_LIGHT_CODES) {
        return false;
    }
    struct dsp1_channel *place = &node->channels[channel];
    bool has_end = ttl_s != 0 && code != DSP1_LIGHT_OFF;
    place->light_until = has_end ? now.site_ms + 1000u * (uint64_t)ttl_s : DSP1_NEVER;
    if (place->light != code) {
        place->light = code;
        node->hal.set_light(node->hal.context, channel, code, now.site_ms);
    }
    return true;
}

static void answer(struct dsp1_node *node, const struct dsp1_frame *frame, uint8_t nak_reason) {
    uint8_t body[4];
    uint8_t *at = dsp1_put(body, frame->seq, 2);
    at = dsp1_put(at, frame->type, 1);
    if (nak_reason != 0) {
        at = dsp1_put(at, nak_reason, 1);
    }
    send_frame(node, nak_reason == 0 ? DSP1_ACK : DSP1_NAK, body, at);
}

static void pong(struct dsp1_node *node, const uint8_t *token, struct dsp1_now now) {
    uint8_t body[16];
    memcpy(body, token, 4);
    uint8_t *at = dsp1_put(body + 4, node->identity.boot_id, 4);
    at = dsp1_put(at, now.site_ms, 8);
    send_frame(node, DSP1_PONG, body, at);
}

static void take_frame(struct dsp1_node *node, const struct dsp1_frame *frame, struct dsp1_now now) {
    const uint8_t *body = frame->body;
    switch (frame->type) {
    case DSP1_HELLO_REQ:
        node->hello_at = DSP1_NEVER;
        send_hello(node, now);
        send_beat(node, now);
        send_queue(node, now);
        break;
    case DSP1_EVENT_ACK:
        if (dsp1_get(body, 4) == node->identity.boot_id) {
            forget(node, dsp1_get(body + 4, 4), now);
        }
        break;
    case DSP1_PING: pong(node, body, now); break;
    case DSP1_SET_LED: answer(node, frame, set_led(node, body, now) ? 0u : NAK_BAD_VALUE); break;
    case DSP1_SET_CFG: answer(node, frame, set_config(node, body, now) ? 0u : NAK_BAD_VALUE); break;
    case DSP1_SET_LIGHT: answer(node, frame, set_light(node, body, now) ? 0u : NAK_BAD_VALUE); break;
    default: answer(node, frame, NAK_UNKNOWN_TYPE); break;
    }
}

void dsp1_node_feed(struct dsp1_node *node, const uint8_t *bytes, size_t count, struct dsp1_now now) {
    struct dsp1_frame frame;
    for (size_t index = 0; index < count; index++) {
        if (dsp1_reader_push(&node->reader, bytes[index], &frame)) {
            take_frame(node, &frame, now);
        }
    }
    dsp1_node_tick(node, now);
}

/* What time brings. */

uint64_t dsp1_node_next_real_ms(const struct dsp1_node *node) {
    return earlier(node->beat_at, earlier(node->hello_at, node->resend_at));
}

uint64_t dsp1_node_next_site_ms(const struct dsp1_node *node) {
    uint64_t due = DSP1_NEVER;
    for (uint8_t channel = 0; channel < node->identity.channels; channel++) {
        const struct dsp1_channel *place = &node->channels[channel];
        due = earlier(due, earlier(place->dock_due, place->light_until));
        if (place->occupied) {
            due = earlier(due, place->hold_until);
        }
    }
    return due;
}

static void tick_channel(struct dsp1_node *node, uint8_t channel, struct dsp1_now now) {
    struct dsp1_channel *place = &node->channels[channel];
    if (now.site_ms >= place->dock_due) {
        place->docked = place->dock_raw;
        place->dock_due = DSP1_NEVER;
        add_event(node, DSP1_KIND_DOCK, channel, place->docked, now);
    }
    if (place->occupied && now.site_ms >= place->hold_until) {
        place->occupied = false;
        add_event(node, DSP1_KIND_PIR, channel, false, now);
    }
    if (now.site_ms >= place->light_until) {
        place->light = DSP1_LIGHT_OFF;
        place->light_until = DSP1_NEVER;
        node->hal.set_light(node->hal.context, channel, DSP1_LIGHT_OFF, now.site_ms);
    }
}

void dsp1_node_tick(struct dsp1_node *node, struct dsp1_now now) {
    for (uint8_t channel = 0; channel < node->identity.channels; channel++) {
        tick_channel(node, channel, now);
    }
    if (now.real_ms >= node->hello_at) {
        node->hello_at = now.real_ms + HELLO_EVERY_MS;
        send_hello(node, now);
    }
    if (now.real_ms >= node->beat_at) {
        send_beat(node, now);
    }
    if (now.real_ms >= node->resend_at) {
        for (uint8_t index = 0; index < node->queued && index < RESEND_COUNT; index++) {
            send_event(node, index);
        }
        uint32_t doubled = 2u * node->resend_ms;
        node->resend_ms = doubled < RESEND_SLOWEST_MS ? doubled : RESEND_SLOWEST_MS;
        node->resend_at = now.real_ms + node->resend_ms;
    }
}
