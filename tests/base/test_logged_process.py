"""Rules of how a process that does not end, or says nothing, shows where it stands."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.kit.node.logged_process import LINES_SHOWN, LoggedProcess
from tests.kit.still_running import still_running

NOTICE_SECONDS = 0.2

ENDS_LATE = """
import faulthandler, pathlib, signal, sys, time
faulthandler.register(signal.SIGUSR1)
for number in range(100):
    print("line", number, file=sys.stderr, flush=True)
def waits_here():
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
waits_here()
"""
LEAVES_A_CHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
"""
IS_SILENT = """
import pathlib, sys, time
print("first", file=sys.stderr, flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
print("second", file=sys.stderr, flush=True)
"""


@contextmanager
def noticed(go_on: Path, wanted: str) -> Iterator[list[str]]:
    """What is said meanwhile; `go_on` is made once the wanted words were."""
    reader, writer = os.pipe()
    said: list[str] = []

    def listen() -> None:
        with os.fdopen(reader) as output:
            for line in output:
                said.append(line)
                if wanted in line:
                    go_on.touch()

    listener = Thread(target=listen)
    listener.start()
    try:
        with still_running("test_a", writer):
            yield said
    finally:
        os.close(writer)
        listener.join()


def test_a_process_that_does_not_end_shows_the_end_of_its_log_and_its_stacks(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with noticed(go_on, "waits_here") as said:
        process = LoggedProcess([sys.executable, "-c", ENDS_LATE, str(go_on)], NOTICE_SECONDS)
        while "99" not in process.next_line():
            """Until it stands where it waits."""
        process.stop()
    assert process.process.returncode == 0
    _, begins, text = "".join(said).partition(f"process {process.process.pid} has not ended after 0 s")
    assert begins
    assert "; the end of its log:\n" in text
    assert f"line {100 - LINES_SHOWN}\n" in text
    assert f"line {99 - LINES_SHOWN}\n" not in text
    assert " in waits_here" in text


def test_a_process_that_dumps_no_stacks_is_not_ended_by_being_asked_for_them(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with noticed(go_on, "has not ended after"):
        process = LoggedProcess([sys.executable, "-c", IS_SILENT, str(go_on)], NOTICE_SECONDS)
        assert process.next_line() == "first\n"
        process.stop()
    assert process.process.returncode == 0


def test_a_process_whose_log_another_holds_open_names_that_one(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with noticed(go_on, "held by") as said:
        process = LoggedProcess([sys.executable, "-c", LEAVES_A_CHILD, str(go_on), IS_SILENT], NOTICE_SECONDS)
        assert process.wait() == 0
    text = "".join(said)
    assert f"process {process.process.pid} ended with 0; its log is held open" in text
    assert f"held by {process.process.pid}:" not in text


def test_a_process_that_is_silent_shows_the_end_of_its_log(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with noticed(go_on, "first") as said:
        process = LoggedProcess([sys.executable, "-c", IS_SILENT, str(go_on)], NOTICE_SECONDS)
        assert [process.next_line(), process.next_line(), process.next_line()] == ["first\n", "second\n", ""]
        assert process.wait() == 0
    assert " is silent since " in "".join(said)
