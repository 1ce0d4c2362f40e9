"""Logging: structlog to standard error or a file, JSON off a terminal.

Rule: bytes are shown as short hex, and values under a key that names a secret never appear.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from clearing.base.errors import CrossclearError
from clearing.base.plain_text import one_line, several_lines
from node.config import Logging
from node.ops.repeated_lines import Repeats

SECRET_KEYS = frozenset(("secret", "password", "seed", "private_key", "network_seed", "salt"))
_BYTES_SHOWN = 32


def configure_logs(settings: Logging, *, node: str = "", stream: TextIO | None = None) -> TextIO:
    """Set up structlog and the standard library's loggers for this process; the stream that is written to.

    A file is opened for appending, line by line. Raises OSError when it cannot be.
    """
    out = stream
    if out is None:
        out = open(settings.file, "a", encoding="utf-8", buffering=1) if settings.file else sys.stderr  # noqa: SIM115, PTH123
    console = settings.format == "console" or (settings.format == "auto" and out.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    renderer: Processor = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    exceptions: list[Processor] = [] if console else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Repeats(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            _format_values,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard library; only what went wrong there is of interest.
    handler = logging.StreamHandler(out)
    handler.setFormatter(PlainFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING))
    structlog.contextvars.clear_contextvars()
    if node:
        structlog.contextvars.bind_contextvars(node=node)
    return out


class PlainFormatter(logging.Formatter):
    """Of what libraries log: a message has one line, and nothing in it or in a traceback steers a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The head, on one line."""
        return one_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """All of it."""
        return several_lines(super().format(record))


def _format_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make every value printable: bytes as hex, our errors as code and text, secrets not at all."""
    for key, value in event.items():
        if key in SECRET_KEYS:
            event[key] = "(hidden)"
        elif isinstance(value, bytes):
            event[key] = value[:_BYTES_SHOWN].hex() + ("…" if len(value) > _BYTES_SHOWN else "")
        elif isinstance(value, str | CrossclearError):
            # A peer's or an endpoint's text must not steer who reads the log; a traceback has several lines.
            event[key] = (several_lines if key == "exception" else one_line)(str(value))
    return event
