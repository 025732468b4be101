// A desk node on an Arduino Uno or Nano. `make_sketch.sh` puts the sources next to this file.
#include "dsp1_avr.h"

void setup() { dsp1_avr_setup(); }

void loop() { dsp1_avr_turn(); }
