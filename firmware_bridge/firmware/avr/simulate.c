/* Runs an ATmega328P program in simavr, its UART on a pseudo-terminal, its pins on standard input and output.
 *
 *     simulate FIRMWARE.elf TTY_LINK
 *
 * In: `pin PORT BIT 0|1` (port as a letter). Out, JSON lines: {"ready": "<tty>"}, {"port": "B", "value": n}
 * when a lamp changes. The end of standard input ends it. Real time, at 16 MHz.
 */
#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#include "../posix/port.h"

#define HZ 16000000u
#define SLICE_MS 1u

static struct port port = {NULL, -1, -1};
static avr_irq_t *uart_in;
static uint8_t waiting[8192];
static size_t waiting_bytes;
static int may_send = 1;

static void on_byte_out(struct avr_irq_t *irq, uint32_t value, void *context) {
    (void)irq;
    (void)context;
    uint8_t byte = (uint8_t)value;
    port_write(&port, &byte, 1);
}

static void on_room(struct avr_irq_t *irq, uint32_t value, void *context) {
    (void)irq;
    (void)value;
    may_send = context != NULL;
}

static void on_lamps(struct avr_irq_t *irq, uint32_t value, void *context) {
    (void)irq;
    (void)context;
    printf("{\"port\": \"B\", \"value\": %u}\n", value & 15u);
    fflush(stdout);
}

static void connect_uart(avr_t *avr) {
    uint32_t flags = 0; /* no copy to the console, no sleeping while the UART is polled */
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    uart_in = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_byte_out, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_room, avr);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_room, NULL);
}

/* False at the end of input. Commands are short and come one at a time. */
static int take_command(avr_t *avr) {
    char text[64], letter;
    int bit, level;
    ssize_t count = read(0, text, sizeof text - 1);
    if (count <= 0) {
        return 0;
    }
    text[count] = '\0';
    if (sscanf(text, "pin %c %d %d", &letter, &bit, &level) == 3) {
        avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(letter), bit), (uint32_t)level);
    }
    return 1;
}

static void give_bytes(void) {
    waiting_bytes += port_read(&port, waiting + waiting_bytes, sizeof waiting - waiting_bytes);
    size_t given = 0;
    while (given < waiting_bytes && may_send) {
        avr_raise_irq(uart_in, waiting[given++]);
    }
    waiting_bytes -= given;
    memmove(waiting, waiting + given, waiting_bytes);
}

static uint64_t wall_ms(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000u + (uint64_t)at.tv_nsec / 1000000u;
}

static void run(avr_t *avr) {
    struct pollfd watched = {0, POLLIN, 0};
    avr_cycle_count_t until = avr->cycle;
    uint64_t begun_ms = wall_ms(), run_ms = 0;
    for (;;) {
        run_ms += SLICE_MS;
        until += HZ / 1000u * SLICE_MS;
        give_bytes();
        while (avr->cycle < until) {
            int state = avr_run(avr);
            if (state == cpu_Done || state == cpu_Crashed) {
                return;
            }
        }
        uint64_t passed_ms = wall_ms() - begun_ms;
        int ahead_ms = run_ms > passed_ms ? (int)(run_ms - passed_ms) : 0;
        if (poll(&watched, 1, ahead_ms) > 0 && !take_command(avr)) {
            return;
        }
    }
}

static void never_sleep(avr_t *avr, avr_cycle_count_t cycles) {
    (void)avr; /* simavr would sleep in wall time; `run` keeps the pace */
    (void)cycles;
}

int main(int count, char **arguments) {
    static elf_firmware_t firmware;
    if (count != 3 || elf_read_firmware(arguments[1], &firmware) != 0) {
        fputs("usage: simulate FIRMWARE.elf TTY_LINK\n", stderr);
        return 2;
    }
    avr_t *avr = avr_make_mcu_by_name("atmega328p");
    port.path = arguments[2];
    if (avr == NULL || avr_init(avr) != 0 || !port_plug(&port)) {
        return 1;
    }
    firmware.frequency = HZ;
    avr_load_firmware(avr, &firmware);
    avr->sleep = never_sleep;
    connect_uart(avr);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), IOPORT_IRQ_PIN_ALL), on_lamps, NULL);
    for (int bit = 2; bit < 6; bit++) { /* open contacts: the pull-ups win */
        avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('D'), bit), 1);
    }
    printf("{\"ready\": \"%s\"}\n", port.path);
    fflush(stdout);
    run(avr);
    port_unplug(&port);
    return 0;
}
