"""Logging, set up once: human lines on a terminal, JSON lines elsewhere; always on stderr."""

from __future__ import annotations

import logging
import sys

import structlog

#: Libraries that log addresses of whatever passes by.
_TALKATIVE = ("xiaomi_ble", "bleak")


def set_up(process: str, *, level: int = logging.INFO) -> None:
    """Send structlog and stdlib logging to stderr; every line names the process."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.CRITICAL)
    logging.basicConfig(
        stream=sys.stderr, level=max(level, logging.WARNING), format="%(levelname)s %(name)s %(message)s"
    )
