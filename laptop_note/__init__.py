"""A small program for who wants it: shows the notes of one place on this desktop. It knows the place and nobody."""
