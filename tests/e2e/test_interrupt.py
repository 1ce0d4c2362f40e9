"""Ctrl-C and a request to end are a devnet's end, whatever it was about, and leave nothing running."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.e2e.leftovers import MARK, PATIENCE_SECONDS, ROOT, left_running, processes_of

pytestmark = [pytest.mark.network, pytest.mark.chain]


def chains_start(folder: Path, output: str) -> bool:
    return (folder / "chain0" / "anvil.log").exists()


def validators_start(folder: Path, output: str) -> bool:
    return (folder / "nodes" / "n0" / "node.sqlite").exists()


def replay_runs(folder: Path, output: str) -> bool:
    return (folder / "schedule.json").exists()


@pytest.mark.parametrize(
    ("moment", "how", "options"),
    [
        (chains_start, signal.SIGINT, []),
        (validators_start, signal.SIGTERM, []),
        (validators_start, signal.SIGINT, ["--demo"]),
        (replay_runs, signal.SIGINT, []),
    ],
)
def test_a_signal_ends_everything(
    anvil_binary: Path, tmp_path: Path, moment: Callable[[Path, str], bool], how: signal.Signals, options: list[str]
) -> None:
    folder, mark, output = tmp_path / "devnet", uuid.uuid4().hex, tmp_path / "stderr"
    with output.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "devnet", *options, "--output-dir", str(folder)],
            cwd=ROOT,
            env={**os.environ, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not moment(folder, output.read_text()):
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, f"{moment.__name__} never came"
            time.sleep(0.05)
        assert len(processes_of(mark, folder)) >= 2
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: the whole foreground group
        else:
            process.send_signal(how)
        code = process.wait(PATIENCE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert code in (0, 130), output.read_text()
    assert "Traceback" not in output.read_text()
    assert left_running(mark, folder) == []


def test_nothing_outlives_a_devnet_that_is_killed(anvil_binary: Path, tmp_path: Path) -> None:
    folder, mark = tmp_path / "devnet", uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "devnet", "--output-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not replay_runs(folder, ""):
            assert process.poll() is None
            assert time.monotonic() < deadline, "the replay never began"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert left_running(mark, folder) == []
