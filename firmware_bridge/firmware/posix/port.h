/* The device's end of a pseudo-terminal that a symbolic link names, as udev names a USB port. */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port {
    const char *path;
    int near; /* -1: unplugged */
    int far;
};

bool port_plug(struct port *port);
/* Closes both ends: whoever reads the port sees it vanish. */
void port_unplug(struct port *port);
size_t port_read(struct port *port, uint8_t *bytes, size_t most);
/* Sends without waiting: what does not fit is lost, as on a wire. */
void port_write(struct port *port, const uint8_t *bytes, size_t count);

#endif
