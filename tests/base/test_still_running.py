"""Rules of how a test that seems to hang is named."""

import os

from tests.kit.still_running import still_running


def test_what_hangs_is_named_with_its_place_until_it_ends() -> None:
    reader, writer = os.pipe()
    lines: list[str] = []
    with os.fdopen(reader) as output:
        with still_running("test_a", writer, interval_seconds=0.01):
            while len(lines) < 2:
                lines += [line for line in [output.readline()] if line.strip()]
        os.close(writer)
        lines += [line for line in output if line.strip()]
    assert all("test_a, at " in line and "test_still_running.py:" in line for line in lines)


def test_what_ends_in_time_is_not_named() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as output:
        with still_running("test_a", writer, interval_seconds=60):
            pass
        os.close(writer)
        assert output.read() == ""
