"""Rules of lines that are repeated: a flood is one line a minute with a count, and no error is left out."""

from typing import Any

import pytest
import structlog

from node.ops.repeated_lines import ALWAYS, KINDS_MAX, WINDOW_SECONDS, Repeats


class Log:
    """Lines through the processor, by a clock of its own."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.repeats = Repeats(lambda: self.seconds)

    def line(self, level: str = "warning", event: str = "no answer", **values: object) -> dict[str, Any] | None:
        """What is written of a line; None for nothing."""
        try:
            return dict(self.repeats(None, level, {"level": level, "event": event, **values}))
        except structlog.DropEvent:
            return None


def test_a_flood_is_a_line_a_minute_that_counts_the_others() -> None:
    log = Log()
    written = []
    for _ in range(6000):
        log.seconds += WINDOW_SECONDS / 1000
        written.append(log.line(height=len(written)))
    kept = [line for line in written if line is not None]
    assert len(kept) == ALWAYS + 5
    assert sum(line.get("left_out", 0) for line in kept) + len(kept) >= 5000
    assert all("left_out" not in line for line in kept[:ALWAYS])
    assert all(line["left_out"] > 900 for line in kept[ALWAYS:])


def test_lines_that_tell_apart_are_all_written() -> None:
    log = Log()
    assert all(log.line(peer=str(number)) for number in range(KINDS_MAX * 3))
    assert len(log.repeats._seen) == KINDS_MAX


@pytest.mark.parametrize(("level", "values"), [("error", {}), ("critical", {"fault": "x"}), ("info", {})])
def test_errors_and_ordinary_lines_are_never_left_out(level: str, values: dict[str, object]) -> None:
    log = Log()
    assert all(log.line(level, **values) for _ in range(100))


def test_what_pauses_begins_anew() -> None:
    log = Log()
    for _ in range(3):
        assert sum(log.line("info", fault="R0001") is not None for _ in range(ALWAYS)) == ALWAYS
        log.seconds += WINDOW_SECONDS
