#include "dsp1_avr.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <string.h>
#include <util/atomic.h>

#include "dsp1_node.h"
#include "light_codes.h"

#ifndef F_CPU
#define F_CPU 16000000UL
#endif
#define BAUD_RATE 115200UL
#define CHANNELS 4
#define RX_RING 128u /* a power of two; at 115200 baud 11 ms, and sending a full queue does not block receiving */

/* Channel 0 to 3: dock contact to ground on D2-D5, PIR on A0-A3, lamp on D8-D11. */
#define DOCK_PINS PIND
#define DOCK_FIRST 2
#define PIR_PINS PINC
#define LAMP_PORT PORTB
#define ALL_CHANNELS ((1u << CHANNELS) - 1u)

struct stored {
    uint8_t mark; /* STORED_MARK when the rest is valid; an empty EEPROM holds 0xFF */
    uint8_t uid[DSP1_UID_BYTES];
    uint32_t boots;
    struct dsp1_settings settings;
};
#define STORED_MARK 0xD1u

static struct stored EEMEM eeprom;
static struct dsp1_node node;
static uint8_t light_of[CHANNELS];
static volatile uint32_t ticks_ms;
static volatile uint8_t rx_ring[RX_RING], rx_in, rx_out;

ISR(TIMER2_COMPA_vect) { ticks_ms++; }

ISR(USART_RX_vect) {
    uint8_t byte = UDR0;
    uint8_t next = (uint8_t)((rx_in + 1u) & (RX_RING - 1u));
    if (next != rx_out) { /* full: the byte is lost, the checksum will tell */
        rx_ring[rx_in] = byte;
        rx_in = next;
    }
}

/* 32 bits of ms wrap after 49 days; the uptime of DSP/1 never does. */
static struct dsp1_now now_of(void) {
    static uint32_t before;
    static uint64_t uptime_ms;
    uint32_t ticks;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { ticks = ticks_ms; }
    uptime_ms += ticks - before;
    before = ticks;
    struct dsp1_now now = {uptime_ms, uptime_ms};
    return now;
}

static void hal_send(void *context, const uint8_t *bytes, size_t count) {
    (void)context;
    for (size_t index = 0; index < count; index++) {
        while ((UCSR0A & (1u << UDRE0)) == 0) {
        }
        UDR0 = bytes[index];
    }
}

static void hal_set_light(void *context, uint8_t channel, uint8_t code, uint64_t site_ms) {
    (void)context;
    (void)site_ms;
    light_of[channel] = code;
}

static void hal_save(void *context, const struct dsp1_settings *settings) {
    (void)context;
    eeprom_update_block(settings, &eeprom.settings, sizeof *settings);
}

/* Noise of the lowest bit of the converter at the chip's own thermometer, and the number of starts. */
static uint32_t new_boot_id(uint32_t boots) {
    uint32_t id = boots * 2654435761u; /* spreads consecutive numbers; Knuth, The Art of Computer Programming, 6.4 */
    ADMUX = (1u << REFS1) | (1u << REFS0) | (1u << MUX3);
    ADCSRA = (1u << ADEN) | (1u << ADPS1);
    for (uint8_t round = 0; round < 64; round++) {
        ADCSRA |= 1u << ADSC;
        while ((ADCSRA & (1u << ADSC)) != 0) {
        }
        id = (id << 1 | id >> 31) ^ ADC ^ TCNT2;
    }
    ADCSRA = 0;
    return id;
}

/* A board that nobody has given a number makes one at its first start; it never changes again. */
static void load(struct stored *stored) {
    eeprom_read_block(stored, &eeprom, sizeof *stored);
    if (stored->mark != STORED_MARK) {
        uint32_t one = new_boot_id(1), other = new_boot_id(one);
        memset(stored, 0, sizeof *stored);
        stored->mark = STORED_MARK;
        memcpy(stored->uid, &one, sizeof one);
        memcpy(stored->uid + sizeof one, &other, sizeof other);
        stored->settings = dsp1_default_settings;
    }
    stored->boots++;
    eeprom_update_block(stored, &eeprom, sizeof *stored);
}

static void set_up_hardware(void) {
    DDRB |= ALL_CHANNELS;
    PORTD |= ALL_CHANNELS << DOCK_FIRST; /* pull-ups */
    OCR2A = (uint8_t)(F_CPU / 64u / 1000u - 1u);
    TCCR2A = 1u << WGM21;
    TCCR2B = 1u << CS22; /* F_CPU / 64 */
    TIMSK2 = 1u << OCIE2A;
    UBRR0 = (uint16_t)((F_CPU + BAUD_RATE * 4u) / (BAUD_RATE * 8u) - 1u);
    UCSR0A = 1u << U2X0;
    UCSR0B = (1u << RXEN0) | (1u << TXEN0) | (1u << RXCIE0);
    UCSR0C = (1u << UCSZ01) | (1u << UCSZ00);
}

void dsp1_avr_setup(void) {
    uint8_t reset_reason = MCUSR;
    MCUSR = 0;
    set_up_hardware();
    struct stored stored;
    load(&stored);
    struct dsp1_identity identity = {.channels = CHANNELS, .reset_reason = reset_reason};
    memcpy(identity.uid, stored.uid, sizeof identity.uid);
    identity.boot_id = new_boot_id(stored.boots);
    const struct dsp1_hal hal = {NULL, hal_send, hal_set_light, NULL, hal_save};
    dsp1_node_init(&node, &identity, &stored.settings, &hal);
    set_sleep_mode(SLEEP_MODE_IDLE);
    sei();
}

static void read_pins(struct dsp1_now now) {
    uint8_t docks = (uint8_t)(~DOCK_PINS >> DOCK_FIRST) & ALL_CHANNELS;
    uint8_t moves = PIR_PINS & ALL_CHANNELS;
    for (uint8_t channel = 0; channel < CHANNELS; channel++) {
        bool is_up = (docks >> channel & 1u) != 0;
        if (is_up != node.channels[channel].dock_raw) {
            dsp1_node_dock(&node, channel, is_up, now);
        }
        if ((moves >> channel & 1u) != 0) {
            dsp1_node_motion(&node, channel, now);
        }
    }
}

static void show(uint32_t uptime_ms) {
    uint8_t lamps = 0;
    for (uint8_t channel = 0; channel < CHANNELS; channel++) {
        lamps |= (uint8_t)(dsp1_light_is_lit(light_of[channel], uptime_ms) << channel);
    }
    LAMP_PORT = (uint8_t)((LAMP_PORT & ~ALL_CHANNELS) | lamps);
}

void dsp1_avr_turn(void) {
    struct dsp1_now now = now_of();
    read_pins(now);
    while (rx_out != rx_in) {
        uint8_t byte = rx_ring[rx_out];
        rx_out = (uint8_t)((rx_out + 1u) & (RX_RING - 1u));
        dsp1_node_feed(&node, &byte, 1, now);
    }
    dsp1_node_tick(&node, now);
    show((uint32_t)now.site_ms);
    sleep_mode(); /* until the next byte or millisecond */
}
