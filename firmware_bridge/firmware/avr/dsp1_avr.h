/* The hardware abstraction of an ATmega328P (Arduino Uno, Nano and the like), by registers.
 *
 * From an Arduino sketch: call `dsp1_avr_setup()` from `setup()` and `dsp1_avr_turn()` from `loop()`, and
 * leave `Serial` and Timer 2 alone, which belong to the node.
 */
#ifndef DSP1_AVR_H
#define DSP1_AVR_H

#ifdef __cplusplus
extern "C" {
#endif

void dsp1_avr_setup(void);
/* One round: pins and bytes in, bytes and lights out. */
void dsp1_avr_turn(void);

#ifdef __cplusplus
}
#endif

#endif
