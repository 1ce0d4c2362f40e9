"""One line of JSON for each thing that happens, on stderr. Secrets are never among the values."""

import json
import sys
import time


def log(event: str, **values: object) -> None:
    """Write a line. Values that are no JSON are shown as text."""
    line = {"time_ms": time.time_ns() // 1_000_000, "event": event, **values}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
    sys.stderr.flush()
