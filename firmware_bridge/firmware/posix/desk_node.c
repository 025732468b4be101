/* A desk node as a process on a pseudo-terminal: the core with the hardware abstraction of a POSIX system.
 *
 * Same options, lines and answers as `python -m simulators.desk_node`, whose place it takes where a C
 * compiler is found. Standard input, one line per happening: `dock <channel> 0|1`, `pir <channel>`,
 * `button <channel>`, `unplug`, `replug`, `quit`; its end ends the node. Standard output, JSON lines:
 * {"ready": "<tty>"} when the port is there (again), {"channel": .., "code": .., "at_ms": ..} per light.
 */
#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "../core/dsp1_node.h"
#include "port.h"

#define USAGE                                                                        \
    "usage: desk_node --uid HEX16 --channels 1-16 --tty PATH [--speed N] "            \
    "[--hold-s N] [--debounce-ms N] [--heartbeat-s N] [--boot-id N]\n"
#define MAX_LINE_BYTES 256u
#define MAX_BACKLOG_BYTES 65536u
#define MAX_OUTPUT_BYTES 8192u /* a whole queue with all its greetings is about 1300 */

struct process {
    struct dsp1_node node;
    struct port port;
    double speed;
    struct timespec booted;
    bool is_running;
    bool is_line_too_long;
    size_t output_bytes, line_bytes, backlog_bytes;
    uint8_t output[MAX_OUTPUT_BYTES];
    char line[MAX_LINE_BYTES];
    char backlog[MAX_BACKLOG_BYTES];
};

static struct dsp1_now now_of(const struct process *self) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    double elapsed_ms = (double)(at.tv_sec - self->booted.tv_sec) * 1e3 +
                        (double)(at.tv_nsec - self->booted.tv_nsec) / 1e6;
    struct dsp1_now now = {(uint64_t)elapsed_ms, (uint64_t)(elapsed_ms * self->speed)};
    return now;
}

/* Towards the wire. */

static void flush_output(struct process *self) {
    port_write(&self->port, self->output, self->output_bytes);
    self->output_bytes = 0;
}

static void hal_send(void *context, const uint8_t *bytes, size_t count) {
    struct process *self = context;
    if (self->output_bytes + count > MAX_OUTPUT_BYTES) {
        flush_output(self);
    }
    memcpy(self->output + self->output_bytes, bytes, count);
    self->output_bytes += count;
}

/* Towards standard output. Nobody reads? Then the oldest lines are the ones least missed; whole lines only. */

static void say(struct process *self, const char *format, ...) {
    char line[4352];
    va_list values;
    va_start(values, format);
    int wanted = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (wanted < 0 || (size_t)wanted >= sizeof line) {
        return;
    }
    size_t count = (size_t)wanted;
    while (self->backlog_bytes + count > MAX_BACKLOG_BYTES) {
        const char *end = memchr(self->backlog, '\n', self->backlog_bytes);
        size_t gone = end == NULL ? self->backlog_bytes : (size_t)(end - self->backlog) + 1u;
        self->backlog_bytes -= gone;
        memmove(self->backlog, self->backlog + gone, self->backlog_bytes);
    }
    memcpy(self->backlog + self->backlog_bytes, line, count);
    self->backlog_bytes += count;
}

static void hal_set_light(void *context, uint8_t channel, uint8_t code, uint64_t site_ms) {
    say(context, "{\"channel\": %u, \"code\": %u, \"at_ms\": %llu}\n", channel, code,
        (unsigned long long)site_ms);
}

static void write_backlog(struct process *self) {
    /* a pipe that select calls writable takes PIPE_BUF bytes without blocking */
    size_t most = self->backlog_bytes < 512u ? self->backlog_bytes : 512u;
    ssize_t count = write(1, self->backlog, most);
    if (count < 0) {
        self->is_running = self->is_running && errno == EINTR; /* nobody reads any more */
        return;
    }
    self->backlog_bytes -= (size_t)count;
    memmove(self->backlog, self->backlog + count, self->backlog_bytes);
}

