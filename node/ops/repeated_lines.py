"""Lines of the log that say the same again and again: the first ones are written, then one a minute with a count.

Rule: only warnings, and lines about a fault. Errors are always written. What counts as the same is the line without its
numbers of the moment.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

ALWAYS = 5
"""Lines of one kind that are written within a window."""
WINDOW_SECONDS = 60.0
KINDS_MAX = 512
_TELLING = ("event", "fault", "peer", "chain", "chain_id", "name", "service", "endpoint", "reason")
"""The keys by which lines are compared."""


class Repeats:
    """A structlog processor. Behind `add_log_level`."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()
        """By kind: beginning of its window, lines in it, and how many of these were left out."""

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Raises structlog.DropEvent for a line too many; `left_out` says in the next one how many there were."""
        level = event.get("level")
        if level not in ("warning", "info", "debug") or (level != "warning" and "fault" not in event):
            return event
        # A fault is its code: its values are of the moment.
        kind = (str(level), *(str(getattr(event.get(key, ""), "code", event.get(key, ""))) for key in _TELLING))
        began, lines, left_out = self._seen.pop(kind, [self._now(), 0, 0])
        if self._now() - began >= WINDOW_SECONDS:
            if left_out:
                event["left_out"] = int(left_out)
            began, lines, left_out = self._now(), ALWAYS - 1 if left_out else 0, 0
        is_written = lines < ALWAYS
        self._seen[kind] = [began, lines + 1, left_out + (not is_written)]
        if len(self._seen) > KINDS_MAX:
            self._seen.popitem(last=False)
        if not is_written:
            raise structlog.DropEvent
        return event
