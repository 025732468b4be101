/* For builds without the Arduino tools. */
#include "dsp1_avr.h"

int main(void) {
    dsp1_avr_setup();
    for (;;) {
        dsp1_avr_turn();
    }
}
