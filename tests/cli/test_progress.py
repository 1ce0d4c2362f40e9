"""Progress on standard error: a bar in a terminal, lines now and then elsewhere."""

import io

import pytest

from cli import progress as drawing
from cli.progress import progress
from member.printing.pace import Pace, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds."""
    found = [100.0]
    monkeypatch.setattr(drawing, "Pace", lambda: Pace(lambda: found[0]))
    monkeypatch.setattr("time.monotonic", lambda: found[0])
    monkeypatch.setenv("COLUMNS", "120")
    return found


def reported(now: list[float], steps: int, seconds: float) -> None:
    report = progress("proven", "round")
    for at in range(steps + 1):
        report(at, steps)
        now[0] += seconds


def test_a_terminal_shows_one_line_in_place_with_the_time_left(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    reported(now, 4, 10)
    first, *drawn = screen.getvalue().split("\r")
    assert first == ""
    expected = [bar(at, 4, None if at == 0 else 10 * (4 - at)) for at in range(5)]
    assert [line.rstrip() for line in drawn] == [f"proven round {at} of 4 {expected[at]}" for at in range(5)]
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().endswith("\n")


def test_a_shorter_line_leaves_nothing_of_the_longer_one(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    report = progress("proven", "round")
    for at, seconds in ((0, 0), (1, 1_000), (2, 1)):
        now[0] += seconds
        report(at, 3)
    *_, longer, shorter = screen.getvalue().split("\r")
    assert len(longer.rstrip()) > len(shorter.rstrip())
    assert len(shorter) == len(longer)


def test_a_terminal_is_not_written_to_at_every_step(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    reported(now, 10_000, 0.001)
    assert 100 <= screen.getvalue().count("\r") <= 102


def test_no_line_is_wider_than_the_terminal(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "30")
    reported(now, 3, 10)
    assert max(map(len, screen.getvalue().replace("\n", "").split("\r"))) == 29


def test_a_log_gets_whole_lines_now_and_then(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    reported(now, 4, 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"proven round {at} of 4, about {10 * (4 - at)} s left" for at in (1, 2, 3, 4)]