static void plug(struct process *self) {
    if (!port_plug(&self->port)) {
        perror("desk_node: cannot make the port");
        self->is_running = false;
        return;
    }
    dsp1_node_attach(&self->node, now_of(self));
    char escaped[4096];
    size_t at = 0;
    for (const char *from = self->port.path; *from != '\0' && at + 2 < sizeof escaped; from++) {
        if (*from == '\\' || *from == '"') {
            escaped[at++] = '\\';
        }
        escaped[at++] = *from;
    }
    escaped[at] = '\0';
    say(self, "{\"ready\": \"%s\"}\n", escaped);
}

/* Standard input. */

static bool read_number(const char *text, unsigned long long most, unsigned long long *value) {
    char *end = NULL;
    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value <= most;
}

static bool obey_at_channel(struct process *self, const char *word, const char *channel, const char *level) {
    unsigned long long number = 0, is_up = 0;
    if (!read_number(channel, (unsigned long long)self->node.identity.channels - 1u, &number)) {
        return false;
    }
    if (strcmp(word, "dock") == 0 && read_number(level, 1, &is_up)) {
        dsp1_node_dock(&self->node, (uint8_t)number, is_up == 1, now_of(self));
    } else if (strcmp(word, "pir") == 0 && level == NULL) {
        dsp1_node_motion(&self->node, (uint8_t)number, now_of(self));
    } else if (strcmp(word, "button") == 0 && level == NULL) {
        dsp1_node_button(&self->node, (uint8_t)number, now_of(self));
    } else {
        return false;
    }
    return true;
}

static bool obey(struct process *self, const char *word, const char *channel, const char *level) {
    if (channel != NULL) {
        return obey_at_channel(self, word, channel, level);
    }
    if (strcmp(word, "unplug") == 0) {
        flush_output(self);
        port_unplug(&self->port);
    } else if (strcmp(word, "replug") == 0) {
        flush_output(self);
        port_unplug(&self->port);
        plug(self);
    } else if (strcmp(word, "quit") == 0) {
        self->is_running = false;
    } else {
        return false;
    }
    return true;
}

static void take_line(struct process *self) {
    char *rest = NULL;
    self->line[self->line_bytes] = '\0';
    char *words[4] = {NULL, NULL, NULL, NULL};
    size_t count = 0;
    for (char *word = strtok_r(self->line, " \t\r", &rest); word != NULL && count < 4;
         word = strtok_r(NULL, " \t\r", &rest)) {
        words[count++] = word;
    }
    bool is_known = count == 0 || (count < 4 && obey(self, words[0], words[1], words[2]));
    if (!is_known || self->is_line_too_long) {
        fputs("desk_node: cannot read a line\n", stderr);
    }
    self->line_bytes = 0;
    self->is_line_too_long = false;
}

static void read_lines(struct process *self) {
    char bytes[4096];
    ssize_t count = read(0, bytes, sizeof bytes);
    if (count <= 0) {
        self->is_running = self->is_running && count < 0 && errno == EINTR;
        return;
    }
    for (ssize_t index = 0; index < count; index++) {
        if (bytes[index] == '\n') {
            take_line(self);
        } else if (self->line_bytes < MAX_LINE_BYTES - 1u) {
            self->line[self->line_bytes++] = bytes[index];
        } else {
            self->is_line_too_long = true;
            self->line_bytes = 0;
        }
    }
}

/* Time. */

/* How long nothing is due, at least 1 ms so that rounding cannot spin. */
static struct timeval patience(const struct process *self) {
    struct dsp1_now now = now_of(self);
    double wait_ms = (double)dsp1_node_next_real_ms(&self->node) - (double)now.real_ms;
    uint64_t site_due = dsp1_node_next_site_ms(&self->node);
    if (site_due != DSP1_NEVER) {
        double site_wait_ms = ((double)site_due - (double)now.site_ms) / self->speed;
        wait_ms = site_wait_ms < wait_ms ? site_wait_ms : wait_ms;
    }
    wait_ms = wait_ms < 1.0 ? 1.0 : wait_ms;
    struct timeval wait = {(time_t)(wait_ms / 1e3), 0};
    wait.tv_usec = (suseconds_t)((wait_ms - (double)wait.tv_sec * 1e3) * 1e3);
    return wait;
}

