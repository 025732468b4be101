"""The shared words and the pure decisions: no I/O, no clock, no randomness, no logging."""
