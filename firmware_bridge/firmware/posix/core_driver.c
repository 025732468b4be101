/* Lets a test drive the core step by step: lines in, lines out, times from the test.
 *
 *     core_driver UID_HEX16 CHANNELS BOOT_ID HOLD_S DEBOUNCE_MS HEARTBEAT_S
 *
 * In: `dock CHANNEL 0|1 REAL_MS SITE_MS`, `motion CHANNEL REAL_MS SITE_MS`, `button ...` alike,
 * `feed HEX REAL_MS SITE_MS`, `tick REAL_MS SITE_MS`, `attach REAL_MS SITE_MS`, `encode TYPE SEQ HEX`,
 * `lit CODE UPTIME_MS`. A lone `-` stands for no bytes. Out, one line for each line:
 * `<hex sent> <channel,code,site_ms;...> <next_real_ms> <next_site_ms or ->`, or the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/dsp1_node.h"
#include "../core/light_codes.h"

#define MAX_BYTES 16384u

static struct dsp1_node node;
static uint8_t sent[MAX_BYTES];
static size_t sent_bytes;
static char lights[MAX_BYTES];

static void hal_send(void *context, const uint8_t *bytes, size_t count) {
    (void)context;
    if (sent_bytes + count > MAX_BYTES) {
        abort();
    }
    memcpy(sent + sent_bytes, bytes, count);
    sent_bytes += count;
}

static void hal_set_light(void *context, uint8_t channel, uint8_t code, uint64_t site_ms) {
    (void)context;
    size_t used = strlen(lights);
    snprintf(lights + used, sizeof lights - used, "%u,%u,%llu;", channel, code, (unsigned long long)site_ms);
}

static size_t from_hex(const char *text, uint8_t *bytes) {
    size_t count = strcmp(text, "-") == 0 ? 0u : strlen(text) / 2u;
    for (size_t index = 0; index < count; index++) {
        const char pair[3] = {text[2 * index], text[2 * index + 1], '\0'};
        bytes[index] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return count;
}

static void print_hex(const uint8_t *bytes, size_t count) {
    for (size_t index = 0; index < count; index++) {
        printf("%02x", bytes[index]);
    }
    if (count == 0) {
        putchar('-');
    }
}

static void answer(void) {
    print_hex(sent, sent_bytes);
    printf(" %s %llu ", lights[0] == '\0' ? "-" : lights, (unsigned long long)dsp1_node_next_real_ms(&node));
    uint64_t site_due = dsp1_node_next_site_ms(&node);
    if (site_due == DSP1_NEVER) {
        puts("-");
    } else {
        printf("%llu\n", (unsigned long long)site_due);
    }
    sent_bytes = 0;
    lights[0] = '\0';
}

static void encode(unsigned long type, unsigned long seq, const char *hex) {
    uint8_t body[MAX_BYTES], wire[DSP1_MAX_WIRE];
    size_t count = from_hex(hex, body);
    print_hex(wire, dsp1_encode(wire, (uint8_t)type, (uint16_t)seq, body, count));
    putchar('\n');
}

static bool take(char **word) {
    static uint8_t bytes[MAX_BYTES];
    unsigned long number = word[1] == NULL ? 0 : strtoul(word[1], NULL, 10);
    bool has_no_subject = strcmp(word[0], "tick") == 0 || strcmp(word[0], "attach") == 0;
    size_t times_at = has_no_subject ? 1 : strcmp(word[0], "dock") == 0 ? 3 : 2;
    if (strcmp(word[0], "encode") == 0) {
        encode(number, strtoul(word[2], NULL, 10), word[3]);
        return false;
    }
    if (strcmp(word[0], "lit") == 0) {
        printf("%d\n", dsp1_light_is_lit((uint8_t)number, (uint32_t)strtoul(word[2], NULL, 10)));
        return false;
    }
    struct dsp1_now now = {strtoull(word[times_at], NULL, 10), strtoull(word[times_at + 1], NULL, 10)};
    if (strcmp(word[0], "dock") == 0) {
        dsp1_node_dock(&node, (uint8_t)number, word[2][0] == '1', now);
    } else if (strcmp(word[0], "motion") == 0) {
        dsp1_node_motion(&node, (uint8_t)number, now);
    } else if (strcmp(word[0], "button") == 0) {
        dsp1_node_button(&node, (uint8_t)number, now);
    } else if (strcmp(word[0], "feed") == 0) {
        dsp1_node_feed(&node, bytes, from_hex(word[1], bytes), now);
    } else if (strcmp(word[0], "attach") == 0) {
        dsp1_node_attach(&node, now);
    } else {
        dsp1_node_tick(&node, now);
    }
    return true;
}

int main(int count, char **arguments) {
    static char line[2 * MAX_BYTES];
    if (count != 7) {
        return 2;
    }
    struct dsp1_identity identity = {.channels = (uint8_t)atoi(arguments[2]),
                                     .boot_id = (uint32_t)strtoul(arguments[3], NULL, 10)};
    from_hex(arguments[1], identity.uid);
    struct dsp1_settings settings = {(uint32_t)atoi(arguments[4]) * 1000u, (uint32_t)atoi(arguments[5]),
                                     (uint32_t)atoi(arguments[6]) * 1000u};
    const struct dsp1_hal hal = {NULL, hal_send, hal_set_light, NULL, NULL};
    if (!dsp1_node_init(&node, &identity, &settings, &hal)) {
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *word[6] = {NULL, NULL, NULL, NULL, NULL, NULL};
        size_t found = 0;
        for (char *at = strtok(line, " \n"); at != NULL && found < 5; at = strtok(NULL, " \n")) {
            word[found++] = at;
        }
        if (found >= 3 && take(word)) {
            answer();
        }
        fflush(stdout);
    }
    return 0;
}
