#define _DEFAULT_SOURCE
#define _XOPEN_SOURCE 700

#include "port.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <termios.h>
#include <unistd.h>

static bool set_raw(int end) {
    struct termios mode;
    if (tcgetattr(end, &mode) != 0) {
        return false;
    }
    cfmakeraw(&mode);
    return tcsetattr(end, TCSAFLUSH, &mode) == 0;
}

/* Points the link at the far end in one step. */
static bool link_to(const struct port *port, const char *far_name) {
    char fresh[4096];
    int count = snprintf(fresh, sizeof fresh, "%s.%ld", port->path, (long)getpid());
    if (count < 0 || (size_t)count >= sizeof fresh) {
        return false;
    }
    unlink(fresh);
    return symlink(far_name, fresh) == 0 && rename(fresh, port->path) == 0;
}

bool port_plug(struct port *port) {
    int near = posix_openpt(O_RDWR | O_NOCTTY);
    if (near < 0) {
        return false;
    }
    const char *far_name = grantpt(near) == 0 && unlockpt(near) == 0 ? ptsname(near) : NULL;
    /* With no far end open at all the near end reports an error; a wire without a reader does not. */
    int far = far_name == NULL ? -1 : open(far_name, O_RDWR | O_NOCTTY);
    if (far < 0 || !set_raw(far) || fcntl(near, F_SETFL, O_NONBLOCK) != 0 || !link_to(port, far_name)) {
        close(near);
        if (far >= 0) {
            close(far);
        }
        return false;
    }
    port->near = near;
    port->far = far;
    return true;
}

void port_unplug(struct port *port) {
    if (port->near >= 0) {
        unlink(port->path);
        close(port->near);
        close(port->far);
        port->near = port->far = -1;
    }
}

size_t port_read(struct port *port, uint8_t *bytes, size_t most) {
    ssize_t count = port->near < 0 ? 0 : read(port->near, bytes, most);
    return count < 0 ? 0u : (size_t)count;
}

void port_write(struct port *port, const uint8_t *bytes, size_t count) {
    if (port->near >= 0 && count > 0) {
        ssize_t written = write(port->near, bytes, count);
        (void)written; /* what is lost here is sent again until it is acknowledged */
    }
}