static void turn(struct process *self) {
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(0, &readable);
    if (self->port.near >= 0) {
        FD_SET(self->port.near, &readable);
    }
    if (self->backlog_bytes > 0) {
        FD_SET(1, &writable);
    }
    struct timeval wait = patience(self);
    int highest = self->port.near > 1 ? self->port.near : 1;
    if (select(highest + 1, &readable, &writable, NULL, &wait) < 0) {
        self->is_running = self->is_running && errno == EINTR;
        return;
    }
    bool is_port_readable = self->port.near >= 0 && FD_ISSET(self->port.near, &readable);
    if (FD_ISSET(1, &writable)) {
        write_backlog(self);
    }
    if (FD_ISSET(0, &readable)) {
        read_lines(self);
    }
    if (is_port_readable) {
        uint8_t bytes[4096];
        dsp1_node_feed(&self->node, bytes, port_read(&self->port, bytes, sizeof bytes), now_of(self));
    }
    dsp1_node_tick(&self->node, now_of(self));
    flush_output(self);
}

/* Options. */

static bool read_uid(const char *text, uint8_t uid[DSP1_UID_BYTES]) {
    if (strlen(text) != 2u * DSP1_UID_BYTES || strspn(text, "0123456789abcdefABCDEF") != 2u * DSP1_UID_BYTES) {
        return false;
    }
    for (size_t index = 0; index < DSP1_UID_BYTES; index++) {
        const char pair[3] = {text[2 * index], text[2 * index + 1], '\0'};
        uid[index] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool random_boot_id(uint32_t *boot_id) {
    FILE *source = fopen("/dev/urandom", "rb");
    bool is_read = source != NULL && fread(boot_id, sizeof *boot_id, 1, source) == 1;
    if (source != NULL) {
        fclose(source);
    }
    return is_read;
}

struct options {
    struct dsp1_identity identity;
    struct dsp1_settings settings;
    double speed;
    bool has_uid;
};

static bool take_option(struct process *self, struct options *options, const char *name, const char *value) {
    unsigned long long number = 0;
    bool is_number = read_number(value, UINT32_MAX, &number);
    if (strcmp(name, "--uid") == 0) {
        return options->has_uid = read_uid(value, options->identity.uid);
    }
    if (strcmp(name, "--tty") == 0) {
        self->port.path = value;
        return true;
    }
    if (strcmp(name, "--speed") == 0) {
        char *end = NULL;
        options->speed = strtod(value, &end);
        return end != value && *end == '\0' && options->speed > 0;
    }
    if (!is_number) {
        return false;
    }
    if (strcmp(name, "--channels") == 0) {
        options->identity.channels = (uint8_t)(number > 255 ? 255 : number);
    } else if (strcmp(name, "--hold-s") == 0) {
        options->settings.pir_hold_ms = (uint32_t)number * 1000u;
    } else if (strcmp(name, "--debounce-ms") == 0) {
        options->settings.dock_debounce_ms = (uint32_t)number;
    } else if (strcmp(name, "--heartbeat-s") == 0) {
        options->settings.heartbeat_ms = (uint32_t)number * 1000u;
    } else if (strcmp(name, "--boot-id") == 0) {
        options->identity.boot_id = (uint32_t)number;
    } else {
        return false;
    }
    return true;
}

static bool start(struct process *self, int count, char **arguments) {
    struct options options = {.settings = dsp1_default_settings, .speed = 1.0};
    bool is_right = count % 2 == 1 && random_boot_id(&options.identity.boot_id);
    for (int index = 1; is_right && index + 1 < count; index += 2) {
        is_right = take_option(self, &options, arguments[index], arguments[index + 1]);
    }
    const struct dsp1_hal hal = {self, hal_send, hal_set_light, NULL, NULL};
    is_right = is_right && options.has_uid && self->port.path != NULL &&
               dsp1_node_init(&self->node, &options.identity, &options.settings, &hal);
    self->speed = options.speed;
    return is_right;
}

int main(int count, char **arguments) {
    static struct process self = {.port = {NULL, -1, -1}};
    if (!start(&self, count, arguments)) {
        fputs("desk_node: options are missing, unknown or out of range\n" USAGE, stderr);
        return 2;
    }
    /* Ctrl-C reaches the whole process group; the end of standard input is what ends a node. */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    clock_gettime(CLOCK_MONOTONIC, &self.booted);
    self.is_running = true;
    plug(&self);
    while (self.is_running) {
        turn(&self);
    }
    port_unplug(&self.port);
    return 0;
}
