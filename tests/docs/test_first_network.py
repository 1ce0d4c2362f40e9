"""The tutorial on the first network, done line by line in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.kit.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "first-network.md").read_text(encoding="utf-8")
PORTS = ("26601", "26602", "26603", "26681", "26682", "26683")
ENDS_ALL = "trap 'kill $(jobs -p) 2> kill.log; wait' EXIT\nset -euo pipefail -m\n"
"""Job control, so that `%3` is the third, as in a terminal."""


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    script = "".join(blocks)
    for port, free in zip(PORTS, free_ports(len(PORTS)), strict=True):
        assert port in script
        script = script.replace(port, str(free))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "crossclear").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    (tmp_path / "bin" / "crossclear").chmod(0o755)
    (tmp_path / "empty").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CROSSCLEAR")},
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    ended = subprocess.run(
        ["bash", "-c", ENDS_ALL + script],
        cwd=tmp_path / "empty",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    logs = [log.read_text()[-2_000:] for log in sorted((tmp_path / "empty").glob("node*.log"))]
    assert ended.returncode == 0, (ended.stdout[-3_000:], ended.stderr[-3_000:], logs)
    assert "CROSSCLEAR OK" in ended.stdout or "CROSSCLEAR WARNING" in ended.stdout
    assert ended.stdout.count("ready") >= 1
