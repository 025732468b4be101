"""The front door: command line, wiring and lifecycle. The only package that imports all others."""

__version__ = "0.1.0"
