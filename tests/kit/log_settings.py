"""What a test makes of the log ends with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def log_settings_kept() -> Iterator[None]:
    """Leave the log as it was before the body.

    A test that makes the process silent would make a later one wait in vain for a line. Which tests share a process
    depends on how long others took.
    """
    before = structlog.get_config()
    try:
        yield
    finally:
        structlog.configure(**before)
        structlog.contextvars.clear_contextvars()
